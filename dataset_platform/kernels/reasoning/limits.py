"""What holds the ego back, read off the facts: each thing that limits its drive, as a ``speed_profile.Limit``.

Distances in facts about signals, crosswalks and stop signs are from the front bumper, those to conflict points from the
ego's centre; a limit's distance is what the ego may still travel.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np

from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.meta_actions import STANDSTILL_MPS
from dataset_platform.kernels.reasoning.speed_profile import (
    MAX_BRAKE_MPS2,
    Limit,
    SpeedProfile,
    braking_needed,
    speed_profile,
)

Seen = Callable[[str], bool]

STOP_STATES = frozenset({"stop", "arrow_stop", "flashing_stop"})
CAUTION_STATES = frozenset({"caution", "arrow_caution"})
CAUTION_BRAKE_MPS2 = 3.0
"""At amber the ego stops where this deceleration suffices (ITE's 10 ft/s² for the amber interval), else it drives on."""
STOP_MARGIN_M = 1.0
YIELD_MARGIN_M = 3.0
STOPPED_AT_LINE_M = 5.0
"""A standing ego is at a stop line that lies at most this far before or behind its bumper."""
UNKNOWN_LIMIT_MPS = 11.2
"""Speed wanted from a standing start where no limit is posted: 25 mph, the usual limit of residential streets."""
STARTING_MPS = 5.0
CURVE_LATERAL_MPS2 = 2.0
"""Lateral acceleration at which curves are driven; people keep to about this in towns (nuPlan allows 4.89)."""
CONFLICT_GAP_S = 1.5
"""Time that must lie between another road user and the ego at a shared point: the PET that counts as critical."""
CONFLICT_HORIZON_S = 5.0
CONFLICT_GAIN_MPS = 4.0
DEFAULT_LENGTH_M = 5.0
OFF_LANES_LOOK_M, OFF_LANES_LOOK_S = 15.0, 6.0
"""Off lanes the ego's way is known only this far: a vehicle beyond it may not be on it."""
YIELD_KINDS = frozenset({"pedestrian", "cyclist", "crossing_traffic"})


def cruise_mps(facts: Facts, seen: Seen) -> float:
    """Speed wanted on a free road: the posted limit; where none is known the ego keeps its speed, or starts up."""
    speed = facts.value("ego", "speed") or 0.0
    limit = facts.value("ego", "speed_limit") if seen("ego") else None
    if limit is not None:
        return limit
    return UNKNOWN_LIMIT_MPS if speed < STARTING_MPS else speed


def limits_of(facts: Facts, seen: Seen) -> tuple[Limit, ...]:
    """All limits that the facts state of subjects that are ``seen``, in the order of the facts."""
    speed = facts.value("ego", "speed") or 0.0
    half = (facts.value("ego", "length") or DEFAULT_LENGTH_M) / 2
    found: list[Limit | None] = []
    for subject in facts.subjects:
        kind = subject.partition(":")[0]
        if not seen(subject):
            continue
        if kind == "signal":
            found.append(_signal(facts, subject, speed))
        elif kind == "stop_sign":
            found.append(_stop_sign(facts, subject, speed))
        elif kind == "agent":
            found.append(_lead(facts, subject, speed))
            found.append(_conflict(facts, subject, seen, speed, half))
        elif kind == "path":
            found.extend(_path(facts, speed))
    return tuple(limit for limit in found if limit is not None)


def _signal(facts: Facts, subject: str, speed: float) -> Limit | None:
    state, distance = facts.word(subject, "state"), facts.value(subject, "distance")
    if distance is None or state not in STOP_STATES | CAUTION_STATES:
        return None
    if speed < STANDSTILL_MPS and abs(distance) <= STOPPED_AT_LINE_M:
        return Limit(subject, "signal", max(0.0, distance - STOP_MARGIN_M), 0.0)
    most = MAX_BRAKE_MPS2 if state in STOP_STATES else CAUTION_BRAKE_MPS2
    if distance < 0.0 or braking_needed(speed, distance) > most:
        return None
    return Limit(subject, "signal", max(0.0, distance - STOP_MARGIN_M), 0.0)


def _stop_sign(facts: Facts, subject: str, speed: float) -> Limit | None:
    distance = facts.value(subject, "distance")
    if distance is None:
        return None
    if distance < 0.0 or (speed < STANDSTILL_MPS and distance <= STOPPED_AT_LINE_M):
        return None  # behind the line, or the stop has been made
    if braking_needed(speed, distance) > MAX_BRAKE_MPS2:
        return None
    return Limit(subject, "stop_sign", max(0.0, distance - STOP_MARGIN_M), 0.0)


def _lead(facts: Facts, subject: str, speed: float) -> Limit | None:
    gap = facts.value(subject, "gap")
    if facts.word(subject, "relation") != "lead" or gap is None:
        return None
    if facts.value("path", "length") == 0.0 and gap > max(OFF_LANES_LOOK_M, OFF_LANES_LOOK_S * speed):
        return None
    kind = {"pedestrian": "pedestrian", "cyclist": "cyclist"}.get(facts.word(subject, "type") or "", "lead_vehicle")
    return Limit(subject, kind, max(0.0, gap), facts.value(subject, "speed") or 0.0, moves=True)


def _conflict(facts: Facts, subject: str, seen: Seen, speed: float, half: float) -> Limit | None:
    """Another road user whose way crosses the path: a point to stop before, if both would be there at about one time."""
    along = facts.value(subject, "conflict_distance")
    begin, end = facts.value(subject, "conflict_time"), facts.value(subject, "conflict_until")
    if along is None or begin is None or end is None or begin > CONFLICT_HORIZON_S:
        return None
    kind = {"pedestrian": "pedestrian", "cyclist": "cyclist"}.get(facts.word(subject, "type") or "", "crossing_traffic")
    stop_at = along - half - YIELD_MARGIN_M
    crosswalk = _crosswalk_of(facts, subject, seen)
    if crosswalk is not None:
        stop_at = min(stop_at, crosswalk - STOP_MARGIN_M)
    if along <= half:
        return None  # it passes behind the ego's front: braking would not help
    # there at the earliest when it speeds up, gone at the latest when it does not: whatever limit is posted
    arrives = _time_to(speed_profile(speed, 0.0, speed + CONFLICT_GAIN_MPS), along - half)
    leaves = _time_to(speed_profile(speed, 0.0, max(speed, STARTING_MPS)), along + half)
    if arrives > end + CONFLICT_GAP_S or leaves < begin - CONFLICT_GAP_S:
        return None
    if braking_needed(speed, max(stop_at, 0.1)) > 2 * MAX_BRAKE_MPS2:
        stop_at = along - half - 0.5
    return Limit(subject, kind, max(0.0, stop_at), 0.0)


def _crosswalk_of(facts: Facts, subject: str, seen: Seen) -> float | None:
    """Metres from the front bumper along the path to the crosswalk that an agent occupies."""
    agent = subject.partition(":")[2]
    for other in facts.subjects:
        if not other.startswith("crosswalk:") or not seen(other):
            continue
        if agent in (facts.word(other, "occupied_by") or "").split(","):
            return facts.value(other, "distance")
    return None


def _path(facts: Facts, speed: float) -> list[Limit]:
    length = facts.value("path", "length")
    if length is not None and length < 1.0 and speed < STANDSTILL_MPS:
        return [Limit("path", "route", 0.0, 0.0)]  # nowhere to go: no lane ahead is known
    found = []
    for nth in ("", "_2", "_3", "_4"):
        radius, first, last = (facts.value("path", f"curve_{q}{nth}") for q in ("radius", "distance", "until"))
        if radius is not None and first is not None:
            slow = sqrt(CURVE_LATERAL_MPS2 * radius)
            found.append(Limit("path", "curve", max(0.0, first), slow, until_m=float("inf") if last is None else last))
    return found


def _time_to(drive: SpeedProfile, travelled: float) -> float:
    """Seconds until a distance is travelled; infinite where the drive does not get there."""
    if travelled <= 0.0:
        return 0.0
    if drive.distance_m[-1] < travelled:
        return float("inf")
    return float(np.interp(travelled, drive.distance_m, drive.times_s))
