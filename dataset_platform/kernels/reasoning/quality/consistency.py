"""Does a trace agree with itself? Risk labels, values across levels, stated action and plan, predictions. C1 to C5."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from dataset_platform.contracts.driving_types import RISK_BANDS
from dataset_platform.kernels.driving.risk import risk_bands
from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.quality.boxes import Boxes, overlap
from dataset_platform.kernels.reasoning.quality.claims import Claim, resolve, within
from dataset_platform.kernels.reasoning.quality.collisions import ego_boxes
from dataset_platform.kernels.reasoning.quality.grounding import STATE_CLASS
from dataset_platform.kernels.reasoning.quality.ledger import Ledger
from dataset_platform.kernels.reasoning.quality.manners import agrees as agrees_with
from dataset_platform.kernels.reasoning.quality.manners import stated_actions
from dataset_platform.kernels.reasoning.quality.motion import Trajectory
from dataset_platform.kernels.reasoning.quality.wording import light_claims
from dataset_platform.kernels.reasoning.trace import LEVELS, AgentPrediction, CoTTrace
from dataset_platform.kernels.reasoning.view import PlanView

PREDICTED_S = 3.0
CONFLICT_S = 1.5
SAME_WAY_RAD = np.deg2rad(45.0)
PROBABILITY_SLACK = 0.02


def judge_consistency(
    ledger: Ledger, trace: CoTTrace, claims: list[Claim], facts: Facts, view: PlanView, plan: Trajectory | None
) -> None:
    """Judge C1 to C5; ``claims`` are the trace's numeric claims, ``plan`` its waypoints as a trajectory."""
    _judge_risks(ledger, trace, facts)
    _judge_contradictions(ledger, trace, claims, facts)
    _judge_action(ledger, trace, plan)
    _judge_predictions_respected(ledger, trace, view, plan)
    _judge_probabilities(ledger, trace)


def _judge_risks(ledger: Ledger, trace: CoTTrace, facts: Facts) -> None:
    level = trace.situation_assessment
    stated = [(f"agent:{r.agent_id}", r.risk) for r in level.risks] + [("scene", level.overall_risk)]
    for subject, risk in stated:
        band = risk_of(facts, subject)
        if band is None:
            continue
        apart = abs(RISK_BANDS.index(risk) - RISK_BANDS.index(band))
        for metric, slack in (("risk_band_exact", 0), ("risk_band_within_one", 1)):
            ledger.judge(metric, "situation_assessment", f"risk of {subject}", risk, band, apart <= slack)
    ledger.share("risk_band_exact")
    ledger.share("risk_band_within_one")


def risk_of(facts: Facts, subject: str) -> str | None:
    """Band of an agent, made anew from its measures; of the scene, the word among the facts. None when unknown."""
    if facts.word(subject, "risk") is None:
        return None
    if subject == "scene":
        return facts.word(subject, "risk")
    ttc, drac, thw = (np.array(facts.value(subject, q), dtype=np.float64) for q in ("ttc", "drac", "thw"))
    if facts.word(subject, "relation") != "lead":
        thw = np.array(np.nan)
    return RISK_BANDS[int(risk_bands(ttc, drac, thw))]


@dataclass
class _Said:
    places: list[str] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    fits: list[bool] = field(default_factory=list)
    unit: str = ""


def _judge_contradictions(ledger: Ledger, trace: CoTTrace, claims: list[Claim], facts: Facts) -> None:
    """One subject and quantity, one value: statements of it that are not within tolerance of each other contradict."""
    metric = "contradiction_rate"
    said: dict[tuple[str, str], _Said] = defaultdict(_Said)
    for claim in claims:
        if (
            claim.own
            or claim.unit == "at_most"
            or not claim.subjects
            or (claim.span and claim.level in ("behavior_prediction", "trajectory_plan"))
        ):
            continue
        fact = resolve(claim, facts)
        key = (claim.subjects[0], claim.quantities[0]) if fact is None else fact[:2]
        entry = said[key]
        entry.unit = claim.unit
        entry.places.append(f"{claim.level}.{claim.place}")
        entry.values.append(claim.value)
        entry.fits.append(fact is not None)
    for (subject, quantity), entry in said.items():
        if len(entry.values) < 2:
            continue
        values = entry.values
        agree = all(entry.fits) or all(within(v, values[0], entry.unit) for v in values)
        shown = ", ".join(f"{v:.4g} in {p}" for v, p in zip(values, entry.places, strict=True))
        ledger.judge(metric, entry.places[-1].split(".")[0], f"{subject} {quantity}", shown, values[0], agree)
    _judge_light_words(ledger, trace, facts)
    _judge_action_words(ledger, trace)
    records = ledger.records(metric)
    ledger.metrics[metric] = sum(not c["passed"] for c in records) / len(records) if records else None


def _judge_light_words(ledger: Ledger, trace: CoTTrace, facts: Facts) -> None:
    signal = trace.scene_description.signal
    states: dict[str, list[str]] = defaultdict(list)
    if signal is not None:
        states[f"signal:{signal.lane_id}"].append(STATE_CLASS[signal.state])
    for level in LEVELS:
        for subject, state, _, _ in light_claims(getattr(trace, level).text, facts):
            states[subject].append(str(state))
    for subject, stated in states.items():
        if len(stated) > 1:
            ledger.judge(
                "contradiction_rate",
                "scene_description",
                f"{subject} state",
                ", ".join(stated),
                stated[0],
                len(set(stated)) == 1,
            )


def _judge_action_words(ledger: Ledger, trace: CoTTrace) -> None:
    """What the texts of levels 4 and 5 say the ego does is the action that level 4 states."""
    stated = trace.trajectory_plan.longitudinal, trace.trajectory_plan.lateral
    for level in ("trajectory_plan", "justification"):
        for action in stated_actions(getattr(trace, level).text):
            fits = agrees_with(action.name, *stated)
            ledger.judge("contradiction_rate", level, action.words, action.name, " ".join(stated), fits)


def _judge_action(ledger: Ledger, trace: CoTTrace, plan: Trajectory | None) -> None:
    from dataset_platform.kernels.reasoning.meta_actions import agrees, meta_actions_of

    metric = "meta_action_agreement"
    stated = (trace.trajectory_plan.longitudinal, trace.trajectory_plan.lateral)
    projected = None
    if plan is not None:
        projected = meta_actions_of(plan.times_s, plan.x_m, plan.y_m, plan.heading_rad, plan.speed_mps)
    passed = projected is not None and agrees(stated, projected)
    found = None if projected is None else " ".join(projected)
    ledger.judge(metric, "trajectory_plan", "the waypoints do what the plan says", " ".join(stated), found, passed)
    ledger.all_passed(metric)


def likeliest(trace: CoTTrace) -> list[AgentPrediction]:
    """The likeliest prediction of each agent, in order of first mention."""
    best: dict[int, AgentPrediction] = {}
    for prediction in trace.behavior_prediction.predictions:
        if prediction.agent_id not in best or prediction.probability > best[prediction.agent_id].probability:
            best[prediction.agent_id] = prediction
    return list(best.values())


def _judge_predictions_respected(ledger: Ledger, trace: CoTTrace, view: PlanView, plan: Trajectory | None) -> None:
    """A plan conflicts with a prediction when both are in one place at a time; across each other within 1.5 s."""
    metric = "plan_respects_predictions"
    rows = {int(a): i for i, a in enumerate(view.agent_id)}
    for prediction in likeliest(trace):
        row = rows.get(prediction.agent_id)
        if row is None or plan is None:
            continue
        gap = _least_conflict_s(plan, view, row, prediction)
        claim = f"agent {prediction.agent_id} {prediction.behavior}"
        apart = "no place in common" if gap is None else f"{gap:.1f} s apart in one place"
        ledger.judge(metric, "behavior_prediction", claim, apart, f"{CONFLICT_S} s", gap is None)
    ledger.share(metric)


def _least_conflict_s(plan: Trajectory, view: PlanView, row: int, prediction: AgentPrediction) -> float | None:
    near = plan.until(PREDICTED_S)
    share = near.times_s / PREDICTED_S
    x = view.x_m[row] + share * (prediction.x_3s_m - view.x_m[row])
    y = view.y_m[row] + share * (prediction.y_3s_m - view.y_m[row])
    moved = np.hypot(prediction.x_3s_m - view.x_m[row], prediction.y_3s_m - view.y_m[row])
    heading = view.heading_rad[row] if moved < 1.0 else np.arctan2(y[-1] - y[0], x[-1] - x[0])
    ego = ego_boxes(near, view)
    mine = Boxes(ego.x_m[:, None], ego.y_m[:, None], ego.heading_rad[:, None], ego.length_m, ego.width_m)
    theirs = Boxes(x, y, np.asarray(heading), view.length_m[row], view.width_m[row])
    hit = overlap(mine, theirs)
    turn = np.abs(np.angle(np.exp(1j * (near.heading_rad - heading))))[:, None]
    apart = np.abs(near.times_s[:, None] - near.times_s[None, :])
    moving = (near.speed_mps > 0.05)[:, None]
    crossing = (turn > SAME_WAY_RAD) & (turn < np.pi - SAME_WAY_RAD)
    if view.x_m[row] < 0:  # what follows the ego looks out for itself
        hit = hit & (turn > SAME_WAY_RAD)
    conflict = hit & ~hit[0, 0] & moving & (apart < np.where(crossing & (moved >= 1.0), CONFLICT_S, 0.05))
    return float(apart[conflict].min()) if conflict.any() else None


def _judge_probabilities(ledger: Ledger, trace: CoTTrace) -> None:
    """An agent's hypotheses sum to one where it has several, and are told apart; a single one may leave the rest open."""
    metric, level = "probabilities_valid", "behavior_prediction"
    by_agent: dict[int, list[AgentPrediction]] = defaultdict(list)
    for prediction in trace.behavior_prediction.predictions:
        by_agent[prediction.agent_id].append(prediction)
    for agent_id, items in by_agent.items():
        total = sum(p.probability for p in items)
        passed = total <= 1 + PROBABILITY_SLACK if len(items) == 1 else abs(total - 1) <= PROBABILITY_SLACK
        distinct = len({(p.behavior, p.x_3s_m, p.y_3s_m) for p in items}) == len(items)
        ledger.judge(metric, level, f"probabilities of agent {agent_id}", total, 1.0, passed and distinct)
    confidence = trace.justification.confidence
    ledger.judge(metric, "justification", "confidence", confidence, "0 to 1", 0 <= confidence <= 1)
    ledger.all_passed(metric)
