"""The engine over models in memory, in virtual time: what is called, charged, kept, retried, shared and stopped."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dataset_platform.config import LLMConfig, ModelPrice
from dataset_platform.errors import ConfigError, EngineError
from dataset_platform.llm.engine import Engine
from dataset_platform.llm.errors import (
    BudgetReached,
    CallError,
    FatalError,
    InvalidOutputError,
    LengthError,
    RefusalError,
    RetryableError,
    TooManyErrors,
)
from dataset_platform.llm.ledger import Ledger, PriceList
from dataset_platform.llm.progress import Stats
from dataset_platform.llm.request import Completion, Message, Request, Usage
from dataset_platform.llm.response_log import ResponseLog
from dataset_platform_tests.llm import virtual_time

PRICES = PriceList({"m": ModelPrice(input=1.0, output=2.0)})
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def ask(text: Any, **settings: Any) -> Request:
    return Request((Message("user", str(text)),), **settings)


class Model:
    """Answers by a function of the request and the number of its attempt; an exception that it gives back is raised."""

    name, model, simulated = "memory", "m", False

    def __init__(self, answer: Callable[[Request, int], Any] | None = None, latency_s: float = 0.1) -> None:
        self._answer = answer or (lambda request, attempt: "to " + request.messages[-1].content)
        self.latency_s = latency_s
        self.calls: Counter[str] = Counter()
        self.starts: list[float] = []
        self.in_flight = self.peak = self.cut = 0
        self.closed = False

    async def complete(self, request: Request) -> Completion:
        said = request.messages[-1].content
        self.calls[said] += 1
        attempt = self.calls[said]
        self.starts.append(asyncio.get_running_loop().time())
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            await asyncio.sleep(self.latency_s)
        except asyncio.CancelledError:
            self.cut += 1
            raise
        finally:
            self.in_flight -= 1
        answer = self._answer(request, attempt)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Completion):
            return answer
        return Completion(answer, "stop", Usage(len(said), 7), "m-2026")

    async def close(self) -> None:
        self.closed = True


class BatchModel:
    """The same answers, in batches."""

    name, model, simulated = "memory", "m", False
    linger_s = 0.05

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self.sizes: list[int] = []

    async def complete_batch(self, requests: Any, keys: Any) -> list[Completion | CallError]:
        self.sizes.append(len(requests))
        await asyncio.sleep(100_000.0)  # far beyond the time allowed for a single attempt
        said = [r.messages[-1].content for r in requests]
        return [Completion("to " + s, "stop", Usage(len(s), 7), "m-2026") for s in said]

    async def close(self) -> None:
        pass


async def outcomes(engine: Engine, requests: list[Request], window: int = 1_000) -> list[Any]:
    """Response or error by request."""
    found: list[Any] = [None] * len(requests)

    async def work(number: int) -> int:
        try:
            found[number] = await engine.complete(requests[number])
        except CallError as e:
            found[number] = e
        return number

    async for _ in engine.map(range(len(requests)), work, window):
        pass
    return found


def test_an_answer_is_settled_logged_and_given_out(tmp_path: Path) -> None:
    async def main() -> None:
        model, ledger = Model(), Ledger(PRICES)
        async with Engine(model, LLMConfig(), ledger, ResponseLog(tmp_path)) as engine:
            fresh = await engine.complete(ask("x" * 10))
            again = await engine.complete(ask("x" * 10, label="elsewhere"))
        assert (fresh.text, fresh.model, fresh.usage) == ("to " + "x" * 10, "m-2026", Usage(10, 7))
        assert fresh.cost_usd == ledger.cost_usd == pytest.approx(24e-6)
        assert (fresh.attempts, fresh.from_log, again.attempts, again.from_log) == (1, False, 0, True)
        assert fresh.latency_s == pytest.approx(0.1) and not fresh.simulated
        assert again == replace(fresh, attempts=0, from_log=True)
        assert (engine.stats.done, engine.stats.from_log, model.calls.total()) == (1, 1, 1)
        assert model.closed

    virtual_time.run(main())


def test_results_do_not_depend_on_concurrency_batch_size_or_window(tmp_path: Path) -> None:
    def answer(request: Request, attempt: int) -> Any:
        said = int(request.messages[-1].content)
        if said % 5 == attempt:
            return RetryableError("overloaded", status=(429, 500, 503)[said % 3])
        if said % 17 == 0:
            return FatalError("never", status=400)
        return Completion("cut", "length", Usage(1, 1), "m") if said % 13 == 0 else f"to {said}"

    async def run(backend: Any, config: LLMConfig, window: int) -> list[tuple[str, str]]:
        async with Engine(backend, config, Ledger(PRICES)) as engine:
            found = await outcomes(engine, [ask(n) for n in range(120)], window)
        return [(type(o).__name__, getattr(o, "text", "")) for o in found]

    runs = [
        virtual_time.run(run(Model(answer), LLMConfig(concurrency=c), window))
        for c, window in ((1, 1), (7, 3), (64, 120), (200, 30))
    ]
    assert all(r == runs[0] for r in runs)
    assert Counter(kind for kind, _ in runs[0]) == {"Response": 103, "FatalError": 8, "LengthError": 9}

    batches = [
        virtual_time.run(run(BatchModel(size), LLMConfig(concurrency=c), 120))
        for size, c in ((1, 1), (7, 4), (50, 64), (500, 2))
    ]
    assert all(b == [("Response", f"to {n}") for n in range(120)] for b in batches)


def test_retries_wait_with_jitter_hold_no_slot_and_are_interleaved_with_new_work() -> None:
    def answer(request: Request, attempt: int) -> Any:
        return RetryableError("broken", status=500) if request.messages[-1].content == "0" and attempt <= 3 else "ok"

    async def main() -> None:
        model = Model(answer)
        config = LLMConfig(concurrency=1, backoff_base_s=2.0, max_attempts=4)
        async with Engine(model, config, Ledger(PRICES)) as engine:
            order = []

            async def work(number: int) -> int:
                response = await engine.complete(ask(number))
                assert response.attempts == (4 if number == 0 else 1)
                return number

            async for number in engine.map(range(400), work, 50):
                order.append(number)
        assert 1 < order.index(0) < 399, "neither at once nor after all others"
        assert model.peak == 1
        assert (engine.stats.retries, engine.stats.done) == (3, 400)
        assert len(model.starts) == 403
        assert max(b - a for a, b in zip(model.starts, model.starts[1:], strict=False)) < 0.11, "the slot is never idle"

    virtual_time.run(main())


def test_backoff_is_full_jitter_without_a_second_limit_change_for_5xx() -> None:
    async def main() -> None:
        model = Model(lambda request, attempt: RetryableError("down", status=503), latency_s=0.0)
        config = LLMConfig(
            concurrency=100, max_attempts=5, backoff_base_s=1.0, backoff_max_s=3.0, error_share_after=200
        )
        began = asyncio.get_running_loop().time()
        async with Engine(model, config, Ledger(PRICES)) as engine:
            found = await outcomes(engine, [ask(n) for n in range(100)])
            assert engine.stats.limit == 100, "errors that are no rate limit say nothing about capacity"
        assert all(isinstance(e, RetryableError) and e.kind == "retries_exhausted" for e in found)
        assert engine.stats.failed == {"retries_exhausted": 100}
        assert model.calls.total() == 500 and set(model.calls.values()) == {5}
        spans = sorted(at - began for at in model.starts)
        assert spans[-1] <= 1 + 2 + 3 + 3
        retried = [s for s in spans if s > 0]
        assert len(set(retried)) == len(retried), "no two calls come back together"
        second = [s for s in retried if s <= 1.0]
        assert 40 < len([s for s in second if s < 0.5]) < 100

    virtual_time.run(main())


def test_retry_after_pauses_all_new_starts() -> None:
    async def main() -> None:
        model = Model(
            lambda r, attempt: (
                RetryableError("slow down", status=429, retry_after_s=30.0)
                if r.messages[-1].content == "0" and attempt == 1
                else "ok"
            )
        )
        async with Engine(model, LLMConfig(concurrency=2), Ledger(PRICES)) as engine:
            found = await outcomes(engine, [ask(n) for n in range(20)])
        assert all(r.text == "ok" for r in found)
        first = model.starts[0]
        late = [at - first for at in model.starts if at > first]
        assert min(late) >= 30.1 - 1e-6 and len(late) == 19

    virtual_time.run(main())


def test_a_server_that_is_closed_for_hours_is_not_waited_for() -> None:
    async def main() -> float:
        model = Model(lambda r, a: RetryableError("quota", "come back tomorrow", status=429, retry_after_s=40_000.0))
        began = asyncio.get_running_loop().time()
        async with Engine(model, LLMConfig(), Ledger(PRICES)) as engine:
            with pytest.raises(RetryableError, match="quota"):
                await engine.complete(ask(1))
        return asyncio.get_running_loop().time() - began

    assert virtual_time.run(main()) < 1.0


def test_a_timeout_is_charged_in_full_and_tried_again() -> None:
    async def main() -> None:
        class Slow(Model):
            async def complete(self, request: Request) -> Completion:
                self.latency_s = 1_000.0 if not self.calls else 1.0
                return await super().complete(request)

        ledger = Ledger(PRICES)
        request = ask("q", max_tokens=30)
        async with Engine(Slow(), LLMConfig(timeout_s=5.0), ledger) as engine:
            response = await engine.complete(request)
        assert response.attempts == 2 and response.usage == Usage(1, 7)
        counts = ledger.counts["memory:m"]
        assert (counts.calls, counts.forfeited, counts.retries) == (2, 1, 1)
        assert ledger.tokens == 8 + request.prompt_tokens_bound() + 30 and ledger.reserved_tokens == 0
        assert engine.stats.tokens_in + engine.stats.tokens_out == ledger.tokens

    virtual_time.run(main())


def test_without_usage_the_worst_case_is_charged_and_the_response_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        ledger = Ledger(PRICES)
        model = Model(lambda r, a: Completion("ok", "stop", None, "m"))
        request = ask("q", max_tokens=30)
        async with Engine(model, LLMConfig(), ledger, ResponseLog(tmp_path)) as engine:
            first, second = await engine.complete(request), await engine.complete(request)
        assert first.usage == second.usage == Usage(request.prompt_tokens_bound(), 30)
        assert first.extra == second.extra == {"usage_is_bound": True}
        assert ledger.tokens == first.usage.total_tokens

    virtual_time.run(main())


@pytest.mark.parametrize(
    ("completion", "error"),
    [
        (Completion("half an ans", "length", Usage(5, 30), "m"), LengthError),
        (Completion("", "refusal", Usage(5, 1), "m"), RefusalError),
        (Completion(" \n", "stop", Usage(5, 1), "m"), InvalidOutputError),
    ],
)
def test_what_is_no_answer_is_an_error_paid_once(
    completion: Completion, error: type[CallError], tmp_path: Path
) -> None:
    async def main() -> list[str]:
        model, ledger, said = Model(lambda r, a: completion), Ledger(PRICES), []
        for _ in range(2):
            async with Engine(model, LLMConfig(), ledger, ResponseLog(tmp_path)) as engine:
                with pytest.raises(error) as raised:
                    await engine.complete(ask("q"))
                said.append(str(raised.value))
                assert engine.stats.failed == {error.kind: 1}
        assert completion.usage is not None
        assert ledger.tokens == completion.usage.total_tokens and model.calls.total() == 1
        return said

    first, second = virtual_time.run(main())
    assert first == second


def test_equal_calls_in_flight_are_one_call() -> None:
    async def main() -> None:
        model = Model()
        async with Engine(model, LLMConfig(), Ledger(PRICES)) as engine:
            found = await outcomes(engine, [ask(n % 3) for n in range(30)] + [ask(0, sample=1)])
            assert model.calls == {"0": 2, "1": 1, "2": 1}
            assert [r.text for r in found[:30]] == [f"to {n % 3}" for n in range(30)]

            leader = asyncio.ensure_future(engine.complete(ask("shared")))
            followers = [asyncio.ensure_future(engine.complete(ask("shared"))) for _ in range(3)]
            await asyncio.sleep(0.05)
            leader.cancel()
            followers[0].cancel()
            assert [(await f).text for f in followers[1:]] == ["to shared"] * 2
            assert model.calls["shared"] == 2, "one of those who waited makes the call anew, for all"

    virtual_time.run(main())


def test_an_error_of_a_shared_call_reaches_all() -> None:
    async def main() -> None:
        model = Model(lambda r, a: FatalError("no", status=400))
        async with Engine(model, LLMConfig(), Ledger(PRICES)) as engine:
            found = await asyncio.gather(*(engine.complete(ask(1)) for _ in range(3)), return_exceptions=True)
        assert [type(e) for e in found] == [FatalError] * 3 and model.calls.total() == 1

    virtual_time.run(main())


def test_structured_output_is_parsed_and_repaired_once(tmp_path: Path) -> None:
    def answer(request: Request, attempt: int) -> str:
        first = request.messages[0].content
        turns = len(request.messages)
        if turns == 3:
            assert request.messages[1].content == "n is three" and "no JSON" in request.messages[2].content
        good = '```json\n{"n": 3}\n```'
        return {"good": good, "mends": "n is three" if turns == 1 else good, "never": "n is three"}[first]

    async def main() -> None:
        model, ledger = Model(answer), Ledger(PRICES)
        requests = [ask(text, schema=SCHEMA) for text in ("good", "mends", "never")]
        runs = []
        for _ in range(2):
            async with Engine(model, LLMConfig(), ledger, ResponseLog(tmp_path)) as engine:
                runs.append(await outcomes(engine, requests))
        for good, mended, never in runs:
            assert good.parsed == mended.parsed == {"n": 3}
            assert isinstance(never, InvalidOutputError) and "no JSON" in never.message
            assert mended.extra == {"repaired": True}
        good, mended, _ = runs[0]
        assert (good.attempts, mended.attempts, runs[1][1].attempts) == (1, 2, 0)
        assert mended.usage.completion_tokens == 14
        assert runs[1][1] == replace(mended, attempts=0, from_log=True)
        assert model.calls.total() == 5, "one call, two, and two; none of them again"
        assert ledger.counts["memory:m"].calls == 5
        async with Engine(model, LLMConfig(), ledger) as engine:
            with pytest.raises(ConfigError, match="schema"):
                await engine.complete(ask("x", schema={"type": 3}))

    virtual_time.run(main())


def test_the_run_stops_at_the_error_share_and_names_the_most_frequent_error() -> None:
    async def main() -> None:
        model = Model(
            lambda r, a: "ok" if int(r.messages[-1].content) % 4 == 0 else FatalError("too long", "Cut it.", status=400)
        )
        config = LLMConfig(concurrency=3, max_error_share=0.5, error_share_after=40)
        async with Engine(model, config, Ledger(PRICES)) as engine:
            with pytest.raises(TooManyErrors) as stopped:
                await outcomes(engine, [ask(n) for n in range(1_000)], 10)
            with pytest.raises(TooManyErrors):
                await engine.complete(ask("later"))
        assert "too long" in stopped.value.message and "Cut it." in stopped.value.hint
        assert 40 <= model.calls.total() <= 43, "what was in flight ended, and nothing new began"

    virtual_time.run(main())


def test_an_endpoint_that_dies_late_is_noticed() -> None:
    async def main() -> int:
        model = Model(
            lambda r, a: "ok" if int(r.messages[-1].content) < 5_000 else FatalError("key revoked", status=401)
        )
        async with Engine(model, LLMConfig(), Ledger(PRICES)) as engine:
            with pytest.raises(TooManyErrors, match="key revoked"):
                await outcomes(engine, [ask(n) for n in range(9_000)], 100)
        return model.calls.total()

    assert virtual_time.run(main()) < 5_300


@pytest.mark.parametrize("statuses", [(401,), (401, 400)])
def test_five_equal_refusals_by_the_server_at_the_start_are_enough(statuses: tuple[int, ...]) -> None:
    async def main() -> int:
        model = Model(
            lambda r, a: FatalError("wrong key", status=statuses[int(r.messages[-1].content) % len(statuses)])
        )
        async with Engine(model, LLMConfig(concurrency=1), Ledger(PRICES)) as engine:
            with pytest.raises(TooManyErrors, match="wrong key"):
                await outcomes(engine, [ask(n) for n in range(100)], 1)
        return model.calls.total()

    assert virtual_time.run(main()) == (5 if len(statuses) == 1 else 20)


def test_a_reached_budget_ends_the_run_and_keeps_what_was_answered(tmp_path: Path) -> None:
    async def main() -> None:
        model, requests = Model(), [ask(n, max_tokens=50) for n in range(500)]
        budgets, seen = (2_000, 2_000, None), 0
        for max_tokens in budgets:
            ledger = Ledger(PRICES, max_tokens=max_tokens)
            given = []
            async with Engine(model, LLMConfig(concurrency=8), ledger, ResponseLog(tmp_path)) as engine:
                try:
                    async for response in engine.map(requests, engine.complete, 32):
                        given.append(response.text)
                except BudgetReached as e:
                    assert max_tokens is not None and "--max-tokens" in e.hint
                else:
                    assert max_tokens is None
            assert max_tokens is None or ledger.tokens <= max_tokens
            assert ledger.reserved_tokens == 0
            assert len(given) >= seen
            if max_tokens is not None:
                assert engine.stats.done > 100, (
                    "worst cases are given back: 2,000 tokens are room for many more calls than 12"
                )
                assert engine.stats.done == sum(model.calls.values()) - seen
            seen = sum(model.calls.values())
        assert sorted(given) == sorted(f"to {n}" for n in range(500))
        assert set(model.calls.values()) == {1}

    virtual_time.run(main())


def test_a_cost_limit_without_a_price_is_refused_before_the_first_call() -> None:
    with pytest.raises(ConfigError, match="price"):
        Engine(Model(), LLMConfig(), Ledger(PriceList(), max_cost=1.0))


def test_map_holds_a_window_and_no_more() -> None:
    async def main() -> None:
        began, waiting_results, most = 0, 0, 0

        async def items() -> AsyncIterator[int]:
            for n in range(200):
                yield n

        async def work(n: int) -> int:
            nonlocal began, waiting_results, most
            began += 1
            await asyncio.sleep(0.01)
            waiting_results += 1
            most = max(most, waiting_results)
            return n

        async with Engine(Model(), LLMConfig(), Ledger(PRICES)) as engine:
            got = []
            async for n in engine.map(items(), work, 8):
                await asyncio.sleep(0.1)  # a consumer that is slower than the work
                got.append(n)
                waiting_results -= 1
                assert began <= len(got) + 16
            assert sorted(got) == list(range(200)) and most <= 16

            endless = iter(lambda: 1, None)
            async for _ in engine.map(endless, work, 4):
                break
            assert len([t for t in asyncio.all_tasks() if "worker" in repr(t.get_coro())]) <= 4
            async for _ in engine.map([], work, 4):
                raise AssertionError

    virtual_time.run(main())


def test_an_error_in_the_work_ends_the_map_at_once() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def work(n: int) -> int:
            await asyncio.sleep(1.0 if n == 3 else 1_000.0)
            raise KeyError(n)

        async with Engine(Model(), LLMConfig(), Ledger(PRICES)) as engine:
            with pytest.raises(KeyError):
                async for _ in engine.map(range(100), work, 10):
                    pass
        return loop.time() - began

    assert virtual_time.run(main()) < 2.0


@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.25, 0.95])
def test_cancellation_leaves_ledger_and_log_consistent(tmp_path: Path, after_s: float) -> None:
    complaints: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        model = Model(lambda r, a: RetryableError("x", status=500) if a == 1 else "ok")
        ledger = Ledger(PRICES, max_tokens=10_000)
        engine = Engine(model, LLMConfig(concurrency=4), ledger, ResponseLog(tmp_path))

        async def command() -> None:
            async with engine:
                await outcomes(engine, [ask(n % 40) for n in range(60)], 20)

        task = asyncio.ensure_future(command())
        await asyncio.sleep(after_s)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        in_flight = model.cut
        assert in_flight == 4
        assert ledger.reserved_tokens == 0 and model.in_flight == 0 and model.closed
        assert len(asyncio.all_tasks()) == 1
        log = ResponseLog(tmp_path)
        assert len(log.in_flight_at_last_end) == in_flight and not log.torn and not log.corrupt
        assert len(log) == engine.stats.done

        async with Engine(model, LLMConfig(concurrency=4), ledger, log) as again:
            found = await outcomes(again, [ask(n) for n in range(40)], 20)
        assert all(r.text == "ok" for r in found)
        assert again.stats.repeated == in_flight
        assert again.stats.done + again.stats.from_log == 40

    virtual_time.run(main())
    gc.collect()
    assert not complaints


def test_a_backend_that_breaks_is_no_answer_and_leaves_nothing_reserved() -> None:
    async def main() -> None:
        ledger = Ledger(PRICES)
        async with Engine(Model(lambda r, a: ZeroDivisionError("bug")), LLMConfig(), ledger) as engine:
            with pytest.raises(ZeroDivisionError):
                await engine.complete(ask(1))
        assert ledger.reserved_tokens == 0 and ledger.counts["memory:m"].forfeited == 1

    virtual_time.run(main())


def test_progress_is_told_four_times_a_second_and_at_the_end() -> None:
    async def main() -> list[str]:
        lines: list[str] = []

        def told(stats: Stats) -> None:
            lines.append(stats.line(200))

        async with Engine(Model(), LLMConfig(concurrency=4), Ledger(PRICES), None, told) as engine:
            await outcomes(engine, [ask(n) for n in range(200)], 50)
        return lines

    lines = virtual_time.run(main())  # 200 calls of 0.1 s, 4 at once: 5 s
    assert 20 <= len(lines) <= 23
    assert lines[-1].startswith("200 of 200 calls · 40/s") and "4 in flight" in lines[5] and "left" in lines[5]


def test_one_ledger_over_several_engines() -> None:
    async def main() -> None:
        ledger, given = Ledger(PRICES, max_tokens=2_000), 0
        with pytest.raises(BudgetReached):
            for day in range(100):
                async with Engine(Model(), LLMConfig(), ledger) as engine:
                    async for _ in engine.map([ask(f"{day}/{n}", max_tokens=20) for n in range(5)], engine.complete, 5):
                        given += 1
        assert ledger.tokens <= 2_000 and given > 50
        with pytest.raises(EngineError):
            async with Engine(Model(), LLMConfig(), ledger) as engine:
                await engine.complete(ask("x", max_tokens=2_000))

    virtual_time.run(main())
