"""A run against a server, as tests make them: in their own process, or in one that they kill and start again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from dataset_platform.config import LLMConfig, ModelPrice
from dataset_platform.llm.backends.openai_http import OpenAIHTTP
from dataset_platform.llm.engine import Engine
from dataset_platform.llm.errors import CallError
from dataset_platform.llm.ledger import Ledger, PriceList
from dataset_platform.llm.request import Message, Request
from dataset_platform.llm.response_log import ResponseLog

PRICES = PriceList({"m": ModelPrice(input=1.0, output=2.0)})


def request(number: int) -> Request:
    return Request((Message("user", f"question {number}"),), max_tokens=64)


async def run(
    base_url: str,
    folder: str | None,
    calls: int,
    config: LLMConfig,
    window: int = 64,
    ledger: Ledger | None = None,
) -> tuple[dict[int, str], Engine]:
    """Texts by number; errors of calls as the name of their kind."""
    backend = OpenAIHTTP(base_url, "m", timeout_s=60.0, concurrency=config.concurrency)
    log = ResponseLog(folder) if folder is not None else None
    texts: dict[int, str] = {}
    async with Engine(backend, config, ledger or Ledger(PRICES), log) as engine:

        async def work(number: int) -> tuple[int, str]:
            try:
                return number, (await engine.complete(request(number))).text
            except CallError as e:
                return number, e.kind

        async for number, text in engine.map(range(calls), work, window):
            texts[number] = text
    return texts, engine


def run_to_file(settings: dict[str, Any], result: str) -> None:
    """The run of a process of its own; leaves texts and counts in ``result`` when it gets to its end."""
    config = LLMConfig(**settings["config"])
    texts, engine = asyncio.run(
        run(settings["base_url"], settings["folder"], settings["calls"], config, settings["window"])
    )
    stats = engine.stats
    numbers = {"done": stats.done, "from_log": stats.from_log, "repeated": stats.repeated}
    Path(result).write_text(json.dumps({"texts": texts, **numbers}))
