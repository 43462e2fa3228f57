"""GSM8K checkers against a second statement of the official rules, on every test row and on any text."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_platform.errors import InputError
from dataset_platform.kernels.self_correction.checkers import checker
from dataset_platform_tests.kernels.self_correction.checkers import official

NAMES = ("gsm8k_strict", "gsm8k_flexible", "gsm8k")


def perturbed(solution):
    """Forms of an answer: the gold solution, and what models and typing do to it."""
    number = solution.rpartition("#### ")[2]
    plain = number.replace(",", "")
    grouped = f"{int(plain):,}"
    body = solution.rpartition("\n")[0]
    return [
        solution,
        body,
        f"#### {number}",
        f"#### {grouped}",
        f"#### {plain}",
        f"#### {number}.",
        f"#### ${number}",
        f"####{number}",
        f"#### {number} dollars",
        f"#### {number}\n\nCheck: 7 + 5 = 12.",
        f"#### {int(plain) + 1}",
        f"#### -{plain}",
        f"#### 1\n#### {plain}",
        f"{body}\nThe answer is {grouped}.",
        f"{body}\nA: {number}",
        f"It costs ${grouped}.",
        f"${plain}.00",
        f"{plain}.0",
        f"{plain}%",
        f"**{grouped}**",
        f"\\boxed{{{plain}}}",
        f"{plain} ({int(plain) * 2} in two weeks)",
        f"-{plain}",
        f"{plain}...",
        f"{plain}\n",
        "",
        "I cannot say.",
        number.translate(str.maketrans("0123456789", "\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669")),
    ]


def second_statement(name, answer, reference):
    if name == "gsm8k_strict":
        said, expected = official.gsm8k_official(answer), official.gsm8k_official(reference)
    elif name == "gsm8k_flexible" or official.hash_number(answer) is None:
        said, expected = official.harness_flexible(answer), official.harness_text(reference)
    else:
        said, expected = official.harness_strict(answer), official.harness_text(reference)
    return (None if said in (official.INVALID, "") else said), said == expected


@pytest.mark.parametrize("name", NAMES)
def test_agrees_on_every_test_row(real_data, name):
    under_test = checker(name)
    rows = [json.loads(line)["answer"] for line in (real_data / "gsm8k" / "test.jsonl").open()]
    assert len(rows) == 1319
    verdicts = set()
    for solution in rows:
        for answer in perturbed(solution):
            grade = under_test.grade(answer, solution)
            assert (grade.extracted, grade.correct) == second_statement(name, answer, solution), answer
            verdicts.add(grade.correct)
        assert under_test.grade(solution, solution).correct
    assert verdicts == {True, False}


def test_agrees_with_the_verdicts_on_real_models(real_data):
    """OpenAI graded four models' solutions, which end in 'A: N'; with the mark put back, the official rule agrees."""
    strict, disagreements, graded = checker("gsm8k_strict"), [], 0
    for line in (real_data / "gsm8k" / "example_model_solutions.jsonl").open():
        row = json.loads(line)
        reference = row["ground_truth"].replace("\nA: ", "\n#### ")
        for model in ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"):
            answer = row[model]["solution"].replace("\nA: ", "\n#### ")
            graded += 1
            if strict.grade(answer, reference).correct != row[model]["is_correct"]:
                disagreements.append((answer[-30:], reference[-30:], row[model]["is_correct"]))
    assert graded == 4 * 1319
    assert disagreements == []


@given(st.text(alphabet="#0123456789-$., \nab.", max_size=40), st.integers(-99_999, 99_999))
@settings(max_examples=600, deadline=None)
def test_agrees_on_any_text(answer, number):
    reference = f"worked\n#### {number:,}"
    for name in NAMES:
        grade = checker(name).grade(answer, reference)
        assert (grade.extracted, grade.correct) == second_statement(name, answer, reference)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reference", ["eighteen", "", "#### none", "$"])
def test_a_reference_without_a_number_is_an_error(name, reference):
    with pytest.raises(InputError, match="holds no number"):
        checker(name).grade("#### 18", reference)
