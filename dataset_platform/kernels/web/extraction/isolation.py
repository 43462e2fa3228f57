"""Large pages are parsed in the worker process, where their time and memory are limited and a crash harms nobody."""

from __future__ import annotations

from typing import Literal

from dataset_platform.kernels.web.extraction import guards, worker
from dataset_platform.kernels.web.extraction.extracted import Extracted
from dataset_platform.kernels.web.extraction.tidy import tidy

# characters and tags. Below them the slowest page that was found takes a second by Resiliparse, whose time may grow
# with the square of the tags; a copy through the pipes costs a tenth of what parsing does.
LARGE_PAGE = 1 << 20
MANY_TAGS = 5_000


def is_wanted(html: str, mode: str) -> bool:
    """Whether a page is for the worker process; the scanner of mode ``learned`` is linear in the page whatever it holds."""
    if len(html) > LARGE_PAGE:
        return True
    return mode == "fast" and (html.count("<") > MANY_TAGS or guards.opens_again(html))


def extract_isolated(html: str, mode: Literal["learned", "fast"], seconds: float) -> Extracted:
    """The page by ``mode`` in the worker process; its bare text where that takes too long or fails.

    Raises:
        EngineError: the worker cannot be started.
    """
    try:
        text, path, confidence = worker.shared().ask(mode, html, seconds)
    except worker.PageTimeout:
        return Extracted(tidy(guards.text_without_tags(html)), "unparsed_timeout")
    except worker.PageCrashed:
        return Extracted(tidy(guards.text_without_tags(html)), "unparsed_failed")
    return Extracted(text, path, confidence)
