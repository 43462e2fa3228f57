"""Exact Bayesian inference of a rate that many contexts share in part.

The rate of a context lies around the rate of its failure mode, that around the arm's, that around the rate of all arms:

    all arms f ~ Beta(w q, w (1 - q))            q, w: the prior's mean and weight
    arm     g | f ~ Beta(k0 f, k0 (1 - f))
    mode    m | g ~ Beta(k1 g, k1 (1 - g))
    cell    c | m ~ Beta(k2 m, k2 (1 - m)),      hits ~ Binomial(trials, c)

f, g and m live on one grid of midpoints, even in arcsin(sqrt(rate)), the scale on which a rate's spread does not depend
on its size; each transition holds the exact mass of its Beta in each interval. The cell is continuous: given m its
likelihood is Beta-binomial and its posterior a Beta. With that all messages of the tree are sums over the grid, and
nothing is sampled but the final draws (Gelman et al., "Bayesian Data Analysis", 3rd ed., ch. 5, has the model class).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from dataset_platform.kernels.self_correction.contexts import FAILURE_MODES, mode_of
from dataset_platform.kernels.self_correction.policy.settings import RatePrior

GRID = 48
_EDGES = np.sin(np.linspace(0.0, np.pi / 2, GRID + 1)) ** 2
POINTS = np.sin((np.arange(GRID) + 0.5) * np.pi / 2 / GRID) ** 2
"""The grid of rates, (48,)."""


@lru_cache(maxsize=64)
def prior_masses(mean: float, weight: float) -> np.ndarray:
    """Mass of Beta(weight * mean, weight * (1 - mean)) at each grid point, (48,)."""
    return _beta_masses(mean, weight)


@lru_cache(maxsize=64)
def transition(strength: float) -> np.ndarray:
    """Row i holds the masses of Beta(strength * p, strength * (1 - p)) for p = POINTS[i], (48, 48)."""
    return np.stack([_beta_masses(float(p), strength) for p in POINTS])


def _beta_masses(mean: float, weight: float) -> np.ndarray:
    from scipy.special import betainc

    return np.diff(betainc(weight * mean, weight * (1.0 - mean), _EDGES))


class RatePosterior:
    """The posterior of one kind of rate ("fix" or "break") for all arms and contexts.

    Args:
        arms: the arms that learn.
        prior: of the rate of all arms.
        strengths: of arm, mode and cell around the level above, in observations.
    """

    def __init__(self, arms: Sequence[str], prior: RatePrior, strengths: tuple[float, float, float]) -> None:
        self.arms = tuple(arms)
        self._prior = np.log(np.maximum(prior_masses(prior.mean, prior.weight), 1e-300))
        self._to_arm, self._to_mode = transition(strengths[0]), transition(strengths[1])
        self._a, self._b = strengths[2] * POINTS, strengths[2] * (1.0 - POINTS)
        self._counts: dict[str, dict[str, tuple[float, float]]] = {a: {} for a in self.arms}
        self._cells: dict[tuple[str, str], np.ndarray] = {}
        self._modes: dict[tuple[str, str], np.ndarray] = {}
        self._upward: dict[str, np.ndarray] = {}

    def observe(self, arm: str, key: str, hits: float, trials: float) -> None:
        """Sets (does not add) the counts of an arm in a context; fractions are allowed, 0 <= hits <= trials."""
        self._counts[arm][key] = (max(hits, 0.0), max(trials, hits, 0.0))
        self._cells.pop((arm, key), None)
        self._modes.pop((arm, mode_of(key)), None)
        self._upward.pop(arm, None)

    def family(self) -> np.ndarray:
        """Posterior masses of the rate of all arms, (48,)."""
        return _normalise(self._prior + sum((self._arm_message(a) for a in self.arms), np.zeros(GRID)))

    def arm_mean(self, arm: str) -> float:
        """Posterior mean of an arm's rate over all modes."""
        others = self._prior + sum((self._arm_message(a) for a in self.arms if a != arm), np.zeros(GRID))
        return float(
            _normalise(np.log(_normalise(others) @ self._to_arm + 1e-300) + self._arm_likelihood(arm)) @ POINTS
        )

    def cell(self, arm: str, key: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The posterior of a context's rate: a mixture of Betas, as weights, a and b, each (48,)."""
        hits, trials = self._counts[arm].get(key, (0.0, 0.0))
        return self.family() @ self._mode_given_family(arm, mode_of(key)), self._a + hits, self._b + (trials - hits)

    def mean(self, arm: str, key: str) -> float:
        """Posterior mean of a context's rate."""
        weights, a, b = self.cell(arm, key)
        return float(weights @ (a / (a + b)))

    def interval(self, arm: str, key: str, level: float) -> tuple[float, float]:
        """Central credible interval of a context's rate, by bisection of the mixture's distribution function.

        The bisection runs over the rate's logarithm: rates near 0 have posteriors that spread over magnitudes.
        """
        from scipy.special import betainc

        weights, a, b = self.cell(arm, key)
        wanted = np.array([0.5 - level / 2, 0.5 + level / 2])
        low, high = np.full(2, -700.0), np.zeros(2)
        for _ in range(45):
            middle = (low + high) / 2
            under = weights @ betainc(a[:, None], b[:, None], np.exp(middle)[None, :]) < wanted
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        return float(np.exp(low[0])) if low[0] > -700.0 else 0.0, float(np.exp(high[1]))

    def draws(self, key: str, source: np.random.Generator, count: int) -> np.ndarray:
        """Joint draws of the rates of all arms in a context, (arms, count)."""
        mode = mode_of(key)
        # the shared level is stratified: fewer draws say more
        strata = np.searchsorted(np.cumsum(self.family()), (np.arange(count) + 0.5) / count)
        family = source.permutation(np.minimum(strata, GRID - 1))
        rates = np.empty((len(self.arms), count))
        for i, arm in enumerate(self.arms):
            ladder = np.cumsum(self._mode_given_family(arm, mode), axis=1)
            ladder[:, -1] = 1.0
            # one search in all rows laid end to end: row f answers for [f, f + 1)
            flat = (ladder + np.arange(GRID)[:, None]).ravel()
            at = np.searchsorted(flat, family + source.random(count), side="right") - family * GRID
            m = np.minimum(at, GRID - 1)
            hits, trials = self._counts[arm].get(key, (0.0, 0.0))
            rates[i] = source.beta((self._a + hits)[m], (self._b + (trials - hits))[m])
        return rates

    def _cell_likelihood(self, arm: str, key: str) -> np.ndarray:
        found = self._cells.get((arm, key))
        if found is None:
            from scipy.special import betaln

            hits, trials = self._counts[arm][key]
            found = betaln(self._a + hits, self._b + (trials - hits)) - betaln(self._a, self._b)
            self._cells[arm, key] = found
        return found

    def _mode_likelihood(self, arm: str, mode: str) -> np.ndarray:
        found = self._modes.get((arm, mode))
        if found is None:
            # in the order of the keys, whatever the order in which they came: floats do not add alike in any order
            keys = sorted(k for k in self._counts[arm] if mode_of(k) == mode)
            found = sum((self._cell_likelihood(arm, k) for k in keys), np.zeros(GRID))
            self._modes[arm, mode] = found
        return found

    def _arm_likelihood(self, arm: str, without: str | None = None) -> np.ndarray:
        seen = {mode_of(k) for k in self._counts[arm]} - {without}
        total = np.zeros(GRID)
        for mode in FAILURE_MODES:
            if mode in seen:
                total += _through(self._to_mode, self._mode_likelihood(arm, mode))
        return total

    def _arm_message(self, arm: str) -> np.ndarray:
        found = self._upward.get(arm)
        if found is None:
            seen = bool(self._counts[arm])
            found = _through(self._to_arm, self._arm_likelihood(arm)) if seen else np.zeros(GRID)
            self._upward[arm] = found
        return found

    def _mode_given_family(self, arm: str, mode: str) -> np.ndarray:
        """Row f: posterior masses of the mode's rate given the rate of all arms, (48, 48)."""
        elsewhere, here = self._arm_likelihood(arm, without=mode), self._mode_likelihood(arm, mode)
        joint = (self._to_arm * np.exp(elsewhere - elsewhere.max())) @ self._to_mode * np.exp(here - here.max())
        joint += 1e-300
        return joint / joint.sum(axis=1, keepdims=True)


def _through(step: np.ndarray, likelihood: np.ndarray) -> np.ndarray:
    """A log-likelihood one level up."""
    top = likelihood.max()
    return np.log(step @ np.exp(likelihood - top) + 1e-300) + top


def _normalise(log_masses: np.ndarray) -> np.ndarray:
    masses = np.exp(log_masses - log_masses.max())
    return masses / masses.sum()
