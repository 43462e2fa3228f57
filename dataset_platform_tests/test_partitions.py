"""The daily axis and the ranges of it that a user types."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from dataset_platform.errors import ConfigError
from dataset_platform.partitions import daily, day_range

FIRST = "2025-12-01"  # set by conftest.py


def today() -> date:
    return datetime.now(UTC).date()


def test_the_axis_runs_from_the_first_day_to_today() -> None:
    keys = daily.get_partition_keys()
    assert keys[0] == FIRST
    assert keys[-1] in (today().isoformat(), (today() - timedelta(days=1)).isoformat())  # midnight may pass meanwhile
    assert len(keys) == (date.fromisoformat(keys[-1]) - date.fromisoformat(FIRST)).days + 1


def test_one_day_is_a_range_of_itself() -> None:
    assert day_range("2026-01-05") == day_range("2026-01-05:2026-01-05") == ["2026-01-05"]
    assert day_range("2026-01-05:") == ["2026-01-05"]


def test_a_range_holds_both_ends_and_every_day_between_in_order() -> None:
    assert day_range("2026-01-30:2026-02-02") == ["2026-01-30", "2026-01-31", "2026-02-01", "2026-02-02"]
    assert day_range(" 2025-12-31 : 2026-01-01 ") == ["2025-12-31", "2026-01-01"]
    whole = day_range(f"{FIRST}:{today().isoformat()}")
    assert whole == sorted(set(whole)) == daily.get_partition_keys()


@pytest.mark.parametrize(
    "text", ["", ":", "5 January", "2026-02-30", ":2026-01-05", "2026-01-05:x", "2026-01-01:02:03"]
)
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a day"):
        day_range(text)


def test_a_range_that_runs_backwards_is_refused_with_the_right_one() -> None:
    with pytest.raises(ConfigError, match="runs backwards") as caught:
        day_range("2026-01-06:2026-01-05")
    assert "2026-01-05:2026-01-06" in caught.value.hint


@pytest.mark.parametrize("text", ["2025-11-30", "2025-11-30:2026-01-05", "0001-01-01"])
def test_days_before_the_axis_are_refused_with_the_setting_that_reaches_back(text: str) -> None:
    with pytest.raises(ConfigError, match=f"before the first day, {FIRST}") as caught:
        day_range(text)
    assert f"DATASET_PLATFORM_FIRST_DAY={text[:10]}" in caught.value.hint


def test_days_after_today_are_refused() -> None:
    later = (today() + timedelta(days=2)).isoformat()
    for text in (later, f"2026-01-05:{later}"):
        with pytest.raises(ConfigError, match=f"{later} lies after today"):
            day_range(text)
