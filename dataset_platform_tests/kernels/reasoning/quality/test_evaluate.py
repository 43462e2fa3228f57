"""Whole traces: rule traces of the real records score as they must, and validators stop bad ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest

from dataset_platform.contracts.driving_types import CLAIM
from dataset_platform.contracts.reasoning import METRICS
from dataset_platform.demo.driving.world import sample_scenes
from dataset_platform.kernels.reasoning import rule_traces
from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.mutants import MUTATIONS
from dataset_platform.kernels.reasoning.mutations import Case, detection_matrix, worse
from dataset_platform.kernels.reasoning.planner import Decision, decide
from dataset_platform.kernels.reasoning.quality.card import matrix_table
from dataset_platform.kernels.reasoning.quality.coverage import mentioned_agents
from dataset_platform.kernels.reasoning.quality.evaluate import VALIDATORS, evaluate, failing_validators
from dataset_platform.kernels.reasoning.quality.outcome import succeeded
from dataset_platform.kernels.reasoning.rule_traces import KeyframeInput, write
from dataset_platform.kernels.reasoning.trace import CoTTrace
from dataset_platform.kernels.reasoning.view import LoggedFuture
from dataset_platform_tests.kernels.reasoning.quality.cases import cases_of, real_scenes

STEPS = (10, 25, 40)
FOR_SURE = 0.99
STAY = 0.95


@pytest.fixture(scope="module")
def cases(real_data: Path) -> list[Case]:
    return [case for scene in real_scenes(real_data) for case in cases_of(scene, STEPS)]


def test_rule_traces_are_grounded(cases: list[Case]) -> None:
    for case in cases:
        quality = evaluate(case.trace, case.facts, case.view, case.future)
        assert tuple(quality.metrics) == METRICS
        assert all(set(c) == {f.name for f in CLAIM} for c in quality.claims)
        wrong = [c for c in quality.claims if c["metric"] == "number_groundedness" and not c["passed"]]
        assert quality.metrics["number_groundedness"] == 1.0, wrong
        assert quality.metrics["hallucinated_agent_rate"] == 0.0
        assert quality.metrics["future_leak"] == 0.0
        assert quality.metrics["contradiction_rate"] in (None, 0.0)
        assert quality.metrics["level_completeness"] == 1.0
        assert quality.metrics["kinematic_pass"] == 1.0 and quality.metrics["waypoint_timing_pass"] == 1.0


def test_the_waiting_ego_is_explained_and_its_plan_is_what_the_log_did(cases: list[Case]) -> None:
    case = next(c for c in cases if c.trace.frame_id == "637f20cafde22ff8:10")
    metrics = evaluate(case.trace, case.facts, case.view, case.future).metrics
    for name in ("light_state_accuracy", "lane_accuracy", "red_light_pass", "cause_exists", "maneuver_accuracy"):
        assert metrics[name] == 1.0, name
    assert metrics["ade_8s_m"] is not None and metrics["ade_8s_m"] < 0.1
    assert succeeded(metrics)


def test_without_a_future_outcome_is_not_judged_and_nothing_else_changes(cases: list[Case]) -> None:
    case = cases[0]
    metrics = evaluate(case.trace, case.facts, case.view, None).metrics
    needs_log = [m for m in METRICS if m.endswith("_m")] + ["no_collision_logged", "future_leak", "confidence_brier"]
    assert all(metrics[m] is None for m in needs_log)
    assert case.future is not None
    ends_here = replace(case.future, **{n: getattr(case.future, n)[:1] for n in ("times_s", "x_m", "y_m")})
    assert evaluate(case.trace, case.facts, case.view, ends_here).metrics == metrics
    assert set(VALIDATORS) <= {m for m in METRICS if m not in needs_log}


def test_a_plan_that_is_the_log_is_nearest_to_it(cases: list[Case]) -> None:
    case = next(c for c in cases if c.trace.frame_id == "a3bb37c25ce56418:10")
    assert case.future is not None
    logged = []
    for waypoint in case.trace.trajectory_plan.waypoints:
        at = {
            n: float(np.interp(waypoint.t_s, case.future.times_s, getattr(case.future, n)))
            for n in ("x_m", "y_m", "speed_mps")
        }
        logged.append(waypoint.model_copy(update=at))
    level = case.trace.trajectory_plan.model_copy(update={"waypoints": tuple(logged)})
    metrics = evaluate(
        case.trace.model_copy(update={"trajectory_plan": level}), case.facts, case.view, case.future
    ).metrics
    assert metrics["ade_5s_m"] is not None and metrics["ade_5s_m"] < 0.1
    for name in ("kinematic_pass", "comfort_pass", "no_collision_logged", "min_ttc_pass", "waypoint_timing_pass"):
        assert metrics[name] == 1.0, name


def test_validators_stop_defects_that_need_no_future(cases: list[Case]) -> None:
    stopped = {"scale_number", "invent_agent", "flip_light", "teleport_waypoint", "break_probabilities", "empty_level"}
    stopped |= {"contradict_action_text", "flip_direction_text", "ram", "remove_agent_cause", "false_alternative"}
    stopped |= {"contradict_risk", "idle_cause", "predict_into_plan", "wrong_unit"}
    stopped |= {"wrong_lane", "ghost_cause", "drop_alternatives", "jerk_spike", "run_red_light", "contradict_value"}
    by_name = {m.name: m for m in MUTATIONS}
    for name in stopped:
        for case in cases:
            mutant = by_name[name].apply(case)
            if mutant is not None:
                assert failing_validators(mutant, case.facts, case.view), (name, case.trace.frame_id)


def test_every_metric_has_a_mutation_that_moves_it() -> None:
    assert not [m for m in METRICS if not any(m in mutation.moves for mutation in MUTATIONS)]
    assert len({m.name for m in MUTATIONS}) == len(MUTATIONS) >= 12
    assert all(set(m.moves) | set(m.follows) <= set(METRICS) and not set(m.moves) & set(m.follows) for m in MUTATIONS)


def test_numbers_of_any_later_step_are_leaks_and_misread_lights_are_none(cases: list[Case]) -> None:
    case = next(c for c in cases if c.trace.frame_id == "a3bb37c25ce56418:10")
    assert case.future is not None

    def leak(sentence: str) -> float | None:
        level = case.trace.justification
        level = level.model_copy(update={"text": f"{level.text} {sentence}"})
        trace = case.trace.model_copy(update={"justification": level})
        return evaluate(trace, case.facts, case.view, case.future).metrics["future_leak"]

    speed = float(case.future.speed_mps[37]) + 3.0
    faster = replace(case.future, speed_mps=np.where(np.arange(len(case.future.times_s)) == 37, speed, 0.0))
    case = replace(case, future=faster)
    assert leak(f"The ego drives at {speed:.2f} m/s.") != 0.0
    assert leak(f"The ego drives at {speed + 0.05:.2f} m/s.") == 0.0
    signal = case.trace.scene_description.signal
    if signal is not None:
        assert leak(f"The signal of lane {signal.lane_id} shows a yellow light.") == 0.0


def test_agents_that_the_log_marks_must_be_spoken_of(cases: list[Case]) -> None:
    case = next(c for c in cases if c.trace.frame_id == "637f20cafde22ff8:10")
    assert case.future is not None
    spoken = mentioned_agents(case.trace)
    silent = next(i for i in case.facts.agent_ids if i not in spoken)
    for marked, recalled in (((next(iter(spoken)),), True), ((silent,), False)):
        future = replace(case.future, marked_agents=marked)
        again = LoggedFuture.of_json(future.to_json())
        assert again.marked_agents == marked
        metrics = evaluate(case.trace, case.facts, case.view, again).metrics
        assert (metrics["critical_agent_recall"] == 1.0) is recalled
    old = orjson.loads(case.future.to_json())
    del old["marked_agents"]
    assert LoggedFuture.of_json(orjson.dumps(old).decode()).marked_agents == ()


def test_a_number_said_twice_of_one_thing_is_redundant(cases: list[Case]) -> None:
    case = cases[0]
    agent = case.trace.scene_description.agents[0]
    more = f" Agent {agent.agent_id} keeps a distance of {agent.distance_m:.1f} m."
    level = case.trace.scene_description
    level = level.model_copy(update={"text": level.text + more})
    trace = case.trace.model_copy(update={"scene_description": level})
    before, after = (evaluate(t, case.facts, case.view, None).metrics["redundancy"] for t in (case.trace, trace))
    assert before == 0.0 and after is not None and after > 0.0


def blind_trace(case: Case, monkeypatch: pytest.MonkeyPatch) -> CoTTrace:
    """The rule trace of a writer to whom no other road user is there when it decides."""
    others = frozenset(f"agent:{i}" for i in case.facts.agent_ids)

    def blind(facts: Facts, **given: frozenset[str]) -> Decision:
        return decide(facts, without=others | given.pop("without", frozenset()), **given)

    trace = case.trace
    with monkeypatch.context() as patched:
        patched.setattr(rule_traces, "decide", blind)
        return write(
            KeyframeInput(trace.trace_id, trace.frame_id, trace.scenario_id, trace.step, case.facts, case.view)
        )


def test_validators_stop_a_writer_that_ignores_others_and_let_good_traces_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sound = [case for scene in sample_scenes(10, 8) for case in cases_of(scene)]
    assert sum(bool(failing_validators(c.trace, c.facts, c.view)) for c in sound) <= 0.05 * len(sound)
    held = [
        c
        for c in sound
        if decide(c.facts).longitudinal
        != decide(c.facts, without=frozenset(f"agent:{i}" for i in c.facts.agent_ids)).longitudinal
    ]
    assert len(held) >= 3
    for case in held:
        assert failing_validators(blind_trace(case, monkeypatch), case.facts, case.view), case.trace.frame_id


def test_a_figure_that_was_not_judged_before_is_worse_only_below_its_best() -> None:
    assert worse("red_light_pass", None, 0.5) and not worse("red_light_pass", None, 1.0)
    assert worse("redundancy", None, 0.2) and not worse("redundancy", None, 0.0)
    assert not worse("redundancy", 0.2, None)


def assert_detected(cases: list[Case], least: int) -> None:
    """Every mutation is put into at least so many traces, and detected in them."""
    found = detection_matrix(cases)
    seldom = {d.mutation.name: d.applied for d in found if d.applied < least}
    assert not seldom, f"put into fewer than {least} traces: {seldom}"
    for detection in found:
        for metric in detection.mutation.moves:
            share = detection.detected(metric)
            assert share is not None and share >= FOR_SURE, (detection.mutation.name, metric, share)
        stayed = detection.stayed()
        assert stayed is not None and stayed >= STAY, (detection.mutation.name, detection.strays())
        assert all(share <= 1 - STAY for share in detection.strays().values()), (
            detection.mutation.name,
            detection.strays(),
        )
    assert matrix_table(found).count("\n") == len(MUTATIONS) + 1


@pytest.mark.slow
def test_mutations_are_detected(real_data: Path) -> None:
    cases = [case for scene in real_scenes(real_data) for case in cases_of(scene, range(10, 61, 10))]
    cases += [case for seed in (8, 21) for scene in sample_scenes(20, seed) for case in cases_of(scene)]
    assert_detected(cases, 5)


def test_some_mutations_are_detected_in_a_few_traces(cases: list[Case]) -> None:
    names = (
        "scale_number",
        "swap_ids",
        "flip_light",
        "leak_future",
        "teleport_waypoint",
        "contradict_risk",
        "ghost_cause",
    )
    found = detection_matrix(cases[::2], [m for m in MUTATIONS if m.name in names])
    for detection in found:
        assert detection.applied
        assert all(detection.detected(m) in (None, 1.0) for m in detection.mutation.moves), detection.mutation.name
        assert not detection.strays(), detection.mutation.name
