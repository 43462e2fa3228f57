"""Defects in the plan: waypoints that no vehicle can follow, and smooth drives to where the ego must not go."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from dataset_platform.kernels.reasoning.mutants.rewriting import with_level
from dataset_platform.kernels.reasoning.mutations import Case, Mutation
from dataset_platform.kernels.reasoning.quality import collisions, roads
from dataset_platform.kernels.reasoning.quality.feasibility import FEASIBILITY
from dataset_platform.kernels.reasoning.quality.motion import STEP_S, Trajectory, of_waypoints
from dataset_platform.kernels.reasoning.trace import CoTTrace, Waypoint

Floats = NDArray[np.float64]
TELEPORT_M = 6.0
SWAY_M = 0.6
SWAYED = {11: 1.0, 13: -1.0}
"""One period of two seconds, late enough to change neither the action, which is read off the first four seconds, nor what
is judged at 3 and 5 s."""
ELSEWHERE = (*(f"{k}_{h}s_m" for h in (3, 5, 8) for k in ("ade", "fde")), "confidence_brier")
"""What any other plan may change: where it ends, and whether it succeeded."""


def _with_plan(case: Case, waypoints: Sequence[Waypoint]) -> CoTTrace:
    return with_level(case.trace, "trajectory_plan", waypoints=tuple(waypoints))


def _moved(waypoint: Waypoint, along_m: float, heading: float) -> Waypoint:
    x, y = waypoint.x_m + along_m * np.cos(heading), waypoint.y_m + along_m * np.sin(heading)
    return waypoint.model_copy(update={"x_m": float(x), "y_m": float(y)})


def _heading_at(case: Case, index: int) -> float:
    trajectory = of_waypoints(case.trace.trajectory_plan.waypoints, case.view)
    assert trajectory is not None, "a sound trace has a plan"
    time = case.trace.trajectory_plan.waypoints[index].t_s
    return float(np.interp(time, trajectory.times_s, trajectory.heading_rad))


def _teleport(case: Case) -> CoTTrace | None:
    """The last waypoint lies so far behind its place that no reverse drive at the stated speed leads to it."""
    waypoints = list(case.trace.trajectory_plan.waypoints)
    waypoints[-1] = _moved(waypoints[-1], -TELEPORT_M - waypoints[-1].speed_mps, _heading_at(case, -1))
    return _with_plan(case, waypoints)


def _jerk(case: Case) -> CoTTrace | None:
    """The plan sways back and forth, with speeds that say so: possible, and unbearable."""
    waypoints = list(case.trace.trajectory_plan.waypoints)
    if len(waypoints) <= max(SWAYED) + 1:
        return None
    for index, sign in SWAYED.items():
        waypoints[index] = _moved(waypoints[index], sign * SWAY_M, _heading_at(case, index))
    motion = of_waypoints(waypoints, case.view)
    assert motion is not None, "its times are those of a sound plan"
    for index in range(min(SWAYED) - 1, max(SWAYED) + 2):
        speed = float(np.interp(waypoints[index].t_s, motion.times_s, motion.speed_mps))
        waypoints[index] = waypoints[index].model_copy(update={"speed_mps": speed})
    return _with_plan(case, waypoints)


def _repeat_time(case: Case) -> CoTTrace | None:
    """The plan's last time is stated twice: times do not grow any more."""
    waypoints = list(case.trace.trajectory_plan.waypoints)
    last = waypoints[-1]
    return _with_plan(case, [*waypoints, last])


def _drive(case: Case, speed: Callable[[Floats], Floats], aside: Callable[[Floats], Floats]) -> CoTTrace:
    """A drive straight on at some speed, moving aside by metres as a function of time."""
    t = np.array([w.t_s for w in case.trace.trajectory_plan.waypoints])
    fine = np.arange(round(t[-1] / 0.01) + 1) * 0.01
    v = speed(fine)
    x = np.concatenate([[0.0], np.cumsum((v[1:] + v[:-1]) / 2 * 0.01)])
    y = aside(fine)
    across = np.gradient(y, fine)
    rows = zip(t, np.interp(t, fine, x), np.interp(t, fine, y), np.interp(t, fine, np.hypot(v, across)), strict=True)
    return _with_plan(case, [Waypoint(t_s=a, x_m=b, y_m=c, speed_mps=d) for a, b, c, d in rows])


def _smooth(start: float, end: float, over_s: float) -> Callable[[Floats], Floats]:
    """From one value to another within some seconds, with no slope and no curvature at either end."""

    def curve(t: Floats) -> Floats:
        u = np.clip(t / over_s, 0, 1)
        return start + (end - start) * u**3 * (10 - 15 * u + 6 * u**2)

    return curve


def _straight(case: Case, speed: float) -> tuple[CoTTrace, Trajectory]:
    trace = _drive(case, _smooth(case.view.ego_speed_mps, speed, 5.0), _smooth(0, 0, 1.0))
    trajectory = of_waypoints(trace.trajectory_plan.waypoints, case.view)
    assert trajectory is not None, "a drive has times that grow"
    return trace, trajectory


def _other_speed(case: Case) -> CoTTrace | None:
    """A smooth drive straight on, much faster than now."""
    return _straight(case, case.view.ego_speed_mps + 14.0)[0]


def _overspeed(case: Case) -> CoTTrace | None:
    """Speeds up to far above the limit; only where lanes with a limit lie straight ahead."""
    limits = [lane.speed_limit_mps for lane in case.view.lanes if lane.speed_limit_mps is not None]
    if not limits:
        return None
    trace, motion = _straight(case, max(limits) + 8.0)
    fit = roads.lane_fit(motion, case.view)
    return trace if fit is not None and np.nanmax(np.r_[fit.over_limit_mps, -1.0]) > roads.OVERSPEED_MPS else None


def _leave_road(case: Case) -> CoTTrace | None:
    """Moves over by forty metres, or as far as it takes to be off every lane of a whole map."""
    speed = max(case.view.ego_speed_mps, 6.0)
    if case.view.sampled_map or not case.view.lanes:
        return None
    for side in (40.0, -40.0, 80.0, -80.0):
        trace = _drive(case, _smooth(case.view.ego_speed_mps, speed, 4.0), _smooth(0, side, 8.0))
        motion = of_waypoints(trace.trajectory_plan.waypoints, case.view)
        fit = None if motion is None else roads.lane_fit(motion, case.view)
        if fit is not None and fit.distance_m[0] < roads.OFF_LANES_M < fit.distance_m.max() - 1.0:
            return trace
    return None


def _wrong_way(case: Case) -> CoTTrace | None:
    """Moves over into a lane that comes towards the ego."""
    if case.view.sampled_map:
        return None
    for side in (3.5, 7.0, 10.5, 14.0):
        trace = _drive(
            case, _smooth(case.view.ego_speed_mps, max(case.view.ego_speed_mps, 8.0), 4.0), _smooth(0, side, 4.0)
        )
        motion = of_waypoints(trace.trajectory_plan.waypoints, case.view)
        fit = None if motion is None else roads.lane_fit(motion, case.view)
        if motion is not None and fit is not None and roads.wrong_way_m(motion, fit) > roads.WRONG_WAY_FAIL_M:
            return trace
    return None


def _run_red(case: Case) -> CoTTrace | None:
    """Drives on over the stop point of a red light."""
    if not any(s.state in roads.RED for s in case.view.signals):
        return None
    trace, motion = _straight(case, max(case.view.ego_speed_mps, 10.0))
    crossings = roads.signal_crossings(motion, case.view, case.future)
    return trace if any(c.state in roads.RED for c in crossings) else None


def _ram(case: Case) -> CoTTrace | None:
    """Drives on into what stands or drives slower straight ahead, within the horizon of constant velocity."""
    trace, motion = _straight(case, case.view.ego_speed_mps + 8.0)
    near = motion.until(collisions.CONSTANT_VELOCITY_S)
    hits = collisions.contacts(near, case.view, collisions.constant_velocity(case.view, near.times_s))
    return trace if any(c.kind in ("front", "parked") for c in hits) else None


def _ram_logged(case: Case) -> CoTTrace | None:
    """Drives on into what the log has ahead."""
    if case.future is None or len(case.future.times_s) < 2:
        return None
    trace, motion = _straight(case, case.view.ego_speed_mps + 8.0)
    timed = motion.until(float(case.future.times_s[-1]) + STEP_S / 2)
    hits = collisions.contacts(timed, case.view, collisions.logged(case.future, timed.times_s))
    return trace if any(c.kind in ("front", "parked") for c in hits) else None


DRIVEN = (*FEASIBILITY, *ELSEWHERE, "meta_action_agreement", "plan_respects_predictions", "number_groundedness")
"""What another drive may change: all that is judged of the plan, and words that cite its numbers."""


def _other_drive(name: str, what: str, moves: tuple[str, ...], apply: Callable[[Case], CoTTrace | None]) -> Mutation:
    return Mutation(name, what, moves, apply, tuple(m for m in DRIVEN if m not in moves))


PLANS = (
    Mutation(
        "teleport_waypoint",
        "the last waypoint lies metres behind its place",
        ("kinematic_pass", "comfort_pass", "waypoint_timing_pass", "fde_8s_m"),
        _teleport,
        (
            *("ade_8s_m", "confidence_brier", "no_collision_logged", "min_ttc_pass", "overspeed_pass"),
            *("number_groundedness", "meta_action_agreement"),
        ),
    ),
    Mutation(
        "jerk_spike",
        "the plan sways back and forth",
        ("comfort_pass",),
        _jerk,
        ("confidence_brier", "no_collision_logged", "min_ttc_pass", "meta_action_agreement", "number_groundedness"),
    ),
    Mutation("repeat_time", "a time is stated twice", ("waypoint_timing_pass",), _repeat_time),
    _other_drive("other_speed", "a much faster drive", ELSEWHERE[:-1], _other_speed),
    _other_drive("overspeed", "far above the limit", ("overspeed_pass",), _overspeed),
    _other_drive("leave_road", "away from all lanes", ("on_road",), _leave_road),
    _other_drive("wrong_way", "into a lane that comes towards the ego", ("wrong_way_pass",), _wrong_way),
    _other_drive("run_red_light", "over the stop point of a red light", ("red_light_pass",), _run_red),
    _other_drive("ram", "into what is ahead", ("no_collision_constant_velocity",), _ram),
    _other_drive("ram_logged", "into what the log has ahead", ("no_collision_logged", "min_ttc_pass"), _ram_logged),
)
