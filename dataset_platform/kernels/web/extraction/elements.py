"""What is known of each element from its classes and place, and which element holds or surrounds given blocks."""

from __future__ import annotations

import numba
import numpy as np

from dataset_platform.kernels.web.extraction import tags
from dataset_platform.kernels.web.extraction.lexical import find_in
from dataset_platform.kernels.web.extraction.vocabulary import CLASS_BITS

__all__ = ["find_core", "meet", "structure"]

_BLOCK = tags.BLOCK
_HALF_BITS = CLASS_BITS // 2


@numba.njit(cache=True)
def structure(tag, parent, words_from, class_words, flags, tag_words, class_keys, class_scores, class_bits):  # type: ignore[no-untyped-def]
    """Per element: own score, min, max; path sum, min, max (nodes × 6, float32); class bits; signature; block ancestor."""
    nodes = len(tag)
    scores = np.zeros((nodes, 6), np.float32)
    bits = np.zeros((nodes, 2), np.int64)
    signature = np.zeros(nodes, np.uint32)
    holder = np.zeros(nodes, np.int32)
    for at in range(nodes):
        up = parent[at]
        total, low, high = numba.float32(0), numba.float32(0), numba.float32(0)
        bit0, bit1 = bits[up, 0], bits[up, 1]
        own = numba.uint32(tag[at] + 17)
        for place in range(words_from[at] - 1, words_from[at + 1]):
            word = tag_words[tag[at]] if place < words_from[at] else class_words[place]
            if place >= words_from[at]:
                own = numba.uint32((own ^ word) * numba.uint32(16777619))
            slot = find_in(class_keys, word)
            if slot < 0:
                continue
            value = class_scores[slot]
            total += value
            low = min(low, value)
            high = max(high, value)
            bit = class_bits[slot]
            if bit >= 0:
                if bit < _HALF_BITS:
                    bit0 |= numba.int64(1) << bit
                else:
                    bit1 |= numba.int64(1) << (bit - _HALF_BITS)
        bits[at, 0], bits[at, 1] = bit0, bit1
        scores[at, 0], scores[at, 1], scores[at, 2] = total, low, high
        scores[at, 3] = total + (scores[up, 3] if at else numba.float32(0))
        scores[at, 4] = min(low, scores[up, 4])
        scores[at, 5] = max(high, scores[up, 5])
        signature[at] = numba.uint32(
            (own * numba.uint32(31)) ^ ((signature[up] & numba.uint32(0xFFFF)) * numba.uint32(7)) if at else own
        )
        # the like of an element: same tag and classes under the same kind of parent
        holder[at] = at if (flags[tag[at]] & _BLOCK) or at == 0 else holder[up]
    return scores, bits, signature, holder


@numba.njit(cache=True)
def find_core(wanted, good, first, last, holder):  # type: ignore[no-untyped-def]
    """The deepest block-level element that holds ``wanted`` of the good words: the last one in document order that does."""
    best = 0
    for at in range(len(holder)):
        if holder[at] == at and good[last[at]] - good[first[at]] >= wanted:
            best = at
    return best


@numba.njit(cache=True)
def meet(one, other, parent, depth):  # type: ignore[no-untyped-def]
    """The innermost element around two; at most as many steps as they are deep."""
    while one != other:
        if depth[one] >= depth[other]:
            one = parent[one]
        else:
            other = parent[other]
    return one
