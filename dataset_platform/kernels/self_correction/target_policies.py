"""What other policies would have earned on a day's decisions: the log that off-policy evaluation reads, and its targets.

Each decision that had a choice is one row; its reward is the change in accuracy that it caused less the cost of its
tokens, and 0 for stopping. Decisions of a trace belong together, so intervals resample traces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash

from dataset_platform.kernels.self_correction.contexts import FAILURE_MODES, Context
from dataset_platform.kernels.self_correction.off_policy import ESTIMATORS, Estimate, Log, OffPolicyConfig, estimate_all
from dataset_platform.kernels.self_correction.policy import Policy
from dataset_platform.kernels.self_correction.reward_model import cross_fitted_q
from dataset_platform.kernels.self_correction.templates import NONE

FOLDS = 5


@dataclass(frozen=True, slots=True)
class LoggedDecision:
    """A decision with more than one arm, and what it earned."""

    trace_id: str
    context: Context
    arms: tuple[str, ...]
    chosen: str
    propensity: float
    reward: float


def logged_decisions(row: Mapping[str, Any], token_cost: float) -> Iterable[LoggedDecision]:
    """The decisions of a graded row of ``self_correction/traces`` that had a choice."""
    turns = row["turns"]
    for i, turn in enumerate(turns):
        if len(turn["arms_offered"]) < 2:
            continue
        reward = 0.0
        if turn["chosen"] != NONE:
            after = turns[i + 1]
            reward = after["accuracy"] - turn["accuracy"] - token_cost * after["token_count"]
        context = Context(turn["error_mode"], turn["confidence_score"], i)
        yield LoggedDecision(
            row["trace_id"], context, tuple(turn["arms_offered"]), turn["chosen"], turn["propensity"], reward
        )


Probabilities = Callable[[LoggedDecision], Mapping[str, float]]
"""Probability of each arm offered, at a logged decision."""


def always(arm: str) -> Probabilities:
    """The policy that takes one arm whenever it is offered, and stops otherwise."""
    return lambda d: {arm if arm in d.arms else NONE: 1.0}


def uniform(decision: LoggedDecision) -> Mapping[str, float]:
    """The policy that draws evenly from what is offered."""
    return dict.fromkeys(decision.arms, 1.0 / len(decision.arms))


def by_context(policy: Policy) -> Probabilities:
    """A policy as it stands; equal situations are asked of it once."""
    return lambda d: policy.propensities(d.context, d.arms)


def fold_of(trace_id: str) -> int:
    """The fold of a trace, 0 to ``FOLDS`` - 1: by hash, so it is the same in any order."""
    return xxhash.xxh3_64_intdigest(trace_id.encode()) % FOLDS


def estimates(
    decisions: Sequence[LoggedDecision],
    targets: Mapping[str, Probabilities],
    config: OffPolicyConfig | None = None,
    behaviour: Probabilities | None = None,
) -> dict[str, list[Estimate]]:
    """Mean reward per decision of each target policy on these contexts, by every estimator; refusals included.

    Args:
        behaviour: all probabilities of the policy that took the decisions, where known: Switch-DR needs them to switch.
            Left out where it does not agree with the propensities that were logged.
    """
    arms = sorted({arm for d in decisions for arm in d.arms})
    place = {arm: i for i, arm in enumerate(arms)}
    groups = np.unique([d.trace_id for d in decisions], return_inverse=True)[1] if decisions else np.empty(0, int)
    reward = np.array([d.reward for d in decisions], dtype=np.float64)
    propensity = np.array([d.propensity for d in decisions], dtype=np.float64)
    action = np.array([place[d.chosen] for d in decisions], dtype=np.int64)
    q = None
    if decisions and int(groups.max()) + 1 >= FOLDS:
        q = cross_fitted_q(_features(decisions), action, reward, len(arms), folds=FOLDS, group=groups)
        q[:, place[NONE]] = 0.0 if NONE in place else q[:, 0]  # stopping is known to earn nothing
    rows = np.arange(len(decisions))
    taken = None if behaviour is None else _table(decisions, behaviour, place)
    if taken is not None and not np.allclose(taken[rows, action], propensity):
        taken = None
    found = {}
    for name, probabilities in targets.items():
        wanted = _table(decisions, probabilities, place)
        q_logged = None if q is None else q[rows, action]
        q_target = None if q is None else (wanted * q).sum(axis=1)
        log = Log(
            reward,
            propensity,
            wanted[rows, action],
            q_logged,
            q_target,
            groups,
            propensity_all=taken,
            target_all=None if taken is None else wanted,
        )
        found[name] = estimate_all(log, config, ESTIMATORS)
    return found


def _table(decisions: Sequence[LoggedDecision], probabilities: Probabilities, place: Mapping[str, int]) -> np.ndarray:
    """Probabilities of all arms, (decisions, arms); 0 for arms that were not offered."""
    table = np.zeros((len(decisions), len(place)))
    for i, d in enumerate(decisions):
        for arm, p in probabilities(d).items():
            table[i, place[arm]] = p
    return table


def _features(decisions: Sequence[LoggedDecision]) -> np.ndarray:
    """One column per failure mode, confidence, its square, and the turn."""
    columns = np.zeros((len(decisions), len(FAILURE_MODES) + 3))
    for i, d in enumerate(decisions):
        columns[i, FAILURE_MODES.index(d.context.error_mode)] = 1.0
        columns[i, -3:] = (d.context.confidence, d.context.confidence**2, min(d.context.turn, 4))
    return columns
