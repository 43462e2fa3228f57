"""Defects in what a trace leaves out, leaves empty or says twice."""

from __future__ import annotations

from dataset_platform.kernels.reasoning.mutants.rewriting import with_level, with_sentence, with_text
from dataset_platform.kernels.reasoning.mutations import Case, Mutation
from dataset_platform.kernels.reasoning.quality.coverage import critical_agents
from dataset_platform.kernels.reasoning.quality.grounding import cited_agents
from dataset_platform.kernels.reasoning.quality.wording import agent_references, references, sentences
from dataset_platform.kernels.reasoning.trace import LEVELS, CoTTrace


def _drop_critical(case: Case) -> CoTTrace | None:
    """A critical agent that no cause rests on is left out of all fields and sentences."""
    cited = set(cited_agents(case.trace))
    dropped = next((i for i in critical_agents(case.facts) if i not in cited), None)
    if dropped is None:
        return None
    trace = case.trace
    for level, name in (
        ("scene_description", "agents"),
        ("situation_assessment", "risks"),
        ("behavior_prediction", "predictions"),
    ):
        kept = tuple(v for v in getattr(getattr(trace, level), name) if v.agent_id != dropped)
        if not kept:
            return None
        trace = with_level(trace, level, **{name: kept})
    for level in LEVELS:
        text = getattr(trace, level).text
        kept_text = "".join(
            text[a:b]
            for a, b in sentences(text)
            if all(r.subject != f"agent:{dropped}" for r in agent_references(text[a:b]))
        )
        if len(kept_text.split()) < 3:
            return None
        trace = with_text(trace, level, kept_text)
    return trace


def _drop_control(case: Case) -> CoTTrace | None:
    """The signal is passed over in silence, where no cause rests on it."""
    signal = case.trace.scene_description.signal
    if signal is None or any(c.kind == "signal" for c in case.trace.justification.causes):
        return None
    trace = with_level(case.trace, "scene_description", signal=None)
    for level in LEVELS:
        text = getattr(trace, level).text
        spans = [
            (a, b) for a, b in sentences(text) if all(r.kind != "signal" for r in references(text[a:b], case.facts))
        ]
        kept = "".join(text[a:b] for a, b in spans)
        if len(kept.split()) < 3:
            return None
        trace = with_text(trace, level, kept)
    return trace


def _empty(case: Case) -> CoTTrace | None:
    return with_text(case.trace, "trajectory_plan", "-")


def _repeat(case: Case) -> CoTTrace | None:
    """A sentence of level 1 without numbers or names is said again in it."""
    text = case.trace.scene_description.text
    spans = [text[a:b].strip() for a, b in sentences(text)]
    longest = max(spans, key=len)
    return with_sentence(case.trace, "scene_description", longest) if len(longest.split()) >= 3 else None


OMISSIONS = (
    Mutation("drop_critical_agent", "a critical agent is not spoken of", ("critical_agent_recall",), _drop_critical,
             follows=("plan_respects_predictions", "prediction_accuracy_3s", "risk_band_exact", "risk_band_within_one")),
    Mutation("drop_signal", "the signal is not spoken of", ("road_control_recall",), _drop_control,
             follows=("light_state_accuracy", "contradiction_rate")),
    Mutation("empty_level", "a level without text", ("level_completeness",), _empty),
    Mutation("repeat_sentence", "a sentence is said twice", ("redundancy",), _repeat),
)  # fmt: skip
