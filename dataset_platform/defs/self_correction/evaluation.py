"""``self_correction/policy_evaluation``: what asking again was worth on the day, and what other policies would have earned."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg
import orjson
import xxhash

from dataset_platform.contracts import Rejections, Traces
from dataset_platform.defs.artifacts import Made
from dataset_platform.defs.days import Day
from dataset_platform.defs.metadata import bars, markdown_table, receipt_metadata
from dataset_platform.defs.self_correction.plots import curves, intervals, reliability_plot
from dataset_platform.defs.self_correction.policy import TABLE as POLICY
from dataset_platform.defs.self_correction.policy_chain import outcomes_of, policy_of, state_before, version_of
from dataset_platform.defs.self_correction.regret import regret
from dataset_platform.defs.stages import UNCHANGED
from dataset_platform.lake import receipts, storage
from dataset_platform.lake.locks import lock
from dataset_platform.lake.receipts import Receipt
from dataset_platform.lake.turn_columns import turn_columns, turns_by_trace
from dataset_platform.settings import join

if TYPE_CHECKING:
    from dataset_platform.kernels.self_correction.outcomes import TraceOutcome
    from dataset_platform.kernels.self_correction.target_policies import LoggedDecision, Probabilities
    from dataset_platform.lake.audit import Finding
    from dataset_platform.lake.policy_states import PolicyState

TABLE = "self_correction/policy_evaluation"
VERSION = "1"
CHECKS = {
    "complete": ("The evaluation is of all of the day's traces, as they are now.", True),
    "no_harm": ("Accuracy after asking again is not credibly below that of the first answers.", False),
    "calibrated": ("The classifier's confidence is within 0.1 of the accuracy it stands for, on average.", False),
}
MAX_DAY_ECE = 0.1
FIELDS = (
    "accuracy",
    "token_count",
    "chosen",
    "propensity",
    "context",
    "arms_offered",
    "error_mode",
    "confidence_score",
)


def path_of(artifacts: str, day: str) -> str:
    """The evaluation of a day."""
    name = f"evaluation_{day.replace('-', '')}.json"
    return join(artifacts, "self_correction", "policy_evaluation", name)


def make_evaluation(day: Day, leave_unchanged: bool = False) -> Made:
    """Evaluate the day's traces.

    Raises:
        StateError: the day has no traces stage or no policy yet.
    """
    above = day.upstream(Traces)
    lake, root = day.settings.lake, day.settings.artifacts
    learned = day.upstream(POLICY)
    with lock(lake, f"{TABLE} of {day.key}"):
        from dataset_platform.config import fingerprint

        started = time.monotonic()
        inputs = {Traces.table_name(): above.content_hash, POLICY: learned.content_hash}
        config_hash = fingerprint(day.config.self_correction.evaluation)
        there = receipts.read(lake, TABLE, day.key)
        if leave_unchanged and there and there.made_from(inputs, config_hash, VERSION):
            return Made(audit_evaluation(day), _metadata(day, there, UNCHANGED) | {"seconds": 0.0}, True)
        receipts.remove(lake, TABLE, day.key)
        receipt = Receipt(
            TABLE,
            day.key,
            above.rows_kept,
            above.rows_kept,
            0,
            0,
            inputs=inputs,
            code_version=VERSION,
            config_hash=config_hash,
        )
        note = ""
        if above.rows_kept:
            content = orjson.dumps(_evaluate(day, above), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
            storage.write_bytes(path_of(root, day.key), content)
            receipt = replace(receipt, content_hash=f"{above.rows_kept}:{xxhash.xxh3_64_hexdigest(content)}")
        else:
            storage.delete(path_of(root, day.key))
            note = f"{Traces.table_name()} has no rows"
        receipt = replace(receipt, seconds=round(time.monotonic() - started, 3))
        receipts.write(lake, receipt)
        return Made(audit_evaluation(day), _metadata(day, receipt, note), True)


def _evaluate(day: Day, above: Receipt) -> dict[str, Any]:
    from dataset_platform.kernels.self_correction.outcomes import evaluate

    settings = day.config.self_correction
    traces, decisions, confidence, correct = _read(day)
    table = day.table(Traces)
    head = next(turn_columns(table, day.key, [], ["simulated", "model", "policy_version"]))
    content: dict[str, Any] = {
        "day": day.key,
        "traces": above.rows_kept,
        "rejected": above.rows_rejected,
        "rejected_by": above.reasons,
        "model": head["model"][0],
        "simulated": head["simulated"][0],
        "policy_version": head["policy_version"][0],
        "reward_source": settings.policy.reward,
        "token_cost": settings.policy.token_cost,
        "outcomes": evaluate(traces, token_cost=settings.policy.token_cost, seed=settings.evaluation.seed).to_dict(),
        "confidence": _calibration(confidence, correct),
        "off_policy": _off_policy(day, decisions, head["policy_version"][0]),
        "regret": regret(day),
    }
    return content


def _read(day: Day) -> tuple[list[TraceOutcome], list[LoggedDecision], list[float], list[float]]:
    """Outcomes of all traces, decisions of graded ones, and confidence with correctness of every graded answer."""
    from dataset_platform.kernels.self_correction.outcomes import TraceOutcome
    from dataset_platform.kernels.self_correction.target_policies import logged_decisions

    token_cost = day.config.self_correction.policy.token_cost
    traces: list[TraceOutcome] = []
    decisions: list[LoggedDecision] = []
    confidence: list[float] = []
    correct: list[float] = []
    of_trace = ["trace_id", "dataset_name", "reward_source"]
    for trace, turn in turns_by_trace(day.table(Traces), day.key, FIELDS, of_trace):
        traces.append(
            TraceOutcome(
                trace_id=trace["trace_id"],
                dataset_name=trace["dataset_name"],
                accuracies=tuple(turn["accuracy"]),
                tokens=tuple(turn["token_count"]),
                actions=tuple(turn["chosen"]),
                propensities=tuple(turn["propensity"]),
                rejected=False,
                contexts=tuple(turn["context"]),
            )
        )
        if trace["reward_source"] != "gold":
            continue
        turns = [dict(zip(FIELDS, values, strict=True)) for values in zip(*turn.values(), strict=True)]
        decisions += logged_decisions({"trace_id": trace["trace_id"], "turns": turns}, token_cost)
        confidence += turn["confidence_score"]
        correct += turn["accuracy"]
    traces += [
        TraceOutcome(row["doc_id"], row["source"] or "", (), (), (), (), rejected=True) for row in _rejected(day)
    ]
    return traces, decisions, confidence, correct


def _rejected(day: Day) -> list[dict[str, Any]]:
    import pyarrow.compute as pc

    stage = (pc.field("lane") == Traces.lane_name()) & (pc.field("stage") == Traces.artifact_name())
    rows: list[dict[str, Any]] = day.table(Rejections).read(day.key, ["doc_id", "source"], stage).to_pylist()
    return rows


def _calibration(confidence: list[float], correct: list[float]) -> dict[str, Any] | None:
    import numpy as np

    from dataset_platform.kernels.self_correction.reliability import (
        brier,
        expected_calibration_error,
        reliability_table,
    )

    if not confidence:
        return None
    stated, right = np.array(confidence), np.array(correct)
    return {
        "answers": len(stated),
        "ece": expected_calibration_error(stated, right),
        "brier": brier(stated, right),
        "reliability": [b.to_dict() for b in reliability_table(stated, right)],
    }


def _cross_fitted(day: Day, before: PolicyState | None) -> Probabilities:
    """The policy that learned of the day, each trace judged by one that did not learn of it: a policy is not asked how well
    it does on what it was made from."""
    from dataset_platform.kernels.self_correction.target_policies import FOLDS, by_context, fold_of

    outcomes, _ = outcomes_of(day, day.key)
    learned = []
    for fold in range(FOLDS):
        policy = policy_of(day, before)
        policy.update([o for o in outcomes if fold_of(o.trace_id) != fold])
        learned.append(by_context(policy))
    return lambda d: learned[fold_of(d.trace_id)](d)


def _off_policy(day: Day, decisions: list[LoggedDecision], logged_by: str) -> dict[str, Any]:
    """Estimates for stopping at once, for drawing evenly, for each arm that was tried most, and for what the day teaches."""
    from collections import Counter

    from dataset_platform.kernels.self_correction.off_policy import OffPolicyConfig
    from dataset_platform.kernels.self_correction.target_policies import always, by_context, estimates, uniform

    tried = [arm for arm, _ in Counter(d.chosen for d in decisions if d.chosen != "none").most_common(3)]
    targets = {"stop at once": always("none"), "even draw": uniform}
    targets |= {f"always {arm}": always(arm) for arm in tried}
    before = state_before(day)
    targets["policy that learned of this day"] = _cross_fitted(day, before)
    settings = day.config.self_correction.evaluation
    config = OffPolicyConfig(replicates=settings.bootstrap, seed=settings.seed)
    logged = sum(d.reward for d in decisions) / len(decisions) if decisions else None
    # the state that took the decisions, where it is still there and did not change while it took them
    daily = day.config.self_correction.policy.update == "daily"
    behaviour = by_context(policy_of(day, before)) if logged_by == version_of(before) and daily else None
    found = estimates(decisions, targets, config, behaviour)
    return {
        "decisions": len(decisions),
        "logged_mean_reward": logged,
        "estimates": {name: [e.to_dict() for e in rows] for name, rows in found.items()},
    }


def audit_evaluation(day: Day) -> list[Finding]:
    """The checks of a day's evaluation as it lies there now.

    Raises:
        StateError: the day was never evaluated.
    """
    from dataset_platform.lake.audit import Finding

    receipt = day.upstream(TABLE)
    content = _content(day)
    above = receipts.read(day.settings.lake, Traces, day.key)
    same = above is not None and above.content_hash == receipt.inputs[Traces.table_name()]
    whole = content is None if not receipt.rows_in else content is not None and content["traces"] == receipt.rows_in
    line = f"{receipt.rows_in} traces" if same and whole else "the traces changed since; materialize this day again"
    findings = [Finding("complete", same and whole, line)]
    change = content["outcomes"]["overall"]["accuracy_change"] if content else None
    if change is None:
        findings.append(Finding("no_harm", True, "no graded traces", "WARN"))
    else:
        span = f"{change['value']:+.4f} [{change['low']:+.4f}, {change['high']:+.4f}]"
        findings.append(Finding("no_harm", change["high"] >= 0, f"accuracy change {span}", "WARN"))
    calibration = content["confidence"] if content else None
    ece = calibration["ece"] if calibration else None
    line = f"ECE {ece:.4f} over {calibration['answers']} answers" if calibration else "no graded answers"
    findings.append(Finding("calibrated", ece is None or ece <= MAX_DAY_ECE, line, "WARN"))
    return findings


def _content(day: Day) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = orjson.loads(storage.read_bytes(path_of(day.settings.artifacts, day.key)))
    except FileNotFoundError:
        return None
    return content


def _metadata(day: Day, receipt: Receipt, note: str) -> dict[str, Any]:
    metadata = receipt_metadata(path_of(day.settings.artifacts, day.key), receipt)
    if note:
        metadata["note"] = note
    content = _content(day)
    if content is None:
        return metadata
    overall = content["outcomes"]["overall"]
    metadata |= {
        "simulated": content["simulated"],
        "model": content["model"],
        "reward_source": content["reward_source"],
    }
    for name in ("improved", "degraded", "net_gain", "tokens_per_improvement", "reprompts_per_improvement"):
        if overall[name] is not None:
            metadata[name] = overall[name]
    if overall["stops"]:
        names = ["stop rule", "deployable", "accuracy", "95 % interval", "reprompts", "tokens"]
        rows = [_stop_row(s) for s in overall["stops"]]
        metadata["before_and_after"] = dg.MetadataValue.md(markdown_table(names, rows))
        spans = [(s["rule"], *(s["accuracy"][k] for k in ("value", "low", "high"))) for s in overall["stops"]]
        metadata["accuracy"] = intervals(spans, f"accuracy by stop rule, {day.key}")
    counts: dict[str, float] = {}
    for turn in overall["actions_by_turn"].values():
        for action, n in turn.items():
            counts[action] = counts.get(action, 0) + n
    metadata["actions"] = bars(dict(sorted(counts.items(), key=lambda kv: -kv[1])), "decisions by action")
    if content["confidence"]:
        metadata["calibration"] = reliability_plot(content["confidence"]["reliability"], "confidence of the day")
    metadata["off_policy"] = dg.MetadataValue.md(_off_policy_table(content["off_policy"]))
    known = content["regret"]
    if known.get("curves"):
        metadata["regret"] = curves(known["curves"], "regret where every outcome is known", "decision", "regret so far")
    metadata["regret_note"] = known["note"]
    return metadata


def _stop_row(stop: dict[str, Any]) -> dict[str, Any]:
    accuracy = stop["accuracy"]
    return {
        "stop rule": stop["rule"],
        "deployable": "yes" if stop["deployable"] else "no, reads the gold answer",
        "accuracy": accuracy["value"],
        "95 % interval": f"{accuracy['low']:.3f} to {accuracy['high']:.3f}",
        "reprompts": stop["reprompts_per_trace"],
        "tokens": stop["tokens_per_trace"],
    }


def _off_policy_table(found: dict[str, Any]) -> str:
    names = ["policy", "estimator", "value", "95 % interval", "ESS", "max weight", "note"]
    rows = []
    for policy, row_estimates in found["estimates"].items():
        for e in row_estimates:
            span = "–" if e["low"] is None else f"{e['low']:+.4f} to {e['high']:+.4f}"
            value = "not identifiable" if e["value"] is None else f"{e['value']:+.4f}"
            ess, largest = (("–" if e[k] is None else f"{e[k]:.1f}") for k in ("ess", "max_weight"))
            cells = (policy, e["estimator"], value, span, ess, largest, e["reason"])
            rows.append(dict(zip(names, cells, strict=True)))
    return markdown_table(names, rows)
