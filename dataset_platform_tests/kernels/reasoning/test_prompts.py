"""Prompts: the same beginning for all levels, facts that can be read back, a version that follows the words."""

from __future__ import annotations

import os

import numpy as np
import orjson
import pytest

from dataset_platform.kernels.reasoning import prompts
from dataset_platform.kernels.reasoning.facts import Fact, Facts
from dataset_platform.kernels.reasoning.simulated import sections_of, view_of
from dataset_platform.kernels.reasoning.trace import LEVELS
from dataset_platform_tests.kernels.reasoning.llm_scene import SIGNAL, hand_trace, keyframe

FRAME = keyframe(0, lead=(30.0, 5.0), signal=("stop", 45.0))
TRACE = hand_trace()


def prompt_of(level: str) -> str:
    above = {n: getattr(TRACE, n).model_dump(mode="json") for n in LEVELS[: LEVELS.index(level)]}
    return prompts.level_prompt(level, prompts.scene_text(FRAME.facts, FRAME.view), above)


def test_every_level_begins_like_the_one_before():
    texts = [prompt_of(level) for level in LEVELS]
    scene = prompts.scene_text(FRAME.facts, FRAME.view)
    for before, after in zip(texts, texts[1:], strict=False):
        shared = len(os.path.commonprefix([before, after]))
        # all that the level before was given, but for its own task
        assert shared >= len(before.rpartition(f"\n\n{prompts.TASK}")[0]) - 1 >= len(scene)


def test_each_level_sees_the_levels_above_and_none_below():
    for number, level in enumerate(LEVELS):
        sections = sections_of(prompt_of(level))
        assert list(orjson.loads(sections[prompts.ABOVE])) == list(LEVELS[:number])
        assert sections[prompts.TASK] == prompts.TASKS[level]


def test_nothing_that_comes_later_or_names_the_record_is_told():
    text = prompt_of("justification")
    assert FRAME.trace_id not in text and FRAME.frame_id not in text and FRAME.file not in text


def test_facts_are_read_back_as_they_were():
    back = prompts.facts_of_json(orjson.loads(orjson.dumps(prompts.facts_json(FRAME.facts))))
    assert {(f.subject, f.quantity) for f in back.all} == {(f.subject, f.quantity) for f in FRAME.facts.all}
    for fact in FRAME.facts.all:
        assert back.word(fact.subject, fact.quantity) == fact.word
        if fact.value is not None:
            assert back.value(fact.subject, fact.quantity) == pytest.approx(fact.value, abs=6e-4)


def test_a_crowd_does_not_fill_the_prompt_and_what_matters_stays_whole():
    def crowd(count: int) -> Facts:
        facts = []
        for n in range(count):
            relation, risk = ("lead", "high") if n == 70 else ("parked", "low")
            subject = f"agent:{n}"
            words = {"type": "vehicle", "relation": relation, "risk": risk, "sector": "ahead"}
            facts += [Fact(subject, q, word=w) for q, w in words.items()]
            facts += [Fact(subject, q, 1.0 + n, unit="m") for q in ("distance", "gap", "longitudinal", "lateral")]
        return Facts(facts)

    shown = prompts.facts_json(crowd(80))
    assert len(shown) == 80, "an agent that is left out of the prompt would not exist"
    full = {subject for subject, known in shown.items() if "gap" in known}
    assert len(full) == prompts.FULL_AGENTS and "agent:70" in full
    assert all({"type", "distance", "sector"} <= known.keys() for known in shown.values())


def test_the_path_is_resampled_at_equal_steps():
    corner = np.array([[0.0, 0.0], [12.0, 0.0], [12.0, 9.0]])
    points = np.array(prompts.resampled(corner))
    assert np.allclose(points[[0, -1]], corner[[0, -1]]) and np.allclose(points[1:3], [[5, 0], [10, 0]])
    assert np.allclose(points[3], [12, 3])
    assert prompts.resampled(np.empty((0, 2))) == []
    assert prompts.resampled(corner, most_m=6.0)[-1] == [6.0, 0.0]


def test_the_view_of_a_prompt_is_the_view_without_its_map():
    sections = sections_of(prompt_of("scene_description"))
    facts = prompts.facts_of_json(orjson.loads(sections[prompts.FACTS]))
    view = view_of(facts, orjson.loads(sections[prompts.PATH]))
    order = [list(view.agent_id).index(i) for i in FRAME.view.agent_id]
    assert np.allclose(view.x_m[order], FRAME.view.x_m, atol=0.01)
    assert np.allclose(view.velocity_x_mps[order], FRAME.view.velocity_x_mps, atol=0.01)
    [signal], [known] = view.signals, FRAME.view.signals
    assert (signal.lane_id, signal.state) == (SIGNAL, "stop")
    assert signal.stop_x_m == pytest.approx(known.stop_x_m, abs=0.01)


def test_other_words_are_another_version(monkeypatch):
    before = prompts.fingerprint()
    monkeypatch.setitem(prompts.TASKS, "justification", "Say why.")
    assert prompts.fingerprint() != before
    assert prompts.prompt_version().startswith(f"{prompts.PROMPT_VERSION}-")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REPAIR", "No:"),
        ("REPAIRED", "Again."),
        ("PICTURE", " See."),
        ("PATH_M", 60.0),
        ("MOST_LANES", 2),
        ("FACTS", "F"),
    ],
)
def test_whatever_shapes_a_prompt_is_in_its_fingerprint(monkeypatch, name, value):
    before = prompts.fingerprint()
    monkeypatch.setattr(prompts, name, value)
    assert prompts.fingerprint() != before
