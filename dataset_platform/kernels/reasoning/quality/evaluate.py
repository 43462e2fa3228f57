"""A trace held against its keyframe: all metrics of the contract, and the validators to use while traces are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dataset_platform.contracts.reasoning import METRICS
from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.quality.consistency import judge_consistency
from dataset_platform.kernels.reasoning.quality.coverage import judge_coverage
from dataset_platform.kernels.reasoning.quality.feasibility import judge_plan
from dataset_platform.kernels.reasoning.quality.grounding import judge_grounding
from dataset_platform.kernels.reasoning.quality.justification import judge_justification
from dataset_platform.kernels.reasoning.quality.ledger import Ledger
from dataset_platform.kernels.reasoning.quality.outcome import judge_outcome
from dataset_platform.kernels.reasoning.trace import CoTTrace
from dataset_platform.kernels.reasoning.view import LoggedFuture, PlanView

LEAST: dict[str, float] = {
    "number_groundedness": 1.0,
    "agent_reference_precision": 1.0,
    "light_state_accuracy": 1.0,
    "lane_accuracy": 1.0,
    "kinematic_pass": 1.0,
    "comfort_pass": 1.0,
    "no_collision_constant_velocity": 1.0,
    "min_ttc_pass": 1.0,
    "on_road": 1.0,
    "wrong_way_pass": 1.0,
    "overspeed_pass": 1.0,
    "red_light_pass": 1.0,
    "waypoint_timing_pass": 1.0,
    "risk_band_exact": 0.9,
    "risk_band_within_one": 1.0,
    "meta_action_agreement": 1.0,
    "plan_respects_predictions": 1.0,
    "probabilities_valid": 1.0,
    "level_completeness": 1.0,
    "critical_agent_recall": 0.6,
    "road_control_recall": 0.5,
    "alternative_present": 1.0,
    "alternative_rejection_true": 1.0,
    "cause_exists": 1.0,
    "cause_entails": 0.6,
    "counterfactual_cause": 1.0,
    "counterfactual_others": 1.0,
    "no_orphan_decision": 1.0,
}
"""Metrics that need no future, with the least value at which a single trace is let through.

Of causes that hold the ego back together, one need not do so alone; any other share below one is a defect that the trace
can be written again without. Times to collision are those at constant velocity while no future is given.
"""
MOST: dict[str, float] = {"contradiction_rate": 0.0, "redundancy": 0.1}
"""The same for metrics of which less is better."""
VALIDATORS = (*LEAST, *MOST)


@dataclass(frozen=True)
class TraceQuality:
    """Figures by the names of ``contracts.driving.METRICS``, None where there was nothing to judge; the records behind
    them as rows of the contract's ``CLAIM`` type."""

    metrics: dict[str, float | None]
    claims: list[dict[str, Any]]


def evaluate(trace: CoTTrace, facts: Facts, view: PlanView, future: LoggedFuture | None) -> TraceQuality:
    """Judge a trace by every metric.

    Args:
        facts, view: the keyframe's, nothing later than now.
        future: what the log has after the keyframe; without it, metrics that need it are None.
    """
    if future is not None and len(future.times_s) < 2:
        future = None
    ledger = Ledger()
    claims = judge_grounding(ledger, trace, facts, view, future)
    plan = judge_plan(ledger, trace.trajectory_plan.waypoints, view, future)
    judge_consistency(ledger, trace, claims, facts, view, plan)
    judge_coverage(ledger, trace, claims, facts, future)
    judge_justification(ledger, trace, facts, view)
    judge_outcome(ledger, trace, view, plan, future)
    return TraceQuality({name: ledger.metrics.get(name) for name in METRICS}, ledger.claims)


def failing_validators(trace: CoTTrace, facts: Facts, view: PlanView) -> list[str]:
    """Names of the validators that a trace fails, in order of name; they need no future, so they may decide while
    traces are written which are written again."""
    metrics = evaluate(trace, facts, view, None).metrics
    below = [n for n, least in LEAST.items() if (v := metrics[n]) is not None and v < least - 1e-9]
    above = [n for n, most in MOST.items() if (v := metrics[n]) is not None and v > most + 1e-9]
    return sorted([*below, *above])
