"""Features of the second stage: what the first one said of the block's surroundings (stacked generalisation, Wolpert 1992)."""

from __future__ import annotations

import numba
import numpy as np

from dataset_platform.kernels.web.extraction import features, kinds
from dataset_platform.kernels.web.extraction.choice import choose
from dataset_platform.kernels.web.extraction.elements import find_core

__all__ = ["COLUMNS", "NAMES", "add_surroundings"]

_STEPS = (-4, -3, -2, -1, 1, 2, 3, 4)
_SIZES = (2, 5, 12, 30)
NAMES = (
    "said", "said_of_page", "content_words", "content_before", "since_first", "until_last", "chosen", "expected_f1",
    "said_of_heading", "said_of_section", "heading_said_next", "content_core_half", "content_core_most", "content_core_all", "said_of_core",
    "content_core_before", "content_core_after",
    *(f"said{step:+d}" for step in _STEPS),
    *(f"said_window{size}" for size in _SIZES),
    *(f"said_container{level}" for level in range(features.LEVELS)),
    *(f"content_container{level}" for level in range(features.LEVELS)),
    *(f"said_group{level}" for level in range(features.GROUPS)),
    *(f"said_siblings{level}" for level in range(3)),
)  # fmt: skip
"""Columns that follow those of ``features`` and ``kinds``."""

COLUMNS = len(features.NAMES) + len(kinds.NAMES)
"""Columns before those of the second stage."""
_LEVELS, _GROUPS = features.LEVELS, features.GROUPS
_STEP_ARRAY = np.array(_STEPS)
_SIZE_ARRAY = np.array(_SIZES)
_HEADING = features.NAMES.index("heading_level")


@numba.njit(cache=True)
def add_surroundings(rows, columns, said, before, ancestors, groups, parent, first, last, holder):  # type: ignore[no-untyped-def]
    """Write the second stage's columns into ``rows`` behind the first stage's.

    Args:
        rows: blocks × (features.NAMES + kinds.NAMES + NAMES), float32.
        columns: how many of them stand before the second stage's.
        said: the first stage's probabilities.
        before: words before each block, and of all (blocks + 1).
        ancestors: block-level ancestors (blocks × levels).
        groups: like-group numbers (blocks × groups).
        parent, first, last: of the elements.
        holder: each element's nearest block-level element.
    """
    n = len(said)
    mass = np.zeros(n + 1, np.float64)
    size = np.zeros(n, np.float64)
    for block in range(n):
        size[block] = before[block + 1] - before[block] + 0.25
    weight = np.zeros(n + 1, np.float64)
    for block in range(n):
        mass[block + 1] = mass[block] + size[block] * said[block]
        weight[block + 1] = weight[block] + size[block]
    total = max(mass[n], 1e-9)
    chosen, expected = choose(said, size, 0.0)
    half = find_core(0.5 * total, mass, first, last, holder)
    most = find_core(0.8 * total, mass, first, last, holder)
    nearly = find_core(0.95 * total, mass, first, last, holder)
    most_groups = 0
    for block in range(n):
        for level in range(_GROUPS):
            most_groups = max(most_groups, groups[block, level] + 1)
    group_mass = np.zeros(most_groups, np.float64)
    group_weight = np.zeros(most_groups, np.float64)
    first_said, last_said = -1, -1
    for block in range(n):
        for level in range(_GROUPS):
            group_mass[groups[block, level]] += size[block] * said[block]
            group_weight[groups[block, level]] += size[block]
        if said[block] > 0.5:
            if first_said < 0:
                first_said = block
            last_said = block
    section = np.zeros(n, np.float32)  # mean of what was said from a heading to the next one
    begin = 0
    for block in range(1, n + 1):
        if block == n or rows[block, _HEADING] > 0:
            section[begin:block] = (mass[block] - mass[begin]) / (weight[block] - weight[begin])
            begin = block
    heading = -1
    for block in range(n):
        row = rows[block]
        k = columns
        row[k] = said[block]
        row[k + 1] = mass[n] / weight[n]
        row[k + 2] = mass[n]
        row[k + 3] = mass[block] / total
        row[k + 4] = block - first_said if first_said >= 0 else -9999
        row[k + 5] = last_said - block if last_said >= 0 else -9999
        row[k + 6] = chosen[block]
        row[k + 7] = expected
        row[k + 8] = said[heading] if heading >= 0 else -1
        row[k + 9] = section[block]
        if row[_HEADING] > 0:
            heading = block
            row[k + 10] = said[block + 1] if block + 1 < n else 0
        else:
            row[k + 10] = -1
        row[k + 11] = first[half] <= block < last[half]
        row[k + 12] = first[most] <= block < last[most]
        row[k + 13] = first[nearly] <= block < last[nearly]
        row[k + 14] = (mass[last[most]] - mass[first[most]]) / max(weight[last[most]] - weight[first[most]], 1e-9)
        row[k + 15] = block - first[most]
        row[k + 16] = last[most] - block
        k += 17
        for step in _STEP_ARRAY:
            row[k] = said[block + step] if 0 <= block + step < n else -1
            k += 1
        for reach in _SIZE_ARRAY:
            from_, to = max(block - reach, 0), min(block + reach + 1, n)
            row[k] = (mass[to] - mass[from_]) / (weight[to] - weight[from_])
            k += 1
        for level in range(_LEVELS):
            at = ancestors[block, level]
            inside = mass[last[at]] - mass[first[at]]
            row[k] = inside / max(weight[last[at]] - weight[first[at]], 1e-9)
            row[k + _LEVELS] = inside / total
            k += 1
        k += _LEVELS
        for level in range(_GROUPS):
            row[k] = group_mass[groups[block, level]] / group_weight[groups[block, level]]
            k += 1
        for level in range(3):
            # the container around, without the element itself
            inner, outer = ancestors[block, level], ancestors[block, level + 1]
            rest = (weight[last[outer]] - weight[first[outer]]) - (weight[last[inner]] - weight[first[inner]])
            others = (mass[last[outer]] - mass[first[outer]]) - (mass[last[inner]] - mass[first[inner]])
            row[k] = others / rest if rest > 1e-6 else -1
            k += 1
