"""Is what matters said, and said once? Levels, critical agents, road control, alternatives, repetition. V1 to V5."""

from __future__ import annotations

import re
from collections import Counter

from dataset_platform.contracts.driving_types import RISK_BANDS
from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.quality.claims import Claim, resolve
from dataset_platform.kernels.reasoning.quality.grounding import cited_agents
from dataset_platform.kernels.reasoning.quality.ledger import Ledger
from dataset_platform.kernels.reasoning.quality.wording import agent_references, references, sentences
from dataset_platform.kernels.reasoning.trace import LEVELS, CoTTrace
from dataset_platform.kernels.reasoning.view import LoggedFuture

CRITICAL_AGENTS = 3
LEAST_WORDS = 3
WORD = re.compile(r"[a-z0-9.]+", re.I)


def judge_coverage(
    ledger: Ledger, trace: CoTTrace, claims: list[Claim], facts: Facts, future: LoggedFuture | None
) -> None:
    """Judge V1 to V5; ``claims`` are the trace's numeric claims."""
    _judge_levels(ledger, trace, facts)
    _judge_critical_agents(ledger, trace, facts, () if future is None else future.marked_agents)
    _judge_road_control(ledger, trace, facts)
    _judge_alternatives(ledger, trace)
    _judge_redundancy(ledger, trace, claims, facts)


def mentioned_agents(trace: CoTTrace) -> set[int]:
    """Agents that fields or texts of a trace speak of."""
    ids = {a.agent_id for a in trace.scene_description.agents} | {r.agent_id for r in trace.situation_assessment.risks}
    ids |= {p.agent_id for p in trace.behavior_prediction.predictions}
    ids |= set(cited_agents(trace))
    for level in LEVELS:
        ids |= {int(r.subject[6:]) for r in agent_references(getattr(trace, level).text)}
    return ids


def critical_agents(facts: Facts, count: int = CRITICAL_AGENTS) -> list[int]:
    """Agents of risk medium or more, the riskiest first, then the nearest; at most ``count``."""
    bands = {i: RISK_BANDS.index(facts.word(f"agent:{i}", "risk") or "low") for i in facts.agent_ids}
    risky = [i for i in facts.agent_ids if bands[i] > 0]
    return sorted(risky, key=lambda i: (-bands[i], facts.value(f"agent:{i}", "distance") or 0.0))[:count]


def _judge_levels(ledger: Ledger, trace: CoTTrace, facts: Facts) -> None:
    metric = "level_completeness"
    some_agent = bool(facts.agent_ids)
    filled = {
        "scene_description": bool(trace.scene_description.agents) or not some_agent,
        "situation_assessment": bool(trace.situation_assessment.risks) or not some_agent,
        "behavior_prediction": bool(trace.behavior_prediction.predictions) or not some_agent,
        "trajectory_plan": len(trace.trajectory_plan.waypoints) > 1,
        "justification": bool(trace.justification.causes),
    }
    for level in LEVELS:
        words = len(WORD.findall(getattr(trace, level).text))
        passed = words >= LEAST_WORDS and filled[level]
        ledger.judge(metric, level, "the level has text and content", f"{words} words", f"{LEAST_WORDS} words", passed)
    ledger.share(metric)


def _judge_critical_agents(ledger: Ledger, trace: CoTTrace, facts: Facts, marked: tuple[int, ...]) -> None:
    """Agents of risk, and with a log those near ahead that it marks, as far as they are known now."""
    metric = "critical_agent_recall"
    mentioned = mentioned_agents(trace)
    known = [i for i in marked if i in facts.agent_ids]
    for agent_id in dict.fromkeys([*critical_agents(facts), *known]):
        band = facts.word(f"agent:{agent_id}", "risk")
        passed = agent_id in mentioned
        ledger.judge(metric, "situation_assessment", f"agent {agent_id} is spoken of", passed, f"risk {band}", passed)
    ledger.share(metric)


def _judge_road_control(ledger: Ledger, trace: CoTTrace, facts: Facts) -> None:
    metric = "road_control_recall"
    scene = trace.scene_description
    spoken = {f"stop_sign:{i}" for i in scene.stop_sign_ids} | {f"crosswalk:{i}" for i in scene.crosswalk_ids}
    if scene.signal is not None:
        spoken.add(f"signal:{scene.signal.lane_id}")
    spoken |= {f"stop_sign:{c.feature_id}" for c in trace.justification.causes if c.kind == "stop_sign"}
    spoken |= {f"signal:{c.feature_id}" for c in trace.justification.causes if c.kind == "signal"}
    for level in LEVELS:
        spoken |= {
            r.subject
            for r in references(getattr(trace, level).text, facts)
            if r.kind in ("signal", "stop_sign", "crosswalk")
        }
    for subject in facts.subjects:
        if subject.split(":")[0] in ("signal", "stop_sign", "crosswalk"):
            ledger.judge(
                metric,
                "scene_description",
                f"{subject} is spoken of",
                subject in spoken,
                "on the path",
                subject in spoken,
            )
    ledger.share(metric)


def _judge_alternatives(ledger: Ledger, trace: CoTTrace) -> None:
    metric = "alternative_present"
    chosen = (trace.trajectory_plan.longitudinal, trace.trajectory_plan.lateral)
    others = [a for a in trace.justification.alternatives if (a.longitudinal, a.lateral) != chosen]
    stated = ", ".join(f"{a.longitudinal} {a.lateral}: {a.rejected_because}" for a in others) or "none"
    ledger.judge(
        metric, "justification", "an alternative to the plan, with what speaks against it", stated, None, bool(others)
    )
    ledger.all_passed(metric)


def _judge_redundancy(ledger: Ledger, trace: CoTTrace, claims: list[Claim], facts: Facts) -> None:
    """Share of sentences that repeat one said before, word for word, of numbers that a level's text states of the same
    thing again, and of agents that a level lists again."""
    metric = "redundancy"
    said: Counter[str] = Counter()
    total = 0
    for level in LEVELS:
        text = getattr(trace, level).text
        for start, end in sentences(text):
            words = " ".join(w.lower() for w in WORD.findall(text[start:end]))
            if len(words.split()) < LEAST_WORDS:
                continue
            total += 1
            if said[words]:
                ledger.judge(metric, level, "a sentence said before", text[start:end].strip(), None, False)
            said[words] += 1
    stated: Counter[tuple[str, str, str, float]] = Counter()
    for claim in claims:
        fact = None if claim.span is None or claim.own else resolve(claim, facts)
        if fact is None:
            continue
        total += 1
        key = (claim.level, *fact[:2], claim.value)
        if stated[key]:
            ledger.judge(metric, claim.level, "a number stated before", claim.shown, f"{fact[0]} {fact[1]}", False)
        stated[key] += 1
    listed = (
        ("scene_description", [a.agent_id for a in trace.scene_description.agents]),
        ("situation_assessment", [r.agent_id for r in trace.situation_assessment.risks]),
    )
    for level, ids in listed:
        total += len(ids)
        for agent_id, count in Counter(ids).items():
            for _ in range(count - 1):
                ledger.judge(metric, level, "an agent listed before", agent_id, None, False)
    ledger.metrics[metric] = len(ledger.records(metric)) / total if total else None
