"""Which blocks to keep, given each one's probability, and what F1 to expect of the choice."""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["choose"]


@numba.njit(cache=True)
def choose(probability, size):  # type: ignore[no-untyped-def]
    """Blocks (bool) whose words give the highest expected F1, and that F1.

    With words ``size`` and calibrated probabilities the expected F1 of a choice is about twice its expected hits by
    the sum of its words and the page's expected content words; the best choice is then all blocks above one
    threshold, half of the F1 it reaches (Lipton, Elkan, Narayanaswamy: Optimal thresholding of classifiers to
    maximize F1 measure, 2014).
    """
    order = np.argsort(-probability, kind="mergesort")
    chosen = np.zeros(len(probability), np.bool_)
    expected = 0.0
    for block in range(len(probability)):
        expected += probability[block] * size[block]
    if expected <= 0:
        return chosen, 0.0
    words, hits, best, best_count = 0.0, 0.0, 0.0, 0
    for place in range(len(order)):
        block = order[place]
        words += size[block]
        hits += probability[block] * size[block]
        f1 = 2 * hits / (words + expected)
        if f1 > best:
            best, best_count = f1, place + 1
    for place in range(best_count):
        chosen[order[place]] = True
    return chosen, best
