"""A chat-completions server that answers arithmetic after a fixed latency: what engines are measured against.

    python -m benchmarks.model_server --port 8008 --latency 0.5

It answers like the simulated model, so a policy has something to work on, and counts what it served (GET /stats).
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
from aiohttp import web

ANSWER = (
    b'{"id":"x","object":"chat.completion","model":"bench","choices":[{"index":0,"finish_reason":"stop","message":'
    b'{"role":"assistant","content":"12 * 7 = 84\\n84 - 4 = 80\\n#### 80"}}],'
    b'"usage":{"prompt_tokens":60,"completion_tokens":20,"total_tokens":80}}'
)


def app(latency_s: float) -> web.Application:
    """The server; every answer comes ``latency_s`` seconds after its request was read."""
    stats = {"calls": 0, "in_flight": 0, "peak": 0, "first": 0.0, "last": 0.0}

    async def complete(request: web.Request) -> web.Response:
        await request.read()
        now = time.monotonic()
        stats["first"] = stats["first"] or now
        stats["calls"] += 1
        stats["in_flight"] += 1
        stats["peak"] = max(stats["peak"], stats["in_flight"])
        try:
            await asyncio.sleep(latency_s)
        finally:
            stats["in_flight"] -= 1
        stats["last"] = time.monotonic()
        return web.Response(body=ANSWER, content_type="application/json")

    async def tell(_: web.Request) -> web.Response:
        answer = web.Response(body=orjson.dumps(stats), content_type="application/json")
        stats.update(calls=0, peak=0, first=0.0, last=0.0)
        return answer

    served = web.Application(client_max_size=1 << 24)
    served.add_routes([web.post("/v1/chat/completions", complete), web.get("/stats", tell)])
    return served


@contextmanager
def running(latency_s: float) -> Iterator[str]:
    """The server in a process of its own; gives its base URL (without ``/v1``)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.model_server", "--port", str(port), "--latency", str(latency_s)]
    server = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 30
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the server did not start")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=10)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency", type=float, default=0.5)
    options = parser.parse_args()
    try:
        import uvloop

        uvloop.install()
    except ImportError:
        pass
    web.run_app(app(options.latency), host="127.0.0.1", port=options.port, print=None, access_log=None, backlog=4096)


if __name__ == "__main__":
    main()
