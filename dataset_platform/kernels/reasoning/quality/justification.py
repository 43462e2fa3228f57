"""Does the justification carry the plan? Causes that exist, entail it and matter; alternatives that fail as said. J1-J5.

The rule planner is the yardstick: it decides from facts alone, so facts can be taken away from it. A cause entails the
plan when the planner, given that cause only, decides what the trace states; it matters when the planner, without it,
decides something else. Agents that are not cited must not matter.
"""

from __future__ import annotations

from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.quality.ledger import Ledger
from dataset_platform.kernels.reasoning.trace import Cause, CoTTrace
from dataset_platform.kernels.reasoning.view import PlanView

LEVEL = "justification"
AGENT_CAUSES = {
    "lead_vehicle": ("vehicle", "cyclist", "other", "unset"),
    "pedestrian": ("pedestrian",),
    "cyclist": ("cyclist",),
    "crossing_traffic": ("vehicle", "cyclist", "pedestrian", "other", "unset"),
}
SLOWING = ("decelerate", "stop", "yield")
UNCITED_AGENTS = 8
"""Agents, nearest first, that are taken away one by one, beside all that hold the planner back."""


def judge_justification(ledger: Ledger, trace: CoTTrace, facts: Facts, view: PlanView) -> None:
    """Judge J1 to J5."""
    causes = trace.justification.causes
    for cause in causes:
        found = _found(cause, facts)
        number = cause.feature_id if cause.agent_id is None else cause.agent_id
        stated = cause.kind if number is None else f"{cause.kind} {number}"
        ledger.judge("cause_exists", LEVEL, "cites a cause", stated, found, found is not None)
    ledger.share("cause_exists")
    _judge_entailment(ledger, trace, facts)
    _judge_counterfactuals(ledger, trace, facts)
    _judge_orphans(ledger, trace, facts)
    _judge_alternatives(ledger, trace, facts, view)


def _found(cause: Cause, facts: Facts) -> str | None:
    """What the facts say of a cause; None when there is no such thing."""
    from dataset_platform.kernels.reasoning.planner import subject_of

    subject = subject_of(cause) or ""
    if cause.kind in AGENT_CAUSES:
        kind, relation = facts.word(subject, "type"), facts.word(subject, "relation")
        crosses = relation == "crossing" or facts.value(subject, "conflict_distance") is not None
        part = {"lead_vehicle": relation == "lead", "crossing_traffic": crosses}.get(cause.kind, True)
        return kind if kind in AGENT_CAUSES[cause.kind] and part else None
    if cause.kind == "signal":
        return facts.word(subject, "state")
    if cause.kind == "speed_limit":
        limit = facts.value("ego", "speed_limit")
        return None if limit is None else f"{limit:.4g} mps"
    if cause.kind == "free_road":
        return "the ego's speed is known" if facts.value("ego", "speed") is not None else None
    return subject if subject and subject in facts.subjects else None


def _judge_entailment(ledger: Ledger, trace: CoTTrace, facts: Facts) -> None:
    """A route entails the action across the road, any other cause the one along it; all together entail both."""
    from dataset_platform.kernels.reasoning.planner import decide, subject_of

    metric = "cause_entails"
    stated = _stated(trace)
    causes = [c for c in trace.justification.causes if _found(c, facts) is not None]
    subjects = [subject_of(c) for c in causes]
    for cause, subject in zip(causes, subjects, strict=True):
        alone = decide(facts, only=frozenset(s for s in (subject,) if s))
        if cause.kind == "route":
            same, found = alone.lateral == stated[1], str(alone.lateral)
        else:
            same, found = _same_along(stated[0], alone.longitudinal), str(alone.longitudinal)
        ledger.judge(
            metric, LEVEL, f"{cause.kind} {subject or ''} alone".replace("  ", " "), " ".join(stated), found, same
        )
    if causes:
        together = decide(facts, only=frozenset(s for s in subjects if s))
        same = _same_along(stated[0], together.longitudinal) and stated[1] == together.lateral
        ledger.judge(metric, LEVEL, "all causes together", " ".join(stated), " ".join(together.actions), same)
    ledger.share(metric)


def _judge_counterfactuals(ledger: Ledger, trace: CoTTrace, facts: Facts) -> None:
    """A cause that matters only together with the others cited (a red light behind a stopped lead) matters, if it would
    do alone."""
    from dataset_platform.kernels.reasoning.planner import decide, subject_of

    base = decide(facts)
    chosen = base.actions
    cited = {s: c for c in trace.justification.causes if (s := subject_of(c)) is not None and _found(c, facts)}
    for subject, cause in cited.items():
        after, claim = decide(facts, without=frozenset({subject})).actions, f"without {subject}, cited as {cause.kind}"
        if after == chosen and len(cited) > 1 and _suffices(facts, subject, chosen):
            after, claim = decide(facts, without=frozenset(cited)).actions, f"{claim}, and the other causes"
        ledger.judge("counterfactual_cause", LEVEL, claim, "another decision", " ".join(after), after != chosen)
    ledger.share("counterfactual_cause")
    agents = [f"agent:{i}" for i in facts.agent_ids[:UNCITED_AGENTS]]
    agents += [limit.subject for limit in base.limits if limit.subject.startswith("agent:")]
    for subject in dict.fromkeys(a for a in agents if a not in cited):
        after = decide(facts, without=frozenset({subject})).actions
        claim = f"without {subject}, not cited"
        ledger.judge("counterfactual_others", LEVEL, claim, " ".join(chosen), " ".join(after), after == chosen)
    ledger.share("counterfactual_others")


def _suffices(facts: Facts, subject: str, chosen: tuple[str, str]) -> bool:
    """Whether a cause alone, with the posted limit or without, makes the planner act as it does, and a free road not."""
    from dataset_platform.kernels.reasoning.planner import decide

    for known in (frozenset[str](), frozenset({"ego"})):
        free, held = decide(facts, only=known), decide(facts, only=known | {subject})
        if _same_along(chosen[0], held.longitudinal) and not _same_along(chosen[0], free.longitudinal):
            return True
    return False


def _judge_orphans(ledger: Ledger, trace: CoTTrace, facts: Facts) -> None:
    metric = "no_orphan_decision"
    stated = _stated(trace)
    if stated[0] in SLOWING or stated[1] != "keep":
        reasons = [c.kind for c in trace.justification.causes if c.kind != "free_road" and _found(c, facts)]
        ledger.judge(
            metric, LEVEL, f"{' '.join(stated)} has a cause", ", ".join(reasons) or "none", None, bool(reasons)
        )
    ledger.all_passed(metric)


def _stated(trace: CoTTrace) -> tuple[str, str]:
    return trace.trajectory_plan.longitudinal, trace.trajectory_plan.lateral


def _same_along(stated: str, decided: str) -> bool:
    """Whether a decision along the road is the one stated; to yield is to slow down for someone."""
    return stated == decided or ("yield" in (stated, decided) and {stated, decided} <= set(SLOWING))


def _judge_alternatives(ledger: Ledger, trace: CoTTrace, facts: Facts, view: PlanView) -> None:
    """An alternative's rejection is true when its rollout breaks the limit that is named, for the agent or lane named."""
    from dataset_platform.kernels.reasoning.rollout import roll_out, violations_of

    metric = "alternative_rejection_true"
    for alternative in trace.justification.alternatives:
        shown = violations_of(roll_out(alternative.longitudinal, alternative.lateral, view), facts, view)
        found = ", ".join(dict.fromkeys(s.violation for s in shown)) or "breaks no limit"
        claim = f"instead {alternative.longitudinal} {alternative.lateral}"
        named = alternative.agent_id, alternative.feature_id
        passed = any(
            s.violation == alternative.rejected_because
            and all(wanted in (None, found) for wanted, found in zip(named, (s.agent_id, s.feature_id), strict=True))
            for s in shown
        )
        ledger.judge(metric, LEVEL, claim, alternative.rejected_because, found, passed)
    ledger.share(metric)
