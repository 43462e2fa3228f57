"""The BoolQ checker on every dev row, in the many ways to say yes and no."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_platform.errors import InputError
from dataset_platform.kernels.self_correction.checkers import checker
from dataset_platform.kernels.self_correction.checkers.boolq import verdict

YES = ["yes", "Yes.", "YES", "True", "true.", "Yes, it is.", "The answer is yes.", "Answer: True", "#### yes", "**Yes**",
       "It is true.", "It is not false.", "Yes. The passage says so.", "Therefore, yes."]  # fmt: skip
NO = ["no", "No.", "NO", "False", "false.", "No, it is not.", "The answer is no.", "Answer: False", "#### no", "**No**",
      "It is false.", "It is not true.", "No. The passage denies it.", "Therefore, no."]  # fmt: skip
NEITHER = ["", "maybe", "yes and no", "I cannot tell.", "yes or no", "True or False", "There is no evidence."]


def test_agrees_on_every_dev_row(real_data):
    under_test = checker("boolq")
    rows = [json.loads(line) for line in (real_data / "boolq" / "dev.jsonl").open()]
    truths = [row["answer"] == "True" for row in rows]
    assert (len(truths), sum(truths)) == (3270, 2033)
    for row, truth in zip(rows, truths, strict=True):
        for reference in (row["answer"], truth, "yes" if truth else "no"):
            for answer in YES:
                assert under_test.grade(answer, reference).correct is truth
            for answer in NO:
                assert under_test.grade(answer, reference).correct is not truth
            for answer in NEITHER:
                assert not under_test.grade(answer, reference).correct
    # always yes is right as often as the majority class
    share = sum(under_test.grade("yes", row["answer"]).correct for row in rows) / len(rows)
    assert share == pytest.approx(0.6217, abs=5e-5)


def test_questions_and_passages_hold_no_verdict_by_accident(real_data):
    """An answer that only repeats the question must not be read as yes or no."""
    rows = [json.loads(line) for line in (real_data / "boolq" / "dev.jsonl").open()]
    read = [row["question"] for row in rows if verdict(f"You ask {row['question']}") is not None]
    assert len(read) < 0.01 * len(rows)


@given(st.data(), st.sampled_from([(YES, NO, ("yes", "no")), (YES, NO, ("true", "false"))]), st.booleans())
@settings(max_examples=100, deadline=None)
def test_both_is_neither(data, words, turned):
    """Two plain verdicts of one kind that disagree."""
    yes, no = (
        data.draw(st.sampled_from([form for form in forms if form.lower().startswith(word)]))
        for forms, word in zip(words, words[2], strict=False)
    )
    assert verdict(f"{no} {yes}" if turned else f"{yes} {no}") is None


@pytest.mark.parametrize("reference", ["maybe", "", "1"])
def test_a_reference_that_is_neither_is_an_error(reference):
    with pytest.raises(InputError, match="neither yes nor no"):
        checker("boolq").grade("yes", reference)
