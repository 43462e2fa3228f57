"""Off-policy evaluation: the value a policy would have had, from decisions that another one took and logged.

A row is one decision: its reward, the probability with which the logging policy took the logged action, and the
probability with which the target policy would have. The value is the mean reward of a decision over the contexts that
the log has seen; contexts that only the target would have reached are not in it.

The estimators are in ``estimators``. What a log cannot tell is refused, not estimated: see `estimate`.

Intervals are the symmetric bootstrap-t (Hall 1988, "On symmetric bootstrap confidence intervals"), over groups where
the log has them. Coverage of 95 % intervals on simulated logs (12 contexts x 5 actions; 0/1 rewards, or changes of
accuracy less token cost; n of 200, 500 and 2,000; 2,000 logs a setting, the least and the most over settings):

    ESS       settings  IPS        SNIPS      DR         SNDR       Switch-DR
    90-890    16        93.8-96.2  93.5-95.9  93.0-95.2  93.4-95.6  as DR; 93.7-95.5 in a set-up in which it switches
    39-48     6         90.6-95.3  92.0-95.0  90.5-94.2  91.3-94.0
    18        2         81.5-84.7  87.7-92.5  82.1-87.6  86.2-91.5

The least coverage at an ESS of 90 or more was lower by the equal-tailed bootstrap-t (DR 91 %), the percentile (92 %)
and the BCa interval (91 %). At 48 and less no method held 93 % for every estimator: hence the floor of 100. Near it a
log passes if its weights happen to be even, and an interval then covers 91-95 %: ``reason`` says so below 1.5 times
the floor. The floor of 1 % of n is for long logs that share little with the target: there a few rows decide, however
many there are. A mean weight 4 standard errors from 1 refused at most 0.2 % of these logs, which have full support; 3
would have refused 1.3 %. A log can pass with few rewards in it (clicks): ``reason`` then says that fewer than 8 rows
carry the variance, (ΣL²)² / ΣL⁴ of the estimate's influence values L; such intervals covered 78-95 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from dataset_platform.errors import InputError
from dataset_platform.kernels.self_correction.estimators import (
    ESTIMATORS,
    Estimator,
    columns,
    effective_sample_size,
    switch_threshold,
)
from dataset_platform.kernels.self_correction.intervals import MEAN, bootstrap, per

_FEW_CARRIERS = 8.0
_NEAR_FLOOR = 1.5


class OffPolicyConfig(BaseModel):
    """When an estimate is refused and how its interval is made.

    ``ess_rows`` and ``ess_share`` (of n) are the floor of the effective sample size, the larger one holds.
    ``support_z`` is how many of its standard errors the mean weight may be from 1. ``clip`` caps the weights (and
    biases the estimate; None: no cap). ``switch_threshold`` is τ of Switch-DR; None: chosen from the log.
    ``reward_span`` is the largest minus the smallest possible reward; None: as seen in the log.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ess_rows: float = Field(default=100, ge=2)
    ess_share: float = Field(default=0.01, ge=0, le=1)
    min_rows: int = Field(default=50, ge=2)
    support_z: float = Field(default=4, gt=0)
    clip: float | None = Field(default=None, gt=0)
    switch_threshold: float | None = Field(default=None, gt=0)
    reward_span: float | None = Field(default=None, gt=0)
    level: float = Field(default=0.95, gt=0, lt=1)
    replicates: int = Field(default=2_000, ge=100)
    seed: int = Field(default=0, ge=0)


@dataclass(frozen=True, slots=True)
class Log:
    """Logged decisions, one a row.

    Attributes:
        reward: (n,) what came of the decision.
        propensity: (n,) probability of the logged action under the logging policy, in (0, 1].
        target: (n,) probability of the logged action under the policy to be evaluated, in [0, 1].
        q_logged: (n,) the reward model at the logged action; None where there is no model.
        q_target: (n,) the reward model's mean over the target policy's actions.
        group: (n,) the unit that was drawn independently, for instance the trace whose turns the rows are; None:
            every row is one.
        propensity_all, target_all: (n, actions) both policies' probabilities of all actions; only the choice of
            Switch-DR's τ uses them.
    """

    reward: np.ndarray
    propensity: np.ndarray
    target: np.ndarray
    q_logged: np.ndarray | None = None
    q_target: np.ndarray | None = None
    group: np.ndarray | None = None
    propensity_all: np.ndarray | None = None
    target_all: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """One estimator's answer. ``value`` is None exactly where ``identifiable`` is false; ``reason`` says why, or what
    to mind. ``low`` and ``high`` are None where no honest interval is known. ``clipped_share`` is the share of rows
    whose weight was capped or, by Switch-DR, left to the model."""

    estimator: Estimator
    value: float | None
    low: float | None
    high: float | None
    ess: float | None
    max_weight: float | None
    clipped_share: float
    identifiable: bool
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe fields."""
        return asdict(self)


def estimate_all(
    log: Log, config: OffPolicyConfig | None = None, estimators: Sequence[Estimator] = ESTIMATORS
) -> list[Estimate]:
    """`estimate` by each estimator, in order."""
    return [estimate(log, name, config) for name in estimators]


def estimate(log: Log, estimator: Estimator, config: OffPolicyConfig | None = None) -> Estimate:
    """The target policy's value by one estimator, or a refusal.

    Refused are: fewer than ``min_rows`` rows (or groups); propensities out of (0, 1] and target probabilities out of
    [0, 1]; an effective sample size under the floor; a mean weight further from 1 than its standard error explains,
    which is what actions that the log never takes, or wrongly logged propensities, look like; a reward model that is
    asked for and missing. DM uses no weights and is given wherever there is a model, with a warning and without an
    interval: its error is its model's, and no bootstrap tried here covered (3-11 % of the time with the model held
    fixed, 82-95 % with the spread of DR put around it).

    Raises:
        InputError: arrays of different lengths, rewards or model values that are not finite, an unknown estimator.
    """
    config = config or OffPolicyConfig()
    if estimator not in ESTIMATORS:
        raise InputError(f"there is no estimator {estimator!r}.", f"Choose from {', '.join(ESTIMATORS)}.")
    reward, propensity, target, q_logged, q_target = _checked(log)
    units = len(reward) if log.group is None else len(np.unique(log.group))
    if units < config.min_rows:
        return _refused(estimator, f"not identifiable: {units} rows or groups, fewer than {config.min_rows}.")
    if estimator not in ("IPS", "SNIPS") and (q_logged is None or q_target is None):
        return _refused(estimator, "there is no reward model: give q_logged and q_target.")
    refusal = _improbable(propensity, target)
    if refusal and estimator != "DM":
        return _refused(estimator, refusal)
    raw = np.zeros_like(reward) if refusal else target / propensity
    ess, largest = (None, None) if refusal else (effective_sample_size(raw), float(np.max(raw)))
    weight = raw if config.clip is None else np.minimum(raw, config.clip)
    clipped = float(np.mean(weight < raw))
    refusal = refusal or _not_identifiable(raw, log.group, config)
    if estimator == "DM" and q_target is not None:
        reason = "the value depends on the reward model alone, so no interval is given."
        if refusal:
            reason += f" The log does not check the model: {refusal}"
        return Estimate("DM", float(np.mean(q_target)), None, None, ess, largest, 0.0, True, reason)
    if refusal:
        return Estimate(estimator, None, None, None, ess, largest, clipped, False, refusal)
    threshold, notes = np.inf, []
    if estimator == "Switch-DR" and q_logged is not None and q_target is not None:
        threshold = config.switch_threshold or switch_threshold(
            reward, weight, q_logged, q_target, config.reward_span, log.propensity_all, log.target_all
        )
        clipped = float(np.mean((weight > threshold) | (weight < raw)))
        notes.append(f"weights above τ = {threshold:.4g} are left to the model.")
    if config.clip is not None and np.any(weight < raw):
        notes.append(f"weights were capped at {config.clip:g}, which biases the estimate.")
    rows, statistic = columns(estimator, reward, weight, q_logged, q_target, threshold)
    if np.ptp(reward) == 0:
        value = float(statistic.value(rows.mean(axis=0)))
        notes.append("all rewards in the log are equal, so no interval can be formed.")
        return Estimate(estimator, value, None, None, ess, largest, clipped, True, " ".join(notes))
    if log.group is not None:
        rows, statistic = per(rows, np.asarray(log.group), statistic)
    found = bootstrap(
        rows, statistic, level=config.level, replicates=config.replicates, seed=config.seed, method="symmetric"
    )
    if effective_sample_size(raw) < _NEAR_FLOOR * _floor(len(raw), config):
        notes.append("the effective sample size is near its floor: the interval may be too short.")
    carriers = statistic.carriers(rows)
    if carriers < _FEW_CARRIERS:
        notes.append(f"about {carriers:.1f} rows carry the variance: the interval may be too short.")
    return Estimate(estimator, found.value, found.low, found.high, ess, largest, clipped, True, " ".join(notes))


def _checked(log: Log) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]:
    def array(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else np.asarray(values, dtype=np.float64)

    reward, propensity, target = (np.asarray(v, dtype=np.float64) for v in (log.reward, log.propensity, log.target))
    q_logged, q_target = array(log.q_logged), array(log.q_target)
    present = [v for v in (reward, propensity, target, q_logged, q_target, log.group) if v is not None]
    if reward.ndim != 1 or any(np.shape(values) != reward.shape for values in present):
        raise InputError("the columns of the log differ in length.", "Pass arrays (n,), one value per decision.")
    every = [np.shape(values) for values in (log.propensity_all, log.target_all) if values is not None]
    if len(every) == 1 or any(len(shape) != 2 or shape[0] != len(reward) or shape != every[0] for shape in every):
        raise InputError(f"probabilities of all actions have shapes {every}.", "Pass both policies', (n, actions).")
    if not all(np.all(np.isfinite(values)) for values in (reward, q_logged, q_target) if values is not None):
        raise InputError("a reward or a model value is not finite.", "Leave out decisions without a known reward.")
    return reward, propensity, target, q_logged, q_target


def _refused(estimator: Estimator, reason: str) -> Estimate:
    return Estimate(estimator, None, None, None, None, None, 0.0, False, reason)


def _improbable(propensity: np.ndarray, target: np.ndarray) -> str:
    if not np.all((propensity > 0) & (propensity <= 1)):  # NaN fails too
        return "not identifiable: a logged propensity is not in (0, 1]."
    if not np.all((target >= 0) & (target <= 1)):
        return "not identifiable: a target probability is not in [0, 1]."
    return ""


def _floor(rows: int, config: OffPolicyConfig) -> float:
    return max(config.ess_rows, config.ess_share * rows)


def _not_identifiable(weight: np.ndarray, group: np.ndarray | None, config: OffPolicyConfig) -> str:
    ess, floor = effective_sample_size(weight), _floor(len(weight), config)
    if ess < floor:
        return (
            f"not identifiable: effective sample size {ess:.1f} of {len(weight)} rows, under the floor of {floor:.0f}."
        )
    rows, statistic = per(weight[:, None], np.arange(len(weight)) if group is None else group, MEAN)
    mean, error = float(np.mean(weight)), float(np.std(statistic.influence(rows))) / len(rows) ** 0.5
    if abs(mean - 1) > config.support_z * error + 1e-9:
        return (
            f"not identifiable: the weights' mean is {mean:.3f} (standard error {error:.3f}), not 1: the log lacks "
            "actions of the target policy, or its propensities are wrong."
        )
    return ""
