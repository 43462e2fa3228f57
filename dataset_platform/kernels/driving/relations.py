"""What each agent is to the ego: where it is on the road, and whether it leads, follows, crosses, comes against it.

Everything of a step is made from that step and earlier ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataset_platform.contracts.driving_types import RELATIONS
from dataset_platform.kernels.driving.geometry import to_frame, wrap_angle
from dataset_platform.kernels.driving.lanes import LaneMatch, LaneNetwork
from dataset_platform.kernels.driving.path import Routes, path_coordinates
from dataset_platform.kernels.driving.scene import Scene

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

ALIGNED_RAD = np.pi / 4
"""Less than this off the road's direction goes along it, more than π less this comes against it."""
SAME_COURSE_RAD = np.pi / 12
"""An agent on another lane that runs this parallel to the ego's path, on top of it, has not left it yet."""
CORNER_REACH_M = 30.0
"""Farther along the path than this, an agent that heads elsewhere than the ego is no lead."""
CORRIDOR_M = 1.75
"""Half a lane: an agent whose centre is nearer than this to the path is on it."""
ADJACENT_M = 6.0
"""Farther to the side than this is no neighbouring lane."""
ONCOMING_SIDE_M = 15.0
CROSSING_SIDE_M = 60.0
STANDING_MPS = 0.3
"""A track that stayed below this has not moved: the noise of tracks at rest."""
STANDING_PAST_S = 1.0
PARKED_OFFSET_M = 1.4
"""A standing vehicle this far off every lane centre is parked, not queueing."""
CROSSING_HORIZON_S = 6.0
NEIGHBOUR_REACH_M = 50.0
MOVERS = ("vehicle", "cyclist")
RELATION = {name: number for number, name in enumerate(RELATIONS)}


@dataclass(frozen=True, eq=False)
class Placement:
    """Where agents are, [N, T] each, NaN where not shown.

    Attributes:
        shown: valid and within the radius. standing: not moved over the last ``STANDING_PAST_S``.
        longitudinal_m, lateral_m, distance_m, relative_heading_rad: in the ego's frame.
        along_m, aside_m, turned_rad: in road coordinates, see ``path_coordinates``.
        match: lanes of the agents.
    """

    shown: Bools
    standing: Bools
    longitudinal_m: Floats
    lateral_m: Floats
    distance_m: Floats
    relative_heading_rad: Floats
    along_m: Floats
    aside_m: Floats
    turned_rad: Floats
    match: LaneMatch


def place(scene: Scene, routes: Routes, network: LaneNetwork, radius_m: float) -> Placement:
    """All agents at all steps; those farther from the ego than the radius, centre to centre, are not shown."""
    ahead, left = to_frame(scene.x, scene.y, scene.ego_x, scene.ego_y, scene.ego_heading)
    distance = np.hypot(ahead, left)
    shown = scene.valid & (np.nan_to_num(distance, nan=np.inf) <= radius_m)
    ahead, left, distance, heading = (np.where(shown, a, np.nan) for a in (ahead, left, distance, scene.heading))
    road = path_coordinates(routes, scene, scene.x, scene.y, heading, shown)
    match = network.match(scene.x, scene.y, heading)
    relative = wrap_angle(heading - scene.ego_heading)
    return Placement(shown, _standing(scene), ahead, left, distance, relative, *road, match)


def relations(scene: Scene, routes: Routes, network: LaneNetwork, placed: Placement, path_m: float) -> Ints:
    """[N, T], index into ``RELATIONS``: the first that fits of lead, following, parked, crossing, oncoming, adjacent.

    A lead is a vehicle or cyclist ahead on the ego's path that goes its way. Being in the corridor is not enough:
    traffic across that is on another lane, or drives into the ego's exit far round the corner, is crossing.

    Args:
        path_m: how far along its path the ego looks.
    """
    kind = np.array(scene.object_type)[:, None]
    along, aside, turned, relative = placed.along_m, placed.aside_m, placed.turned_rad, placed.relative_heading_rad
    match, mover = placed.match, np.isin(kind, MOVERS)
    moving = scene.speed > STANDING_MPS
    with np.errstate(invalid="ignore"):
        aligned, against = np.abs(turned) < ALIGNED_RAD, np.abs(turned) > np.pi - ALIGNED_RAD
        # who is on another lane is only passing over the path, unless the lanes have not parted yet
        own_lane = _on_path_lanes(routes, match, network) | (match.lane < 0) | (np.abs(turned) < SAME_COURSE_RAD)
        round_corner = (np.abs(relative) >= ALIGNED_RAD) & (np.abs(along) > CORNER_REACH_M)
        # a cut-off map proves no lane absent
        off_lane = (match.offset_m > PARKED_OFFSET_M) | ((match.lane < 0) & (not network.sampled))
        parked = (kind == "vehicle") & placed.standing & off_lane & (np.abs(aside) > PARKED_OFFSET_M)
        on_path = aligned & (np.abs(aside) < CORRIDOR_M) & mover & own_lane & ~round_corner & ~parked
        lead = on_path & (along > 0) & (along <= _path_left(routes, path_m))
        following = on_path & (along <= 0) & (along > -NEIGHBOUR_REACH_M)
        across = (np.abs(relative) > ALIGNED_RAD) & (np.abs(relative) < np.pi - ALIGNED_RAD)
        across |= ~aligned & ~against
        maybe = placed.shown & across & moving & ~lead & ~following & (np.abs(aside) < CROSSING_SIDE_M)
        crossing = maybe & _crosses(scene, routes, placed, maybe, path_m)
        oncoming = against & moving & (placed.longitudinal_m > 0) & (np.abs(aside) < ONCOMING_SIDE_M)
        adjacent = aligned & (np.abs(aside) < ADJACENT_M) & (np.abs(along) < NEIGHBOUR_REACH_M) & mover
    relation = np.full(placed.shown.shape, RELATION["other"])
    ordered = (adjacent, "adjacent"), (oncoming, "oncoming"), (crossing, "crossing"), (parked, "parked")
    for mask, name in (*ordered, (following, "following"), (lead, "lead")):
        relation[mask & placed.shown] = RELATION[name]
    return relation


def _standing(scene: Scene) -> Bools:
    """[N, T]: whether an agent has not moved over the last ``STANDING_PAST_S``."""
    behind = scene.times_s[:, None] - scene.times_s[None, :]
    first = ((behind > STANDING_PAST_S + 1e-3) | (behind < 0)).argmin(1)
    fast = np.cumsum(scene.valid & (scene.speed >= STANDING_MPS), axis=1)
    fast = np.concatenate([np.zeros((len(fast), 1), np.int64), fast], axis=1)
    standing: Bools = fast[:, 1:] == fast[:, first]
    return standing


def _on_path_lanes(routes: Routes, match: LaneMatch, network: LaneNetwork) -> Bools:
    """[N, T]: whether an agent's lane is one of those of the ego's path."""
    on_path = np.zeros((len(routes.paths) + 1, len(network.lanes) + 1), bool)
    for number, path in enumerate(routes.paths):
        on_path[number, [network.index_of[lane] for lane in path.lane_ids]] = True
    # row and column −1 stand for no path and no lane
    return on_path[routes.path_of[None, :], match.lane]


def _path_left(routes: Routes, path_m: float) -> Floats:
    """[T], metres of path ahead of the ego; beyond its end nobody is known to be on it."""
    left = np.full(len(routes.path_of), path_m)
    for number, path in enumerate(routes.paths):
        at = routes.path_of == number
        left[at] = np.minimum(path_m, path.arc[-1] - routes.match.along_m[at])
    return left


def _crosses(scene: Scene, routes: Routes, placed: Placement, maybe: Bools, path_m: float) -> Bools:
    """Whether an agent is on the ego's path ahead, or gets onto or over it within the horizon at constant velocity."""
    left, along, aside = _path_left(routes, path_m), placed.along_m, placed.aside_m
    crosses = (np.abs(aside) < CORRIDOR_M) & (along > 0) & (along < left)
    side, place = np.sign(aside), along
    for seconds in (CROSSING_HORIZON_S / 3, CROSSING_HORIZON_S * 2 / 3, CROSSING_HORIZON_S):
        x, y = scene.x + scene.velocity_x * seconds, scene.y + scene.velocity_y * seconds
        then_along, then_aside, _ = path_coordinates(routes, scene, x, y, scene.heading, maybe)
        over = (np.sign(then_aside) != side) | (np.abs(then_aside) < CORRIDOR_M)
        crosses |= over & (np.maximum(place, then_along) > 0) & (np.minimum(place, then_along) < left)
        side, place = np.sign(then_aside), then_along
    return crosses
