"""Any server that speaks OpenAI's chat completions, over aiohttp.

One call is one POST, and the transport decides how many calls a process can hold: at 256 in flight against a server
that takes 500 ms (2 cores, server included), bare aiohttp reached 93 % of concurrency ÷ latency, the OpenAI SDK 78 % on
its aiohttp transport and 53–67 % on httpx. So bodies are made and read with orjson and posted directly; the SDK serves
what is more than one POST (``openai_batch``).
"""

from __future__ import annotations

import asyncio
import io
import os
from typing import Any

import aiohttp
import orjson
from yarl import URL

from dataset_platform.llm.backends.openai_wire import Dialect, ServerError, chat_body, one_line, read_completion
from dataset_platform.llm.errors import FatalError, RetryableError
from dataset_platform.llm.request import Completion, Request

_KEEPALIVE_S = 4.0  # below the 5 s of uvicorn, under most local servers: who closes first must be us, or a POST is lost
_LARGE_BODY = 2**19  # aiohttp writes bytes at once; pictures go in pieces


class OpenAIHTTP:
    """One model at one OpenAI-compatible endpoint.

    What the server refuses by name (a 400 about ``temperature``, ``seed``, ``max_tokens``, ``response_format`` …) is
    left out or put otherwise from then on, and the refused call is sent again at once.

    Args:
        base_url: up to and without ``/chat/completions``, as in ``https://api.openai.com/v1``.
        model: the model asked for.
        api_key: sent as a bearer token; None sends none.
        timeout_s: for one whole attempt; a third of it at most goes into connecting.
        concurrency: most connections.
        name: ``openai`` or ``http``, for ledger and log. OpenAI itself is asked with ``max_completion_tokens``.

    Raises:
        FatalError: (from ``complete``) the URL cannot be one.
    """

    simulated = False

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str | None = None,
        *,
        timeout_s: float = 120.0,
        concurrency: int = 64,
        name: str = "http",
    ) -> None:
        self.name, self.model = name, model
        self.base_url = base_url.rstrip("/")
        self._url = URL(f"{self.base_url}/chat/completions")
        self._headers = {"Content-Type": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(30.0, timeout_s / 3))
        self._timeout_s, self._concurrency = timeout_s, concurrency
        self._dialect = Dialect.of_openai() if name == "openai" else Dialect()
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def complete(self, request: Request) -> Completion:
        """One attempt; see ``Backend``."""
        while True:
            body = chat_body(request, self.model, self._dialect)
            status, headers, raw = await self._post(orjson.dumps(body))
            if 200 <= status < 300:
                return read_completion(self._parse(raw), request, self.model)
            if 300 <= status < 400:
                target = headers.get("Location", "nowhere")
                raise FatalError(f"{self.base_url} redirects to {target}.", "Name that address instead.", status=status)
            error = ServerError.from_body(status, raw)
            # ends: each round needs a parameter in the body that the next body lacks
            if not self._dialect.learn(body, error):
                raise error.call_error(headers, self._who)

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    @property
    def _who(self) -> str:
        return f"{self.model} at {self._url.host}"

    async def _post(self, data: bytes) -> tuple[int, Any, bytes]:
        session = self._session
        if session is None or session.closed or self._loop is not asyncio.get_running_loop():
            session = self._open()
        try:
            payload: Any = data if len(data) < _LARGE_BODY else io.BytesIO(data)
            async with session.post(self._url, data=payload, allow_redirects=False) as response:
                return response.status, response.headers, await response.read()
        except aiohttp.ConnectionTimeoutError:
            raise RetryableError(f"No connection to {self._url.host} in time.") from None
        except TimeoutError:
            raise RetryableError(f"No answer of {self._who} within {self._timeout_s:g} s.", billed=True) from None
        except aiohttp.ClientConnectorCertificateError as e:
            raise FatalError(f"The certificate of {self._url.host} is not valid: {one_line(str(e))}") from None
        except aiohttp.ClientConnectorError as e:
            raise RetryableError(f"Cannot connect to {self._url.host}: {one_line(str(e))}") from None
        except aiohttp.InvalidURL:
            raise FatalError(f"'{self.base_url}' is no URL.", "Mend DATASET_PLATFORM_LLM.") from None
        except (aiohttp.ClientError, OSError) as e:
            why = one_line(str(e)) or type(e).__name__
            raise RetryableError(f"The connection to {self._url.host} broke: {why}", billed=True) from None

    def _parse(self, raw: bytes) -> Any:
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise RetryableError(f"The answer of {self._who} is no JSON: {one_line(raw[-80:])}", billed=True) from None

    def _open(self) -> aiohttp.ClientSession:
        proxied = any(os.environ.get(v) for v in (f"{self._url.scheme}_proxy", f"{self._url.scheme}_proxy".upper()))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._concurrency, keepalive_timeout=_KEEPALIVE_S),
            headers=self._headers,
            timeout=self._timeout,
            trust_env=proxied,  # reading the environment costs every call
        )
        self._loop = asyncio.get_running_loop()
        return self._session
