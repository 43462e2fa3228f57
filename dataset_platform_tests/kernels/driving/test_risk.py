"""Measures of risk and their bands, at and around the thresholds."""

from __future__ import annotations

import numpy as np

from dataset_platform.contracts.driving_types import RISK_BANDS
from dataset_platform.kernels.driving.risk import deceleration_to_avoid, risk_bands, time_headway, time_to_collision


def test_measures_are_defined_only_where_they_mean_something() -> None:
    gap = np.array([10.0, 10.0, -1.0, 10.0])
    closing = np.array([2.0, -1.0, 2.0, 0.05])
    np.testing.assert_allclose(time_to_collision(gap, closing), [5.0, np.nan, 0.0, np.nan])
    np.testing.assert_allclose(deceleration_to_avoid(gap, closing), [0.2, np.nan, 20.0, np.nan])
    np.testing.assert_allclose(time_headway(gap, np.array([5.0, 0.0, 5.0, 0.05])), [2.0, np.nan, 0.0, np.nan])


def test_bands_follow_the_thresholds() -> None:
    nan = np.nan
    cases = [
        (nan, nan, nan, "low"),
        (1.49, nan, nan, "critical"),
        (1.5, nan, nan, "high"),
        (3.0, nan, nan, "medium"),
        (5.0, nan, nan, "low"),
        (nan, 5.01, nan, "critical"),
        (nan, 3.41, nan, "high"),
        (4.0, 3.4, nan, "medium"),
        (nan, nan, 1.79, "medium"),
        (nan, nan, 1.8, "low"),
        (9.0, 0.5, 0.1, "medium"),
    ]
    ttc, drac, thw = (np.array([c[i] for c in cases]) for i in range(3))
    assert [RISK_BANDS[i] for i in risk_bands(ttc, drac, thw)] == [c[3] for c in cases]


def test_more_danger_never_lowers_the_band() -> None:
    rng = np.random.default_rng(5)
    ttc, drac, thw = rng.uniform(0, 8, 500), rng.uniform(0, 8, 500), rng.uniform(0, 4, 500)
    band = risk_bands(ttc, drac, thw)
    assert (risk_bands(ttc * 0.8, drac, thw) >= band).all()
    assert (risk_bands(ttc, drac * 1.3, thw) >= band).all()
    assert (risk_bands(ttc, drac, thw * 0.5) >= band).all()
