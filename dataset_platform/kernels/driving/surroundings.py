"""Road furniture around the ego: crosswalks and who is on them, stop signs, and the lines left and right of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataset_platform.kernels.driving.geometry import crossings, inside_polygon, nearest_on_polyline, project, to_frame
from dataset_platform.kernels.driving.lanes import MAX_SAMPLE_GAP_M
from dataset_platform.kernels.driving.path import LanePath, Routes
from dataset_platform.kernels.driving.scene import MapFeature, Scene
from dataset_platform.kernels.driving.signals import PASSED_M

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

STEPPING_ON_S = 2.0
"""Who would be on a crosswalk within this at constant velocity is about to step on it (lower end of the time to
zebra, 2 to 4 s)."""
LINE_REACH_M = 10.0
"""Lines farther to the side than this say nothing about the ego's lane."""
LINE_ALIGNED = 0.7
"""Least cosine between a line and the ego: what runs across the road bounds no lane."""
SIGN_AT_LANE_M = 15.0
"""A controlled lane that begins this near to its stop sign begins at the stop line."""


@dataclass(frozen=True, eq=False)
class Crosswalk:
    """One crosswalk at all steps, [T] each.

    Attributes:
        shown: within the radius. longitudinal_m, lateral_m: its nearest point in the ego's frame.
        along_m: from the front bumper along the path, 0 when on it; NaN off the path.
        occupied: [N, T], agents on it or about to step on it.
    """

    feature_id: int
    shown: Bools
    longitudinal_m: Floats
    lateral_m: Floats
    along_m: Floats
    occupied: Bools


@dataclass(frozen=True, eq=False)
class StopSign:
    """One stop sign at all steps, [T] each; ``along_m`` from the front bumper, NaN when it does not control the path."""

    feature_id: int
    shown: Bools
    longitudinal_m: Floats
    lateral_m: Floats
    along_m: Floats


@dataclass(frozen=True, eq=False)
class LaneLines:
    """Nearest line or edge on each side, [2, T], left first: index into ``features`` (-1 for none) and distance."""

    features: tuple[MapFeature, ...]
    which: Ints
    distance_m: Floats


def crosswalks(scene: Scene, routes: Routes, radius_m: float, reach_m: float, ego_length_m: float) -> list[Crosswalk]:
    """Crosswalks that come within the radius at any step."""
    on_foot = np.isin(np.array(scene.object_type), ("pedestrian", "cyclist"))
    walkers = np.flatnonzero(on_foot)
    found = []
    for feature in scene.road_map.of_kind("crosswalk"):
        polygon = feature.points[:, :2]
        if len(polygon) < 3:
            continue
        ahead, left, shown = _nearest(scene, polygon, radius_m)
        if not shown.any():
            continue
        along = np.full(len(scene.times_s), np.nan)
        for number, path in enumerate(routes.paths):
            at = np.flatnonzero(routes.path_of == number)
            along[at] = _distance_to(path, polygon, routes.match.along_m[at], reach_m, ego_length_m)
        occupied = np.zeros(scene.valid.shape, bool)
        for seconds in np.linspace(0.0, STEPPING_ON_S, 5):
            x = scene.x[walkers] + scene.velocity_x[walkers] * seconds
            y = scene.y[walkers] + scene.velocity_y[walkers] * seconds
            occupied[walkers] |= inside_polygon(x, y, polygon) & scene.valid[walkers]
        found.append(Crosswalk(feature.feature_id, shown, ahead, left, along, occupied))
    return found


def _nearest(scene: Scene, polygon: Floats, radius_m: float) -> tuple[Floats, Floats, Bools]:
    x, y, distance = nearest_on_polyline(scene.ego_x, scene.ego_y, polygon, closed=True)
    on_it = inside_polygon(scene.ego_x, scene.ego_y, polygon)
    x, y = np.where(on_it, scene.ego_x, x), np.where(on_it, scene.ego_y, y)
    ahead, left = to_frame(x, y, scene.ego_x, scene.ego_y, scene.ego_heading)
    return ahead, left, on_it | (distance <= radius_m)


def _distance_to(path: LanePath, polygon: Floats, ego_m: Floats, reach_m: float, ego_length_m: float) -> Floats:
    """Metres from the front bumper along the path to the next stretch of it in the polygon, NaN when there is none."""
    cuts = np.unique(np.concatenate([[0.0, path.arc[-1]], crossings(path.points, path.arc, polygon)]))
    begin, end = cuts[:-1], cuts[1:]
    x, y = (np.interp((begin + end) / 2, path.arc, path.points[:, k]) for k in (0, 1))
    inside = inside_polygon(x, y, polygon)
    begin, end = begin[inside], end[inside]
    if not len(begin):
        return np.full(len(ego_m), np.nan)
    ahead = np.maximum(begin[:, None] - ego_m - ego_length_m / 2, 0.0)
    behind = end[:, None] < ego_m - ego_length_m / 2
    nearest = np.where(behind | (ahead > reach_m), np.inf, ahead).min(0)
    return np.where(np.isfinite(nearest), nearest, np.nan)


def stop_signs(scene: Scene, routes: Routes, radius_m: float, reach_m: float, ego_length_m: float) -> list[StopSign]:
    """Stop signs that come within the radius at any step, or control the ego's path ahead."""
    found = []
    for feature in scene.road_map.of_kind("stop_sign"):
        if not len(feature.points):
            continue
        position = feature.points[0, :2]
        ahead, left = to_frame(position[0], position[1], scene.ego_x, scene.ego_y, scene.ego_heading)
        along = np.full(len(scene.times_s), np.nan)
        for number, path in enumerate(routes.paths):
            stop_m = _stop_line(path, feature)
            if stop_m is not None:
                at = np.flatnonzero(routes.path_of == number)
                distance = stop_m - routes.match.along_m[at] - ego_length_m / 2
                along[at] = np.where((distance > -PASSED_M) & (distance <= reach_m), distance, np.nan)
        shown = (np.hypot(ahead, left) <= radius_m) | np.isfinite(along)
        if shown.any():
            found.append(StopSign(feature.feature_id, shown, ahead, left, along))
    return found


def _stop_line(path: LanePath, sign: MapFeature) -> float | None:
    """Arc length at which a sign stops the path: where its lane begins, or abreast of the sign; None for other lanes."""
    controlled = set(sign.controlled_lanes)
    for lane, start in zip(path.lane_ids, path.lane_start_m, strict=True):
        if lane not in controlled:
            continue
        x, y = (float(np.interp(start, path.arc, path.points[:, k])) for k in (0, 1))
        if np.hypot(x - sign.points[0, 0], y - sign.points[0, 1]) <= SIGN_AT_LANE_M:
            return start
        along, _, _ = project(sign.points[:1, 0], sign.points[:1, 1], path.points, path.arc)
        return float(along[0])
    return None


def lane_lines(scene: Scene) -> LaneLines:
    """Lines and edges that run beside the ego at every step."""
    features = tuple(f for f in scene.road_map.features if f.kind in ("road_line", "road_edge") and len(f.points) > 1)
    steps = len(scene.times_s)
    which, distance = np.full((2, steps), -1, np.int64), np.full((2, steps), np.nan)
    start = np.concatenate([f.points[:-1, :2] for f in features]) if features else np.empty((0, 2))
    end = np.concatenate([f.points[1:, :2] for f in features]) if features else np.empty((0, 2))
    owner = np.repeat(np.arange(len(features)), [len(f.points) - 1 for f in features])
    keep = np.ones(len(start), bool)
    for k, ego in ((0, scene.ego_x), (1, scene.ego_y)):
        low, high = np.minimum(start[:, k], end[:, k]), np.maximum(start[:, k], end[:, k])
        keep &= (high >= ego.min(initial=np.inf) - LINE_REACH_M) & (low <= ego.max(initial=-np.inf) + LINE_REACH_M)
    if scene.road_map.sampled:
        keep &= np.hypot(*(end - start).T) <= MAX_SAMPLE_GAP_M
    start, end, owner = start[keep], end[keep], owner[keep]
    if not len(start):
        return LaneLines(features, which, distance)
    frame = scene.ego_x[:, None], scene.ego_y[:, None], scene.ego_heading[:, None]
    ahead_0, left_0 = to_frame(start[:, 0], start[:, 1], *frame)
    ahead_1, left_1 = to_frame(end[:, 0], end[:, 1], *frame)
    run = ahead_1 - ahead_0
    abreast = ((ahead_0 <= 0) != (ahead_1 <= 0)) & (np.abs(run) >= LINE_ALIGNED * np.hypot(run, left_1 - left_0))
    step, segment = np.nonzero(abreast)
    share = -ahead_0[step, segment] / run[step, segment]
    side = left_0[step, segment] + share * (left_1[step, segment] - left_0[step, segment])
    for row, offset in ((0, side), (1, -side)):
        mine = (offset >= 0) & (offset <= LINE_REACH_M)
        nearest = np.full(steps, np.inf)
        np.minimum.at(nearest, step[mine], offset[mine])
        hit = np.flatnonzero(mine)[offset[mine] == nearest[step[mine]]]
        # of lines on top of each other the last of the record wins: deterministic
        which[row, step[hit]] = owner[segment[hit]]
        distance[row] = np.where(np.isfinite(nearest), nearest, np.nan)
    return LaneLines(features, which, distance)
