"""Labelled pages as arrays: scanned, measured, and with the share of each block that is main content."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataset_platform.kernels.web.extraction import alignment, learned
from dataset_platform.kernels.web.extraction.vocabulary import Vocabulary
from training.extraction.pages import LabelledPage

__all__ = ["Example", "example", "feature_rows"]


@dataclass(slots=True)
class Example:
    """One labelled page, ready for features under any vocabulary."""

    id: str
    domain: str
    kind: str
    gold: str
    html: str
    read: learned.Read
    share: np.ndarray
    """float32 (blocks): share of the block's words that are main content."""

    @property
    def sizes(self) -> np.ndarray:
        """Words of each block, a character of a script without blanks as half a word."""
        return self.read.counts[:, 2] + self.read.counts[:, 3] / 2

    def weights(self) -> np.ndarray:
        """What a mistake in each block costs of the page's F1, about: its words by the words that count."""
        sizes = self.sizes
        return (sizes + 1) / ((sizes * self.share).sum() + 0.1 * sizes.sum() + 30)


def example(page: LabelledPage) -> Example:
    """Scan, measure and label a page."""
    read = learned.read(page.html)
    known: dict[str, int] = {}
    blocks = [alignment.word_numbers(text, known) for text in learned.block_texts(read.page)]
    share = alignment.shares(blocks, alignment.word_numbers(page.gold, known))
    return Example(page.id, page.domain, page.kind, page.gold, page.html, read, share)


def feature_rows(page: Example, vocabulary: Vocabulary) -> object:
    """The page's features under a vocabulary."""
    return learned.features_of(page.read, vocabulary)
