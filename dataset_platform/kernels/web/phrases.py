"""Exceptions inside a longer run, compiled: rule 5 of ``words.py``, on the tokens that the other rules made of the run."""

from __future__ import annotations

import numba
import numpy as np

from dataset_platform.kernels.web.affixes import join_hash, mark, slot_of

_MAX_PHRASE = 12  # tokens of the longest phrase


@numba.njit(cache=True)
def _phrases(exceptions, hashes, first, end, found):  # type: ignore[no-untyped-def]
    """How many phrases the tokens hold: first token, tokens and slot of each are written to ``found`` if it fits."""
    matches = 0
    for i in range(first, end - 1):
        key = hashes[i]
        at = slot_of(exceptions.phrase_keys, key)
        n = 1
        while at >= 0 and i + n < end:
            key = join_hash(key, hashes[i + n])
            at = slot_of(exceptions.phrase_keys, key)
            n += 1
            if at >= 0 and exceptions.phrase_cuts[at] & np.uint32(1):
                if matches < len(found):
                    found[matches, 0], found[matches, 1], found[matches, 2] = i, n, at
                matches += 1
    return matches


@numba.njit(cache=True)
def apply_phrases(exceptions, starts, ends, hashes, first, end, cut):  # type: ignore[no-untyped-def]
    """Put exceptions in place of the tokens the rules made of them inside a longer run; whether there was one.

    The longest first, of equally long ones the first; a token that any of them covered begins and ends no other.
    """
    found = np.empty((4, 3), np.int64)
    matches = _phrases(exceptions, hashes, first, end, found)
    if not matches:
        return False
    if matches > len(found):
        found = np.empty((matches, 3), np.int64)
        _phrases(exceptions, hashes, first, end, found)
    taken = np.zeros(end - first, np.uint8)
    for n in range(_MAX_PHRASE, 1, -1):
        for k in range(matches):
            i = found[k, 0]
            if found[k, 1] != n:
                continue
            if not taken[i - first] and not taken[i - first + n - 1]:
                begin = starts[i]
                cut[begin + 1 : ends[i + n - 1]] = 0
                mark(cut, begin, exceptions.phrase_cuts[found[k, 2]])
            taken[i - first : i - first + n] = 1
    return True
