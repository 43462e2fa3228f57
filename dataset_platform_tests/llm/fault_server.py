"""An OpenAI-compatible server that fails on demand, in a process of its own.

``POST /v1/chat/completions`` answers, or not, as its ``Faults`` say; which attempt meets which fault is drawn from the
payload and the number of its attempt, so a run meets the same faults each time and every payload is answered in the end.
``GET /counts`` tells what it saw; ``POST /faults`` puts other faults in force and starts counting anew.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import orjson
import xxhash
from aiohttp import web


@dataclass(frozen=True)
class Faults:
    """What goes wrong; shares are of attempts, in the order given.

    Attributes:
        capacity: more attempts in flight than this are answered with 429.
        retry_after_s: told with every 429 of ``share_429``.
        slow_start_s: the first second's attempts take so much longer.
        truncated: the body ends in the middle of its JSON, and is billed.
        hang: no answer for ``hang_s``; billed, since the model worked.
        no_usage: answers say nothing about tokens.
        refuse_all: every attempt gets this status.
    """

    latency_s: float = 0.0
    capacity: int | None = None
    share_429: float = 0.0
    retry_after_s: float | None = None
    share_500: float = 0.0
    share_truncated: float = 0.0
    share_hang: float = 0.0
    hang_s: float = 30.0
    slow_start_s: float = 0.0
    no_usage: bool = False
    refuse_all: int | None = None


class Server:
    """The handlers and what they count."""

    def __init__(self, faults: Faults) -> None:
        self.begin(faults)

    def begin(self, faults: Faults) -> None:
        self.faults = faults
        self.calls = self.in_flight = self.peak = self.billed_tokens = self.billed_calls = 0
        self.statuses: Counter[str] = Counter()
        self.arrivals: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.started: list[float] = []
        self.tokens: list[int] = []

    async def complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.calls += 1
        self.in_flight += 1
        try:
            return await self._complete(request, body)
        finally:
            self.in_flight -= 1

    async def _complete(self, request: web.Request, body: bytes) -> web.StreamResponse:
        faults, payload = self.faults, xxhash.xxh3_64_hexdigest(body)
        now = time.monotonic()
        self.started.append(now)
        self.arrivals[payload] += 1
        if faults.refuse_all is not None:
            return self._error(faults.refuse_all, {})
        if faults.capacity is not None and self.in_flight > faults.capacity:
            return self._error(429, {})
        self.peak = max(self.peak, self.in_flight)
        draw = xxhash.xxh3_64_intdigest(f"{payload}/{self.arrivals[payload]}".encode()) / 2**64
        kinds = {
            "429": faults.share_429,
            "500": faults.share_500,
            "truncated": faults.share_truncated,
            "hang": faults.share_hang,
        }
        fault = "none"
        for kind, share in kinds.items():
            if draw < share:
                fault = kind
                break
            draw -= share
        if fault == "429":
            after = {} if faults.retry_after_s is None else {"Retry-After": str(faults.retry_after_s)}
            return self._error(429, after)
        if fault == "500":
            return self._error(500, {})
        asked = orjson.loads(body)
        answer, usage = respond(asked)
        self.billed_tokens += usage["total_tokens"]
        self.billed_calls += 1
        self.tokens.append(usage["total_tokens"])
        slow = faults.slow_start_s if now - self.started[0] < 1.0 else 0.0
        await asyncio.sleep(faults.hang_s if fault == "hang" else faults.latency_s + slow)
        message = {"role": "assistant", "content": answer}
        content = {"model": asked["model"], "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        data = orjson.dumps(content if faults.no_usage else content | {"usage": usage})
        self.statuses["200" if fault == "none" else fault] += 1
        if fault == "truncated":
            data = data[: len(data) // 2]
        elif fault == "none":
            self.answered[payload] += 1
        return web.Response(body=data, content_type="application/json")

    def _error(self, status: int, headers: dict[str, str]) -> web.Response:
        self.statuses[str(status)] += 1
        return web.json_response({"error": {"message": f"fault {status}"}}, status=status, headers=headers)

    async def counts(self, request: web.Request) -> web.Response:
        names = ("calls", "in_flight", "peak", "billed_tokens", "billed_calls", "statuses", "arrivals", "answered")
        lists = {"started": self.started, "tokens": self.tokens}
        return web.json_response({name: getattr(self, name) for name in names} | lists)

    async def set_faults(self, request: web.Request) -> web.Response:
        self.begin(Faults(**await request.json()))
        return web.json_response({})


def respond(asked: dict) -> tuple[str, dict[str, int]]:
    """The answer to a body, a function of the body alone, and its usage."""
    text = orjson.dumps(asked["messages"])
    if "response_format" in asked and (level := _level_answer(asked)) is not None:
        prompt, completion = max(1, len(text) // 8), max(1, len(level) // 4)
        usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        return level, usage
    digest = xxhash.xxh3_64_hexdigest(text)
    words = 1 + int(digest[:2], 16) % 20
    prompt = max(1, len(text) // 8)
    completion = min(words, asked.get("max_tokens") or asked.get("max_completion_tokens") or words)
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return " ".join([f"answer-{digest}"] * words), usage


def _level_answer(asked: dict) -> str | None:
    # imported late: most servers are asked for no traces, and start sooner without their rules
    from dataset_platform_tests.llm.level_answers import level_answer

    return level_answer(asked)


class FaultServer:
    """A running server as its client sees it."""

    def __init__(self, port: int) -> None:
        self.base_url = f"http://127.0.0.1:{port}/v1"
        self._root = f"http://127.0.0.1:{port}"

    def counts(self) -> dict:
        with urllib.request.urlopen(f"{self._root}/counts", timeout=20) as answer:
            return json.load(answer)

    def set(self, **faults) -> None:
        body = json.dumps(asdict(Faults(**faults))).encode()
        urllib.request.urlopen(urllib.request.Request(f"{self._root}/faults", body, method="POST"), timeout=20).close()


@contextmanager
def serving(**faults) -> Iterator[FaultServer]:
    """A server in a process of its own, as long as the block runs."""
    command = [sys.executable, "-m", "dataset_platform_tests.llm.fault_server", json.dumps(asdict(Faults(**faults)))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield FaultServer(int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def _serve(faults: Faults) -> None:
    server = Server(faults)
    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/v1/chat/completions", server.complete)
    app.router.add_get("/counts", server.counts)
    app.router.add_post("/faults", server.set_faults)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.install()
    except ImportError:
        pass
    asyncio.run(_serve(Faults(**json.loads(sys.argv[1]))))
