"""Surrogate measures of risk and the bands made of them.

Time to collision (TTC), time headway (THW) and deceleration rate to avoid a crash (DRAC) as defined at
criticality-metrics.readthedocs.io. The bands put published thresholds together: TTC 1.5 s (Octopus, PEGASUS), 3.0 s
and DRAC 3.4 m/s² (Archer 2005), DRAC 5 m/s² (UNECE R157), THW 1.8 s (German rule of half the speedometer).
TTC below 5 s for medium is a convention.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MIN_CLOSING_MPS = 0.1
"""Closing slower than this is noise of the track, not an approach."""
STANDSTILL_MPS = 0.1
"""Below this the ego stands, and a headway in time means nothing."""
CRITICAL_TTC_S, HIGH_TTC_S, MEDIUM_TTC_S = 1.5, 3.0, 5.0
CRITICAL_DRAC_MPS2, HIGH_DRAC_MPS2 = 5.0, 3.4
MEDIUM_THW_S = 1.8


def time_to_collision(gap_m: Floats, closing_mps: Floats) -> Floats:
    """Gap over closing speed, seconds; NaN when not closing, 0 when the gap is gone."""
    closing = np.asarray(closing_mps, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(closing > MIN_CLOSING_MPS, np.maximum(gap_m, 0.0) / closing, np.nan)


def time_headway(gap_m: Floats, speed_mps: Floats) -> Floats:
    """Gap over the follower's speed, seconds; NaN when it stands."""
    speed = np.asarray(speed_mps, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(speed > STANDSTILL_MPS, np.maximum(gap_m, 0.0) / speed, np.nan)


def deceleration_to_avoid(gap_m: Floats, closing_mps: Floats) -> Floats:
    """Δv² / (2 gap), metres per second squared; NaN when not closing. A gap below 0.1 m counts as 0.1 m."""
    closing = np.asarray(closing_mps, float)
    return np.where(closing > MIN_CLOSING_MPS, closing**2 / (2 * np.maximum(gap_m, 0.1)), np.nan)


def risk_bands(ttc_s: Floats, drac_mps2: Floats, thw_s: Floats) -> NDArray[np.int64]:
    """Index into ``contracts.driving.RISK_BANDS``; what is NaN does not speak.

    Args:
        ttc_s, drac_mps2: of any agent.
        thw_s: of vehicles ahead on the ego's path; NaN for all others.
    """
    # comparisons with NaN are false, which is what is wanted
    with np.errstate(invalid="ignore"):
        critical = (ttc_s < CRITICAL_TTC_S) | (drac_mps2 > CRITICAL_DRAC_MPS2)
        high = (ttc_s < HIGH_TTC_S) | (drac_mps2 > HIGH_DRAC_MPS2)
        medium = (ttc_s < MEDIUM_TTC_S) | (thw_s < MEDIUM_THW_S)
    return np.where(critical, 3, np.where(high, 2, np.where(medium, 1, 0)))
