"""Mode accurate: whom it asks, what the vote changes, and what it says where trafilatura fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dataset_platform.kernels.web import extraction
from dataset_platform.kernels.web.extraction import accurate, isolation, learned, worker
from dataset_platform.kernels.web.extraction import model as models
from dataset_platform.kernels.web.extraction.extracted import Extracted
from dataset_platform.kernels.web.extraction.tidy import tidy

SENTENCE = "The mill by the river has not turned since the great thaw of that winter. "
ARTICLE = f"<html><body><article><h1>The mill</h1><p>{SENTENCE * 5}</p><p>{SENTENCE * 6}</p></article></body></html>"
SLOW = "<p>x</p>" * 120_000


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Extracted]]:
    """What the model is made to say of a page, so that each case of the rule is met."""
    said: dict[str, Extracted] = {}
    monkeypatch.setattr(extraction, "extract", lambda html, mode, seconds: said[html])
    yield said
    worker.shared().stop()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pages that go to the worker."""
    pages: list[str] = []
    ask = worker.Worker.ask

    def listed(self: worker.Worker, task: worker.Task, html: str, seconds: float) -> tuple[str, str, float | None]:
        pages.append(html)
        return ask(self, task, html, seconds)

    monkeypatch.setattr(worker.Worker, "ask", listed)
    return pages


def test_trafilatura_is_asked_only_where_the_model_is_unsure(model, asked):
    own = [
        Extracted("own", "learned", accurate.UNSURE),
        Extracted("own", "learned", 1.0),
        Extracted("own", "unparsed"),
        Extracted("own", "unparsed_timeout"),
    ]
    for model[ARTICLE] in own:
        assert accurate.accurate_text(ARTICLE) == model[ARTICLE]
    large = ARTICLE + " " * isolation.LARGE_PAGE
    model[large] = Extracted("own", "learned", 0.1)
    assert accurate.accurate_text(large) == model[large]
    assert asked == []
    model[ARTICLE] = Extracted("own", "learned", accurate.UNSURE - 0.01)
    accurate.accurate_text(ARTICLE)
    assert asked == [ARTICLE]


def test_the_vote_goes_to_the_model_and_the_page_names_its_path_and_keeps_the_confidence(model):
    model[ARTICLE] = Extracted("The mill", "learned", 0.1)
    vote = worker.shared().ask("trafilatura", ARTICLE, 60.0)[0]
    assert vote.count(SENTENCE.strip()) == 11
    text = tidy(learned.extracted(ARTICLE, models.shipped(), vote)[0])
    assert accurate.accurate_text(ARTICLE, 60.0) == Extracted(text, "trafilatura", 0.1)
    assert text.count(SENTENCE.strip()) == 11


def test_without_a_vote_the_models_text_stays(model):
    page = "<html><body></body></html>"
    model[page] = Extracted("own", "learned", 0.1)
    assert accurate.accurate_text(page, 60.0) == model[page]


def test_a_vote_makes_its_blocks_likelier(monkeypatch):
    """With a weight that settles everything, the text is what was voted for."""
    page = f"<body><h1>Mill</h1><p>{SENTENCE}</p><p>Another one, by the lake, burnt down long before.</p></body>"
    monkeypatch.setattr(learned, "leaning", lambda said, share: 0.01 + 0.98 * share.astype(float))
    for vote in (SENTENCE.strip(), "Another one, by the lake, burnt down long before."):
        assert learned.extracted(page, models.shipped(), vote)[0] == vote


def test_a_page_on_which_trafilatura_hangs_keeps_the_models_text(model):
    model[SLOW] = Extracted("own", "learned", 0.1)
    model[ARTICLE] = Extracted("The mill", "learned", 0.1)
    assert accurate.accurate_text(SLOW, 0.1) == Extracted("own", "learned_timeout", 0.1)
    assert accurate.accurate_text(ARTICLE, 60.0).path == "trafilatura"


def test_a_page_on_which_trafilatura_dies_keeps_the_models_text(model, monkeypatch):
    model[ARTICLE] = Extracted("own", "learned", 0.1)

    def dies(self: worker.Worker, task: worker.Task, html: str, seconds: float) -> None:
        raise worker.PageCrashed("the worker was ended by signal 11")

    monkeypatch.setattr(worker.Worker, "ask", dies)
    assert accurate.accurate_text(ARTICLE) == Extracted("own", "learned_failed", 0.1)
