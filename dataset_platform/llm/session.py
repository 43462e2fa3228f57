"""What a stage needs to call a model: the one that is named, the command's budget, and the log of its own answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from dataset_platform.llm.backend import BatchBackend
from dataset_platform.llm.engine import Engine
from dataset_platform.llm.response_log import ResponseLog
from dataset_platform.llm.select import open_backend
from dataset_platform.llm.spending import command_ledger

if TYPE_CHECKING:
    from dataset_platform.config import LLMConfig
    from dataset_platform.llm.progress import Stats

T = TypeVar("T")


def open_engine(
    config: LLMConfig, log_folder: str, on_progress: Callable[[Stats], None] | None = None
) -> tuple[Engine, int]:
    """An engine on the model of ``DATASET_PLATFORM_LLM``, its answers kept in ``log_folder``.

    Returns:
        the engine, and how many conversations to keep under way so that every place is taken: a few more than there are
        calls at once, or a whole batch.

    Raises:
        ConfigError: no model is named, its key is missing, or a cost limit meets a model without a price.
    """
    backend = open_backend(config)
    window = config.concurrency + config.concurrency // 8 + 1
    if isinstance(backend, BatchBackend):
        window = max(window, backend.batch_size)
    return Engine(backend, config, command_ledger(config), ResponseLog(log_folder), on_progress), window


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on the fastest event loop there is; Ctrl-C cancels it and comes out as such."""
    try:
        import uvloop
    except ImportError:  # Windows has none
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
