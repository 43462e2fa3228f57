"""Lines in the plane, [P, 2] metres: straights, turns whose curvature ramps up and down, shifts to the side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SPACING_M = 1.0
RAMP_SHARE = 0.35
"""Share of a turn's length over which its curvature rises, and again falls: a wheel is not turned at once."""


def straight(start: Floats, end: Floats, spacing_m: float = SPACING_M) -> Floats:
    """A straight line with points about ``spacing_m`` apart."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    pieces = max(1, int(np.ceil(np.hypot(*(end - start)) / spacing_m)))
    return start + np.linspace(0.0, 1.0, pieces + 1)[:, None] * (end - start)


def turn(start: Floats, heading_rad: float, end: Floats, angle_rad: float, tightness: float = 0.85) -> Floats:
    """From a point and heading to a point, turned by a right angle: straight, curve, straight.

    Args:
        angle_rad: plus or minus π/2, left positive.
        tightness: share of the shorter leg that the curve takes, 0 to 1.
    """
    start, end = np.asarray(start, float), np.asarray(end, float)
    ahead = np.array([np.cos(heading_rad), np.sin(heading_rad)])
    aside = np.sign(angle_rad) * np.array([-ahead[1], ahead[0]])
    along, across = float((end - start) @ ahead), float((end - start) @ aside)
    side = tightness * min(along, across)
    share = np.linspace(0.0, 1.0, 81)
    bend = np.minimum(np.minimum(share, 1 - share) / RAMP_SHARE, 1.0)
    angle = np.concatenate([[0.0], np.cumsum((bend[1:] + bend[:-1]) / 2)])
    angle *= abs(angle_rad) / angle[-1]
    middle = (angle[1:] + angle[:-1]) / 2
    x = np.concatenate([[0.0], np.cumsum(np.cos(middle))])
    y = np.concatenate([[0.0], np.cumsum(np.sin(middle))])
    scale = side / x[-1]
    curve = start + ahead * (along - side) + (x * scale)[:, None] * ahead + (y * scale)[:, None] * aside
    return resampled(np.concatenate([start[None], curve, end[None]]), SPACING_M / 2)


def shifted(line: Floats, offset_m: float | Floats) -> Floats:
    """The line moved to its left by an offset, one for all points or one each."""
    heading = headings(line)
    return line + np.stack([-np.sin(heading), np.cos(heading)], axis=-1) * np.reshape(offset_m, (-1, 1))


def ramp(along: Floats, start_m: float, end_m: float) -> Floats:
    """0 before the start, 1 after the end, between them a quintic without a jump of curvature."""
    share = np.clip((along - start_m) / (end_m - start_m), 0.0, 1.0)
    return share**3 * (10 - 15 * share + 6 * share**2)


def lengths(line: Floats) -> Floats:
    """[P], arc length at each point."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])


def headings(line: Floats) -> Floats:
    """[P], direction of the tangent at each point, radians, not wrapped."""
    tangent = np.gradient(line, lengths(line), axis=0) if len(line) > 2 else np.diff(line, axis=0).repeat(2, 0)
    return np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))


def resampled(line: Floats, spacing_m: float) -> Floats:
    """The same line with evenly spaced points, ends kept; points that coincide are taken once."""
    apart = np.concatenate([[True], np.hypot(*np.diff(line, axis=0).T) > 1e-6])
    line = line[apart]
    arc = lengths(line)
    at = np.linspace(0.0, arc[-1], max(2, round(arc[-1] / spacing_m) + 1))
    return np.stack([np.interp(at, arc, line[:, 0]), np.interp(at, arc, line[:, 1])], axis=-1)


def rotated(points: Floats, angle_rad: float) -> Floats:
    """Points [..., 2] turned about the origin."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.stack([c * points[..., 0] - s * points[..., 1], s * points[..., 0] + c * points[..., 1]], axis=-1)
