"""What a stage needs to call a model: the one that is named, the command's budget, and the log of its own answers."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from dataset_platform.errors import EngineError
from dataset_platform.llm.backend import BatchBackend
from dataset_platform.llm.engine import Engine
from dataset_platform.llm.response_log import ResponseLog
from dataset_platform.llm.select import named_model, open_backend
from dataset_platform.llm.spending import command_ledger

if TYPE_CHECKING:
    from dataset_platform.config import LLMConfig
    from dataset_platform.llm.progress import Stats

T = TypeVar("T")


def open_engine(
    config: LLMConfig,
    log_folder: str,
    on_progress: Callable[[Stats], None] | None = None,
    say: Callable[[str], None] | None = None,
    named: str | None = None,
) -> tuple[Engine, int]:
    """An engine on the model of ``DATASET_PLATFORM_LLM``, its answers kept in ``log_folder``.

    Args:
        named: another model, in the variable's form.
        say: told in one line what an earlier run left in the log: calls without an answer, a torn or corrupt line.

    Returns:
        the engine, and how many conversations to keep under way so that every place is taken: a few more than there are
        calls at once, or a whole batch.

    Raises:
        ConfigError: no model is named, its key is missing, or a cost limit meets a model without a price.
    """
    backend = open_backend(config, named)
    window = config.concurrency + config.concurrency // 8 + 1
    if isinstance(backend, BatchBackend):
        window = max(window, backend.batch_size)
    log = ResponseLog(log_folder)
    left = log.report()
    if left and say is not None:
        say(left)
    return Engine(backend, config, command_ledger(config), log, on_progress), window


def require_answers(stats: Stats, named: str | None = None) -> None:
    """Refuse to publish what a model was asked for and answered nothing of, however small it is.

    Args:
        named: the model, in the form of ``DATASET_PLATFORM_LLM``; the variable's by default.

    Raises:
        EngineError: every call failed.
    """
    if stats.failed and not stats.done and not stats.from_log:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in stats.failed.items())
        raise EngineError(
            f"{named_model(named)} answered none of the day's calls ({kinds}).",
            "Check the model's name, its endpoint and key; what failed is asked again by the next run.",
        )


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on the fastest event loop there is.

    Ctrl-C and SIGTERM cancel it first, so that logs are closed, and are then given to whoever handled them before: an
    exception out of a signal handler would end in whichever task happened to run (Dagster's handlers raise one).

    Raises:
        KeyboardInterrupt: it was interrupted, and the handler before did not raise by itself.
    """
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    try:
        import uvloop

        loop_factory = uvloop.new_event_loop
    except ImportError:  # Windows has none
        pass
    received: list[int] = []
    in_charge = threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGTERM")
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)} if in_charge else {}
    before = {n: handler for n, handler in handlers.items() if handler is not None}  # None: not Python's to put back

    async def cancellable() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def stop(number: int) -> None:
            received.append(number)
            task.cancel()

        for number in before:
            loop.add_signal_handler(number, stop, number)
        try:
            return await work
        finally:
            for number in before:
                loop.remove_signal_handler(number)

    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(cancellable())
    except asyncio.CancelledError:
        if not received:
            raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    signal.raise_signal(received[0])
    raise KeyboardInterrupt
