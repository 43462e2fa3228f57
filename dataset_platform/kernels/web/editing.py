"""Taking spans out of a text that is split already: tokens that no span touches are moved, not split again.

The compiled part of ``Words.without``. Only a run that a span lies in or against is split anew, because cutting may
join what is left of it.
"""

from __future__ import annotations

import numba
import numpy as np

from dataset_platform.kernels.web import characters as ch
from dataset_platform.kernels.web.segmentation import GAP, copied, space, split_run

_COPIED_FLAGS = np.uint8(0xFF & ~GAP)


@numba.njit(cache=True)
def without(codes, spans):  # type: ignore[no-untyped-def]
    removed = 0
    for k in range(len(spans)):
        removed += spans[k, 1] - spans[k, 0]
    left = np.empty(len(codes) - removed, np.uint32)
    at, count = 0, 0
    for k in range(len(spans) + 1):
        stop = spans[k, 0] if k < len(spans) else len(codes)
        left[count : count + stop - at] = codes[at:stop]
        count += stop - at
        at = spans[k, 1] if k < len(spans) else stop
    return left


@numba.njit(cache=True)
def _moved(positions, spans):  # type: ignore[no-untyped-def]
    """Where ascending positions, none of them inside a span, lie in the text without the spans."""
    moved = np.empty(len(positions), np.int32)
    k, shift = 0, 0
    for i in range(len(positions)):
        while k < len(spans) and spans[k, 1] <= positions[i]:
            shift += spans[k, 1] - spans[k, 0]
            k += 1
        moved[i] = positions[i] - shift
    return moved


@numba.njit(cache=True)
def remove_spans(left, tokens, lines, spans, tables, exceptions, letters):  # type: ignore[no-untyped-def]
    """The fields of ``words.Words`` of the text without some spans.

    Args:
        tokens: starts, ends, hashes, flags, word_hashes and word_starts of the whole text.
        lines: line_starts and line_ends of the whole text.
        spans: int32 of shape (n, 2), ascending, none beyond a line's stripped text.
    """
    classes, _ = tables
    starts, ends, hashes, flags, word_hashes, word_starts = tokens
    line_starts, line_ends = _moved(lines[0], spans), _moved(lines[1], spans)
    n = len(left)
    out = space(n)
    to_starts, to_ends, to_hashes, to_flags, to_lines, to_words, to_word_starts = out
    cut = np.zeros(n + 1, np.uint8)
    zero = np.int64(0)  # not a literal, which the compiler would make copies of the callees for
    count, words, token, word, line, k, shift = zero, zero, zero, zero, zero, zero, zero
    i, previous = zero, zero
    while i < n:
        if classes[left[i]] & ch.SPACE:
            i += 1
            continue
        end, seen = i, np.uint32(0)
        while end < n and not classes[left[end]] & ch.SPACE:
            seen |= classes[left[end]]
            end += 1
        while line_ends[line] <= i:
            line += 1
        # spans are taken out at places of the text that is left: behind the run before, or in or against this one
        while k < len(spans) and spans[k, 0] - shift < i:
            shift += spans[k, 1] - spans[k, 0]
            k += 1
        first, touched = i + shift, k < len(spans) and spans[k, 0] - shift <= end
        gap = i - previous > 1 or (i > 0 and left[previous] != 32)
        last = end + shift
        while k < len(spans) and spans[k, 0] - shift <= end:
            shift += spans[k, 1] - spans[k, 0]
            last = end + shift
            k += 1
        while token < len(starts) and starts[token] < first:
            token += 1
        while word < len(word_starts) and word_starts[word] < first:
            word += 1
        if touched:
            count, words = split_run(left, tables, exceptions, i, end, seen, cut, letters, line, gap, out, count, words)
        else:
            begin = count
            while token < len(starts) and starts[token] < last:
                to_starts[count], to_ends[count] = starts[token] - shift, ends[token] - shift
                to_hashes[count], to_flags[count] = hashes[token], flags[token] & _COPIED_FLAGS
                to_lines[count] = line
                count += 1
                token += 1
            if gap:
                to_flags[begin] |= GAP
            while word < len(word_starts) and word_starts[word] < last:
                to_words[words], to_word_starts[words] = word_hashes[word], word_starts[word] - shift
                words += 1
                word += 1
        i = previous = end
    return (*copied(out, count, words), line_starts, line_ends)
