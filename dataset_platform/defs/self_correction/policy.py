"""``self_correction/rts_policy``: yesterday's policy, and what the day's traces taught it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg

from dataset_platform.contracts import Traces
from dataset_platform.defs.artifacts import Made
from dataset_platform.defs.days import Day
from dataset_platform.defs.metadata import bars, markdown_table, receipt_metadata
from dataset_platform.defs.self_correction.policy_chain import learn, policy_of, state_before, version_of
from dataset_platform.defs.stages import UNCHANGED
from dataset_platform.errors import StateError
from dataset_platform.lake import policy_states, receipts
from dataset_platform.lake.locks import lock
from dataset_platform.lake.receipts import Receipt

if TYPE_CHECKING:
    from dataset_platform.kernels.self_correction.policy import Policy
    from dataset_platform.lake.audit import Finding

TABLE = "self_correction/rts_policy"
VERSION = "1"
OTHER_REWARD = "other_reward_source"
CHECKS = {
    "contract": ("The state is whole, and a policy of the settings in force can be made of it.", True),
    "conservation": ("Every trace of the day was folded in, or is counted as having rewards of the other kind.", True),
    "sequence": ("Made from the day's traces and the earlier day's state as they are now.", True),
    "current": ("The day's traces were taken under the policy that stands before them now.", False),
}


def make_policy(day: Day, leave_unchanged: bool = False) -> Made:
    """Fold the day's traces into the state of the newest day before.

    Raises:
        StateError: the day has no traces stage yet, or an earlier state does not fit the settings.
    """
    from dataset_platform.config import fingerprint

    above = day.upstream(Traces)
    lake, root = day.settings.lake, day.settings.artifacts
    with lock(lake, f"{TABLE} of {day.key}"):
        started = time.monotonic()
        before = state_before(day)
        inputs = {Traces.table_name(): above.content_hash, TABLE: version_of(before)}
        config_hash = fingerprint(day.config.self_correction.policy)
        there = receipts.read(lake, TABLE, day.key)
        if leave_unchanged and there and there.made_from(inputs, config_hash, VERSION):
            return Made(audit_policy(day), _metadata(day, there, UNCHANGED) | {"seconds": 0.0}, True)
        receipts.remove(lake, TABLE, day.key)
        receipt = Receipt(
            table=TABLE,
            day=day.key,
            rows_in=above.rows_kept,
            rows_kept=0,
            rows_rejected=0,
            rows_quarantined=0,
            inputs=inputs,
            code_version=VERSION,
            config_hash=config_hash,
        )
        note = ""
        if above.rows_kept:
            state, folded = learn(day, day.key, above.content_hash, before)
            policy_states.write(root, state)
            other = above.rows_kept - folded
            receipt = replace(
                receipt,
                rows_kept=folded,
                rows_rejected=other,
                reasons={OTHER_REWARD: other} if other else {},
                content_hash=state.version,
                extra={"decisions": state.outcomes},
            )
        else:
            policy_states.remove(root, day.key)
            note = f"{Traces.table_name()} has no rows; the policy stays {inputs[TABLE]}"
        receipt = replace(receipt, seconds=round(time.monotonic() - started, 3))
        receipts.write(lake, receipt)
        return Made(audit_policy(day), _metadata(day, receipt, note), True)


def audit_policy(day: Day) -> list[Finding]:
    """The checks of a day's state as it lies there now.

    Raises:
        StateError: the day was never finished.
    """
    from dataset_platform.lake.audit import Finding, conservation_finding

    receipt = day.upstream(TABLE)
    above = receipts.read(day.settings.lake, Traces, day.key)
    state = policy_states.read(day.settings.artifacts, day.key)
    contract = Finding("contract", True, "no state on a day without traces")
    if receipt.rows_in:
        try:
            whole = state is not None and state.version == receipt.content_hash
            if state is not None:
                policy_of(day, state)
            line = f"version {receipt.content_hash}" if whole else "the state is not the one that was written"
            contract = Finding("contract", whole, line)
        except StateError as e:
            contract = Finding("contract", False, e.message)
    start = version_of(state_before(day))
    now = {Traces.table_name(): above.content_hash if above else "missing", TABLE: start}
    taken = above.inputs.get(TABLE) if above and above.rows_kept else None
    current = Finding("current", taken in (None, start), f"traces were taken under {taken or 'no policy'}", "WARN")
    if not current.passed:
        current = Finding(
            "current",
            False,
            f"traces were taken under {taken}, the policy before them is {start} now; materialize traces of this day "
            "again, then what stands below",
            "WARN",
        )
    changed = [name for name, value in now.items() if receipt.inputs.get(name) != value]
    line = f"{', '.join(changed)} changed since; materialize this day again" if changed else f"follows {now[TABLE]}"
    return [
        contract,
        conservation_finding(receipt, None, above.rows_kept if above else None),
        Finding("sequence", not changed, line),
        current,
    ]


def _metadata(day: Day, receipt: Receipt, note: str) -> dict[str, Any]:
    root = day.settings.artifacts
    metadata = receipt_metadata(policy_states.path_of(root, day.key), receipt)
    if note:
        metadata["note"] = note
    state = policy_states.read(root, day.key)
    if state is None:
        return metadata
    policy = policy_of(day, state)
    metadata |= {
        "version": state.version,
        "previous": state.previous,
        "algorithm": policy.algorithm,
        "decisions_folded": state.outcomes,
        "update": day.config.self_correction.policy.update,
        "parameters": dg.MetadataValue.json(policy.parameters()),
    }
    table = expected_rewards(policy)
    if table:
        metadata["expected_reward"] = dg.MetadataValue.md(markdown_table(list(table[0]), table))
        best = {row["context"] + " " + row["arm"]: row["reward"] for row in table[:12]}
        metadata["best_arms"] = bars(best, "expected reward of the best arm, by context")
    return metadata


def expected_rewards(policy: Policy) -> list[dict[str, Any]]:
    """The arm with the highest expected reward per early context, with its 95 % credible interval, best first."""
    from dataset_platform.kernels.self_correction.contexts import FAILURE_MODES, Context

    rows = []
    for mode in FAILURE_MODES:
        for confidence in (0.2, 0.55, 0.85):
            context = Context(mode, confidence, 0 if mode in ("anchored", "unchanged_correct") else 1)
            spans = {a: policy.credible_interval(context, a) for a in policy.arms if a != "none"}
            arm = max(spans, key=lambda a: sum(spans[a]))
            low, high = spans[arm]
            rows.append({"context": context.key, "arm": arm, "reward": (low + high) / 2, "low": low, "high": high})
    return sorted(rows, key=lambda r: -float(r["reward"]))
