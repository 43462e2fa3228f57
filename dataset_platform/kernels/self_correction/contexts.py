"""What a decision may see: the predicted failure mode, the confidence and the turn; never the reference answer.

The table of contexts is that of reprompt-template selection (RTS): six failure modes, three confidence bins and three
turn bins make 54 keys.
"""

from __future__ import annotations

from dataclasses import dataclass

from dataset_platform.contracts import self_correction as contracts

FAILURE_MODES = contracts.FAILURE_MODES
CONFIDENCE_BINS = ("low", "medium", "high")
TURN_BINS = ("early", "mid", "late")


@dataclass(frozen=True, slots=True)
class Context:
    """The state of a conversation after an answer.

    Attributes:
        error_mode: the classifier's prediction, one of ``FAILURE_MODES``.
        confidence: the classifier's probability that the current answer is right, in [0, 1].
        turn: index of the answer just given, from 0.
    """

    error_mode: str
    confidence: float
    turn: int

    @property
    def key(self) -> str:
        """``{failure mode}_{low|medium|high}_{early|mid|late}``, one of ``CONTEXT_KEYS``."""
        return f"{self.error_mode}_{confidence_bin(self.confidence)}_{turn_bin(self.turn)}"


def confidence_bin(confidence: float) -> str:
    """``low`` under .4, ``medium`` under .7, else ``high``."""
    return "low" if confidence < 0.4 else "medium" if confidence < 0.7 else "high"


def turn_bin(turn: int) -> str:
    """``early`` for the turns 0 and 1, ``mid`` for 2 and 3, then ``late``."""
    return "early" if turn <= 1 else "mid" if turn <= 3 else "late"


def mode_of(key: str) -> str:
    """The failure mode of a context key."""
    return key.rsplit("_", 2)[0]


CONTEXT_KEYS = tuple(f"{m}_{c}_{t}" for m in FAILURE_MODES for c in CONFIDENCE_BINS for t in TURN_BINS)
