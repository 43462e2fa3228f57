"""A decision, what came of it, and what every policy can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dataset_platform.kernels.self_correction.contexts import Context


@dataclass(frozen=True, slots=True)
class Decision:
    """Which arm was taken, and how likely it was.

    Attributes:
        arms: the arms offered; ``none`` is always one of them.
        chosen: the arm taken.
        propensity: the exact probability with which this policy takes ``chosen`` in this context, in (0, 1].
    """

    arms: tuple[str, ...]
    chosen: str
    propensity: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """A decision and what came of it; its identity is (trace_id, turn).

    Attributes:
        trace_id: the conversation.
        turn: the answer that the decision followed, from 0.
        context: what the decision saw.
        arm: the arm taken.
        propensity: its probability.
        before: accuracy of the answer that the decision followed, in [0, 1]; the classifier's estimate without gold.
        after: accuracy of the answer that the decision caused; equal to ``before`` for ``none``.
        tokens: tokens of the call that the decision caused; 0 for ``none``.
    """

    trace_id: str
    turn: int
    context: Context
    arm: str
    propensity: float
    before: float
    after: float
    tokens: int


class Policy(Protocol):
    """Chooses a reprompt template, or to stop, after each answer.

    ``update`` is free of order: any order and any grouping of the same outcomes gives the same state, bit for bit.
    """

    algorithm: str

    @property
    def arms(self) -> tuple[str, ...]:
        """All arms, ``none`` first."""
        ...

    def decide(self, context: Context, seed: int, arms: Sequence[str] | None = None) -> Decision:
        """The decision of this state in this context, a function of both and of ``seed``.

        Args:
            context: what the decision may see.
            seed: one per decision, for example a hash of trace id and turn.
            arms: the arms to offer; ``none`` is added. All when None.
        """
        ...

    def propensities(self, context: Context, arms: Sequence[str] | None = None) -> Mapping[str, float]:
        """The probability of every arm offered in this context."""
        ...

    def update(self, outcomes: Iterable[Outcome]) -> None:
        """Folds outcomes in; of ``none`` only the accuracy before counts. Repeats within one call count once."""
        ...

    def credible_interval(self, context: Context, arm: str, level: float = 0.95) -> tuple[float, float]:
        """Central credible interval of the expected reward of an arm in a context."""
        ...

    def parameters(self) -> dict[str, Any]:
        """A few figures for people."""
        ...

    def to_state(self) -> dict[str, Any]:
        """All that was learned, JSON-safe; ``load_policy`` takes it."""
        ...
