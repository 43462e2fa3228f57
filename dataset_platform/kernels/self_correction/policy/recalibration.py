"""How far stated confidences can be trusted: counts per bin, a line through them, and each bin's own record.

A classifier that was trained on other models' answers tends to be off everywhere in the same direction, so a line on the
scale of log-odds (Platt, 1999) is fitted first, with a prior that believes the classifier; then each bin departs from
the line as far as its own record says. All is a function of integer counts: no order shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

BINS = 10
STEPS = 10_000
"""Accuracies and confidences are counted in steps of 1/10,000."""
_OFFSET_SD, _SLOPE_SD = 1.5, 0.5
_EDGE = 0.005
"""Log-odds are taken of confidences between this and one minus this."""


class Recalibration:
    """The probability that an answer is right, given the stated confidence.

    Args:
        counts: per bin, the answers seen, the steps of accuracy they had and the steps of confidence stated.
        weight: number of answers that the fitted line is worth in each bin.
    """

    def __init__(self, counts: Sequence[Sequence[int]], weight: float) -> None:
        self._weight = weight
        self._seen = [c[0] for c in counts]
        self._right = [c[1] / STEPS for c in counts]
        self.offset, self.slope = _fit([(c[0], c[1] / STEPS, c[2] / STEPS / c[0]) for c in counts if c[0]])

    def __call__(self, confidence: float) -> float:
        """P(right), in (0, 1)."""
        line = 1.0 / (1.0 + math.exp(-self.offset - self.slope * _log_odds(confidence)))
        b = bin_of(confidence)
        return (self._right[b] + self._weight * line) / (self._seen[b] + self._weight)


def empty_counts() -> list[list[int]]:
    """The counts of a policy that has seen nothing."""
    return [[0, 0, 0] for _ in range(BINS)]


def bin_of(confidence: float) -> int:
    """Index of one of ten equal bins of [0, 1]."""
    return min(int(confidence * BINS), BINS - 1)


def _log_odds(confidence: float) -> float:
    p = min(max(confidence, _EDGE), 1.0 - _EDGE)
    return math.log(p / (1.0 - p))


def _fit(bins: list[tuple[int, float, float]]) -> tuple[float, float]:
    """Offset and slope of the line: posterior mode, by Newton's method with halved steps; (0, 1) without data."""
    if not bins:
        return 0.0, 1.0
    seen, right = np.array([b[0] for b in bins], dtype=float), np.array([b[1] for b in bins])
    design = np.array([[1.0, _log_odds(b[2])] for b in bins])
    believed, precision = np.array([0.0, 1.0]), np.array([_OFFSET_SD**-2, _SLOPE_SD**-2])

    def loss(line: np.ndarray) -> float:
        z = design @ line
        return float(seen @ np.logaddexp(0.0, z) - right @ z + 0.5 * precision @ (line - believed) ** 2)

    line, at = believed, loss(believed)
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-(design @ line)))
        gradient = design.T @ (seen * p - right) + precision * (line - believed)
        step = np.linalg.solve((design.T * (seen * p * (1 - p))) @ design + np.diag(precision), gradient)
        share = 1.0
        while share > 1e-6 and loss(line - share * step) > at:
            share /= 2
        line = line - share * step
        reached = loss(line)
        if at - reached < 1e-10 * max(1.0, abs(at)):
            break
        at = reached
    return float(line[0]), float(line[1])
