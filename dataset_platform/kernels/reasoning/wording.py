"""Sentences of rule traces. They cite facts and what the trace itself predicts or plans, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.planner import Decision
from dataset_platform.kernels.reasoning.trace import (
    AgentMention,
    AgentPrediction,
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
RELATIONS = {
    "lead": "drives ahead on the ego's path",
    "following": "follows the ego",
    "crossing": "crosses the ego's way",
    "oncoming": "comes towards the ego",
    "adjacent": "goes beside the ego",
    "parked": "is parked",
    "other": "has no part in the ego's way",
}
BEHAVIORS = {
    "stopped": "stay where it is",
    "keep_speed": "keep its speed",
    "accelerate": "speed up",
    "decelerate": "slow down",
    "turn_left": "turn left",
    "turn_right": "turn right",
    "cross": "cross the ego's path",
}
ALONG = {
    "accelerate": "speed up",
    "maintain": "keep its speed",
    "decelerate": "slow down",
    "stop": "stop",
    "yield": "give way",
}
ACROSS = {
    "keep": "and keep to its lane",
    "left_turn": "and turn left with its path",
    "right_turn": "and turn right with its path",
    "left_lane_change": "and change to the next lane on the left",
    "right_lane_change": "and change to the next lane on the right",
}
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
    stands = scene.ego_speed_mps < 0.05
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


def assessment_text(level: SituationAssessment, types: dict[int, str]) -> str:
    """Level 2 in words."""
    parts = [f"The risk is {level.overall_risk} on the whole."]
    for risk in level.risks:
        measures = []
        if risk.ttc_s is not None:
            measures.append(f"time to collision {risk.ttc_s:.1f} s")
        if risk.thw_s is not None:
            measures.append(f"time headway {risk.thw_s:.1f} s")
        if risk.drac_mps2 is not None:
            measures.append(f"deceleration needed to avoid it {risk.drac_mps2:.1f} m/s²")
        measured = f" ({', '.join(measures)})" if measures else ""
        parts.append(f"{_named(risk.agent_id, types)} {RELATIONS[risk.relation]}: risk {risk.risk}{measured}.")
    if level.constraints:
        held = listed([c.replace("_", " ") for c in level.constraints])
        parts.append(f"What holds the ego back: {held}.")
    else:
        parts.append("Nothing holds the ego back.")
    return " ".join(parts)


def prediction_text(predictions: Sequence[AgentPrediction], types: dict[int, str]) -> str:
    """Level 3 in words: the likeliest of each agent."""
    if not predictions:
        return "No other road user is near enough to be predicted."
    best: dict[int, AgentPrediction] = {}
    for p in predictions:
        if p.agent_id not in best or p.probability > best[p.agent_id].probability:
            best[p.agent_id] = p
    parts = [
        f"{_named(i, types)} will most likely {BEHAVIORS[p.behavior]} (probability {p.probability:.2f})."
        for i, p in best.items()
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
    types = {i: facts.word(f"agent:{i}", "type") or "" for i in facts.agent_ids}
    parts = [f"The ego shall {ALONG[decision.longitudinal]}, because {_because(c, facts, types)}." for c in causes]
    for other in others:
        blame = VIOLATIONS[other.rejected_because]
        if other.rejected_because == "collision":
            blame += f" {_named(other.agent_id, types).lower()}" if other.agent_id is not None else " another road user"
        action = f"To {ALONG[other.longitudinal]} {ACROSS[other.lateral]}".replace(" its ", " the ")
        parts.append(f"{action} is ruled out: {blame}.")
    parts.append(f"Confidence {confidence:.2f}.")
    return " ".join(parts)


def listed(items: Sequence[str]) -> str:
    """``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _because(cause: Cause, facts: Facts, types: dict[int, str]) -> str:
    if cause.kind == "signal":
        state = facts.word(f"signal:{cause.feature_id}", "state") or ""
        return f"the signal of lane {cause.feature_id} {SIGNALS.get(state, 'must be heeded')}"
    if cause.kind == "stop_sign":
        return f"stop sign {cause.feature_id} controls its path"
    if cause.kind == "lead_vehicle" and cause.agent_id is not None:
        slow = (facts.value(f"agent:{cause.agent_id}", "speed") or 0.0) < 0.5
        return f"{_named(cause.agent_id, types).lower()} {'stands' if slow else 'drives'} ahead of it"
    if cause.agent_id is not None:
        return f"{_named(cause.agent_id, types).lower()} will be on its path"
    reasons = {
        "speed_limit": "its speed is not what the posted limit asks for",
        "curve": "the path bends too tightly for its speed",
        "route": "that is where its path leads" if facts.value("path", "length") else "it is turning that way",
    }
    return reasons.get(cause.kind, "the road is free")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _mention(agent: AgentMention) -> str:
    name = _named(agent.agent_id, {agent.agent_id: agent.object_type})
    moves = "standing" if agent.speed_mps < 0.05 else f"at {agent.speed_mps:.1f} m/s"
    return f"{name} is {agent.distance_m:.1f} m away {SECTORS[agent.sector]}, {moves}."


def _named(agent_id: int | None, types: dict[int, str]) -> str:
    return f"{TYPES.get(types.get(agent_id or 0, ''), 'agent').capitalize()} {agent_id}"
