"""The worked examples of a user's own source and checker, named by import path as the config names them."""

import sys
from pathlib import Path

import pytest

from dataset_platform.contracts.self_correction import Questions
from dataset_platform.errors import InputError
from dataset_platform.kernels.self_correction.checkers import checker
from dataset_platform.kernels.self_correction.sources import SourceConfig, read_source

EXAMPLES = Path(__file__).parents[3] / "examples"
SCHEMA = Questions.labelled_schema()


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield
    checker.cache_clear()
    for name in ("own_checker_maths", "own_checker_code"):
        sys.modules.pop(name, None)


def questions(day="2026-01-02", **config):
    source = SourceConfig(start="2026-01-01", **config)
    return [row for batch in read_source(source, day, SCHEMA) for row in batch.to_pylist() if row["tally"] is None]


def test_measures_are_dealt_out_and_their_references_are_right():
    config = {"dataset": "measures", "source": "own_checker_maths:Conversions", "checker": "own_checker_maths:Measure"}
    rows = questions(per_day=50, options={"seed": 7}, **config)
    assert [row["question_id"] for row in rows] == [f"measures/{i:06d}" for i in range(50, 100)]
    measure = checker(rows[0]["checker"])
    for row in rows:
        asked = row["question"].removeprefix("How much is ").partition(" in ")[0]
        assert measure.grade(f"It is {asked}.", row["reference_answer"]).correct
        assert not measure.grade(f"It is 1{asked}.", row["reference_answer"]).correct
    assert rows != questions(per_day=50, options={"seed": 8}, **config)


@pytest.mark.parametrize(
    ("answer", "reference", "extracted", "correct"),
    [
        ("2.5 km", "2500 m", "2500 m", True),
        ("2,500 m", "2.5 km", "2500 m", True),
        ("first 3 m, then 250000 cm", "2.5 km", "2500 m", True),
        ("2.501 km", "2500 m", "2501 m", True),
        ("2.51 km", "2500 m", "2510 m", False),
        ("2.5 kg", "2500 m", "2.5 kg", False),
        ("2500", "2500 m", None, False),
        ("90 min", "1.5 h", "5400 s", True),
        ("-3 m", "3 m", "-3 m", False),
        ("3 mm", "0.003 m", "0.003 m", True),
    ],
)
def test_measure(answer, reference, extracted, correct):
    grade = checker("own_checker_maths:Measure").grade(answer, reference)
    assert (grade.extracted, grade.correct) == (extracted, correct)


SOLUTIONS = {
    "is_leap_year": "def is_leap_year(year):\n    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)",
    "run_lengths": "from itertools import groupby\n"
    "def run_lengths(text):\n    return [(c, len(list(run))) for c, run in groupby(text)]",
    "median": "def median(values):\n    v = sorted(values)\n    n = len(v)\n"
    "    return v[n // 2] if n % 2 else (v[n // 2 - 1] + v[n // 2]) / 2",
}


def test_katas_are_dealt_out_and_can_be_solved():
    config = {"dataset": "katas", "source": "own_checker_code:Katas", "checker": "own_checker_code:PassesTests"}
    rows = questions("2026-01-01", per_day=2, **config) + questions("2026-01-02", per_day=2, **config)
    assert [row["question_id"] for row in rows] == [f"katas/{name}" for name in SOLUTIONS]
    assert questions("2026-01-03", per_day=2, **config) == []
    for row, solution in zip(rows, SOLUTIONS.values(), strict=True):
        grade = checker(row["checker"]).grade(f"Here it is:\n```python\n{solution}\n```", row["reference_answer"])
        assert (grade.correct, grade.score) == (True, 1.0)


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("```python\ndef is_leap_year(year):\n    return year % 4 == 0\n```", 0.75),
        ("```\ndef is_leap_year(year):\n    return False\n```", 0.5),
        ("def is_leap_year(year): return True", 0.5),
        ("```python\ndef other(year):\n    return True\n```", 0.0),
        ("```python\nimport os\nos._exit(0)\n```", 0.0),
        ("```python\nimport sys\nsys.exit()\n```", 0.0),
        ("```python\nprint('[true, true, true, true]')\n```", 0.0),
        ("```python\nx = 'a' * 10**10\n```", 0.0),
        ("```python\ndef is_leap_year(year:\n```", 0.0),
        ("No code.", 0.0),
    ],
)
def test_wrong_code(answer, score):
    tests = "is_leap_year(2024)\nnot is_leap_year(2023)\nnot is_leap_year(1900)\nis_leap_year(2000)"
    grade = checker("own_checker_code:PassesTests").grade(answer, tests)
    assert (grade.correct, grade.score) == (False, score)


def test_endless_code_is_stopped(monkeypatch):
    under_test = checker("own_checker_code:PassesTests")
    monkeypatch.setattr(sys.modules["own_checker_code"], "TIME_LIMIT_S", 1)
    grade = under_test.grade("```python\nwhile True: pass\n```", "f() == 1")
    assert (grade.correct, grade.failure) == (False, "timeout")


def test_layout_and_comments_do_not_make_code_differ():
    final = checker("own_checker_code:PassesTests").final_answer
    assert final("```python\ndef f(x):\n    return x+1\n```") == final("def f( x ):  # adds\n  return (x + 1)\n")
    assert final("```python\ndef f(x):\n    return x+2\n```") != final("def f(x): return x + 1")


@pytest.mark.parametrize("reference", ["", "\n", "def f(: pass"])
def test_references_without_tests_are_errors(reference):
    with pytest.raises(InputError):
        checker("own_checker_code:PassesTests").grade("def f(): pass", reference)


@pytest.mark.parametrize("name", ["own_checker_maths", "own_checker_code"])
def test_examples_run(name, monkeypatch, capsys):
    module = __import__(name)
    monkeypatch.setattr("sys.argv", [name])
    module.main()
    said = capsys.readouterr().out
    assert "right" in said


def test_the_maths_example_says_what_is_wrong(monkeypatch):
    module = __import__("own_checker_maths")
    monkeypatch.setattr("sys.argv", ["own_checker_maths", "--reference", "much"])
    with pytest.raises(SystemExit, match="is no measure"):
        module.main()
