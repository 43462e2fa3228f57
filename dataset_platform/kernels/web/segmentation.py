"""The compiled kernels of the word split; the rule they follow is written down in ``words.py``.

They stand in one file because numba's cache notices changes of a kernel's own file only. The bits of ``characters.py``
are compiled in: after changing one, delete this folder's ``__pycache__``.
"""

from __future__ import annotations

import numba
import numpy as np

from dataset_platform.kernels.web import characters as ch

PUNCTUATION = 1  # nothing but punctuation and symbols
HAS_ALPHA = 2  # at least one letter
SENTENCE_END = 4  # a single mark that ends a sentence
CLOSING = 8  # nothing but category P

_OFFSET = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xFF51AFD7ED558CCD)


@numba.njit(cache=True, inline="always")
def _finish(value):  # type: ignore[no-untyped-def]
    value ^= value >> np.uint64(32)
    value *= _MIX
    return value ^ (value >> np.uint64(29))


@numba.njit(cache=True)
def hash_span(codes, first, last):  # type: ignore[no-untyped-def]
    value = _OFFSET
    for i in range(first, last):
        value = (value ^ np.uint64(codes[i])) * _PRIME
        value ^= value >> np.uint64(31)
    return _finish(value)


@numba.njit(cache=True)
def _clitic(codes, classes, folded, a, b):  # type: ignore[no-untyped-def]
    """Start of the clitic that ends the run, or b."""
    if b - a < 3:
        return b
    last = folded[codes[b - 1]]
    if folded[codes[b - 2]] == 39 and (classes[codes[b - 3]] & (ch.ALPHA | ch.DIGIT)):
        if last == 115 or last == 109 or last == 100:  # 's 'm 'd
            return b - 2
        if last == 116 and folded[codes[b - 3]] == 110 and b - a >= 4:  # n't
            return b - 3
    if b - a >= 4 and folded[codes[b - 3]] == 39 and (classes[codes[b - 4]] & ch.ALPHA):
        middle = folded[codes[b - 2]]
        if (last == 108 and middle == 108) or (last == 101 and (middle == 118 or middle == 114)):  # 'll 've 're
            return b - 3
    return b


@numba.njit(cache=True)
def _keeps_stop(codes, classes, abbreviations, a, b):  # type: ignore[no-untyped-def]
    """Whether the full stop at b - 1 belongs to the word before it."""
    before = classes[codes[b - 2]]
    if b - a == 2 and before & ch.ALPHA:
        return True
    if before & ch.ALPHA and b - a >= 4 and codes[b - 3] == 46:  # letters with a stop after each
        return True
    if b - a <= 8:
        key = hash_span(codes, a, b - 1)
        at = np.searchsorted(abbreviations, key)
        if at < len(abbreviations) and abbreviations[at] == key:
            return True
    two_upper = b - a >= 3 and before & ch.UPPER and classes[codes[b - 3]] & ch.UPPER
    splits = before & (ch.DIGIT | ch.LOWER | ch.PUNCT | ch.MARK) or two_upper
    return not splits


@numba.njit(cache=True)
def _is_address(codes, classes, a, b):  # type: ignore[no-untyped-def]
    dot = -1
    for i in range(a, b):
        code = codes[i]
        if code == 58 and i + 2 < b and codes[i + 1] == 47 and codes[i + 2] == 47:
            return True
        if code == 46:
            dot = i
            if i - a == 3 and codes[a] == 119 and codes[a + 1] == 119 and codes[a + 2] == 119:
                return True
        if code == 47 and dot > a and i - dot > 2:
            return True
        if dot >= 0 and code != 46 and not classes[code] & (ch.ALPHA | ch.DIGIT) and code != 45 and code != 47:
            dot = -1
    return False


@numba.njit(cache=True)
def _cut_ends(codes, classes, folded, abbreviations, a, b, cut):  # type: ignore[no-untyped-def]
    """Rules 2 and 3: mark the cuts at both ends of a run; returns what is left in the middle."""
    while a < b:
        code = codes[a]
        kind = classes[code]
        step = 0
        if code == 46:
            while a + step < b and codes[a + step] == 46:
                step += 1
            if step < 2:
                break
        elif kind & (ch.EDGE | ch.LEADING | ch.CURRENCY | ch.ISOLATED) or (
            code == 43 and a + 1 < b and not classes[codes[a + 1]] & ch.DIGIT
        ):
            step = 1
        else:
            break
        while a + step < b and classes[codes[a + step]] & ch.MARK:
            step += 1
        a += step
        cut[a] = 1
    while a < b:
        code = codes[b - 1]
        kind = classes[code]
        before = classes[codes[b - 2]] if b - a >= 2 else 0
        start = b
        if code == 46:
            while start > a and codes[start - 1] == 46:
                start -= 1
            if b - start < 2 and (b - a < 2 or _keeps_stop(codes, classes, abbreviations, a, b)):
                break
        elif kind & (ch.EDGE | ch.ISOLATED) or (before & ch.DIGIT and (kind & ch.CURRENCY or code == 37 or code == 43)):
            start = b - 1
        else:
            start = _clitic(codes, classes, folded, a, b)
            if start == b:
                break
        cut[start] = 1
        b = start
    return a, b


@numba.njit(cache=True)
def _cut_inside(codes, classes, a, b, cut):  # type: ignore[no-untyped-def]
    """Rule 4 on the middle of a run."""
    i = a + 1
    while i < b - 1:
        code = codes[i]
        before, after = classes[codes[i - 1]], classes[codes[i + 1]]
        stop = i + 1
        found = False
        if code == 46:
            while stop < b and codes[stop] == 46:
                stop += 1
            found = stop - i > 1 or (
                before & (ch.LOWER | ch.QUOTE) != 0
                and after & (ch.UPPER | ch.QUOTE) != 0
                and before & ch.IDEOGRAPH == 0
            )
        elif code == 0x2026:
            found = True
        elif code == 44:
            found = before & ch.ALPHA != 0 and after & ch.ALPHA != 0
        elif code == 45 or code == 0x2013 or code == 0x2014 or code == 126:
            while code != 126 and stop < b and codes[stop] == code:
                stop += 1
            follows = stop < b and classes[codes[stop]] & ch.ALPHA != 0
            found = before & (ch.ALPHA | ch.DIGIT) != 0 and follows
            if not found and code == 45:
                found = stop == i + 1 and before & ch.DIGIT != 0 and after & ch.DIGIT != 0
        elif code == 58 or code == 60 or code == 61 or code == 62 or code == 47:
            found = before & (ch.ALPHA | ch.DIGIT) != 0 and after & ch.ALPHA != 0
        elif code == 43 or code == 42 or code == 94:
            found = before & ch.DIGIT != 0 and after & ch.DIGIT != 0
        if found:
            cut[i] = 1
            cut[stop] = 1
        i = stop


@numba.njit(cache=True)
def split_codes(codes, classes, folded, abbreviations, compounds, compound_cuts):  # type: ignore[no-untyped-def]
    n = len(codes)
    breaks = 1
    for i in range(n):
        if classes[codes[i]] & ch.LINE_BREAK:
            breaks += 1
    line_first = np.full(breaks, -1, np.int32)
    line_last = np.full(breaks, -1, np.int32)
    line_words = np.zeros(breaks, np.int32)
    line_longest = np.zeros(breaks, np.int32)
    cut = np.zeros(n + 1, np.uint8)
    starts, ends, lines = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32)
    hashes, lower = np.empty(n, np.uint64), np.empty(n, np.uint64)
    flags = np.empty(n, np.uint8)
    count, line, i = 0, 0, 0
    while i < n:
        kind = classes[codes[i]]
        if kind & ch.SPACE:
            if kind & ch.LINE_BREAK:
                if codes[i] == 13 and i + 1 < n and codes[i + 1] == 10:
                    i += 1
                line += 1
            i += 1
            continue
        end, seen, run = i, 0, 0
        while end < n:
            kind = classes[codes[end]]
            if kind & ch.SPACE:
                break
            seen |= kind
            if kind & ch.IDEOGRAPH:
                line_words[line] += 1 if run == 0 else 2
                line_longest[line] = max(line_longest[line], run, 1)
                run = 0
            else:
                run += 1
            end += 1
        if run:
            line_words[line] += 1
            line_longest[line] = max(line_longest[line], run)
        if line_first[line] < 0:
            line_first[line] = i
        line_last[line] = end - 1

        if seen & ch.PUNCT:
            a, b = _cut_ends(codes, classes, folded, abbreviations, i, end, cut)
            if b - a > 2 and not _is_address(codes, classes, a, b):
                _cut_inside(codes, classes, a, b, cut)
        elif end - i == 5 or end - i == 6:
            at = np.searchsorted(compounds, hash_span(codes, i, end))
            if at < len(compounds) and compounds[at] == hash_span(codes, i, end):
                cut[i + compound_cuts[at]] = 1
        if seen & (ch.IDEOGRAPH | ch.ISOLATED):
            for k in range(i, end):
                if classes[codes[k]] & (ch.IDEOGRAPH | ch.ISOLATED):
                    cut[k] = 1
                    after = k + 1
                    while after < end and classes[codes[after]] & ch.MARK:
                        after += 1
                    cut[after] = 1
        while i < end:
            value, value_lower = _OFFSET, _OFFSET
            every, some, first = 0xFFFF, 0, i
            while True:
                code = codes[i]
                kind = classes[code]
                every &= kind
                some |= kind
                value = (value ^ np.uint64(code)) * _PRIME
                value ^= value >> np.uint64(31)
                value_lower = (value_lower ^ np.uint64(folded[code])) * _PRIME
                value_lower ^= value_lower >> np.uint64(31)
                i += 1
                if i >= end or cut[i]:
                    break
            starts[count], ends[count], lines[count] = first, i, line
            hashes[count], lower[count] = _finish(value), _finish(value_lower)
            flag = 0
            if every & ch.PUNCT:
                flag |= PUNCTUATION
            if some & ch.ALPHA:
                flag |= HAS_ALPHA
            if i - first == 1 and every & ch.TERMINAL:
                flag |= SENTENCE_END
            if every & ch.CLOSING:
                flag |= CLOSING
            flags[count] = flag
            count += 1
    breaks = line if n == 0 or classes[codes[n - 1]] & ch.LINE_BREAK else line + 1
    return (
        starts[:count].copy(),
        ends[:count].copy(),
        hashes[:count].copy(),
        lower[:count].copy(),
        flags[:count].copy(),
        lines[:count].copy(),
        line_first[:breaks].copy(),
        line_last[:breaks].copy(),
        line_words[:breaks].copy(),
        line_longest[:breaks].copy(),
    )
