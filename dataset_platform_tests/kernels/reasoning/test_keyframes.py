"""Keyframes: where they lie, and that nothing in them is later than their step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dataset_platform.contracts.reasoning import Keyframes
from dataset_platform.kernels.driving.scene import Scene, Signals
from dataset_platform.kernels.reasoning.keyframes import keyframe_steps, logged_actions, trace_id_of
from dataset_platform.kernels.reasoning.rule_traces import write
from dataset_platform.kernels.reasoning.settings import KeyframeConfig
from dataset_platform.kernels.reasoning.view import LoggedFuture, PlanView
from dataset_platform_tests.kernels.reasoning.real_keyframes import SCENARIO, input_of, keyframes_of, real_scene

EXAMPLE = "motion_data_one_example.tfrecord"
LATER = ("x", "y", "heading", "velocity_x", "velocity_y")
EGO_LATER = ("ego_x", "ego_y", "ego_heading", "ego_velocity_x", "ego_velocity_y")


def _drive(speed: np.ndarray, current_step: int = 10) -> Scene:
    """An ego alone on an empty plane, at 10 Hz."""
    n = len(speed)
    none, flat = np.empty((0, n)), np.zeros(n)
    x = np.concatenate([[0.0], np.cumsum((speed[1:] + speed[:-1]) / 2 * 0.1)])
    return Scene(
        "drive", "scenario", np.arange(n), np.arange(n) * 0.1, current_step, np.empty(0, np.int64), (),
        *(none,) * 9, np.empty((0, n), bool), 1, x, flat, flat, speed, flat, 4.8, 2.0,
        Signals(np.empty(0, np.int64), np.empty((0, n), np.int8), none, none),
    )  # fmt: skip


def test_keyframes_lie_at_now_and_where_the_action_changes() -> None:
    t = np.arange(0, 20.05, 0.1)
    speed = np.interp(t, [0, 6, 9, 13, 17], [10, 10, 5, 5, 10])
    found = keyframe_steps(_drive(speed), KeyframeConfig())
    assert (10, "current_step") in found
    reasons = [r for _, r in found]
    assert "action changes: maintain to decelerate" in reasons
    assert any(r.endswith("to accelerate") for r in reasons)
    assert all(b - a >= 10 for (a, _), (b, _) in zip(found, found[1:], strict=False))
    assert [i for i, _ in keyframe_steps(_drive(np.full(91, 8.0)), KeyframeConfig())] == [10]


def test_keyframes_need_past_and_future_and_keep_to_their_number() -> None:
    t = np.arange(0, 30.05, 0.1)
    scene = _drive(8 + 3 * np.sin(t))
    config = KeyframeConfig(max_per_scenario=4)
    found = keyframe_steps(scene, config)
    assert len(found) == 4 and len(keyframe_steps(scene, KeyframeConfig(max_per_scenario=50))) > 4
    assert all(scene.times_s[i] + 1e-3 >= 1.0 and scene.times_s[-1] - scene.times_s[i] >= 3.0 - 1e-3 for i, _ in found)
    assert keyframe_steps(_drive(np.full(20, 8.0), 10), KeyframeConfig()) == []
    assert keyframe_steps(_drive(np.full(91, 8.0), 5), KeyframeConfig()) == []
    assert logged_actions(scene, len(t) - 1) is None


def test_trace_ids_tell_frames_and_days_apart() -> None:
    ids = {trace_id_of(f, d) for f in ("a:1", "a:11") for d in ("2026-01-01", "2026-01-02")}
    assert len(ids) == 4 and {len(i) for i in ids} == {32}


@pytest.mark.parametrize("name", [SCENARIO, EXAMPLE])
def test_real_keyframes_hold_to_their_contract(real_data: Path, name: str) -> None:
    scene = real_scene(real_data, name)
    rows = keyframes_of(scene)
    assert [r["step"] for r in rows][:1] == [10] and rows[0]["keyframe_reason"] == "current_step"
    assert set(rows[0]) == set(Keyframes.data_schema().names)
    for row in rows:
        view, future = PlanView.of_json(row["view"]), LoggedFuture.of_json(row["future"])
        index = int(np.flatnonzero(scene.steps == row["step"])[0])
        assert view.ego_speed_mps == pytest.approx(scene.ego_speed[index], abs=1e-5)
        assert (future.times_s[0], future.x_m[0], future.y_m[0]) == (0, 0, 0)
        assert row["past_s"] >= 0.99 and row["future_s"] >= 2.99
        moved = np.hypot(scene.ego_x[-1] - scene.ego_x[index], scene.ego_y[-1] - scene.ego_y[index])
        assert np.hypot(future.x_m[-1], future.y_m[-1]) == pytest.approx(moved, abs=0.01)
        assert len(view.agent_id) == len(set(view.agent_id.tolist()))
        seen = {f"agent:{i}" for i in view.agent_id.tolist()}
        assert {f["subject"] for f in row["facts"] if f["subject"].startswith("agent:")} <= seen


@pytest.mark.parametrize("name", [SCENARIO, EXAMPLE])
def test_nothing_later_than_now_reaches_facts_view_or_trace(real_data: Path, name: str) -> None:
    scene = real_scene(real_data, name)
    now = int(np.flatnonzero(scene.steps == scene.current_step)[0])
    rng = np.random.default_rng(3)

    def disturbed(values: np.ndarray) -> np.ndarray:
        out = values.astype(float).copy()
        out[..., now + 1 :] += rng.normal(0, 3.0, out[..., now + 1 :].shape)
        return out

    signals = scene.signals
    state = signals.state.copy()
    state[:, now + 1 :] = rng.integers(0, 9, state[:, now + 1 :].shape)
    other = replace(
        scene,
        **{n: disturbed(getattr(scene, n)) for n in (*LATER, *EGO_LATER)},
        signals=replace(signals, state=state, stop_x=disturbed(signals.stop_x), stop_y=disturbed(signals.stop_y)),
    )
    config = KeyframeConfig(max_per_scenario=1)
    [before], [after] = keyframes_of(scene, config), keyframes_of(other, config)
    assert before["future"] != after["future"]
    assert before["facts"] == after["facts"] and before["view"] == after["view"]
    assert write(input_of(before)) == write(input_of(after))
