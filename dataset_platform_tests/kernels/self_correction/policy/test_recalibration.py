"""Recalibration: believes the classifier without data, the data in the end, and stays a probability on the way."""

from __future__ import annotations

import numpy as np
import pytest

from dataset_platform.kernels.self_correction.policy.recalibration import STEPS, Recalibration, bin_of, empty_counts


def counts(pairs: list[tuple[float, float]]) -> list[list[int]]:
    found = empty_counts()
    for confidence, right in pairs:
        row = found[bin_of(confidence)]
        row[0] += 1
        row[1] += round(right * STEPS)
        row[2] += round(confidence * STEPS)
    return found


def test_without_data_the_confidence_stands() -> None:
    corrected = Recalibration(empty_counts(), 20.0)
    for c in np.linspace(0.01, 0.99, 21):
        assert corrected(float(c)) == pytest.approx(float(c), abs=1e-9)


def test_a_common_error_is_learned_from_some_bins_for_all() -> None:
    # overconfident throughout; nothing was ever seen between .3 and .6
    rng = np.random.default_rng(0)
    stated = [float(c) for c in rng.random(400) if not 0.3 < c < 0.6]

    def truth(c: float) -> float:
        return 1 / (1 + np.exp(1.5 - np.log(c / (1 - c))))

    corrected = Recalibration(counts([(c, float(rng.random() < truth(c))) for c in stated]), 20.0)
    for c in (0.15, 0.45, 0.8):
        assert corrected(c) == pytest.approx(truth(c), abs=0.1)


def test_a_bin_that_departs_from_the_line_wins_with_its_record() -> None:
    rows = [(c / 10 + 0.05, float(i < c + 0.5)) for c in range(10) for i in range(10)] * 30
    odd = [(0.45, 1.0)] * 3_000
    assert Recalibration(counts(rows + odd), 20.0)(0.45) > 0.9
    assert Recalibration(counts(rows), 20.0)(0.45) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("right", [0.0, 1.0])
@pytest.mark.parametrize("number", [1, 1_000, 1_000_000])
def test_extreme_records_stay_probabilities(right: float, number: int) -> None:
    rows = counts([(c, right) for c in (0.0, 0.31, 0.99, 1.0)])
    corrected = Recalibration([[n * number for n in row] for row in rows], 20.0)
    for c in (0.0, 0.3, 0.5, 1.0):
        assert 0.0 < corrected(c) < 1.0
    assert (corrected(0.5) > 0.5) == (right == 1.0)
