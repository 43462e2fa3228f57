"""Work on a stream of items, so many at once, results as they come, memory bounded by the window."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from dataset_platform.errors import EngineError

T = TypeVar("T")
R = TypeVar("R")


async def run_pool(
    items: Iterable[T] | AsyncIterable[T],
    work: Callable[[T], Awaitable[R]],
    window: int,
    running: set[asyncio.Task[Any]],
) -> AsyncGenerator[R, None]:
    """Results of ``work`` on ``items`` as completed; see ``Engine.map``.

    Args:
        running: holds the tasks while they run, for whoever has to end them.
    """
    if window < 1:
        raise ValueError(f"a window of {window} holds no item")
    pool = _Pool(items, work, window)
    tasks = [asyncio.ensure_future(pool.worker()) for _ in range(window)]
    running.update(tasks)
    try:
        while True:
            while pool.results:
                result = pool.results.popleft()
                pool.wake_worker()
                yield result
            if pool.left == 0 or (pool.error is not None and not isinstance(pool.error, EngineError)):
                break
            await pool.something()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        running.difference_update(tasks)
    if pool.error is not None:
        raise pool.error


class _Pool(Generic[T, R]):
    """What the workers and the consumer share.

    Attributes:
        results: finished and not fetched.
        left: workers that may still bring results.
        error: the first exception; nothing new is begun after it.
    """

    def __init__(self, items: Iterable[T] | AsyncIterable[T], work: Callable[[T], Awaitable[R]], window: int) -> None:
        self.results: deque[R] = deque()
        self.left = window
        self.error: Exception | None = None
        self._work, self._window = work, window
        self._items = aiter(items) if isinstance(items, AsyncIterable) else iter(items)
        self._turn = asyncio.Lock()  # an asynchronous iterator takes one at a time
        self._consumer: asyncio.Future[None] | None = None
        self._held: deque[asyncio.Future[None]] = deque()  # workers whose results nobody fetches

    async def something(self) -> None:
        """Wait until there is a result, an error, or no worker left."""
        self._consumer = asyncio.get_running_loop().create_future()
        try:
            await self._consumer
        finally:
            self._consumer = None

    def wake_worker(self) -> None:
        """A result was fetched."""
        while self._held and len(self.results) < self._window:
            held = self._held.popleft()
            if not held.done():
                held.set_result(None)
                return

    async def worker(self) -> None:
        """Work on one item after the other until there are no more."""
        try:
            while self.error is None:
                while len(self.results) >= self._window:
                    held = asyncio.get_running_loop().create_future()
                    self._held.append(held)
                    await held
                try:
                    item = await self._next()
                except _Done:
                    return
                self.results.append(await self._work(item))
                del item
                self._wake_consumer()
        except Exception as e:
            # an engine's stop reaches every worker: the first one tells
            self.error = self.error or e
        finally:
            self.left -= 1
            self._wake_consumer()

    async def _next(self) -> T:
        if isinstance(self._items, Iterator):
            for item in self._items:
                return item
            raise _Done
        async with self._turn:
            if self.error is not None:
                raise _Done
            async for item in self._items:
                return item
            raise _Done

    def _wake_consumer(self) -> None:
        if self._consumer is not None and not self._consumer.done():
            self._consumer.set_result(None)


class _Done(Exception):
    """No more items."""
