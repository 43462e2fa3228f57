"""The error classifier: failure mode and confidence of a turn, from its texts alone.

Two heads of multinomial logistic regression on the features of `answer_features`: one for turn 0, where only *right* or
*wrong* can be told, and one for later turns, which tells four transitions of correctness apart. Which failure mode a
transition is, is then no guess: it follows from whether answer and wording changed (`labels`). The confidence is the
probability of the modes whose current answer is right, calibrated on held-out questions (Platt 1999, then monotone
knots); the mode probabilities are scaled so that they sum to it.

A classifier is a JSON document: names, numbers and where they come from. Nothing in it is ever executed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

from dataset_platform.kernels.self_correction.answer_features import (
    FIRST_TURN_NAMES,
    LATER_TURN_NAMES,
    AnswerFacts,
    answer_facts,
    pair_features,
    same_answer,
    same_text,
)
from dataset_platform.kernels.self_correction.calibrated_heads import (
    Calibration,
    Head,
    head_of_dict,
    head_to_dict,
    unreadable,
)
from dataset_platform.kernels.self_correction.contexts import FAILURE_MODES
from dataset_platform.kernels.self_correction.labels import TRANSITIONS, modes_of_transitions

FORMAT = "self-correction-classifier/1"
FIRST_TURN_CLASSES = ("wrong", "right")
_DEFAULT = "default_classifier.json"
_UNCHANGED_CORRECT = FAILURE_MODES.index("unchanged_correct")
_ANCHORED = FAILURE_MODES.index("anchored")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the classifier says of a turn.

    Attributes:
        error_mode: the likeliest failure mode, one of ``FAILURE_MODES``.
        confidence: probability that the current answer is right, in (0, 1).
        probabilities: of each mode, in the order of ``FAILURE_MODES``; they sum to 1, those of the modes whose current
            answer is right to ``confidence``.
    """

    error_mode: str
    confidence: float
    probabilities: tuple[float, ...]


class ErrorClassifier:
    """A trained classifier; immutable, and safe to use from several threads.

    Args:
        first_turn: head for turn 0, classes ``FIRST_TURN_CLASSES``.
        later_turns: head for later turns, classes ``TRANSITIONS``.
        provenance: what it was trained on, with scores.
        fingerprint: identity of its content, 16 hex digits.
    """

    def __init__(
        self, first_turn: Head, later_turns: Head, provenance: Mapping[str, Any] | None = None, fingerprint: str = ""
    ) -> None:
        self.first_turn = first_turn
        self.later_turns = later_turns
        self.provenance = dict(provenance or {})
        self.fingerprint = fingerprint

    def judge(self, first: str, current: str, prompt: str | None) -> Judgement:
        """Failure mode and confidence of one turn.

        Args:
            first: the answer of turn 0.
            current: the answer of this turn.
            prompt: the message that asked for it ("" when its words are not known); None on turn 0.
        """
        now = _facts(current)
        return self.judge_facts(now if prompt is None else _facts(first), now, prompt)

    def judge_facts(self, first: AnswerFacts, current: AnswerFacts, prompt: str | None) -> Judgement:
        """As `judge`, from facts that the caller has computed."""
        if prompt is None:
            return judgement_of_first(self.first_turn.calibration(self.first_turn(np.array(current.features))[1]))
        raw = self.later_turns(pair_features(first, current, prompt))
        return judgement_of_later(
            raw, self.later_turns.calibration, same_answer(first, current), same_text(first, current)
        )

    def judge_many(self, rows: Sequence[tuple[str, str, str | None]]) -> list[Judgement]:
        """Judgements of (first, current, prompt) rows, in their order."""
        return [self.judge(*row) for row in rows]


def judgement_of_first(confidence: float) -> Judgement:
    """The judgement of turn 0 at a calibrated probability that its answer is right."""
    modes = [0.0] * len(FAILURE_MODES)
    modes[_UNCHANGED_CORRECT], modes[_ANCHORED] = confidence, 1 - confidence
    return _judgement(modes, confidence)


def judgement_of_later(raw: Sequence[float], calibration: Calibration, same_answer: bool, same_text: bool) -> Judgement:
    """The judgement of a later turn from raw probabilities of ``TRANSITIONS`` and what changed in the texts."""
    stayed_wrong, fixed, broken, stayed_right = raw
    right, wrong = fixed + stayed_right, stayed_wrong + broken
    confidence = calibration(right / (right + wrong))
    up, down = confidence / max(right, 1e-300), (1 - confidence) / max(wrong, 1e-300)
    modes = [0.0] * len(FAILURE_MODES)
    scaled = (stayed_wrong * down, fixed * up, broken * down, stayed_right * up)
    for place, value in zip(modes_of_transitions(same_answer, same_text), scaled, strict=True):
        modes[place] += value
    return _judgement(modes, confidence)


def _judgement(modes: list[float], confidence: float) -> Judgement:
    return Judgement(FAILURE_MODES[modes.index(max(modes))], confidence, tuple(modes))


# an episode asks for its first answer at every turn
_facts = lru_cache(maxsize=1024)(answer_facts)


def dump_classifier(first_turn: Head, later_turns: Head, provenance: Mapping[str, Any]) -> bytes:
    """The classifier as JSON; `load_classifier` reads it. Numbers are kept to 9 significant digits."""
    document = {
        "format": FORMAT,
        "kind": "linear",
        "first_turn": head_to_dict(first_turn, FIRST_TURN_NAMES, FIRST_TURN_CLASSES),
        "later_turns": head_to_dict(later_turns, LATER_TURN_NAMES, TRANSITIONS),
        "provenance": dict(provenance),
    }
    return (json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def load_classifier(data: bytes) -> ErrorClassifier:
    """The classifier of a file, whichever its kind.

    Raises:
        StateError: the bytes are no classifier, one of another format, or one for other features; a classifier of kind
            ``sentence`` whose encoder cannot be had.
    """
    try:
        document = json.loads(data)
    except (UnicodeDecodeError, ValueError):
        raise unreadable("it is not JSON") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        found = document.get("format") if isinstance(document, dict) else None
        raise unreadable(f"its format is {found!r}, not {FORMAT!r}")
    fingerprint = hashlib.sha256(data).hexdigest()[:16]
    provenance = document.get("provenance")
    if not isinstance(provenance, dict):
        raise unreadable("it does not say where it comes from (provenance)")
    if document.get("kind") == "sentence":
        from dataset_platform.kernels.self_correction.sentence_classifier import load_sentence_classifier

        return load_sentence_classifier(document, fingerprint)
    if document.get("kind") != "linear":
        raise unreadable(f"its kind is {document.get('kind')!r}, neither linear nor sentence")
    first = head_of_dict(document.get("first_turn"), "first_turn", FIRST_TURN_NAMES, FIRST_TURN_CLASSES)
    later = head_of_dict(document.get("later_turns"), "later_turns", LATER_TURN_NAMES, TRANSITIONS)
    return ErrorClassifier(first, later, provenance, fingerprint)


def default_classifier_bytes() -> bytes:
    """The embedded default, trained on simulated turns; its provenance says so."""
    return files(__package__).joinpath(_DEFAULT).read_bytes()


@lru_cache(maxsize=1)
def default_classifier() -> ErrorClassifier:
    """The embedded default, ready to use."""
    return load_classifier(default_classifier_bytes())
