"""What a policy keeps of outcomes: whole-number sums per context and arm, so that no order and no grouping shows.

Accuracies are counted in steps of 1/10,000; every sum is then an integer, and integer addition is exact. The sums hold
no token cost and no prior: both can change without learning again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

from dataset_platform.errors import InputError
from dataset_platform.kernels.self_correction.policy.decision import Outcome
from dataset_platform.kernels.self_correction.policy.recalibration import STEPS


@dataclass(slots=True)
class Cell:
    """Sums over the outcomes of one arm in one context.

    ``gain`` is accuracy after minus before, in steps; ``wrong``, ``fixed`` and ``broken`` are counts in steps squared,
    fractional where accuracies are: an answer that is right with probability b before and a after adds 1 - b to
    ``wrong``, (1 - b) a to ``fixed`` and b (1 - a) to ``broken``.
    """

    outcomes: int = 0
    tokens: int = 0
    tokens_squared: int = 0
    gain: int = 0
    gain_squared: int = 0
    gain_tokens: int = 0
    wrong: int = 0
    fixed: int = 0
    broken: int = 0

    def add(self, before: int, after: int, tokens: int) -> None:
        """Adds one outcome, accuracies in steps."""
        gain = after - before
        self.outcomes += 1
        self.tokens += tokens
        self.tokens_squared += tokens * tokens
        self.gain += gain
        self.gain_squared += gain * gain
        self.gain_tokens += gain * tokens
        self.wrong += (STEPS - before) * STEPS
        self.fixed += (STEPS - before) * after
        self.broken += before * (STEPS - after)

    def rewards(self, token_cost: float) -> tuple[int, float, float]:
        """Count, sum and sum of squares of gain minus ``token_cost`` times tokens."""
        gain = self.gain / STEPS
        total = gain - token_cost * self.tokens
        squares = (
            self.gain_squared / STEPS**2
            - 2 * token_cost * self.gain_tokens / STEPS
            + token_cost**2 * self.tokens_squared
        )
        return self.outcomes, total, squares

    def fixes(self) -> tuple[float, float]:
        """Wrong answers that were fixed, and all wrong answers."""
        return self.fixed / STEPS**2, self.wrong / STEPS**2

    def breaks(self) -> tuple[float, float]:
        """Right answers that were broken, and all right answers."""
        return self.broken / STEPS**2, self.outcomes - self.wrong / STEPS**2

    def to_list(self) -> list[int]:
        """The sums, in the order of ``CELL_FIELDS``."""
        return list(astuple(self))


CELL_FIELDS = tuple(f.name for f in fields(Cell))


def distinct(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The outcomes in order of (trace_id, turn), each once.

    Raises:
        InputError: one identity has two different outcomes, or a value is out of range.
    """
    found: dict[tuple[str, int], Outcome] = {}
    for o in outcomes:
        if found.setdefault((o.trace_id, o.turn), o) != o:
            raise InputError(
                f"Two different outcomes for turn {o.turn} of trace {o.trace_id}.",
                "Fold the outcomes of one run of each trace.",
            )
        if not (0 <= o.before <= 1 and 0 <= o.after <= 1 and o.tokens >= 0):
            raise InputError(
                f"Turn {o.turn} of trace {o.trace_id}: accuracies must lie in [0, 1] and tokens be 0 or more, "
                f"got {o.before}, {o.after}, {o.tokens}.",
                "Mend the source of the outcomes.",
            )
    return [found[k] for k in sorted(found)]


def steps(accuracy: float) -> int:
    """An accuracy in [0, 1] as a whole number of steps."""
    return round(accuracy * STEPS)
