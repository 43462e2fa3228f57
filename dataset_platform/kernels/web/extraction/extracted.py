"""What extraction gives for a page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Extracted:
    """The text of a page and how it came to be."""

    text: str
    path: str
    """The way the page took, one of ``contracts.web.EXTRACTION_PATHS``: the mode that found the text; ``unparsed`` where
    no tree could be built in bounded time; ``_timeout`` and ``_failed`` behind what was left where the worker process
    ran out of time, or of memory, or died."""
    confidence: float | None = None
    """The model's own estimate of the text's word F1, 0 to 1; None where no model was asked."""
