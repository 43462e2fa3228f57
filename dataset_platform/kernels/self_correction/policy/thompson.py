"""Thompson sampling on rewards, with a posterior: normal rewards, unknown mean and variance.

The original of this method adds real-valued rewards to the parameters of a Beta distribution, which is the posterior
of nothing. Here rewards in a cell are normal with a normal-inverse-gamma prior; the mean's marginal is a Student t
(Murphy, "Conjugate Bayesian analysis of the Gaussian distribution", 2007, §3). ``thompson`` keeps one cell per context
and arm, ``thompson_flat`` one per arm.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dataset_platform.kernels.self_correction.contexts import Context
from dataset_platform.kernels.self_correction.policy.bandit import Bandit, Situation
from dataset_platform.kernels.self_correction.policy.draws import generator, shares_of_best
from dataset_platform.kernels.self_correction.policy.statistics import Cell
from dataset_platform.kernels.self_correction.templates import NONE


class StudentT(NamedTuple):
    """The marginal posterior of a mean reward."""

    location: float
    scale: float
    degrees: float


class Thompson(Bandit):
    """Thompson sampling with one posterior per context and arm."""

    algorithm = "thompson"

    def posterior(self, key: str, arm: str) -> StudentT:
        """The posterior of an arm's mean reward in a cell."""
        prior = self.config.thompson
        n, total, squares = self.cells.get((key, arm), Cell()).rewards(self.config.token_cost)
        weight, shape, scale = prior.weight + n, prior.shape + n / 2, prior.scale
        location = (prior.weight * prior.mean + total) / weight
        if n:
            mean = total / n
            # rounding can leave a spread of -1e-18 when all rewards are alike
            spread = max(squares - total * mean, 0.0)
            scale += 0.5 * (spread + prior.weight * n / weight * (mean - prior.mean) ** 2)
        return StudentT(location, float(np.sqrt(scale / (shape * weight))), 2 * shape)

    def credible_interval(self, context: Context, arm: str, level: float = 0.95) -> tuple[float, float]:
        """Exact; (0, 0) for ``none``, whose value is known."""
        from scipy.special import stdtrit

        if arm == NONE:
            return 0.0, 0.0
        t = self.posterior(self._cell_key(context), arm)
        half = float(stdtrit(t.degrees, 0.5 + level / 2)) * t.scale
        return t.location - half, t.location + half

    def _shares(self, situation: Situation, learned: tuple[str, ...]) -> np.ndarray:
        return shares_of_best([self._draws(situation[0], arm) for arm in learned])

    def _draws(self, key: str, arm: str) -> np.ndarray:
        t = self.posterior(key, arm)
        cell = self.cells.get((key, arm))
        source = generator(f"thompson:{key}:{arm}", str(cell.outcomes if cell else 0), self.config.seed)
        return t.location + t.scale * source.standard_t(t.degrees, self.config.draws)


class FlatThompson(Thompson):
    """Thompson sampling that ignores the context."""

    algorithm = "thompson_flat"

    def _cell_key(self, context: Context) -> str:
        return "all"
