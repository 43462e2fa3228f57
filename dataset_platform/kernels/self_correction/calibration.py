"""Fitting a calibration: Platt's sigmoid first, then monotone knots where there are rows enough to place them."""

from __future__ import annotations

import numpy as np

from dataset_platform.kernels.self_correction.calibrated_heads import Calibration

ROWS_PER_KNOT = 150
_MOST_KNOTS = 16
_FEWEST_ROWS = 1000  # below, a monotone fit follows the noise more than the curve (Niculescu-Mizil & Caruana 2005)


def calibrate(raw: np.ndarray, correct: np.ndarray) -> Calibration:
    """The calibration that maps raw probabilities to what came true.

    Platt 1999 with his smoothed targets; with 1,000 rows or more then bins of equal mass, made monotone by pooling
    adjacent violators (Zadrozny & Elkan 2002) and joined by straight lines, so that order is kept where it can be.

    Args:
        raw: (n,) raw probabilities; both outcomes must occur.
        correct: (n,) 0/1.
    """
    logit = np.log(np.clip(raw, 1e-9, 1 - 1e-9)) - np.log1p(-np.clip(raw, 1e-9, 1 - 1e-9))
    slope, shift = _platt(logit, correct)
    first = Calibration(slope, shift)
    if len(raw) < _FEWEST_ROWS:
        return first
    scores = np.array([first.platt(p) for p in raw])
    order = np.argsort(scores, kind="stable")
    bins = min(_MOST_KNOTS, len(raw) // ROWS_PER_KNOT)
    knots: list[tuple[float, float, int]] = []  # mean score, hits, rows
    for part in np.array_split(order, bins):
        hits = float(correct[part].sum())
        knots.append((float(scores[part].mean()), hits, len(part)))
        while len(knots) > 1 and _falls(knots[-2], knots[-1]):
            (x1, h1, n1), (x2, h2, n2) = knots[-2:]
            knots[-2:] = [((x1 * n1 + x2 * n2) / (n1 + n2), h1 + h2, n1 + n2)]
    # half a hit and half a miss keep the ends off 0 and 1
    x = [round(k[0], 9) for k in knots]
    y = [round((k[1] + 0.5) / (k[2] + 1), 9) for k in knots]
    for at in range(1, len(y)):  # smoothing may turn the order of two bins of different sizes
        y[at] = max(y[at], y[at - 1])
    return Calibration(slope, shift, tuple(x), tuple(y)) if len(x) > 1 else first


def _falls(before: tuple[float, float, int], after: tuple[float, float, int]) -> bool:
    return after[1] / after[2] <= before[1] / before[2] or after[0] - before[0] < 1e-6


def _platt(logit: np.ndarray, correct: np.ndarray) -> tuple[float, float]:
    """Slope and shift of the sigmoid, by Newton's method on his regularised likelihood."""
    right = float(correct.sum())
    wrong = len(correct) - right
    target = np.where(correct > 0.5, (right + 1) / (right + 2), 1 / (wrong + 2))
    design = np.stack([logit, np.ones_like(logit)], axis=1)
    # a weak pull towards the identity keeps a separable sample from running away
    pull, home = 1e-3, np.array([1.0, 0.0])
    at = home.copy()

    def loss(point: np.ndarray) -> float:
        z = design @ point
        return float(np.sum(np.logaddexp(0, z) - target * z) + 0.5 * pull * np.sum((point - home) ** 2))

    best = loss(at)
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(design @ at, -700, 700)))
        gradient = design.T @ (p - target) + pull * (at - home)
        curvature = (design * (p * (1 - p))[:, None]).T @ design + pull * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while size > 1e-6 and loss(at - size * step) > best:
            size /= 2
        if size <= 1e-6 or best - loss(at - size * step) < 1e-9:
            break
        at = at - size * step
        best = loss(at)
    return float(max(at[0], 1e-3)), float(at[1])
