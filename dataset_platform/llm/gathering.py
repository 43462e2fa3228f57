"""Single calls gathered into batches, for backends that answer many requests together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dataset_platform.errors import EngineError
from dataset_platform.llm.backend import Backend, BatchBackend
from dataset_platform.llm.request import Completion, Request


def endpoint(backend: Backend | BatchBackend) -> str:
    """Who answers, in log and keys: ``backend:model``, and the server where anybody may run one."""
    url = getattr(backend, "base_url", None) if backend.name == "http" else None
    return f"{backend.name}:{backend.model}" + (f"@{url}" if url else "")


class Gathering:
    """A batch backend behind the face of a single-call one.

    A batch leaves when ``batch_size`` requests wait, or when none came for ``linger_s``; what comes meanwhile makes the
    next one. An in-process model does one batch after the other; a backend with an attribute ``max_batches`` has that
    many under way.
    """

    def __init__(self, backend: BatchBackend) -> None:
        self._backend = backend
        self.name, self.model, self.simulated = backend.name, backend.model, backend.simulated
        self._endpoint = endpoint(backend)
        self._max_batches: int = getattr(backend, "max_batches", 1)
        self._pending: dict[asyncio.Future[Completion], Request] = {}
        self._last = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._lingered = False

    async def complete(self, request: Request) -> Completion:
        """One request's part of a batch; see ``Backend``."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Completion] = loop.create_future()
        self._pending[answer] = request
        self._last = loop.time()
        self._lingered = False
        if len(self._pending) >= self._backend.batch_size:
            self._hand_over()
        if self._pending and self._timer is None:
            self._timer = loop.call_later(self._backend.linger_s, self._quiet)
        try:
            return await answer
        finally:
            self._pending.pop(answer, None)  # given up before it was handed over

    async def close(self) -> None:
        """Give up the batches under way and close the backend."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._backend.close()

    def _quiet(self) -> None:
        """The linger time is over, unless a request came since the timer was set."""
        self._timer = None
        loop = asyncio.get_running_loop()
        due = self._last + self._backend.linger_s
        if due > loop.time() + 1e-6:
            self._timer = loop.call_at(due, self._quiet)
            return
        self._lingered = True
        self._hand_over()

    def _hand_over(self) -> None:
        while self._pending and len(self._running) < self._max_batches:
            if not self._lingered and len(self._pending) < self._backend.batch_size:
                return
            chosen = list(self._pending)[: self._backend.batch_size]
            batch = {answer: self._pending.pop(answer) for answer in chosen}
            task = asyncio.get_running_loop().create_task(self._run(batch))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            self._hand_over()

    async def _run(self, batch: dict[asyncio.Future[Completion], Request]) -> None:
        requests = list(batch.values())
        try:
            results: Sequence[Completion | Exception] = await self._backend.complete_batch(
                requests, [r.key(self._endpoint) for r in requests]
            )
            if len(results) != len(requests):
                raise EngineError(f"{self._endpoint} gave {len(results)} answers to a batch of {len(requests)}.")
        except asyncio.CancelledError:
            for answer in batch:
                answer.cancel()
            raise
        except Exception as e:
            results = [e] * len(batch)
        _deliver(list(batch), results)


def _deliver(answers: Sequence[asyncio.Future[Completion]], results: Sequence[Completion | Exception]) -> None:
    for answer, result in zip(answers, results, strict=True):
        if answer.done():  # its caller has gone
            continue
        if isinstance(result, Exception):
            answer.set_exception(result)
        else:
            answer.set_result(result)
