"""Features see final answers, sums and changes as a reader would, in any text, in linear time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_platform.kernels.self_correction.answer_features import (
    ANSWER_FEATURES,
    FIRST_TURN_NAMES,
    LATER_TURN_NAMES,
    PROMPT_FEATURES,
    answer_facts,
    pair_features,
    prompt_features,
    same_answer,
    same_text,
    turn_features,
)
from dataset_platform.kernels.self_correction.arithmetic import generate
from dataset_platform.kernels.self_correction.final_answers import evaluate, final_answer
from dataset_platform.kernels.self_correction.templates import TEMPLATES

FINALS = [
    ("16 - 3 = 13\n#### 13", "13", True),
    ("#### 1,234.50", "1234.5", True),
    ("#### $70,000", "70000", True),
    ("#### -5", "-5", True),
    ("We find 12.\nA: 18", "18", True),
    ("So the answer is 42 dollars a day.", "42", True),
    ("The final answer is \\boxed{3.0}.", "3", True),
    ("**Answer:** 17", "17", True),
    ("Final Answer: 2 + 2 = 4", "4", True),
    ("She makes 9 * 2 = $18 every day", "18", False),
    ("The temperature falls to -7", "-7", False),
    ("It is 20-7", "7", False),
    ("#### 12\nNo, wait.\n#### 15", "15", True),
    ("#### yes", "yes", True),
    ("True", "yes", False),
    ("The passage says so, hence no.", "no", False),
    ("#### The Eiffel Tower", "eiffel tower", True),
    ("#### June 1994", "june 1994", True),
    ("I cannot tell", None, False),
    ("", None, False),
]


@pytest.mark.parametrize(("text", "expected", "marked"), FINALS)
def test_final_answer(text: str, expected: str | None, marked: bool) -> None:
    assert final_answer(text) == (None if expected is None else (expected, marked))


def expressions() -> st.SearchStrategy[str]:
    numbers = st.integers(1, 999).map(str)
    return st.recursive(
        numbers, lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]}{t[1]}{t[2]})")
    )


@given(expressions(), st.sampled_from("+-*"), expressions(), st.sampled_from("+-*/"), st.integers(1, 99))
def test_sums_have_the_value_that_arithmetic_gives_them(a: str, op1: str, b: str, op2: str, c: int) -> None:
    text = f"{a} {op1} {b} {op2} {c}"
    exact = float(eval(text, {"__builtins__": {}}))  # the test's own expression, of digits and signs
    assert evaluate(text) == pytest.approx(exact, rel=1e-9)


def test_percent_currency_and_other_signs() -> None:
    assert evaluate("$80,000 x 150%") == 120_000
    assert evaluate("12 × 7 ÷ 4 − 1") == 20
    assert evaluate("2(3+4)") == 14
    assert evaluate("-3*-2") == 6


@pytest.mark.parametrize(
    "text", ["", "2+", "*3", "(2+3", "2+3)", "4/0", "x+2", "2:15-2:38", "2 3", "()", "9" * 400 + "*9"]
)
def test_what_is_no_sum_has_no_value(text: str) -> None:
    assert evaluate(text) is None


def feature(text: str, name: str) -> float:
    return answer_facts(text).features[ANSWER_FEATURES.index(name)]


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("16 - 3 = <<16-3=13>>13", 0),
        ("16 - 3 = <<16-3=14>>14", 1),
        ("16 - 3 = <<16-3=13>>31", 1),
        ("12 * 7 = 84 and 84 + 1 = 86", 1),
        ("12 x 7 = $84.00", 0),
        ("10 / 3 = 3.33", 0),
        ("10 / 3 = 3", 0),
        ("x = 4, y = 12", 0),
        ("3 * (2 + 5) = 20", 1),
        ("3 + 4 = 2 + 5", 0),
        ("Save 5% of $200 = $10", 0),
    ],
)
def test_sums_that_do_not_hold_are_counted(text: str, failed: int) -> None:
    assert answer_facts(text).failed == failed


def test_what_was_rounded_is_no_mistake_but_seen() -> None:
    assert (feature("10 / 3 = 3", "rounded"), feature("10 / 3 = 3", "any_failed")) == (1, 0)
    assert (feature("10 / 3 = 3.33", "rounded"), feature("9 / 3 = 3", "rounded")) == (0, 0)


def test_a_final_answer_that_no_sum_led_to_is_seen() -> None:
    assert feature("2 + 3 = 5\n#### 5", "final_is_last_result") == 1
    assert feature("2 + 3 = 5\n5 * 2 = 10\n#### 5", "final_is_last_result") == 0
    assert feature("2 + 3 = 5\n5 * 2 = 10\n#### 5", "final_in_results") == 1
    assert feature("2 + 3 = 5\n#### 7", "final_not_in_results") == 1


def test_words_of_doubt_are_counted() -> None:
    assert feature("Perhaps it is 5.", "hedges") > feature("It is 5.", "hedges")
    assert feature("Sorry, I misread it.\n#### 5", "doubts") == 2


@pytest.mark.parametrize("problem", list(generate(5, 0, 25)), ids=lambda p: p.question_id)
def test_worked_references_are_read_without_a_failed_sum(problem) -> None:
    facts = answer_facts(problem.reference_answer)
    assert facts.final == str(problem.answer)
    assert facts.failed == 0
    assert {str(value) for _, value in problem.steps} <= facts.results


@settings(max_examples=100)
@given(st.text(max_size=300), st.text(max_size=300), st.none() | st.text(max_size=80))
def test_any_texts_have_finite_features(first: str, current: str, prompt: str | None) -> None:
    a, b = answer_facts(first), answer_facts(current)
    values = turn_features(a, b, prompt)
    assert values.shape == (len(FIRST_TURN_NAMES) if prompt is None else len(LATER_TURN_NAMES),)
    assert np.all(np.isfinite(values))
    assert np.array_equal(values, turn_features(answer_facts(first), answer_facts(current), prompt))
    assert same_text(a, b) == same_text(b, a)
    assert same_answer(a, b) == same_answer(b, a)
    assert same_answer(a, a) and same_text(a, a)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 9999).map(str) | st.sampled_from(["so", "then", "cats"]), min_size=20, max_size=60))
def test_one_word_in_many_changed_is_the_same_text_and_many_are_not(words: list[str]) -> None:
    one = [*words[:-1], "changed"]
    assert same_text(answer_facts(" ".join(words)), answer_facts(" ".join(one)))
    other = [*words[: len(words) // 2], *(f"new{i}" for i in range(len(words) // 2))]
    assert not same_text(answer_facts(" ".join(words)), answer_facts(" ".join(other)))


@pytest.mark.parametrize(
    "text",
    ["1+" * 50_000 + "1", "(" * 100_000, "<<" * 50_000, "<<1+1=" * 20_000, "1 = " * 50_000, "answer " * 20_000]
    + ["1,234," * 20_000, "$-" * 50_000, "####" * 30_000, "1 + 1" + " " * 100_000 + "= 2", "1+1=" * 30_000],
    ids=lambda text: repr(text[:8]),
)
def test_no_text_takes_more_than_linear_time(text: str) -> None:
    facts = answer_facts(text)  # a backtracking pattern would run into the test's time limit
    assert len(facts.features) == len(ANSWER_FEATURES)


def test_prompts_are_told_apart_by_what_they_ask_for() -> None:
    asks = {t.prompt_id: dict(zip(PROMPT_FEATURES, prompt_features(t.text), strict=True)) for t in TEMPLATES}
    assert asks["recompute"]["asks_recompute"] and asks["p_are_you_sure"]["voices_doubt"]
    assert asks["p_think_less"]["asks_brevity"] and asks["p_think_step_by_step"]["asks_steps"]
    assert asks["counter_anchor"]["asks_anew"] and asks["p_explain_why"]["asks_reasons"]
    assert not asks["p_try_again"]["voices_doubt"]
    assert not any(prompt_features(""))


def test_agreement_is_a_feature_of_its_own() -> None:
    place = LATER_TURN_NAMES.index("same_answer")
    a, b, c = (answer_facts(t) for t in ("3 * 6 = 18\n#### 18", "We add up to 18.0", "#### 19"))
    assert [pair_features(a, x, "")[place] for x in (b, c)] == [1, 0]


# first and second sample, share of agreement, accuracy of the first where they agree and where not
AGREEMENT = [
    ("6b_finetuning", "6b_verification", 0.212, 0.793, 0.062),
    ("175b_finetuning", "6b_verification", 0.289, 0.803, 0.162),
]


@pytest.mark.parametrize(("first", "second", "share", "agreeing", "differing"), AGREEMENT)
def test_agreement_with_a_second_sample_separates_right_from_wrong_on_real_answers(
    real_data: Path, first: str, second: str, share: float, agreeing: float, differing: float
) -> None:
    lines = (real_data / "gsm8k" / "example_model_solutions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    agree = np.array([same_answer(*(answer_facts(r[k]["solution"]) for k in (first, second))) for r in rows])
    right = np.array([r[first]["is_correct"] for r in rows], dtype=float)
    assert agree.mean() == pytest.approx(share, abs=5e-4)
    assert right[agree].mean() == pytest.approx(agreeing, abs=5e-4)
    assert right[~agree].mean() == pytest.approx(differing, abs=5e-4)


def test_final_answers_of_real_solutions_are_those_that_were_graded(real_data: Path) -> None:
    with (real_data / "gsm8k" / "example_model_solutions.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            gold = answer_facts(row.pop("ground_truth"))
            row.pop("question")
            for given in row.values():
                assert same_answer(gold, answer_facts(given["solution"])) == given["is_correct"]
