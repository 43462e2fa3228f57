"""Mode ``accurate``: where the model is unsure, trafilatura votes on the blocks of the page.

A block gains log-odds by the share of its words that trafilatura's text holds; then the model's choice is made again.
In WCXB's cross-validation over domains that raises the word F1 from .8982 to .9007, by .001 to .003 in each of the four
folds. The weight (.25 to 2) and the threshold (.7 to .85 of uncalibrated expected F1) were chosen on the same pages, so
that a little of the gain is theirs; all but those .0025 is the model's. Trafilatura's text instead of the model's, by
expected F1 and the ratio of lengths, gains nothing that lasts over the folds.
"""

from __future__ import annotations

from dataclasses import replace

from dataset_platform.kernels.web import extraction
from dataset_platform.kernels.web.extraction import isolation, worker
from dataset_platform.kernels.web.extraction.extracted import Extracted
from dataset_platform.kernels.web.extraction.tidy import tidy

# expected word F1 under which trafilatura is asked: an eighth of WCXB's pages, a quarter of trafilatura's time for all
UNSURE = 0.75


def accurate_text(html: str, seconds: float = worker.PAGE_SECONDS) -> Extracted:
    """Main content by the model; where it expects less than ``UNSURE`` of its text, with trafilatura's vote.

    Args:
        html: the page, decoded. One too large to be read in this process is not voted on.
        seconds: trafilatura's time limit. A page that reaches it keeps the model's text, by path ``learned_timeout``;
            one on which trafilatura dies or fails, by path ``learned_failed``.

    Returns:
        Text, path ``trafilatura`` where it voted, and the F1 that the model expected without the vote.

    Raises:
        EngineError: the worker process cannot be started.
    """
    from dataset_platform.kernels.web.extraction import learned, model  # numba, which mode fast does without

    own = extraction.extract(html, "learned", seconds)
    sure = own.path != "learned" or own.confidence is None or own.confidence >= UNSURE
    if sure or isolation.is_wanted(html, "learned"):
        return own
    try:
        vote, path, _ = worker.shared().ask("trafilatura", html, seconds)
    except worker.PageTimeout:
        return replace(own, path="learned_timeout")
    except worker.PageCrashed:
        return replace(own, path="learned_failed")
    if not vote:
        return own
    text, _ = learned.extracted(html, model.shipped(), vote)
    return Extracted(tidy(text), path, own.confidence)
