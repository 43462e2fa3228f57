"""Lines, paragraphs or runs of three sentences that stand more than once in a corpus are removed but for the first.

C4 discarded all but one of any three-sentence span that occurred more than once (Raffel et al. 2020, arXiv:1910.10683,
section 2.2). Off by default in this lane, because of what FineWeb found (Penedo et al. 2024, arXiv:2406.17557, appendix
E.3): on top of MinHash, removing repeated lines, repeated lines of some length, or repeated runs of three lines all gave
worse models than MinHash alone. Such removal also leaves holes: what is around a removed line was written to be read
with it.

Documents are judged one after the other in the order of who stays (earliest day first), so that what is removed stands
in a document before. A document that is left with too few words is labelled; as it does not stay, its spans do not
count as seen, so that whatever was removed elsewhere still stands in a document that stays. The verdict on a document
hangs on those before it, so this runs in one process, with a hash table of 18 to 36 bytes per span of all days.

Exact substring duplicates (Lee et al. 2022, arXiv:2107.06499: 50 tokens in common, found by a suffix array) would be a
second finder of what goes: a module beside this one that marks ranges of characters, cut out by ``without`` below and
labelled by the same rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from dataset_platform.kernels.web.spans import Spans, Unit, spans_of

Hashes = npt.NDArray[np.uint64]
Ranks = npt.NDArray[np.int64]

REASON = "repeated_text"
EDITED = pa.schema(
    [
        ("text", pa.string()),
        ("units_removed", pa.int32()),
        ("characters_removed", pa.int32()),
        ("words_left", pa.int32()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
_NOUNS = {"line": "lines", "paragraph": "paragraphs", "three_sentences": "sentences"}
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


class SpanConfig(BaseModel):
    """What counts as a repeated part of a text, and how much of a text must be left."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: Unit = Field(default="three_sentences", description="what is compared; three sentences in a row are C4's")
    min_characters: int = Field(
        default=30, ge=0, description="shorter spans stay; FineWeb calls a line of fewer than 30 characters short"
    )
    min_words: int = Field(
        default=50,
        ge=1,
        description="a document that lost something and has fewer words left is rejected; Gopher's least length",
    )


@dataclass(frozen=True, slots=True)
class Edited:
    """Texts after their repeated spans are gone.

    Attributes:
        rows: one row of ``EDITED`` per text, in the order of the texts: the text that is left, the units and characters
            it lost, the words left, and a reason where those are too few.
        fresh: hashes of the spans first seen in these texts, sorted: what later days count as seen.
    """

    rows: pa.Table
    fresh: Hashes


@numba.njit(cache=True)
def _slot(table, used, shift, value):  # type: ignore[no-untyped-def]
    at = np.int64((value * _SPREAD) >> shift)
    while used[at] and table[at] != value:
        at = (at + 1) & (len(table) - 1)
    return at


@numba.njit(cache=True)
def _repeats(hashes, compared, bounds, words, length, order, seen, min_words):  # type: ignore[no-untyped-def]
    """Units that go, words left per text (-1: too few to stay), and the hashes first seen in texts that stay."""
    slots, shift = 2, np.uint64(63)
    while slots < 2 * (len(seen) + compared.sum()):
        slots *= 2
        shift -= np.uint64(1)
    table, used = np.empty(slots, np.uint64), np.zeros(slots, np.bool_)
    for value in seen:
        at = _slot(table, used, shift, value)
        table[at], used[at] = value, True
    gone, left = np.zeros(len(hashes), np.bool_), np.zeros(len(order), np.int32)
    stays = np.ones(len(order), np.bool_)
    fresh = np.empty(compared.sum(), np.int64)
    count = 0
    for text in order:
        before = count
        for i in range(bounds[text], bounds[text + 1]):
            if not compared[i]:
                continue
            at = _slot(table, used, shift, hashes[i])
            if used[at]:
                gone[i : i + length] = True
            else:
                table[at], used[at] = hashes[i], True
                fresh[count] = at
                count += 1
        lost = False
        for i in range(bounds[text], bounds[text + 1]):
            lost |= gone[i]
            left[text] += 0 if gone[i] else words[i]
        if lost and left[text] < min_words:
            stays[text] = False
            # taken out in the reverse of the order they came in, which leaves the table as it was
            while count > before:
                count -= 1
                used[fresh[count]] = False
    return gone, left, stays, table[fresh[:count]]


def without(text: str, starts: npt.NDArray[np.int32], ends: npt.NDArray[np.int32], gone: npt.NDArray[np.bool_]) -> str:
    """The text without some of its units.

    Units that stay keep what stood between them; around a hole it is whichever of the gaps has most line feeds, so that
    what stood on two lines does not come to stand on one.

    Args:
        text: the text.
        starts: first character of each unit, ascending.
        ends: of each unit, exclusive.
        gone: which units are left out.
    """
    parts: list[str] = []
    gap = ""
    for i, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        between = text[ends[i - 1] : start] if i else ""
        gap = max(gap, between, key=lambda g: (g.count("\n"), len(g)))
        if not gone[i]:
            parts += [gap if parts else "", text[start:end]]
            gap = ""
    return "".join(parts)


def remove_repeats(texts: Sequence[str], rank: Ranks, seen: Hashes, config: SpanConfig) -> Edited:
    """Take out of each text the spans that a text before it holds, that stand earlier in itself, or that were seen.

    Args:
        texts: texts of a day (or of several).
        rank: place of each in the order of who stays, distinct; the order of the rows has no part in the outcome.
        seen: hashes of the spans of earlier days: ``fresh`` of each, in any order.
        config: what is compared and how much must be left.

    Raises:
        ValueError: there are not as many ranks as texts, or two are equal.
    """
    if len(rank) != len(texts) or len(np.unique(rank)) != len(texts):
        raise ValueError(f"{len(texts)} texts need as many distinct ranks")
    spans = spans_of(texts, config.unit, config.min_characters)
    gone, left, stays, fresh = _repeats(
        spans.hashes,
        spans.compared,
        spans.bounds,
        spans.words,
        spans.length,
        np.argsort(rank),
        np.ascontiguousarray(seen, np.uint64),
        config.min_words,
    )
    return Edited(_rows(texts, spans, gone, left, stays, _NOUNS[config.unit]), np.sort(fresh))


def _rows(
    texts: Sequence[str],
    spans: Spans,
    gone: npt.NDArray[np.bool_],
    left: npt.NDArray[np.int32],
    stays: npt.NDArray[np.bool_],
    noun: str,
) -> pa.Table:
    sums = np.concatenate([[0], np.cumsum(gone)])
    removed = sums[spans.bounds[1:]] - sums[spans.bounds[:-1]]
    edited = list(texts)
    details: list[str | None] = [None] * len(edited)
    for t in np.flatnonzero(removed).tolist():
        part = slice(spans.bounds[t], spans.bounds[t + 1])
        edited[t] = without(texts[t], spans.starts[part], spans.ends[part], gone[part])
        if not stays[t]:
            details[t] = f"{left[t]} words left without the {removed[t]} {noun} that stand elsewhere"
    characters = [len(before) - len(after) for before, after in zip(texts, edited, strict=True)]
    reasons = [None if stay else REASON for stay in stays.tolist()]
    columns = (edited, removed, characters, left, reasons, details)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, EDITED, strict=True)], schema=EDITED)
