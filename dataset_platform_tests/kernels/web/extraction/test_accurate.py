"""Mode accurate: whom it asks, which text it keeps, and what it says where trafilatura fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dataset_platform.kernels.web import extraction
from dataset_platform.kernels.web.extraction import accurate, worker
from dataset_platform.kernels.web.extraction.extracted import Extracted

SENTENCE = "The mill by the river has not turned since the great thaw of that winter. "
ARTICLE = f"<html><body><article><h1>The mill</h1><p>{SENTENCE * 5}</p><p>{SENTENCE * 6}</p></article></body></html>"
SLOW = "<p>x</p>" * 200_000


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
    large = ARTICLE + " " * accurate.LARGEST_PAGE
    model[large] = Extracted("own", "learned", 0.1)
    assert accurate.accurate_text(large) == model[large]
    assert asked == []
    model[ARTICLE] = Extracted("own", "learned", accurate.UNSURE - 0.01)
    accurate.accurate_text(ARTICLE)
    assert asked == [ARTICLE]


def test_the_text_that_is_kept_names_its_path_and_keeps_the_confidence(model):
    model[ARTICLE] = Extracted("The mill", "learned", 0.1)
    found = accurate.accurate_text(ARTICLE, 60.0)
    assert (found.path, found.confidence) == ("trafilatura", 0.1)
    assert found.text.count(SENTENCE.strip()) == 11
    for text, kept in ((SENTENCE * 11, "learned"), (SENTENCE * 9, "learned"), (SENTENCE * 7, "trafilatura")):
        model[ARTICLE] = Extracted(text, "learned", 0.1)
        assert accurate.accurate_text(ARTICLE, 60.0).path == kept


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
