"""Sentences of rule traces. They cite facts and what the trace itself predicts or plans, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf, sqrt

from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.limits import CURVE_LATERAL_MPS2
from dataset_platform.kernels.reasoning.planner import Decision
from dataset_platform.kernels.reasoning.trace import (
    AgentMention,
    AgentPrediction,
    AgentRisk,
    Alternative,
    Cause,
    SceneDescription,
    SituationAssessment,
    TrajectoryPlan,
)

TYPES = {"vehicle": "vehicle", "pedestrian": "pedestrian", "cyclist": "cyclist"}
SECTORS = {
    "ahead": "ahead",
    "ahead_left": "ahead to the left",
    "left": "to the left",
    "behind_left": "behind to the left",
    "behind": "behind",
    "behind_right": "behind to the right",
    "right": "to the right",
    "ahead_right": "ahead to the right",
}
SIGNALS = {
    "arrow_stop": "shows a red arrow",
    "arrow_caution": "shows a yellow arrow",
    "arrow_go": "shows a green arrow",
    "stop": "shows a red light",
    "caution": "shows a yellow light",
    "go": "shows a green light",
    "flashing_stop": "shows a flashing red light",
    "flashing_caution": "shows a flashing yellow light",
}
STANDS_MPS = 0.05
"""What is slower is shown as 0.0 m/s, so it is said to stand."""
GOES = {"vehicle": "drive", "cyclist": "ride", "pedestrian": "walk"}
# verb and the rest, of what moves and of what stands; each type has its own verb for "go"
MOVING = {
    "lead": ("go", "ahead on the ego's path"),
    "following": ("follow", "the ego"),
    "crossing": ("cross", "the ego's way"),
    "oncoming": ("come", "towards the ego"),
    "adjacent": ("go", "beside the ego's path"),
    "parked": ("are", "parked"),
    "other": ("have", "no part in the ego's way"),
}
STANDING = MOVING | {
    "lead": ("stand", "ahead on the ego's path"),
    "following": ("stand", "behind the ego"),
    "crossing": ("stand", "by the ego's way"),
    "oncoming": ("stand", "facing the ego"),
    "adjacent": ("stand", "beside the ego's path"),
}
SINGULAR = {"are": "is", "have": "has", "cross": "crosses"}
# of one agent, of several
BEHAVIORS = {
    "stopped": ("stay where it is", "stay where they are"),
    "keep_speed": ("keep its speed", "keep their speed"),
    "accelerate": ("speed up", "speed up"),
    "decelerate": ("slow down", "slow down"),
    "turn_left": ("turn left", "turn left"),
    "turn_right": ("turn right", "turn right"),
    "cross": ("cross the ego's path", "cross the ego's path"),
}
ALONG = {
    "accelerate": "speed up",
    "maintain": "keep its speed",
    "decelerate": "slow down",
    "stop": "stop",
    "yield": "give way",
}
HELD = ALONG | {"accelerate": "speed up, but no faster than planned", "maintain": "go no faster"}
"""The same of what holds the ego back: it never makes the ego speed up, it keeps it from going faster still."""
TURNS = {
    "left_turn": "turn left",
    "right_turn": "turn right",
    "left_lane_change": "change to the next lane on the left",
    "right_lane_change": "change to the next lane on the right",
}
ACROSS = {"keep": "and keep to its lane"} | {action: f"and {words}" for action, words in TURNS.items()}
VIOLATIONS = {
    "collision": "it would hit",
    "time_to_collision": "it would come too close to others",
    "red_light": "it would run the red light",
    "overspeed": "it would break the speed limit",
    "off_road": "it would leave the road",
    "wrong_way": "it would drive against the lanes",
    "comfort": "it would be rougher than passengers stand",
    "no_progress": "it would make no headway for no reason",
}


def scene_text(scene: SceneDescription) -> str:
    """Level 1 in words."""
    lane = ""
    if scene.lane_id is not None:
        kind = f" ({scene.lane_type.replace('_', ' ')})" if scene.lane_type else ""
        lane = f" in lane {scene.lane_id}{kind}"
    stands = scene.ego_speed_mps < STANDS_MPS
    parts = [f"The ego stands{lane}." if stands else f"The ego drives at {scene.ego_speed_mps:.1f} m/s{lane}."]
    if scene.speed_limit_mps is not None:
        parts.append(f"Its speed limit is {scene.speed_limit_mps:.1f} m/s.")
    if scene.signal is not None and scene.signal.state in SIGNALS:
        where = ""
        if scene.signal.distance_m is not None and scene.signal.distance_m >= 0:
            where = f"; its stop point lies {scene.signal.distance_m:.1f} m ahead"
        parts.append(f"The signal of lane {scene.signal.lane_id} {SIGNALS[scene.signal.state]}{where}.")
    elif scene.signal is not None:
        parts.append(f"The state of the signal of lane {scene.signal.lane_id} is not known.")
    parts += [f"Stop sign {i} controls the path." for i in scene.stop_sign_ids]
    parts += [f"Crosswalk {i} lies across the path." for i in scene.crosswalk_ids]
    parts.append(
        f"Around it there are {_count(scene.vehicle_count, 'vehicle')}, {_count(scene.pedestrian_count, 'pedestrian')}"
        f" and {_count(scene.cyclist_count, 'cyclist')}."
    )
    parts += [_mention(agent) for agent in scene.agents]
    return " ".join(parts)


def assessment_text(level: SituationAssessment, facts: Facts) -> str:
    """Level 2 in words; agents of low risk of which the same is to be said share a sentence."""
    parts = [f"The risk is {level.overall_risk} on the whole."]
    alike: dict[tuple[str, ...], list[AgentRisk]] = {}
    for risk in level.risks:
        kind = facts.word(f"agent:{risk.agent_id}", "type") or ""
        same = (kind, *_related(risk, facts)) if _told_together(risk) else (str(risk.agent_id),)
        alike.setdefault(same, []).append(risk)
    for risks in alike.values():
        named = _named([r.agent_id for r in risks], facts)
        verb, rest = _related(risks[0], facts)
        said = verb if len(risks) > 1 else SINGULAR.get(verb, f"{verb}s")
        parts.append(f"{named} {said} {rest}: risk {risks[0].risk}{_measures(risks[0])}.")
    if level.constraints:
        held = listed([c.replace("_", " ") for c in level.constraints])
        parts.append(f"What holds the ego back: {held}.")
    else:
        parts.append("Nothing holds the ego back.")
    return " ".join(parts)


def prediction_text(predictions: Sequence[AgentPrediction], facts: Facts) -> str:
    """Level 3 in words: the likeliest of each agent; agents of low risk that are expected to do the same together."""
    if not predictions:
        return "No other road user is near enough to be predicted."
    best: dict[int, AgentPrediction] = {}
    for p in predictions:
        if p.agent_id not in best or p.probability > best[p.agent_id].probability:
            best[p.agent_id] = p
    alike: dict[tuple[object, ...], list[AgentPrediction]] = {}
    for agent, p in best.items():
        low = facts.word(f"agent:{agent}", "risk") == "low"
        same = (facts.word(f"agent:{agent}", "type"), p.behavior, p.probability) if low else (agent,)
        alike.setdefault(same, []).append(p)
    parts = [
        f"{_named([p.agent_id for p in same], facts)} will most likely {BEHAVIORS[same[0].behavior][len(same) > 1]} "
        f"(probability {same[0].probability:.2f})."
        for same in alike.values()
    ]
    return " ".join(parts)


def plan_text(level: TrajectoryPlan, decision: Decision, stands: bool) -> str:
    """Level 4 in words."""
    if level.longitudinal in ("stop", "yield") and stands and decision.stop_at_m is not None:
        return "Plan: the ego stays where it stands, and waits."
    last = level.waypoints[-1].speed_mps
    parts = [f"Plan: the ego shall {ALONG[level.longitudinal]} {ACROSS[level.lateral]}."]
    if decision.stop_at_m is not None:
        parts.append("At the end of the plan the ego stands.")
    else:
        parts.append(f"At the end of the plan the ego drives at {last:.1f} m/s.")
    return " ".join(parts)


def justification_text(
    decision: Decision, causes: Iterable[Cause], others: Iterable[Alternative], confidence: float, facts: Facts
) -> str:
    """Level 5 in words."""
    parts = [_reason(cause, decision, facts) for cause in causes]
    for other in others:
        blame = VIOLATIONS[other.rejected_because]
        if other.rejected_because == "collision":
            blame += (
                f" {_named([other.agent_id], facts).lower()}" if other.agent_id is not None else " another road user"
            )
        action = f"To {ALONG[other.longitudinal]} {ACROSS[other.lateral]}".replace(" its ", " the ")
        parts.append(f"{action} is ruled out: {blame}.")
    parts.append(f"Confidence {confidence:.2f}.")
    return " ".join(parts)


def listed(items: Sequence[str]) -> str:
    """``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _reason(cause: Cause, decision: Decision, facts: Facts) -> str:
    """A sentence of a cause: what it makes the ego do, and why it does."""
    if cause.kind == "route" and decision.lateral in TURNS:
        why = "that is where its path leads" if facts.value("path", "length") else "it is turning that way"
        return f"The ego shall {TURNS[decision.lateral]}, because {why}."
    at_once = decision.stop_at_m is not None and decision.stop_at_m < 1.0
    waits = at_once and (facts.value("ego", "speed") or 0.0) < STANDS_MPS
    held = "wait" if waits else HELD[decision.longitudinal]
    if cause.kind == "free_road":
        return f"The ego shall {ALONG[decision.longitudinal]}, because the road is free."
    if cause.kind == "speed_limit":
        return _limit_reason(decision, facts)
    if cause.kind == "route":
        return f"The ego shall {held}, because no lane ahead of it is known."
    if cause.kind == "curve":
        return _curve_reason(decision, facts)
    if cause.kind == "signal":
        state = facts.word(f"signal:{cause.feature_id}", "state") or ""
        return f"The ego shall {held}, because the signal of lane {cause.feature_id} {SIGNALS.get(state, 'must be heeded')}."
    if cause.kind == "stop_sign":
        return f"The ego shall {held}, because stop sign {cause.feature_id} controls its path."
    if cause.agent_id is None:
        return f"The ego shall {held}, because another road user is in its way."
    name = _named([cause.agent_id], facts).lower()
    if cause.kind != "lead_vehicle" and facts.word(f"agent:{cause.agent_id}", "relation") != "lead":
        return f"The ego shall {held}, because {name} will be on its path."
    return f"The ego shall {held}, because {name} {_goes(cause.agent_id, facts)}s ahead of it."


def _limit_reason(decision: Decision, facts: Facts) -> str:
    speed, limit = facts.value("ego", "speed") or 0.0, facts.value("ego", "speed_limit") or 0.0
    if decision.longitudinal == "accelerate" and speed < limit:
        return "The ego shall speed up, because it drives slower than its speed limit allows."
    if decision.longitudinal == "decelerate" and speed > limit:
        return "The ego shall slow down, because it drives faster than its speed limit allows."
    return f"The ego shall {HELD[decision.longitudinal]}, because its speed limit asks for that."


def _curve_reason(decision: Decision, facts: Facts) -> str:
    radii = [facts.value("path", f"curve_radius{nth}") for nth in ("", "_2", "_3", "_4")]
    slowest = min((sqrt(CURVE_LATERAL_MPS2 * r) for r in radii if r is not None), default=inf)
    if decision.longitudinal == "decelerate" and (facts.value("ego", "speed") or 0.0) > slowest:
        return "The ego shall slow down, because the path bends too tightly for its speed."
    if decision.longitudinal in ("accelerate", "maintain"):
        return f"The ego shall {HELD[decision.longitudinal]}, because the path bends."
    return "Till then the ego shall go no faster, because the path bends."


def _told_together(risk: AgentRisk) -> bool:
    return risk.risk == "low" and not _measures(risk)


def _measures(risk: AgentRisk) -> str:
    measures = []
    if risk.ttc_s is not None:
        measures.append(f"time to collision {risk.ttc_s:.1f} s")
    if risk.thw_s is not None:
        measures.append(f"time headway {risk.thw_s:.1f} s")
    if risk.drac_mps2 is not None:
        measures.append(f"deceleration needed to avoid it {risk.drac_mps2:.1f} m/s²")
    return f" ({', '.join(measures)})" if measures else ""


def _related(risk: AgentRisk, facts: Facts) -> tuple[str, str]:
    """Verb, as of several, and the rest of what is said of an agent's relation to the ego."""
    subject = f"agent:{risk.agent_id}"
    goes = _goes(risk.agent_id, facts)
    if risk.relation == "other" and facts.value(subject, "conflict_time") is not None:
        return ("come", "near the ego's path")
    verb, rest = (STANDING if goes == "stand" else MOVING)[risk.relation]
    return (goes if verb == "go" else verb), rest


def _goes(agent_id: int, facts: Facts) -> str:
    if (facts.value(f"agent:{agent_id}", "speed") or 0.0) < STANDS_MPS:
        return "stand"
    return GOES.get(facts.word(f"agent:{agent_id}", "type") or "", "move")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _mention(agent: AgentMention) -> str:
    moves = "standing" if agent.speed_mps < STANDS_MPS else f"at {agent.speed_mps:.1f} m/s"
    name = f"{TYPES.get(agent.object_type, 'agent').capitalize()} {agent.agent_id}"
    return f"{name} is {agent.distance_m:.1f} m away {SECTORS[agent.sector]}, {moves}."


def _named(agent_ids: Sequence[int], facts: Facts) -> str:
    """Agents of one type by their ids: ``Vehicle 3``, ``Vehicles 3, 5 and 8``."""
    noun = TYPES.get(facts.word(f"agent:{agent_ids[0]}", "type") or "", "agent").capitalize()
    return f"{noun}{'s' if len(agent_ids) > 1 else ''} {listed([str(i) for i in agent_ids])}"
