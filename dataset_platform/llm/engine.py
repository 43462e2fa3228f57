"""The engine: every call to a language model goes through here.

One call on its way: the log may know its answer; an equal call may be under way already; its worst case is reserved in
the ledger; the gate lets it start; the backend makes one attempt; what came back is settled, logged and judged. Failed
attempts wait outside the gate and queue again behind newer work.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from dataset_platform.errors import EngineError
from dataset_platform.llm.backend import Backend, BatchBackend
from dataset_platform.llm.calls import Calls
from dataset_platform.llm.error_rate import ErrorRate
from dataset_platform.llm.errors import (
    CallError,
    InvalidOutputError,
    LengthError,
    RefusalError,
)
from dataset_platform.llm.gathering import Gathering, endpoint
from dataset_platform.llm.ledger import Ledger
from dataset_platform.llm.pool import run_pool
from dataset_platform.llm.progress import REPORT_S, Stats
from dataset_platform.llm.request import Request, Response, Usage
from dataset_platform.llm.response_log import Answer, ResponseLog
from dataset_platform.llm.structured import SchemaMismatch, check_schema, parse_answer, repair_request

if TYPE_CHECKING:
    from dataset_platform.config import LLMConfig

T = TypeVar("T")
R = TypeVar("R")


class Engine:
    """Makes calls to one model, many at once; an asynchronous context manager.

    Args:
        backend: closed with the engine.
        ledger: may be shared with other engines of the same command and event loop.
        log: where answers are kept and looked up; closed with the engine. Without it nothing is remembered.
        on_progress: called with ``stats`` four times a second and once at the end.

    Raises:
        ConfigError: there is a cost limit and the model has no known price.
    """

    def __init__(
        self,
        backend: Backend | BatchBackend,
        config: LLMConfig,
        ledger: Ledger,
        log: ResponseLog | None = None,
        on_progress: Callable[[Stats], None] | None = None,
    ) -> None:
        self._stats = Stats()
        self._config, self._ledger, self._log, self._on_progress = config, ledger, log, on_progress
        url = getattr(backend, "base_url", None)
        self._name = ledger.open(backend.name, backend.model, url, config.batch)
        self._key_name = endpoint(backend)
        self._backend: Backend
        self._timeout_s: float | None
        if isinstance(backend, BatchBackend):
            # batches pace and time themselves; one may fill while another is under way
            self._backend, self._timeout_s = Gathering(backend), None
            self._ceiling = max(config.concurrency, 2 * backend.batch_size)
        else:
            self._backend, self._timeout_s = backend, config.timeout_s
            self._ceiling = config.concurrency
        self._errors = ErrorRate(config.max_error_share, config.error_share_after)
        self._flights: dict[str, list[asyncio.Future[Answer | None]]] = {}
        self._pools: set[asyncio.Task[Any]] = set()
        self._calls: Calls
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Engine:
        self._loop = asyncio.get_running_loop()
        self._stats.begin(self._loop.time())
        self._calls = Calls(
            self._backend.complete,
            self._name,
            self._config,
            self._ceiling,
            self._timeout_s,
            self._ledger,
            self._log,
            self._stats,
        )
        self._report()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._calls.stop(EngineError("The engine is closed."))
        try:
            for task in self._pools:
                task.cancel()
            await asyncio.gather(*self._pools, return_exceptions=True)
            await self._backend.close()
        finally:
            if self._log is not None:
                await asyncio.to_thread(self._log.close)
            if self._timer is not None:
                self._timer.cancel()
            if self._on_progress is not None:
                self._on_progress(self.stats)

    @property
    def stats(self) -> Stats:
        """What this engine has done so far; goes on counting."""
        self._stats.tick(self._loop.time())
        self._stats.limit = int(self._calls.gate.concurrency.limit)
        return self._stats

    async def complete(self, request: Request) -> Response:
        """The model's answer to a request: whole, not refused, and valid where the request has a schema.

        Raises:
            CallError: RetryableError when all attempts failed, FatalError, RefusalError, LengthError, InvalidOutputError.
            BudgetReached: the budget has no room for the call.
            TooManyErrors: too large a share of calls failed, and nothing more is started.
            ConfigError: the request's schema is not valid.
        """
        if request.schema is not None:
            check_schema(request.schema)
        fresh = True
        try:
            answer, fresh = await self._answer(request)
            _check_whole(answer)
            if request.schema is None:
                if not answer.text.strip():
                    raise InvalidOutputError("The answer is empty.")
                response = self._response(answer, fresh)
            else:
                response, fresh = await self._parsed(request, answer, fresh)
        except CallError as e:
            self._stats.failed[e.kind] += 1
            # what the log already knew says nothing about the endpoint today
            if fresh and (stop := self._errors.finished(e)):
                self._calls.stop(stop)
                raise stop from e
            raise
        if fresh:
            self._errors.finished(None)
        return response

    async def map(
        self, items: Iterable[T] | AsyncIterable[T], work: Callable[[T], Awaitable[R]], window: int
    ) -> AsyncGenerator[R, None]:
        """Results of ``work`` on every item, as they are completed.

        At most ``window`` items are worked on at once and at most as many results wait to be fetched. When ``work``
        raises an EngineError (the budget is reached, too many errors), nothing new is begun, what is under way is
        finished and given out, and the error comes last; any other exception cancels what is under way.
        """
        async with aclosing(run_pool(items, work, window, self._pools)) as results:
            async for result in results:
                yield result

    async def _parsed(self, request: Request, answer: Answer, fresh: bool) -> tuple[Response, bool]:
        """The answer with its JSON, after one repair turn where it needs one."""
        assert request.schema is not None
        try:
            return self._response(answer, fresh, parse_answer(answer.text, request.schema)), fresh
        except SchemaMismatch as e:
            problem = str(e)
        second, second_fresh = await self._answer(repair_request(request, answer.text, problem))
        _check_whole(second)
        try:
            parsed = parse_answer(second.text, request.schema)
        except SchemaMismatch as e:
            raise InvalidOutputError(f"The answer does not fit its schema, nor does its repair: {e}.") from None
        return self._response(second, second_fresh, parsed, first=answer, first_fresh=fresh), fresh or second_fresh

    def _response(
        self, answer: Answer, fresh: bool, parsed: Any = None, first: Answer | None = None, first_fresh: bool = False
    ) -> Response:
        usage, cost, latency_s = answer.usage, answer.cost_usd, answer.latency_s
        attempts = answer.attempts if fresh else 0
        extra = {} if answer.usage_known else {"usage_is_bound": True}
        if first is not None:
            usage = Usage(
                first.usage.prompt_tokens + usage.prompt_tokens,
                first.usage.completion_tokens + usage.completion_tokens,
                first.usage.cached_tokens + usage.cached_tokens,
            )
            cost = None if cost is None or first.cost_usd is None else first.cost_usd + cost
            latency_s += first.latency_s
            attempts += first.attempts if first_fresh else 0
            extra["repaired"] = True
        return Response(
            text=answer.text,
            usage=usage,
            model=answer.model,
            received_at=answer.received_at,
            parsed=parsed,
            cost_usd=cost,
            attempts=attempts,
            from_log=attempts == 0,
            latency_s=latency_s,
            simulated=self._backend.simulated,
            extra=extra,
        )

    async def _answer(self, request: Request) -> tuple[Answer, bool]:
        """The answer, and whether this call had the model give it: not the log, not an equal call at the same time."""
        key = request.key(self._key_name)
        while True:
            if self._log is not None:
                known = self._log.get(key)
                if known is not None:
                    self._stats.from_log += 1
                    return known, False
            others = self._flights.get(key)
            if others is None:
                break
            follower: asyncio.Future[Answer | None] = self._loop.create_future()
            others.append(follower)
            shared = await follower
            if shared is not None:
                return shared, False
            # whoever made the call was cancelled: one of those who waited for it makes it now
        waiting: list[asyncio.Future[Answer | None]] = []
        self._flights[key] = waiting
        outcome: Answer | Exception | None = None
        try:
            answer = outcome = await self._calls.make(request, key)
            return answer, True
        except Exception as e:
            outcome = e
            raise
        finally:
            del self._flights[key]
            for follower in waiting:
                if follower.done():
                    continue
                if isinstance(outcome, Exception):
                    follower.set_exception(outcome)
                else:
                    follower.set_result(outcome)

    def _report(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self.stats)
            self._timer = self._loop.call_later(REPORT_S, self._report)


def _check_whole(answer: Answer) -> None:
    if answer.finish_reason == "length":
        spent = answer.usage.completion_tokens
        raise LengthError(f"The answer was cut after {spent:,} tokens.", "Raise max_tokens of the request.")
    if answer.finish_reason == "refusal":
        raise RefusalError("The model declined to answer, or a content filter cut the answer.")
