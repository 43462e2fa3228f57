"""The rule planner: what it decides for which facts, why, and the plans that carry it out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from dataset_platform.kernels.reasoning.meta_actions import agrees, meta_actions_of
from dataset_platform.kernels.reasoning.path_track import path_track
from dataset_platform.kernels.reasoning.planner import Decision, decide, plan, subject_of
from dataset_platform.kernels.reasoning.quality.feasibility import evaluate_plan
from dataset_platform.kernels.reasoning.quality.motion import of_waypoints
from dataset_platform.kernels.reasoning.rule_traces import KeyframeInput
from dataset_platform_tests.kernels.reasoning.street import LENGTH_M, LIMIT_MPS, Agent, bend, facts, street

WALKER = Agent(7, 30.0, -5.0, 1.4, np.pi / 2, "pedestrian", "crossing")
BESIDE = Agent(8, 5.0, 3.5, 9.0, 0.0, "vehicle", "adjacent")


def _kinds(decision: Decision) -> list[str]:
    return [c.kind for c in decision.causes]


def test_a_red_light_stops_the_ego_before_its_stop_point() -> None:
    keyframe = street(10.0, BESIDE, signal=("stop", 40.0))
    decision = decide(keyframe.facts)
    assert decision.actions == ("stop", "keep") and _kinds(decision) == ["signal"]
    assert decision.stop_at_m is not None and 30 < decision.stop_at_m < 40
    last = plan(decision, keyframe.view)[-1]
    assert last.speed_mps < 0.3 and 36 < last.x_m < 40


@pytest.mark.parametrize(("distance", "action"), [(45.0, "stop"), (8.0, "accelerate")])
def test_amber_stops_only_where_the_ego_can(distance: float, action: str) -> None:
    assert decide(facts(11.0, signal=("caution", distance))).longitudinal == action


def test_a_standing_ego_waits_at_red_and_goes_at_green() -> None:
    waiting, going = street(0.0, signal=("arrow_stop", 1.0)), street(0.0, signal=("arrow_go", 1.0))
    decision = decide(waiting.facts)
    assert decision.actions == ("stop", "keep") and _kinds(decision) == ["signal"]
    assert {(w.x_m, w.speed_mps) for w in plan(decision, waiting.view)} == {(0.0, 0.0)}
    assert decide(going.facts).longitudinal == "accelerate"


def test_a_slow_lead_slows_the_ego_down_behind_it() -> None:
    keyframe = street(12.0, Agent(3, 30.0, 0.0, 6.0), BESIDE)
    decision = decide(keyframe.facts)
    assert decision.longitudinal == "decelerate"
    assert [(c.kind, c.agent_id) for c in decision.causes] == [("lead_vehicle", 3)]
    for w in plan(decision, keyframe.view):
        assert 30.0 + 6.0 * w.t_s - w.x_m > LENGTH_M + 1.0


def test_the_ego_yields_to_who_will_cross_its_path() -> None:
    decision = decide(facts(9.0, WALKER, BESIDE))
    assert decision.longitudinal == "yield" and decision.yield_to == 7 and _kinds(decision) == ["pedestrian"]
    assert decide(facts(9.0, Agent(7, 30.0, -5.0, 1.4, -np.pi / 2, "pedestrian", "other"))).longitudinal != "yield"


def test_crossing_traffic_is_yielded_to_and_never_followed() -> None:
    crossing = Agent(5, 40.0, 25.0, 8.0, -np.pi / 2, "vehicle", "crossing")
    assert _kinds(decide(facts(9.0, crossing))) == ["crossing_traffic"]


def test_a_stop_sign_stops_the_ego_once() -> None:
    assert _kinds(decide(facts(8.0, stop_sign_m=25.0))) == ["stop_sign"]
    assert decide(facts(0.0, stop_sign_m=1.0)).longitudinal == "accelerate"


def test_a_bend_is_turned_into_slowly() -> None:
    keyframe = street(11.0, path=bend(10.0, after=35.0))
    decision = decide(keyframe.facts)
    assert decision.actions == ("decelerate", "left_turn") and "curve" in _kinds(decision)
    waypoints = plan(decision, keyframe.view)
    assert waypoints[-1].y_m > 5 and min(w.speed_mps for w in waypoints) == pytest.approx(np.sqrt(20.0), abs=1.0)
    assert decide(keyframe.facts, without=frozenset({"path"})).actions == ("accelerate", "keep")


def test_above_the_limit_the_ego_slows_down_because_of_it() -> None:
    decision = decide(facts(18.0))
    assert decision.longitudinal == "decelerate" and _kinds(decision) == ["speed_limit"]
    assert decision.target_speed_mps == pytest.approx(LIMIT_MPS, abs=0.5)
    assert _kinds(decide(facts(LIMIT_MPS))) == ["free_road"]


def test_redundant_causes_are_causes_together() -> None:
    known = facts(8.0, Agent(3, 32.0), signal=("stop", 30.0))
    decision = decide(known)
    assert decision.longitudinal == "stop" and set(_kinds(decision)) == {"lead_vehicle", "signal"}
    subjects = frozenset(s for c in decision.causes if (s := subject_of(c)))
    assert decide(known, without=subjects).longitudinal != "stop"
    assert all(decide(known, only=frozenset({s})).longitudinal == "stop" for s in subjects)


def _streets(count: int) -> Iterator[KeyframeInput]:
    rng = np.random.default_rng(5)
    for _ in range(count):
        speed = float(rng.choice([0.0, rng.uniform(0.5, 14.0)]))
        agents = []
        if rng.random() < 0.5:
            lead = float(rng.uniform(0, 14))
            # near enough to matter, far enough to need no emergency
            closing = max(0.0, speed - lead)
            gap = max(rng.uniform(3, 50), speed, closing**2 / 4 + 0.8 * closing + 1.0)
            agents.append(Agent(1, LENGTH_M + float(gap), 0.0, lead))
        if rng.random() < 0.4:
            ahead = float(rng.uniform(10, 20) + 2.5 * speed)
            agents.append(Agent(2, ahead, -6.0, float(rng.uniform(1, 2)), np.pi / 2, "pedestrian", "crossing"))
        if rng.random() < 0.5:
            agents.append(Agent(4, float(rng.uniform(-20, 20)), 3.5, float(rng.uniform(0, 13)), 0, relation="adjacent"))
        signal = (str(rng.choice(["stop", "go"])), float(speed**2 / 4 + rng.uniform(2, 40)))
        path = bend(float(rng.uniform(8, 30)), speed**2 / 3 + 5, 90) if rng.random() < 0.3 else None
        yield street(
            speed,
            *agents,
            signal=signal if rng.random() < 0.5 else None,
            path=path,
            acceleration=float(rng.normal(0, 0.4)) if speed > 2 else 0.0,
        )


def test_causes_matter_and_nothing_else_does() -> None:
    judged = 0
    for keyframe in _streets(120):
        decision = decide(keyframe.facts)
        causes = {s for c in decision.causes if (s := subject_of(c))}
        limiting = {s for s in causes if s != "ego"}
        if limiting:
            judged += 1
            assert decide(keyframe.facts, without=frozenset(limiting)).actions != decision.actions
        for agent in keyframe.facts.agent_ids:
            if f"agent:{agent}" not in causes:
                assert decide(keyframe.facts, without=frozenset({f"agent:{agent}"})).actions == decision.actions
    assert judged > 30


def test_plans_do_what_was_decided_within_comfort() -> None:
    wrong = 0
    for keyframe in _streets(120):
        decision = decide(keyframe.facts)
        waypoints = plan(decision, keyframe.view)
        assert [w.t_s for w in waypoints] == [0.5 * i for i in range(17)]
        assert (waypoints[0].x_m, waypoints[0].y_m) == (0.0, 0.0)
        metrics = evaluate_plan(waypoints, keyframe.view).metrics
        for metric in ("kinematic_pass", "comfort_pass", "red_light_pass", "waypoint_timing_pass"):
            assert metrics.get(metric) in (None, 1.0), (metric, decision)
        driven = of_waypoints(waypoints, keyframe.view)
        assert driven is not None
        shown = meta_actions_of(driven.times_s, driven.x_m, driven.y_m, driven.heading_rad, driven.speed_mps)
        wrong += not agrees(decision.actions, shown)
    assert wrong <= 2, "a speed right at a threshold may read either way, but hardly ever"


def test_a_decision_made_by_hand_can_be_planned() -> None:
    keyframe = street(8.0)
    stop = plan(Decision("stop", "keep", 0.0, stop_at_m=25.0), keyframe.view)
    assert stop[-1].speed_mps < 0.3 and stop[-1].x_m == pytest.approx(25.0, abs=1.0)
    assert plan(Decision("accelerate", "keep", 12.0), keyframe.view)[-1].speed_mps == pytest.approx(12.0, abs=0.5)


def test_the_ego_merges_into_its_path_and_off_lanes_goes_on() -> None:
    offset = street(8.0, path=bend(1e6) + np.array([0.0, 0.8])).view
    x, y = path_track(offset).at(np.array([0.0, 60.0]))
    assert (x[0], y[0]) == (0.0, 0.0) and y[1] == pytest.approx(0.8, abs=0.05)
    far = street(8.0, path=bend(1e6) + np.array([0.0, 3.0])).view
    assert np.abs(path_track(far).at(np.arange(0.0, 60.0))[1]).max() < 0.05
    nowhere = street(8.0, path=np.empty((0, 2)))
    assert plan(decide(nowhere.facts), nowhere.view)[-1].x_m > 50
    assert decide(facts(0.0, path=np.empty((0, 2)))).actions == ("stop", "keep")


def test_a_crash_is_worse_than_discomfort() -> None:
    keyframe = street(12.0, Agent(3, 16.0 + LENGTH_M, 0.0, 0.0))
    metrics = evaluate_plan(plan(decide(keyframe.facts), keyframe.view), keyframe.view).metrics
    assert metrics["no_collision_constant_velocity"] == 1.0 and metrics["comfort_pass"] == 0.0
