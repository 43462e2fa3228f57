"""Calibration figures: order, ties, known values and refusal of nonsense."""

from __future__ import annotations

import numpy as np
import pytest

from dataset_platform.errors import InputError
from dataset_platform.kernels.self_correction.reliability import (
    brier,
    confusion,
    expected_calibration_error,
    reliability_table,
)


def sample(seed: int, rows: int = 3_000, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    confidence = rng.beta(2, 1, rows)
    if ties:
        confidence = np.round(confidence, 1)
    return confidence, rng.random(rows) < confidence


@pytest.mark.parametrize("rows", [1, 14, 15, 16, 2_003])
def test_bins_hold_equal_mass_and_lose_no_row(rows: int) -> None:
    confidence, correct = sample(1, rows)
    table = reliability_table(confidence, correct)
    counts = [row.count for row in table]
    assert sum(counts) == rows
    assert max(counts) - min(counts) <= 1
    assert len(table) == min(rows, 15)
    assert sum(row.accuracy * row.count for row in table) == pytest.approx(correct.sum())
    assert all(one.high < other.low for one, other in zip(table, table[1:], strict=False))


@pytest.mark.parametrize("ties", [False, True])
def test_order_of_rows_is_of_no_consequence(ties: bool) -> None:
    confidence, correct = sample(2, ties=ties)
    order = np.random.default_rng(3).permutation(len(confidence))
    assert reliability_table(confidence, correct) == reliability_table(confidence[order], correct[order])


def test_a_confidence_lies_in_one_bin_only() -> None:
    confidence, correct = sample(4, ties=True)
    table = reliability_table(confidence, correct)
    held = [sum(row.low <= value <= row.high for row in table) for value in np.unique(confidence)]
    assert held == [1] * len(held)


def test_half_sure_and_half_right_is_calibrated_but_one_half_off_when_split_by_outcome() -> None:
    correct = np.tile([0, 1], 100)
    assert expected_calibration_error(np.full(200, 0.5), correct) == 0
    assert len(reliability_table(np.full(200, 0.5), correct)) == 1
    assert expected_calibration_error(np.full(200, 0.8), correct) == pytest.approx(0.3)
    assert expected_calibration_error(correct.astype(float), correct) == 0
    assert expected_calibration_error(1.0 - correct, correct) == 1


def test_error_of_a_calibrated_classifier_is_its_stated_noise() -> None:
    rng = np.random.default_rng(5)
    measured = []
    for _ in range(200):
        confidence = rng.uniform(0.45, 0.55, 2_000)
        measured.append(expected_calibration_error(confidence, rng.random(2_000) < confidence))
    assert np.mean(measured) == pytest.approx(np.sqrt(2 * 0.25 * 15 / (np.pi * 2_000)), rel=0.1)


def test_calibration_error_and_brier_agree_with_scikit_learn() -> None:
    calibration = pytest.importorskip("sklearn.calibration")
    metrics = pytest.importorskip("sklearn.metrics")
    confidence, correct = sample(6, 3_000)  # a multiple of 15: both cut at the same rows
    accuracy, mean = calibration.calibration_curve(correct, confidence, n_bins=15, strategy="quantile")
    assert expected_calibration_error(confidence, correct) == pytest.approx(np.mean(np.abs(accuracy - mean)))
    assert brier(confidence, correct) == pytest.approx(metrics.brier_score_loss(correct, confidence))


def test_brier_of_two_classes_is_twice_that_of_one() -> None:
    confidence, correct = sample(7)
    both = np.column_stack([1 - confidence, confidence])
    assert brier(both, correct.astype(int)) == pytest.approx(2 * brier(confidence, correct))


def test_confusion_counts_every_row_at_its_place() -> None:
    labels = ["right", "wrong", "unseen"]
    matrix = confusion(["right", "right", "wrong"], ["right", "wrong", "wrong"], labels)
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert confusion([], [], labels).sum() == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: expected_calibration_error(np.array([]), np.array([])),
        lambda: expected_calibration_error(np.array([0.2]), np.array([0, 1])),
        lambda: expected_calibration_error(np.array([1.2]), np.array([1])),
        lambda: expected_calibration_error(np.array([np.nan]), np.array([1])),
        lambda: reliability_table(np.array([0.2]), np.array([1]), bins=0),
        lambda: brier(np.ones((2, 3)) / 3, np.array([0, 3])),
        lambda: brier(np.ones((2, 3)) / 3, np.array([0.0, 1.0])),
        lambda: confusion(["a"], ["b"], ["a"]),
        lambda: confusion(["a"], [], ["a"]),
        lambda: confusion(["a"], ["a"], ["a", "a"]),
    ],
)
def test_nonsense_is_refused(call) -> None:
    with pytest.raises(InputError):
        call()
