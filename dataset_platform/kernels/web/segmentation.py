"""The compiled loops of the word split; the rule they follow is written down in ``words.py``, its parts in ``affixes.py``."""

from __future__ import annotations

import numba
import numpy as np

from dataset_platform.kernels.web import characters as ch
from dataset_platform.kernels.web.affixes import MAX_EXCEPTION, OFFSET, PRIME, cut_run, finish, join_hash, mark, slot_of

HAS_ALPHA = 1  # at least one letter
SYMBOLS = 2  # no word to Gopher's rules: nothing but punctuation
SENTENCE_END = 4  # a single mark that ends a sentence
CLOSING = 8  # nothing but category P
GAP = 16  # more than one space before it: spaCy has a token for that whitespace

MAX_PHRASE = 12  # tokens of the longest phrase


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


@numba.njit(cache=True)
def _phrases(exceptions, hashes, first, total, found):  # type: ignore[no-untyped-def]
    """How many phrases a run's tokens hold: first token, tokens and slot of each are written to ``found`` if it fits."""
    matches = 0
    for i in range(total - 1):
        key = hashes[first + i]
        for n in range(2, min(MAX_PHRASE, total - i) + 1):
            key = join_hash(key, hashes[first + i + n - 1])
            at = slot_of(exceptions.phrase_keys, key)
            if at >= 0:
                if matches < len(found):
                    found[matches, 0], found[matches, 1], found[matches, 2] = i, n, at
                matches += 1
    return matches


@numba.njit(cache=True)
def _apply_phrases(exceptions, starts, ends, hashes, first, count, cut):  # type: ignore[no-untyped-def]
    """Put exceptions in place of the tokens the rules made of them inside a longer run; whether there was one.

    The longest first, of equally long ones the first; a token that any of them covered begins and ends no other.
    """
    total = count - first
    matches = _phrases(exceptions, hashes, first, total, np.empty((0, 3), np.int64))
    if not matches:
        return False
    found = np.empty((matches, 3), np.int64)
    _phrases(exceptions, hashes, first, total, found)
    taken = np.zeros(total, np.uint8)
    for n in range(MAX_PHRASE, 1, -1):
        for k in range(matches):
            i = found[k, 0]
            if found[k, 1] != n:
                continue
            if not taken[i] and not taken[i + n - 1]:
                begin = starts[first + i]
                cut[begin + 1 : ends[first + i + n - 1]] = 0
                mark(cut, begin, exceptions.phrase_cuts[found[k, 2]])
            taken[i : i + n] = 1
    return True


@numba.njit(cache=True)
def _emit(codes, classes, folded, a, b, cut, letters, line, out, count):  # type: ignore[no-untyped-def]
    """Write the tokens of a run behind those there are; how many there are then."""
    starts, ends, hashes, lower, flags, lines = out
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
            value = (value ^ np.uint64(code)) * PRIME
            value ^= value >> np.uint64(31)
            value_lower = (value_lower ^ np.uint64(folded[code])) * PRIME
            value_lower ^= value_lower >> np.uint64(31)
            i += 1
            if i >= b or cut[i]:
                break
        starts[count], ends[count], lines[count] = first, i, line
        hashes[count] = finish(value)
        # 0 where MinHash has no word here
        lower[count] = np.uint64(0) if every & ch.WORDLESS else finish(value_lower)
        flag = 0
        if some & ch.ALPHA:
            flag |= HAS_ALPHA
        if symbols:
            flag |= SYMBOLS
        if i - first == 1 and every & ch.SENTENCE_END:
            flag |= SENTENCE_END
        if every & ch.CLOSING:
            flag |= CLOSING
        flags[count] = flag
        count += 1
    return count


@numba.njit(cache=True)
def split_run(codes, tables, exceptions, a, b, seen, cut, letters, line, gap, out, count, words):  # type: ignore[no-untyped-def]
    """Split the run a..b, whose characters' classes together are ``seen``; tokens and words there are then."""
    classes, folded = tables
    starts, ends, hashes, lower, flags, lines, word_hashes, word_starts = out
    into = (starts, ends, hashes, lower, flags, lines)
    parted = letters and seen & ch.IDEOGRAPH != 0
    ruled = seen & ch.ACTIVE != 0 or (seen & ch.DIGIT != 0 and seen & ~np.uint32(ch.DIGITS_ONLY) != 0)
    if ruled:
        cut_run(codes, classes, exceptions, a, b, cut)
    if parted:
        _cut_letters(codes, classes, a, b, cut)
    end = _emit(codes, classes, folded, a, b, cut, letters, line, into, count)
    if ruled:
        if end - count > 2 and _apply_phrases(exceptions, starts, ends, hashes, count, end, cut):
            end = _emit(codes, classes, folded, a, b, cut, letters, line, into, count)
    elif b - a <= MAX_EXCEPTION and not parted:
        at = slot_of(exceptions.keys, hashes[count])
        if at >= 0 and exceptions.cuts[at]:
            mark(cut, a, exceptions.cuts[at])
            end = _emit(codes, classes, folded, a, b, cut, letters, line, into, count)
    if gap:
        flags[count] |= GAP
    first, last = count, end
    if seen & ch.IDEOGRAPH and not letters:
        # to MinHash a letter is a word in every language: the two copies of a text may be taken for different ones
        _cut_letters(codes, classes, a, b, cut)
        first, last = end, _emit(codes, classes, folded, a, b, cut, letters, line, into, end)
    for k in range(first, last):
        if lower[k]:
            word_hashes[words], word_starts[words] = lower[k], starts[k]
            words += 1
    return end, words


@numba.njit(cache=True)
def space(size, longest):  # type: ignore[no-untyped-def]
    # the letters of one run may be written behind the tokens
    size += longest
    return (
        np.empty(size, np.int32),
        np.empty(size, np.int32),
        np.empty(size, np.uint64),
        np.empty(size, np.uint64),
        np.empty(size, np.uint8),
        np.empty(size, np.int32),
        np.empty(size, np.uint64),
        np.empty(size, np.int32),
    )


@numba.njit(cache=True)
def _measured(codes, classes):  # type: ignore[no-untyped-def]
    """Lines at most, and characters of the longest run."""
    breaks, longest, run = 1, 0, 0
    for i in range(len(codes)):
        kind = classes[codes[i]]
        if kind & ch.SPACE:
            run = 0
            if kind & ch.LINE_BREAK:
                breaks += 1
        else:
            run += 1
            longest = max(longest, run)
    return breaks, longest


@numba.njit(cache=True)
def copied(out, count, words):  # type: ignore[no-untyped-def]
    starts, ends, hashes, _, flags, lines, word_hashes, word_starts = out
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
def split_codes(codes, classes, folded, exceptions, letters):  # type: ignore[no-untyped-def]
    """Tokens, words and lines of a text, as the fields of ``words.Words`` after ``codes``."""
    n = len(codes)
    breaks, longest = _measured(codes, classes)
    line_starts, line_ends = np.zeros(breaks, np.int32), np.zeros(breaks, np.int32)
    line_words, line_longest = np.zeros(breaks, np.int32), np.zeros(breaks, np.int32)
    cut = np.zeros(n + 1, np.uint8)
    out = space(n, longest)
    count, words, line, i, previous = 0, 0, 0, 0, 0
    while i < n:
        kind = classes[codes[i]]
        if kind & ch.SPACE:
            if kind & ch.LINE_BREAK:
                if codes[i] == 13 and i + 1 < n and codes[i + 1] == 10:
                    i += 1
                line += 1
            i += 1
            continue
        end, seen, run = i, np.uint32(0), 0
        while end < n:
            kind = classes[codes[end]]
            if kind & ch.SPACE:
                break
            seen |= kind
            end += 1
            run += 1
            if letters and kind & ch.IDEOGRAPH:
                line_words[line] += 1 if run == 1 else 2
                line_longest[line] = max(line_longest[line], run - 1, 1)
                run = 0
        if run:
            line_words[line] += 1
            line_longest[line] = max(line_longest[line], run)
        if line_ends[line] == 0:
            line_starts[line] = i
        line_ends[line] = end
        gap = i - previous > 1 or (i > 0 and codes[previous] != 32)
        count, words = split_run(
            codes, (classes, folded), exceptions, i, end, seen, cut, letters, line, gap, out, count, words
        )
        i = previous = end
    breaks = line if n == 0 or classes[codes[n - 1]] & ch.LINE_BREAK else line + 1
    for k in range(breaks):
        if line_ends[k] == 0:  # a blank line lies where the one before it ends
            line_starts[k] = line_ends[k] = line_ends[k - 1] if k else 0
    lines = (line_starts[:breaks].copy(), line_ends[:breaks].copy(), line_words[:breaks].copy())
    return (*copied(out, count, words), *lines, line_longest[:breaks].copy())
