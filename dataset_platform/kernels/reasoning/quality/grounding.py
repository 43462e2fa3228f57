"""Groundedness: do the numbers, agents, lights and lanes that a trace states exist among the facts? G1 to G5."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import hypot

import numpy as np
from numpy.typing import NDArray

from dataset_platform.contracts.driving_types import SIGNAL_STATES
from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.quality.claims import Claim, field_claims, resolve, within
from dataset_platform.kernels.reasoning.quality.ledger import Ledger
from dataset_platform.kernels.reasoning.quality.manners import AROUND, beside, stated_directions
from dataset_platform.kernels.reasoning.quality.wording import (
    agent_references,
    lane_references,
    light_claims,
    number_claims,
    unnamed_agents,
)
from dataset_platform.kernels.reasoning.trace import LEVELS, CoTTrace
from dataset_platform.kernels.reasoning.view import LoggedFuture, PlanView

Floats = NDArray[np.float64]
REASONING = ("scene_description", "situation_assessment", "justification")
"""Levels that may only speak of what is known now."""
PREDICTED_S = 3.0
MOST_LEAK_SLACK = 0.06
"""Half width of a stated number of the future, whatever its decimals: of 7 m/s, not every speed from 6.5 to 7.5."""
STORED_SLACK = 2e-3
"""Futures are stored to the thousandth."""
SECTOR_SLACK_DEG = 5.0
STATE_CLASS = {s: next((c for c in ("stop", "caution", "go") if s.endswith(c)), "unknown") for s in SIGNAL_STATES}


def all_claims(trace: CoTTrace, facts: Facts) -> list[Claim]:
    """Numbers that fields and texts of a trace state, by level."""
    claims = list(field_claims(trace))
    for level in LEVELS:
        claims += number_claims(level, getattr(trace, level).text, facts)
    return claims


def judge_grounding(
    ledger: Ledger, trace: CoTTrace, facts: Facts, view: PlanView, future: LoggedFuture | None
) -> list[Claim]:
    """Judge G1 to G5; returns the numeric claims."""
    claims = all_claims(trace, facts)
    own = own_values(trace)
    unmatched = [c for c in claims if not _judge_number(ledger, c, facts, own)]
    ledger.share("number_groundedness")
    _judge_agents(ledger, trace, facts)
    _judge_lights(ledger, trace, facts)
    _judge_lanes(ledger, trace, facts, view)
    if future is not None:
        _judge_leaks(ledger, [c for c in unmatched if c.level in REASONING], future)
    ledger.none(("light_state_accuracy", "lane_accuracy", "future_leak"))
    return claims


@dataclass(frozen=True)
class OwnValue:
    """A number that a level may state because the trace itself predicts or plans it: of whom, in which unit."""

    subject: str
    unit: str
    value: float


def own_values(trace: CoTTrace) -> dict[str, tuple[OwnValue, ...]]:
    """Numbers that levels 3 to 5 may state of their own: expected positions, waypoints, probabilities, by level."""
    expected = [OwnValue("", "s", PREDICTED_S)]
    for p in trace.behavior_prediction.predictions:
        subject = f"agent:{p.agent_id}"
        expected.append(OwnValue(subject, "share", p.probability))
        distances = (abs(p.x_3s_m), abs(p.y_3s_m), hypot(p.x_3s_m, p.y_3s_m))
        expected += [OwnValue(subject, "m", v) for v in distances]
    plan, travelled, last = [], 0.0, None
    for w in trace.trajectory_plan.waypoints:
        travelled += 0.0 if last is None else hypot(w.x_m - last.x_m, w.y_m - last.y_m)
        plan += [OwnValue("", "s", w.t_s), OwnValue("ego", "mps", w.speed_mps)]
        plan += [OwnValue("ego", "m", v) for v in (travelled, abs(w.x_m), abs(w.y_m))]
        last = w
    confidence = OwnValue("", "share", trace.justification.confidence)
    return {
        "behavior_prediction": tuple(expected),
        "trajectory_plan": tuple(plan),
        "justification": (*plan, confidence),
    }


def _judge_number(ledger: Ledger, claim: Claim, facts: Facts, own: dict[str, tuple[OwnValue, ...]]) -> bool:
    metric = "number_groundedness"
    stated = f"{claim.value:.4g} {claim.unit}"
    fact = resolve(claim, facts)
    if fact is not None:
        subject, quantity, value = fact
        return ledger.judge(metric, claim.level, claim.shown, stated, f"{subject} {quantity} {value:.4g}", True)
    if any(_is_own(claim, v) for v in own.get(claim.level, ())):
        return ledger.judge(metric, claim.level, claim.shown, stated, "the trace's own prediction or plan", True)
    known = next(
        ((s, q, v) for s in claim.subjects for q in claim.quantities if (v := facts.value(s, q)) is not None), None
    )
    found = None if known is None else f"{known[0]} {known[1]} {known[2]:.4g}"
    return ledger.judge(metric, claim.level, claim.shown, stated, found, False)


def _is_own(claim: Claim, own: OwnValue) -> bool:
    if (
        claim.unit != own.unit
        or claim.named
        or (own.subject.startswith("agent:") and own.subject not in claim.subjects)
    ):
        return False
    if own.subject == "ego" and all(s.startswith("agent:") for s in claim.subjects):
        return False
    return abs(claim.value - own.value) <= 0.0051 if own.unit == "share" else within(claim.value, own.value, own.unit)


def _judge_agents(ledger: Ledger, trace: CoTTrace, facts: Facts) -> None:
    for level, agent_id, claim, wanted in _mentions(trace):
        subject = f"agent:{agent_id}"
        kind = facts.word(subject, "type")
        found = (
            None if kind is None else " ".join([kind, *(str(facts.word(subject, q)) for q in wanted if q != "type")])
        )
        passed = kind is not None and all(fits(facts, subject, q, v) for q, v in wanted.items())
        ledger.judge(
            "agent_reference_precision", level, claim, " ".join([str(agent_id), *wanted.values()]), found, passed
        )
    for said in stated_directions(trace.scene_description.text):
        sector = facts.word(said.subject, "sector")
        if sector is not None:
            fits_in = beside(said.sector, sector)
            ledger.judge("agent_reference_precision", "scene_description", said.words, said.sector, sector, fits_in)
    for level in LEVELS:
        for kind, words in unnamed_agents(getattr(trace, level).text):
            there = _some(facts, kind)
            claim = f"speaks of {words}"
            ledger.judge("agent_reference_precision", level, claim, kind, f"some {kind}" if there else None, there)
    precision = ledger.share("agent_reference_precision")
    ledger.metrics["hallucinated_agent_rate"] = None if precision is None else 1 - precision


def _mentions(trace: CoTTrace) -> Iterator[tuple[str, int, str, dict[str, str]]]:
    for agent in trace.scene_description.agents:
        described: dict[str, str] = {"type": agent.object_type, "sector": agent.sector}
        yield "scene_description", agent.agent_id, "describes an agent", described
    for risk in trace.situation_assessment.risks:
        yield "situation_assessment", risk.agent_id, "judges an agent", {"relation": risk.relation}
    for prediction in trace.behavior_prediction.predictions:
        yield "behavior_prediction", prediction.agent_id, "predicts an agent", {}
    for agent_id in cited_agents(trace):
        yield "justification", agent_id, "cites an agent", {}
    for level in LEVELS:
        text = getattr(trace, level).text
        for ref in agent_references(text):
            wanted: dict[str, str] = {} if ref.kind == "agent" else {"type": ref.kind}
            yield level, int(ref.subject[6:]), f"names {text[ref.start : ref.end]}", wanted


def _some(facts: Facts, kind: str) -> bool:
    if kind == "lead":
        return any(facts.word(s, "relation") == "lead" for s in facts.subjects)
    return bool(facts.value("scene", f"{kind}_count")) or any(facts.word(s, "type") == kind for s in facts.subjects)


def cited_agents(trace: CoTTrace) -> list[int]:
    """Agents that causes and alternatives rest on, in their order."""
    ids = [c.agent_id for c in trace.justification.causes] + [a.agent_id for a in trace.justification.alternatives]
    return [i for i in ids if i is not None]


def fits(facts: Facts, subject: str, quantity: str, word: str) -> bool:
    """Whether a word is the fact; of sectors, also the next one within 5° of the border."""
    known = facts.word(subject, quantity)
    if known is None or known == word:
        return known == word
    bearing = facts.value(subject, "bearing")
    if quantity != "sector" or bearing is None:
        return False
    apart = abs((bearing - 45.0 * AROUND.index(word) + 180) % 360 - 180)
    return apart <= 22.5 + SECTOR_SLACK_DEG


def _judge_lights(ledger: Ledger, trace: CoTTrace, facts: Facts) -> None:
    metric = "light_state_accuracy"
    signal = trace.scene_description.signal
    if signal is not None:
        known = facts.word(f"signal:{signal.lane_id}", "state")
        ledger.judge(
            metric, "scene_description", f"signal of lane {signal.lane_id}", signal.state, known, signal.state == known
        )
    for level in LEVELS:
        for subject, state, words, _ in light_claims(getattr(trace, level).text, facts):
            known = facts.word(subject, "state")
            ledger.judge(metric, level, words, state, known, known is not None and STATE_CLASS[known] == state)
    ledger.share(metric)


def _judge_lanes(ledger: Ledger, trace: CoTTrace, facts: Facts, view: PlanView) -> None:
    metric, one = "lane_accuracy", "scene_description"
    scene = trace.scene_description
    lane = facts.word("ego", "lane_id")
    if scene.lane_id is not None or lane is not None:
        ledger.judge(metric, one, "the ego's lane", scene.lane_id, lane, str(scene.lane_id) == str(lane))
    if scene.lane_type is not None:
        kind = facts.word("ego", "lane_type")
        ledger.judge(metric, one, "type of the ego's lane", scene.lane_type, kind, scene.lane_type == kind)
    limit = facts.value("ego", "speed_limit")
    if scene.speed_limit_mps is not None:
        passed = limit is not None and within(scene.speed_limit_mps, limit, "mps")
        ledger.judge(metric, one, "the speed limit", scene.speed_limit_mps, limit, passed)
    known = {str(lane.lane_id) for lane in view.lanes} | {str(i) for i in view.path_lanes}
    known |= {s.split(":")[1] for s in facts.subjects if s.startswith("signal:")}
    known |= {str(facts.word(s, "lane_id")) for s in facts.subjects}
    for level in LEVELS:
        for lane_id, _ in lane_references(getattr(trace, level).text):
            there = str(lane_id) in known
            ledger.judge(
                metric, level, f"names lane {lane_id}", lane_id, "a lane of the scene" if there else None, there
            )
    ledger.share(metric)


def _judge_leaks(ledger: Ledger, unmatched: list[Claim], future: LoggedFuture) -> None:
    """Claims of the reasoning levels that no fact supports but a value of the logged future does, to the decimal.

    A light that is stated otherwise than it is now is a misreading, whatever it shows later.
    """
    metric = "future_leak"
    for claim in unmatched:
        hit = leaked(claim, future)
        if hit is not None:
            found = f"{hit[0]} {hit[1]:.4g} later in the log"
            ledger.judge(metric, claim.level, claim.shown, claim.value, found, False)
    leaks = len(ledger.records(metric))
    reasoned = sum(c["level"] in REASONING for c in ledger.records("number_groundedness"))
    ledger.metrics[metric] = leaks / max(reasoned, leaks, 1)


def leaked(claim: Claim, future: LoggedFuture) -> tuple[str, float] | None:
    """Subject and value of the logged future, at any step after now, that a number states to its last decimal."""
    if claim.unit not in ("m", "mps"):
        return None
    slack = min(claim.half_step, MOST_LEAK_SLACK) + STORED_SLACK
    for subject in claim.subjects:
        values = _future_values(subject, claim.unit, future)
        hits = np.flatnonzero(np.abs(abs(claim.value) - values) <= slack)
        if len(hits):
            return subject, float(values[hits[0]])
    return None


def _future_values(subject: str, unit: str, future: LoggedFuture) -> Floats:
    """Speeds and distances of a subject at all steps after now: of agents from the ego, of the ego what it travelled."""
    later = future.times_s > 0
    if subject == "ego":
        travelled = np.r_[0.0, np.cumsum(np.hypot(np.diff(future.x_m), np.diff(future.y_m)))]
        values = future.speed_mps if unit == "mps" else travelled
        return np.asarray(values[later], dtype=np.float64)
    rows = np.flatnonzero(future.agent_id == int(subject[6:])) if subject.startswith("agent:") else np.zeros(0, int)
    if not len(rows):
        return np.zeros(0)
    x, y = future.agents_x_m[rows[0]], future.agents_y_m[rows[0]]
    if unit == "m":
        values = np.hypot(x - future.x_m, y - future.y_m)
    else:
        values = np.hypot(np.gradient(x, future.times_s), np.gradient(y, future.times_s))
    return np.asarray(values[later & np.isfinite(values)], dtype=np.float64)
