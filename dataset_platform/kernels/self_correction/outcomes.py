"""What a day's conversations came to: accuracy before and after, what the gain cost, and what the policy did.

A trace is one question's answers in order; after each the policy chose an action, ``none`` to stop. Gold answers enter
as accuracies only. Where there are none, a trace still counts in costs and actions and is left out of accuracies.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dataset_platform.errors import InputError
from dataset_platform.kernels.self_correction.intervals import (
    MEAN,
    Interval,
    bootstrap,
    paired_difference,
    per,
    wilson,
)

NONE = "none"


@dataclass(frozen=True, slots=True)
class TraceOutcome:
    """One conversation, turn by turn.

    Attributes:
        accuracies: of each answer in [0, 1]; None where it was not graded.
        tokens: of the call that gave each answer.
        actions: chosen after each answer; only the last may be ``none``. A last action other than ``none`` is a
            reprompt whose answer never came.
        propensities: of the chosen actions.
        contexts: context keys in which they were chosen; empty where unknown.
        rejected: the trace failed or was filtered out; it counts in ``rejected_share`` and nowhere else.
    """

    trace_id: str
    dataset_name: str
    accuracies: tuple[float | None, ...]
    tokens: tuple[int, ...]
    actions: tuple[str, ...]
    propensities: tuple[float, ...]
    rejected: bool
    contexts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stop:
    """What a rule for stopping gives: ``deployable`` is false where the rule reads the gold answer."""

    rule: str
    deployable: bool
    accuracy: Interval
    reprompts_per_trace: float
    tokens_per_trace: float


@dataclass(frozen=True, slots=True)
class Decisions:
    """The reprompts by one action that were answered and graded. Reward is Δaccuracy − λ · tokens of the call."""

    action: str
    count: int
    reward: float
    improved: int
    degraded: int
    tokens: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of a set of traces. Per-improvement figures and intervals are None where there is nothing to divide by.

    ``stops`` puts three rules side by side, on the same graded traces: ``first_answer`` (no correction), ``policy``
    (where the policy stopped) and ``oracle`` (at the first right answer that the trace holds, else where the policy
    stopped). The oracle reads the gold answer: it is the most that stopping better could have gained, not a result.
    """

    traces: int
    rejected: int
    rejected_share: Interval | None
    graded: int
    accuracy_before: Interval | None
    accuracy_after: Interval | None
    accuracy_change: Interval | None
    improved: int
    degraded: int
    unchanged: int
    net_gain: int
    reprompts: int
    tokens: int
    correction_tokens: int
    tokens_per_improvement: float | None
    tokens_per_net_gain: float | None
    reprompts_per_improvement: float | None
    stops: tuple[Stop, ...]
    reward_per_decision: Interval | None
    reward_per_trace: Interval | None
    decisions: tuple[Decisions, ...]
    actions_by_turn: dict[int, dict[str, int]]
    actions_by_context: dict[str, dict[str, int]]

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe fields; turns become strings."""
        return asdict(self) | {"actions_by_turn": {str(turn): dict(n) for turn, n in self.actions_by_turn.items()}}


@dataclass(frozen=True, slots=True)
class Report:
    """The evaluation of all traces and of each dataset's."""

    overall: Evaluation
    by_dataset: dict[str, Evaluation]

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe fields."""
        return {
            "overall": self.overall.to_dict(),
            "by_dataset": {name: found.to_dict() for name, found in self.by_dataset.items()},
        }


def evaluate(
    traces: Iterable[TraceOutcome],
    *,
    token_cost: float = 0.001,
    level: float = 0.95,
    right_at: float = 1.0,
    seed: int = 0,
) -> Report:
    """Evaluate traces, in any order, together and by dataset.

    Args:
        token_cost: λ, accuracy given up for a token.
        right_at: an accuracy from which an answer is right: 1 for exact checkers, less where the field scores F1.
        seed: of the bootstrap.

    Raises:
        InputError: a trace twice, or one whose turns do not fit together.
    """
    ordered = sorted(traces, key=lambda trace: trace.trace_id)
    for one, other in zip(ordered, ordered[1:], strict=False):
        if one.trace_id == other.trace_id:
            raise InputError(f"trace {one.trace_id} is there twice.", "Pass each trace once.")
    for trace in ordered:
        _check(trace)
    parts: dict[str, list[TraceOutcome]] = defaultdict(list)
    for trace in ordered:
        parts[trace.dataset_name].append(trace)

    def figures(part: Sequence[TraceOutcome]) -> Evaluation:
        return _evaluate(part, token_cost, level, right_at, seed)

    return Report(figures(ordered), {name: figures(parts[name]) for name in sorted(parts)})


def _check(trace: TraceOutcome) -> None:
    turns = len(trace.accuracies)
    if trace.rejected:
        return
    same = {turns, len(trace.tokens), len(trace.actions), len(trace.propensities), len(trace.contexts) or turns}
    if not turns or len(same) != 1:
        raise InputError(f"the turns of trace {trace.trace_id} do not fit together.", "Give each turn all its fields.")
    if NONE in trace.actions[:-1]:
        raise InputError(f"trace {trace.trace_id} goes on after it stopped.", "Only the last action may be 'none'.")
    if not all(value is None or 0 <= value <= 1 for value in trace.accuracies):
        raise InputError(f"an accuracy of trace {trace.trace_id} is not in [0, 1].", "Grade it again.")


def _evaluate(
    traces: Sequence[TraceOutcome], token_cost: float, level: float, right_at: float, seed: int
) -> Evaluation:
    kept = [trace for trace in traces if not trace.rejected]
    graded = [trace for trace in kept if trace.accuracies[0] is not None and trace.accuracies[-1] is not None]
    before = np.array([trace.accuracies[0] for trace in graded], dtype=np.float64)
    after = np.array([trace.accuracies[-1] for trace in graded], dtype=np.float64)
    improved, degraded = int(np.sum(after > before)), int(np.sum(after < before))
    # what a gain cost is asked of the traces whose gain is known
    reprompts = sum(len(trace.tokens) - 1 for trace in graded)
    correction = sum(sum(trace.tokens[1:]) for trace in graded)
    rejected = len(traces) - len(kept)
    by_decision, by_trace, table = _rewards(kept, token_cost, level, seed)
    return Evaluation(
        traces=len(traces),
        rejected=rejected,
        rejected_share=wilson(rejected, len(traces), level) if traces else None,
        graded=len(graded),
        accuracy_before=_accuracy(before, level, seed),
        accuracy_after=_accuracy(after, level, seed),
        accuracy_change=paired_difference(before, after, level, seed) if graded else None,
        improved=improved,
        degraded=degraded,
        unchanged=len(graded) - improved - degraded,
        net_gain=improved - degraded,
        reprompts=reprompts,
        tokens=sum(sum(trace.tokens) for trace in kept),
        correction_tokens=correction,
        tokens_per_improvement=correction / improved if improved else None,
        tokens_per_net_gain=correction / (improved - degraded) if improved > degraded else None,
        reprompts_per_improvement=reprompts / improved if improved else None,
        stops=_stops(graded, level, right_at, seed),
        reward_per_decision=by_decision,
        reward_per_trace=by_trace,
        decisions=table,
        actions_by_turn=dict(sorted(_frequencies(kept, lambda trace: range(len(trace.actions))).items())),
        actions_by_context=dict(sorted(_frequencies(kept, lambda trace: trace.contexts).items())),
    )


def _accuracy(values: np.ndarray, level: float, seed: int) -> Interval | None:
    """Wilson's interval where answers are right or wrong, else the bootstrap, kept to [0, 1]."""
    if not len(values):
        return None
    if np.all((values == 0) | (values == 1)):
        return wilson(int(values.sum()), len(values), level)
    if len(values) == 1:  # a lone partial score says nothing about its spread
        return Interval(float(values[0]), 0.0, 1.0, level, 1)
    found = bootstrap(values, level=level, seed=seed)
    return Interval(found.value, max(0.0, found.low), min(1.0, found.high), level, len(values))


def _stops(graded: Sequence[TraceOutcome], level: float, right_at: float, seed: int) -> tuple[Stop, ...]:
    if not graded:
        return ()

    def oracle(trace: TraceOutcome) -> int:
        right = (turn for turn, value in enumerate(trace.accuracies) if value is not None and value >= right_at)
        return next(right, len(trace.accuracies) - 1)

    rules = (
        ("first_answer", True, [0] * len(graded)),
        ("policy", True, [len(trace.accuracies) - 1 for trace in graded]),
        ("oracle", False, [oracle(trace) for trace in graded]),
    )
    found = []
    for rule, deployable, turns in rules:
        reached = np.array(
            [trace.accuracies[turn] for trace, turn in zip(graded, turns, strict=True)], dtype=np.float64
        )
        tokens = sum(sum(trace.tokens[: turn + 1]) for trace, turn in zip(graded, turns, strict=True))
        accuracy = _accuracy(reached, level, seed)
        assert accuracy is not None
        found.append(Stop(rule, deployable, accuracy, sum(turns) / len(graded), tokens / len(graded)))
    return tuple(found)


def _rewards(
    kept: Sequence[TraceOutcome], token_cost: float, level: float, seed: int
) -> tuple[Interval | None, Interval | None, tuple[Decisions, ...]]:
    """Reward per answered reprompt and per trace (``none`` earns 0), over traces of which every answer is graded.

    Decisions of one trace depend on each other, so both intervals resample traces.
    """
    full = [trace for trace in kept if all(value is not None for value in trace.accuracies)]
    number = np.repeat(np.arange(len(full)), [len(trace.tokens) - 1 for trace in full])
    changes = np.array(
        [y - x for trace in full for x, y in zip(trace.accuracies, trace.accuracies[1:], strict=False)],  # type: ignore[operator]
        dtype=np.float64,
    )
    tokens = np.array([count for trace in full for count in trace.tokens[1:]], dtype=np.float64)
    chosen = np.array([action for trace in full for action in trace.actions[: len(trace.tokens) - 1]], dtype=object)
    reward = changes - token_cost * tokens
    table = []
    for action in sorted(set(chosen.tolist())):
        held = chosen == action
        table.append(
            Decisions(
                action,
                int(held.sum()),
                float(reward[held].mean()),
                int(np.sum(changes[held] > 0)),
                int(np.sum(changes[held] < 0)),
                float(tokens[held].mean()),
            )
        )
    by_decision = by_trace = None
    if len(set(number.tolist())) >= 2:
        rows, statistic = per(reward[:, None], number, MEAN)
        found = bootstrap(rows, statistic, level=level, seed=seed)
        by_decision = Interval(found.value, found.low, found.high, level, len(reward))
    if len(full) >= 2:
        by_trace = bootstrap(np.bincount(number, weights=reward, minlength=len(full)), level=level, seed=seed)
    return by_decision, by_trace, tuple(table)


def _frequencies(kept: Sequence[TraceOutcome], places: Any) -> dict[Any, dict[str, int]]:
    counts: dict[Any, Counter[str]] = defaultdict(Counter)
    for trace in kept:
        for place, action in zip(places(trace), trace.actions, strict=False):
            counts[place][action] += 1
    return {place: dict(sorted(found.items())) for place, found in counts.items()}
