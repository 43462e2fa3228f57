"""The labelled rows of ``CotTraces``: a trace that is kept, or a keyframe of which none is, each with what it took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dataset_platform.engines.cot_writer import InvalidLevel, Keyframe, Spent
from dataset_platform.kernels.reasoning.prompts import prompt_version
from dataset_platform.kernels.reasoning.trace import CoTTrace
from dataset_platform.llm.errors import CallError

_KEPT = ("trace_id", "frame_id", "scenario_id", "step", "complexity", "file", "offset", "length")


@dataclass(frozen=True)
class Draft:
    """A trace that was written, by ``rules``, ``llm`` or ``cheap_llm``, and the validators that it fails."""

    trace: CoTTrace
    writer: str
    spent: Spent
    failed: list[str]


def kept(keyframe: Keyframe, draft: Draft, reason: str, because: list[str], rules_version: str) -> dict[str, Any]:
    """The row of a trace that is kept.

    Args:
        reason: why this writer.
        because: validators that the cheap trace failed, or its reason for being none, where the model was asked to write
            the frame again, whichever of the two traces is kept.
    """
    trace, spent, rules = draft.trace, draft.spent, draft.writer == "rules"
    return {n: getattr(keyframe, n) for n in _KEPT} | {
        "trace": trace.model_dump_json(),
        "text": trace.text(),
        "longitudinal": trace.trajectory_plan.longitudinal,
        "lateral": trace.trajectory_plan.lateral,
        "overall_risk": trace.situation_assessment.overall_risk,
        "confidence": trace.justification.confidence,
        "generator": "rules" if rules else "llm",
        "route": reason,
        "failed_validators": draft.failed,
        "escalated_because": because,
        "model": spent.model,
        "simulated": spent.simulated,
        "prompt_version": rules_version if rules else prompt_version(),
        **_paid(spent),
        "created_at": spent.created_at,
    }


def rejected(keyframe: Keyframe, error: CallError, spent: Spent, reason: str | None = None) -> dict[str, Any]:
    """The row of a keyframe without a trace: why, and what its answers took all the same."""
    return {n: getattr(keyframe, n) for n in _KEPT} | {
        **_paid(spent),
        "reason": reason or error.kind,
        "measure": float(error.problems) if isinstance(error, InvalidLevel) else None,
        "detail": error.message[:500],
    }


def _paid(spent: Spent) -> dict[str, Any]:
    return {n: getattr(spent, n) for n in ("prompt_tokens", "completion_tokens", "cost_usd", "calls")}
