"""A local HTTP server on a free port that answers as a test says, and keeps what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web


@dataclass
class Asked:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return orjson.loads(self.raw)


Answer = Callable[[Asked], Awaitable[web.StreamResponse] | web.StreamResponse]


@dataclass
class WireServer:
    """``answer`` makes the response; ``url`` has no trailing slash."""

    answer: Answer
    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(
            request.method,
            request.path_qs,
            {name.lower(): value for name, value in request.headers.items()},
            await request.read(),
        )
        self.asked.append(asked)
        made = self.answer(asked)
        return await made if asyncio.iscoroutine(made) else made  # type: ignore[return-value]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[WireServer]:
    """The server, for the length of the block."""
    server = WireServer(answer)
    app = web.Application(client_max_size=2**28)
    app.router.add_route("*", "/{rest:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, shutdown_timeout=0.1)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


def reply(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON response."""
    return web.Response(body=orjson.dumps(data), status=status, headers=headers, content_type="application/json")
