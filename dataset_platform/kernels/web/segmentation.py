"""The compiled loops of the word split; the rule they follow is written down in ``words.py``, its parts in ``affixes.py``."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from dataset_platform.kernels.web import characters as ch
from dataset_platform.kernels.web.affixes import MAX_EXCEPTION, OFFSET, cut_run, finish, mark, mixed, slot_of
from dataset_platform.kernels.web.phrases import apply_phrases

HAS_ALPHA = 1  # at least one letter
SYMBOLS = 2  # no word to Gopher's rules: nothing but punctuation
SENTENCE_END = 4  # a single mark that ends a sentence
CLOSING = 8  # nothing but category P
GAP = 16  # more than one space before it: spaCy has a token for that whitespace

_ENDS_PLAIN = ch.SPACE | ch.ACTIVE | ch.IDEOGRAPH  # what a run of one word has none of
_FULL_STOP = 46


@numba.njit(cache=True)
def _cut_letters(codes, classes, a, b, cut):  # type: ignore[no-untyped-def]
    """Cut around every letter of a script without spaces with the marks that follow it, and around its punctuation."""
    for k in range(a, b):
        code = codes[k]
        kind = classes[code]
        wide = 0x3000 <= code <= 0x303F or 0xFF00 <= code <= 0xFFEF
        if kind & ch.IDEOGRAPH or (wide and kind & ch.WORDLESS):
            cut[k] = 1
            after = k + 1
            while after < b and classes[codes[after]] & ch.MARK:
                after += 1
            cut[after] = 1


@numba.njit(cache=True, inline="always")
def _flags(every, some, symbols, length):  # type: ignore[no-untyped-def]
    flag = np.uint8(0)
    if some & ch.ALPHA:
        flag |= np.uint8(HAS_ALPHA)
    if symbols:
        flag |= np.uint8(SYMBOLS)
    if length == 1 and every & ch.SENTENCE_END:
        flag |= np.uint8(SENTENCE_END)
    if every & ch.CLOSING:
        flag |= np.uint8(CLOSING)
    return flag


@numba.njit(cache=True)
def _emit(codes, classes, folded, a, b, cut, letters, line, out, count, words):  # type: ignore[no-untyped-def]
    """Write the tokens of a run and its words behind those there are; how many there are then."""
    starts, ends, hashes, flags, lines, word_hashes, word_starts = out
    symbol = np.uint32(ch.WORDLESS | ch.SYMBOL) if letters else np.uint32(ch.SYMBOL)
    i = a
    while i < b:
        value, value_lower, first = OFFSET, OFFSET, i
        every, some = np.uint32(0xFFFFFFFF), np.uint32(0)
        symbols = True
        while True:
            code = codes[i]
            kind = classes[code]
            every &= kind
            some |= kind
            symbols &= kind & symbol != 0
            value = mixed(value, code)
            value_lower = mixed(value_lower, folded[code])
            i += 1
            if i >= b or cut[i]:
                break
        starts[count], ends[count], lines[count] = first, i, line
        hashes[count] = finish(value)
        flags[count] = _flags(every, some, symbols, i - first)
        count += 1
        if not every & ch.WORDLESS:
            word_hashes[words], word_starts[words] = finish(value_lower), first
            words += 1
    return count, words


@numba.njit(cache=True)
def _emit_words(codes, classes, folded, a, b, cut, word_hashes, word_starts, words):  # type: ignore[no-untyped-def]
    """Write only the words of a run behind those there are; how many there are then."""
    i = a
    while i < b:
        value, first, every = OFFSET, i, np.uint32(0xFFFFFFFF)
        while True:
            every &= classes[codes[i]]
            value = mixed(value, folded[codes[i]])
            i += 1
            if i >= b or cut[i]:
                break
        if not every & ch.WORDLESS:
            word_hashes[words], word_starts[words] = finish(value), first
            words += 1
    return words


@numba.njit(cache=True)
def split_run(codes, tables, exceptions, a, b, seen, cut, letters, line, gap, out, count, words):  # type: ignore[no-untyped-def]
    """Split the run a..b, whose characters' classes together are ``seen``; tokens and words there are then."""
    classes, folded = tables
    starts, ends, hashes, flags, lines, word_hashes, word_starts = out
    parted = letters and seen & ch.IDEOGRAPH != 0
    ruled = seen & ch.ACTIVE != 0 or (seen & ch.DIGIT != 0 and seen & ~np.uint32(ch.DIGITS_ONLY) != 0)
    if ruled:
        cut_run(codes, classes, exceptions.keys, exceptions.cuts, exceptions.units, a, b, cut)
    if parted:
        _cut_letters(codes, classes, a, b, cut)
    end, last = _emit(codes, classes, folded, a, b, cut, letters, line, out, count, words)
    again = False
    if ruled:
        again = end - count > 2 and apply_phrases(exceptions, starts, ends, hashes, count, end, cut)
    elif b - a <= MAX_EXCEPTION and not parted:
        at = slot_of(exceptions.keys, hashes[count])
        if at >= 0 and exceptions.cuts[at]:
            mark(cut, a, exceptions.cuts[at])
            again = True
    if again:
        end, last = _emit(codes, classes, folded, a, b, cut, letters, line, out, count, words)
    if gap:
        flags[count] |= np.uint8(GAP)
    if seen & ch.IDEOGRAPH and not letters:
        # to MinHash a letter is a word in every language: the two copies of a text may be taken for different ones
        _cut_letters(codes, classes, a, b, cut)
        last = _emit_words(codes, classes, folded, a, b, cut, word_hashes, word_starts, words)
    return end, last


@numba.njit(cache=True)
def space(size):  # type: ignore[no-untyped-def]
    """Room for as many tokens and words: starts, ends, hashes, flags, lines, word_hashes, word_starts."""
    return (
        np.empty(size, np.int32),
        np.empty(size, np.int32),
        np.empty(size, np.uint64),
        np.empty(size, np.uint8),
        np.empty(size, np.int32),
        np.empty(size, np.uint64),
        np.empty(size, np.int32),
    )


@numba.njit(cache=True)
def copied(out, count, words):  # type: ignore[no-untyped-def]
    starts, ends, hashes, flags, lines, word_hashes, word_starts = out
    return (
        starts[:count].copy(),
        ends[:count].copy(),
        hashes[:count].copy(),
        flags[:count].copy(),
        lines[:count].copy(),
        word_hashes[:words].copy(),
        word_starts[:words].copy(),
    )


@numba.njit(cache=True)
def _line_breaks(codes, classes):  # type: ignore[no-untyped-def]
    """Characters that break lines: the text has one line more at most."""
    breaks = 0
    for code in codes:
        breaks += (classes[code] & ch.LINE_BREAK) != 0
    return breaks


@numba.njit(cache=True)
def split_codes(codes, classes, folded, exceptions, letters):  # type: ignore[no-untyped-def]
    """Tokens, words and lines of a text, as the fields of ``words.Words`` after ``codes``.

    Nineteen runs in twenty are a plain word, or one with a single mark behind it that splits off: their tokens are written
    here, hashed while they are read, because a call that takes many arrays costs more (numba counts the references to
    each array, and to each one unpacked from a tuple) than the word itself. ``split_run`` splits every other run.
    """
    n = len(codes)
    breaks = _line_breaks(codes, classes) + 1
    line_starts, line_ends = np.empty(breaks, np.int32), np.empty(breaks, np.int32)
    line_words, line_longest = np.empty(breaks, np.int32), np.empty(breaks, np.int32)
    cut = np.zeros(n + 1, np.uint8)
    starts, ends, lines = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32)
    hashes, flags = np.empty(n, np.uint64), np.empty(n, np.uint8)
    word_hashes, word_starts = np.empty(n, np.uint64), np.empty(n, np.int32)
    keys, cuts = exceptions.keys, exceptions.cuts
    tables = (classes, folded)
    out = (starts, ends, hashes, flags, lines, word_hashes, word_starts)
    symbol = np.uint32(ch.WORDLESS | ch.SYMBOL) if letters else np.uint32(ch.SYMBOL)
    zero: Any = np.int64(0)  # not a literal, which the compiler would make copies of the callees for
    count, words, line, i, previous = zero, zero, zero, zero, zero
    line_start, in_line, longest = zero, zero, zero
    while i < n:
        kind = classes[codes[i]]
        if kind & ch.SPACE:
            if kind & ch.LINE_BREAK:
                if codes[i] == 13 and i + 1 < n and codes[i + 1] == 10:
                    i += 1
                line_starts[line] = line_start if in_line else previous
                line_ends[line] = previous
                line_words[line], line_longest[line] = in_line, longest
                in_line = longest = 0
                line += 1
            i += 1
            continue
        if not in_line:
            line_start = i
        gap = i - previous > 1 or (i > 0 and codes[previous] != 32)
        value, value_lower, end = OFFSET, OFFSET, i
        every, seen = np.uint32(0xFFFFFFFF), np.uint32(0)
        symbols = True
        while not kind & _ENDS_PLAIN:
            code = codes[end]
            every &= kind
            seen |= kind
            symbols &= kind & symbol != 0
            value = mixed(value, code)
            value_lower = mixed(value_lower, folded[code])
            end += 1
            if end == n:
                break
            kind = classes[codes[end]]
        length = end - i
        plain = length > 0 and not (seen & ch.DIGIT and seen & ~np.uint32(ch.DIGITS_ONLY))
        marked = 0
        if plain and end < n and not kind & ch.SPACE:
            # a word and what may be its only mark: no prefix, address or cut inside is possible, one suffix at most
            code = codes[end]
            marked = 1
            plain = end + 1 == n or classes[codes[end + 1]] & ch.SPACE != 0
            if code == _FULL_STOP:
                plain = plain and classes[codes[end - 1]] & ch.BEFORE_STOP != 0
            else:
                plain = plain and kind & ch.SUFFIX and not kind & (ch.CURRENCY | ch.IDEOGRAPH)
            if plain and length < MAX_EXCEPTION:
                plain = slot_of(keys, finish(mixed(value, code))) < 0
        hashed = finish(value)
        if plain and length <= MAX_EXCEPTION:
            at = slot_of(keys, hashed)
            plain = at < 0 or cuts[at] == 0
        if plain:
            starts[count], ends[count], lines[count], hashes[count] = i, end, line, hashed
            flags[count] = _flags(every, seen, symbols, length) | (np.uint8(GAP) if gap else np.uint8(0))
            count += 1
            if not every & ch.WORDLESS:
                word_hashes[words], word_starts[words] = finish(value_lower), i
                words += 1
            if marked:
                code = codes[end]
                starts[count], ends[count], lines[count] = end, end + 1, line
                hashes[count] = finish(mixed(OFFSET, code))
                flags[count] = _flags(kind, kind, kind & symbol != 0, 1)
                count += 1
                if not kind & ch.WORDLESS:
                    word_hashes[words], word_starts[words] = finish(mixed(OFFSET, folded[code])), end
                    words += 1
                end += 1
                length += 1
            in_line += 1
            longest = max(longest, length)
        else:
            while end < n:
                kind = classes[codes[end]]
                if kind & ch.SPACE:
                    break
                seen |= kind
                end += 1
                length += 1
                if letters and kind & ch.IDEOGRAPH:
                    in_line += 1 if length == 1 else 2
                    longest = max(longest, length - 1, 1)
                    length = 0
            if length:
                in_line += 1
                longest = max(longest, length)
            count, words = split_run(
                codes, tables, exceptions, i, end, seen, cut, letters, line, gap, out, count, words
            )
        i = previous = end
    if n and not classes[codes[n - 1]] & ch.LINE_BREAK:
        line_starts[line] = line_start if in_line else previous
        line_ends[line] = previous
        line_words[line], line_longest[line] = in_line, longest
        line += 1
    lines_of = (
        line_starts[:line].copy(),
        line_ends[:line].copy(),
        line_words[:line].copy(),
        line_longest[:line].copy(),
    )
    return (*copied(out, count, words), *lines_of)
