"""The six failure modes of a turn, from what was right before and after and what changed in between.

A turn is judged against the *first* answer, for that is what the classifier sees; answers in between do not count. Two
things tell modes of the same correctness apart, and both can be seen without a reference answer:

- ``same_answer``: both texts come to the same final answer. Wrong twice with the same final answer is *anchored*,
  however it is worded; with another final answer it is *wavering*.
- ``same_text``: the wording is nearly the same (`answer_features.same_text`). Right twice in nearly the same words is
  *unchanged_correct*; reworded or extended it is *perfectionism*.

So every turn has exactly one mode, and the hard part of classifying is which of four transitions took place.
"""

from __future__ import annotations

from collections.abc import Sequence

from dataset_platform.kernels.self_correction.answer_features import answer_facts, same_answer, same_text
from dataset_platform.kernels.self_correction.contexts import FAILURE_MODES

RIGHT_MODES = frozenset({"corrected", "unchanged_correct", "perfectionism"})
FIRST_TURN_MODES = ("anchored", "unchanged_correct")

TRANSITIONS = ("stayed_wrong", "fixed", "broken", "stayed_right")
"""What became of correctness; its number is ``2 * first_correct + current_correct``."""

TRANSITION_OF_MODE = {
    "anchored": "stayed_wrong",
    "wavering": "stayed_wrong",
    "corrected": "fixed",
    "overcorrected": "broken",
    "unchanged_correct": "stayed_right",
    "perfectionism": "stayed_right",
}


def failure_mode(first_correct: bool, current_correct: bool, turn: int, *, same_answer: bool, same_text: bool) -> str:
    """The mode of a turn, one of ``FAILURE_MODES``.

    Args:
        first_correct: whether the answer of turn 0 is right.
        current_correct: whether the answer of this turn is right; on turn 0 this alone counts.
        turn: index of the turn, from 0.
        same_answer: whether both come to the same final answer.
        same_text: whether both are worded nearly alike.
    """
    if turn == 0:
        return "unchanged_correct" if current_correct else "anchored"
    if first_correct:
        if not current_correct:
            return "overcorrected"
        return "unchanged_correct" if same_text else "perfectionism"
    if current_correct:
        return "corrected"
    return "anchored" if same_answer else "wavering"


def label_turn(first: str, current: str, first_correct: bool, current_correct: bool, turn: int) -> str:
    """The mode of a turn from the texts of the first and of its own answer, and whether they are right."""
    if turn == 0:
        return failure_mode(current_correct, current_correct, 0, same_answer=True, same_text=True)
    a, b = answer_facts(first), answer_facts(current)
    return failure_mode(first_correct, current_correct, turn, same_answer=same_answer(a, b), same_text=same_text(a, b))


def label_conversation(answers: Sequence[str], correct: Sequence[bool]) -> list[str]:
    """The mode of every turn of one conversation, given each answer and whether it is right.

    Raises:
        ValueError: lists of different lengths.
    """
    return [label_turn(answers[0], a, correct[0], c, t) for t, (a, c) in enumerate(zip(answers, correct, strict=True))]


def transition(first_correct: bool, current_correct: bool) -> str:
    """One of ``TRANSITIONS``."""
    return TRANSITIONS[2 * first_correct + current_correct]


def modes_of_transitions(same_answer: bool, same_text: bool) -> tuple[int, int, int, int]:
    """Place in ``FAILURE_MODES`` of each transition of a later turn, given what can be seen of its two texts."""
    return _PLACES[same_answer, same_text]


_PLACES = {
    (answer, text): (
        FAILURE_MODES.index(failure_mode(False, False, 1, same_answer=answer, same_text=text)),
        FAILURE_MODES.index(failure_mode(False, True, 1, same_answer=answer, same_text=text)),
        FAILURE_MODES.index(failure_mode(True, False, 1, same_answer=answer, same_text=text)),
        FAILURE_MODES.index(failure_mode(True, True, 1, same_answer=answer, same_text=text)),
    )
    for answer in (False, True)
    for text in (False, True)
}
