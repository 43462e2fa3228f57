"""Derivatives of logged motion. Differencing a log amplifies its noise: smoothing is part of every limit on jerk.

What describes *now* (inputs) is smoothed over the past only: ``trailing_slope``. What judges a whole trajectory
(metrics) is smoothed around each sample: ``box_smooth`` and ``savgol``.
"""

from __future__ import annotations

from functools import lru_cache
from math import factorial

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ACCELERATION_WINDOW = 8
"""Samples, at 10 Hz, over which nuPlan and NAVSIM smooth accelerations (polynomial of order 2)."""
JERK_WINDOW = 15
"""Samples, at 10 Hz, over which nuPlan and NAVSIM smooth jerks (polynomial of order 2)."""


def trailing_slope(values: Floats, times_s: Floats, window_s: float, min_samples: int = 4) -> Floats:
    """Slope at each sample of the straight line fitted to the last ``window_s`` seconds by least squares.

    Nothing later than a sample enters its slope; the price is a delay of half the window.

    Args:
        values: [T], NaN where not known; angles must be unwrapped.
        times_s: [T], increasing.
        window_s: length of the past, seconds.
        min_samples: known samples that a fit needs, over at least half the window.

    Returns:
        [T], units of ``values`` per second; NaN where too little past is known.
    """
    values, times_s = np.asarray(values, float), np.asarray(times_s, float)
    if not len(values):
        return np.empty(0)
    # rows are the past, columns the samples: numpy adds rows in their order, so that samples yet to come, which add
    # nothing, do not even change the rounding
    behind = times_s[None, :] - times_s[:, None]
    # a millisecond of slack, so that irregular timestamps do not drop the window's oldest sample
    used = (behind >= 0) & (behind <= window_s + 1e-3) & np.isfinite(values)[:, None]
    count = used.sum(0)
    known = np.where(np.isfinite(values), values, 0.0)
    t = np.where(used, -behind, 0.0)
    t = np.where(used, t - t.sum(0) / np.maximum(count, 1), 0.0)
    # values are taken from their own sample's value, so that large coordinates lose no digits
    v = np.where(used, known[:, None] - known[None, :], 0.0)
    span = np.where(used, behind, 0.0).max(0)
    enough = (count >= min_samples) & (span >= window_s / 2 - 1e-3) & np.isfinite(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (t * v).sum(0) / (t * t).sum(0)
    return np.where(enough, slope, np.nan)


def box_smooth(values: Floats, window: int) -> Floats:
    """Mean over ``window`` samples, wholly inside the series: [T] gives [T − window + 1].

    Args:
        values: [T].
        window: samples; cut to T when the series is shorter.
    """
    values = np.asarray(values, float)
    window = max(1, min(window, len(values)))
    return np.convolve(values, np.full(window, 1.0 / window), mode="valid") if len(values) else values


def box_derivative(values: Floats, times_s: Floats, window: int) -> tuple[Floats, Floats]:
    """Central differences at the real timestamps, box-smoothed; applied twice it gives a smoothed jerk.

    Args:
        values, times_s: [T], T ≥ 2.
        window: samples.

    Returns:
        derivative and times, each [T − window + 1].
    """
    return box_smooth(np.gradient(values, times_s), window), box_smooth(times_s, window)


def savgol(values: Floats, window: int, order: int = 2, derivative: int = 0, delta: float = 1.0) -> Floats:
    """Savitzky-Golay filter along the last axis: a polynomial fitted around each sample by least squares.

    The ends are read off the polynomial of the first and the last window (the method's "interpolated" edges). Even
    windows are allowed: their centre lies between two samples, as nuPlan and NAVSIM have it.
    (Savitzky and Golay, Analytical Chemistry 36, 1964.)

    Args:
        values: [..., T], evenly spaced.
        window: samples; cut to T when the series is shorter. ``order`` is cut to less than the window.
        derivative: which derivative is wanted, 0 for the smoothed values.
        delta: spacing of the samples.

    Returns:
        [..., T].
    """
    values = np.asarray(values, float)
    length = values.shape[-1]
    window = min(window, length)
    if window < 1:
        return values.copy()
    order = min(order, window - 1)
    if derivative > order:
        return np.zeros_like(values)
    weights = _weights(window, order, derivative) / delta**derivative
    half = window // 2
    # an even window has its centre half a sample after the sample that it stands for
    first = half - (window - 1) // 2
    out = np.empty_like(values)
    windows = np.lib.stride_tricks.sliding_window_view(values, window, axis=-1)
    inner = slice(half, max(length - half, half))
    out[..., inner] = windows[..., first : first + inner.stop - inner.start, :] @ weights[window]
    out[..., :half] = values[..., :window] @ weights[:half].T
    tail = length - inner.stop
    out[..., inner.stop :] = values[..., -window:] @ weights[window - tail : window].T
    return out


@lru_cache(maxsize=64)
def _weights(window: int, order: int, derivative: int) -> Floats:
    """[window + 1, window]: row i gives the derivative at sample i of the window, the last row at its centre."""
    position = np.arange(window) - (window - 1) / 2
    at = np.append(position, 0.0)
    solve = np.linalg.pinv(np.vander(position, order + 1, increasing=True))
    powers = np.arange(derivative, order + 1)
    scale = np.array([factorial(p) / factorial(p - derivative) for p in powers])
    basis = np.array([at ** (p - derivative) for p in powers]).T * scale
    weights: Floats = basis @ solve[derivative:]
    return weights
