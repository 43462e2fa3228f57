"""The HotpotQA checker against a second statement of hotpot_evaluate_v1, on every dev row and on any text."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_platform.kernels.self_correction.checkers import checker
from dataset_platform_tests.kernels.self_correction.checkers import official

WORDS = st.sampled_from(
    ["the", "a", "an", "yes", "no", "noanswer", "Paris", "U.S.", "1,234", "rock-n-roll", "\u2013", "caf\u00e9"]
)


def perturbed(gold, other):
    words = gold.split()
    return [
        gold,
        gold.upper(),
        gold.lower(),
        f"The {gold}",
        f"{gold}.",
        f'"{gold}"',
        f"a {gold}!",
        f"  {gold}\t",
        " ".join(reversed(words)),
        " ".join(words[:-1]),
        f"{gold} {gold}",
        f"{gold} and more",
        gold.replace(" ", "  "),
        gold.replace(",", ""),
        gold.replace("e", "\u00e9"),
        other,
        "yes",
        "no",
        "noanswer",
        "Yes.",
        "",
        f"it is {gold}, I think",
    ]


def test_agrees_on_every_dev_row(real_data):
    under_test = checker("hotpotqa")
    golds = [row["answer"] for row in json.loads((real_data / "hotpotqa" / "dev.json").read_text())]
    assert len(golds) == 7405
    scores = set()
    for gold, other in pairwise([*golds, golds[0]]):
        for answer in perturbed(gold, other):
            grade = under_test.grade(answer, gold)
            exact, f1 = official.hotpot_scores(answer, gold)
            assert grade.correct == exact, (answer, gold)
            assert grade.score == pytest.approx(f1, abs=1e-12)
            scores.add(round(grade.score, 1))
    assert len(scores) > 5


def test_marked_answers_are_graded_like_bare_ones(real_data):
    under_test = checker("hotpotqa")
    golds = [row["answer"] for row in json.loads((real_data / "hotpotqa" / "dev.json").read_text())][::7]
    for gold in golds:
        bare = under_test.grade(gold, gold)
        for form in ("Some thoughts on it.\n#### {}", "So the answer is {}", "Long text.\nAnswer: {}\nThat is all."):
            assert under_test.grade(form.format(gold), gold) == bare


@given(st.lists(WORDS, max_size=6), st.lists(WORDS, max_size=4))
@settings(max_examples=500, deadline=None)
def test_agrees_on_any_words(said, gold):
    answer, reference = " ".join(said), " ".join(gold)
    grade = checker("hotpotqa").grade(answer, reference)
    assert (grade.correct, pytest.approx(grade.score)) == official.hotpot_scores(answer, reference)


@pytest.mark.parametrize(
    ("answer", "reference", "f1"),
    [
        ("Paris France", "Paris", 2 / 3),
        ("Paris", "Paris France", 2 / 3),
        ("the city of Paris", "Paris", 0.5),
        ("Paris Paris", "Paris", 2 / 3),
        ("yes Paris", "yes", 0.0),
        ("yes", "Paris yes", 0.0),
        ("no", "no", 1.0),
        ("Lyon", "Paris", 0.0),
        ("The The", "The The", 0.0),
    ],
)
def test_f1_by_hand(answer, reference, f1):
    assert checker("hotpotqa").grade(answer, reference).score == pytest.approx(f1)
