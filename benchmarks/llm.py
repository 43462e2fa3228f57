"""The language model engine beside a bare client and Ray's own processor, in one run, on one machine.

    python -m benchmarks.llm            # all parts; prints ratios and rewrites its part of benchmarks/RESULTS.md
    python -m benchmarks.llm --quick

1. The traces asset, end to end (``dataset-platform materialize``), against a bare aiohttp client with as many calls in
   flight on the same server; and its memory at 1,000 and 10,000 questions.
2. 64 calls of 100 ms: the engine at concurrency 64 against Ray's ``HttpRequestUDF``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import aiohttp
import yaml

from benchmarks.model_server import running
from benchmarks.results import write_section

IN_FLIGHT = 256
LATENCY_S = 0.5
BODY = {
    "model": "bench",
    "max_tokens": 256,
    "messages": [
        {"role": "system", "content": "Answer."},
        {"role": "user", "content": "A bus with 12 rows of 7 seats has 4 empty seats. How many are taken? " * 4},
    ],
}


def stats(url: str) -> dict[str, float]:
    """What the server counted since it was last asked."""
    with urllib.request.urlopen(f"{url}/stats") as answer:
        content: dict[str, float] = json.load(answer)
    return content


async def bare(url: str, calls: int, in_flight: int) -> float:
    """Calls a second that aiohttp alone reaches."""
    numbers = iter(range(calls))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=in_flight)) as session:

        async def worker() -> None:
            for _ in numbers:
                async with session.post(f"{url}/v1/chat/completions", json=BODY) as answer:
                    await answer.json()

        started = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(in_flight)))
        return calls / (time.perf_counter() - started)


def traces(url: str, questions: int) -> dict[str, float]:
    """One day of the traces asset through the command line, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "settings.yaml"
        source = {"dataset": "arithmetic", "source": "arithmetic", "per_day": questions, "start": "2026-01-05"}
        lane = {"sources": [source], "policy": {"max_turns": 3}, "traces": {"max_answer_tokens": 64}}
        config.write_text(yaml.safe_dump({"self_correction": lane, "llm": {"concurrency": IN_FLIGHT}}))
        environment = os.environ | {
            "DATASET_PLATFORM_HOME": f"{folder}/home",
            "DATASET_PLATFORM_CONFIG": str(config),
            "DATASET_PLATFORM_LLM": f"{url}/v1#bench",
        }
        command = [sys.executable, "-m", "dataset_platform", "materialize", "--json", "-p", "2026-01-05"]
        subprocess.run([*command, "self_correction/questions"], env=environment, check=True, stdout=subprocess.DEVNULL)
        stats(url)
        started = time.perf_counter()
        child = subprocess.Popen([*command, "self_correction/traces"], env=environment, stdout=subprocess.PIPE)
        assert child.stdout is not None
        out = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
        assert status == 0, out
        peak = usage.ru_maxrss / 1024
        served = stats(url)
        asset = json.loads(out.decode().strip().rsplit("\n", 1)[-1])["assets"][0]
        return {
            "calls": served["calls"],
            "command_s": wall,
            "asset_s": asset["seconds"],
            "calling_s": served["last"] - served["first"],
            "peak_in_flight": served["peak"],
            "peak_mb": peak,
        }


def ray_against_engine(calls: int = 64) -> dict[str, float]:
    """Seconds for the same calls by Ray's ``HttpRequestUDF`` and by the engine."""
    from dataset_platform.config import LLMConfig
    from dataset_platform.llm.engine import Engine
    from dataset_platform.llm.ledger import Ledger, PriceList
    from dataset_platform.llm.request import Message, Request
    from dataset_platform.llm.select import open_backend
    from dataset_platform.llm.session import run

    with running(0.1) as url:

        async def ours() -> float:
            config = LLMConfig(concurrency=calls)
            backend = open_backend(config, f"{url}/v1#bench")
            async with Engine(backend, config, Ledger(PriceList({}), None, None)) as engine:
                requests = [Request((Message("user", f"question {i}"),), max_tokens=64) for i in range(calls)]
                started = time.perf_counter()
                await asyncio.gather(*(engine.complete(r) for r in requests))
                return time.perf_counter() - started

        engine_s = run(ours())
        from ray.llm._internal.batch.stages.http_request_stage import HttpRequestUDF

        async def theirs() -> float:
            udf = HttpRequestUDF(
                data_column="__data", expected_input_keys=["payload"], url=f"{url}/v1/chat/completions"
            )
            rows = [{"payload": {**BODY, "n": i}, "__idx_in_batch": i} for i in range(calls)]
            started = time.perf_counter()
            count = 0
            async for _ in udf.udf(rows):
                count += 1
            assert count == calls
            return time.perf_counter() - started

        ray_s = asyncio.run(theirs())
    return {"engine_s": engine_s, "ray_s": ray_s, "ratio": ray_s / engine_s}


def main() -> None:
    """Run all parts and print their ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="fewer questions")
    options = parser.parse_args()
    small, large = (300, 1_000) if options.quick else (1_000, 10_000)
    lines = []
    with running(LATENCY_S) as url:
        ideal = IN_FLIGHT / LATENCY_S
        reached = asyncio.run(bare(url, 20 * IN_FLIGHT, IN_FLIGHT))
        lines.append(
            f"- bare aiohttp, {IN_FLIGHT} in flight, {LATENCY_S:.1f} s a call: {reached / ideal:.1%} of concurrency ÷ latency"
        )
        memory = {}
        for questions in (small, large):
            of = traces(url, questions)
            memory[questions] = of["peak_mb"]
            rate, whole = of["calls"] / of["calling_s"], of["calls"] / of["asset_s"]
            lines.append(
                f"- traces asset, {questions:,} questions, {of['calls']:,.0f} calls: {rate / reached:.1%} of bare aiohttp from "
                f"first call to last answer, {whole / reached:.1%} over the whole asset; peak memory {of['peak_mb']:.0f} MB"
            )
        again = asyncio.run(bare(url, 20 * IN_FLIGHT, IN_FLIGHT))
        lines.append(f"- bare aiohttp once more: {again / ideal:.1%}")
    lines.append(f"- memory at {large:,} questions against {small:,}: {memory[large] / memory[small]:.2f} times")
    of = ray_against_engine()
    lines.append(f"- 64 calls of 100 ms: the engine takes 1/{of['ratio']:.0f} of the time of Ray's HttpRequestUDF")
    print("\n".join(lines))
    if not options.quick:
        write_section("Language model engine", "python -m benchmarks.llm", lines)


if __name__ == "__main__":
    main()
