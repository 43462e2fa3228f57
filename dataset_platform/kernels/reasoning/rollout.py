"""What would happen if the ego did something else: alternatives, each driven out and held to the plan's limits.

An alternative is only offered with a violation that its own rollout shows; ``violations_of`` is the one judge of that,
for writing and for checking (metric J5).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.meta_actions import STANDSTILL_MPS, lateral_of
from dataset_platform.kernels.reasoning.path_track import Track, headings_of, path_track
from dataset_platform.kernels.reasoning.planner import Decision, decide, plan, waypoints_along
from dataset_platform.kernels.reasoning.speed_profile import Limit, speed_profile
from dataset_platform.kernels.reasoning.trace import (
    Alternative,
    Lateral,
    Longitudinal,
    Violation,
    Waypoint,
)
from dataset_platform.kernels.reasoning.view import PlanView

GAIN_MPS = 6.0
"""How much faster the ego goes when it accelerates, and how much slower when it decelerates, at most."""
STOP_BRAKE_MPS2 = 2.0
LANE_WIDTH_M = 3.5
LANE_CHANGE_S = 4.0
MIN_PROGRESS = 0.2
"""nuPlan's least ratio of progress."""
GOING_MPS = 2.0
MOST_ALTERNATIVES = 2
TURN_RADIUS_M, TURN_LATERAL_MPS2, TURN_LOOK_M = 8.0, 4.0, 40.0
_TURNS: tuple[Lateral, ...] = ("left_turn", "right_turn")
_ACROSS: tuple[Lateral, ...] = ("left_lane_change", "right_lane_change")


@dataclass(frozen=True)
class Shown:
    """A violation that a rollout shows, and the agent or signal lane that it concerns."""

    violation: Violation
    agent_id: int | None = None
    feature_id: int | None = None


def alternatives(decision: Decision, facts: Facts, view: PlanView) -> tuple[Alternative, ...]:
    """Up to ``MOST_ALTERNATIVES`` other actions whose rollouts break a limit, with the worst that each breaks."""
    if decision.longitudinal in ("stop", "decelerate", "yield"):
        order = [("maintain", "keep"), ("accelerate", "keep")]
    else:
        order = [("accelerate", "keep"), ("maintain", "keep"), ("stop", "keep")]
    order = [(along, decision.lateral if decision.lateral in _TURNS else across) for along, across in order]
    order += [("maintain", side) for side in _ACROSS] + [("stop", "keep")]
    order += [("accelerate", side) for side in (*_ACROSS, *_TURNS)]
    found: list[Alternative] = []
    for along, across in dict.fromkeys(order):
        if (along, across) == decision.actions or len(found) >= MOST_ALTERNATIVES:
            continue
        if decision.longitudinal == "yield" and along == "stop":
            continue
        shown = violations_of(roll_out(along, across, view), facts, view)  # type: ignore[arg-type]
        if shown:
            # first what the decision itself rests on
            worst = min(shown, key=lambda s: not _same_matter(s, decision))
            found.append(
                Alternative(
                    longitudinal=along,
                    lateral=across,
                    rejected_because=worst.violation,
                    agent_id=worst.agent_id,
                    feature_id=worst.feature_id,
                )
            )
    return tuple(found)


def holds(alternative: Alternative, facts: Facts, view: PlanView) -> bool:
    """Whether the rollout of an alternative shows the violation that is said to speak against it."""
    waypoints = roll_out(alternative.longitudinal, alternative.lateral, view)
    return any(
        s.violation == alternative.rejected_because
        and alternative.agent_id in (None, s.agent_id)
        and alternative.feature_id in (None, s.feature_id)
        for s in violations_of(waypoints, facts, view)
    )


def roll_out(longitudinal: Longitudinal, lateral: Lateral, view: PlanView) -> tuple[Waypoint, ...]:
    """Do an action regardless of everything: up to 6 m/s faster or slower within acceleration and jerk limits, or to a
    stop at 2 m/s²; lane changes of 3.5 m in four seconds. A turn follows the path where that turns so, else it is driven
    at once, as tightly as comfort allows."""
    v = view.ego_speed_mps
    limits: tuple[Limit, ...] = ()
    target = v
    if longitudinal == "accelerate":
        target = v + GAIN_MPS
    elif longitudinal == "decelerate":
        target = max(v - GAIN_MPS, v / 2)
    elif longitudinal in ("stop", "yield"):
        limits = (Limit("", "", v * v / (2 * STOP_BRAKE_MPS2), 0.0),)
    profile = speed_profile(v, view.ego_acceleration_mps2, target, limits)
    return waypoints_along(profile, _beside(path_track(view), lateral, v))


def violations_of(waypoints: tuple[Waypoint, ...], facts: Facts, view: PlanView) -> tuple[Shown, ...]:
    """Limits that a trajectory breaks, gravest first: judged as plans are, with agents at constant velocity."""
    from dataset_platform.kernels.reasoning.quality.collisions import constant_velocity, contacts
    from dataset_platform.kernels.reasoning.quality.feasibility import evaluate_plan
    from dataset_platform.kernels.reasoning.quality.motion import of_waypoints
    from dataset_platform.kernels.reasoning.quality.roads import RED, signal_crossings

    trajectory = of_waypoints(waypoints, view)
    if trajectory is None:
        return ()
    metrics = evaluate_plan(waypoints, view).metrics

    def broken(metric: str) -> bool:
        value = metrics.get(metric)
        return value is not None and value < 1.0

    shown: list[Shown] = []
    if broken("no_collision_constant_velocity"):
        near = trajectory.until(3.0)
        hit = contacts(near, view, constant_velocity(view, near.times_s))
        shown += [Shown("collision", c.agent_id) for c in hit if c.kind in ("front", "parked")]
    if broken("red_light_pass"):
        crossings = signal_crossings(trajectory, view, None)
        shown += [Shown("red_light", None, c.lane_id) for c in crossings if c.state in RED]
    if broken("min_ttc_pass"):
        shown.append(Shown("time_to_collision"))
    for metric, violation in (
        ("on_road", "off_road"),
        ("wrong_way_pass", "wrong_way"),
        ("overspeed_pass", "overspeed"),
    ):
        if broken(metric):
            shown.append(Shown(violation))  # type: ignore[arg-type]
    if broken("comfort_pass") or broken("kinematic_pass"):
        shown.append(Shown("comfort"))
    if _lags(waypoints, facts, view):
        shown.append(Shown("no_progress"))
    return tuple(shown)


def _same_matter(shown: Shown, decision: Decision) -> bool:
    if shown.violation == "red_light":
        return any(c.kind == "signal" and c.feature_id == shown.feature_id for c in decision.causes)
    return shown.agent_id is not None and any(c.agent_id == shown.agent_id for c in decision.causes)


def _lags(waypoints: tuple[Waypoint, ...], facts: Facts, view: PlanView) -> bool:
    """Whether a drive makes less than a fifth of the rule plan's way, or stands at the end while that still goes."""
    best = plan(decide(facts), view)
    reach, own = _length(best), _length(waypoints)
    stands = waypoints[-1].speed_mps < STANDSTILL_MPS
    return reach > 1.0 and (own < MIN_PROGRESS * reach or (stands and best[-1].speed_mps > GOING_MPS))


def _length(waypoints: tuple[Waypoint, ...]) -> float:
    x, y = np.array([(w.x_m, w.y_m) for w in waypoints]).T
    return float(np.hypot(np.diff(x), np.diff(y)).sum())


def _beside(track: Track, lateral: Lateral, speed: float) -> Track:
    """The track, moved over to the next lane for a lane change, or bent for a turn that it does not make."""
    if lateral in _TURNS:
        return _turned(track, lateral, speed)
    if lateral not in _ACROSS:
        return track
    side = LANE_WIDTH_M if lateral == "left_lane_change" else -LANE_WIDTH_M
    u = np.clip(track.length_m / max(LANE_CHANGE_S * speed, 15.0), 0.0, 1.0)
    aside = side * u**3 * (10 - 15 * u + 6 * u**2)
    x = track.x_m - np.sin(track.heading_rad) * aside
    y = track.y_m + np.cos(track.heading_rad) * aside
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    return replace(track, length_m=length, x_m=x, y_m=y, heading_rad=headings_of(np.stack([x, y], axis=1)))


def _turned(track: Track, lateral: Lateral, speed: float) -> Track:
    near = track.length_m <= TURN_LOOK_M
    if lateral_of(track.x_m[near], track.y_m[near], track.heading_rad[near]) == lateral:
        return track
    radius = max(TURN_RADIUS_M, speed**2 / TURN_LATERAL_MPS2)
    turned = np.minimum(track.length_m / radius, np.pi / 2) * (1 if lateral == "left_turn" else -1)
    step = np.diff(track.length_m)
    x = np.concatenate([[0.0], np.cumsum(step * np.cos(turned[:-1]))])
    y = np.concatenate([[0.0], np.cumsum(step * np.sin(turned[:-1]))])
    return replace(track, x_m=x, y_m=y, heading_rad=turned)
