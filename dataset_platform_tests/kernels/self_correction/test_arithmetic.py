"""Generated arithmetic: the wording alone leads back to the answer."""

import math
import re
import subprocess
import sys
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_platform.kernels.self_correction import arithmetic
from dataset_platform.kernels.self_correction.arithmetic import DISTINCT, generate, problem, solve, steps_of
from dataset_platform.kernels.self_correction.checkers import checker
from dataset_platform.kernels.self_correction.stories import STORIES

SEEDS = (0, 7, 2026)


@pytest.fixture(scope="module", params=SEEDS)
def problems(request):
    return list(generate(request.param, 0, 3000))


def value_of(expression):
    """Left to right over * and /, then + and -: independent of the module's own arithmetic."""
    terms = re.findall(r"[+-]?[\d*/]+", expression)
    total = Fraction(0)
    for term in terms:
        sign = -1 if term.startswith("-") else 1
        factors = re.findall(r"([*/]?)(\d+)", term.lstrip("+-"))
        product = Fraction(sign)
        for operator, number in factors:
            product = product / int(number) if operator == "/" else product * int(number)
        total += product
    return total


def test_the_wording_leads_to_the_reference_answer(problems):
    official = checker("gsm8k_strict")
    for made in problems:
        assert steps_of(made.question) == list(made.steps)
        assert official.final_answer(made.reference_answer) == str(solve(made.question))


def test_steps_are_right_whole_and_positive(problems):
    for made in problems:
        assert 2 <= len(made.steps) <= 6
        for expression, value in made.steps:
            assert value_of(expression) == value > 0


def test_each_step_uses_the_question_or_an_earlier_step(problems):
    for made in problems:
        words = {"half": 2, "third": 3, "quarter": 4, "fifth": 5, "percent": 100}
        known = {int(n) for n in re.findall(r"\d+", made.question)}
        known |= {number for word, number in words.items() if word in made.question}
        for expression, value in made.steps:
            assert {int(n) for n in re.findall(r"\d+", expression)} <= known
            known.add(value)


def test_annotations_are_the_steps_in_gsm8ks_form(problems):
    for made in problems:
        noted = re.findall(r"<<([^=<>]+)=(\d+)>>(\d+)", made.reference_answer)
        assert [(expression, int(value)) for expression, value, _ in noted] == list(made.steps)
        assert all(value == shown for _, value, shown in noted)
        assert made.reference_answer.splitlines()[-1] == f"#### {made.answer}"


def test_texts_and_ids_are_distinct(problems):
    assert len({made.question for made in problems}) == len(problems)
    assert len({made.question_id for made in problems}) == len(problems)


def test_openings_run_through_all_before_one_repeats():
    assert math.gcd(arithmetic._MULTIPLIER, DISTINCT) == 1
    assert problem(3, 5).question.split(".")[0] != problem(3, 5 + DISTINCT // 2).question.split(".")[0]


@given(st.integers(-(2**40), 2**40), st.integers(0, 2 * DISTINCT), st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_a_problem_depends_on_seed_and_index_alone(seed, start, count):
    run = list(generate(seed, start, count))
    assert run == [problem(seed, start + i) for i in range(count)]
    assert all(solve(made.question) == made.answer for made in run)


def test_another_process_makes_the_same():
    code = (
        "from dataset_platform.kernels.self_correction.arithmetic import generate;"
        "import hashlib; print(hashlib.sha256(repr(list(generate(11, 90, 40))).encode()).hexdigest())"
    )
    env = {"PYTHONHASHSEED": "123", "PATH": ""}
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    import hashlib

    assert there.stdout.strip() == hashlib.sha256(repr(list(generate(11, 90, 40))).encode()).hexdigest()


def test_every_sentence_and_every_length_comes_up(problems):
    lengths = {len(made.steps) for made in problems}
    assert lengths == {2, 3, 4, 5, 6}
    texts = "\n".join(made.question for made in problems)
    for story in STORIES:
        for pattern in (*story.openings.values(), *story.moves.values(), *story.closings.values()):
            longest = max(re.split(r"\{\w+\}", pattern), key=len)
            assert longest in texts


def test_no_sentence_has_two_readings():
    for story, grammar in zip(STORIES, arithmetic._grammars(), strict=True):
        for part, patterns in (
            ("openings", grammar.openings),
            ("moves", grammar.moves),
            ("closings", grammar.closings),
        ):
            for kind, text in getattr(story, part).items():
                slots = {"name": "Ada", "things": story.things[0], "n": "7", "m": "3", "p": "10", "f": "a third"}
                sentence = re.sub(r"\{(\w+)\}", lambda found: slots[found[1]], text)  # noqa: B023
                assert [k for k, pattern in patterns.items() if pattern.fullmatch(sentence)] == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "How many coins are there?",
        "Ada counts 40 coins in the savings jar.",
        "Ada counts 40 coins in the savings jar. Nobody knows why. How many coins are in the jar at last?",
        "Ada counts 40 coins in the savings jar. If 7 children share the coins equally, how many does each child get?",
        "Ada counts 40 coins in the savings jar. How many coins are in the jar at last?",
    ],
)
def test_other_texts_are_not_solved(text):
    assert solve(text) is None
    assert steps_of(text) is None


def test_a_problem_by_hand():
    text = (
        "Ada counts 12 stacks of 10 coins in the savings jar. A charity is given a third of the coins. "
        "As a reward the content of the jar grows by 25 percent. "
        "If 4 children share the coins equally, how many does each child get?"
    )
    expected = [("12*10", 120), ("120/3", 40), ("120-40", 80), ("80*25/100", 20), ("80+20", 100), ("100/4", 25)]
    assert steps_of(text) == expected
    assert solve(text) == 25
