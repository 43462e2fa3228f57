"""The main content of an HTML page as plain text, in one of three modes."""

from __future__ import annotations

from dataclasses import dataclass

from dataset_platform.kernels.web.extraction import fast, guards
from dataset_platform.kernels.web.extraction.tidy import tidy

__all__ = ["MODES", "Extracted", "extract", "extract_text"]

MODES = ("fast",)


@dataclass(frozen=True, slots=True)
class Extracted:
    """The text of a page and how it came to be."""

    text: str
    path: str
    """The way the page took: ``fast`` or ``unparsed`` (no tree could be built of it in bounded time)."""
    confidence: float | None = None
    """The model's own estimate of the text's word F1, 0 to 1; None where no model was asked."""


def extract(html: str, mode: str = "fast") -> Extracted:
    """Main content of a page, one paragraph, heading or list item a line, blank lines between blocks.

    Args:
        html: the page, decoded.
        mode: ``fast`` is Resiliparse's rules.

    Raises:
        ValueError: an unknown mode.
    """
    if mode not in MODES:
        raise ValueError(f"unknown extraction mode {mode!r}; known: {', '.join(MODES)}")
    if guards.too_costly(html):
        return Extracted(tidy(guards.text_without_tags(html)), "unparsed")
    return Extracted(tidy(fast.main_text(html)), "fast")


def extract_text(html: str, mode: str = "fast") -> str:
    """The text of ``extract``: without control characters, trailing blanks and runs of blank lines, or empty."""
    return extract(html, mode).text
