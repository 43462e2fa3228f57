"""A trajectory against the map of the view: on the road, the right way round, not too fast, not through a red light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataset_platform.contracts.driving_types import SIGNAL_STATES
from dataset_platform.kernels.reasoning.quality.boxes import corners
from dataset_platform.kernels.reasoning.quality.motion import Trajectory
from dataset_platform.kernels.reasoning.view import LoggedFuture, PlanView, ViewSignal

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
RED = ("stop", "arrow_stop")
DRIVABLE_SLACK_M = 0.3
OFF_LANES_M = 5.0
"""Farther than this from every lane is off the road, where the map is whole."""
ON_LANE_M = 2.5
"""A lane whose centre line is nearer than this may be the one that is driven on."""
WRONG_WAY_OK_M, WRONG_WAY_FAIL_M, WRONG_WAY_SPAN_S = 2.0, 6.0, 1.0
OVERSPEED_MPS = 2.23
STRIDE = 2
"""The map is looked at every 0.2 s."""
STOP_POINT_REACH_M = 2.0
FOLLOWED_M = 15.0


@dataclass(frozen=True, eq=False)
class LaneFit:
    """For each looked-at sample, [t]: distance to the nearest lane, metres; whether the lanes within ``ON_LANE_M`` are
    there and all come against it; least speed over the limit of those that go its way, NaN when unknown.
    """

    distance_m: Floats
    against: Bools
    over_limit_mps: Floats


def lane_fit(trajectory: Trajectory, view: PlanView) -> LaneFit | None:
    """How a trajectory lies to the lanes of the view; None when the view has no lanes."""
    lanes = [lane for lane in view.lanes if len(lane.points) > 1]
    if not lanes:
        return None
    start = np.concatenate([lane.points[:-1] for lane in lanes])
    step = np.concatenate([np.diff(lane.points, axis=0) for lane in lanes])
    limit = np.concatenate(
        [
            np.full(len(lane.points) - 1, np.nan if lane.speed_limit_mps is None else lane.speed_limit_mps)
            for lane in lanes
        ]
    )
    x, y = trajectory.x_m[::STRIDE], trajectory.y_m[::STRIDE]
    near = _near(start, start + step, x, y, 2 * OFF_LANES_M)
    start, step, limit = start[near], step[near], limit[near]
    heading, speed = trajectory.heading_rad[::STRIDE], trajectory.speed_mps[::STRIDE]
    if not len(start):
        return LaneFit(np.full(len(x), np.inf), np.zeros(len(x), bool), np.full(len(x), np.nan))
    length = np.maximum(np.hypot(*step.T), 1e-9)
    dx, dy = x[:, None] - start[:, 0], y[:, None] - start[:, 1]
    share = np.clip((dx * step[:, 0] + dy * step[:, 1]) / length**2, 0, 1)
    distance = np.hypot(dx - share * step[:, 0], dy - share * step[:, 1])
    direction = (np.cos(heading)[:, None] * step[:, 0] + np.sin(heading)[:, None] * step[:, 1]) / length
    close = distance < ON_LANE_M
    mine = close & (direction > 0.5)
    over = np.where(mine & np.isfinite(limit), speed[:, None] - limit, np.inf).min(axis=1)
    # lanes that cross, as in a junction, neither go its way nor come against it
    against = close.any(axis=1) & (~close | (direction < -0.5)).all(axis=1)
    return LaneFit(distance.min(axis=1), against, np.where(np.isfinite(over), over, np.nan))


def off_road(trajectory: Trajectory, view: PlanView, fit: LaneFit | None) -> tuple[bool, str] | None:
    """Whether the ego leaves the road, and how; None when the view has neither edges nor whole lanes.

    It does when its centre or a corner of its box, drawn in by nuPlan's slack of 0.3 m, crosses a road edge that the
    box does not lie across at the start, or, on a whole map, when its centre is far from every lane where it was not
    at the start.
    """
    crossed = _crosses_edge(trajectory, view)
    if crossed:
        return True, "crosses a road edge"
    if fit is not None and not view.sampled_map and fit.distance_m[0] <= OFF_LANES_M:
        worst = float(fit.distance_m.max())
        return worst > OFF_LANES_M, "no lane within its view" if np.isinf(
            worst
        ) else f"at most {worst:.1f} m from a lane"
    return (False, "crosses no road edge") if view.road_edges else None


def wrong_way_m(trajectory: Trajectory, fit: LaneFit) -> float:
    """Most metres driven within a second where all lanes nearby come against the ego."""
    travelled = np.r_[0.0, np.hypot(np.diff(trajectory.x_m[::STRIDE]), np.diff(trajectory.y_m[::STRIDE]))]
    against = np.where(fit.against, travelled, 0.0)
    window = round(WRONG_WAY_SPAN_S / 0.1 / STRIDE)
    return float(np.convolve(against, np.ones(window)).max()) if len(against) else 0.0


@dataclass(frozen=True)
class Crossing:
    """A stop point that the ego's front passes: of which lane, when, and the state it is judged by."""

    lane_id: int
    time_s: float
    state: str


def signal_crossings(trajectory: Trajectory, view: PlanView, future: LoggedFuture | None) -> list[Crossing]:
    """Stop points that the ego's front bumper passes, with the state of their signal.

    A signal that shows red now is judged by the log's state at the crossing, where there is one; one that does not is
    judged by what it shows now, for that it would turn could not be known. Where stop points of several lanes lie
    together, the lane that the trajectory then follows counts, or that of the ego's path when none is followed.
    """
    found: list[tuple[ViewSignal, float, float]] = []
    for signal in view.signals:
        time = _passes(trajectory, view, signal)
        if time is not None:
            found.append((signal, time, _follows(trajectory, view, signal)))
    crossings = []
    for signal, time, apart in found:
        rivals = [f for f in found if abs(f[1] - time) < 1.0]
        best = min(f[2] for f in rivals)
        if np.isfinite(best):
            chosen = apart <= best + 0.3
        else:
            chosen = signal.lane_id in view.path_lanes or not any(f[0].lane_id in view.path_lanes for f in rivals)
        if chosen:
            crossings.append(Crossing(signal.lane_id, time, _state(signal, time, future)))
    return crossings


def _passes(trajectory: Trajectory, view: PlanView, signal: ViewSignal) -> float | None:
    c, s = np.cos(trajectory.heading_rad), np.sin(trajectory.heading_rad)
    dx, dy = signal.stop_x_m - trajectory.x_m, signal.stop_y_m - trajectory.y_m
    ahead, aside = c * dx + s * dy - view.ego_length_m / 2, c * dy - s * dx
    passing = np.flatnonzero((ahead[:-1] > 0) & (ahead[1:] <= 0) & (np.abs(aside[1:]) < STOP_POINT_REACH_M))
    lane = next((lane for lane in view.lanes if lane.lane_id == signal.lane_id and len(lane.points) > 1), None)
    for step in passing:
        if lane is not None:
            nearest = int(
                np.argmin(np.hypot(lane.points[:-1, 0] - signal.stop_x_m, lane.points[:-1, 1] - signal.stop_y_m))
            )
            way = lane.points[nearest + 1] - lane.points[nearest]
            if c[step + 1] * way[0] + s[step + 1] * way[1] < 0.5 * np.hypot(*way):
                continue
        return float(trajectory.times_s[step + 1])
    return None


def _follows(trajectory: Trajectory, view: PlanView, signal: ViewSignal) -> float:
    """Mean distance from the lane of the part of the trajectory beyond its stop point; infinity when that is short."""
    lane = next((lane for lane in view.lanes if lane.lane_id == signal.lane_id and len(lane.points) > 1), None)
    if lane is None:
        return float("inf")
    dx, dy = trajectory.x_m - signal.stop_x_m, trajectory.y_m - signal.stop_y_m
    c, s = np.cos(trajectory.heading_rad), np.sin(trajectory.heading_rad)
    beyond = (c * dx + s * dy > 2.0) & (np.hypot(dx, dy) < FOLLOWED_M)
    if beyond.sum() < 3:
        return float("inf")
    x, y = trajectory.x_m[beyond], trajectory.y_m[beyond]
    gaps = np.hypot(x[:, None] - lane.points[:, 0], y[:, None] - lane.points[:, 1]).min(axis=1)
    return float(gaps.mean())


def _state(signal: ViewSignal, time_s: float, future: LoggedFuture | None) -> str:
    if future is None or signal.state not in RED:
        return signal.state
    rows = np.flatnonzero(future.signal_lane_id == signal.lane_id)
    if not len(rows) or not len(future.times_s):
        return signal.state
    step = int(np.clip(np.searchsorted(future.times_s, time_s, side="right") - 1, 0, len(future.times_s) - 1))
    code = int(future.signal_state[rows[0], step])
    return SIGNAL_STATES[code] if code > 0 else signal.state


def _near(start: Floats, end: Floats, x: Floats, y: Floats, reach: float) -> Bools:
    low, high = np.minimum(start, end), np.maximum(start, end)
    return (
        (high[:, 0] > x.min() - reach)
        & (low[:, 0] < x.max() + reach)
        & (high[:, 1] > y.min() - reach)
        & (low[:, 1] < y.max() + reach)
    )


def _crosses_edge(trajectory: Trajectory, view: PlanView) -> bool:
    edges = [e for e in view.road_edges if len(e) > 1]
    if not edges or trajectory.length < 2:
        return False
    size = (max(v - 2 * DRIVABLE_SLACK_M, 0.1) for v in (view.ego_length_m, view.ego_width_m))
    tracks = corners(trajectory.x_m, trajectory.y_m, trajectory.heading_rad, *size)
    box = tracks[:, 0]
    tracks = np.concatenate([tracks, np.stack([trajectory.x_m, trajectory.y_m], axis=-1)[None]])
    for edge in edges:
        start, end = edge[:-1], edge[1:]
        near = _near(start, end, tracks[..., 0], tracks[..., 1], 1.0)
        if not near.any():
            continue
        start, end = start[near], end[near]
        if _segments_cross(box, np.roll(box, -1, axis=0), start, end).any():
            continue
        if any(_segments_cross(t[:-1], t[1:], start, end).any() for t in tracks):
            return True
    return False


def _segments_cross(p: Floats, q: Floats, a: Floats, b: Floats) -> Bools:
    """[n, m]: whether segments p-q [n, 2] properly cross segments a-b [m, 2]."""
    p, q, a, b = p[:, None], q[:, None], a[None], b[None]

    def side(o: Floats, d: Floats, v: Floats) -> Floats:
        return (d[..., 0] - o[..., 0]) * (v[..., 1] - o[..., 1]) - (d[..., 1] - o[..., 1]) * (v[..., 0] - o[..., 0])

    return (side(p, q, a) * side(p, q, b) < 0) & (side(a, b, p) * side(a, b, q) < 0)
