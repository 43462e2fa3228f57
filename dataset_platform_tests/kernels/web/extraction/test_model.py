"""The shipped model: file, card, and what it makes of real pages."""

import json
from pathlib import Path

import numpy as np
import pytest

from dataset_platform.errors import ConfigError
from dataset_platform.kernels.web.extraction import extract, features, kinds, learned, model, stacking

CARD = json.loads(model.MODEL_FILE.with_name("model_card.json").read_text(encoding="utf-8"))


def test_saved_and_loaded_a_model_is_the_same(tmp_path):
    shipped = model.shipped()
    model.save(shipped, tmp_path / "a.npz")
    again = model.load(tmp_path / "a.npz")
    for part, other in zip(shipped, again, strict=True):
        for ours, theirs in zip(part, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert model.MODEL_FILE.stat().st_size <= 2 << 20


def test_another_format_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(model, "FORMAT", 99)
    model.save(model.shipped(), tmp_path / "a.npz")
    monkeypatch.undo()
    with pytest.raises(ConfigError, match="python -m training.extraction"):
        model.load(tmp_path / "a.npz")


def test_trees_ask_only_for_columns_that_there_are():
    shipped = model.shipped()
    widths = (len(features.NAMES) + 2 * features.TEXT_COUNT, learned.FIRST, learned.WIDTH)
    for trees, width in zip((shipped.kinds, shipped.first, shipped.second), widths, strict=True):
        assert trees.feature.min() >= 0 and trees.feature.max() < width
        for tree, (begin, end) in enumerate(zip(trees.roots, trees.roots[1:], strict=False)):
            inner = trees.children[begin:end]
            assert inner.max(initial=0) < end - begin
            assert -inner.min() <= trees.leaves[tree + 1] - trees.leaves[tree]
    assert (len(shipped.kinds.roots) - 1) % len(kinds.KINDS) == 0
    assert (np.diff(shipped.calibration) >= 0).all()


def test_the_card_says_what_the_model_is():
    shipped = model.shipped()
    assert CARD["features"] == [*features.NAMES, *kinds.NAMES, *stacking.NAMES]
    assert CARD["size"]["first_stage_nodes"] == len(shipped.first.feature)
    assert [data["licence"] for data in CARD["training_data"]] == ["CC BY 4.0", "MIT"]
    scores = CARD["scores"]["wcxb_cross_validation"]
    assert set(scores["by_kind"]) == set(kinds.KINDS)
    assert CARD["scores"]["articles_trained_without_them"]["shingle_f1"] > 0.9
    pages = CARD["training_data"][0]["pages_by_kind"]
    mean = sum(scores["by_kind"][kind] * count for kind, count in pages.items()) / sum(pages.values())
    assert mean == pytest.approx(scores["word_f1"], abs=1e-3)


def test_the_same_page_gives_the_same_text_whatever_came_before():
    page = "<nav><a href=/>Home</a></nav><h1>Tea</h1>" + "<p>It is made of leaves, and they were dried first.</p>" * 9
    first = extract(page)
    extract("<p>Another page, about something else.</p>" * 50)
    assert extract(page) == first
    assert first.path == "learned" and first.confidence is not None and 0 <= first.confidence <= 1


def test_real_pages(real_data):
    """The shipped model has seen these pages in training; this guards the way from page to text, not its quality."""
    from training.extraction import pages, scores

    sample = pages.wcxb(Path(real_data))[::10]
    f1 = []
    for page in sample:
        found = extract(page.html)
        f1.append(scores.word_f1(found.text, page.gold))
        assert found.text == found.text.strip() and "\n\n\n" not in found.text
    assert np.mean(f1) > 0.9
