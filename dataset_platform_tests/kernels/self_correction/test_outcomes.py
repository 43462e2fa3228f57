"""Evaluation figures of traces: a worked example, conservation, order, stops and refusals."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from dataset_platform.errors import InputError
from dataset_platform.kernels.self_correction.outcomes import TraceOutcome, evaluate

FIXED = TraceOutcome("a", "gsm8k", (0.0, 1.0), (50, 60), ("retry", "none"), (0.5, 0.9), False, ("c1", "c2"))
BROKEN = TraceOutcome(
    "b", "gsm8k", (1.0, 1.0, 0.0), (40, 30, 20), ("retry", "check", "none"), (0.5,) * 3, False, ("c2", "c2", "c1")
)
STOPPED = TraceOutcome("c", "boolq", (1.0,), (10,), ("none",), (0.7,), False, ("c2",))
LOST = TraceOutcome("d", "boolq", (), (), (), (), True)


def generated(rows: int, seed: int = 1, partial: bool = False) -> list[TraceOutcome]:
    rng = np.random.default_rng(seed)
    traces = []
    for i in range(rows):
        turns = int(rng.integers(1, 6))
        scores = rng.random(turns) if partial else (rng.random(turns) < 0.5).astype(float)
        traces.append(
            TraceOutcome(
                f"t{i:05d}",
                str(rng.choice(["gsm8k", "boolq"])),
                tuple(scores.tolist()),
                tuple(rng.integers(5, 90, turns).tolist()),
                tuple(rng.choice(["retry", "check"], turns - 1).tolist()) + ("none",),
                tuple(rng.uniform(0.1, 1, turns).tolist()),
                bool(rng.random() < 0.1),
                tuple(rng.choice(["c1", "c2"], turns).tolist()),
            )
        )
    return traces


def test_worked_example() -> None:
    report = evaluate([STOPPED, LOST, BROKEN, FIXED], token_cost=0.001)
    found = report.overall
    assert (found.traces, found.rejected, found.graded) == (4, 1, 3)
    assert (found.improved, found.degraded, found.unchanged, found.net_gain) == (1, 1, 1, 0)
    assert found.rejected_share.value == 0.25
    assert found.accuracy_before.value == found.accuracy_after.value == pytest.approx(2 / 3)
    assert found.accuracy_change.value == pytest.approx(0)
    assert (found.tokens, found.correction_tokens, found.reprompts) == (210, 110, 3)
    assert (found.tokens_per_improvement, found.reprompts_per_improvement) == (110, 3)
    assert found.tokens_per_net_gain is None
    assert found.actions_by_turn == {0: {"none": 1, "retry": 2}, 1: {"check": 1, "none": 1}, 2: {"none": 1}}
    assert found.actions_by_context == {"c1": {"none": 1, "retry": 1}, "c2": {"check": 1, "none": 2, "retry": 1}}
    # rewards: fix at 60 tokens, kept at 30, broken at 20
    by_action = {row.action: row for row in found.decisions}
    assert by_action["retry"].reward == pytest.approx(((1 - 0.06) + (0 - 0.03)) / 2)
    assert by_action["check"].reward == pytest.approx(-1 - 0.02)
    assert (by_action["retry"].improved, by_action["check"].degraded) == (1, 1)
    assert found.reward_per_decision.value == pytest.approx((0.94 - 0.03 - 1.02) / 3)
    assert found.reward_per_trace.value == pytest.approx((0.94 - 0.03 - 1.02) / 3)
    assert list(report.by_dataset) == ["boolq", "gsm8k"]
    assert report.by_dataset["boolq"].reprompts == 0
    assert report.by_dataset["boolq"].tokens_per_improvement is None


def test_stops_side_by_side() -> None:
    first, policy, oracle = evaluate([FIXED, BROKEN, STOPPED]).overall.stops
    assert [(stop.rule, stop.deployable) for stop in (first, policy, oracle)] == [
        ("first_answer", True),
        ("policy", True),
        ("oracle", False),
    ]
    assert [stop.accuracy.value for stop in (first, policy, oracle)] == pytest.approx([2 / 3, 2 / 3, 1])
    assert [stop.reprompts_per_trace for stop in (first, policy, oracle)] == pytest.approx([0, 1, 1 / 3])
    assert [stop.tokens_per_trace for stop in (first, policy, oracle)] == pytest.approx([100 / 3, 70, 160 / 3])


@pytest.mark.parametrize("partial", [False, True])
def test_no_order_matters_and_nothing_is_lost(partial: bool) -> None:
    traces = generated(400, partial=partial)
    report = evaluate(traces, right_at=0.8)
    shuffled = [traces[i] for i in np.random.default_rng(2).permutation(len(traces))]
    assert json.dumps(report.to_dict()) == json.dumps(evaluate(shuffled, right_at=0.8).to_dict())
    whole, parts = report.overall, list(report.by_dataset.values())
    for name in ("traces", "rejected", "graded", "improved", "degraded", "unchanged", "tokens", "reprompts"):
        assert getattr(whole, name) == sum(getattr(part, name) for part in parts)
    kept = [trace for trace in traces if not trace.rejected]
    assert sum(sum(row.values()) for row in whole.actions_by_turn.values()) == sum(len(t.actions) for t in kept)
    assert sum(sum(row.values()) for row in whole.actions_by_context.values()) == sum(len(t.actions) for t in kept)
    assert sum(row.count for row in whole.decisions) == whole.reprompts
    assert whole.improved + whole.degraded + whole.unchanged == whole.graded == len(kept)
    change = whole.accuracy_after.value - whole.accuracy_before.value
    assert whole.accuracy_change.value == pytest.approx(change)
    # Δaccuracy telescopes: what the decisions earned is what the traces gained, less what the tokens cost
    earned = whole.reward_per_trace.value * len(kept)
    assert earned == pytest.approx(change * len(kept) - 0.001 * whole.correction_tokens)
    assert earned == pytest.approx(whole.reward_per_decision.value * whole.reprompts)


def test_oracle_is_never_worse_than_policy_or_first_answer() -> None:
    first, policy, oracle = evaluate(generated(300, seed=3)).overall.stops
    assert oracle.accuracy.value >= max(first.accuracy.value, policy.accuracy.value)
    assert first.tokens_per_trace <= oracle.tokens_per_trace <= policy.tokens_per_trace


def test_traces_without_gold_count_in_costs_only() -> None:
    blind = replace(FIXED, trace_id="blind", accuracies=(None, None))
    found = evaluate([blind, replace(BROKEN, accuracies=(1.0, None, 0.0))]).overall
    assert (found.traces, found.graded, found.degraded) == (2, 1, 1)
    assert found.tokens == 200
    assert found.correction_tokens == 50
    assert found.decisions == ()
    only_blind = evaluate([blind]).overall
    assert only_blind.accuracy_before is only_blind.accuracy_change is only_blind.reward_per_trace is None
    assert only_blind.stops == ()


def test_a_reprompt_without_an_answer_is_an_action_but_earns_nothing() -> None:
    cut = TraceOutcome("cut", "gsm8k", (0.0,), (50,), ("retry",), (0.5,), False)
    found = evaluate([cut, STOPPED]).overall
    assert found.actions_by_turn == {0: {"none": 1, "retry": 1}}
    assert found.reprompts == 0
    assert found.reward_per_decision is None
    assert found.reward_per_trace.value == 0


def test_no_traces_and_only_rejected_traces_are_evaluations_too() -> None:
    assert evaluate([]).overall.rejected_share is None
    assert evaluate([LOST]).overall.rejected_share.value == 1
    json.dumps(evaluate([LOST]).to_dict())


@pytest.mark.parametrize(
    "traces",
    [
        [FIXED, FIXED],
        [replace(FIXED, tokens=(1,))],
        [replace(FIXED, contexts=("c1",))],
        [replace(FIXED, accuracies=(0.0, 1.5))],
        [replace(FIXED, actions=("none", "none"))],
        [replace(LOST, rejected=False)],
    ],
)
def test_traces_that_do_not_fit_are_refused(traces: list[TraceOutcome]) -> None:
    with pytest.raises(InputError):
        evaluate(traces)
