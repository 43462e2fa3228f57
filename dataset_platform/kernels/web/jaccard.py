"""Sets of 64-bit hashes as sorted arrays, and the exact Jaccard similarity of many pairs of them."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Bounds = npt.NDArray[np.int64]


@numba.njit(cache=True)
def _sort(values, space):  # type: ignore[no-untyped-def]
    """Sort hashes in place and return how many distinct ones stand at the front; ``space`` holds as many more.

    Hashes are even over their range, so that their high bits alone put them almost in place (a bucket sort).
    """
    bits, count = 0, len(values)
    while 1 << bits < count:
        bits += 1
    if bits == 0:
        return count
    shift = np.uint64(64 - bits)
    at = np.zeros((1 << bits) + 1, np.int64)
    for value in values:
        at[np.int64(value >> shift) + 1] += 1
    for b in range(1 << bits):
        at[b + 1] += at[b]
    for value in values:
        home = np.int64(value >> shift)
        space[at[home]] = value
        at[home] += 1
    start = 0
    for b in range(1 << bits):
        end = at[b]  # by now where the next bucket begins
        if end - start > 24:
            space[start:end].sort()
        else:
            for i in range(start + 1, end):
                value, k = space[i], i
                while k > start and space[k - 1] > value:
                    space[k] = space[k - 1]
                    k -= 1
                space[k] = value
        start = end
    distinct = 1
    values[0] = space[0]
    for i in range(1, count):
        if space[i] != space[i - 1]:
            values[distinct] = space[i]
            distinct += 1
    return distinct


@numba.njit(cache=True)
def _sets(shingles, bounds):  # type: ignore[no-untyped-def]
    longest = 0
    for d in range(len(bounds) - 1):
        longest = max(longest, bounds[d + 1] - bounds[d])
    space = np.empty(longest, np.uint64)
    starts = np.zeros(len(bounds), np.int64)
    for d in range(len(bounds) - 1):
        members = shingles[bounds[d] : bounds[d + 1]]
        count = _sort(members, space)
        starts[d + 1] = starts[d] + count
        for i in range(count):  # the set moves down over what repeats left free
            shingles[starts[d] + i] = members[i]
    return shingles[: starts[-1]].copy(), starts


@numba.njit(cache=True)
def _shared(a, b):  # type: ignore[no-untyped-def]
    # no branch on which is smaller: of two shuffled sets the processor could not guess it
    i, j, shared = 0, 0, 0
    while i < len(a) and j < len(b):
        x, y = a[i], b[j]
        shared += x == y
        i += x <= y
        j += y <= x
    return shared


@numba.njit(cache=True)
def _jaccards(members, bounds, left, right):  # type: ignore[no-untyped-def]
    values = np.empty(len(left), np.float64)
    for n in range(len(left)):
        a = members[bounds[left[n]] : bounds[left[n] + 1]]
        b = members[bounds[right[n]] : bounds[right[n] + 1]]
        shared = _shared(a, b)
        union = len(a) + len(b) - shared
        values[n] = shared / union if union else 1.0
    return values


def checked_bounds(bounds: Bounds, count: int) -> Bounds:
    """The bounds as int64, for compiled loops that look no more.

    Raises:
        ValueError: they do not ascend, or go beyond ``count``.
    """
    bounds = np.ascontiguousarray(bounds, np.int64)
    if len(bounds) == 0 or bounds[0] < 0 or bounds[-1] > count or (np.diff(bounds) < 0).any():
        raise ValueError(f"bounds must ascend from 0 or more to {count} at most")
    return bounds


def sets_of(hashes: Hashes, bounds: Bounds) -> tuple[Hashes, Bounds]:
    """Sort each part of an array of hashes and drop its repeats.

    Args:
        hashes: evenly spread 64-bit hashes of all parts, one part after the other; left as they are.
        bounds: of shape (parts + 1,); part ``i`` is ``hashes[bounds[i]:bounds[i + 1]]``.

    Returns:
        The sets in one array, and their bounds.

    Raises:
        ValueError: the bounds do not ascend, or go beyond the hashes.
    """
    members, starts = _sets(hashes.copy(), checked_bounds(bounds, len(hashes)))
    return members, starts


def jaccard(shingles_a: Hashes, shingles_b: Hashes) -> float:
    """Shared over all members of two sets, given as sorted arrays without repeats; 1 for two empty sets."""
    shared = int(_shared(shingles_a, shingles_b))
    union = len(shingles_a) + len(shingles_b) - shared
    return shared / union if union else 1.0


def jaccard_of_pairs(members: Hashes, bounds: Bounds, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """``jaccard`` of many pairs of sets.

    Args:
        members: of all sets, each sorted and without repeats (see ``shingle_sets``).
        bounds: of shape (sets + 1,); set ``i`` is ``members[bounds[i]:bounds[i + 1]]``.
        pairs: numbers of the two sets, shape (n, 2).

    Raises:
        ValueError: the bounds are not ascending or go beyond the members; a pair names a set that is not there.
    """
    bounds = checked_bounds(bounds, len(members))
    if len(pairs) and (pairs.min() < 0 or pairs.max() >= len(bounds) - 1):
        raise ValueError(f"pairs name sets {pairs.min()} to {pairs.max()}, but there are {len(bounds) - 1}")
    return _jaccards(members, bounds, np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1]))
