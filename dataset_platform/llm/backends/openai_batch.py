"""OpenAI's batch API: half the price, answers within a day. By the official SDK.

Source: OpenAI's Batch API guide: JSONL with ``custom_id``, ``method``, ``url`` and ``body``; 50,000 requests and 200 MB a
file; an expired batch still returns what was answered, the rest stands in its error file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from dataset_platform.llm.backends.anthropic_wire import sdk_error
from dataset_platform.llm.backends.openai_wire import Dialect, ServerError, chat_body, read_completion
from dataset_platform.llm.backends.vendor_batch import Outcome, Progress, UnknownBatch, VendorBatch
from dataset_platform.llm.errors import CallError, FatalError, RetryableError
from dataset_platform.llm.request import Request

_ENDED = frozenset({"completed", "expired", "cancelled"})
_LATER = frozenset({"batch_expired", "batch_cancelled", "token_limit_exceeded", "rate_limit_exceeded", "server_error"})


class OpenAIBatch(VendorBatch):
    """One model through files and batches; see ``VendorBatch`` for the other arguments.

    Args:
        base_url: as in ``https://api.openai.com/v1``.
        timeout_s: of each of the SDK's calls, not of a batch.
    """

    name = "openai"
    max_requests = 50_000
    max_bytes = 200_000_000

    def __init__(
        self,
        model: str,
        api_key: str,
        *,
        base_url: str,
        state_dir: str | Path,
        timeout_s: float = 120.0,
        poll_s: float = 5.0,
        poll_max_s: float = 120.0,
    ) -> None:
        super().__init__(model, f"openai {base_url} {model}", state_dir, poll_s=poll_s, poll_max_s=poll_max_s)
        self._key, self._base_url, self._timeout_s = api_key, base_url, timeout_s
        self._dialect = Dialect.of_openai()

    def _client(self) -> Any:
        import openai

        if self._opened is None:
            self._opened = openai.AsyncOpenAI(
                api_key=self._key, base_url=self._base_url, timeout=self._timeout_s, max_retries=0
            )
        return self._opened

    def _body(self, request: Request) -> dict[str, Any]:
        return chat_body(request, self.model, self._dialect)

    def _line(self, key: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": body}

    async def _submit(self, lines: list[bytes]) -> str:
        import openai

        client = self._client()
        try:
            upload = ("requests.jsonl", b"\n".join(lines) + b"\n")
            file = await client.files.create(file=upload, purpose="batch")
            batch = await client.batches.create(
                input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
            )
        except openai.APIError as e:
            raise sdk_error(e, f"{self.model}'s batch API") from None
        return str(batch.id)

    async def _progress(self, batch_id: str) -> Progress:
        import openai

        try:
            batch = await self._client().batches.retrieve(batch_id)
        except openai.NotFoundError:
            raise UnknownBatch(batch_id) from None
        except openai.APIError as e:
            raise sdk_error(e, f"{self.model}'s batch API") from None
        counts = batch.request_counts
        finished = counts.completed + counts.failed if counts else 0
        if batch.status == "failed":
            errors = (batch.errors.data if batch.errors else None) or []
            said = "; ".join(str(e.message) for e in errors[:3]) or "no reason given"
            later = any(e.code in _LATER for e in errors)
            failure: CallError = (
                RetryableError(f"Batch {batch_id} was not taken now: {said}")
                if later
                else FatalError(f"Batch {batch_id} was not taken: {said}")
            )
            return Progress(True, finished, failure)
        return Progress(batch.status in _ENDED, finished)

    async def _results(self, batch_id: str, asked: Mapping[str, Request]) -> dict[str, Outcome]:
        import openai

        client = self._client()
        found: dict[str, Outcome] = {}
        try:
            batch = await client.batches.retrieve(batch_id)
            for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
                content = await client.files.content(file_id)
                for line in content.content.splitlines():
                    row = orjson.loads(line) if line.strip() else {}
                    if (key := str(row.get("custom_id"))) in asked:
                        found[key] = self._outcome(row, asked[key])
        except openai.NotFoundError:
            raise UnknownBatch(batch_id) from None
        except openai.APIError as e:
            raise sdk_error(e, f"{self.model}'s batch API") from None
        except orjson.JSONDecodeError:
            raise RetryableError(f"The results of batch {batch_id} came incomplete.") from None
        return found

    def _outcome(self, row: dict[str, Any], request: Request) -> Outcome:
        error, response = row.get("error") or {}, row.get("response") or {}
        if not response:
            said, code = error.get("message") or "no reason given", error.get("code") or ""
            return RetryableError(said) if code in _LATER else FatalError(f"{self.model}: {said}")
        status, body = int(response.get("status_code") or 0), response.get("body")
        try:
            if status == 200:
                return read_completion(body, request, self.model)
        except CallError as e:
            return e
        refused = ServerError.from_body(status, orjson.dumps(body))
        # a parameter that the model does not take: the engine asks again, and the next batch does without
        if self._dialect.learn(chat_body(request, self.model, self._dialect), refused) or self._has_learned(refused):
            return RetryableError(f"{self.model} answered {status}: {refused.message}", status=status)
        return refused.call_error({}, self.model)

    def _has_learned(self, refused: ServerError) -> bool:
        """Whether the parameter it names is one that another row of the batch has already taught to leave out."""
        gone = dict.fromkeys((*self._dialect.dropped, *self._dialect.refused_lengths))
        gone |= {} if self._dialect.schema_format else {"response_format": None}
        return bool(refused.parameters(gone))
