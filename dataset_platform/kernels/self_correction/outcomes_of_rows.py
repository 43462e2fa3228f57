"""What the decisions in a trace row led to: each reward with the decision that caused it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataset_platform.kernels.self_correction.contexts import Context
from dataset_platform.kernels.self_correction.policy import Outcome
from dataset_platform.kernels.self_correction.templates import NONE


def outcomes_of_row(row: Mapping[str, Any], reward: str) -> list[Outcome]:
    """The decisions of a row of ``self_correction/traces``, with accuracy before and after.

    Those that stopped are among them: nothing came of them, but they tell how right answers of that confidence are.

    Args:
        reward: ``gold`` or ``estimated``; a row whose rewards are of the other kind gives nothing, so the two never mix.
    """
    if row["reward_source"] != reward:
        return []
    turns = row["turns"]
    value = "accuracy" if reward == "gold" else "confidence_score"
    return [
        Outcome(
            trace_id=row["trace_id"],
            turn=i,
            context=Context(turn["error_mode"], turn["confidence_score"], i),
            arm=turn["chosen"],
            propensity=turn["propensity"],
            before=turn[value],
            after=after[value],
            tokens=0 if turn["chosen"] == NONE else after["token_count"],
        )
        for i, turn in enumerate(turns)
        for after in [turns[i + 1] if turn["chosen"] != NONE else turn]
    ]
