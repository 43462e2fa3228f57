"""From band keys to candidate pairs: documents that share a band's key lie in one bucket, and a bucket is compared.

A bucket of more than ``max_bucket`` documents would give a quadratic number of pairs. There each document is paired
with the first ``hubs`` only, which keeps what a template makes connected without comparing all with all.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from dataset_platform.kernels.web.jaccard import Bounds, Hashes, checked_bounds

Pairs = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@numba.njit(cache=True)
def _buckets(keys, table, first, bucket, members, bounds):  # type: ignore[no-untyped-def]
    """Rows of equal key side by side in ``members``, in order; where each bucket of two or more begins in ``bounds``."""
    shift = np.uint64(64)
    size = len(table)
    while size > 1:
        size >>= 1
        shift -= np.uint64(1)
    first[:] = -1
    count = 0
    for row in range(len(keys)):
        at = np.int64((keys[row] * _SPREAD) >> shift)
        while first[at] >= 0 and table[at] != keys[row]:
            at = (at + 1) & (len(table) - 1)
        if first[at] < 0:
            table[at] = keys[row]
            first[at] = count
            bounds[count] = 0
            count += 1
        bucket[row] = first[at]
        bounds[bucket[row]] += 1
    end = 0
    for b in range(count):
        size, bounds[b] = bounds[b], -1
        if size > 1:
            # the place of the bucket's next member; buckets of one have none
            bounds[b], end = end, end + size
    for row in range(len(keys)):
        at = bounds[bucket[row]]
        if at >= 0:
            members[at] = row
            bounds[bucket[row]] = at + 1
    kept = 0
    for b in range(count):
        if bounds[b] >= 0:
            bounds[kept] = bounds[b]  # its end, by now
            kept += 1
    for b in range(kept, 0, -1):
        bounds[b] = bounds[b - 1]
    bounds[0] = 0
    return kept


@numba.njit(cache=True)
def _pairs_of_keys(keys, new, max_bucket, hubs, left, right):  # type: ignore[no-untyped-def]
    """Pairs in order of discovery; counts them where ``left`` is empty, writes them where it is as long as that."""
    count, bands = keys.shape
    size = 2
    while size < 2 * count:
        size *= 2
    table, first = np.empty(size, np.uint64), np.empty(size, np.int32)
    bucket, members = np.empty(count, np.int32), np.empty(count, np.int32)
    bounds = np.empty(count + 2, np.int64)
    far = np.zeros((count, bands), np.uint8)  # no hub of a bucket that is too large
    found = 0
    for band in range(bands):
        buckets = _buckets(keys[:, band].copy(), table, first, bucket, members, bounds)
        for b in range(buckets):
            start, end = bounds[b], bounds[b + 1]
            lasts = end
            if end - start > max_bucket:
                lasts = min(start + hubs, end)
                for i in range(lasts, end):
                    far[members[i], band] = 1
            for i in range(start, lasts):
                one = members[i]
                for k in range(i + 1, end):
                    other = members[k]
                    if not (new[one] or new[other]):
                        continue
                    # a pair belongs to the first band that gives it
                    known = False
                    for before in range(band):
                        if keys[one, before] == keys[other, before] and not (far[one, before] and far[other, before]):
                            known = True
                            break
                    if not known:
                        if len(left):
                            left[found], right[found] = one, other
                        found += 1
    return found


@numba.njit(cache=True)
def _pairs_of_buckets(bounds, new, max_bucket, hubs, left, right):  # type: ignore[no-untyped-def]
    found = 0
    for b in range(len(bounds) - 1):
        start, end = bounds[b], bounds[b + 1]
        lasts = end if end - start <= max_bucket else min(start + hubs, end)
        for i in range(start, lasts):
            for k in range(i + 1, end):
                if new[i] or new[k]:
                    if len(left):
                        left[found], right[found] = i, k
                    found += 1
    return found


def candidate_pairs(keys: Hashes, new: Flags, max_bucket: int, hubs: int) -> Pairs:
    """Pairs of documents that share a band's key and have a new member, each once.

    Args:
        keys: band keys, uint64 of shape (documents, bands); rows in the order in which a bucket's first ones, its hubs,
            are chosen (ascending doc_id in this lane).
        new: per document, whether it is of the day that is judged; pairs of two others were judged before.
        max_bucket: documents in a bucket up to which all pairs are compared.
        hubs: documents that the others of a larger bucket are compared with.

    Returns:
        Row numbers (smaller, larger), int64 of shape (n, 2), ascending.

    Raises:
        ValueError: keys and flags do not fit each other.
    """
    if keys.ndim != 2 or len(keys) != len(new):
        raise ValueError(f"keys of shape {keys.shape} and {len(new)} flags do not describe the same documents")
    keys, new = np.ascontiguousarray(keys, np.uint64), np.ascontiguousarray(new, np.bool_)
    left, right = np.empty(0, np.int64), np.empty(0, np.int64)
    count = _pairs_of_keys(keys, new, max_bucket, hubs, left, right) if len(keys) > 1 else 0
    if count:
        left, right = np.empty(count, np.int64), np.empty(count, np.int64)
        _pairs_of_keys(keys, new, max_bucket, hubs, left, right)
        # one number per pair sorts many times faster than pairs do
        code = np.sort(left * len(keys) + right)
        left, right = code // len(keys), code % len(keys)
    return np.stack([left, right], axis=1)


def bucket_pairs(bounds: Bounds, new: Flags, max_bucket: int, hubs: int) -> tuple[Pairs, Pairs]:
    """The pairs to compare in each of many buckets, as positions in the list of all buckets' members.

    What ``candidate_pairs`` does, for buckets that were grouped elsewhere. A pair that shares two buckets comes twice.

    Args:
        bounds: of shape (buckets + 1,); bucket ``i`` holds the members ``bounds[i]`` to ``bounds[i + 1]`` (exclusive),
            in the order in which hubs are chosen: the offsets of an Arrow list.
        new: per member, whether it is of the day that is judged.
        max_bucket: see ``candidate_pairs``.
        hubs: see ``candidate_pairs``.

    Returns:
        Positions of the left and of the right members, left before right, bucket by bucket.

    Raises:
        ValueError: the bounds do not ascend, or go beyond the members.
    """
    bounds, new = checked_bounds(bounds, len(new)), np.ascontiguousarray(new, np.bool_)
    none = np.empty(0, np.int64)
    count = _pairs_of_buckets(bounds, new, max_bucket, hubs, none, none)
    if not count:
        return none, none
    left, right = np.empty(count, np.int64), np.empty(count, np.int64)
    _pairs_of_buckets(bounds, new, max_bucket, hubs, left, right)
    return left, right
