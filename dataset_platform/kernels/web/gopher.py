"""Gopher's quality and repetition measures of one document (arXiv:2112.11446, section A1.1 and table A1).

Measures only: thresholds and the rules that compare the two are in ``filter_rules.py``.
Definitions are those of datatrove's filters, which FineWeb was made with, over the shared word split.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypedDict

import numba
import numpy as np
import numpy.typing as npt

from dataset_platform.kernels.web import words as w

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
TOP_N_GRAMS = (2, 3, 4)
DUPLICATED_N_GRAMS = (5, 6, 7, 8, 9, 10)

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xFF51AFD7ED558CCD)


class QualityMeasures(TypedDict):
    """Columns of the contract that ``quality`` fills."""

    word_count: int
    mean_word_length: float
    hash_word_ratio: float
    ellipsis_word_ratio: float
    bullet_line_ratio: float
    ellipsis_line_ratio: float
    alpha_word_ratio: float
    stop_word_count: int


def duplicates(parts: list[str]) -> tuple[int, int]:
    """How many parts repeat an earlier one, and how many characters those have."""
    unique = set(parts)
    return len(parts) - len(unique), sum(map(len, parts)) - sum(map(len, unique))


def _paragraphs(text: str) -> list[str]:
    """Parts between two or more line feeds; as ``re.split`` would give, at a tenth of its cost."""
    stripped = text.strip()
    return [part.lstrip("\n") for part in stripped.split("\n\n") if part] or [stripped]


def _lines(text: str) -> list[str]:
    """Parts between one or more line feeds; an empty one at either end where the text begins or ends with one."""
    inner = [line for line in text.split("\n") if line]
    return [""] * (text[:1] == "\n") + inner + [""] * (text[-1:] == "\n") or [text]


@lru_cache(maxsize=1)
def _stop_hashes() -> npt.NDArray[np.uint64]:
    return np.sort(np.array([w.hash_word(word) for word in STOP_WORDS], np.uint64))


@numba.njit(cache=True)
def _quality(starts, ends, hashes, flags, stop_hashes):  # type: ignore[no-untyped-def]
    """Words, their characters, tokens with a letter, distinct stop words."""
    word_count, characters, alpha = 0, 0, 0
    found = np.zeros(len(stop_hashes), np.uint8)
    for i in range(len(starts)):
        if not flags[i] & w.PUNCTUATION:
            word_count += 1
            characters += ends[i] - starts[i]
        if flags[i] & w.HAS_ALPHA:
            alpha += 1
            if ends[i] - starts[i] <= 4:
                at = np.searchsorted(stop_hashes, hashes[i])
                if at < len(stop_hashes) and stop_hashes[at] == hashes[i]:
                    found[at] = 1
    return word_count, characters, alpha, found.sum()


@numba.njit(cache=True)
def _line_marks(codes, line_first, line_last):  # type: ignore[no-untyped-def]
    """Lines that begin with a bullet, and lines that end in an ellipsis."""
    bullets, ellipses = 0, 0
    for line in range(len(line_first)):
        first, last = line_first[line], line_last[line]
        if first < 0:
            continue
        if codes[first] == 0x2022 or codes[first] == 45:
            bullets += 1
        stops = last - first >= 2 and codes[last] == 46 and codes[last - 1] == 46 and codes[last - 2] == 46
        if stops or codes[last] == 0x2026:
            ellipses += 1
    return bullets, ellipses


def quality(text: str, words: w.Words) -> QualityMeasures:
    """Measures of Gopher's quality rules; ratios of a text without tokens or lines are 0.

    A word is a token that is not pure punctuation. ``#`` and ellipses are counted in characters of the text and divided
    by all tokens; lines are those of ``str.splitlines``; stop words count once each, in lower case only.
    """
    word_count, characters, alpha, stop_words = _quality(
        words.starts, words.ends, words.hashes, words.flags, _stop_hashes()
    )
    bullets, ellipsis_lines = _line_marks(words.codes, words.line_first, words.line_last)
    tokens, lines = max(words.count, 1), max(len(words.line_first), 1)
    return {
        "word_count": int(word_count),
        "mean_word_length": characters / max(word_count, 1),
        "hash_word_ratio": text.count("#") / tokens,
        "ellipsis_word_ratio": (text.count("...") + text.count("…")) / tokens,
        "bullet_line_ratio": bullets / lines,
        "ellipsis_line_ratio": ellipsis_lines / lines,
        "alpha_word_ratio": alpha / tokens,
        "stop_word_count": int(stop_words),
    }


@numba.njit(cache=True, inline="always")
def _slot(key, mask):  # type: ignore[no-untyped-def]
    key ^= key >> np.uint64(32)
    key *= _MIX
    return np.int64((key >> np.uint64(20)) & mask)


@numba.njit(cache=True)
def _n_grams(hashes, lengths, top, duplicated):  # type: ignore[no-untyped-def]
    """Characters in the most frequent n-gram (n in ``top``) and in repeated n-grams (n in ``duplicated``)."""
    count = len(hashes)
    result = np.zeros(len(top) + len(duplicated), np.int64)
    size = 16
    while size < 2 * count:
        size *= 2
    mask = np.uint64(size - 1)
    keys, seen, first_at = np.empty(size, np.uint64), np.zeros(size, np.int32), np.empty(size, np.int32)
    ends = np.zeros(count + 1, np.int64)
    for i in range(count):
        ends[i + 1] = ends[i] + lengths[i]
    grams = hashes.copy()
    n = 1
    for which in range(len(result)):
        wanted = top[which] if which < len(top) else duplicated[which - len(top)]
        while n < wanted:
            # a hash of n + 1 words from the hash of n and one more: every n costs one step per word
            for i in range(count - n):
                grams[i] = grams[i] * _MULTIPLIER + hashes[i + n]
            n += 1
        seen[:] = 0
        last = count - n
        best, best_at = 0, count
        i = 0
        while i <= last:
            key = grams[i]
            slot = _slot(key, mask)
            while seen[slot] and keys[slot] != key:
                slot = (slot + 1) & np.int64(mask)
            if not seen[slot]:
                keys[slot], first_at[slot] = key, i
            seen[slot] += 1
            if which < len(top):
                # of equally frequent n-grams the one that occurs first counts
                if seen[slot] > best or (seen[slot] == best and first_at[slot] < best_at):
                    best, best_at = seen[slot], first_at[slot]
                i += 1
            elif seen[slot] > 1:
                result[which] += ends[i + n] - ends[i]
                i += n
            else:
                i += 1
        if which < len(top) and best:
            result[which] = best * (ends[best_at + n] - ends[best_at] + n - 1)
    return result


_TOP = np.array(TOP_N_GRAMS, np.int64)
_DUPLICATED = np.array(DUPLICATED_N_GRAMS, np.int64)
N_GRAM_COLUMNS = (*(f"top_{n}_gram" for n in TOP_N_GRAMS), *(f"duplicated_{n}_n_grams" for n in DUPLICATED_N_GRAMS))


def repetition(text: str, words: w.Words) -> dict[str, float]:
    """Measures of Gopher's repetition rules, as shares of the text's characters or parts; 0 for an empty text.

    Paragraphs are parted by two or more line feeds, lines by one or more. The first occurrence of a part is no repeat.
    ``top_N_gram`` is occurrences times length of the most frequent word N-gram (words joined by a space; the first of
    equals). ``duplicated_N_n_grams`` walks the text, counts the words' characters of every N-gram seen before, and goes
    on behind it. Punctuation counts as words here.
    """
    characters = max(len(text), 1)
    paragraphs = _paragraphs(text)
    paragraph_repeats, paragraph_characters = duplicates(paragraphs)
    lines = _lines(text)
    line_repeats, line_characters = duplicates(lines)
    measures = {
        "dup_para_frac": paragraph_repeats / len(paragraphs),
        "dup_para_char_frac": paragraph_characters / characters,
        "dup_line_frac": line_repeats / len(lines),
        "dup_line_char_frac": line_characters / characters,
    }
    in_grams = _n_grams(words.hashes, words.lengths, _TOP, _DUPLICATED)
    measures.update(zip(N_GRAM_COLUMNS, (in_grams / characters).tolist(), strict=True))
    return measures
