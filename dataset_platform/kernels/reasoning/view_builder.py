"""The plan view and the logged future of a keyframe, from its scene: all in the ego's frame at that step."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_platform.contracts.driving_types import SIGNAL_STATES
from dataset_platform.kernels.driving.geometry import to_frame, wrap_angle
from dataset_platform.kernels.driving.path import Path
from dataset_platform.kernels.driving.scene import MapFeature, Scene
from dataset_platform.kernels.driving.settings import FeatureConfig
from dataset_platform.kernels.driving.smoothing import trailing_slope
from dataset_platform.kernels.reasoning.settings import KeyframeConfig
from dataset_platform.kernels.reasoning.trace import HORIZON_S
from dataset_platform.kernels.reasoning.view import LoggedFuture, PlanView, ViewLane, ViewSignal

Floats = NDArray[np.float64]

MPS_PER_MPH = 0.44704
LINE_TOLERANCE_M = 0.05
"""Points of lanes and edges that lie this near to the line through their neighbours are left out."""
LANE_SPACING_M = 2.0
"""Centre lines keep points at least this often: their points are measured to."""
REACH_SLACK_M = 40.0
MARKED_M = 30.0
DRIVABLE = ("freeway", "surface_street", "undefined")
DEFAULT_LENGTH_M, DEFAULT_WIDTH_M = 5.0, 2.0


class MapLines:
    """Lanes and road edges of a scene, thinned once for all its views."""

    def __init__(self, scene: Scene) -> None:
        self._features = scene.road_map.features

    @cached_property
    def lanes(self) -> list[tuple[MapFeature, Floats]]:
        """Drivable lanes with their thinned centre lines, [P, 2], global."""
        return [
            (f, thinned(f.points[:, :2], spacing_m=LANE_SPACING_M))
            for f in self._features
            if f.kind == "lane" and f.type in DRIVABLE and len(f.points) > 1
        ]

    @cached_property
    def edges(self) -> list[Floats]:
        """Thinned road edges, [P, 2], global."""
        return [thinned(f.points[:, :2]) for f in self._features if f.kind == "road_edge" and len(f.points) > 1]


def view_of(
    scene: Scene,
    index: int,
    path: Path,
    *,
    radius_m: float | None = None,
    acceleration_mps2: float | None = None,
    yaw_rate_radps: float | None = None,
    lines: MapLines | None = None,
) -> PlanView:
    """What may be known of the scene at one step, from that step and before.

    Args:
        index: position of the step in the scene's arrays.
        path: the ego's lane path there (``path_ahead``).
        radius_m: of the view, beyond which no agent is seen; that of ``KeyframeConfig`` when not given.
        acceleration_mps2, yaw_rate_radps: of the ego, where they are known (gold); else smoothed over the past.
        lines: of the scene's map, where they are at hand.
    """
    radius = KeyframeConfig().view_radius_m if radius_m is None else radius_m
    lines = lines or MapLines(scene)
    x0, y0, heading = (float(v[index]) for v in (scene.ego_x, scene.ego_y, scene.ego_heading))

    def local(points: Floats) -> Floats:
        return np.stack(to_frame(points[..., 0], points[..., 1], x0, y0, heading), axis=-1)

    reach = max(radius, reach_m(float(scene.ego_speed[index])))

    def clipped(points: Floats) -> Floats:
        """The part of a line that lies within the radius or the plan's reach, and the points next to it."""
        near = np.hypot(points[:, 0] - x0, points[:, 1] - y0) <= reach
        inside = np.flatnonzero(near)
        if not len(inside):
            return np.empty((0, 2))
        return local(points[max(0, inside[0] - 1) : inside[-1] + 2])

    x, y = to_frame(scene.x[:, index], scene.y[:, index], x0, y0, heading)
    seen = np.flatnonzero(scene.valid[:, index] & (np.hypot(x, y) <= radius))
    seen = seen[np.lexsort((scene.track_id[seen], np.hypot(x, y)[seen]))]
    vx, vy = to_frame(scene.velocity_x[:, index], scene.velocity_y[:, index], 0.0, 0.0, heading)
    lanes = []
    for feature, line in lines.lanes:
        points = clipped(line)
        if len(points) > 1:
            limit = feature.speed_limit_mph * MPS_PER_MPH
            posted = round(float(limit), 4) if np.isfinite(limit) and limit > 0 else None
            lanes.append(ViewLane(feature.feature_id, feature.type, posted, feature.exit_lanes, points))
    return PlanView(
        ego_speed_mps=float(scene.ego_speed[index]),
        ego_acceleration_mps2=_known(acceleration_mps2, scene, index, scene.ego_speed),
        ego_yaw_rate_radps=_known(yaw_rate_radps, scene, index, np.unwrap(scene.ego_heading)),
        ego_length_m=scene.ego_length_m if np.isfinite(scene.ego_length_m) else DEFAULT_LENGTH_M,
        ego_width_m=scene.ego_width_m if np.isfinite(scene.ego_width_m) else DEFAULT_WIDTH_M,
        agent_id=scene.track_id[seen],
        agent_type=tuple(scene.object_type[i] for i in seen),
        x_m=x[seen],
        y_m=y[seen],
        heading_rad=wrap_angle(scene.heading[seen, index] - heading),
        velocity_x_mps=vx[seen],
        velocity_y_mps=vy[seen],
        length_m=scene.length[seen, index],
        width_m=scene.width[seen, index],
        lanes=tuple(lanes),
        road_edges=tuple(e for edge in lines.edges if len(e := clipped(edge)) > 1),
        signals=_signals(scene, index, local),
        path=local(path.points) if len(path.points) else np.empty((0, 2)),
        path_lanes=tuple(int(i) for i in path.lane_ids),
        sampled_map=scene.road_map.sampled,
    )


def reach_m(speed_mps: float) -> float:
    """How far a plan may lead: at this speed and with the usual acceleration up to the horizon, metres."""
    return speed_mps * HORIZON_S + REACH_SLACK_M


def future_of(scene: Scene, index: int) -> LoggedFuture:
    """What the log has from one step on, up to the horizon; steps without a valid ego are left out."""
    times = scene.times_s - scene.times_s[index]
    steps = np.flatnonzero((times >= 0) & (times <= HORIZON_S + 0.05) & np.isfinite(scene.ego_x))
    x0, y0, heading = (float(v[index]) for v in (scene.ego_x, scene.ego_y, scene.ego_heading))
    ego_x, ego_y = to_frame(scene.ego_x[steps], scene.ego_y[steps], x0, y0, heading)
    seen = np.flatnonzero(scene.valid[:, steps].any(axis=1))
    x, y = to_frame(scene.x[np.ix_(seen, steps)], scene.y[np.ix_(seen, steps)], x0, y0, heading)
    valid = scene.valid[np.ix_(seen, steps)]
    signals = scene.signals
    return LoggedFuture(
        times_s=times[steps],
        x_m=ego_x,
        y_m=ego_y,
        heading_rad=wrap_angle(scene.ego_heading[steps] - heading),
        speed_mps=scene.ego_speed[steps],
        agent_id=scene.track_id[seen],
        agents_x_m=np.where(valid, x, np.nan),
        agents_y_m=np.where(valid, y, np.nan),
        agents_heading_rad=np.where(valid, wrap_angle(scene.heading[np.ix_(seen, steps)] - heading), np.nan),
        agents_length_m=_size(scene.length, seen, steps),
        agents_width_m=_size(scene.width, seen, steps),
        signal_lane_id=signals.lane_id,
        signal_state=signals.state[:, steps].astype(np.int64),
        marked_agents=_marked(scene, index),
    )


def _marked(scene: Scene, index: int) -> tuple[int, ...]:
    """Agents ahead within ``MARKED_M`` that the log marks as of interest or to be predicted, by id."""
    x0, y0, heading = (float(v[index]) for v in (scene.ego_x, scene.ego_y, scene.ego_heading))
    x, y = to_frame(scene.x[:, index], scene.y[:, index], x0, y0, heading)
    near = scene.valid[:, index] & (x > 0) & (np.hypot(x, y) <= MARKED_M)
    marked = scene.objects_of_interest | scene.tracks_to_predict
    return tuple(sorted(int(i) for i in scene.track_id[near] if int(i) in marked))


def thinned(points: Floats, tolerance_m: float = LINE_TOLERANCE_M, spacing_m: float = np.inf) -> Floats:
    """A polyline [P, 2] without points that lie within a tolerance of it (Douglas and Peucker 1973).

    Where ``spacing_m`` is given, a point is kept at least about that often.
    """
    keep = np.zeros(len(points), bool)
    keep[[0, -1]] = True
    if np.isfinite(spacing_m):
        bucket = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))]) // spacing_m
        keep[1:] |= np.diff(bucket) > 0
    spans = [(0, len(points) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        a, b = points[first], points[last]
        inner = points[first + 1 : last]
        d = b - a
        length = float(np.hypot(*d))
        offset = inner - a
        apart = np.hypot(*offset.T) if length < 1e-9 else np.abs(offset[:, 0] * d[1] - offset[:, 1] * d[0]) / length
        far = int(np.argmax(apart))
        if apart[far] > tolerance_m:
            middle = first + 1 + far
            keep[middle] = True
            spans += [(first, middle), (middle, last)]
    return points[keep]


def _signals(scene: Scene, index: int, local: Callable[[Floats], Floats]) -> tuple[ViewSignal, ...]:
    signals = scene.signals
    known = [k for k in range(len(signals.lane_id)) if signals.state[k, index] >= 0]
    stops = local(np.stack([signals.stop_x[:, index], signals.stop_y[:, index]], axis=-1))
    return tuple(
        ViewSignal(
            int(signals.lane_id[k]),
            SIGNAL_STATES[int(signals.state[k, index])],
            round(float(stops[k, 0]), 3),
            round(float(stops[k, 1]), 3),
        )
        for k in known
        if np.isfinite(stops[k]).all()
    )


def _known(given: float | None, scene: Scene, index: int, values: NDArray[np.floating[Any]]) -> float:
    if given is None:
        past = slice(0, index + 1)
        given = float(
            trailing_slope(values[past].astype(np.float64), scene.times_s[past], FeatureConfig().smoothing_s)[-1]
        )
    return given if np.isfinite(given) else 0.0


def _size(values: Floats, seen: NDArray[np.int64], steps: NDArray[np.int64]) -> Floats:
    """[A], size of each agent where it is first valid."""
    part = values[np.ix_(seen, steps)]
    first = np.isfinite(part).argmax(axis=1)
    return part[np.arange(len(seen)), first]
