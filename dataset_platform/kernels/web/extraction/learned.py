"""Mode ``learned``: blocks of one scan, features, boosted trees, and the choice that maximises the expected F1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dataset_platform.kernels.web.extraction import alignment, features, kinds, measures, scan, stacking, tags
from dataset_platform.kernels.web.extraction.choice import choose, combined, leaning
from dataset_platform.kernels.web.extraction.model import Model
from dataset_platform.kernels.web.extraction.render import render
from dataset_platform.kernels.web.extraction.trees import evaluate
from dataset_platform.kernels.web.extraction.vocabulary import Vocabulary

__all__ = [
    "FIRST",
    "TAG_WORDS",
    "WHOLE_MARK",
    "WIDTH",
    "Read",
    "Rows",
    "block_texts",
    "extracted",
    "features_of",
    "page_vector",
    "read",
    "second_stage",
]

TAG_WORDS = np.array([tags.hash_of(f"<{name}") for name in tags.NAMES], np.uint32)
WHOLE_MARK = np.uint32(0x5BD1E995)
FIRST = stacking.COLUMNS
"""Columns that the first stage sees."""
WIDTH = FIRST + len(stacking.NAMES)
"""Columns that the second stage sees."""
_ARTICLE = kinds.COLUMNS + kinds.KINDS.index("article")
_MOST_CELLS = 20_000_000  # of the alignment with another extractor's text: 20 MB
MOST_BLOCKS = 65_536
"""Pages with more blocks are no documents; all their text is taken. The features of so many blocks fill 120 MB."""
LEAST_EXPECTED = 0.15
"""Pages whose best choice promises less have no main content: menus, forms, errors."""


class Read(NamedTuple):
    """A page scanned and measured."""

    page: scan.Page
    counts: np.ndarray
    words: np.ndarray
    first_word: np.ndarray
    whole: np.ndarray
    title: np.ndarray
    """uint32: hashes of the words of the page's title."""


def read(html: str) -> Read:
    """Scan and measure a page."""
    data = html.encode("utf-8", "ignore")
    page = scan.scan(data)
    begin, end = page.heads[1] if page.heads[1, 1] > page.heads[1, 0] else page.heads[0]
    title = np.frombuffer(data, np.uint8)[begin : min(end, begin + 400)]
    _, title_words, _, _ = measures.measure(title, np.array([0, len(title)]), measures.WORD_TABLE)
    counts, words, first_word, whole = measures.measure(page.text, page.start, measures.WORD_TABLE)
    return Read(page, counts, words, first_word, whole, title_words)


class Rows(NamedTuple):
    """Features of a page's blocks, and what the second stage's are made of."""

    rows: np.ndarray
    """float32 (blocks × first and second stage's features); the second's are filled by ``second_stage``."""
    ancestors: np.ndarray
    groups: np.ndarray
    before: np.ndarray
    """float64 (blocks + 1): words before each block, a character of a script without blanks as half a word."""
    holder: np.ndarray


def features_of(read: Read, vocabulary: Vocabulary) -> Rows:
    """The first stage's features."""
    page = read.page
    return Rows(*features.block_features(
        WIDTH, page.start, page.node, page.measures, page.tag, page.parent, page.depth, page.context, page.first,
        page.last, page.words_from, page.words, page.page_words, read.counts, read.words, read.first_word, read.whole,
        read.title, tags.TABLES[2], TAG_WORDS, *vocabulary,
    ))  # fmt: skip


def page_vector(rows: Rows) -> np.ndarray:
    """The page as one row of features, of which its kind is told."""
    return kinds.page_vector(rows.rows, rows.before, kinds.COLUMNS, features.TEXT_COUNT)


def second_stage(read: Read, rows: Rows, said: np.ndarray) -> None:
    """Fill the second stage's features from the first stage's probabilities."""
    page = read.page
    stacking.add_surroundings(
        rows.rows,
        stacking.COLUMNS,
        said,
        rows.before,
        rows.ancestors,
        rows.groups,
        page.parent,
        page.first,
        page.last,
        rows.holder,
    )


def block_texts(page: scan.Page) -> list[str]:
    """Text of each block."""
    text, start = page.text.tobytes(), page.start.tolist()
    return [text[begin:end].decode() for begin, end in zip(start, start[1:], strict=False)]


def extracted(html: str, model: Model, vote: str = "") -> tuple[str, float | None]:
    """Text of the page's main content, and the F1 to expect of it; None where the page has no text or too many blocks.

    Args:
        html: the page, decoded.
        model: what is asked about its blocks.
        vote: what another extractor took for the main content; blocks that it holds become likelier.
    """
    found = read(html)
    page = found.page
    blocks = len(page.node)
    if blocks == 0 or blocks > MOST_BLOCKS:
        return render(page, np.ones(blocks, bool)), None
    rows = features_of(found, model.vocabulary)
    kinds.add_kinds(rows.rows, kinds.COLUMNS, page_vector(rows), *model.kinds)
    first = evaluate(rows.rows, *model.first)
    second_stage(found, rows, first)
    second = evaluate(rows.rows, *model.second)
    size, article = np.diff(rows.before), float(rows.rows[0, _ARTICLE])
    said = combined(first, second, size, article)
    if vote:
        said = leaning(said, _shares(page, vote))
    chosen, expected = choose(said, size, article)
    if expected < LEAST_EXPECTED:
        chosen[:] = False
    return render(page, chosen), float(np.interp(expected, *model.calibration))


def _shares(page: scan.Page, text: str) -> np.ndarray:
    """Share of each block's words that a text holds, 0 to 1, float32."""
    known: dict[str, int] = {}
    blocks = [alignment.word_numbers(block, known) for block in block_texts(page)]
    return alignment.shares(blocks, alignment.word_numbers(text, known), _MOST_CELLS)
