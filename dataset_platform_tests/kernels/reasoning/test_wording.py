"""Sentences of rule traces: each says what is so of the thing that it names, and the metrics can read it."""

from __future__ import annotations

import numpy as np
import pytest

from dataset_platform.demo.driving.world import sample_scenes
from dataset_platform.kernels.reasoning import wording
from dataset_platform.kernels.reasoning.planner import Decision, decide
from dataset_platform.kernels.reasoning.quality.evaluate import evaluate
from dataset_platform.kernels.reasoning.quality.wording import agent_references
from dataset_platform.kernels.reasoning.rule_traces import KeyframeInput, write
from dataset_platform.kernels.reasoning.trace import Cause, Longitudinal
from dataset_platform.kernels.reasoning.view import LoggedFuture
from dataset_platform_tests.kernels.reasoning.real_keyframes import input_of, keyframes_of
from dataset_platform_tests.kernels.reasoning.street import Agent, bend, street

READ_AS_MEANT = {
    "number_groundedness": 1.0,
    "hallucinated_agent_rate": 0.0,
    "contradiction_rate": 0.0,
    "critical_agent_recall": 1.0,
    "level_completeness": 1.0,
    "redundancy": 0.0,
}
BEND = street(9.0, path=bend(10.0, after=30.0))


def reason(keyframe: KeyframeInput, longitudinal: Longitudinal, cause: Cause, **more: object) -> str:
    """What is said of one cause of a decision."""
    decision = Decision(longitudinal, more.pop("lateral", "keep"), 5.0, causes=(cause,), **more)  # type: ignore[arg-type]
    text = wording.justification_text(decision, decision.causes, (), 0.5, keyframe.facts)
    return text.removesuffix(" Confidence 0.50.")


@pytest.mark.parametrize(
    ("speed", "action", "said"),
    [
        (2.0, "accelerate", "The ego shall speed up, but no faster than planned, because the path bends."),
        (2.0, "maintain", "The ego shall go no faster, because the path bends."),
        (2.0, "decelerate", "Till then the ego shall go no faster, because the path bends."),
        (12.0, "decelerate", "The ego shall slow down, because the path bends too tightly for its speed."),
    ],
)
def test_a_bend_never_makes_the_ego_speed_up(speed: float, action: Longitudinal, said: str) -> None:
    assert reason(street(speed, path=bend(10.0, after=30.0)), action, Cause(kind="curve")) == said


def test_a_route_is_the_cause_of_the_turn_and_not_of_the_speed() -> None:
    said = reason(BEND, "decelerate", Cause(kind="route"), lateral="left_turn")
    assert said == "The ego shall turn left, because that is where its path leads."
    trace = write(BEND)
    assert trace.trajectory_plan.lateral == "left_turn"
    assert "The ego shall turn left, because" in trace.justification.text
    assert "slow down, because that is where" not in trace.text()


@pytest.mark.parametrize(
    ("kind", "speed", "said"),
    [
        ("cyclist", 5.0, "cyclist 3 rides ahead of it"),
        ("pedestrian", 1.0, "pedestrian 3 walks ahead of it"),
        ("vehicle", 6.0, "vehicle 3 drives ahead of it"),
        ("vehicle", 0.0, "vehicle 3 stands ahead of it"),
    ],
)
def test_who_leads_is_ahead_and_not_about_to_come(kind: str, speed: float, said: str) -> None:
    keyframe = street(9.0, Agent(3, 18.0, 0.0, speed, 0.0, kind))
    causes = decide(keyframe.facts).causes
    assert [c.agent_id for c in causes] == [3]
    assert said in write(keyframe).justification.text
    crossing = street(9.0, Agent(3, 30.0, -5.0, 1.4, np.pi / 2, "pedestrian", "crossing"), crosswalk=(29.0, (3,)))
    assert "pedestrian 3 will be on its path" in write(crossing).justification.text


@pytest.mark.parametrize(
    ("speed", "limit", "action", "said"),
    [
        (6.0, 12.0, "accelerate", "drives slower than its speed limit allows"),
        (15.0, 12.0, "decelerate", "drives faster than its speed limit allows"),
        (12.0, 12.0, "maintain", "shall go no faster, because its speed limit"),
    ],
)
def test_limits_are_compared_with_the_speed(speed: float, limit: float, action: Longitudinal, said: str) -> None:
    assert said in reason(street(speed, limit=limit), action, Cause(kind="speed_limit"))


def test_who_waits_already_waits() -> None:
    waiting = street(0.0, signal=("arrow_stop", 1.0))
    assert "The ego shall wait, because the signal" in write(waiting).justification.text
    driving = street(8.0, signal=("stop", 25.0))
    assert "The ego shall stop, because the signal" in write(driving).justification.text


@pytest.mark.parametrize(
    ("relation", "moving", "standing"),
    [
        ("lead", "Vehicle 3 drives ahead on the ego's path", "Vehicle 3 stands ahead on the ego's path"),
        ("adjacent", "Vehicle 3 drives beside the ego's path", "Vehicle 3 stands beside the ego's path"),
        ("following", "Vehicle 3 follows the ego", "Vehicle 3 stands behind the ego"),
        ("oncoming", "Vehicle 3 comes towards the ego", "Vehicle 3 stands facing the ego"),
    ],
)
def test_what_stands_is_not_said_to_drive(relation: str, moving: str, standing: str) -> None:
    for speed, said in ((4.0, moving), (0.0, standing)):
        keyframe = street(8.0, Agent(3, 20.0, 0.0 if relation == "lead" else 4.0, speed, 0.0, relation=relation))
        assert f"{said}: risk" in write(keyframe).situation_assessment.text


def test_agents_of_which_the_same_is_said_share_a_sentence_that_names_each() -> None:
    parked = [Agent(n, 10.0 + n, -8.0, 0.0, 0.0, relation="parked") for n in (1, 2, 14)]
    keyframe = street(8.0, *parked, Agent(5, 12.0, 9.0, 1.0, 0.0, "pedestrian", "other"))
    trace = write(keyframe)
    assert "Vehicles 1, 2 and 14 are parked: risk low." in trace.situation_assessment.text
    assert "Pedestrian 5 has no part in the ego's way: risk low." in trace.situation_assessment.text
    assert "Vehicles 1, 2 and 14 will most likely stay where they are" in trace.behavior_prediction.text
    for level in (trace.situation_assessment, trace.behavior_prediction):
        named = [r.subject for r in agent_references(level.text)]
        assert sorted(named) == ["agent:1", "agent:14", "agent:2", "agent:5"]


def test_who_comes_near_the_path_has_a_part_in_the_way() -> None:
    crossing = Agent(3, 30.0, -5.0, 1.4, np.pi / 2, "pedestrian", "other")
    assert "no part in the ego's way" not in write(street(9.0, crossing)).situation_assessment.text


@pytest.mark.parametrize("seed", [4, 11])
def test_traces_of_samples_are_read_as_they_are_meant(seed: int) -> None:
    measured = 0
    for scene in sample_scenes(20, seed):
        for row in keyframes_of(scene):
            keyframe = input_of(row)
            metrics = evaluate(
                write(keyframe), keyframe.facts, keyframe.view, LoggedFuture.of_json(row["future"])
            ).metrics
            wrong = {n: metrics[n] for n, v in READ_AS_MEANT.items() if metrics[n] not in (None, v)}
            assert wrong == {}, row["frame_id"]
            measured += 1
    assert measured >= 20
