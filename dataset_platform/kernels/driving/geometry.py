"""Plane geometry on arrays: angles, frames, boxes, polylines and polygons.

Positions are metres, angles radians counter-clockwise from the x axis.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def wrap_angle(angle: Floats) -> Floats:
    """Angles in [−π, π)."""
    wrapped: Floats = (np.asarray(angle, float) + np.pi) % (2 * np.pi) - np.pi
    return wrapped


def to_frame(
    x: Floats, y: Floats, origin_x: Floats | float, origin_y: Floats | float, heading: Floats | float
) -> tuple[Floats, Floats]:
    """Global positions in a frame: metres ahead of and left of its origin. Arguments broadcast."""
    dx, dy = np.asarray(x) - origin_x, np.asarray(y) - origin_y
    cos, sin = np.cos(heading), np.sin(heading)
    return dx * cos + dy * sin, dy * cos - dx * sin


def bearing_deg(longitudinal: Floats, lateral: Floats) -> Floats:
    """Direction in degrees in (−180, 180], left positive."""
    degrees: Floats = np.degrees(np.arctan2(lateral, longitudinal))
    return np.where(degrees <= -180.0, 180.0, degrees)


def cumulative_length(points: Floats) -> Floats:
    """Arc length at each point of a polyline: [P, 2+] gives [P], metres."""
    steps = np.hypot(np.diff(points[:, 0]), np.diff(points[:, 1]))
    return np.concatenate([[0.0], np.cumsum(steps)]) if len(points) else np.empty(0)


def boxes_contact_time(
    offset_x: Floats,
    offset_y: Floats,
    velocity_x: Floats,
    velocity_y: Floats,
    relative_heading: Floats,
    length_a: Floats | float,
    width_a: Floats | float,
    length_b: Floats,
    width_b: Floats,
) -> Floats:
    """Seconds until two boxes that keep velocity and heading touch; 0 when they do, inf when they never will.

    Exact, by the separating axes: on each of the four axes the gap closes linearly, and the boxes touch when it is
    closed on all of them at once.

    Args:
        offset_x, offset_y: centre of B in the frame of A, metres.
        velocity_x, velocity_y: velocity of B less that of A, in the frame of A, metres per second.
        relative_heading: heading of B less that of A.
    """
    cos, sin = np.cos(relative_heading), np.sin(relative_heading)
    abs_cos, abs_sin = np.abs(cos), np.abs(sin)
    enter, leave = np.zeros(np.shape(offset_x)), np.full(np.shape(offset_x), np.inf)
    axes = (
        (offset_x, velocity_x, (length_a + length_b * abs_cos + width_b * abs_sin) / 2),
        (offset_y, velocity_y, (width_a + length_b * abs_sin + width_b * abs_cos) / 2),
        (
            offset_x * cos + offset_y * sin,
            velocity_x * cos + velocity_y * sin,
            (length_b + length_a * abs_cos + width_a * abs_sin) / 2,
        ),
        (
            offset_y * cos - offset_x * sin,
            velocity_y * cos - velocity_x * sin,
            (width_b + length_a * abs_sin + width_a * abs_cos) / 2,
        ),
    )
    for offset, velocity, reach in axes:
        with np.errstate(divide="ignore", invalid="ignore"):
            first, second = (-reach - offset) / velocity, (reach - offset) / velocity
        still, inside = np.abs(velocity) < 1e-9, np.abs(offset) < reach
        # without motion along an axis: in touch always, or never
        first = np.where(still, np.where(inside, -np.inf, np.inf), first)
        second = np.where(still, np.inf, second)
        enter, leave = np.fmax(enter, np.fmin(first, second)), np.fmin(leave, np.fmax(first, second))
    known = np.isfinite(np.asarray(offset_x) + offset_y + velocity_x + velocity_y + relative_heading)
    return np.where(known & (enter <= leave), enter, np.inf)


def inside_polygon(x: Floats, y: Floats, polygon: Floats) -> Bools:
    """Whether points lie in a polygon [P, 2] by the even-odd rule; same shape as ``x``. NaN is outside."""
    x, y = np.asarray(x, float)[..., None], np.asarray(y, float)[..., None]
    x0, y0 = polygon[:, 0], polygon[:, 1]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    straddles = (y0 > y) != (y1 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = x0 + (y - y0) * (x1 - x0) / (y1 - y0)
    inside: Bools = (straddles & (x < crossing)).sum(-1) % 2 == 1
    return inside


def crossings(points: Floats, arc: Floats, polygon: Floats) -> Floats:
    """Arc lengths at which a polyline [P, 2] meets the edges of a polygon [Q, 2], in no particular order."""
    start, step = points[:-1, None, :], np.diff(points, axis=0)[:, None, :]
    corner, edge = polygon[None, :, :], np.roll(polygon, -1, axis=0)[None, :, :] - polygon[None, :, :]
    apart = corner - start
    across = step[..., 0] * edge[..., 1] - step[..., 1] * edge[..., 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        on_line = (apart[..., 0] * edge[..., 1] - apart[..., 1] * edge[..., 0]) / across
        on_edge = (apart[..., 0] * step[..., 1] - apart[..., 1] * step[..., 0]) / across
    segment, side = np.nonzero((on_line >= 0) & (on_line <= 1) & (on_edge >= 0) & (on_edge <= 1))
    lengths: Floats = arc[segment] + on_line[segment, side] * np.diff(arc)[segment]
    return lengths


def nearest_on_polyline(x: Floats, y: Floats, points: Floats, closed: bool = False) -> tuple[Floats, Floats, Floats]:
    """Nearest points of a polyline [P, 2] (P ≥ 1): their x, y and distance, each of the shape of ``x``."""
    if closed and len(points) > 2:
        points = np.vstack([points, points[:1]])
    if len(points) == 1:
        points = np.repeat(points, 2, axis=0)
    foot_x, foot_y, distance, _, _ = _feet(np.asarray(x, float), np.asarray(y, float), points)
    return foot_x, foot_y, distance


def project(x: Floats, y: Floats, points: Floats, arc: Floats) -> tuple[Floats, Floats, Floats]:
    """Coordinates along a polyline [P, 2] (P ≥ 2) with arc lengths ``arc`` [P].

    The first and the last segment are prolonged, so that what lies before or beyond has arc lengths below 0 or
    above the length.

    Returns:
        arc length, lateral offset (left positive) and heading of the nearest segment, each of the shape of ``x``.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    _, _, _, segment, share = _feet(x, y, points, prolong=True)
    start, step = points[segment], points[segment + 1] - points[segment]
    length = np.maximum(arc[segment + 1] - arc[segment], 1e-9)
    along = arc[segment] + share * length
    lateral = (step[..., 0] * (y - start[..., 1]) - step[..., 1] * (x - start[..., 0])) / length
    return along, lateral, np.arctan2(step[..., 1], step[..., 0])


def _feet(x: Floats, y: Floats, points: Floats, prolong: bool = False) -> tuple[Floats, Floats, Floats, Ints, Floats]:
    """Nearest point on the polyline for each position: x, y, distance, segment and share of it."""
    start, step = points[:-1, :2], np.diff(points[:, :2], axis=0)
    square = np.maximum((step**2).sum(1), 1e-12)
    dx, dy = x[..., None] - start[:, 0], y[..., None] - start[:, 1]
    share = (dx * step[:, 0] + dy * step[:, 1]) / square
    low, high = np.zeros(len(step)), np.ones(len(step))
    if prolong:
        low[0], high[-1] = -np.inf, np.inf
    share = np.clip(share, low, high)
    away = (dx - share * step[:, 0]) ** 2 + (dy - share * step[:, 1]) ** 2
    segment = np.where(np.isfinite(away), away, np.inf).argmin(-1)
    pick = segment[..., None]
    at = np.take_along_axis(share, pick, -1)[..., 0]
    distance = np.sqrt(np.take_along_axis(away, pick, -1)[..., 0])
    return (
        start[segment, 0] + at * step[segment, 0],
        start[segment, 1] + at * step[segment, 1],
        distance,
        segment,
        at,
    )
