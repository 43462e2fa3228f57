"""Gopher's quality and repetition measures of one document (arXiv:2112.11446, section A1.1 and table A1).

Measures only: thresholds and the rules that compare the two are in ``filter_rules.py``.
Definitions are those of datatrove's filters, which FineWeb was made with, over the shared word split.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from dataset_platform.kernels.web import characters as ch
from dataset_platform.kernels.web import words as w

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
TOP_N_GRAMS = (2, 3, 4)
DUPLICATED_N_GRAMS = (5, 6, 7, 8, 9, 10)
QUALITY = (
    "word_count",
    "mean_word_length",
    "hash_word_ratio",
    "ellipsis_word_ratio",
    "bullet_line_ratio",
    "ellipsis_line_ratio",
    "alpha_word_ratio",
    "stop_word_count",
)
REPETITION = (
    *("dup_para_frac", "dup_para_char_frac", "dup_line_frac", "dup_line_char_frac"),
    *(f"top_{n}_gram" for n in TOP_N_GRAMS),
    *(f"duplicated_{n}_n_grams" for n in DUPLICATED_N_GRAMS),
)

_POWER = np.uint64(0x9E3779B97F4A7C15)  # of the polynomial hash of a run of characters
_SEPARATE = np.uint64(0xD6E8FEB86659FD93)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_TOP = np.array(TOP_N_GRAMS, np.int64)
_DUPLICATED = np.array(DUPLICATED_N_GRAMS, np.int64)
_NEW_LINE, _HASH, _STOP, _ELLIPSIS, _BULLET, _HYPHEN = 10, 35, 46, 0x2026, 0x2022, 45


def stop_word_hashes(stop_words: tuple[str, ...]) -> npt.NDArray[np.uint64]:
    """What ``quality`` takes, of shape (words, tokens): each word as the split cuts it ("im" is "i" and "m"), then zeros."""
    rows = [w.split(word).hashes for word in stop_words]
    table = np.zeros((len(rows), max(map(len, rows), default=1)), np.uint64)
    for row, hashes in zip(table, rows, strict=True):
        row[: len(hashes)] = hashes
    return np.unique(table, axis=0)


@numba.njit(cache=True)
def _stands_at(i, starts, ends, hashes, stop_word):  # type: ignore[no-untyped-def]
    for k in range(len(stop_word)):
        if not stop_word[k]:
            break
        if i + k >= len(hashes) or hashes[i + k] != stop_word[k] or (k and starts[i + k] != ends[i + k - 1]):
            return False
    return True


@numba.njit(cache=True)
def _words(starts, ends, hashes, flags, stop_words):  # type: ignore[no-untyped-def]
    """Words, their characters, tokens with a letter, distinct stop words."""
    word_count, characters, alpha = 0, 0, 0
    found = np.zeros(len(stop_words), np.uint8)
    begins = np.zeros(1024, np.uint8)
    for k in range(len(stop_words)):
        begins[stop_words[k, 0] & np.uint64(1023)] = 1
    for i in range(len(starts)):
        if not flags[i] & w.SYMBOLS:
            word_count += 1
            characters += ends[i] - starts[i]
        alpha += flags[i] & w.HAS_ALPHA
        if begins[hashes[i] & np.uint64(1023)]:
            for k in range(len(stop_words)):
                if stop_words[k, 0] == hashes[i] and not found[k]:
                    found[k] = _stands_at(i, starts, ends, hashes, stop_words[k])
    return word_count, characters, alpha, found.sum()


@numba.njit(cache=True)
def _signs(codes):  # type: ignore[no-untyped-def]
    """``#`` and ellipses of a text, as str.count finds them."""
    hashes, ellipses, dots = 0, 0, 0
    for i in range(len(codes)):
        code = codes[i]
        dots = dots + 1 if code == _STOP else 0
        if dots == 3:
            ellipses += 1
            dots = 0
        hashes += code == _HASH
        ellipses += code == _ELLIPSIS
    return hashes, ellipses


@numba.njit(cache=True)
def _quality(codes, starts, ends, hashes, flags, line_starts, line_ends, stop_words, into):  # type: ignore[no-untyped-def]
    word_count, characters, alpha, found = _words(starts, ends, hashes, flags, stop_words)
    signs, ellipses = _signs(codes)
    bullets, trailing = 0, 0
    for line in range(len(line_starts)):
        first, last = line_starts[line], line_ends[line] - 1
        if last < first:
            continue
        bullets += codes[first] == _BULLET or codes[first] == _HYPHEN
        dots = last - first >= 2 and codes[last] == _STOP and codes[last - 1] == _STOP and codes[last - 2] == _STOP
        trailing += dots or codes[last] == _ELLIPSIS
    tokens, lines = max(len(starts), 1), max(len(line_starts), 1)
    into[0] = word_count
    into[1] = characters / max(word_count, 1)
    into[2] = signs / tokens
    into[3] = ellipses / tokens
    into[4] = bullets / lines
    into[5] = trailing / lines
    into[6] = alpha / tokens
    into[7] = found


@numba.njit(cache=True, inline="always")
def _slot(key, mask):  # type: ignore[no-untyped-def]
    key ^= key >> np.uint64(32)
    key *= _MIX
    return np.int64((key >> np.uint64(20)) & mask)


@numba.njit(cache=True)
def _table_size(count):  # type: ignore[no-untyped-def]
    size = 16
    while size < 2 * count:
        size *= 2
    return size


@numba.njit(cache=True)
def repeated_parts(codes, bounds):  # type: ignore[no-untyped-def]
    """How many parts repeat an earlier one, and how many characters those have.

    Args:
        bounds: first and end character of each part, of shape (n, 2).
    """
    count = len(bounds)
    size = _table_size(count)
    mask = np.uint64(size - 1)
    keys, taken = np.empty(size, np.uint64), np.zeros(size, np.uint8)
    repeats, characters = 0, 0
    for k in range(count):
        key = np.uint64(bounds[k, 1] - bounds[k, 0])
        for i in range(bounds[k, 0], bounds[k, 1]):
            key = (key ^ np.uint64(codes[i])) * _POWER
            key ^= key >> np.uint64(32)
        slot = _slot(key, mask)
        while taken[slot] and keys[slot] != key:
            slot = (slot + 1) & np.int64(mask)
        if taken[slot]:
            repeats += 1
            characters += bounds[k, 1] - bounds[k, 0]
        taken[slot], keys[slot] = 1, key
    return repeats, characters


@numba.njit(cache=True)
def _parts(codes, first, end, least):  # type: ignore[no-untyped-def]
    """Bounds of what lies between ``least`` or more line feeds."""
    count = 1
    for i in range(first, end):
        count += codes[i] == _NEW_LINE
    bounds = np.empty((count, 2), np.int64)
    parts, start, i = 0, first, first
    while i < end:
        stop = i
        while stop < end and codes[stop] == _NEW_LINE:
            stop += 1
        if stop - i >= least:
            bounds[parts, 0], bounds[parts, 1] = start, i
            parts += 1
            start = stop
        i = max(stop, i + 1)
    bounds[parts, 0], bounds[parts, 1] = start, end
    return bounds[: parts + 1]


@numba.njit(cache=True)
def stripped(codes, classes):  # type: ignore[no-untyped-def]
    """Bounds of the text as str.strip leaves it."""
    first, end = 0, len(codes)
    while first < end and classes[codes[first]] & ch.SPACE:
        first += 1
    while end > first and classes[codes[end - 1]] & ch.SPACE:
        end -= 1
    return first, end


@numba.njit(cache=True)
def _polynomials(codes, starts, ends):  # type: ignore[no-untyped-def]
    """Hash of all characters of the first k tokens, their number, and the powers that take one from another."""
    count = len(starts)
    upto, characters = np.zeros(count + 1, np.uint64), np.zeros(count + 1, np.int64)
    value, total = np.uint64(0), 0
    for i in range(count):
        for k in range(starts[i], ends[i]):
            value = value * _POWER + np.uint64(codes[k]) + np.uint64(1)
        total += ends[i] - starts[i]
        upto[i + 1], characters[i + 1] = value, total
    powers = np.ones(total + 1, np.uint64)
    for k in range(total):
        powers[k + 1] = powers[k] * _POWER
    return upto, characters, powers


@numba.njit(cache=True)
def _top(hashes, characters, keys, seen, first_at, grams, n):  # type: ignore[no-untyped-def]
    """Characters in the most frequent n-gram, words joined by a space; of equally frequent ones the first counts."""
    count = len(hashes)
    mask = np.uint64(len(keys) - 1)
    seen[:] = 0
    best, best_at = 0, count
    for i in range(count - n + 1):
        grams[i] = grams[i] * _SEPARATE + hashes[i + n - 1]
        key = grams[i]
        slot = _slot(key, mask)
        while seen[slot] and keys[slot] != key:
            slot = (slot + 1) & np.int64(mask)
        if not seen[slot]:
            keys[slot], first_at[slot] = key, i
        seen[slot] += 1
        if seen[slot] > best or (seen[slot] == best and first_at[slot] < best_at):
            best, best_at = seen[slot], first_at[slot]
    if not best:
        return 0
    return best * (characters[best_at + n] - characters[best_at] + n - 1)


@numba.njit(cache=True)
def _duplicated(upto, characters, powers, keys, seen, n):  # type: ignore[no-untyped-def]
    """Characters of the n-grams that the walk met before; n-grams are compared as one string without spaces."""
    count = len(upto) - 1
    mask = np.uint64(len(keys) - 1)
    seen[:] = 0
    repeated, i = 0, 0
    while i <= count - n:
        length = characters[i + n] - characters[i]
        key = (upto[i + n] - upto[i] * powers[length]) ^ np.uint64(length) << np.uint64(40)
        slot = _slot(key, mask)
        while seen[slot] and keys[slot] != key:
            slot = (slot + 1) & np.int64(mask)
        if seen[slot]:
            repeated += length
            i += n
        else:
            keys[slot], seen[slot] = key, 1
            i += 1
    return repeated


@numba.njit(cache=True)
def _repetition(codes, classes, starts, ends, hashes, top, duplicated, into):  # type: ignore[no-untyped-def]
    total = max(len(codes), 1)
    first, end = stripped(codes, classes)
    parts = _parts(codes, first, end, 2)
    repeats, characters_in = repeated_parts(codes, parts)
    into[0], into[1] = repeats / len(parts), characters_in / total
    parts = _parts(codes, 0, len(codes), 1)
    repeats, characters_in = repeated_parts(codes, parts)
    into[2], into[3] = repeats / len(parts), characters_in / total
    upto, characters, powers = _polynomials(codes, starts, ends)
    size = _table_size(len(starts))
    keys, seen, first_at = np.empty(size, np.uint64), np.zeros(size, np.int32), np.empty(size, np.int32)
    at, grams = 4, hashes.copy()
    for n in top:  # 2, 3, 4: each takes its n-grams from those of the one before
        into[at] = _top(hashes, characters, keys, seen, first_at, grams, n) / total
        at += 1
    for n in duplicated:
        into[at] = _duplicated(upto, characters, powers, keys, seen, n) / total
        at += 1


@numba.njit(cache=True)
def _contained(codes, patterns, bounds):  # type: ignore[no-untyped-def]
    found = 0
    for p in range(len(bounds) - 1):
        first, size = bounds[p], bounds[p + 1] - bounds[p]
        for i in range(len(codes) - size + 1):
            k = 0
            while k < size and codes[i + k] == patterns[first + k]:
                k += 1
            if k == size:
                found += 1
                break
    return found


def contained(words: w.Words, phrases: tuple[str, ...]) -> int:
    """How many of the phrases the text holds anywhere: stop words of languages written without spaces."""
    bounds = np.concatenate(([0], np.cumsum([len(phrase) for phrase in phrases]))).astype(np.int64)
    return int(_contained(words.codes, w.code_points("".join(phrases)), bounds))


def quality(words: w.Words, stop_words: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """The measures ``QUALITY`` of Gopher's quality rules, in that order; ratios of a text without tokens are 0.

    A word is a token that is not pure punctuation. ``#`` and ellipses are counted in characters of the text and divided
    by all tokens; lines are those of ``str.splitlines``; a stop word counts once, and only as it is written.

    Args:
        stop_words: of ``stop_word_hashes``.
    """
    into = np.empty(len(QUALITY))
    _quality(
        words.codes,
        words.starts,
        words.ends,
        words.hashes,
        words.flags,
        words.line_starts,
        words.line_ends,
        stop_words,
        into,
    )
    return into


def repetition(words: w.Words) -> npt.NDArray[np.float64]:
    """The measures ``REPETITION``, as shares of the text's characters or parts; 0 for an empty text.

    Paragraphs are parted by two or more line feeds, lines by one or more. The first occurrence of a part is no repeat.
    ``top_N_gram`` is occurrences times length of the most frequent word N-gram (words joined by a space; the first of
    equals). ``duplicated_N_n_grams`` walks the text, counts the words' characters of every N-gram seen before, and goes
    on behind it. Punctuation counts as words here.
    """
    into = np.empty(len(REPETITION))
    classes = w.character_tables().classes
    _repetition(words.codes, classes, words.starts, words.ends, words.hashes, _TOP, _DUPLICATED, into)
    return into
