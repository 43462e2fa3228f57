"""The parts of a text that can be duplicates of their own: lines, paragraphs, three sentences in a row.

A part is compared by its words in lower case, punctuation left out, as shingles are; a part without a word is compared
as it is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numba
import numpy as np
import numpy.typing as npt

from dataset_platform.kernels.web import words as w

Unit = Literal["line", "paragraph", "three_sentences"]

_KINDS = {"line": 0, "paragraph": 1, "three_sentences": 2}
_LENGTHS = {"line": 1, "paragraph": 1, "three_sentences": 3}
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xFF51AFD7ED558CCD)


@dataclass(frozen=True, slots=True)
class Spans:
    """Units of many texts, one text after the other; a span is ``length`` units in a row, named by its first.

    ``bounds`` has shape (texts + 1,): text ``t`` holds the units ``bounds[t]`` to ``bounds[t + 1]`` (exclusive). All else
    has one value per unit. Positions are characters within the unit's own text; ends are exclusive.
    """

    length: int
    bounds: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]
    words: npt.NDArray[np.int32]
    """Words of the unit, punctuation not counted."""
    hashes: npt.NDArray[np.uint64]
    """Of the span that begins here."""
    compared: npt.NDArray[np.bool_]
    """Whether a span begins here: near the end of a text there is none, and short ones are not compared."""


@numba.njit(cache=True, inline="always")
def _finish(value):  # type: ignore[no-untyped-def]
    value ^= value >> np.uint64(33)
    value *= _MIX
    return value ^ (value >> np.uint64(29))


@numba.njit(cache=True)
def _units(starts, ends, hashes, flags, lines, folded, folded_starts, kind):  # type: ignore[no-untyped-def]
    first, last = np.empty(len(starts), np.int32), np.empty(len(starts), np.int32)
    words, found = np.zeros(len(starts), np.int32), np.empty(len(starts), np.uint64)
    count, line, open_end = 0, -2, False
    word = 0
    of_words, of_marks = np.uint64(1), np.uint64(2)
    for i in range(len(starts)):
        begins = i == 0 or lines[i] - line > (1 if kind == 1 else 0)
        # marks that close a sentence stand close to it; a bracket behind a space opens the next
        if kind == 2 and open_end and (not flags[i] & w.CLOSING or starts[i] > ends[i - 1]):
            begins = True
        line = lines[i]
        if begins:
            first[count] = starts[i]
            of_words, of_marks = np.uint64(1), np.uint64(2)
            count += 1
            open_end = False
        if flags[i] & w.SENTENCE_END:
            open_end = True
        of_marks = _finish(of_marks * _MULTIPLIER + hashes[i])
        while word < len(folded) and folded_starts[word] < ends[i]:
            of_words = _finish(of_words * _MULTIPLIER + folded[word])
            words[count - 1] += 1
            word += 1
        last[count - 1] = ends[i]
        found[count - 1] = of_words if words[count - 1] else of_marks
    return first[:count].copy(), last[:count].copy(), words[:count].copy(), found[:count].copy()


@numba.njit(cache=True)
def _spans(bounds, starts, ends, hashes, length, min_characters):  # type: ignore[no-untyped-def]
    compared = np.zeros(len(hashes), np.bool_)
    for t in range(len(bounds) - 1):
        for i in range(bounds[t], bounds[t + 1] - length + 1):
            if ends[i + length - 1] - starts[i] < min_characters:
                continue
            compared[i] = True
            # in place: a span reads only units from its own on
            value = hashes[i]
            for k in range(i + 1, i + length):
                value = _finish(value * _MULTIPLIER + hashes[k])
            hashes[i] = value
    return compared


def spans_of(texts: Iterable[str], unit: Unit, min_characters: int = 0) -> Spans:
    """Split texts into units and hash the spans that begin at each.

    A sentence goes from one mark that ends sentences, and the punctuation right behind it, to the next, and never
    over the end of a line.
    A paragraph is what lies between blank lines; ``web/filtered_documents`` has none left, so there it is the whole
    text.

    Args:
        texts: any texts.
        unit: ``line`` and ``paragraph`` are compared one by one, sentences three in a row.
        min_characters: spans of fewer characters are not compared.
    """
    parts, counts = [], [0]
    for text in texts:
        split = w.split(text, letters=True)  # so that a mark within a run without spaces is a token
        tokens = (split.starts, split.ends, split.hashes, split.flags, split.lines)
        parts.append(_units(*tokens, split.folded, split.folded_starts, _KINDS[unit]))
        counts.append(len(parts[-1][0]))
    columns = list(zip(*parts, strict=True)) or [()] * 4
    types = (np.int32, np.int32, np.int32, np.uint64)
    starts, ends, words, hashes = (np.concatenate([*c, np.empty(0, t)]) for c, t in zip(columns, types, strict=True))
    bounds = np.cumsum(counts)
    length = _LENGTHS[unit]
    compared = _spans(bounds, starts, ends, hashes, length, min_characters)
    return Spans(length, bounds, starts, ends, words, hashes, compared)
