"""Math-Verify in processes: same verdicts from any thread, and hangs and crashes end with their item."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from dataset_platform.errors import InputError
from dataset_platform.kernels.self_correction.checkers import checker
from dataset_platform.kernels.self_correction.checkers.maths import MathChecker, Overrun, WorkerPool, shared_pool
from dataset_platform_tests.kernels.self_correction.checkers.variants import MATH

HANG = "The answer is $9^{9^{9^9}}$"  # sympy works on it for longer than anyone waits, inside one compiled call
LIMIT = 4.0


@pytest.fixture(scope="module")
def impatient():
    made = MathChecker(size=2, timeout_s=LIMIT)
    yield made
    shared_pool(2, LIMIT).close()


@pytest.mark.slow
def test_a_hang_is_one_item_graded_incorrect(impatient):
    rows = [(answer, reference) for answer, reference, _ in MATH[:12]]
    mixed = [*rows[:6], (HANG, "3"), *rows[6:], (HANG, "3")]
    grades = impatient.grade_many(mixed)
    hung = [grades[6], grades[-1]]
    assert [(grade.correct, grade.score, grade.extracted, grade.failure) for grade in hung] == [
        (False, 0.0, None, "timeout")
    ] * 2
    others = grades[:6] + grades[7:-1]
    assert [grade.correct for grade in others] == [correct for _, _, correct in MATH[:12]]
    assert all(grade.failure is None for grade in others)
    assert impatient.grade("$\\frac{2}{4}$", "0.5").correct


def test_final_answer_of_a_hang_is_none(impatient):
    assert impatient.final_answer(HANG) is None


def test_a_worker_that_dies_is_replaced():
    pool = WorkerPool(1, LIMIT)
    before = pool.run(os.getpid)
    assert before != os.getpid()
    assert pool.run(os.getpid) == before
    with pytest.raises(Overrun) as lost:
        pool.run(os._exit, 3)
    assert lost.value.failure == "crash"
    after = pool.run(os.getpid)
    assert after != before
    pool.close()
    with pytest.raises(ProcessLookupError):
        os.kill(after, 0)
    assert pool.run(abs, -4) == 4
    pool.close()


def test_threads_get_the_same_verdicts():
    under_test = checker("math")
    rows = [(answer, reference) for answer, reference, _ in MATH] * 2
    with ThreadPoolExecutor(6) as threads:
        graded = list(threads.map(lambda row: under_test.grade(*row), rows))
    assert [grade.correct for grade in graded] == [correct for *_, correct in MATH] * 2


@pytest.mark.parametrize(
    "forms",
    [
        ("1/2", "The answer is $\\frac{1}{2}$", "\\boxed{0.5}", "$\\frac{2}{4}$"),
        ("1,000", "$1000$", "\\boxed{10^3}"),
        ("$x^2+2x+1$", "$1 + 2x + x^2$"),
    ],
)
def test_equal_answers_have_one_final_answer(forms):
    found = {checker("math").final_answer(form) for form in forms}
    assert len(found) == 1 and None not in found


def test_different_answers_have_different_final_answers():
    forms = ["$\\frac{1}{3}$", "$0.3$", "$3$", "$-3$", "$x$", "nothing"]
    assert len({checker("math").final_answer(form) for form in forms}) == len(forms)


def test_numbers_of_too_many_digits_do_not_stop_the_rest():
    grades = checker("math").grade_many([(f"it is {'9' * 6000}", "9"), ("\\boxed{9}", "9")])
    assert [grade.correct for grade in grades] == [False, True]


def test_a_reference_without_mathematics_is_an_error():
    with pytest.raises(InputError, match="holds nothing mathematical"):
        checker("math").grade("\\boxed{3}", "")
