"""Agreement: 1 for the same trace, less for each difference, and the published statistics on their published examples."""

from __future__ import annotations

import pytest

from dataset_platform.kernels.reasoning.agreement import (
    agreement,
    bands,
    cohen_kappa,
    jaccard,
    krippendorff_alpha,
    summary,
    word_f1,
)
from dataset_platform_tests.kernels.reasoning.llm_scene import hand_trace

TRACE = hand_trace()


def test_a_trace_agrees_with_itself_in_every_field():
    found = agreement(TRACE, TRACE)
    assert len(found) >= 15 and set(found.values()) == {1.0}


@pytest.mark.parametrize(
    ("level", "fields", "moved", "value"),
    [
        ("trajectory_plan", {"longitudinal": "stop"}, "longitudinal", 0.0),
        ("trajectory_plan", {"lateral": "left_turn"}, "lateral", 0.0),
        ("situation_assessment", {"overall_risk": "critical"}, "overall_risk", 1 / 3),
        ("situation_assessment", {"constraints": ("lead_vehicle",)}, "constraints", 0.0),
        ("scene_description", {"lane_id": 5}, "lane", 0.0),
        ("scene_description", {"agents": ()}, "agents", 0.0),
        ("justification", {"confidence": 0.5}, "confidence", 0.7),
        ("justification", {"causes": ()}, "causes", 0.0),
    ],
)
def test_a_difference_moves_its_field_alone(level, fields, moved, value):
    other = TRACE.model_copy(update={level: getattr(TRACE, level).model_copy(update=fields)})
    found = agreement(other, TRACE)
    assert found[moved] == pytest.approx(value)
    assert {n for n, v in found.items() if v < 1} == {moved}
    assert agreement(TRACE, other) == pytest.approx(found)


def test_waypoints_agree_within_three_metres():
    plan = TRACE.trajectory_plan
    moved = tuple(p.model_copy(update={"y_m": 2.9 if p.t_s <= 4 else 3.1}) for p in plan.waypoints)
    other = TRACE.model_copy(update={"trajectory_plan": plan.model_copy(update={"waypoints": moved})})
    assert agreement(other, TRACE)["waypoints"] == 0.5


def test_small_measures():
    assert jaccard({1, 2}, {2, 3}) == pytest.approx(1 / 3) and jaccard((), ()) is None
    assert bands("low", "critical") == 0 and bands("high", "high") == 1
    assert word_f1("the car stops", "the car goes") == pytest.approx(2 / 3) and word_f1("", "") == 1
    assert word_f1("7.5 m", "7.6 m") == 0.5


def test_kappa_on_the_textbook_table():
    """Two readers of 50 grant proposals: 20 both yes, 15 both no, 5 and 10 apart; kappa 0.40."""
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert cohen_kappa(pairs) == pytest.approx(0.4)
    assert cohen_kappa([]) is None and cohen_kappa([("a", "a")] * 3) is None


def test_alpha_on_krippendorffs_example():
    """Krippendorff 2011, part C: nominal data, any number of observers, missing data; alpha 0.743."""
    # the published table: A, B, C and D over twelve units
    table = {
        "A": [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        "B": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        "C": [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        "D": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    }
    units = [[v for v in column if v is not None] for column in zip(*table.values(), strict=True)]
    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=0.001)
    assert krippendorff_alpha([["a", "a"], ["b", "b"]]) == 1.0
    assert krippendorff_alpha([["a"], ["b"]]) is None


def test_summaries_count_what_was_compared():
    assert summary([{"a": 1.0, "b": 0.5}, {"a": 0.0}]) == {"a": (0.5, 2), "b": (0.5, 1)}
