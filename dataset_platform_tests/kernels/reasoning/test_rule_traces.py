"""Traces that rules write: grounded, consistent, justified; on hand-made streets and on the real scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dataset_platform.kernels.reasoning.quality.evaluate import evaluate, failing_validators
from dataset_platform.kernels.reasoning.rule_traces import write
from dataset_platform.kernels.reasoning.trace import CoTTrace
from dataset_platform.kernels.reasoning.view import LoggedFuture
from dataset_platform_tests.kernels.reasoning.real_keyframes import SCENARIO, input_of, keyframes_of, real_scene
from dataset_platform_tests.kernels.reasoning.street import Agent, bend, street

PERFECT = (
    *("number_groundedness", "agent_reference_precision", "light_state_accuracy", "kinematic_pass", "comfort_pass"),
    *("red_light_pass", "waypoint_timing_pass", "risk_band_exact", "meta_action_agreement", "probabilities_valid"),
    *("level_completeness", "critical_agent_recall", "road_control_recall", "alternative_present", "cause_exists"),
    *("cause_entails", "counterfactual_cause", "counterfactual_others", "no_orphan_decision"),
    "alternative_rejection_true",
)
NONE_OF = ("hallucinated_agent_rate", "future_leak", "contradiction_rate", "redundancy")
WALKER = Agent(7, 30.0, -5.0, 1.4, np.pi / 2, "pedestrian", "crossing")
STREETS = {
    "free": street(11.0),
    "standing start": street(0.0),
    "red": street(10.0, Agent(4, 6.0, 3.5, 8.0, 0.0, relation="adjacent"), signal=("stop", 45.0)),
    "waiting": street(0.0, signal=("arrow_stop", 1.0)),
    "lead": street(12.0, Agent(3, 30.0, 0.0, 6.0)),
    "queue": street(8.0, Agent(3, 32.0), signal=("stop", 30.0)),
    "walker": street(9.0, WALKER, crosswalk=(29.0, (7,))),
    "turn": street(9.0, path=bend(10.0, after=30.0)),
    "stop sign": street(8.0, stop_sign_m=30.0),
    "off lanes": street(7.0, path=np.empty((0, 2)), limit=None),
}


def _hold(metrics: dict[str, float | None]) -> None:
    assert {m: metrics[m] for m in PERFECT if metrics[m] is not None and metrics[m] != 1.0} == {}
    assert {m: metrics[m] for m in NONE_OF if metrics[m]} == {}


@pytest.mark.parametrize("name", STREETS)
def test_traces_of_streets_pass_all_that_is_measured(name: str) -> None:
    keyframe = STREETS[name]
    trace = write(keyframe)
    _hold(evaluate(trace, keyframe.facts, keyframe.view, None).metrics)
    assert failing_validators(trace, keyframe.facts, keyframe.view) == []
    assert CoTTrace.model_validate_json(trace.model_dump_json()) == trace == write(keyframe)


def test_words_say_what_the_fields_say() -> None:
    keyframe = street(10.0, Agent(3, 40.0, 0.0, 9.0), WALKER, signal=("stop", 45.0))
    trace = write(keyframe)
    text = trace.text()
    for said in ("vehicle 3", "pedestrian 7", "lane 11 shows a red light", "45.0 m ahead", "10.0 m/s"):
        assert said.lower() in text.lower()
    assert [len([p for p in trace.behavior_prediction.predictions if p.agent_id == a]) for a in (3, 7)] == [2, 2]


def test_the_scenario_at_the_red_arrow_is_explained_as_waiting_for_it(real_data: Path) -> None:
    row = next(r for r in keyframes_of(real_scene(real_data, SCENARIO)) if r["step"] == 10)
    trace = write(input_of(row))
    plan, why = trace.trajectory_plan, trace.justification
    assert (plan.longitudinal, plan.lateral) == ("stop", "keep")
    assert (row["logged_longitudinal"], row["logged_lateral"]) == ("stop", "keep")
    assert [(c.kind, c.feature_id) for c in why.causes] == [("signal", 455)]
    signal = trace.scene_description.signal
    assert signal is not None and (signal.lane_id, signal.state) == (455, "arrow_stop")
    assert "because the signal of lane 455 shows a red arrow" in why.text
    assert trace.scene_description.lane_id == 548
    assert {(w.x_m, w.y_m) for w in plan.waypoints} == {(0.0, 0.0)}
    assert "lead" not in {r.relation for r in trace.situation_assessment.risks}
    assert why.alternatives[0].rejected_because == "red_light" and why.alternatives[0].feature_id == 455
    assert trace.scene_description.agents[1:] and why.confidence > 0.7


@pytest.mark.parametrize("name", [SCENARIO, "motion_data_one_example.tfrecord"])
def test_traces_of_the_real_scenes_pass(real_data: Path, name: str) -> None:
    for row in keyframes_of(real_scene(real_data, name)):
        keyframe = input_of(row)
        trace = write(keyframe)
        _hold(evaluate(trace, keyframe.facts, keyframe.view, LoggedFuture.of_json(row["future"])).metrics)
