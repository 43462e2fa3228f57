"""What kind of page it is: seven probabilities that every block of the page gets as features.

What counts as main content depends on it: comments are a forum's content and not an article's, product cards a
listing's and not a product page's. The kinds are those of WCXB (https://webcontentextraction.org).
"""

from __future__ import annotations

import numba
import numpy as np

from dataset_platform.kernels.web.extraction import features

__all__ = ["COLUMNS", "KINDS", "NAMES", "add_kinds", "page_vector"]

KINDS = ("article", "collection", "documentation", "forum", "listing", "product", "service")
NAMES = tuple(f"kind_{kind}" for kind in KINDS)
"""Columns that follow those of ``features``."""

COLUMNS = len(features.NAMES)
"""Columns before those of the kinds."""
_COUNT = len(KINDS)


@numba.njit(cache=True)
def page_vector(rows, before, columns, text_columns):  # type: ignore[no-untyped-def]
    """The page's blocks as one row (float32): means by the root of their words, plain means and maxima of text features.

    Args:
        rows: features of the blocks.
        before: words before each block, and of all (blocks + 1).
        columns, text_columns: how many are ``features``', and how many of them are of the text. What other modules
            decide is handed over: compiled code that is kept on disk is not made anew when they change.
    """
    vector = np.zeros(columns + 2 * text_columns, np.float32)
    blocks = len(rows)
    total = np.zeros(columns, np.float64)
    plain = np.zeros(text_columns, np.float64)
    weights = 0.0
    for column in range(text_columns):
        vector[columns + text_columns + column] = rows[0, column]
    for block in range(blocks):
        weight = np.sqrt(before[block + 1] - before[block] + 1)
        weights += weight
        row = rows[block]
        for column in range(columns):
            total[column] += weight * row[column]
        for column in range(text_columns):
            plain[column] += row[column]
            vector[columns + text_columns + column] = max(vector[columns + text_columns + column], row[column])
    for column in range(columns):
        vector[column] = total[column] / weights
    for column in range(text_columns):
        vector[columns + column] = plain[column] / blocks
    return vector


@numba.njit(cache=True)
def add_kinds(rows, columns, vector, feature, threshold, children, roots, values, leaves, depths):  # type: ignore[no-untyped-def]
    """Write the kinds' probabilities (softmax over trees that take turns by kind) into every row behind ``features``."""
    scores = np.zeros(_COUNT, np.float64)
    for tree in range(len(roots) - 1):
        node = numba.int64(0)
        while node >= 0:
            at = roots[tree] + node
            node = numba.int64(children[at, 0 if vector[feature[at]] <= threshold[at] else 1])
        scores[tree % _COUNT] += values[leaves[tree] - 1 - node]
    scores = np.exp(scores - scores.max())
    scores /= scores.sum()
    for row in rows:
        for kind in range(_COUNT):
            row[columns + kind] = scores[kind]
