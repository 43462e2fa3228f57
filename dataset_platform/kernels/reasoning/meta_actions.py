"""Meta-actions: what a trajectory does, in one word along the road and one across it.

A projection by rule, so that a stated action can be checked against a plan, and a logged drive can be labelled. The set
is that of ``trace.Longitudinal`` and ``trace.Lateral``; the idea of verifiable meta-actions as projections of
trajectories is DriveMA's (arXiv 2605.31271), keyframes where they change are Alpamayo-R1's (arXiv 2511.00088). The
thresholds are conventions of this project:

* ``stop``: comes to stand (below 0.5 m/s) within the trajectory; or stands now, and still does four seconds on.
* ``accelerate`` / ``decelerate``: four seconds on (or at the end, where that is earlier) at least 1 m/s faster / slower.
* ``left_turn`` / ``right_turn``: at its end at least 30 degrees off the heading at its start.
* ``left_lane_change`` / ``right_lane_change``: gains at least 2 m to one side by a heading that swings out and back, which
  a curve of the road does not.

``yield`` says why the ego slows, so no trajectory shows it: ``agrees`` takes it for a deceleration or a stop.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dataset_platform.kernels.reasoning.trace import Lateral, Longitudinal

Floats = NDArray[np.float64]

SPEED_HORIZON_S = 4.0
SPEED_CHANGE_MPS = 1.0
STANDSTILL_MPS = 0.5
TURN_RAD = float(np.radians(30.0))
LANE_CHANGE_M = 2.0
MOVING_STEP_M = 0.02

LONGITUDINAL: tuple[Longitudinal, ...] = ("accelerate", "maintain", "decelerate", "stop", "yield")
LATERAL: tuple[Lateral, ...] = ("keep", "left_lane_change", "right_lane_change", "left_turn", "right_turn")


def meta_actions_of(
    times_s: Floats, x: Floats, y: Floats, heading: Floats, speed: Floats
) -> tuple[Longitudinal, Lateral]:
    """The actions that a trajectory shows.

    Args:
        times_s: [T], increasing, first is now. x, y: [T], metres, any frame. heading: [T], radians, wrapped or not.
        speed: [T], metres per second. T ≥ 2; all finite.
    """
    return longitudinal_of(times_s, speed), lateral_of(x, y, heading)


def longitudinal_of(times_s: Floats, speed: Floats) -> Longitudinal:
    """The action along the road. Shapes as in ``meta_actions_of``."""
    t = np.asarray(times_s, float) - float(times_s[0])
    v = np.asarray(speed, float)
    later = float(np.interp(min(SPEED_HORIZON_S, t[-1]), t, v))
    if v[0] < STANDSTILL_MPS:
        if later < STANDSTILL_MPS:
            return "stop"
    elif v.min() < STANDSTILL_MPS:
        return "stop"
    if later - v[0] >= SPEED_CHANGE_MPS:
        return "accelerate"
    return "decelerate" if later - v[0] <= -SPEED_CHANGE_MPS else "maintain"


def lateral_of(x: Floats, y: Floats, heading: Floats) -> Lateral:
    """The action across the road. Shapes as in ``meta_actions_of``."""
    step = np.hypot(np.diff(x), np.diff(y))
    moved = np.concatenate([[True], step > MOVING_STEP_M])
    # headings of a vehicle that stands say nothing: the last one that it drove holds on
    last = np.maximum.accumulate(np.where(moved, np.arange(len(moved)), 0))
    turned = np.unwrap(np.asarray(heading, float)[last])
    turned = turned - turned[0]
    if abs(turned[-1]) >= TURN_RAD:
        return "left_turn" if turned[-1] > 0 else "right_turn"
    high, low = max(0.0, turned[-1]), min(0.0, turned[-1])
    outside = np.maximum(turned - high, 0.0) + np.minimum(turned - low, 0.0)
    gained = float(np.sum(step * np.sin((outside[1:] + outside[:-1]) / 2)))
    if abs(gained) >= LANE_CHANGE_M:
        return "left_lane_change" if gained > 0 else "right_lane_change"
    return "keep"


def agrees(stated: tuple[str, str], projected: tuple[str, str]) -> bool:
    """Whether a stated pair of actions is what a trajectory shows; a stated yield is a deceleration or a stop."""
    along = stated[0] == projected[0] or (stated[0] == "yield" and projected[0] in ("decelerate", "stop"))
    return along and stated[1] == projected[1]
