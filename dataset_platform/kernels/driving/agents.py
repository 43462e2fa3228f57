"""Every agent as the ego meets it: where it is, what it is to the ego, and how close it comes.

Agents on the ego's path are judged along it. All others are judged in the plane at constant velocity; of those that
drive along the road, or stand beside it, road coordinates must agree while the ego follows its path, so that parked
and oncoming cars on the outside of a bend are no obstacles. Every measure of a step uses that step and earlier ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_platform.kernels.driving import risk
from dataset_platform.kernels.driving.geometry import boxes_contact_time, to_frame
from dataset_platform.kernels.driving.lanes import LaneNetwork
from dataset_platform.kernels.driving.path import Routes, path_coordinates
from dataset_platform.kernels.driving.relations import RELATION, Placement, place, relations
from dataset_platform.kernels.driving.scene import Scene

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DEFAULT_EGO_LENGTH_M, DEFAULT_EGO_WIDTH_M = 5.0, 2.1
"""Size of the ego where the record has none (perception frames): about that of the cars that drove them."""
ALONG_ROAD_RAD = np.pi / 9
"""Less than this off the road's direction (or its opposite) is driving on it."""
FOLLOWS_ROAD_RAD = np.pi / 18
"""An ego that is turned more than this from its path does not follow it just now."""
CONTACT_HORIZON_S = 10.0
"""Constant velocity says nothing beyond this; contacts later than it are not reported."""


@dataclass(frozen=True, eq=False)
class AgentFeatures:
    """Agents within the radius, [N, T] each; NaN where not defined.

    Attributes:
        placed: where they are.
        relation, risk: index into ``RELATIONS`` and ``RISK_BANDS`` of ``contracts.driving``.
        gap_m: bumper to bumper along the path, of leads and followers.
        lead: [T], index of the nearest agent ahead on the path, -1 when there is none.
    """

    placed: Placement
    relation: Ints
    closing_speed_mps: Floats
    gap_m: Floats
    ttc_s: Floats
    thw_s: Floats
    drac_mps2: Floats
    risk: Ints
    lead: Ints


def ego_size(scene: Scene) -> tuple[float, float]:
    """Length and width of the ego, metres, with the defaults where the record has none."""
    length = scene.ego_length_m if np.isfinite(scene.ego_length_m) else DEFAULT_EGO_LENGTH_M
    width = scene.ego_width_m if np.isfinite(scene.ego_width_m) else DEFAULT_EGO_WIDTH_M
    return length, width


def agent_features(scene: Scene, routes: Routes, network: LaneNetwork, radius_m: float, path_m: float) -> AgentFeatures:
    """All agents at all steps.

    Args:
        radius_m: agents farther from the ego, centre to centre, are not shown.
        path_m: how far along its path the ego looks for leads.
    """
    placed = place(scene, routes, network, radius_m)
    relation = relations(scene, routes, network, placed, path_m)
    closing, gap, ttc, thw, drac = _measures(scene, routes, placed, relation)
    is_vehicle = (np.array(scene.object_type) == "vehicle")[:, None]
    band = np.where(placed.shown, risk.risk_bands(ttc, drac, np.where(is_vehicle, thw, np.nan)), 0)
    # a row of infinite gaps stands for nobody, so that a scene without agents needs no case of its own
    known = (relation == RELATION["lead"]) & np.isfinite(gap)
    gaps = np.vstack([np.where(known, gap, np.inf), np.full((1, len(scene.times_s)), np.inf)])
    lead = np.where(np.isfinite(gaps.min(0)), gaps.argmin(0), -1)
    return AgentFeatures(placed, relation, closing, gap, ttc, thw, drac, band, lead)


def _measures(scene: Scene, routes: Routes, placed: Placement, relation: Ints) -> tuple[Floats, ...]:
    """Closing speed, gap, TTC, THW and DRAC, [N, T] each, NaN where not defined."""
    length, width = ego_size(scene)
    # along the heading, so that an ego that backs up closes on what is behind it
    forward = scene.ego_velocity_x * np.cos(scene.ego_heading) + scene.ego_velocity_y * np.sin(scene.ego_heading)
    speed = np.broadcast_to(np.where(forward < -risk.STANDSTILL_MPS, forward, scene.ego_speed), placed.shown.shape)
    ahead, left, turned = placed.longitudinal_m, placed.lateral_m, placed.turned_rad
    is_lead, is_following = relation == RELATION["lead"], relation == RELATION["following"]
    shared = is_lead | is_following
    reach = (scene.length * np.abs(np.cos(turned)) + scene.width * np.abs(np.sin(turned)) + length) / 2
    # a size that is not known is no reason to overlook who is there
    gap = np.where(shared, np.abs(placed.along_m) - np.where(np.isfinite(reach), reach, length), np.nan)

    # velocities of the agent less those of the ego: in the ego's frame and along the road
    vx, vy = to_frame(scene.velocity_x, scene.velocity_y, 0.0, 0.0, scene.ego_heading)
    ex, ey = to_frame(scene.ego_velocity_x, scene.ego_velocity_y, 0.0, 0.0, scene.ego_heading)
    plane = vx - ex, vy - ey
    # the tangent of the road is the heading less what it is turned from it; the ego is taken to follow the road
    road_vx, road_vy = to_frame(scene.velocity_x, scene.velocity_y, 0.0, 0.0, scene.heading - turned)
    road = road_vx - speed, road_vy
    ego_aside, ego_turned = _ego_on_path(scene, routes)

    with np.errstate(invalid="ignore", divide="ignore"):
        apart = -(ahead * plane[0] + left * plane[1]) / np.maximum(placed.distance_m, 1e-6)
        closing = np.where(is_lead, -road[0], np.where(is_following, road[0], apart))
        closing = np.where(placed.shown, closing, np.nan)
        parallel = np.minimum(np.abs(turned), np.pi - np.abs(turned)) < ALONG_ROAD_RAD
        follows = (np.abs(ego_turned) < FOLLOWS_ROAD_RAD) & (routes.path_of >= 0)
        on_road = placed.shown & (parallel | placed.standing) & follows
        sizes = (length, width, scene.length, scene.width)
        contact = _contact(placed.shown, ahead, left, *plane, placed.relative_heading_rad, *sizes)
        on_road_contact = _contact(on_road, placed.along_m, placed.aside_m - ego_aside, *road, turned, *sizes)
        contact = np.where(on_road, np.maximum(contact, on_road_contact), contact)
        reported = (contact <= CONTACT_HORIZON_S) & (np.hypot(*plane) > risk.MIN_CLOSING_MPS)
        contact = np.where(reported, contact, np.nan)
        ttc = np.where(shared, risk.time_to_collision(gap, closing), contact)
        thw = np.where(is_lead, risk.time_headway(gap, speed), np.nan)
        # without a shared path: what stops the ego short of the point of contact, v² / (2 v t)
        stops = np.where(speed > risk.STANDSTILL_MPS, speed / (2 * np.maximum(contact, 0.05)), np.nan)
        drac = np.where(shared, risk.deceleration_to_avoid(gap, closing), np.where(ahead > 0, stops, np.nan))
    return closing, gap, ttc, thw, drac


def _contact(mask: Bools, x: Floats, y: Floats, vx: Floats, vy: Floats, angle: Floats, *sizes: Any) -> Floats:
    """``boxes_contact_time`` where a mask holds, NaN elsewhere; the ego's size and then the agents' [N, T]."""
    out = np.full(mask.shape, np.nan)
    who = np.nonzero(mask)
    length, width, agent_length, agent_width = sizes
    moving = (x[who], y[who], vx[who], vy[who])
    out[who] = boxes_contact_time(*moving, angle[who], length, width, agent_length[who], agent_width[who])
    return out


def _ego_on_path(scene: Scene, routes: Routes) -> tuple[Floats, Floats]:
    """The ego's own offset from its path (left positive, metres) and heading less that of the path, [T] each."""
    one = (scene.ego_x[None], scene.ego_y[None], scene.ego_heading[None])
    _, aside, turned = path_coordinates(routes, scene, *one, np.isfinite(scene.ego_x)[None])
    return np.nan_to_num(aside[0]), np.nan_to_num(turned[0])
