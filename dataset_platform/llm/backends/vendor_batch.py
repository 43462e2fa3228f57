"""What OpenAI's and Anthropic's batch APIs have in common: submit, write down, wait, fetch, match by key."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from dataset_platform.engines.progress import report
from dataset_platform.llm.backends.batch_state import BatchState, Submitted
from dataset_platform.llm.errors import CallError, RetryableError
from dataset_platform.llm.request import Completion, Request

Outcome = Completion | CallError
_POLL_GROWTH = 1.5


class UnknownBatch(Exception):
    """The vendor does not know a batch (any more)."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch is; ``failure`` where none of its requests was taken."""

    ended: bool
    finished: int
    failure: CallError | None = None


class VendorBatch(ABC):
    """A batch API behind ``BatchBackend``.

    Requests are sent in as few batches as the vendor's limits allow. What an earlier run of the same requests had
    submitted is waited for, not sent again; one request is in one batch at most, unless a process is killed within the
    moment between the vendor's taking a batch and its id being on disk.

    Args:
        model: the model asked for.
        state_dir: folder for the ids of submitted batches.
        endpoint: vendor, address and model, the identity of those ids.
        poll_s: first wait between two looks at a batch; waits grow by half each time, up to ``poll_max_s``.
    """

    name = ""
    simulated = False
    linger_s = 5.0
    max_requests = 50_000
    max_bytes = 200_000_000

    def __init__(
        self, model: str, endpoint: str, state_dir: str | Path, *, poll_s: float = 5.0, poll_max_s: float = 120.0
    ) -> None:
        self.model = model
        self._opened: Any = None  # the vendor's client, opened on first use
        self.batch_size = self.max_requests
        self._state = BatchState(state_dir, endpoint)
        self._poll_s, self._poll_max_s = poll_s, poll_max_s

    async def complete_batch(self, requests: Sequence[Request], keys: Sequence[str]) -> list[Outcome]:
        """Answers in the order of the requests; see ``BatchBackend``."""
        asked = dict(zip(keys, requests, strict=True))
        found: dict[str, Outcome] = {}
        waiting = dict.fromkeys(asked)
        known: list[Submitted] = []
        for batch in self._state.load():
            if shared := [k for k in batch.keys if k in waiting]:
                known.append(batch)
                for key in shared:
                    del waiting[key]
        for part in await asyncio.gather(*[self._follow(batch, asked) for batch in known]):
            found |= part
        # what a known batch turned out not to hold is sent like the rest
        rows = [(k, r) for k, r in asked.items() if k not in found]
        for part in await asyncio.gather(*[self._submit_and_follow(chunk) for chunk in self._chunks(rows)]):
            found |= part
        return [found[k] for k in keys]

    async def close(self) -> None:
        """Let go of connections; batches go on at the vendor."""
        client, self._opened = self._opened, None
        if client is not None:
            await client.close()

    @abstractmethod
    def _body(self, request: Request) -> dict[str, Any]:
        """What is asked for one request."""

    @abstractmethod
    def _line(self, key: str, body: dict[str, Any]) -> dict[str, Any]:
        """One request as it stands in the batch."""

    @abstractmethod
    async def _submit(self, lines: list[bytes]) -> str:
        """Hand a batch over.

        Raises:
            CallError: it was not taken.
        """

    @abstractmethod
    async def _progress(self, batch_id: str) -> Progress:
        """Look at a batch.

        Raises:
            UnknownBatch, CallError: it is gone, or the vendor cannot be reached now.
        """

    @abstractmethod
    async def _results(self, batch_id: str, asked: Mapping[str, Request]) -> dict[str, Outcome]:
        """What came of the requests of a batch that has ended, by key; see ``_progress`` for what is raised."""

    def _chunks(self, rows: list[tuple[str, Request]]) -> list[list[tuple[str, Request, bytes]]]:
        chunks: list[list[tuple[str, Request, bytes]]] = []
        size = 0
        for key, request in rows:
            line = orjson.dumps(self._line(key, self._body(request)))
            if not chunks or len(chunks[-1]) >= self.max_requests or size + len(line) + 1 > self.max_bytes:
                chunks.append([])
                size = 0
            chunks[-1].append((key, request, line))
            size += len(line) + 1
        return chunks

    async def _submit_and_follow(self, chunk: list[tuple[str, Request, bytes]]) -> dict[str, Outcome]:
        keys = [key for key, _, _ in chunk]
        try:
            batch_id = await self._submit([line for _, _, line in chunk])
        except CallError as e:
            return dict.fromkeys(keys, e)
        batch = self._state.keep(batch_id, keys)
        found = await self._follow(batch, {key: request for key, request, _ in chunk})
        missing = RetryableError(f"Batch {batch_id} ended without a result for this request.", billed=True)
        return {key: found.get(key, missing) for key in keys}

    async def _follow(self, batch: Submitted, asked: Mapping[str, Request]) -> dict[str, Outcome]:
        """Wait for a batch and fetch what it holds of ``asked``; nothing if the vendor has lost it."""
        wait_s = self._poll_s
        while True:
            try:
                progress = await self._progress(batch.batch_id)
                report(f"{self.name} batch {batch.batch_id}: {progress.finished}/{len(batch.keys)} answered")
                if progress.failure is not None:
                    self._state.keep(batch.batch_id, ())
                    return dict.fromkeys((k for k in batch.keys if k in asked), progress.failure)
                if progress.ended:
                    found = await self._results(batch.batch_id, asked)
                    break
            except UnknownBatch:
                self._state.keep(batch.batch_id, ())
                return {}
            except CallError as e:
                if not e.retryable:  # the batch stays on record: a later run with a key that works fetches it
                    return dict.fromkeys((k for k in batch.keys if k in asked), e)
                report(f"{self.name} batch {batch.batch_id}: {e.message}; looking again in {wait_s:g} s")
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * _POLL_GROWTH, self._poll_max_s)
        # answers can be fetched again if this process dies before they are logged; failures are asked anew
        failed = {k for k in batch.keys if k in asked and not isinstance(found.get(k), Completion)}
        if failed:
            self._state.keep(batch.batch_id, (k for k in batch.keys if k not in failed))
        return {k: v for k, v in found.items() if k in asked and k in batch.keys}
