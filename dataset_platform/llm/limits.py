"""How fast an endpoint may be called: a concurrency limit that learns, and requests and tokens per minute.

The concurrency limit is additive increase, multiplicative decrease (Chiu and Jain 1989, doi:10.1016/0169-7552(89)90019-6):
the server's "too many" is the only evidence of a capacity that it does not publish. The classes but ``Gate`` are plain state
over a clock that is handed in; ``Gate`` puts them before one first-come, first-served queue on the event loop's clock.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque

from dataset_platform.errors import PlatformError

DECREASE = 0.85
STEEP_DECREASE = 0.5  # while most calls bounce, the limit is far off and small steps would cost many of them
BURST_S = 0.02
MINUTE_S = 60.0
CELL_S = 0.1  # the token window is kept in cells of this width and errs on the slow side by one of them
SLACK_S = 1e-6  # timers may fire this much early


class ConcurrencyLimit:
    """Most calls in flight: starts at ``ceiling``, shrinks once per burst of rejections, grows by 1 per ``limit`` successes.

    Attributes:
        limit: the present limit, a real number of at least 1; its whole part counts.
        in_flight: calls started and not ended.
    """

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.limit = float(ceiling)
        self.in_flight = 0
        self._started = 0
        self._started_at_decrease = 0
        self._limited = 0  # since the last decrease
        self._ended = 0

    @property
    def has_room(self) -> bool:
        """Whether one more call may start."""
        return self.in_flight < int(self.limit)

    def start(self) -> int:
        """Count a call in; its number is to be handed back to ``end``."""
        self.in_flight += 1
        self._started += 1
        return self._started

    def end(self, number: int, *, ok: bool, rate_limited: bool = False) -> bool:
        """Count a call out and learn from how it ended.

        Returns:
            Whether it was a rejection that lowered the limit. The others of its burst left under a limit that is
            already gone, and say nothing about their own calls.
        """
        if rate_limited:
            news = self._reject(number)
        else:
            news = False
            self._ended += 1
            # a limit that was not in use has not been shown to be safe
            if ok and self.in_flight >= int(self.limit) and self.limit < self.ceiling:
                self.limit = min(float(self.ceiling), self.limit + 1.0 / self.limit)
        self.in_flight -= 1
        return news

    def _reject(self, number: int) -> bool:
        self._limited += 1
        self._ended += 1
        if number <= self._started_at_decrease:
            return False
        # rejections come back at once and answers late: calls still out count as not rejected
        most = self._limited * 2 > self._ended + self.in_flight - 1
        # what bounced was the calls in flight, whatever the limit would have allowed
        self.limit = max(1.0, min(self.limit, self.in_flight) * (STEEP_DECREASE if most else DECREASE))
        self._started_at_decrease = self._started
        self._limited = self._ended = 0
        return True

    def withdraw(self) -> None:
        """Count out a call that was let in but never left."""
        self.in_flight -= 1


class RateLimit:
    """So many requests or tokens per minute, paced: starts empty and saves up 20 ms of the rate, or one call.

    What is given back by calls that used less than they took may come all at once, so a bucket alone could be overshot:
    with ``window`` the amounts taken over the last minute, less what was given back, are held to the limit as well.

    Args:
        per_minute: the limit.
        now: seconds on the clock that all other calls name too.
        window: hold the sum of the last minute; needed where something is given back.
    """

    def __init__(self, per_minute: float, now: float, *, window: bool) -> None:
        self.per_minute = per_minute
        self._rate = per_minute / MINUTE_S
        self._level = 0.0
        self._updated = now
        self._cells: deque[list[float]] | None = deque() if window else None  # [number of the cell, amount]
        self._sum = 0.0

    def ready_at(self, amount: float, now: float) -> float:
        """The time at which ``amount`` may be taken if nothing is given back until then; ``now`` when at once."""
        amount = min(amount, self.per_minute)  # more than a minute's worth goes alone
        self._refill(amount, now)
        ready = now if self._level >= amount else now + (amount - self._level) / self._rate
        return ready if self._cells is None else max(ready, self._window_ready_at(amount, now))

    def _refill(self, amount: float, now: float) -> None:
        most = max(self._rate * BURST_S, amount, self._level)
        self._level = min(most, self._level + self._rate * (now - self._updated))
        self._updated = now

    def _window_ready_at(self, amount: float, now: float) -> float:
        cells = self._cells
        assert cells is not None
        kept = int(MINUTE_S / CELL_S) + 1
        current = math.floor(now / CELL_S)
        while cells and cells[0][0] + kept <= current:
            self._sum -= cells.popleft()[1]
        excess = self._sum + amount - self.per_minute
        if excess <= 0 or not cells:
            return now
        number = cells[-1][0]
        for earlier, held in cells:
            excess -= held
            if excess <= 1e-9:
                number = earlier
                break
        return (number + kept) * CELL_S

    def take(self, amount: float, now: float) -> list[float] | None:
        """Take ``amount``; the cell it was booked under is to be handed to ``settle``."""
        self._refill(min(amount, self.per_minute), now)
        self._level -= min(amount, self.per_minute)
        if self._cells is None:
            return None
        number = math.floor(now / CELL_S)
        if not self._cells or self._cells[-1][0] != number:
            self._cells.append([number, 0.0])
        cell = self._cells[-1]
        cell[1] += amount
        self._sum += amount
        return cell

    def settle(self, cell: list[float] | None, taken: float, used: float) -> None:
        """Give back what was taken and not used; what was used beyond it is owed."""
        self._level += min(taken, self.per_minute) - min(used, self.per_minute)
        if cell is not None and self._cells:
            cell[1] += used - taken
            if cell[0] >= self._cells[0][0]:
                self._sum += used - taken

    def forget_surplus(self) -> None:
        """Nobody waits: what came back beyond the burst is not saved up."""
        self._level = min(self._level, self._rate * BURST_S)


class Ticket:
    """Leave to make one attempt."""

    __slots__ = ("cell", "number", "tokens")

    def __init__(self, number: int, tokens: int, cell: list[float] | None) -> None:
        self.number, self.tokens, self.cell = number, tokens, cell


class Gate:
    """The one queue before an endpoint: who is at its head starts as soon as every limit allows.

    Args:
        ceiling: most calls in flight.
        requests_per_minute: None for no limit.
        tokens_per_minute: of prompt and completion together; None for no limit.
    """

    def __init__(self, ceiling: int, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self.concurrency = ConcurrencyLimit(ceiling)
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self._requests = RateLimit(requests_per_minute, now, window=False) if requests_per_minute else None
        self._tokens = RateLimit(tokens_per_minute, now, window=True) if tokens_per_minute else None
        self._waiting: deque[tuple[asyncio.Future[Ticket], int]] = deque()
        self._paused_until = -math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._stopped: PlatformError | None = None

    async def start(self, tokens: int) -> Ticket:
        """Wait for leave to make an attempt that uses at most ``tokens``; end it with ``end``.

        Raises:
            PlatformError: the one that the gate was stopped with.
        """
        if self._stopped is not None:
            raise type(self._stopped)(self._stopped.message, self._stopped.hint)
        if not self._waiting:
            now = self._loop.time()
            if self._ready_at(tokens, now) <= now:
                return self._admit(tokens, now)
        waiter: asyncio.Future[Ticket] = self._loop.create_future()
        self._waiting.append((waiter, tokens))
        if len(self._waiting) == 1:
            self._pump()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.withdraw(waiter.result())
            else:
                self._pump()  # the next in the queue may need less
            raise

    def end(self, ticket: Ticket, tokens: int, *, ok: bool, rate_limited: bool = False) -> bool:
        """An attempt ended and used ``tokens``; see ``ConcurrencyLimit.end`` for what is returned."""
        news = self.concurrency.end(ticket.number, ok=ok, rate_limited=rate_limited)
        self._settle(ticket, tokens)
        return news

    def withdraw(self, ticket: Ticket) -> None:
        """The attempt was never made."""
        self.concurrency.withdraw()
        self._settle(ticket, 0)

    def pause(self, seconds: float) -> None:
        """Start nothing for so long."""
        self._paused_until = max(self._paused_until, self._loop.time() + seconds)

    def stop(self, error: PlatformError) -> None:
        """Everybody in the queue gets ``error``, and whoever comes later."""
        self._stopped = error
        for waiter, _ in self._waiting:
            if not waiter.done():
                waiter.set_exception(error)
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _settle(self, ticket: Ticket, tokens: int) -> None:
        if self._tokens is not None:
            self._tokens.settle(ticket.cell, ticket.tokens, tokens)
        if self._waiting:
            self._pump()
        if self._tokens is not None and not self._waiting:
            self._tokens.forget_surplus()

    def _ready_at(self, tokens: int, now: float) -> float:
        if not self.concurrency.has_room:
            return math.inf  # whoever ends will look again
        ready = max(now, self._paused_until)
        if self._requests is not None:
            ready = max(ready, self._requests.ready_at(1, now))
        if self._tokens is not None:
            ready = max(ready, self._tokens.ready_at(tokens, now))
        return ready

    def _admit(self, tokens: int, now: float) -> Ticket:
        if self._requests is not None:
            self._requests.take(1, now)
        cell = self._tokens.take(tokens, now) if self._tokens is not None else None
        return Ticket(self.concurrency.start(), tokens, cell)

    def _pump(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting = self._waiting
        while waiting:
            waiter, tokens = waiting[0]
            if not waiter.done():
                now = self._loop.time()
                ready = self._ready_at(tokens, now)
                if ready > now + SLACK_S:
                    if ready < math.inf:
                        self._timer = self._loop.call_at(ready, self._pump)
                    return
                waiter.set_result(self._admit(tokens, now))
            waiting.popleft()
