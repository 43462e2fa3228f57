"""Anthropic's Messages API, by the official SDK.

The SDK makes the requests and knows the errors; its retries are off, for patience is the engine's. Its aiohttp transport
is used where the installed version has one (faster than httpx, see ``openai_http``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from dataset_platform.llm.backends.anthropic_wire import AnthropicDialect, message_body, read_message, sdk_error
from dataset_platform.llm.backends.openai_wire import ServerError, one_line
from dataset_platform.llm.errors import RetryableError
from dataset_platform.llm.request import Completion, Request


class AnthropicModel:
    """One model. A schema is asked for as structured output; a model that has none is asked in the prompt.

    Args:
        base_url: Anthropic's own when None.
        timeout_s: for one whole attempt.
        concurrency: most connections.
    """

    name = "anthropic"
    simulated = False

    def __init__(
        self,
        model: str,
        api_key: str,
        *,
        base_url: str | None = None,
        timeout_s: float = 120.0,
        concurrency: int = 64,
    ) -> None:
        self.model = model
        self._key, self._base_url = api_key, base_url
        self._timeout_s, self._concurrency = timeout_s, concurrency
        self._dialect = AnthropicDialect()
        self._client: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def complete(self, request: Request) -> Completion:
        """One attempt; see ``Backend``."""
        if self._client is None or self._loop is not asyncio.get_running_loop():
            self._client = open_client(self._key, self._base_url, self._timeout_s, self._concurrency)
            self._loop = asyncio.get_running_loop()
        while True:
            body = message_body(request, self.model, self._dialect)
            try:
                return read_message(await self._send(body), self.model)
            except ServerRefused as e:
                # ends: each round needs a parameter in the body that the next body lacks
                if not self._dialect.learn(body, e.error):
                    raise e.error.call_error(e.headers, self.model) from None

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _send(self, body: dict[str, Any]) -> Any:
        import anthropic

        extra = {name: body[name] for name in ("temperature", "top_p", "output_config") if name in body}
        known = {name: value for name, value in body.items() if name not in extra}
        try:
            # the SDK's timeouts are per read and write; this one is for the whole
            async with asyncio.timeout(self._timeout_s):
                response = await self._client.messages.with_raw_response.create(**known, extra_body=extra)
                raw = response.content if hasattr(response, "content") else await response.read()
        except TimeoutError:
            raise RetryableError(f"No answer of {self.model} within {self._timeout_s:g} s.", billed=True) from None
        except anthropic.APIStatusError as e:
            error = ServerError.from_body(e.status_code, e.response.content)
            raise ServerRefused(error, e.response.headers) from None
        except (anthropic.APIConnectionError, anthropic.APIResponseValidationError) as e:
            raise sdk_error(e, self.model) from None
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise RetryableError(f"The answer of {self.model} is no JSON: {one_line(raw[-80:])}", billed=True) from None


class ServerRefused(Exception):
    """A status other than 2xx, before it is known whether another body helps."""

    def __init__(self, error: ServerError, headers: Mapping[str, str]) -> None:
        super().__init__(error.message)
        self.error, self.headers = error, headers


def open_client(api_key: str, base_url: str | None, timeout_s: float, concurrency: int) -> Any:
    """An ``AsyncAnthropic`` without retries of its own."""
    import anthropic

    limits = type(anthropic.DEFAULT_CONNECTION_LIMITS)(
        max_connections=concurrency, max_keepalive_connections=concurrency
    )
    transport = getattr(anthropic, "DefaultAioHttpClient", anthropic.DefaultAsyncHttpxClient)
    return anthropic.AsyncAnthropic(
        api_key=api_key,
        base_url=base_url,
        timeout=timeout_s,
        max_retries=0,
        http_client=transport(limits=limits, timeout=timeout_s, follow_redirects=False),
    )
