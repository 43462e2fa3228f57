"""Limits of plans on a made-up street, and the logged human future held to the same ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dataset_platform.kernels.reasoning.quality import collisions
from dataset_platform.kernels.reasoning.quality.boxes import Boxes, overlap
from dataset_platform.kernels.reasoning.quality.feasibility import evaluate_log, evaluate_plan
from dataset_platform.kernels.reasoning.quality.motion import dynamics, of_waypoints
from dataset_platform.kernels.reasoning.trace import Waypoint
from dataset_platform.kernels.reasoning.view import LoggedFuture, PlanView
from dataset_platform_tests.kernels.reasoning.quality.cases import cases_of, real_scenes, street, with_agents

T = np.arange(17) * 0.5
Drive = Callable[[np.ndarray], np.ndarray]


def plan(x: Drive, y: Drive = np.zeros_like, t: np.ndarray = T) -> list[Waypoint]:
    fine = 1e-3
    speed = np.hypot(x(t + fine) - x(t - fine), y(t + fine) - y(t - fine)) / (2 * fine)
    rows = zip(t.tolist(), x(t).tolist(), y(t).tolist(), speed.tolist(), strict=True)
    return [Waypoint(t_s=a, x_m=b, y_m=c, speed_mps=d) for a, b, c, d in rows]


def failed(waypoints: list[Waypoint], view: PlanView, future: LoggedFuture | None = None) -> set[str]:
    return {n for n, v in evaluate_plan(waypoints, view, future).metrics.items() if v is not None and v < 1}


def steady(t: np.ndarray) -> np.ndarray:
    return 10.0 * t


def braking(t: np.ndarray) -> np.ndarray:
    """To a stop within 35 m: 10 m/s, then a smooth fade of the speed over 7 s."""
    u = np.minimum(t / 7.0, 1)
    return 70.0 * (u - u**4 * (2.5 - 3 * u + u**2))


def test_a_steady_drive_passes_everything() -> None:
    ledger = evaluate_plan(plan(steady), street())
    assert {n for n, v in ledger.metrics.items() if v != 1} == {"no_collision_logged"}
    assert ledger.metrics["no_collision_logged"] is None


def test_a_spline_through_waypoints_meets_them_and_starts_at_the_speed_of_the_ego() -> None:
    waypoints = plan(braking)
    motion = of_waypoints(waypoints, street())
    assert motion is not None
    every = motion.x_m[::5]
    assert np.allclose(every, [w.x_m for w in waypoints], atol=1e-9)
    assert motion.speed_mps[0] == pytest.approx(10.0)
    assert np.abs(motion.speed_mps[::5] - [w.speed_mps for w in waypoints]).max() < 0.05


def test_smoothed_derivatives_are_those_of_the_motion() -> None:
    motion = of_waypoints(plan(lambda t: 10 * t + 0.5 * t**2), street())
    assert motion is not None
    found = dynamics(motion)
    assert np.allclose(found.longitudinal_acceleration, 1.0, atol=0.02)
    assert np.abs(found.jerk).max() < 0.1


def test_hard_braking_is_uncomfortable_and_possible() -> None:
    def hard(t: np.ndarray) -> np.ndarray:
        brake = np.minimum(t, 10 / 7.0)
        return 10 * brake - 3.5 * brake**2

    assert failed(plan(hard), street()) >= {"comfort_pass"}
    assert "kinematic_pass" not in failed(plan(hard), street())


def test_a_jump_is_impossible() -> None:
    waypoints = plan(steady)
    waypoints[8] = waypoints[8].model_copy(update={"x_m": waypoints[8].x_m + 8})
    assert failed(waypoints, street()) >= {"kinematic_pass", "comfort_pass", "waypoint_timing_pass"}


@pytest.mark.parametrize("at", [0, 5])
def test_times_that_do_not_grow_and_a_start_elsewhere_fail(at: int) -> None:
    waypoints = plan(steady)
    moved = {"t_s": 2.0} if at else {"y_m": 0.8}
    waypoints[at] = waypoints[at].model_copy(update=moved)
    assert "waypoint_timing_pass" in failed(waypoints, street())


def test_a_plan_of_one_time_is_no_motion() -> None:
    waypoints = [Waypoint(t_s=0, x_m=0, y_m=0, speed_mps=10)] * 2
    assert failed(waypoints, street()) == {"kinematic_pass", "comfort_pass", "waypoint_timing_pass"}


def test_red_lights_hold_as_long_as_the_log_says() -> None:
    red = street(signal="stop")
    assert "red_light_pass" in failed(plan(steady), red)
    assert "red_light_pass" not in failed(plan(braking), red)
    assert "red_light_pass" not in failed(plan(steady), street(signal="unknown"))
    times = np.arange(81) / 10
    nobody = np.zeros((0, 81))
    turns = LoggedFuture(
        times, 10 * times, 0 * times, 0 * times, 10 + 0 * times, np.zeros(0, np.int64), nobody, nobody, nobody,
        np.zeros(0), np.zeros(0), np.array([1]), np.where(times < 3, 4, 6)[None].astype(np.int64),
    )  # fmt: skip
    assert "red_light_pass" not in failed(plan(steady), red, turns), "it is green by the time the ego is there"


def test_a_red_light_of_another_lane_is_not_the_egos() -> None:
    view = street()
    beside = replace(view.signals[0], lane_id=2, stop_y_m=-3.5, state="stop")
    assert "red_light_pass" not in failed(plan(steady), replace(view, signals=(*view.signals, beside)))


def test_speeds_far_over_the_limit_fail() -> None:
    assert failed(plan(lambda t: 10 * t + 0.5 * t**2), street()) == {"overspeed_pass"}


def test_leaving_the_road_and_the_wrong_way_fail() -> None:
    def over(far: float) -> Drive:
        return lambda t: (
            far * np.clip(t / 6, 0, 1) ** 3 * (10 - 15 * np.clip(t / 6, 0, 1) + 6 * np.clip(t / 6, 0, 1) ** 2)
        )

    assert "on_road" in failed(plan(steady, over(-9.0)), street())
    assert "wrong_way_pass" in failed(plan(steady, over(3.5)), street())
    assert not failed(plan(steady, over(-3.5)), street())


def test_what_stands_or_crawls_ahead_is_hit_and_what_comes_from_behind_is_not_our_fault() -> None:
    assert failed(plan(steady), with_agents(street(), (5, 25.0, 0.0, 0.0, 0.0))) >= {
        "no_collision_constant_velocity",
        "min_ttc_pass",
    }
    behind = with_agents(street(), (5, -12.0, 0.0, 18.0, 0.0))
    assert not failed(plan(steady), behind)
    beside = with_agents(street(), (5, 0.0, 3.5, -10.0, 0.0))
    assert not failed(plan(steady), beside)


def test_a_standing_ego_causes_no_collision() -> None:
    view = with_agents(street(speed=0.0), (5, 20.0, 0.0, -10.0, 0.0))
    assert "no_collision_constant_velocity" not in failed(plan(np.zeros_like), view)
    hits = collisions.contacts(
        motion := of_waypoints(plan(np.zeros_like), view).until(3.0),  # type: ignore[union-attr]
        view,
        collisions.constant_velocity(view, motion.times_s),
    )
    assert [c.kind for c in hits] == ["standing"]


def test_an_agent_first_seen_where_it_is_touched_is_not_parked_if_it_moves_on() -> None:
    view = street()
    motion = of_waypoints(plan(steady), view)
    assert motion is not None
    near = motion.until(3.0)
    first = 20  # 20 m ahead of the start, where the ego is by then

    def kind(moves: float) -> str:
        x = np.full((1, near.length), np.nan)
        x[0, first:] = near.x_m[first] + 3.0 + moves * (near.times_s[first:] - near.times_s[first])
        zero = np.zeros_like(x)
        size = np.array([4.8]), np.array([2.0])
        return collisions.contacts(near, view, collisions.Others(np.array([5]), x, zero, zero, *size))[0].kind

    assert kind(4.0) == "front" and kind(0.0) == "parked"


def test_overlap_of_boxes_agrees_with_sampling() -> None:
    rng = np.random.default_rng(7)
    n = 400
    a = Boxes(*(rng.uniform(-1, 1, n) for _ in range(2)), rng.uniform(-3, 3, n), np.full(n, 3.0), np.full(n, 1.5))
    b = Boxes(*(rng.uniform(-4, 4, n) for _ in range(2)), rng.uniform(-3, 3, n), np.full(n, 2.0), np.full(n, 1.0))
    grid = np.stack(np.meshgrid(np.linspace(-0.5, 0.5, 41), np.linspace(-0.5, 0.5, 41)), -1).reshape(-1, 2)
    px, py = grid[:, :1] * 2.0, grid[:, 1:] * 1.0
    x = b.x_m + px * np.cos(b.heading_rad) - py * np.sin(b.heading_rad) - a.x_m
    y = b.y_m + px * np.sin(b.heading_rad) + py * np.cos(b.heading_rad) - a.y_m
    along = x * np.cos(a.heading_rad) + y * np.sin(a.heading_rad)
    across = y * np.cos(a.heading_rad) - x * np.sin(a.heading_rad)
    inside = ((np.abs(along) < 1.5) & (np.abs(across) < 0.75)).any(axis=0)
    found = overlap(a, b)
    assert not (inside & ~found).any(), "a shared point is an overlap"
    assert (inside != found).mean() < 0.03, "an overlap without a sampled shared point is a sliver"


def test_the_logged_human_future_passes_every_metric(real_data: Path) -> None:
    steps = range(10, 61, 5)
    for scene in real_scenes(real_data):
        cases = cases_of(scene, steps)
        assert len(cases) == len(steps)
        for case in cases:
            assert case.future is not None
            ledger = evaluate_log(case.view, case.future)
            broken = [c for c in ledger.claims if not c["passed"]]
            assert not broken, f"{case.trace.frame_id}: {broken}"
            assert ledger.metrics["comfort_pass"] == 1 and ledger.metrics["no_collision_logged"] == 1
