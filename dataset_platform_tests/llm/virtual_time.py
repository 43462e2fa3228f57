"""An event loop whose clock jumps to the next timer instead of waiting for it: minutes of pacing in milliseconds."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Time stands still while anything can run, and is then moved to the earliest timer."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual = 1_000.0
        select = self._selector.select

        def jump(timeout: float | None) -> Any:
            events = select(None if timeout is None else 0)
            if timeout and not events:
                self._virtual += timeout
            return events

        self._selector.select = jump

    def time(self) -> float:
        return self._virtual


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)
