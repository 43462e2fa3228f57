"""Anthropic's message batches: half the price, answers within a day, most within an hour. By the official SDK.

Source: Anthropic's Message Batches guide: up to 100,000 requests or 256 MB, ``custom_id`` of letters, digits, ``_`` and
``-`` up to 64, results out of order for 29 days, each succeeded, errored, canceled or expired.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from dataset_platform.llm.backends.anthropic import open_client
from dataset_platform.llm.backends.anthropic_wire import AnthropicDialect, message_body, read_message, sdk_error
from dataset_platform.llm.backends.openai_wire import ServerError
from dataset_platform.llm.backends.vendor_batch import Outcome, Progress, UnknownBatch, VendorBatch
from dataset_platform.llm.errors import CallError, RetryableError
from dataset_platform.llm.request import Request

_STATUS_OF = {  # of the error types in results, as the API reference pairs them
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class AnthropicBatch(VendorBatch):
    """One model through message batches; see ``VendorBatch`` for the other arguments.

    Args:
        base_url: Anthropic's own when None.
        timeout_s: of each of the SDK's calls, not of a batch.
    """

    name = "anthropic"
    max_requests = 100_000
    max_bytes = 256_000_000 - 1_000  # the rest is for the list around the requests

    def __init__(
        self,
        model: str,
        api_key: str,
        *,
        base_url: str | None = None,
        state_dir: str | Path,
        timeout_s: float = 120.0,
        poll_s: float = 5.0,
        poll_max_s: float = 120.0,
    ) -> None:
        super().__init__(model, f"anthropic {base_url or ''} {model}", state_dir, poll_s=poll_s, poll_max_s=poll_max_s)
        self._key, self._base_url, self._timeout_s = api_key, base_url, timeout_s
        self._dialect = AnthropicDialect()

    def _client(self) -> Any:
        if self._opened is None:
            self._opened = open_client(self._key, self._base_url, self._timeout_s, concurrency=4)
        return self._opened

    def _body(self, request: Request) -> dict[str, Any]:
        return message_body(request, self.model, self._dialect)

    def _line(self, key: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"custom_id": key, "params": body}

    async def _submit(self, lines: list[bytes]) -> str:
        import anthropic

        try:
            batch = await self._client().messages.batches.create(requests=[orjson.loads(line) for line in lines])
        except anthropic.APIError as e:
            raise sdk_error(e, f"{self.model}'s batch API") from None
        return str(batch.id)

    async def _progress(self, batch_id: str) -> Progress:
        import anthropic

        try:
            batch = await self._client().messages.batches.retrieve(batch_id)
        except anthropic.NotFoundError:
            raise UnknownBatch(batch_id) from None
        except anthropic.APIError as e:
            raise sdk_error(e, f"{self.model}'s batch API") from None
        counts = batch.request_counts
        finished = counts.succeeded + counts.errored + counts.canceled + counts.expired
        return Progress(batch.processing_status == "ended", finished)

    async def _results(self, batch_id: str, asked: Mapping[str, Request]) -> dict[str, Outcome]:
        import anthropic

        found: dict[str, Outcome] = {}
        try:
            async for row in await self._client().messages.batches.results(batch_id):
                if row.custom_id in asked:
                    found[row.custom_id] = self._outcome(row.result.to_dict(mode="json"), asked[row.custom_id])
        except anthropic.NotFoundError:
            raise UnknownBatch(batch_id) from None
        except anthropic.APIError as e:
            raise sdk_error(e, f"{self.model}'s batch API") from None
        except anthropic.AnthropicError:  # no results_url: archived
            raise UnknownBatch(batch_id) from None
        except ValueError:
            raise RetryableError(f"The results of batch {batch_id} came incomplete.") from None
        return found

    def _outcome(self, result: dict[str, Any], request: Request) -> Outcome:
        kind = result.get("type")
        if kind == "succeeded":
            try:
                return read_message(result.get("message"), self.model)
            except CallError as e:
                return e
        if kind != "errored":
            return RetryableError(f"The request was {kind} before {self.model} answered it.")
        error = (result.get("error") or {}).get("error") or {}
        status = _STATUS_OF.get(error.get("type", ""), 500)
        refused = ServerError.from_body(status, orjson.dumps({"error": error}))
        body = message_body(request, self.model, self._dialect)
        gone = dict.fromkeys(self._dialect.dropped) | ({} if self._dialect.schema_format else {"output_config": None})
        # a parameter that the model does not take: the engine asks again, and the next batch does without
        if self._dialect.learn(body, refused) or AnthropicDialect().learn(gone, refused):
            return RetryableError(f"{self.model} answered {status}: {refused.message}", status=status)
        return refused.call_error({}, self.model)
