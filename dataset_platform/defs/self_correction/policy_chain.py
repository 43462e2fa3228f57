"""Which policy a day starts from: what all earlier days' traces taught, one day on top of the other.

A day's state is a function of the state before it and of its traces, so it need not have been written yet: where a day's
``rts_policy`` is missing, or was made from other traces or another state, it is worked out here from the traces. Hence
traces need no edge to the policy (that would close a cycle), and it does not matter which of the two runs first in a
backfill, as long as the days' traces run in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataset_platform.contracts import Traces
from dataset_platform.defs.days import Day
from dataset_platform.lake import policy_states, receipts
from dataset_platform.lake.policy_states import PRIOR, PolicyState
from dataset_platform.lake.turn_columns import turns_by_trace

if TYPE_CHECKING:
    from dataset_platform.kernels.self_correction.policy import Outcome, Policy

FIELDS = ("accuracy", "confidence_score", "error_mode", "chosen", "propensity", "token_count")


def state_before(day: Day) -> PolicyState | None:
    """The state that a day starts from; None where no earlier day has traces: the prior.

    Raises:
        StateError: an earlier state does not fit the settings (another algorithm, another kind of reward).
    """
    root, lake = day.settings.artifacts, day.settings.lake
    state: PolicyState | None = None
    for earlier in [d for d in receipts.days(lake, Traces) if d < day.key]:
        receipt = receipts.read(lake, Traces, earlier)
        if receipt is None or not receipt.rows_kept:
            continue
        stored = policy_states.read(root, earlier)
        fits = stored is not None and (stored.traces, stored.previous) == (receipt.content_hash, version_of(state))
        state = stored if fits else learn(day, earlier, receipt.content_hash, state)[0]
    return state


def version_of(state: PolicyState | None) -> str:
    """The version of a state, ``prior`` where there is none."""
    return state.version if state else PRIOR


def learn(day: Day, key: str, traces: str, before: PolicyState | None) -> tuple[PolicyState, int]:
    """The state after the traces of day ``key``, and how many of them have rewards of the wanted kind.

    Args:
        traces: content hash of those traces.
    """
    policy = policy_of(day, before)
    outcomes, folded = outcomes_of(day, key)
    policy.update(outcomes)
    learned = sum(o.arm != "none" for o in outcomes)
    return PolicyState(key, version_of(before), traces, learned, policy.to_state()), folded


def policy_of(day: Day, state: PolicyState | None) -> Policy:
    """The policy of a state, or the one that knows only its prior."""
    from dataset_platform.kernels.self_correction.policy import load_policy, new_policy

    config = day.config.self_correction.policy
    return load_policy(state.state, config) if state else new_policy(config)


def outcomes_of(day: Day, key: str) -> tuple[list[Outcome], int]:
    """A day's decisions with their rewards, in trace_id order, and how many traces have rewards of the wanted kind."""
    from dataset_platform.kernels.self_correction.outcomes_of_rows import outcomes_of_row

    wanted = day.config.self_correction.policy.reward
    outcomes, folded = [], 0
    for trace, columns in turns_by_trace(day.table(Traces), key, FIELDS, ["trace_id", "reward_source"]):
        turns = [dict(zip(FIELDS, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        outcomes += outcomes_of_row({**trace, "turns": turns}, wanted)
        folded += trace["reward_source"] == wanted
    return sorted(outcomes, key=lambda o: (o.trace_id, o.turn)), folded
