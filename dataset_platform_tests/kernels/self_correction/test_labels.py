"""Every turn has exactly one failure mode, and it is the one that the sequence of right and wrong says."""

from __future__ import annotations

from itertools import product

import pytest

from dataset_platform.kernels.self_correction.contexts import FAILURE_MODES
from dataset_platform.kernels.self_correction.labels import (
    FIRST_TURN_MODES,
    RIGHT_MODES,
    TRANSITION_OF_MODE,
    failure_mode,
    label_conversation,
    label_turn,
    modes_of_transitions,
    transition,
)

BOTH = (False, True)
CASES = list(product(BOTH, BOTH, (0, 1, 4), BOTH, BOTH))


def mode(first: bool, current: bool, turn: int, answer: bool, text: bool) -> str:
    return failure_mode(first, current, turn, same_answer=answer, same_text=text)


def test_every_case_has_one_mode_and_every_mode_a_case() -> None:
    found = {mode(*case) for case in CASES}
    assert found == set(FAILURE_MODES)


@pytest.mark.parametrize("case", CASES)
def test_a_mode_says_whether_the_answer_is_right(case: tuple[bool, bool, int, bool, bool]) -> None:
    assert (mode(*case) in RIGHT_MODES) == case[1]


@pytest.mark.parametrize("case", [c for c in CASES if c[2] > 0])
def test_a_mode_of_a_later_turn_says_what_became_of_correctness(case: tuple[bool, bool, int, bool, bool]) -> None:
    first, current, _, answer, text = case
    assert TRANSITION_OF_MODE[mode(*case)] == transition(first, current)
    place = modes_of_transitions(answer, text)[2 * first + current]
    assert FAILURE_MODES[place] == mode(*case)


def test_turn_0_is_right_or_wrong_and_nothing_else() -> None:
    assert {mode(*c) for c in CASES if c[2] == 0} == set(FIRST_TURN_MODES)
    assert label_turn("#### 3", "#### 4", True, False, 0) == "anchored"


def test_a_conversation_goes_through_all_six() -> None:
    right, wrong = "2 + 3 = 5\n#### 5", "2 * 3 = 6\n#### 6"
    longer = "Two apples and three more are put in one bowl, which then has\n2 + 3 = 5\nof them, all counted.\n#### 5"
    said_again = "The two numbers are multiplied, so that 2 * 3 = 6 comes out, as it did before.\n#### 6"
    other = "2 - 3 = -1\n#### -1"
    assert label_conversation([wrong, wrong, said_again, other, right], [False] * 4 + [True]) == [
        "anchored",
        "anchored",
        "anchored",
        "wavering",
        "corrected",
    ]
    assert label_conversation([right, right, longer, wrong, right], [True, True, True, False, True]) == [
        "unchanged_correct",
        "unchanged_correct",
        "perfectionism",
        "overcorrected",
        "unchanged_correct",
    ]


def test_answers_in_between_do_not_count() -> None:
    assert label_conversation(["#### 6", "#### 5", "#### 6"], [False, True, False])[-1] == "anchored"


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        label_conversation(["#### 6", "#### 5"], [False])
