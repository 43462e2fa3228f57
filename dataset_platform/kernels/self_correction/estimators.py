"""Estimators of a policy's value from logged decisions, as smooth functions of column means.

With w = target / propensity, q the reward model at the logged action and v its mean under the target:

    IPS        mean(w r)                              Horvitz & Thompson 1952
    SNIPS      mean(w r) / mean(w)                    Swaminathan & Joachims 2015, "The Self-Normalized Estimator"
    DM         mean(v)
    DR         mean(v + w (r − q))                    Dudík, Langford & Li 2011, arXiv:1103.4601
    SNDR       mean(v) + mean(w (r − q)) / mean(w)    Thomas & Brunskill 2016, arXiv:1604.00923
    Switch-DR  mean(v + w (r − q) [w ≤ τ])            Wang, Agarwal & Dudík 2017, arXiv:1612.01205
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from dataset_platform.errors import InputError
from dataset_platform.kernels.self_correction.intervals import MEAN, MEAN_PLUS_RATIO, RATIO, Statistic

Estimator = Literal["IPS", "SNIPS", "DM", "DR", "SNDR", "Switch-DR"]
ESTIMATORS: tuple[Estimator, ...] = get_args(Estimator)


def effective_sample_size(weight: np.ndarray) -> float:
    """(Σw)² / Σw² (Kish 1965): as many equal weights would be as noisy. 0 where all weights are 0."""
    square = float(np.sum(weight**2))
    return float(np.sum(weight)) ** 2 / square if square > 0 else 0.0


def switch_threshold(
    reward: np.ndarray,
    weight: np.ndarray,
    q_logged: np.ndarray,
    q_target: np.ndarray,
    span: float | None = None,
    propensity_all: np.ndarray | None = None,
    target_all: np.ndarray | None = None,
) -> float:
    """τ of Switch-DR with the least estimated mean squared error.

    Error is the sample variance of the rows over n plus the square of a bound on the bias (Wang et al. 2017, §3.2):
    the target's probability of actions with weights above τ, times the span of rewards. Both policies' probabilities
    of all actions (n, actions) give that probability. Without them it is estimated from the logged actions, as
    mean(w [w > τ]), which is so noisy that the bound seldom falls under the variance saved: Switch-DR is then DR.
    Candidates are the weights' upper quantiles and the largest weight, at which nothing is left to the model.
    """
    span = float(np.ptp(reward)) if span is None else span
    places = np.concatenate([np.linspace(0.5, 1, 26), [0.99, 0.995, 0.998, 0.999]])
    with np.errstate(divide="ignore", invalid="ignore"):
        every = None if propensity_all is None or target_all is None else target_all / propensity_all
    best, least = float(np.max(weight)), np.inf
    # from the largest down, and strictly: of equal errors the least biased threshold is taken
    for tau in np.unique(np.quantile(weight, places))[::-1]:
        rows = q_target + weight * (reward - q_logged) * (weight <= tau)
        if every is None or target_all is None:
            mass = float(np.mean(weight * (weight > tau)))
        else:
            mass = float(np.mean(np.sum(target_all * (every > tau), axis=1)))
        error = float(np.var(rows)) / len(rows) + (span * mass) ** 2
        if error < least:
            best, least = float(tau), error
    return best


def columns(
    estimator: Estimator,
    reward: np.ndarray,
    weight: np.ndarray,
    q_logged: np.ndarray | None = None,
    q_target: np.ndarray | None = None,
    threshold: float | np.ndarray = np.inf,
) -> tuple[np.ndarray, Statistic]:
    """The columns (..., n, k) whose means an estimator combines, and how. Arrays are (..., n).

    Raises:
        InputError: the estimator needs a reward model and there is none.
    """
    if estimator == "IPS":
        return (weight * reward)[..., None], MEAN
    if estimator == "SNIPS":
        return np.stack([weight * reward, weight], axis=-1), RATIO
    if q_logged is None or q_target is None:
        raise InputError(
            f"{estimator} needs a reward model.", "Give q_logged and q_target: reward_model.cross_fitted_q makes them."
        )
    if estimator == "DM":
        return q_target[..., None], MEAN
    rest = weight * (reward - q_logged)
    if estimator == "SNDR":
        return np.stack([q_target, rest, weight], axis=-1), MEAN_PLUS_RATIO
    return (q_target + (rest * (weight <= threshold) if estimator == "Switch-DR" else rest))[..., None], MEAN
