"""The line that a plan drives: the view's path made smooth, and a merge into it from where the ego is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataset_platform.kernels.reasoning.view import PlanView

Floats = NDArray[np.float64]

SPACING_M = 0.5
SMOOTHING_M = 5.0
"""Surveyed lanes have corners between their points: the path is averaged over this length."""
MERGE_S = 3.5
MIN_MERGE_M = 12.0
MAX_MERGE_OFFSET_M = 1.75
"""Half a lane. A path farther off is not the ego's own: it is followed at that offset instead."""
REACH_M = 250.0
YAW_FADES_M = 15.0


@dataclass(frozen=True, eq=False)
class Track:
    """A line by its own arc length: ``length_m``, ``x_m``, ``y_m``, ``heading_rad`` (not wrapped), all [P]."""

    length_m: Floats
    x_m: Floats
    y_m: Floats
    heading_rad: Floats

    def at(self, distance_m: Floats) -> tuple[Floats, Floats]:
        """Positions at distances from its start, metres; straight on after its end."""
        beyond = np.maximum(distance_m - self.length_m[-1], 0.0)
        x = np.interp(distance_m, self.length_m, self.x_m) + beyond * np.cos(self.heading_rad[-1])
        y = np.interp(distance_m, self.length_m, self.y_m) + beyond * np.sin(self.heading_rad[-1])
        return x, y


def path_track(view: PlanView) -> Track:
    """The line from the ego along the path of its view; without a path, straight on after its present turn has faded."""
    if len(view.path) < 2:
        line = faded_turn(view.ego_yaw_rate_radps, view.ego_speed_mps)
        return _track(line[:, 0], line[:, 1])
    points = smooth_line(view.path)
    heading = headings_of(points)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    # the path begins abreast of the ego: what is left is an offset to one side, and a difference of heading
    offset = float(-np.sin(heading[0]) * -points[0, 0] + np.cos(heading[0]) * -points[0, 1])
    swerve = float(np.clip(np.tan(np.clip(-heading[0], -1.2, 1.2)), -0.6, 0.6))
    keeps = abs(offset) > MAX_MERGE_OFFSET_M
    length = max(MIN_MERGE_M, MERGE_S * view.ego_speed_mps)
    aside = _merge(along, length, 0.0 if keeps else offset, swerve) + (offset if keeps else 0.0)
    x = points[:, 0] - np.sin(heading) * aside
    y = points[:, 1] + np.cos(heading) * aside
    return _track(x - x[0], y - y[0])


def smooth_line(points: Floats) -> Floats:
    """A polyline [P, 2] at even spacing, averaged over ``SMOOTHING_M``; its ends stay where they are."""
    keep = np.concatenate([[True], np.hypot(*np.diff(points, axis=0).T) > 1e-6])
    points = points[keep]
    if len(points) < 2:
        return np.array([points[0], points[0] + [SPACING_M, 0.0]])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    even = np.linspace(0.0, along[-1], max(2, int(np.ceil(along[-1] / SPACING_M)) + 1))
    line = np.stack([np.interp(even, along, points[:, i]) for i in range(2)], axis=1)
    half = min(round(SMOOTHING_M / SPACING_M / 2), (len(line) - 1) // 2)
    if half < 1:
        return line
    # mirrored through its ends, the line keeps them and leaves them straight on
    head = 2 * line[0] - line[half:0:-1]
    tail = 2 * line[-1] - line[-2 : -half - 2 : -1]
    padded = np.concatenate([head, line, tail])
    weights = np.full(2 * half + 1, 1.0 / (2 * half + 1))
    return np.stack([np.convolve(padded[:, i], weights, mode="valid") for i in range(2)], axis=1)


def headings_of(points: Floats) -> Floats:
    """[P] headings of a polyline [P, 2], radians, not wrapped."""
    d = np.gradient(points, axis=0)
    return np.unwrap(np.arctan2(d[:, 1], d[:, 0]))


def _merge(along: Floats, length: float, offset: float, slope: float) -> Floats:
    """Cubic from an offset and a slope at 0 to none of either at ``length``, nothing after it."""
    u = np.clip(along / length, 0.0, 1.0)
    return offset * (1 - u) ** 2 * (1 + 2 * u) + slope * length * u * (1 - u) ** 2


def faded_turn(yaw_rate_radps: float, speed_mps: float) -> Floats:
    """Where an ego off lanes is taken to go: straight on after its present turn has faded. [P, 2], metres."""
    along = np.arange(0.0, REACH_M, SPACING_M)
    curvature = np.clip(yaw_rate_radps / max(speed_mps, 2.0), -0.1, 0.1)
    heading = curvature * YAW_FADES_M * (1 - np.exp(-along / YAW_FADES_M))
    steps = np.stack([np.cos(heading[:-1]), np.sin(heading[:-1])], axis=1) * SPACING_M
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


def _track(x: Floats, y: Floats) -> Track:
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    return Track(length, x, y, headings_of(np.stack([x, y], axis=1)))
