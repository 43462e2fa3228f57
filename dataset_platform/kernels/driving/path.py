"""The ego's lane path: the lane it is on and the lanes that follow, as one line.

At a fork the exit is taken that goes on the straightest, or, close to the fork, the one that the ego already turns
towards. A sampled map (tf.Example) has no topology: there a lane goes on in lanes that begin where it ends.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dataset_platform.kernels.driving.geometry import cumulative_length, project, to_frame, wrap_angle
from dataset_platform.kernels.driving.lanes import LaneMatch, LaneNetwork, curvature_ahead
from dataset_platform.kernels.driving.scene import Scene
from dataset_platform.kernels.driving.settings import FeatureConfig
from dataset_platform.kernels.driving.smoothing import trailing_slope

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EXIT_SPAN_M = 40.0
"""Distance over which the heading of an exit is looked at."""
FORK_NEAR_M = 10.0
"""Only this close to a fork does the ego's yaw rate say which exit it takes."""
TURNING_PER_M = 0.02
"""Curvature driven beyond that of the lane from which the ego turns off it: a radius of 50 m."""
MIN_TURNING_SPEED_MPS = 1.5
"""Below this the curvature driven cannot be told from noise."""
JOIN_GAP_M, JOIN_SIDE_M, JOIN_ANGLE_RAD = 8.0, 1.5, np.pi / 4
"""A lane of a sampled map goes on in lanes that begin this far ahead and aside of its end, and aligned."""
THIN_TURN_RAD, THIN_STEP_M = 0.05, 5.0


@dataclass(frozen=True, eq=False)
class LanePath:
    """A lane and what follows, from the lane's first point on.

    Attributes:
        points: [P, 2], metres, global; arc: [P], metres.
        lane_ids: lanes in order; lane_start_m: arc length at which each begins.
    """

    points: Floats
    arc: Floats
    lane_ids: tuple[int, ...]
    lane_start_m: tuple[float, ...]

    @cached_property
    def thinned(self) -> LanePath:
        """The same path with fewer points: off by 3 cm at most, for what is projected onto it many times."""
        heading = np.unwrap(np.arctan2(np.diff(self.points[:, 1]), np.diff(self.points[:, 0])))
        turned = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(heading))), [0.0]])
        bucket = np.stack([self.arc // THIN_STEP_M, turned // THIN_TURN_RAD])
        keep = np.r_[True, (np.diff(bucket, axis=1) != 0).any(0)]
        keep[-1] = True
        return LanePath(self.points[keep], self.arc[keep], self.lane_ids, self.lane_start_m)

    def lanes_between(self, start_m: float, end_m: float) -> tuple[int, ...]:
        """Lanes that lie between two arc lengths, at least in part."""
        ends = (*self.lane_start_m[1:], float("inf"))
        return tuple(
            lane
            for lane, first, last in zip(self.lane_ids, self.lane_start_m, ends, strict=True)
            if first < end_m and last > start_m
        )


@dataclass(frozen=True, eq=False)
class Path:
    """What lies ahead of the ego on its lane path at one step.

    Attributes:
        points: [P, 2], metres, global, from abreast of the ego on; empty off lanes.
        lane_ids: lanes of it in order, the ego's own first.
        confidence: of the match with the own lane, 0 to 1.
    """

    points: Floats
    lane_ids: tuple[int, ...]
    confidence: float


@dataclass(frozen=True, eq=False)
class Routes:
    """Lane and path of the ego at all steps.

    Attributes:
        match: lane of the ego, [T].
        path_of: [T], index into ``paths``, -1 off lanes.
        paths: the different paths.
        yaw_rate: [T], smoothed over the past only, radians per second; NaN with too little past.
    """

    match: LaneMatch
    path_of: Ints
    paths: tuple[LanePath, ...]
    yaw_rate: Floats

    def path_at(self, index: int) -> LanePath | None:
        """The path at a step, None off lanes."""
        return None if self.path_of[index] < 0 else self.paths[self.path_of[index]]


def heading_change(points: Floats, distance_m: float) -> float:
    """How far a line [P, 2] turns over its first metres, radians, left positive; 0 for fewer than three points."""
    if len(points) < 3:
        return 0.0
    heading = np.unwrap(np.arctan2(np.diff(points[:, 1]), np.diff(points[:, 0])))
    last = int(np.searchsorted(cumulative_length(points)[1:], distance_m))
    return float(heading[min(last, len(heading) - 1)] - heading[0])


def ego_routes(scene: Scene, config: FeatureConfig, network: LaneNetwork) -> Routes:
    """Lane and path of the ego at every step, each from what is known at that step."""
    heading = np.unwrap(scene.ego_heading).astype(np.float64)
    yaw_rate = trailing_slope(heading, scene.times_s, config.smoothing_s)
    moving = (scene.ego_speed > MIN_TURNING_SPEED_MPS) & np.isfinite(yaw_rate)
    with np.errstate(divide="ignore", invalid="ignore"):
        curvature = np.where(moving, yaw_rate / scene.ego_speed, 0.0)
    match = network.match(scene.ego_x, scene.ego_y, scene.ego_heading, curvature)
    finder = _PathFinder(network, config.path_m)
    path_of = np.array(
        [
            finder.path(int(lane), float(along), float(driven)) if lane >= 0 else -1
            for lane, along, driven in zip(match.lane, match.along_m, curvature, strict=True)
        ],
        np.int64,
    )
    return Routes(match, path_of, tuple(finder.paths), yaw_rate)


def path_ahead(scene: Scene, index: int, config: FeatureConfig, network: LaneNetwork | None = None) -> Path:
    """The ego's path at one step; what comes after the step is not looked at.

    Args:
        index: position of the step in the scene's arrays.
        network: of the scene's map, where it is at hand already.
    """
    routes = ego_routes(_until(scene, index), config, network or LaneNetwork(scene.road_map))
    path = routes.path_at(-1)
    if path is None:
        return Path(np.empty((0, 2)), (), 0.0)
    at = float(routes.match.along_m[-1])
    return Path(
        cut(path, at, at + config.path_m),
        path.lanes_between(at, at + config.path_m),
        float(routes.match.confidence[-1]),
    )


def cut(path: LanePath, start_m: float, end_m: float) -> Floats:
    """The part of a path between two arc lengths, its ends interpolated: [P, 2]."""
    end_m = min(end_m, float(path.arc[-1]))
    inside = path.points[(path.arc > start_m + 1e-3) & (path.arc < end_m - 1e-3)]
    ends = np.array([[np.interp(at, path.arc, path.points[:, k]) for k in (0, 1)] for at in (start_m, end_m)])
    return np.vstack([ends[:1], inside, ends[1:]]) if end_m - start_m > 1e-3 else ends[:1]


def _until(scene: Scene, index: int) -> Scene:
    """The ego of a scene up to a step."""
    names = ("ego_x", "ego_y", "ego_heading", "ego_velocity_x", "ego_velocity_y", "times_s", "steps")
    return replace(scene, **{name: getattr(scene, name)[: index + 1] for name in names})


class _PathFinder:
    """Follows lanes ahead; each path is made once."""

    def __init__(self, network: LaneNetwork, reach_m: float) -> None:
        self._network, self._reach_m = network, reach_m
        self._known: dict[tuple[int, int], int] = {}
        self._exits: dict[int, tuple[int, ...]] = {}
        self.paths: list[LanePath] = []
        lanes = network.lanes
        self._starts = np.array([f.points[0, :2] for f in lanes]).reshape(-1, 2)
        self._headings = np.array([_heading(f.points[:2]) for f in lanes])

    def path(self, lane: int, along_m: float, curvature: float) -> int:
        """Index of the path that a lane leads to from where the ego is on it."""
        arc = self._network.arcs[lane]
        turn = 0
        if arc[-1] - along_m < FORK_NEAR_M:
            points = self._network.lanes[lane].points
            excess = curvature - float(curvature_ahead(points, arc, np.array([along_m]))[0])
            turn = int(np.sign(excess)) if abs(excess) > TURNING_PER_M else 0
        key = (lane, turn)
        if key not in self._known:
            self._known[key] = len(self.paths)
            self.paths.append(self._follow(lane, turn))
        return self._known[key]

    def _follow(self, lane: int, turn: int) -> LanePath:
        order, seen, ahead = [lane], {lane}, 0.0
        while ahead < self._reach_m:
            exits = [e for e in self._exits_of(order[-1]) if e not in seen]
            if not exits:
                break
            # the turn the ego has begun is that of the first fork; after it the road goes straight on
            wanted = turn * np.pi / 2 if len(order) == 1 else 0.0
            order.append(min(exits, key=lambda e: (abs(self._turn_of(e) - wanted), int(self._network.ids[e]))))
            seen.add(order[-1])
            ahead += float(self._network.arcs[order[-1]][-1])
        parts: list[Floats] = []
        starts, length = [], 0.0
        for i in order:
            points = self._network.lanes[i].points[:, :2]
            if parts:
                length += float(np.hypot(*(points[0] - parts[-1][-1])))
            starts.append(length)
            parts.append(points)
            length += float(self._network.arcs[i][-1])
        points = np.vstack(parts)
        arc = cumulative_length(points)
        keep = np.r_[True, np.diff(arc) > 1e-6]
        ids = tuple(int(self._network.ids[i]) for i in order)
        return LanePath(points[keep], arc[keep], ids, tuple(starts))

    def _exits_of(self, lane: int) -> tuple[int, ...]:
        if lane not in self._exits:
            feature = self._network.lanes[lane]
            index_of = self._network.index_of
            exits = tuple(index_of[e] for e in feature.exit_lanes if e in index_of)
            self._exits[lane] = exits or (self._joined(lane) if self._network.sampled else ())
        return self._exits[lane]

    def _joined(self, lane: int) -> tuple[int, ...]:
        """Lanes of a sampled map that begin where one ends, nearest first."""
        points = self._network.lanes[lane].points
        heading = _heading(points[-2:])
        ahead, side = to_frame(self._starts[:, 0], self._starts[:, 1], points[-1, 0], points[-1, 1], heading)
        gap, angle = np.hypot(ahead, side), np.abs(wrap_angle(self._headings - heading))
        near = np.flatnonzero(
            (ahead > -JOIN_SIDE_M) & (gap < JOIN_GAP_M) & (np.abs(side) < JOIN_SIDE_M) & (angle < JOIN_ANGLE_RAD)
        )
        return tuple(int(i) for i in near[np.argsort(gap[near], kind="stable")] if i != lane)

    def _turn_of(self, lane: int) -> float:
        """How far a lane turns over ``EXIT_SPAN_M``, following its straightest exits where it is shorter."""
        turned, left, seen = 0.0, EXIT_SPAN_M, {lane}
        while True:
            turned += heading_change(self._network.lanes[lane].points[:, :2], left)
            left -= float(self._network.arcs[lane][-1])
            exits = [e for e in self._exits_of(lane) if e not in seen]
            if left <= 0 or not exits:
                return turned
            lane = min(exits, key=lambda e: abs(heading_change(self._network.lanes[e].points[:, :2], EXIT_SPAN_M)))
            seen.add(lane)


def _heading(points: Floats) -> float:
    return float(np.arctan2(points[1, 1] - points[0, 1], points[1, 0] - points[0, 0]))


def path_coordinates(
    routes: Routes, scene: Scene, x: Floats, y: Floats, heading: Floats, wanted: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """Agents in road coordinates: the ego's path at each step, or its straight course where it is off lanes.

    Args:
        x, y, heading: [N, T], global.
        wanted: [N, T], which to work out.

    Returns:
        distance along the path less the ego's (metres), lateral offset from the path (left positive, metres) and
        heading less that of the path (radians), each [N, T], NaN where not wanted.
    """
    ahead, lateral, relative = np.full((3, *x.shape), np.nan)
    for number in np.unique(routes.path_of):
        steps = np.flatnonzero(routes.path_of == number)
        who, k = np.nonzero(wanted[:, steps])
        at = steps[k]
        px, py, ph = x[who, at], y[who, at], heading[who, at]
        if number < 0:
            s, d = to_frame(px, py, scene.ego_x[at], scene.ego_y[at], scene.ego_heading[at])
            tangent = scene.ego_heading[at]
        else:
            thin = routes.paths[number].thinned
            s, d, tangent = project(px, py, thin.points, thin.arc)
            s = s - routes.match.along_m[at]
        ahead[who, at], lateral[who, at], relative[who, at] = s, d, wrap_angle(ph - tangent)
    return ahead, lateral, relative
