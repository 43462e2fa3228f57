"""Every checker on the table of answer formats."""

import pytest

from dataset_platform.kernels.self_correction.checkers import checker
from dataset_platform_tests.kernels.self_correction.checkers.variants import MATH, ROWS, TABLES


def test_the_table_holds_two_hundred_formats():
    assert len(set(ROWS)) == len(ROWS) >= 200


@pytest.mark.parametrize(
    ("name", "answer", "reference", "extracted", "correct"), ROWS, ids=[f"{row[0]}-{i}" for i, row in enumerate(ROWS)]
)
def test_format(name, answer, reference, extracted, correct):
    graded = checker(name).grade(answer, reference)
    assert (graded.extracted, graded.correct) == (extracted, correct)
    assert checker(name).final_answer(answer) == extracted
    assert graded.failure is None


@pytest.mark.parametrize("name", TABLES)
def test_many_at_once_are_graded_as_one_by_one(name):
    rows = [(answer, reference) for answer, reference, *_ in TABLES[name]]
    assert checker(name).grade_many(iter(rows)) == [checker(name).grade(*row) for row in rows]


def test_math_formats():
    graded = checker("math").grade_many([(answer, reference) for answer, reference, _ in MATH])
    assert [(row[:2], grade.correct) for row, grade in zip(MATH, graded, strict=True)] == [
        (row[:2], row[2]) for row in MATH
    ]
