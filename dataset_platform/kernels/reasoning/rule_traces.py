"""Traces written by rules alone: the five levels from facts and view, with no model and no cost.

They are the cheap writer of a hybrid run and the yardstick of the others: every number is a fact, every cause is one to
the rule planner, every alternative fails in its own rollout.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, hypot, radians, sin
from typing import cast

import numpy as np

from dataset_platform.contracts.driving_types import RISK_BANDS
from dataset_platform.kernels.reasoning import wording
from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.meta_actions import STANDSTILL_MPS
from dataset_platform.kernels.reasoning.planner import Decision, decide, plan
from dataset_platform.kernels.reasoning.rollout import alternatives
from dataset_platform.kernels.reasoning.trace import (
    HORIZON_S,
    AgentMention,
    AgentPrediction,
    AgentRisk,
    AgentType,
    Behavior,
    BehaviorPrediction,
    Constraint,
    CoTTrace,
    Justification,
    Relation,
    RiskBand,
    SceneDescription,
    Sector,
    SignalMention,
    SignalState,
    SituationAssessment,
    TrajectoryPlan,
)
from dataset_platform.kernels.reasoning.view import PlanView

RULES_VERSION = "rules-2"
MOST_AGENTS = 10
NEAR_M = 30.0
PREDICTED_S = 3.0
RED_LASTS_S = 30.0
"""How long a red light lasts, about: what makes the ego wait may end within the horizon."""
BRAKING_MPS2 = 1.5
"""Deceleration of the hypothesis that an agent slows down."""


@dataclass(frozen=True)
class KeyframeInput:
    """A keyframe as a writer of traces gets it: nothing later than its step."""

    trace_id: str
    frame_id: str
    scenario_id: str
    step: int
    facts: Facts
    view: PlanView


def write(keyframe: KeyframeInput) -> CoTTrace:
    """The trace of a keyframe. Deterministic; the same for the same facts and view."""
    facts, view = keyframe.facts, keyframe.view
    decision = decide(facts)
    chosen = agents_that_matter(facts, decision)
    return CoTTrace(
        trace_id=keyframe.trace_id,
        frame_id=keyframe.frame_id,
        scenario_id=keyframe.scenario_id,
        step=keyframe.step,
        scene_description=_describe(facts, chosen),
        situation_assessment=_assess(facts, chosen, decision),
        behavior_prediction=_predict(facts, chosen),
        trajectory_plan=_plan(decision, view),
        justification=_justify(decision, facts, view),
    )


def agents_that_matter(facts: Facts, decision: Decision) -> tuple[int, ...]:
    """Agents that a trace speaks of: those the decision rests on, the riskiest, those near the path, then people ahead.

    At most ten.
    """
    cited = {c.agent_id for c in decision.causes}

    def rank(agent: int) -> tuple[bool, int, bool, bool, float]:
        subject = f"agent:{agent}"
        band = RISK_BANDS.index(facts.word(subject, "risk") or "low")
        on_path = facts.word(subject, "relation") in ("lead", "crossing", "oncoming")
        distance = facts.value(subject, "distance") or 0.0
        return agent not in cited, -band, not on_path, not _vulnerable_ahead(facts, subject), distance

    ranked = sorted(facts.agent_ids, key=rank)
    worth = [
        a
        for a in ranked
        if a in cited
        or facts.word(f"agent:{a}", "relation") == "lead"
        or facts.word(f"agent:{a}", "risk") != "low"
        or (facts.value(f"agent:{a}", "distance") or 0.0) <= NEAR_M
    ]
    return tuple((worth or ranked[:1])[:MOST_AGENTS])


def _vulnerable_ahead(facts: Facts, subject: str) -> bool:
    """Whether somebody walks or rides ahead, near enough to step into the way."""
    ahead = (facts.word(subject, "sector") or "").startswith("ahead")
    return (
        ahead
        and facts.word(subject, "type") in ("pedestrian", "cyclist")
        and (facts.value(subject, "distance") or 0.0) <= NEAR_M
    )


def confidence_of(facts: Facts, decision: Decision, view: PlanView) -> float:
    """Probability that the plan stays within 3 m of what is right: less the farther it goes, and for each doubt.

    The weights are set by hand, not fitted; how far they hold is what the calibration of a day's traces measures.
    """
    speed = facts.value("ego", "speed") or 0.0
    reach = max(speed, decision.target_speed_mps) * 0.5
    doubt = 0.05 + 0.06 * reach
    if decision.longitudinal == "stop" and speed < STANDSTILL_MPS:
        doubt = HORIZON_S / RED_LASTS_S
    doubt += 0.1 * (decision.lateral != "keep") + 0.1 * view.sampled_map + 0.25 * (len(view.path) < 2)
    doubt += 0.1 * (decision.longitudinal == "accelerate")
    return round(float(np.clip(1.0 - doubt, 0.2, 0.95)), 2)


def _describe(facts: Facts, chosen: tuple[int, ...]) -> SceneDescription:
    lane, limit = facts.word("ego", "lane_id"), facts.value("ego", "speed_limit")
    signal = next((s for s in facts.subjects if s.startswith("signal:")), None)
    ids = {
        kind: tuple(int(s.partition(":")[2]) for s in facts.subjects if s.startswith(f"{kind}:"))
        for kind in ("crosswalk", "stop_sign")
    }
    mention = None
    if signal is not None:
        mention = SignalMention(
            lane_id=int(signal.partition(":")[2]),
            state=cast(SignalState, facts.word(signal, "state") or "unknown"),
            distance_m=_rounded(facts.value(signal, "distance")),
        )
    counts = {f"{k}_count": int(facts.value("scene", f"{k}_count") or 0) for k in ("vehicle", "pedestrian", "cyclist")}
    scene = SceneDescription(
        text=".",
        ego_speed_mps=round(facts.value("ego", "speed") or 0.0, 1),
        lane_id=None if lane is None else int(lane),
        lane_type=facts.word("ego", "lane_type"),
        speed_limit_mps=_rounded(limit),
        signal=mention,
        agents=tuple(_mention(facts, agent) for agent in chosen),
        crosswalk_ids=ids["crosswalk"],
        stop_sign_ids=ids["stop_sign"],
        **counts,
    )
    return scene.model_copy(update={"text": wording.scene_text(scene)})


def _mention(facts: Facts, agent: int) -> AgentMention:
    subject = f"agent:{agent}"
    return AgentMention(
        agent_id=agent,
        object_type=cast(AgentType, facts.word(subject, "type") or "unset"),
        distance_m=round(facts.value(subject, "distance") or 0.0, 1),
        sector=cast(Sector, facts.word(subject, "sector") or "ahead"),
        speed_mps=round(facts.value(subject, "speed") or 0.0, 1),
    )


def _assess(facts: Facts, chosen: tuple[int, ...], decision: Decision) -> SituationAssessment:
    risks = tuple(
        AgentRisk(
            agent_id=agent,
            relation=cast(Relation, facts.word(subject, "relation") or "other"),
            ttc_s=_rounded(facts.value(subject, "ttc")),
            thw_s=_rounded(facts.value(subject, "thw")),
            drac_mps2=_rounded(facts.value(subject, "drac")),
            risk=cast(RiskBand, facts.word(subject, "risk") or "low"),
        )
        for agent, subject in ((a, f"agent:{a}") for a in chosen)
    )
    level = SituationAssessment(
        text=".",
        risks=risks,
        overall_risk=cast(RiskBand, facts.word("scene", "risk") or "low"),
        constraints=_constraints(facts, decision),
    )
    return level.model_copy(update={"text": wording.assessment_text(level, facts)})


def _constraints(facts: Facts, decision: Decision) -> tuple[Constraint, ...]:
    """What holds the ego back: limits under which, each alone, it would not drive as on a free road."""
    free = decide(facts, only=frozenset({"ego"})).longitudinal
    named: list[str] = []
    for limit in decision.limits:
        held = decide(facts, only=frozenset({"ego", limit.subject})).longitudinal != free
        if not held or limit.kind == "route":
            continue
        caution = "caution" in (facts.word(limit.subject, "state") or "")
        named.append(limit.kind if limit.kind != "signal" else "caution_signal" if caution else "red_signal")
    if any(c.kind == "speed_limit" for c in decision.causes) and decision.longitudinal != "accelerate":
        named.append("speed_limit")
    return tuple(cast(Constraint, name) for name in dict.fromkeys(named))


def _predict(facts: Facts, chosen: tuple[int, ...]) -> BehaviorPrediction:
    predictions = tuple(p for agent in chosen for p in _hypotheses(facts, agent))
    return BehaviorPrediction(text=wording.prediction_text(predictions, facts), predictions=predictions)


def _hypotheses(facts: Facts, agent: int) -> tuple[AgentPrediction, ...]:
    """What an agent may do: go on as it does, or slow down; what stands stays."""
    subject = f"agent:{agent}"
    x, y = facts.value(subject, "longitudinal") or 0.0, facts.value(subject, "lateral") or 0.0
    speed, heading = facts.value(subject, "speed") or 0.0, radians(facts.value(subject, "relative_heading") or 0.0)

    def after(behavior: Behavior, probability: float, travelled: float) -> AgentPrediction:
        return AgentPrediction(
            agent_id=agent,
            behavior=behavior,
            probability=probability,
            x_3s_m=round(x + travelled * cos(heading), 2),
            y_3s_m=round(y + travelled * sin(heading), 2),
        )

    if speed < STANDSTILL_MPS:
        return (after("stopped", 0.9, 0.0),)
    slower = max(0.0, speed - BRAKING_MPS2 * PREDICTED_S)
    braked = (speed**2 - slower**2) / (2 * BRAKING_MPS2)
    going: Behavior = "cross" if facts.value(subject, "conflict_time") is not None else "keep_speed"
    return after(going, 0.75, speed * PREDICTED_S), after("decelerate", 0.25, braked)


def _plan(decision: Decision, view: PlanView) -> TrajectoryPlan:
    level = TrajectoryPlan(
        text=".",
        longitudinal=decision.longitudinal,
        lateral=decision.lateral,
        waypoints=plan(decision, view),
    )
    stands = hypot(level.waypoints[-1].x_m, level.waypoints[-1].y_m) < 1.0
    return level.model_copy(update={"text": wording.plan_text(level, decision, stands)})


def _justify(decision: Decision, facts: Facts, view: PlanView) -> Justification:
    others = alternatives(decision, facts, view)
    confidence = confidence_of(facts, decision, view)
    text = wording.justification_text(decision, decision.causes, others, confidence, facts)
    return Justification(text=text, causes=decision.causes, alternatives=others, confidence=confidence)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
