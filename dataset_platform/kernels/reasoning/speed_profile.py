"""How fast the rule planner drives: one-dimensional motion along the path under a set of limits.

The free road and the gap to a lead follow the Intelligent Driver Model (Treiber, Hennecke, Helbing 2000). A point that
must be passed no faster than some speed (a stop line: at zero) is approached at the constant deceleration that just
suffices. Acceleration and jerk stay inside nuPlan's comfort limits (−4.05…2.40 m/s², 4.13 m/s³), emergencies aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray

from dataset_platform.kernels.reasoning.trace import HORIZON_S

Floats = NDArray[np.float64]

STEP_S = 0.1
ACCELERATION_MPS2 = 1.4
COMFORT_BRAKE_MPS2 = 2.0
MAX_BRAKE_MPS2 = 3.7
"""What the planner may use of nuPlan's 4.05."""
EMERGENCY_FROM_MPS2, EMERGENCY_BRAKE_MPS2, EMERGENCY_JERK_MPS3 = 4.0, 7.0, 10.0
"""Where more than this is needed, a crash is worse than discomfort: the ego brakes as hard as a dry road lets it."""
EMERGENCY_FROM_MPS = 2.0
CRASH_GAP_M, POINT_SLACK_M, BRAKE_DELAY_S = 0.5, 2.0, 0.5
"""Room that an emergency leaves to a lead; room before another road user's way that may be used up in one;
time that brakes held to comfort take to bite."""
HEADWAY_S = 1.2
STANDING_GAP_M = 2.0
JERK_MPS3 = 2.2
HARD_JERK_MPS3 = 2.7
LANDING_JERK_MPS3 = 1.8
HOLD_M = 2.5
"""A standing ego does not creep over less than this."""


@dataclass(frozen=True)
class Limit:
    """One limit on the drive.

    Attributes:
        subject: whose limit it is, as the facts name it (``agent:12``, ``signal:455``, ``ego``, ``path``).
        kind: kind of cause, one of ``trace.CauseKind``.
        distance_m: to a lead: the gap; to a point: what may be travelled until it.
        speed_mps: of a lead: its speed; of a point: the speed allowed there, which holds on until ``until_m``.
        moves: whether the limit drives on by itself, as a lead does.
        until_m: distance after which a speed allowed from a point on is lifted.
    """

    subject: str
    kind: str
    distance_m: float
    speed_mps: float
    moves: bool = False
    until_m: float = inf


@dataclass(frozen=True, eq=False)
class SpeedProfile:
    """Motion along the path: [T] seconds, metres, metres per second, every tenth of a second up to ``HORIZON_S``."""

    times_s: Floats
    distance_m: Floats
    speed_mps: Floats


def speed_profile(
    speed_mps: float, acceleration_mps2: float, target_mps: float, limits: Sequence[Limit] = ()
) -> SpeedProfile:
    """Drive from now on towards a speed, held back by limits.

    Args:
        speed_mps, acceleration_mps2: now.
        target_mps: speed wanted on a free road.
        limits: all are kept at once: the strictest of them rules at each moment.
    """
    steps = round(HORIZON_S / STEP_S) + 1
    distance, speed = np.zeros(steps), np.zeros(steps)
    s, v = 0.0, max(0.0, speed_mps)
    a = min(max(acceleration_mps2, -MAX_BRAKE_MPS2), ACCELERATION_MPS2) if v > 0.2 else 0.0
    speed[0] = v
    for i in range(1, steps):
        t = (i - 1) * STEP_S
        wanted = min([_free(v, target_mps), *(_held(limit, s, v, t) for limit in limits)])
        if v > EMERGENCY_FROM_MPS and any(_needed(limit, s, v, t) > EMERGENCY_FROM_MPS2 for limit in limits):
            wanted, jerk, landing = -EMERGENCY_BRAKE_MPS2, EMERGENCY_JERK_MPS3, EMERGENCY_JERK_MPS3
        else:
            landing = LANDING_JERK_MPS3
            wanted = max(wanted, -MAX_BRAKE_MPS2)
            jerk = HARD_JERK_MPS3 if wanted < -COMFORT_BRAKE_MPS2 else JERK_MPS3
        a += min(max(wanted - a, -jerk * STEP_S), jerk * STEP_S)
        # so that the deceleration has faded when the ego comes to stand
        a = max(a, -sqrt(2 * landing * v))
        faster = max(0.0, v + a * STEP_S)
        s += (v + faster) / 2 * STEP_S
        v = faster
        if v <= 0.0:
            a = max(a, 0.0)
        distance[i], speed[i] = s, v
    return SpeedProfile(np.arange(steps, dtype=np.float64) * STEP_S, distance, speed)


def braking_needed(speed_mps: float, distance_m: float, to_mps: float = 0.0) -> float:
    """Constant deceleration that brings one speed down to another within a distance, metres per second squared."""
    return max(0.0, speed_mps**2 - to_mps**2) / (2 * max(distance_m, 0.1))


def _free(v: float, target: float) -> float:
    if target <= 0.0:
        return -COMFORT_BRAKE_MPS2 if v > 0.0 else 0.0
    if v <= target:
        return ACCELERATION_MPS2 * (1.0 - (v / target) ** 4)
    return -min(COMFORT_BRAKE_MPS2, 0.8 * (v - target))


def _needed(limit: Limit, s: float, v: float, t: float) -> float:
    """Deceleration that a crash with a road user takes to avoid; what is none may be passed instead."""
    if not limit.subject.startswith("agent:"):
        return 0.0
    closing = v - (limit.speed_mps if limit.moves else 0.0)
    gap = limit.distance_m + limit.speed_mps * t - s if limit.moves else limit.distance_m + POINT_SLACK_M - s
    closing = max(0.0, closing)
    return closing**2 / (2 * max(gap - CRASH_GAP_M - BRAKE_DELAY_S * closing, 0.1))


def _held(limit: Limit, s: float, v: float, t: float) -> float:
    if limit.moves:
        gap = limit.distance_m + limit.speed_mps * t - s
        if v < 0.3 and limit.speed_mps < 0.3 and gap < STANDING_GAP_M + HOLD_M:
            return -COMFORT_BRAKE_MPS2
        braking = v * (v - limit.speed_mps) / (2 * sqrt(ACCELERATION_MPS2 * COMFORT_BRAKE_MPS2))
        wanted = STANDING_GAP_M + max(0.0, v * HEADWAY_S + braking)
        model = ACCELERATION_MPS2 * (1.0 - (wanted / max(gap, 0.1)) ** 2)
        # the model brakes hard for a gap that is merely short: no harder than comfort, or than a crash takes to avoid
        return max(model, -max(COMFORT_BRAKE_MPS2, 1.2 * _needed(limit, s, v, t)))
    left = limit.distance_m - s
    if limit.speed_mps > 0.0 and left <= 0.0:
        return _free(v, limit.speed_mps) if s <= limit.until_m else ACCELERATION_MPS2
    if limit.speed_mps == 0.0 and (left < 0.2 or (v < 0.3 and left < HOLD_M)):
        return -COMFORT_BRAKE_MPS2
    needed = max(0.0, v**2 - limit.speed_mps**2) / (2 * max(left, 0.1))
    # still far: drive on, then roll, then brake as needed
    return (
        -needed if needed > 1.1 else float(np.interp(needed, (0.0, 0.5, 0.7, 1.1), (ACCELERATION_MPS2, 0.0, 0.0, -1.1)))
    )
