"""The engine against a real server that fails: nothing lost, nothing doubled, no budget passed, capacity found."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import signal
import time
from collections import Counter
from pathlib import Path

import orjson
import pytest

from dataset_platform.config import LLMConfig
from dataset_platform.llm.backends.openai_http import OpenAIHTTP
from dataset_platform.llm.engine import Engine
from dataset_platform.llm.errors import BudgetReached, CallError, TooManyErrors
from dataset_platform.llm.ledger import Ledger
from dataset_platform.llm.request import Completion, Request
from dataset_platform.llm.response_log import ResponseLog
from dataset_platform_tests.llm.fault_server import FaultServer, respond
from dataset_platform_tests.llm.resumable_run import PRICES, request, run, run_to_file

FAULTS = {"latency_s": 0.01, "share_429": 0.05, "share_500": 0.08, "share_truncated": 0.05}
QUICK = {"backoff_base_s": 0.02, "backoff_max_s": 0.2, "max_attempts": 12}


def expected(number: int) -> str:
    messages = [{"role": m.role, "content": m.content} for m in request(number).messages]
    return respond({"messages": messages})[0]


def log_lines(folder: Path) -> list[list[dict]]:
    """The whole lines of each file, in the order of their beginning."""
    files = [path.read_bytes().splitlines(keepends=True) for path in sorted(folder.glob("calls-*.jsonl"))]
    return [[orjson.loads(line) for line in lines if line.endswith(b"\n")] for lines in files]


@pytest.mark.parametrize(
    "faults",
    [
        FAULTS,
        {"latency_s": 0.01, "share_429": 0.1, "retry_after_s": 0.05, "share_hang": 0.03, "slow_start_s": 0.1},
        {"latency_s": 0.02, "capacity": 6, "share_500": 0.05, "no_usage": True},
    ],
    ids=["429 500 truncated", "Retry-After hang slow start", "capacity 500 no usage"],
)
def test_every_call_is_answered_whatever_the_server_does(
    fault_server: FaultServer, tmp_path: Path, faults: dict
) -> None:
    fault_server.set(**faults)
    config = LLMConfig(concurrency=24, timeout_s=0.6, **QUICK)
    ledger = Ledger(PRICES)
    texts, engine = asyncio.run(run(fault_server.base_url, str(tmp_path), 250, config, 60, ledger))
    assert texts == {n: expected(n) for n in range(250)}
    counts = fault_server.counts()
    assert engine.stats.retries == counts["calls"] - 250
    assert sum(counts["statuses"].values()) >= 250 and len(counts["statuses"]) >= 2, "faults did happen"
    assert ledger.tokens >= counts["billed_tokens"] and ledger.reserved_tokens == 0
    answered = Counter(line["answered"] for lines in log_lines(tmp_path) for line in lines if "answered" in line)
    assert set(answered.values()) == {1} and len(answered) == 250

    texts, engine = asyncio.run(run(fault_server.base_url, str(tmp_path), 250, config))
    assert texts == {n: expected(n) for n in range(250)}
    assert engine.stats.from_log == 250 and fault_server.counts()["calls"] == counts["calls"]


def kill_and_resume(server: FaultServer, folder: Path, calls: int, kills: int, seed: int) -> None:
    server.set(**FAULTS)
    concurrency = 16
    config = {"concurrency": concurrency, **QUICK}
    settings = {"base_url": server.base_url, "folder": str(folder), "calls": calls, "config": config, "window": 48}
    result_file = folder.parent / "result.json"
    # forks of a process that has loaded everything: a start takes milliseconds, and kills meet work rather than imports
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dataset_platform_tests.llm.resumable_run"])
    draw = random.Random(seed)
    killed = 0
    while killed < kills:
        before = server.counts()["calls"]
        process = context.Process(target=run_to_file, args=(settings, str(result_file)))
        process.start()
        while server.counts()["calls"] == before and process.is_alive():
            time.sleep(0.005)
        time.sleep(draw.uniform(0.0, 0.25))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, "there was work left to kill"
        killed += 1
    last = context.Process(target=run_to_file, args=(settings, str(result_file)))
    last.start()
    last.join()
    result = json.loads(result_file.read_text())

    assert result["texts"] == {str(n): expected(n) for n in range(calls)}, "none lost, none another's"
    assert result["done"] + result["from_log"] == calls and result["from_log"] > 0
    answered: Counter[str] = Counter()
    cut = repeated = 0
    open_before: set[str] = set()
    for lines in log_lines(folder):
        under_way: set[str] = set()
        for line in lines:
            if "sent" in line:
                under_way.add(line["sent"])
                repeated += line["sent"] in open_before
                open_before.discard(line["sent"])
            else:
                under_way.discard(line.get("answered") or line.get("failed"))
                answered.update([line["answered"]] if "answered" in line else [])
        assert len(under_way) <= concurrency
        cut += len(under_way)
        open_before |= under_way
    assert set(answered.values()) == {1} and len(answered) == calls, "no call is answered twice in the log"
    assert repeated == cut <= kills * concurrency and result["repeated"] <= concurrency
    doubled = sum(times - 1 for times in server.counts()["answered"].values())
    assert doubled <= cut, "the server answered no call twice but those that were in flight at a kill"


def test_killed_runs_go_on_where_they_were(fault_server: FaultServer, tmp_path: Path) -> None:
    kill_and_resume(fault_server, tmp_path / "log", calls=600, kills=3, seed=1)


@pytest.mark.slow
def test_twenty_killed_runs_go_on_where_they_were(fault_server: FaultServer, tmp_path: Path) -> None:
    kill_and_resume(fault_server, tmp_path / "log", calls=4_000, kills=20, seed=2)


@pytest.mark.parametrize("limit", ["tokens", "cost"])
def test_the_budget_is_never_passed_under_faults(fault_server: FaultServer, tmp_path: Path, limit: str) -> None:
    fault_server.set(**FAULTS | {"share_hang": 0.03})
    config = LLMConfig(concurrency=32, timeout_s=0.3, **QUICK)
    max_tokens = 15_000 if limit == "tokens" else None
    max_cost = 0.02 if limit == "cost" else None

    async def main() -> Ledger:
        ledger = Ledger(PRICES, max_cost, max_tokens)
        with pytest.raises(BudgetReached):
            await run(fault_server.base_url, str(tmp_path), 2_000, config, 64, ledger)
        return ledger

    ledger = asyncio.run(main())
    counts = fault_server.counts()
    assert counts["billed_tokens"] <= ledger.tokens
    if max_tokens is not None:
        assert ledger.tokens <= max_tokens
        assert ledger.tokens > max_tokens - 64 - request(1_999).prompt_tokens_bound(), "and it is used up"
    if max_cost is not None:
        assert ledger.cost_usd is not None and 0.98 * max_cost <= ledger.cost_usd <= max_cost
    kept = len(ResponseLog(tmp_path))
    assert 100 < kept <= counts["billed_calls"]


@pytest.mark.parametrize(("capacity", "ceiling"), [(8, 64), (20, 64), (45, 64)])
def test_concurrency_settles_at_the_servers_hidden_capacity(
    fault_server: FaultServer, capacity: int, ceiling: int
) -> None:
    latency_s = 0.15
    fault_server.set(latency_s=latency_s, capacity=capacity)
    config = LLMConfig(concurrency=ceiling, max_attempts=12, backoff_base_s=0.1, backoff_max_s=0.5)
    calls = 30 * capacity
    seen: list[tuple[int, float]] = []

    async def main() -> int:
        backend = OpenAIHTTP(fault_server.base_url, "m", concurrency=ceiling)
        async with Engine(backend, config, Ledger(PRICES)) as engine:

            async def work(number: int) -> None:
                response = await engine.complete(request(number))
                assert response.text == expected(number)
                seen.append((engine.stats.limit, response.latency_s))

            async for _ in engine.map(range(calls), work, 4 * ceiling):
                pass
            return engine.stats.failed.total()

    assert asyncio.run(main()) == 0
    settled = seen[calls // 3 : -2 * capacity]
    # a call is longer in flight here than at the server, by what a busy machine adds on the way (Little's law)
    held = capacity * sum(latency for _, latency in settled) / len(settled) / latency_s
    assert abs(sum(limit for limit, _ in settled) / len(settled) - held) <= 0.2 * held
    assert fault_server.counts()["peak"] <= capacity


def test_requests_per_minute_hold_for_real(fault_server: FaultServer) -> None:
    """Times are those of the engine's own clock when an attempt leaves: what the machine adds later is not its doing."""
    per_second = 200.0
    left: list[float] = []

    class Timed(OpenAIHTTP):
        async def complete(self, request: Request) -> Completion:
            left.append(asyncio.get_running_loop().time())
            return await super().complete(request)

    async def main() -> float:
        config = LLMConfig(concurrency=64, requests_per_minute=60 * per_second)
        began = asyncio.get_running_loop().time()
        async with Engine(Timed(fault_server.base_url, "m"), config, Ledger(PRICES)) as engine:
            async for _ in engine.map((request(n) for n in range(500)), engine.complete, 64):
                pass
        return began

    began = asyncio.run(main())
    assert all(number <= (at - began) * per_second * 1.01 + 1 for number, at in enumerate(left, 1)), "it starts empty"
    burst = per_second * 0.02
    for width in (1.0, 2.0):
        worst = max(sum(a <= at < a + width for at in left) for a in left)
        assert worst <= 1.01 * per_second * width + burst


def test_a_server_that_refuses_everything_is_asked_five_times(fault_server: FaultServer, tmp_path: Path) -> None:
    fault_server.set(refuse_all=401)
    with pytest.raises(TooManyErrors):
        asyncio.run(run(fault_server.base_url, str(tmp_path), 500, LLMConfig(concurrency=1), 8))
    assert fault_server.counts()["calls"] == 5
    fault_server.set()
    texts, _ = asyncio.run(run(fault_server.base_url, str(tmp_path), 20, LLMConfig(), 8))
    assert texts == {n: expected(n) for n in range(20)}, "nothing of the refusals was kept as an answer"


def test_a_server_that_is_gone_is_an_error_of_each_call() -> None:
    async def main() -> list[object]:
        backend = OpenAIHTTP("http://127.0.0.1:9/v1", "m")
        config = LLMConfig(max_attempts=2, backoff_base_s=0.01)
        async with Engine(backend, config, Ledger(PRICES)) as engine:
            return await asyncio.gather(*(engine.complete(request(n)) for n in range(3)), return_exceptions=True)

    found = asyncio.run(main())
    assert all(isinstance(e, CallError) and "connect" in e.message.lower() for e in found)
