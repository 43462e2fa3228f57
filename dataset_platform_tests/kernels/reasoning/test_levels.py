"""Levels as models are asked for them: strict schemas, reading, and every field held against the facts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from dataset_platform.kernels.reasoning.level_checks import (
    TOLERANCE,
    checks_version,
    failing_levels,
    in_sector,
    validate_level,
)
from dataset_platform.kernels.reasoning.levels import LevelError, parse, schema_of
from dataset_platform.kernels.reasoning.quality.evaluate import evaluate
from dataset_platform.kernels.reasoning.rule_traces import KeyframeInput, write
from dataset_platform.kernels.reasoning.trace import LEVEL_MODELS, LEVELS, CoTTrace
from dataset_platform.llm.backends.openai_wire import is_strict
from dataset_platform_tests.kernels.reasoning.llm_scene import LANE, SIGNAL, keyframe, keyframes

FRAME = keyframe(1, lead=(30.0, 5.0), signal=("stop", 45.0))


def written(frame=FRAME) -> dict[str, dict[str, Any]]:
    given = KeyframeInput(
        trace_id=frame.trace_id, frame_id=frame.frame_id, scenario_id="s", step=10, facts=frame.facts, view=frame.view
    )
    trace = write(given)
    return {level: getattr(trace, level).model_dump(mode="json") for level in LEVELS}


def problems(level: str, value: dict[str, Any], frame=FRAME) -> list[str]:
    above = {name: parse(name, v) for name, v in written(frame).items()}
    return validate_level(level, parse(level, value), frame.facts, frame.view, above)


def walk(schema: Any):
    if isinstance(schema, dict):
        yield schema
        for part in schema.values():
            yield from walk(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from walk(part)


@pytest.mark.parametrize("level", LEVELS)
def test_schemas_are_strict_and_say_what_the_models_say(level):
    schema = schema_of(level)
    assert is_strict(schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert not any({"$ref", "$defs", "default", "minLength"} & part.keys() for part in walk(schema))
    assert set(schema["properties"]) == set(LEVEL_MODELS[level].model_fields)
    value = written()[level]
    jsonschema.validate(value, schema)
    assert parse(level, value).model_dump(mode="json") == value


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_that_lacks_a_field_fits_neither_schema_nor_model(level):
    value = written()[level]
    del value["text"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, schema_of(level))
    with pytest.raises(LevelError, match="text"):
        parse(level, value)
    with pytest.raises(LevelError, match="text"):
        parse(level, {**written()[level], "text": ""})


@pytest.mark.parametrize("frame", keyframes(12), ids=lambda f: f.frame_id)
def test_what_the_rules_write_has_no_problems(frame):
    for level, value in written(frame).items():
        assert problems(level, value, frame) == []


def changed(level: str, **fields: Any) -> dict[str, Any]:
    return {**written()[level], **fields}


MENTION = {"agent_id": 7, "object_type": "vehicle", "distance_m": 30.0, "sector": "ahead", "speed_mps": 5.0}
RISK = {"agent_id": 7, "relation": "lead", "ttc_s": None, "thw_s": None, "drac_mps2": None, "risk": "medium"}
EXPECTED = {"agent_id": 7, "behavior": "keep_speed", "probability": 0.7, "x_3s_m": 45.0, "y_3s_m": 0.0}


@pytest.mark.parametrize(
    ("level", "fields", "said"),
    [
        ("scene_description", {"ego_speed_mps": 12.0}, "ego_speed_mps is 12"),
        ("scene_description", {"lane_id": 99}, "lane_id is 99"),
        ("scene_description", {"lane_id": None}, "lane_id is None"),
        ("scene_description", {"speed_limit_mps": None}, "speed_limit_mps is null"),
        ("scene_description", {"signal": None}, f"signal of lane {SIGNAL}"),
        ("scene_description", {"signal": {"lane_id": SIGNAL, "state": "go", "distance_m": 45.0}}, "signal.state is go"),
        ("scene_description", {"signal": {"lane_id": LANE, "state": "stop", "distance_m": 45.0}}, "no signal of lane"),
        ("scene_description", {"signal": {"lane_id": SIGNAL, "state": "stop", "distance_m": 70.0}}, "distance_m is 70"),
        ("scene_description", {"vehicle_count": 3}, "vehicle_count is 3"),
        ("scene_description", {"agents": [{**MENTION, "agent_id": 8}]}, "no agent 8"),
        ("scene_description", {"agents": [MENTION, MENTION]}, "given 2 times"),
        ("scene_description", {"agents": [{**MENTION, "object_type": "cyclist"}]}, "object_type is cyclist"),
        ("scene_description", {"agents": [{**MENTION, "distance_m": 40.0}]}, "distance_m is 40"),
        ("scene_description", {"agents": [{**MENTION, "speed_mps": 7.0}]}, "speed_mps is 7"),
        ("scene_description", {"agents": [{**MENTION, "sector": "left"}]}, "sector is left"),
        ("scene_description", {"crosswalk_ids": [5]}, "no crosswalk 5"),
        ("scene_description", {"stop_sign_ids": [5]}, "no stop_sign 5"),
        ("situation_assessment", {"risks": [{**RISK, "agent_id": 9}]}, "no agent 9"),
        ("situation_assessment", {"risks": [{**RISK, "ttc_s": 1.0}]}, "ttc_s is 1"),
        ("situation_assessment", {"risks": [{**RISK, "relation": "parked"}]}, "relation is parked"),
        ("situation_assessment", {"risks": [{**RISK, "risk": "critical"}]}, "risk is critical"),
        ("situation_assessment", {"overall_risk": "critical"}, "overall_risk is critical"),
        ("situation_assessment", {"constraints": ["stop_sign"]}, "no fact speaks of a stop_sign"),
        ("behavior_prediction", {"predictions": [{**EXPECTED, "agent_id": 9}]}, "no agent 9"),
        ("behavior_prediction", {"predictions": [EXPECTED, {**EXPECTED, "behavior": "decelerate"}]}, "add up to 1.40"),
        ("behavior_prediction", {"predictions": [{**EXPECTED, "x_3s_m": 300.0}]}, "cannot move more"),
        ("scene_description", {"agents": []}, "agents is empty"),
        ("situation_assessment", {"risks": []}, "risks is empty"),
        ("behavior_prediction", {"predictions": []}, "predictions is empty"),
        ("behavior_prediction", {"text": "Fine."}, "whole sentences"),
        ("trajectory_plan", {"text": "Go on."}, "whole sentences"),
        ("behavior_prediction", {"predictions": [{**EXPECTED, "probability": 0.5}] * 2}, "given twice"),
        ("justification", {"alternatives": []}, "at least one other action"),
        ("justification", {"causes": [{"kind": "free_road"}]}, f"the signal {SIGNAL} limits the car"),
        ("justification", {"causes": []}, "name what causes the plan"),
        ("justification", {"causes": [{"kind": "lead_vehicle", "agent_id": 9, "feature_id": None}]}, "no agent 9"),
        ("justification", {"causes": [{"kind": "signal", "agent_id": None, "feature_id": 9}]}, "crosswalk 9"),
        ("justification", {"causes": [{"kind": "signal", "agent_id": None, "feature_id": None}]}, "must name"),
    ],
)
def test_each_field_is_held_against_the_facts(level, fields, said):
    found = problems(level, changed(level, **fields))
    assert any(said in p for p in found), found


WHOLE = {"level_completeness", "probabilities_valid"}
LACKING = [
    ("scene_description", {"agents": []}),
    ("situation_assessment", {"risks": []}),
    ("behavior_prediction", {"predictions": []}),
    ("behavior_prediction", {"predictions": [{**EXPECTED, "probability": 0.5}] * 2}),
    ("behavior_prediction", {"predictions": [{**EXPECTED, "probability": p, "x_3s_m": 40 + p} for p in (0.5, 0.6)]}),
    ("behavior_prediction", {"predictions": [{**EXPECTED, "probability": p, "x_3s_m": 40 + p} for p in (0.5, 0.4)]}),
    *((level, {"text": "So be"}) for level in LEVELS),
    ("justification", {"causes": []}),
]


@pytest.mark.parametrize("speed", [0.0, 8.0])
@pytest.mark.parametrize(("level", "fields"), LACKING)
def test_a_level_that_would_break_a_floor_of_the_day_is_not_accepted(level, fields, speed):
    """Those whose floor is 1: one accepted trace without them fails its whole day. Also where the plan is to maintain."""
    frame = keyframe(3, ego_speed=speed, lead=(30.0, speed))
    levels = written(frame)
    levels[level] |= fields
    trace = CoTTrace(trace_id="", frame_id="", scenario_id="", step=0, **levels)
    metrics = evaluate(trace, frame.facts, frame.view, None).metrics
    assert any(metrics[m] < 1.0 for m in WHOLE), "the case breaks no floor"
    assert problems(level, levels[level], frame)
    assert f"fields:{level}" in failing_levels(trace, frame.facts, frame.view)


def test_one_behaviour_alone_may_leave_the_rest_unsaid():
    assert problems("behavior_prediction", changed("behavior_prediction", predictions=[EXPECTED])) == []


def test_without_agents_the_levels_need_name_none():
    empty = keyframe(4, lead=None)
    bare = replace(empty, facts=empty.facts.without("agent:21"))
    for level, value in written(bare).items():
        assert not [p for p in problems(level, value, bare) if "empty" in p]


def test_other_tolerances_are_other_checks(monkeypatch):
    before = checks_version()
    monkeypatch.setitem(TOLERANCE, "m", 2.0)
    assert checks_version() != before


def bent(at: int, **fields: float) -> dict[str, Any]:
    points = written()["trajectory_plan"]["waypoints"]
    points[at] = {**points[at], **fields}
    return changed("trajectory_plan", waypoints=points)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (lambda: bent(0, x_m=3.0), "lies 3.0 m from the ego"),
        (lambda: bent(0, speed_mps=20.0), "but the ego has"),
        (lambda: bent(3, x_m=200.0), "the speeds make it"),
        (lambda: bent(4, speed_mps=40.0), "the speed changes"),
        (lambda: bent(4, t_s=2.2), "times must be"),
        (lambda: changed("trajectory_plan", waypoints=written()["trajectory_plan"]["waypoints"][:5]), "17 waypoints"),
    ],
)
def test_waypoints_begin_at_the_ego_and_keep_step(value, said):
    found = problems("trajectory_plan", value())
    assert any(said in p for p in found), found


def test_an_alternative_is_another_action():
    plan = written()["trajectory_plan"]
    same = {"longitudinal": plan["longitudinal"], "lateral": plan["lateral"], "rejected_because": "collision"}
    value = changed("justification", alternatives=[{**same, "agent_id": None, "feature_id": None}])
    assert any("the plan itself" in p for p in problems("justification", value))


def test_sectors_meet_at_their_borders_and_wrap():
    assert in_sector("ahead", 22.5) and in_sector("ahead_left", 22.5) and in_sector("behind", -179.0)
    assert in_sector("behind", 179.0) and in_sector("right", -90.0) and not in_sector("ahead", 30.0)
