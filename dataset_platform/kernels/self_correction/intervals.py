"""Confidence intervals: Wilson's for a share, Newcombe's for a paired change, and a bootstrap for smooth statistics.

The bootstrap takes statistics that are smooth functions of column means: a mean, a ratio of means, a mean plus a ratio
of means. A replicate then needs only the first and second moments of its rows, so all replicates of all columns are
one matrix product, and each replicate has a standard error of its own (by linearisation), which the studentised
methods need. The defaults are those whose measured coverage is nearest to the level: see ``off_policy``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Literal, get_args

import numpy as np

from dataset_platform.errors import InputError

Method = Literal["studentised", "symmetric", "percentile", "basic", "bca", "normal"]

_CELLS_PER_CHUNK = 2_000_000  # counts held at a time: 16 MB of float64, whatever the number of rows


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its interval; ``low`` and ``high`` hold it at ``level``."""

    value: float
    low: float
    high: float
    level: float
    count: int


@dataclass(frozen=True, slots=True)
class Statistic:
    """A smooth function of k column means: ``value`` maps (..., k) to (...), ``gradient`` maps (..., k) to (..., k)."""

    columns: int
    value: Callable[[np.ndarray], np.ndarray]
    gradient: Callable[[np.ndarray], np.ndarray]

    def influence(self, columns: np.ndarray) -> np.ndarray:
        """What each row (..., n, k) adds to the statistic, to first order: (..., n) values of mean 0."""
        means = columns.mean(axis=-2)
        return np.einsum("...nk,...k->...n", columns - means[..., None, :], self.gradient(means))

    def carriers(self, columns: np.ndarray) -> float:
        """(ΣL²)² / ΣL⁴ of the influence values L of (n, k) rows: how many rows the variance rests on."""
        squares = self.influence(columns) ** 2
        return float(np.sum(squares)) ** 2 / float(np.sum(squares**2)) if np.any(squares > 0) else 0.0


def _mean_plus_ratio_gradient(means: np.ndarray) -> np.ndarray:
    top, bottom = means[..., 1], means[..., 2]
    return np.stack([np.ones_like(bottom), 1 / bottom, -top / bottom**2], axis=-1)


MEAN = Statistic(1, lambda means: means[..., 0], lambda means: np.ones_like(means))
#: mean of column 0 over mean of column 1
RATIO = Statistic(
    2,
    lambda means: means[..., 0] / means[..., 1],
    lambda means: np.stack([1 / means[..., 1], -means[..., 0] / means[..., 1] ** 2], axis=-1),
)
#: mean of column 0, plus mean of column 1 over mean of column 2
MEAN_PLUS_RATIO = Statistic(3, lambda means: means[..., 0] + means[..., 1] / means[..., 2], _mean_plus_ratio_gradient)


def per(columns: np.ndarray, group: np.ndarray, statistic: Statistic) -> tuple[np.ndarray, Statistic]:
    """Rows (g, k + 1), one a group, and the statistic that gives of them what ``statistic`` gives of the rows (n, k).

    Rows of a group are summed and counted, and means become ratios of sums to counts, so that a bootstrap of the
    groups knows that rows of one group (turns of one trace) depend on each other.
    """
    number = np.unique(group, return_inverse=True)[1]
    summed = [np.bincount(number, weights=column) for column in np.column_stack([columns, np.ones(len(columns))]).T]

    def gradient(means: np.ndarray) -> np.ndarray:
        count = means[..., -1:]
        inner = means[..., :-1] / count
        slope = statistic.gradient(inner)
        return np.concatenate([slope, -np.sum(slope * inner, axis=-1, keepdims=True)], axis=-1) / count

    whole = Statistic(statistic.columns + 1, lambda means: statistic.value(means[..., :-1] / means[..., -1:]), gradient)
    return np.column_stack(summed), whole


def wilson(successes: int, n: int, level: float = 0.95) -> Interval:
    """Wilson's score interval of a share (Wilson 1927), without continuity correction.

    Raises:
        InputError: ``n`` under 1, successes out of 0..n, a level out of (0, 1).
    """
    if n < 1 or not 0 <= successes <= n:
        raise InputError(f"{successes} of {n} is not a share.", "Pass 0 ≤ successes ≤ n with n at least 1.")
    z = _quantile(level)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(share, low, high, level, n)


def paired_difference(before: np.ndarray, after: np.ndarray, level: float = 0.95, seed: int = 0) -> Interval:
    """Mean of ``after − before`` over the same n items, with an interval that knows they are the same.

    Values that are all 0 or 1 take Newcombe's square-and-add interval (Newcombe 1998, "Improved confidence intervals
    for the difference between binomial proportions based on paired data", method 10), which stays honest when few
    or no items change. Other values, F1 for instance, take the symmetric bootstrap-t of the differences.

    Args:
        before, after: (n,) values in [0, 1], item by item.
        seed: of the bootstrap; the first case draws nothing.

    Raises:
        InputError: no items, shapes that differ, values out of [0, 1].
    """
    before, after = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if before.ndim != 1 or before.shape != after.shape or not len(before):
        raise InputError(
            f"values of shape {before.shape} and {after.shape} are not pairs.", "Pass two (n,) arrays, n at least 1."
        )
    both = np.stack([before, after])
    if not np.all((both >= 0) & (both <= 1)):
        raise InputError("an accuracy is not a number in [0, 1].", "Pass accuracies, or 0 and 1.")
    if not np.all((both == 0) | (both == 1)):
        found = bootstrap(after - before, level=level, seed=seed)
        return Interval(found.value, max(-1.0, found.low), min(1.0, found.high), level, len(before))
    kept, gained = int(np.sum(before * after)), int(np.sum(after * (1 - before)))
    lost = int(np.sum(before * (1 - after)))
    return _newcombe(kept, gained, lost, len(before), level)


def _newcombe(kept: int, gained: int, lost: int, n: int, level: float) -> Interval:
    neither = n - kept - gained - lost
    one, two = wilson(kept + gained, n, level), wilson(kept + lost, n, level)  # after, before
    margins = (kept + gained) * (neither + lost) * (kept + lost) * (neither + gained)
    cross = float(kept * neither - gained * lost)
    if cross > 0:  # method 10 corrects phi for continuity, and only where the association is positive
        cross = max(cross - n / 2, 0.0)
    phi = cross / margins**0.5 if margins else 0.0
    below, above = one.value - one.low, one.high - one.value
    under, over = two.value - two.low, two.high - two.value
    value = one.value - two.value
    low = value - max(0.0, below**2 - 2 * phi * below * over + over**2) ** 0.5
    high = value + max(0.0, above**2 - 2 * phi * above * under + under**2) ** 0.5
    return Interval(value, max(-1.0, low), min(1.0, high), level, n)


def bootstrap(
    columns: np.ndarray,
    statistic: Statistic = MEAN,
    *,
    level: float = 0.95,
    replicates: int = 2_000,
    seed: int = 0,
    method: Method = "symmetric",
) -> Interval:
    """Bootstrap interval of a statistic of the column means of independent rows.

    Args:
        columns: (n, k) rows, or (n,) where k is 1. Their order is of no consequence.
        replicates: resamples; time is about 8 ns × n × replicates, on one idle core.

    Returns:
        The statistic of the rows and its interval; rows that are all equal give an interval of no width.

    Raises:
        InputError: fewer than two rows, a wrong number of columns, a value that is not finite, a level out of (0, 1).
    """
    columns = np.asarray(columns, dtype=np.float64)
    columns = columns[:, None] if columns.ndim == 1 else columns
    value, low, high = bootstrap_many(
        columns[None], statistic, level=level, replicates=replicates, seed=seed, method=method
    )
    return Interval(float(value[0]), float(low[0]), float(high[0]), level, columns.shape[0])


def bootstrap_many(
    columns: np.ndarray,
    statistic: Statistic = MEAN,
    *,
    level: float = 0.95,
    replicates: int = 2_000,
    seed: int = 0,
    method: Method = "symmetric",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`bootstrap` of d data sets of equal size at once, all with the same resampling counts.

    Args:
        columns: (d, n, k).

    Returns: values, lower and upper ends, each (d,).
    """
    columns = np.asarray(columns, dtype=np.float64)
    if columns.ndim != 3 or columns.shape[2] != statistic.columns or columns.shape[1] < 2:
        raise InputError(
            f"rows of shape {columns.shape[1:]} do not fit a statistic of {statistic.columns} columns.",
            "Pass two rows or more, a column for each mean of the statistic.",
        )
    if method not in get_args(Method) or replicates < 100:
        raise InputError(
            f"{replicates} replicates by the method {method!r} are no interval.",
            f"Ask for 100 replicates or more and one of {', '.join(get_args(Method))}.",
        )
    if not np.all(np.isfinite(columns)):
        raise InputError("a value to resample is not finite.", "Drop rows without a value before.")
    columns = _sorted_rows(columns)
    means = columns.mean(axis=1)
    value = statistic.value(means)
    influence = statistic.influence(columns)
    error = influence.std(axis=1) / columns.shape[1] ** 0.5
    if method == "normal":
        return value, value - _quantile(level) * error, value + _quantile(level) * error
    draws, errors = _replicate(columns - means[:, None], means, statistic, replicates, seed)
    tail = (1 - level) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        pivots = np.where(errors > 0, (draws - value[:, None]) / errors, np.nan)
    if method == "studentised":
        top, bottom = _quantiles(pivots, 1 - tail), _quantiles(pivots, tail)
        low, high = value - top * error, value - bottom * error
    elif method == "symmetric":
        reach = _quantiles(np.abs(pivots), level) * error
        low, high = value - reach, value + reach
    elif method == "bca":
        low, high = _bca(draws, value, influence, tail)
    else:
        low, high = _quantiles(draws, tail), _quantiles(draws, 1 - tail)
        if method == "basic":
            low, high = 2 * value - high, 2 * value - low
    flat = error <= 1e-12 * np.maximum(np.abs(value), 1e-300)  # rows all equal: rounding is no spread
    return value, np.where(flat, value, low), np.where(flat, value, high)


def _sorted_rows(columns: np.ndarray) -> np.ndarray:
    return np.stack([rows[np.lexsort(rows.T)] for rows in columns])


def _replicate(
    centred: np.ndarray, means: np.ndarray, statistic: Statistic, replicates: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Statistic and linearised standard error of each replicate, both (d, replicates), from centred rows."""
    sets, rows, k = centred.shape
    upper = np.triu_indices(k)
    moments = np.concatenate([centred, centred[..., upper[0]] * centred[..., upper[1]]], axis=2)
    table = np.ascontiguousarray(moments.transpose(1, 0, 2).reshape(rows, -1))
    generator = np.random.default_rng(seed)
    step = max(1, _CELLS_PER_CHUNK // rows)
    found = []
    for start in range(0, replicates, step):
        size = min(step, replicates - start)
        # one stream of draws whatever the chunk: the counts of a replicate depend on the seed and n alone
        picks = generator.integers(0, rows, (size, rows)) + (np.arange(size) * rows)[:, None]
        counts = np.bincount(picks.ravel(), minlength=size * rows).reshape(size, rows).astype(np.float64)
        found.append(counts @ table / rows)
    first = np.concatenate(found).reshape(replicates, sets, -1).transpose(1, 0, 2)
    shift, second = first[..., :k], first[..., k:]
    gradient = statistic.gradient(means[:, None] + shift)
    variance = np.zeros(shift.shape[:2])
    for place, (i, j) in enumerate(zip(*upper, strict=True)):
        covariance = second[..., place] - shift[..., i] * shift[..., j]
        variance += (1 if i == j else 2) * gradient[..., i] * gradient[..., j] * covariance
    return statistic.value(means[:, None] + shift), np.sqrt(np.maximum(variance, 0) / rows)


def _quantiles(values: np.ndarray, share: float) -> np.ndarray:
    """Quantile along the last axis; replicates without a standard error (all rows equal) are left out."""
    known = np.isfinite(values)
    if known.all():
        return np.quantile(values, share, axis=-1)
    return np.array([np.quantile(row[ok], share) if ok.any() else 0.0 for row, ok in zip(values, known, strict=True)])


def _bca(draws: np.ndarray, value: np.ndarray, influence: np.ndarray, tail: float) -> tuple[np.ndarray, np.ndarray]:
    """Bias-corrected and accelerated ends (Efron 1987), the acceleration from the influence values."""
    normal = NormalDist()
    spread = np.sum(influence**2, axis=1) ** 1.5
    acceleration = np.divide(np.sum(influence**3, axis=1), 6 * spread, out=np.zeros_like(spread), where=spread > 0)
    ends = []
    for row, centre, bend in zip(draws, value, acceleration, strict=True):
        below = (np.sum(row < centre) + 0.5 * np.sum(row == centre)) / len(row)
        bias = normal.inv_cdf(min(max(below, 1 / len(row)), 1 - 1 / len(row)))
        pair = []
        for share in (tail, 1 - tail):
            z = bias + normal.inv_cdf(share)
            pair.append(float(np.quantile(row, normal.cdf(bias + z / (1 - bend * z)))))
        ends.append(pair)
    return np.array(ends)[:, 0], np.array(ends)[:, 1]


@cache
def _quantile(level: float) -> float:
    if not 0 < level < 1:
        raise InputError(f"a level of {level} is no confidence level.", "Pass a number between 0 and 1, 0.95 for one.")
    return NormalDist().inv_cdf((1 + level) / 2)
