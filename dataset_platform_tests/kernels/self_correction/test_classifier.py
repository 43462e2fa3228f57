"""A judgement is consistent, a classifier's file is checked before it is believed, and the embedded default works."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_platform.errors import StateError
from dataset_platform.kernels.self_correction.answer_features import (
    FIRST_TURN_NAMES,
    LATER_TURN_NAMES,
    answer_facts,
    same_answer,
    same_text,
)
from dataset_platform.kernels.self_correction.calibrated_heads import Calibration, Head
from dataset_platform.kernels.self_correction.classifier import (
    FORMAT,
    default_classifier,
    default_classifier_bytes,
    dump_classifier,
    judgement_of_later,
    load_classifier,
)
from dataset_platform.kernels.self_correction.contexts import FAILURE_MODES
from dataset_platform.kernels.self_correction.labels import FIRST_TURN_MODES, RIGHT_MODES, failure_mode
from dataset_platform.kernels.self_correction.simulated_turns import simulate_turns

TURNS = simulate_turns(11, 150)
ROWS = [(t.first_answer, t.answer, t.asked) for t in TURNS]


def right_mass(probabilities: tuple[float, ...]) -> float:
    return sum(p for mode, p in zip(FAILURE_MODES, probabilities, strict=True) if mode in RIGHT_MODES)


@settings(max_examples=100)
@given(st.text(max_size=200), st.text(max_size=200), st.none() | st.text(max_size=60))
def test_any_texts_get_a_consistent_judgement(first: str, current: str, prompt: str | None) -> None:
    judged = default_classifier().judge(first, current, prompt)
    assert 0 < judged.confidence < 1
    assert math.isclose(sum(judged.probabilities), 1, abs_tol=1e-9)
    assert math.isclose(right_mass(judged.probabilities), judged.confidence, abs_tol=1e-9)
    assert judged.error_mode == FAILURE_MODES[int(np.argmax(judged.probabilities))]


def test_a_mode_is_possible_only_where_the_texts_allow_it() -> None:
    for turn in TURNS:
        judged = default_classifier().judge(turn.first_answer, turn.answer, turn.asked)
        possible = {m for m, p in zip(FAILURE_MODES, judged.probabilities, strict=True) if p > 0}
        a, b = answer_facts(turn.first_answer), answer_facts(turn.answer)
        seen = {"same_answer": same_answer(a, b), "same_text": same_text(a, b)}
        allowed = {failure_mode(f, c, turn.turn, **seen) for f in (False, True) for c in (False, True)}
        assert possible == allowed
        assert turn.turn > 0 or possible == set(FIRST_TURN_MODES)


@pytest.mark.parametrize(("answer", "text"), [(False, False), (False, True), (True, False), (True, True)])
@given(raw=st.lists(st.floats(1e-9, 1), min_size=4, max_size=4), slope=st.floats(0.1, 5), shift=st.floats(-3, 3))
def test_any_calibration_leaves_modes_and_confidence_consistent(
    answer: bool, text: bool, raw: list[float], slope: float, shift: float
) -> None:
    whole = sum(raw)
    judged = judgement_of_later(
        [r / whole for r in raw], Calibration(slope, shift, (0.2, 0.6), (0.1, 0.9)), answer, text
    )
    assert math.isclose(sum(judged.probabilities), 1, abs_tol=1e-9)
    assert math.isclose(right_mass(judged.probabilities), judged.confidence, abs_tol=1e-9)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_calibration_keeps_the_order(a: float, b: float) -> None:
    low, high = sorted((a, b))
    for calibration in (Calibration(1.7, -0.4), Calibration(0.5, 1.0, (0.3, 0.5, 0.8), (0.2, 0.2, 0.9))):
        assert 0 < calibration(low) <= calibration(high) < 1


def test_every_mode_is_predicted_of_some_turn() -> None:
    assert {j.error_mode for j in default_classifier().judge_many(ROWS)} == set(FAILURE_MODES)


def test_many_are_judged_as_one_by_one_and_from_facts_as_from_texts() -> None:
    classifier = default_classifier()
    judged = classifier.judge_many(ROWS)
    assert judged == [classifier.judge(*row) for row in ROWS]
    assert judged == [classifier.judge_facts(answer_facts(f), answer_facts(c), p) for f, c, p in ROWS]
    assert judged[::-1] == classifier.judge_many(ROWS[::-1])


def test_only_the_current_answer_counts_on_turn_0() -> None:
    classifier = default_classifier()
    assert classifier.judge("nothing", "#### 4", None) == classifier.judge("#### 4", "#### 4", None)


def test_a_sum_that_does_not_hold_lowers_the_confidence() -> None:
    classifier = default_classifier()
    right, wrong = "12 * 7 = 84\n84 + 6 = 90\n#### 90", "12 * 7 = 94\n94 + 6 = 100\n#### 100"
    assert classifier.judge(wrong, wrong, None).confidence < classifier.judge(right, right, None).confidence


def test_agreement_raises_the_confidence() -> None:
    classifier = default_classifier()
    a, b = "12 * 7 = 84\n84 + 6 = 90\n#### 90", "Start with 84 + 6\n84 + 6 = 90\n#### 90"
    other = "12 + 7 = 19\n19 + 6 = 25\n#### 25"
    assert classifier.judge(other, b, "Again.").confidence < classifier.judge(a, b, "Again.").confidence


def test_the_default_says_where_it_comes_from() -> None:
    provenance = default_classifier().provenance
    assert "simulated" in provenance["data"] and "no model was run" in provenance["data"]
    assert provenance["sources"] == ["simulated"]
    assert provenance["scores_on_held_out_questions"]["ece"] <= 0.05
    assert provenance["scores_on_real_answers"]["rows"] == 21_104


def small(weight: float = 0.5) -> bytes:
    """A classifier with one weight that is not zero."""
    first = Head(np.zeros((len(FIRST_TURN_NAMES), 2)), np.zeros(2), Calibration(1.0, 0.0))
    first.weights[0, 1] = weight
    later = Head(np.zeros((len(LATER_TURN_NAMES), 4)), np.zeros(4), Calibration(1.0, 0.2, (0.1, 0.9), (0.2, 0.7)))
    return dump_classifier(first, later, {"data": "made for a test"})


def test_a_file_is_read_as_it_was_written() -> None:
    classifier = load_classifier(small())
    assert classifier.provenance == {"data": "made for a test"}
    assert classifier.judge("", "#### 4", None).confidence == pytest.approx(1 / (1 + math.exp(-0.5)))
    assert dump_classifier(classifier.first_turn, classifier.later_turns, classifier.provenance) == small()
    assert json.loads(small())["format"] == FORMAT


def test_a_fingerprint_is_that_of_the_content() -> None:
    assert load_classifier(small()).fingerprint == load_classifier(small()).fingerprint
    assert load_classifier(small()).fingerprint != load_classifier(small(0.6)).fingerprint
    assert len(default_classifier().fingerprint) == 16


def changed(change: Callable[[dict[str, Any]], Any]) -> bytes:
    document = json.loads(default_classifier_bytes())
    change(document)
    return json.dumps(document).encode()


WRONG_FILES = {
    "empty": b"",
    "no JSON": b"\x80\x04\x95",
    "a list": b"[]",
    "another format": changed(lambda d: d.update(format="self-correction-classifier/0")),
    "another kind": changed(lambda d: d.update(kind="forest")),
    "no provenance": changed(lambda d: d.pop("provenance")),
    "no head": changed(lambda d: d.pop("later_turns")),
    "a feature less": changed(lambda d: d["first_turn"]["features"].pop()),
    "another feature": changed(lambda d: d["later_turns"]["features"].__setitem__(0, "reference_answer")),
    "other classes": changed(lambda d: d["first_turn"].update(classes=["right", "wrong"])),
    "a weight less": changed(lambda d: d["first_turn"]["weights"].pop("words")),
    "a short weight": changed(lambda d: d["first_turn"]["weights"].update(words=[1.0])),
    "weights in words": changed(lambda d: d["first_turn"]["weights"].update(words=["a", "b"])),
    "infinite": changed(lambda d: d["first_turn"].update(bias=[float("inf"), 0.0])),
    "no calibration": changed(lambda d: d["first_turn"].pop("calibration")),
    "knots that fall": changed(lambda d: d["first_turn"]["calibration"].update(knots_x=[0.1, 0.5], knots_y=[0.9, 0.1])),
    "knots out of range": changed(
        lambda d: d["first_turn"]["calibration"].update(knots_x=[0.1, 0.5], knots_y=[0.9, 2])
    ),
    "no arrays": changed(lambda d: d.update(kind="sentence", encoder="x", dimension=3)),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_a_wrong_file_is_refused_with_what_to_do(name: str) -> None:
    with pytest.raises(StateError) as refused:
        load_classifier(WRONG_FILES[name])
    assert "cannot be used" in refused.value.message and "error_classifier" in refused.value.hint
