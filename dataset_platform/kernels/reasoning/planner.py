"""The rule planner: a decision from facts alone, with its causes, and a plan that carries it out.

``decide`` finds out what limits the drive, drives one dimension of it (``speed_profile``) and names what comes out
(``meta_actions``). A thing is a cause exactly if the decision would be another without it; where several things each ask
for the same (a red light and the vehicle that waits at it), all of them are causes together, and each suffices alone.
So a justification can be checked by deciding again without its causes, or with nothing else (metrics J1 to J4).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import cast

import numpy as np

from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.limits import YIELD_KINDS, Seen, cruise_mps, limits_of
from dataset_platform.kernels.reasoning.meta_actions import LATERAL, longitudinal_of
from dataset_platform.kernels.reasoning.path_track import Track, path_track
from dataset_platform.kernels.reasoning.speed_profile import STANDING_GAP_M, Limit, SpeedProfile, speed_profile
from dataset_platform.kernels.reasoning.trace import (
    HORIZON_S,
    WAYPOINT_STEP_S,
    Cause,
    CauseKind,
    Lateral,
    Longitudinal,
    Waypoint,
)
from dataset_platform.kernels.reasoning.view import PlanView

_STRICTNESS = {"accelerate": 0, "maintain": 1, "decelerate": 2, "stop": 3}
WAYPOINT_COUNT = round(HORIZON_S / WAYPOINT_STEP_S) + 1


@dataclass(frozen=True)
class Decision:
    """What the ego shall do, and why.

    Attributes:
        target_speed_mps: speed at the end of the horizon.
        stop_at_m: metres that the ego may still travel until it must stand; None when it need not stand.
        causes: strictest first.
        yield_to: the agent that is given way, None when none is.
        limits, cruise_mps: what a plan of the decision keeps: all limits, and the speed wanted on a free road.
    """

    longitudinal: Longitudinal
    lateral: Lateral
    target_speed_mps: float
    stop_at_m: float | None = None
    causes: tuple[Cause, ...] = ()
    yield_to: int | None = None
    limits: tuple[Limit, ...] = field(default=(), compare=False, repr=False)
    cruise_mps: float = field(default=0.0, compare=False, repr=False)

    @property
    def actions(self) -> tuple[Longitudinal, Lateral]:
        """The pair of actions."""
        return self.longitudinal, self.lateral


def decide(facts: Facts, *, without: frozenset[str] = frozenset(), only: frozenset[str] | None = None) -> Decision:
    """Decide from facts, as if some subjects were not there.

    Args:
        facts: of the keyframe.
        without: subjects (``agent:12``, ``signal:455``, ``stop_sign:3``, ``path``, ``ego`` for the posted limit) left out.
        only: when given, all other subjects are left out. Where the path leads is known even then: it takes ``without``
            to forget it.
    """

    def seen(subject: str) -> bool:
        return subject not in without and (only is None or subject in only)

    state = _State(facts.value("ego", "speed") or 0.0, facts.value("ego", "acceleration") or 0.0)
    limits, cruise = limits_of(facts, seen), cruise_mps(facts, seen)
    swings = () if "path" in without else _swings(facts)
    longitudinal, lateral = _actions(state, cruise, limits, swings)
    unposted = partial(_unposted, seen)
    causes = _causes(state, cruise, limits, (cruise_mps(facts, unposted), limits_of(facts, unposted)), swings)
    cited = [limit for limit in limits if _cause(limit) in causes]
    profile = _profile(state, cruise, tuple(cited))
    yielding = [c.agent_id for c in causes if c.kind in YIELD_KINDS] if longitudinal == "yield" else []
    return Decision(
        longitudinal,
        lateral,
        round(float(profile.speed_mps[-1]), 2),
        _stop_at(cited) if longitudinal in ("stop", "yield") and profile.speed_mps[-1] < 0.5 else None,
        causes,
        yielding[0] if yielding else None,
        limits,
        cruise,
    )


def plan(decision: Decision, view: PlanView) -> tuple[Waypoint, ...]:
    """Waypoints every half second up to the horizon that carry a decision out along the view's path.

    The limits of the decision are kept; a decision made without any (by a model or by hand) keeps its target speed and
    its ``stop_at_m``. The ego merges from where it is into the path within comfort, and goes straight on off lanes.
    """
    limits, cruise = decision.limits, decision.cruise_mps
    if not limits and decision.stop_at_m is not None:
        limits = (Limit("", "", decision.stop_at_m, 0.0),)
    if not cruise:
        cruise = max(decision.target_speed_mps, view.ego_speed_mps if limits else 0.0)
    profile = speed_profile(view.ego_speed_mps, view.ego_acceleration_mps2, cruise, limits)
    return waypoints_along(profile, path_track(view))


def waypoints_along(profile: SpeedProfile, track: Track) -> tuple[Waypoint, ...]:
    """A drive along a line as waypoints."""
    times = np.arange(WAYPOINT_COUNT) * WAYPOINT_STEP_S
    distance = np.interp(times, profile.times_s, profile.distance_m)
    speed = np.interp(times, profile.times_s, profile.speed_mps)
    x, y = track.at(distance)
    return tuple(
        Waypoint(t_s=float(t), x_m=float(a), y_m=float(b), speed_mps=float(v))
        for t, a, b, v in zip(times, x.round(3), y.round(3), speed.round(3), strict=True)
    )


def subject_of(cause: Cause) -> str | None:
    """The subject of the facts that a cause rests on; None for a free road, which rests on nothing."""
    if cause.kind in ("lead_vehicle", "pedestrian", "cyclist", "crossing_traffic"):
        return None if cause.agent_id is None else f"agent:{cause.agent_id}"
    if cause.kind in ("signal", "stop_sign"):
        return None if cause.feature_id is None else f"{cause.kind}:{cause.feature_id}"
    return {"speed_limit": "ego", "curve": "path", "route": "path"}.get(cause.kind)


def _unposted(seen: Seen, subject: str) -> bool:
    return subject != "ego" and seen(subject)


@dataclass(frozen=True)
class _State:
    speed_mps: float
    acceleration_mps2: float


@lru_cache(maxsize=4096)
def _profile(state: _State, cruise: float, limits: tuple[Limit, ...]) -> SpeedProfile:
    return speed_profile(state.speed_mps, state.acceleration_mps2, cruise, limits)


def _along(state: _State, cruise: float, limits: tuple[Limit, ...]) -> Longitudinal:
    profile = _profile(state, cruise, limits)
    named = longitudinal_of(profile.times_s, profile.speed_mps)
    others = tuple(limit for limit in limits if limit.kind not in YIELD_KINDS or limit.moves)
    if named not in ("decelerate", "stop") or len(others) == len(limits):
        return named
    return "yield" if _STRICTNESS[_along(state, cruise, others)] < _STRICTNESS[named] else named


def _swings(facts: Facts) -> tuple[tuple[float, float, Lateral], ...]:
    """Distances from and until which a drive along the path is a turn or a change of lane."""
    known = ((facts.value("path", f"{a}_from"), facts.value("path", f"{a}_until"), a) for a in LATERAL)
    return tuple((first, float("inf") if last is None else last, a) for first, last, a in known if first is not None)


def _actions(
    state: _State, cruise: float, limits: tuple[Limit, ...], swings: tuple[tuple[float, float, Lateral], ...]
) -> tuple[Longitudinal, Lateral]:
    travelled = float(_profile(state, cruise, limits).distance_m[-1])
    across: Lateral = next((action for first, last, action in swings if first <= travelled < last), "keep")
    return _along(state, cruise, limits), across


def _causes(
    state: _State,
    cruise: float,
    limits: tuple[Limit, ...],
    unposted: tuple[float, tuple[Limit, ...]],
    swings: tuple[tuple[float, float, Lateral], ...],
) -> tuple[Cause, ...]:
    decided = _actions(state, cruise, limits, swings)
    posted_matters = _actions(state, *unposted, swings) != decided
    alone: dict[str, tuple[Limit, ...]] = {}
    for limit in limits:
        alone[limit.subject] = (*alone.get(limit.subject, ()), limit)

    def matters(subject: str) -> bool:
        others = tuple(m for m in limits if m.subject != subject)
        return _actions(state, cruise, others, () if subject == "path" else swings) != decided

    def suffices(subject: str) -> bool:
        return any(_actions(state, wanted, alone[subject], swings) == decided for wanted in (unposted[0], cruise))

    cited = [s for s in alone if matters(s)]
    if not cited and _along(state, cruise, ()) != decided[0]:
        cited = [s for s in alone if suffices(s)]
    cited.sort(key=lambda s: _profile(state, cruise, alone[s]).distance_m[-1])
    causes = [_cause(alone[s][0]) for s in cited]
    if posted_matters:
        causes.append(Cause(kind="speed_limit"))
    # a turn needs its route named, where nothing else is said than that the road is free
    turns = decided[1] != "keep" and (
        not causes or _actions(state, unposted[0], alone.get("path", ()), swings) == decided
    )
    if turns:
        causes.append(Cause(kind="route"))
    return tuple(causes) or (Cause(kind="free_road"),)


def _cause(limit: Limit) -> Cause:
    kind, _, number = limit.subject.partition(":")
    return Cause(
        kind=cast(CauseKind, limit.kind),
        agent_id=int(number) if kind == "agent" else None,
        feature_id=int(number) if kind in ("signal", "stop_sign") else None,
    )


def _stop_at(limits: Iterable[Limit]) -> float | None:
    reaches = [
        max(0.0, limit.distance_m - (STANDING_GAP_M if limit.moves else 0.0))
        for limit in limits
        if limit.speed_mps < 0.5
    ]
    return round(min(reaches), 2) if reaches else None
