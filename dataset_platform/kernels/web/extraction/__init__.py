"""The main content of an HTML page as plain text, in one of three modes."""

from __future__ import annotations

from dataset_platform.kernels.web.extraction import fast, guards, isolation, worker
from dataset_platform.kernels.web.extraction.extracted import Extracted
from dataset_platform.kernels.web.extraction.tidy import tidy

__all__ = ["MODES", "Extracted", "extract", "extract_in_process", "extract_text"]

MODES = ("learned", "fast", "accurate")


def extract(html: str, mode: str = "learned", seconds: float = worker.PAGE_SECONDS) -> Extracted:
    """Main content of a page, one paragraph, heading or list item a line, blank lines between blocks.

    Args:
        html: the page, decoded.
        mode: ``learned`` asks the shipped model about each block of the page; ``fast`` is Resiliparse's rules;
            ``accurate`` is ``learned``, with the vote of trafilatura (in a worker process) where the model is unsure.
        seconds: time limit of what runs in the worker process: trafilatura, and large pages in any mode.

    Raises:
        ValueError: an unknown mode.
        EngineError: the worker process cannot be started.
    """
    if mode == "accurate":
        from dataset_platform.kernels.web.extraction.accurate import accurate_text

        return accurate_text(html, seconds)
    if mode in ("learned", "fast") and isolation.is_wanted(html, mode):
        return isolation.extract_isolated(html, mode, seconds)  # type: ignore[arg-type]
    return extract_in_process(html, mode)


def extract_in_process(html: str, mode: str) -> Extracted:
    """``extract`` by ``learned`` or ``fast`` without the worker process, whatever the page's size.

    Raises:
        ValueError: an unknown mode.
    """
    if mode == "learned":
        from dataset_platform.kernels.web.extraction import learned, model  # numba, which mode fast does without

        text, confidence = learned.extracted(html, model.shipped())
        return Extracted(tidy(text), "learned" if confidence is not None or not text else "unparsed", confidence)
    if mode == "fast":
        if guards.too_costly(html):
            return Extracted(tidy(guards.text_without_tags(html)), "unparsed")
        try:
            return Extracted(tidy(fast.main_text(html)), "fast")
        except fast.ParserError:
            return Extracted(tidy(guards.text_without_tags(html)), "unparsed_failed")
    raise ValueError(f"unknown extraction mode {mode!r}; known: {', '.join(MODES)}")


def extract_text(html: str, mode: str = "learned") -> str:
    """The text of ``extract``: without control characters, trailing blanks and runs of blank lines, or empty."""
    return extract(html, mode).text
