"""Words whose presence says something: in class and id, in text, and of a page as a whole; read from the shipped model."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["CLASS_BITS", "PAGE_BITS", "Vocabulary", "build", "table_of"]

CLASS_BITS = 126
PAGE_BITS = 30


class Vocabulary(NamedTuple):
    """Open-addressed tables (sizes are powers of two, key 0 is an empty place)."""

    class_keys: np.ndarray
    class_scores: np.ndarray
    """float32: log odds that a block inside such an element is content, against a block in general."""
    class_bits: np.ndarray
    """int16: which of the CLASS_BITS features says that the word is among the ancestors', or -1."""
    text_keys: np.ndarray
    text_scores: np.ndarray
    """float32: log odds that a block with that word, or a short block of those words, is content."""
    page_keys: np.ndarray
    page_bits: np.ndarray
    """int16: which of the PAGE_BITS features says that the page has that type or generator."""


def table_of(keys: np.ndarray, *columns: np.ndarray) -> tuple[np.ndarray, ...]:
    """Keys (uint32, not 0) and their columns as an open-addressed table at most half full."""
    size = 1 << max(3, int(2 * len(keys) + 1).bit_length())
    table = np.zeros(size, np.uint32)
    placed = [np.zeros(size, column.dtype) for column in columns]
    for row, key in enumerate(keys.tolist()):
        place = key & (size - 1)
        while table[place]:
            place = (place + 1) & (size - 1)
        table[place] = key
        for out, column in zip(placed, columns, strict=True):
            out[place] = column[row]
    return (table, *placed)


def build(
    classes: tuple[np.ndarray, np.ndarray, np.ndarray],
    texts: tuple[np.ndarray, np.ndarray],
    page: tuple[np.ndarray, np.ndarray],
) -> Vocabulary:
    """From keys with their scores and bits."""
    return Vocabulary(*table_of(*classes), *table_of(*texts), *table_of(*page))
