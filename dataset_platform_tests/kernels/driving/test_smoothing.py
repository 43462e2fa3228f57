"""Smoothing: exact on the polynomials it fits, blind to the future where it must be, equal to scipy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dataset_platform.kernels.driving.scene_rows import read_scenes
from dataset_platform.kernels.driving.smoothing import box_derivative, box_smooth, savgol, trailing_slope


def test_trailing_slope_of_a_line_is_its_slope_at_irregular_times() -> None:
    times = np.cumsum(np.random.default_rng(0).uniform(0.08, 0.12, 40)) + 1e5
    slope = trailing_slope(3.5 * times - 2, times, 0.9)
    assert np.isnan(slope[:3]).all()
    np.testing.assert_allclose(slope[10:], 3.5, rtol=1e-6)


def test_trailing_slope_sees_nothing_later_and_nothing_older_than_its_window() -> None:
    rng = np.random.default_rng(1)
    times, values = np.arange(60) * 0.1, rng.normal(size=60)
    changed = values.copy()
    changed[40:] += 100.0
    slope, other = trailing_slope(values, times, 0.9), trailing_slope(changed, times, 0.9)
    np.testing.assert_array_equal(slope[:40], other[:40])
    assert abs(other[40] - slope[40]) > 1
    np.testing.assert_allclose(trailing_slope(values[20:], times[20:], 0.9)[15:], slope[35:], atol=1e-9)


def test_trailing_slope_passes_over_what_is_not_known() -> None:
    times = np.arange(30) * 0.1
    values = 2 * times
    values[[12, 20]] = np.nan
    slope = trailing_slope(values, times, 0.9)
    assert np.isnan(slope[[12, 20]]).all()
    np.testing.assert_allclose(slope[[11, 13, 19, 21, 29]], 2.0)


@pytest.mark.parametrize("window", [3, 4, 7, 8, 15])
@pytest.mark.parametrize("derivative", [0, 1, 2])
def test_savgol_equals_scipy(window: int, derivative: int) -> None:
    scipy_signal = pytest.importorskip("scipy.signal")
    for length in (15, 16, 41):
        values = np.random.default_rng(length).normal(size=(2, length))
        want = scipy_signal.savgol_filter(
            values, window_length=window, polyorder=2, deriv=derivative, delta=0.1, axis=-1
        )
        np.testing.assert_allclose(savgol(values, window, 2, derivative, 0.1), want, atol=1e-8)


def test_savgol_of_a_short_or_empty_series() -> None:
    np.testing.assert_allclose(savgol(np.array([1.0, 2.0, 4.0]), 15, 2), [1.0, 2.0, 4.0])
    np.testing.assert_array_equal(savgol(np.array([5.0]), 8, 2, 1), [0.0])
    assert savgol(np.empty(0), 8).shape == (0,)


def test_box_smooth_keeps_a_mean_and_shortens_by_its_window() -> None:
    np.testing.assert_allclose(box_smooth(np.arange(10.0), 5), np.arange(2.0, 8.0))
    np.testing.assert_allclose(box_smooth(np.array([1.0, 3.0]), 9), [2.0])


def test_golden_acceleration_and_jerk_of_a_human_log(real_data: Path) -> None:
    """Naive differencing calls a human infeasible (limit on jerk: 8.37 m/s³); smoothed over 0.9 s the log is calm."""
    with (real_data / "womd/motion_data_one_example.tfrecord").open("rb") as stream:
        log = next(read_scenes(stream))
    raw = np.gradient(log.ego_speed, log.times_s)
    assert (round(float(raw.min()), 2), round(float(raw.max()), 2)) == (-2.18, 2.81)
    assert round(float(np.abs(np.gradient(raw, log.times_s)).max()), 2) == 19.84
    acceleration, times = box_derivative(log.ego_speed, log.times_s, 9)
    assert (round(float(acceleration.min()), 3), round(float(acceleration.max()), 3)) == (-0.908, 0.904)
    jerk, _ = box_derivative(acceleration, times, 9)
    assert round(float(np.abs(jerk).max()), 2) == 1.37
