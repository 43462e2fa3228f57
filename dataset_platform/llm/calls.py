"""Making one call: budget, gate, attempts, retries; and stopping all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import xxhash

from dataset_platform.errors import EngineError
from dataset_platform.llm.errors import BudgetReached, CallError, RetryableError
from dataset_platform.llm.ledger import Ledger, Reservation
from dataset_platform.llm.limits import Gate, Ticket
from dataset_platform.llm.log_lines import Answer
from dataset_platform.llm.progress import Stats
from dataset_platform.llm.request import Completion, Request, Usage
from dataset_platform.llm.response_log import ResponseLog

if TYPE_CHECKING:
    from dataset_platform.config import LLMConfig

MAX_RETRY_AFTER_S = 900.0  # a server that is closed for longer is better told about than waited for


class Calls:
    """Makes calls to one endpoint; every attempt is reserved, let in, settled and logged.

    Args:
        complete: one attempt, as ``Backend.complete``.
        name: of the endpoint in the ledger.
        ceiling: most attempts at once.
        timeout_s: per attempt; None where the backend times itself.
    """

    def __init__(
        self,
        complete: Callable[[Request], Awaitable[Completion]],
        name: str,
        config: LLMConfig,
        ceiling: int,
        timeout_s: float | None,
        ledger: Ledger,
        log: ResponseLog | None,
        stats: Stats,
    ) -> None:
        self.gate = Gate(ceiling, config.requests_per_minute, config.tokens_per_minute)
        self._complete, self._name, self._config, self._timeout_s = complete, name, config, timeout_s
        self._ledger, self._log, self._stats = ledger, log, stats
        self._loop = asyncio.get_running_loop()
        self._unfinished = set(log.in_flight_at_last_end) if log is not None else set()
        self._sleepers: set[asyncio.Future[None]] = set()
        self._stopped: EngineError | None = None

    async def make(self, request: Request, key: str) -> Answer:
        """Attempts until one is answered or none is left."""
        prompt_bound, max_tokens = request.prompt_tokens_bound(), request.max_tokens
        attempts = counted = 0
        while True:
            self._check_running()
            try:
                reservation = await self._ledger.reserve(self._name, prompt_bound, max_tokens)
            except BudgetReached as e:
                self.stop(e)
                raise
            try:
                ticket = await self.gate.start(prompt_bound + max_tokens)
            except BaseException:
                self._ledger.release(reservation)
                raise
            if self._stopped is not None:  # by the very call whose end let this one in
                self.gate.withdraw(ticket)
                self._ledger.release(reservation)
                self._check_running()
            attempts += 1
            if attempts > 1:
                self._stats.retries += 1
                self._ledger.retried(self._name)
            outcome = await self._attempt(request, key, reservation, ticket, attempts)
            if isinstance(outcome, Answer):
                return outcome
            error, is_news = outcome
            # a rejection that only repeats its burst's is no try of this call's own
            counted += is_news or not (isinstance(error, RetryableError) and error.is_rate_limit)
            if not isinstance(error, RetryableError) or counted >= self._config.max_attempts:
                raise error
            wait_s = self._backoff(key, attempts)
            if error.retry_after_s is not None:
                if error.retry_after_s > MAX_RETRY_AFTER_S:
                    raise error
                # all that were held back would else come at one moment
                wait_s = error.retry_after_s + min(wait_s, self._config.backoff_base_s)
            await self._sleep(wait_s)

    async def _attempt(
        self, request: Request, key: str, reservation: Reservation, ticket: Ticket, number: int
    ) -> Answer | tuple[CallError, bool]:
        """One attempt, or why it failed and whether that lowered the concurrency limit.

        The reservation and the ticket are closed however it ends.
        """
        log, began = self._log, self._loop.time()
        self._stats.in_flight += 1
        outcome: Completion | CallError | None = None  # None: cancelled, or the backend broke; it may have been billed
        try:
            if log is not None:
                if key in self._unfinished:
                    self._unfinished.discard(key)
                    self._stats.repeated += 1
                log.sent(key)
            async with asyncio.timeout(self._timeout_s):
                outcome = await self._complete(request)
        except CallError as e:
            outcome = e
        except TimeoutError:
            limit = "time" if self._timeout_s is None else f"{self._timeout_s:g} s"
            outcome = RetryableError(f"No answer within {limit}.", "Raise llm.timeout_s.", billed=True)
        finally:
            self._stats.in_flight -= 1
            if not isinstance(outcome, Completion):
                is_news = self._attempt_failed(outcome, reservation, ticket)
        if not isinstance(outcome, Completion):
            if log is not None:
                log.failed(key, outcome.kind)
            return outcome, is_news
        now = self._loop.time()
        usage = outcome.usage or Usage(reservation.prompt_bound, reservation.max_tokens)
        cost = self._ledger.settle(reservation, usage)
        self.gate.end(ticket, usage.prompt_tokens + usage.completion_tokens, ok=True)
        answer = Answer(
            text=outcome.text,
            finish_reason=outcome.finish_reason,
            usage=usage,
            model=outcome.model,
            received_at=datetime.now(UTC),
            latency_s=round(now - began, 6),
            attempts=number,
            cost_usd=cost,
            usage_known=outcome.usage is not None,
        )
        if log is not None:
            log.answered(key, answer)
        self._stats.answered(now, usage, cost)
        return answer

    def _attempt_failed(self, error: CallError | None, reservation: Reservation, ticket: Ticket) -> bool:
        billed = error is None or error.billed
        if billed:
            cost = self._ledger.forfeit(reservation)
            self._stats.charged(Usage(reservation.prompt_bound, reservation.max_tokens), cost)
        else:
            self._ledger.release(reservation)
        rate_limited = False
        if isinstance(error, RetryableError):
            rate_limited = error.is_rate_limit
            if error.retry_after_s is not None and error.retry_after_s <= MAX_RETRY_AFTER_S:
                self.gate.pause(error.retry_after_s)
        return self.gate.end(ticket, reservation.tokens if billed else 0, ok=False, rate_limited=rate_limited)

    def _backoff(self, key: str, attempts: int) -> float:
        """Full jitter (Brooker 2015, "Exponential Backoff And Jitter", AWS Architecture Blog), drawn by call and attempt."""
        most = min(self._config.backoff_max_s, self._config.backoff_base_s * 2.0 ** min(attempts - 1, 60))
        return most * xxhash.xxh3_64_intdigest(f"{key}/{attempts}".encode()) / 2.0**64

    async def _sleep(self, seconds: float) -> None:
        """Wait, unless the engine stops before."""
        self._check_running()
        sleeper: asyncio.Future[None] = self._loop.create_future()
        timer = self._loop.call_later(seconds, _wake, sleeper)
        self._sleepers.add(sleeper)
        try:
            await sleeper
        finally:
            self._sleepers.discard(sleeper)
            timer.cancel()

    def _check_running(self) -> None:
        if self._stopped is not None:
            raise type(self._stopped)(self._stopped.message, self._stopped.hint)

    def stop(self, error: EngineError) -> None:
        """Start nothing from now on; calls under way go on, calls that wait get ``error``."""
        if self._stopped is None:
            self._stopped = error
            self.gate.stop(error)
            for sleeper in self._sleepers:
                _wake(sleeper)


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)
