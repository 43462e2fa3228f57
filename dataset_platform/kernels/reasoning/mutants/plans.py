"""Defects in the plan: waypoints that no vehicle can follow, and smooth drives to where the ego must not go."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from dataset_platform.contracts.driving_types import SIGNAL_STATES
from dataset_platform.kernels.reasoning.mutants.rewriting import with_level
from dataset_platform.kernels.reasoning.mutations import Case, Mutation
from dataset_platform.kernels.reasoning.quality.feasibility import FEASIBILITY
from dataset_platform.kernels.reasoning.quality.motion import of_waypoints
from dataset_platform.kernels.reasoning.trace import CoTTrace, Waypoint
from dataset_platform.kernels.reasoning.view import ViewLane

Floats = NDArray[np.float64]
TELEPORT_M = 6.0
BESIDE_M = 2.0
"""A place this near to a point of a centre line is on its lane: points lie at most about as far apart."""
FAR_M = 12.0
"""A place this far from all centre lines is on no lane."""
RUSH_MPS, SOON_S = 16.0, 2.9
"""How much faster a drive gets within two and a half seconds to run into what is ahead, and by when it has to."""
STRAIGHT_RAD = np.deg2rad(10.0)
SIDES_M = tuple(np.arange(2.5, 15.0, 0.5).tolist())
RED_STATES = ("stop", "arrow_stop")
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


def _straight(case: Case, speed: float) -> CoTTrace:
    return _drive(case, _smooth(case.view.ego_speed_mps, speed, 5.0), _smooth(0, 0, 1.0))


def _other_speed(case: Case) -> CoTTrace | None:
    """A smooth drive straight on, much faster than now."""
    return _straight(case, case.view.ego_speed_mps + 14.0)


def _overspeed(case: Case) -> CoTTrace | None:
    """Speeds up to far above every limit, where a lane with a limit runs under the fast part of a drive straight on."""
    posted = [lane for lane in case.view.lanes if lane.speed_limit_mps is not None]
    if not posted:
        return None
    most = max(lane.speed_limit_mps or 0.0 for lane in posted)
    trace = _straight(case, most + 8.0)
    at, heading = _lane_points(posted)
    under = at[np.abs(heading) < np.deg2rad(30.0)]
    fast = [w for w in trace.trajectory_plan.waypoints if w.speed_mps > most + 4.0]
    return trace if any(_apart(w.x_m, w.y_m, under) < BESIDE_M for w in fast) else None


def _leave_road(case: Case) -> CoTTrace | None:
    """Moves over by forty metres, or as far as it takes to end far from every lane of a whole map."""
    view = case.view
    speed = max(view.ego_speed_mps, 6.0)
    if view.sampled_map or not view.lanes:
        return None
    points = np.concatenate([lane.points for lane in view.lanes])
    for side in (40.0, -40.0, 80.0, -80.0):
        trace = _drive(case, _smooth(view.ego_speed_mps, speed, 4.0), _smooth(0, side, 8.0))
        last = trace.trajectory_plan.waypoints[-1]
        if _apart(0.0, 0.0, points) < BESIDE_M and _apart(last.x_m, last.y_m, points) > FAR_M:
            return trace
    return None


def _wrong_way(case: Case) -> CoTTrace | None:
    """Moves over into a lane that comes straight towards the ego, where none goes its way."""
    view = case.view
    if view.sampled_map:
        return None
    at, heading = _lane_points(view.lanes)
    against, along = np.abs(heading) > np.pi - STRAIGHT_RAD, np.abs(heading) < np.pi / 2
    for side in SIDES_M:
        trace = _drive(case, _smooth(view.ego_speed_mps, max(view.ego_speed_mps, 8.0), 4.0), _smooth(0, side, 4.0))
        over = [w for w in trace.trajectory_plan.waypoints if 4.0 <= w.t_s <= 6.0]
        onto = all(_apart(w.x_m, w.y_m, at[against]) < BESIDE_M for w in over)
        alone = all(_apart(w.x_m, w.y_m, at[along]) > BESIDE_M + 1.0 for w in over)
        if over and onto and alone:
            return trace
    return None


def _lane_points(lanes: Sequence[ViewLane]) -> tuple[Floats, Floats]:
    """Points of centre lines [P, 2], and the headings [P] in which these go on."""
    points = [lane.points for lane in lanes]
    at = np.concatenate([np.empty((0, 2)), *(p[:-1] for p in points)])
    step = np.concatenate([np.empty((0, 2)), *(np.diff(p, axis=0) for p in points)])
    return at, np.arctan2(step[:, 1], step[:, 0])


def _apart(x_m: float, y_m: float, points: Floats) -> float:
    """Metres from a place to the nearest of points."""
    return float(np.hypot(points[:, 0] - x_m, points[:, 1] - y_m).min()) if len(points) else float("inf")


def _run_red(case: Case) -> CoTTrace | None:
    """Drives straight on over a red light's stop point, which lies on the ego's way and stays red until then."""
    view, future = case.view, case.future
    trace = _straight(case, max(view.ego_speed_mps, 10.0))
    t, x, _ = _positions(trace)
    for signal in view.signals:
        on_way = (
            signal.lane_id in view.path_lanes and 3.0 < signal.stop_x_m < x[-1] - 3.0 and abs(signal.stop_y_m) < 1.0
        )
        if signal.state not in RED_STATES or not on_way:
            continue
        passed = float(np.interp(signal.stop_x_m, x, t)) + 0.3
        if future is None or signal.lane_id not in future.signal_lane_id:
            return trace
        rows = np.flatnonzero(future.signal_lane_id == signal.lane_id)
        shown = future.signal_state[rows[0], future.times_s <= passed]
        if all(SIGNAL_STATES[int(s)] in RED_STATES for s in shown):
            return trace
    return None


def _ram(case: Case) -> CoTTrace | None:
    """Drives on into what stands or drives slower straight ahead and goes on so."""
    view = case.view
    trace = _drive(case, _smooth(view.ego_speed_mps, view.ego_speed_mps + RUSH_MPS, 2.5), _smooth(0, 0, 1.0))
    t, x, y = _positions(trace)
    soon = t <= SOON_S
    for k in range(len(view.agent_id)):
        other = view.x_m[k] + view.velocity_x_mps[k] * t, view.y_m[k] + view.velocity_y_mps[k] * t
        if _rams(case, (x, y), other, (view.length_m[k], view.width_m[k]), view.heading_rad[k], soon):
            return trace
    return None


def _ram_logged(case: Case) -> CoTTrace | None:
    """Drives on into what the log has ahead."""
    future = case.future
    if future is None or len(future.times_s) < 2:
        return None
    trace = _straight(case, case.view.ego_speed_mps + 8.0)
    t, x, y = _positions(trace)
    known = t <= future.times_s[-1]
    for k in range(len(future.agent_id)):
        if not np.isfinite(future.agents_x_m[k]).all():
            continue
        other = tuple(np.interp(t, future.times_s, v[k]) for v in (future.agents_x_m, future.agents_y_m))
        size = future.agents_length_m[k], future.agents_width_m[k]
        if _rams(case, (x, y), (other[0], other[1]), size, future.agents_heading_rad[k, 0], known):
            return trace
    return None


def _positions(trace: CoTTrace) -> tuple[Floats, Floats, Floats]:
    """Times and places of a plan every twentieth of a second, straight between its waypoints."""
    rows = np.array([(w.t_s, w.x_m, w.y_m) for w in trace.trajectory_plan.waypoints])
    t = np.arange(round(rows[-1, 0] * 20) + 1) / 20
    return t, np.interp(t, rows[:, 0], rows[:, 1]), np.interp(t, rows[:, 0], rows[:, 2])


def _rams(
    case: Case,
    ego: tuple[Floats, Floats],
    other: tuple[Floats, Floats],
    size: tuple[float, float],
    heading: float,
    when: NDArray[np.bool_],
) -> bool:
    """Whether the ego, driving straight on, runs deep into the back of what is ahead at first and stays on its line."""
    reach, side = (case.view.ego_length_m + size[0]) / 2, (case.view.ego_width_m + size[1]) / 2
    ahead, aside = other[0] - ego[0], np.abs(other[1] - ego[1])
    if abs(heading) > STRAIGHT_RAD or ahead[0] < reach + 2.0 or not when.any():
        return False
    inside = when & (ahead < reach - 1.0)
    first = int(np.argmax(inside))
    return bool(inside.any() and (aside[: first + 1] < side - 0.4).all())


DRIVEN = (*FEASIBILITY, *ELSEWHERE, "meta_action_agreement", "plan_respects_predictions", "number_groundedness")
"""What another drive may change: all that is judged of the plan, and words that cite its numbers."""


def _other_drive(
    name: str,
    what: str,
    moves: tuple[str, ...],
    apply: Callable[[Case], CoTTrace | None],
    stays: tuple[str, ...] = ("kinematic_pass",),
) -> Mutation:
    """A mutation by another drive; ``stays`` are metrics of plans that this drive gives no reason to change."""
    return Mutation(name, what, moves, apply, tuple(m for m in DRIVEN if m not in (*moves, *stays)))


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
    _other_drive("overspeed", "far above the limit", ("overspeed_pass",), _overspeed, ()),
    _other_drive("leave_road", "away from all lanes", ("on_road",), _leave_road, ()),
    _other_drive(
        "wrong_way",
        "into a lane that comes towards the ego",
        ("wrong_way_pass",),
        _wrong_way,
        ("kinematic_pass", "overspeed_pass"),
    ),
    _other_drive("run_red_light", "over the stop point of a red light", ("red_light_pass",), _run_red),
    _other_drive("ram", "into what is ahead", ("no_collision_constant_velocity",), _ram, ()),
    _other_drive("ram_logged", "into what the log has ahead", ("no_collision_logged", "min_ttc_pass"), _ram_logged),
)
