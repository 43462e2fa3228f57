"""One run of traces over hand-made keyframes, and its rows, for the tests of ``engines.cot_runs``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from dataset_platform.config import LLMConfig, ModelPrice
from dataset_platform.contracts import CotTraces
from dataset_platform.engines.cot_runs import CotJob, run_cot
from dataset_platform.engines.cot_writer import Keyframe
from dataset_platform.kernels.reasoning.settings import ReasoningConfig, RouteConfig
from dataset_platform.llm.backends.openai_http import OpenAIHTTP
from dataset_platform.llm.engine import Engine
from dataset_platform.llm.ledger import Ledger, PriceList
from dataset_platform.llm.response_log import ResponseLog
from dataset_platform_tests.kernels.reasoning.llm_scene import keyframes
from dataset_platform_tests.llm.fault_server import FaultServer

PRICES = PriceList({"m": ModelPrice(input=1.0, output=2.0), "careless": ModelPrice(input=0.1, output=0.1)})
FRAMES = keyframes(24)
SCHEMA = CotTraces.labelled_schema().remove_metadata()


def rows_of(folder: Path) -> list[dict[str, Any]]:
    parts = sorted(folder.glob("*.parquet"))
    assert all(pq.read_schema(p).equals(SCHEMA) for p in parts)
    return [row for part in parts for row in pq.read_table(part).to_pylist()]


def config(generator: str = "llm", **fields: Any) -> ReasoningConfig:
    route = {n: fields.pop(n) for n in tuple(fields) if n in RouteConfig.model_fields}
    return ReasoningConfig(generator=generator, route=RouteConfig(**route), **fields)


def run(
    path: Path,
    job: CotJob,
    frames: list[Keyframe] = FRAMES,
    llm: Any = None,
    cheap: Any = None,
    log: Path | None = None,
    ledger: Ledger | None = None,
    settings: LLMConfig | None = None,
) -> list[dict[str, Any]]:
    """The rows of a run; ``llm`` and ``cheap`` are backends."""

    async def work() -> None:
        shared, limits = ledger or Ledger(PRICES), settings or LLMConfig(concurrency=8)
        kept = None if log is None else ResponseLog(str(log))
        if llm is None:
            await run_cot(iter(frames), job, None, 4, str(path))
            return
        async with Engine(llm, limits, shared, kept) as engine:
            if cheap is None:
                await run_cot(iter(frames), job, engine, 9, str(path))
            else:
                async with Engine(cheap, limits, shared) as cheap_engine:
                    await run_cot(iter(frames), job, engine, 9, str(path), cheap_engine=cheap_engine)

    asyncio.run(work())
    return rows_of(path)


def http(server: FaultServer, model: str = "m") -> OpenAIHTTP:
    return OpenAIHTTP(server.base_url, model, timeout_s=20.0, concurrency=8)


def kept(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [r for r in rows if r["reason"] is None]
