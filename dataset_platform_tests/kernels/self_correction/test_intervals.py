"""Intervals: published values, coverage, and independence of the order of rows."""

from __future__ import annotations

import numpy as np
import pytest

from dataset_platform.errors import InputError
from dataset_platform.kernels.self_correction.intervals import (
    MEAN,
    MEAN_PLUS_RATIO,
    RATIO,
    Statistic,
    bootstrap,
    bootstrap_many,
    paired_difference,
    per,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_values_of_newcombe_1998(successes: int, n: int, low: float, high: float) -> None:
    # Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3
    found = wilson(successes, n)
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_wilson_is_symmetric_and_holds_its_value() -> None:
    for successes in range(31):
        one, other = wilson(successes, 30), wilson(30 - successes, 30)
        assert one.low <= one.value <= one.high
        assert one.low == pytest.approx(1 - other.high)


def test_paired_difference_covers_and_knows_its_pairs() -> None:
    rng = np.random.default_rng(1)
    inside, width, apart = [], [], []
    for _ in range(2_000):
        before = (rng.random(150) < 0.5).astype(float)
        after = np.where(rng.random(150) < 0.1, 1.0, np.where(rng.random(150) < 0.03, 0.0, before))
        found = paired_difference(before, after)
        truth = 0.1 + 0.9 * (0.03 * 0 + 0.97 * 0.5) - 0.5
        inside.append(found.low <= truth <= found.high)
        width.append(found.high - found.low)
        shuffled = paired_difference(before, rng.permutation(after))
        apart.append(shuffled.high - shuffled.low)
    assert 0.93 <= np.mean(inside) <= 0.98  # Newcombe reports it as slightly conservative
    assert np.mean(width) < 0.7 * np.mean(apart)


def test_paired_difference_turns_its_sign_with_its_arguments() -> None:
    rng = np.random.default_rng(2)
    exact, scored = (rng.random((2, 80)) < 0.4).astype(float), rng.random((2, 80))
    for (before, after), slack in ((exact, 1e-12), (scored, 5e-3)):  # the second draws a bootstrap
        one, other = paired_difference(before, after), paired_difference(after, before)
        assert one.low <= one.value <= one.high
        assert one.value == pytest.approx(after.mean() - before.mean())
        assert one.value == pytest.approx(-other.value)
        assert one.low == pytest.approx(-other.high, abs=slack)


def test_no_change_at_all_is_no_certainty() -> None:
    same = np.repeat([0.0, 1.0], 20)
    found = paired_difference(same, same)
    assert found.value == 0
    assert found.low < 0 < found.high


@pytest.mark.parametrize("statistic", [MEAN, RATIO, MEAN_PLUS_RATIO])
def test_gradients_are_those_of_the_values(statistic: Statistic) -> None:
    rng = np.random.default_rng(3)
    for found, rows in (
        (statistic, rng.normal(1, 0.2, (60, statistic.columns))),
        per(rng.normal(1, 0.2, (60, statistic.columns)), np.arange(60) // 3, statistic)[::-1],
    ):
        means, step = rows.mean(axis=0), 1e-6
        numeric = [
            (found.value(means + step * unit) - found.value(means - step * unit)) / (2 * step)
            for unit in np.eye(found.columns)
        ]
        assert np.allclose(found.gradient(means), numeric, atol=1e-6)


@pytest.mark.parametrize("method", ["symmetric", "studentised", "percentile", "basic", "bca", "normal"])
def test_order_of_rows_is_of_no_consequence_and_the_seed_is(method) -> None:
    rows = np.random.default_rng(4).exponential(size=(300, 2))
    order = np.random.default_rng(5).permutation(300)
    one = bootstrap(rows, RATIO, seed=7, method=method, replicates=500)
    assert one == bootstrap(rows[order], RATIO, seed=7, method=method, replicates=500)
    assert one.low < one.value < one.high
    if method != "normal":
        assert one != bootstrap(rows, RATIO, seed=8, method=method, replicates=500)


def test_many_sets_at_once_are_each_set_alone_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(6).exponential(size=(4, 120, 1))
    values, low, high = bootstrap_many(rows, replicates=300, seed=1)
    monkeypatch.setattr("dataset_platform.kernels.self_correction.intervals._CELLS_PER_CHUNK", 120 * 7)
    for i in range(4):
        alone = bootstrap(rows[i], replicates=300, seed=1)
        assert (alone.value, alone.low, alone.high) == pytest.approx((values[i], low[i], high[i]), rel=1e-9)


def test_bootstrap_of_normal_rows_is_the_t_interval() -> None:
    stats = pytest.importorskip("scipy.stats")
    rows = np.random.default_rng(7).normal(3, 2, 40)
    found = bootstrap(rows, replicates=20_000)
    low, high = stats.t.interval(0.95, 39, rows.mean(), rows.std(ddof=1) / 40**0.5)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.06), pytest.approx(high, abs=0.06))


def test_bca_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    rows = np.random.default_rng(8).exponential(size=80)
    ours = bootstrap(rows, method="bca", replicates=20_000)
    theirs = stats.bootstrap((rows,), np.mean, n_resamples=20_000, method="BCa", random_state=1).confidence_interval
    assert (ours.low, ours.high) == (pytest.approx(theirs.low, abs=0.01), pytest.approx(theirs.high, abs=0.01))


def test_skewed_means_are_covered() -> None:
    rows = np.random.default_rng(9).exponential(size=(2_000, 60, 1))
    _, low, high = bootstrap_many(rows, replicates=800)
    assert 0.93 <= np.mean((low <= 1) & (high >= 1)) <= 0.97


def test_rows_of_a_group_are_not_counted_as_independent() -> None:
    rng = np.random.default_rng(10)
    group = np.repeat(np.arange(60), 5)
    covered = {"rows": [], "groups": []}
    for seed in range(400):
        rows = (rng.normal(size=60)[group] + 0.3 * rng.normal(size=300))[:, None]
        alone = bootstrap(rows, replicates=300, seed=seed)
        together = bootstrap(*per(rows, group, MEAN), replicates=300, seed=seed)
        assert together.value == pytest.approx(alone.value)
        covered["rows"].append(alone.low <= 0 <= alone.high)
        covered["groups"].append(together.low <= 0 <= together.high)
    assert np.mean(covered["rows"]) < 0.75
    assert 0.92 <= np.mean(covered["groups"]) <= 0.98


def test_equal_rows_give_no_width() -> None:
    found = bootstrap(np.full(50, 0.1))
    assert found.low == found.value == found.high == pytest.approx(0.1)


@pytest.mark.parametrize(
    "call",
    [
        lambda: wilson(1, 0),
        lambda: wilson(3, 2),
        lambda: wilson(1, 2, level=1.0),
        lambda: paired_difference(np.array([]), np.array([])),
        lambda: paired_difference(np.array([0.0]), np.array([0.0, 1.0])),
        lambda: paired_difference(np.array([0.0, 2.0]), np.array([0.0, 1.0])),
        lambda: bootstrap(np.array([1.0])),
        lambda: bootstrap(np.array([1.0, np.nan])),
        lambda: bootstrap(np.ones((5, 1)), RATIO),
        lambda: bootstrap(np.arange(5.0), replicates=10),
        lambda: bootstrap(np.arange(5.0), method="guess"),
    ],
)
def test_nonsense_is_refused(call) -> None:
    with pytest.raises(InputError):
        call()
