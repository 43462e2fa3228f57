"""Concurrency and rate limits: pure state under a virtual clock, and the gate on an event loop."""

from __future__ import annotations

import asyncio
import random

import pytest

from dataset_platform.errors import EngineError
from dataset_platform.llm.limits import ConcurrencyLimit, Gate, RateLimit
from dataset_platform_tests.llm import virtual_time


def test_a_burst_of_rejections_lowers_the_limit_once() -> None:
    limit = ConcurrencyLimit(100)
    numbers = [limit.start() for _ in range(100)]
    news = [limit.end(number, ok=False, rate_limited=True) for number in numbers[:40]]
    assert news == [True] + [False] * 39
    assert limit.limit == 85.0
    later = limit.start()
    assert limit.end(later, ok=False, rate_limited=True), "it left under the lower limit"


def test_the_limit_halves_while_most_calls_bounce() -> None:
    limit = ConcurrencyLimit(100)
    for number in [limit.start() for _ in range(90)][:80]:
        limit.end(number, ok=False, rate_limited=True)
    assert limit.limit == pytest.approx(90 * 0.85), "nothing had ended before the first"
    low = [limit.start() for _ in range(66)]
    limit.end(low[0], ok=False, rate_limited=True)
    assert limit.limit == pytest.approx(76 * 0.5)


def test_the_limit_grows_by_one_per_limit_of_successes_and_never_beyond_the_ceiling() -> None:
    limit = ConcurrencyLimit(12)
    first = [limit.start() for _ in range(12)]
    limit.end(first[0], ok=False, rate_limited=True)
    for number in first[1:]:
        limit.end(number, ok=True)
    before = limit.limit
    out: list[int] = []
    for _ in range(int(before) + 1):
        while limit.has_room:
            out.append(limit.start())
        limit.end(out.pop(0), ok=True)
    assert before + 0.9 <= limit.limit <= before + 1.2
    for _ in range(1_000):
        while limit.has_room:
            out.append(limit.start())
        limit.end(out.pop(0), ok=True)
    assert limit.limit == 12.0


def test_successes_below_the_limit_prove_nothing() -> None:
    limit = ConcurrencyLimit(10)
    limit.end(limit.start(), ok=False, rate_limited=True)
    lowered = limit.limit
    assert lowered == 1.0, "one call in flight was too many"
    limit.limit = 5.0
    for _ in range(100):
        limit.end(limit.start(), ok=True)
    assert limit.limit == 5.0


def test_the_limit_never_falls_below_one() -> None:
    limit = ConcurrencyLimit(4)
    for _ in range(50):
        limit.end(limit.start(), ok=False, rate_limited=True)
        assert limit.limit == 1.0 or limit.limit >= 1.0
        assert limit.has_room
    assert limit.in_flight == 0


def _worst_window(events: list[tuple[float, float]], width: float) -> float:
    """The largest sum in any half-open window of ``width`` that begins at an event."""
    worst = total = 0.0
    end = 0
    for start in range(len(events)):
        while end < len(events) and events[end][0] < events[start][0] + width:
            total += events[end][1]
            end += 1
        worst = max(worst, total)
        total -= events[start][1]
    return worst


@pytest.mark.parametrize("per_minute", [7, 60, 500, 3_000, 60_000])
def test_requests_are_paced_and_no_window_is_overshot(per_minute: int) -> None:
    async def starts() -> list[tuple[float, float]]:
        loop = asyncio.get_running_loop()
        gate = Gate(1_000, per_minute, None)
        draw = random.Random(per_minute)
        times: list[tuple[float, float]] = []

        async def call() -> None:
            ticket = await gate.start(10)
            times.append((loop.time(), 1.0))
            await asyncio.sleep(draw.choice([0.001, 0.2, 1.5]) if per_minute < 60_000 else 0.01)
            gate.end(ticket, 10, ok=True)

        began = loop.time()
        await asyncio.gather(*(call() for _ in range(min(6_000, max(20, per_minute * 2)))))
        times.insert(0, (began, 0.0))
        return times

    times = virtual_time.run(starts())
    (began, _), times = times[0], times[1:]
    # starts empty: nothing goes out before its time has passed
    for number, (at, _) in enumerate(times, 1):
        assert number <= (at - began) * per_minute / 60 + 1e-3
    for seconds in (1.0, 10.0, 60.0):
        allowed = per_minute / 60 * seconds
        burst = max(1.0, per_minute / 60 * 0.02)
        assert _worst_window(times, seconds) <= allowed + burst + 1e-6
    assert _worst_window(times, 60.0) <= max(per_minute * 1.01, per_minute + 0.999)
    span = times[-1][0] - times[0][0]
    assert (len(times) - 1) / span == pytest.approx(per_minute / 60, rel=0.01), "nor is anything left unused"


@pytest.mark.parametrize("seed", range(6))
def test_tokens_are_settled_with_actual_use_and_no_minute_is_overshot(seed: int) -> None:
    """Latencies jump from seconds to nothing, so that much comes back at one moment."""
    per_minute = 60_000

    async def starts() -> tuple[list[tuple[float, float]], float]:
        loop = asyncio.get_running_loop()
        gate = Gate(10_000, None, per_minute)
        draw = random.Random(seed)
        used: list[tuple[float, float]] = []

        async def call() -> None:
            bound = draw.randint(500, 2_000)
            actual = draw.randint(1, bound // 3)
            ticket = await gate.start(bound)
            at = loop.time()
            await asyncio.sleep(draw.choice([0.0, 1.0, 20.0, 90.0 - at % 90.0]))
            used.append((at, float(actual)))
            gate.end(ticket, actual, ok=True)

        await asyncio.gather(*(call() for _ in range(1_500)))
        return sorted(used), loop.time()

    used, _ = virtual_time.run(starts())
    assert _worst_window(used, 60.0) <= per_minute * 1.01
    middle = [amount for at, amount in used if used[0][0] + 120 <= at < used[0][0] + 300]
    # on average a sixth of what is reserved is used: without giving back, a sixth of the limit would be reached
    assert sum(middle) / 180 >= 0.25 * per_minute / 60


def test_tokens_reach_the_limit_when_latency_is_steady() -> None:
    per_minute = 600_000

    async def starts() -> list[tuple[float, float]]:
        loop = asyncio.get_running_loop()
        gate = Gate(10_000, None, per_minute)
        used: list[tuple[float, float]] = []

        async def call() -> None:
            ticket = await gate.start(1_000)
            used.append((loop.time(), 250.0))
            await asyncio.sleep(2.0)
            gate.end(ticket, 250, ok=True)

        await asyncio.gather(*(call() for _ in range(8_000)))
        return used

    used = virtual_time.run(starts())
    assert _worst_window(used, 60.0) <= per_minute * 1.01
    began = used[0][0]
    middle = sum(amount for at, amount in used if began + 60 <= at < began + 180)
    # what is in flight may still use all that it reserved: 40/s for 2 s, 750 tokens too many each, a tenth of a minute's
    assert 0.87 * 2 * per_minute <= middle <= 2 * per_minute


def test_a_call_larger_than_a_minutes_worth_goes_alone() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        gate = Gate(10, None, 100)
        began, times = loop.time(), []
        for _ in range(2):
            ticket = await gate.start(500)
            times.append(loop.time() - began)
            gate.end(ticket, 500, ok=True)
        return times

    first, second = virtual_time.run(main())
    assert first == pytest.approx(60.0, abs=0.2)
    assert second - first >= 60.0


def test_what_is_saved_up_is_one_call_or_twenty_milliseconds() -> None:
    limit = RateLimit(60_000, 0.0, window=False)
    assert limit.ready_at(1, 100.0) == 100.0
    taken = 0
    while limit.ready_at(1, 100.0) <= 100.0:
        limit.take(1, 100.0)
        taken += 1
    assert taken == 20


def test_the_queue_is_first_come_first_served_and_a_retry_queues_behind_newer_work() -> None:
    async def main() -> list[int]:
        gate = Gate(1, None, 6_000)
        order: list[int] = []

        async def call(number: int, tokens: int) -> None:
            ticket = await gate.start(tokens)
            order.append(number)
            await asyncio.sleep(0.01)
            gate.end(ticket, tokens, ok=True)

        await asyncio.gather(*(call(n, 300 if n % 2 else 3) for n in range(20)))
        return order

    assert virtual_time.run(main()) == list(range(20))


def test_a_pause_holds_every_start_back() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        gate = Gate(4, None, None)
        began = loop.time()
        gate.pause(3.0)
        gate.pause(1.0)
        await asyncio.gather(*(gate.start(1) for _ in range(4)))
        return loop.time() - began

    assert virtual_time.run(main()) == pytest.approx(3.0, abs=1e-3)


def test_cancelled_calls_leave_no_slot_taken() -> None:
    async def main() -> None:
        gate = Gate(2, None, None)
        held = [await gate.start(1) for _ in range(2)]
        waiting = [asyncio.ensure_future(gate.start(1)) for _ in range(4)]
        await asyncio.sleep(0)
        gate.end(held[0], 1, ok=True)  # lets the first one in, which is cancelled before it can go on
        waiting[0].cancel()
        waiting[2].cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert waiting[1].done() and not waiting[1].cancelled()
        gate.end(held[1], 1, ok=True)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert waiting[3].done()
        for ticket in (waiting[1].result(), waiting[3].result()):
            gate.end(ticket, 1, ok=True)
        assert gate.concurrency.in_flight == 0

    asyncio.run(main())


def test_a_stopped_gate_lets_nobody_in() -> None:
    async def main() -> None:
        gate = Gate(1, None, None)
        await gate.start(1)
        waiting = [asyncio.ensure_future(gate.start(1)) for _ in range(3)]
        await asyncio.sleep(0)
        gate.stop(EngineError("over"))
        for outcome in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(outcome, EngineError)
        with pytest.raises(EngineError, match="over"):
            await gate.start(1)

    asyncio.run(main())


@pytest.mark.parametrize(("capacity", "ceiling"), [(3, 64), (10, 64), (17, 200), (50, 64), (100, 128)])
def test_the_limit_settles_at_a_hidden_capacity(capacity: int, ceiling: int) -> None:
    """In virtual time: a server that rejects at once what is beyond its capacity, and takes 0.1 to 0.3 s for the rest."""

    async def main() -> tuple[list[int], int]:
        gate = Gate(ceiling, None, None)
        draw = random.Random(capacity)
        serving = rejected = 0
        served: list[int] = []

        async def call() -> None:
            nonlocal serving, rejected
            attempt = 0
            while True:
                ticket = await gate.start(1)
                if serving >= capacity:
                    await asyncio.sleep(0.001)
                    gate.end(ticket, 0, ok=False, rate_limited=True)
                    rejected += len(served) > 20 * capacity
                    attempt += 1
                    await asyncio.sleep(draw.uniform(0, 0.5 * 2**attempt))
                    continue
                serving += 1
                await asyncio.sleep(draw.uniform(0.1, 0.3))
                serving -= 1
                gate.end(ticket, 1, ok=True)
                served.append(gate.concurrency.in_flight)
                return

        await asyncio.gather(*(call() for _ in range(60 * capacity)))
        return served, rejected

    served, rejected = virtual_time.run(main())
    settled = served[len(served) // 3 : -capacity]
    assert abs(sum(settled) / len(settled) - capacity) <= 0.2 * capacity
    assert rejected <= 0.5 * len(settled), "probing costs a rejection per cycle, and small capacities cycle fast"
