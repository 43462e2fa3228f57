"""The numbers of a run and their one line."""

from __future__ import annotations

from dataset_platform.llm.progress import Stats, duration, short
from dataset_platform.llm.request import Usage


def _after(seconds: list[float]) -> Stats:
    stats = Stats()
    stats.begin(100.0)
    for second in seconds:
        stats.answered(100.0 + second, Usage(10, 5), 0.01)
    return stats


def test_the_line_tells_what_matters() -> None:
    stats = _after([n / 100 for n in range(512)])
    stats.retries, stats.in_flight, stats.from_log = 3, 64, 0
    assert stats.line() == "512 calls · 100/s · 7.7k tokens · $5.12 · 3 retries · 64 in flight"
    stats.from_log, stats.repeated, stats.retries = 88, 1, 1
    stats.failed["length"] += 2
    assert stats.line(1_600) == (
        "600 of 1,600 calls · 88 from the log · 100/s · 7.7k tokens · $5.12 · 1 retry · 1 repeated · 2 failed · "
        "64 in flight · 10 s left"
    )
    assert not any(part in Stats().line() for part in ("nan", "inf"))


def test_an_unknown_price_stays_unknown() -> None:
    stats = _after([0.1])
    stats.answered(101.0, Usage(1, 1), None)
    stats.answered(102.0, Usage(1, 1), 1.0)
    assert stats.cost_usd is None and "cost not known" in stats.line()


def test_the_rate_is_that_of_the_last_ten_seconds() -> None:
    burst = _after([0.5] * 100)
    burst.tick(101.0)
    assert burst.rate == 100.0
    burst.tick(109.9)
    assert 9 < burst.rate < 11
    burst.tick(112.0)
    assert burst.rate == 0.0
    steady = _after([n / 20 for n in range(2_000)])
    assert abs(steady.rate - 20) < 0.5
    idle = _after([0.1])
    idle.answered(100_000.0, Usage(1, 1), 0.0)
    assert 0 < idle.rate <= 0.1


def test_numbers_for_people() -> None:
    assert [short(n) for n in (0, 999, 1_000, 1_234_567, 2 * 10**9)] == ["0", "999", "1.0k", "1.2M", "2.0G"]
    assert [duration(s) for s in (3, 75, 3_725)] == ["3 s", "1 min 15 s", "1 h 2 min"]
