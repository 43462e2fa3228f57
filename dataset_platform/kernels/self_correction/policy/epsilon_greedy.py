"""ε-greedy with a decaying ε: the arm with the best mean so far, and now and then any arm."""

from __future__ import annotations

import numpy as np

from dataset_platform.kernels.self_correction.contexts import Context
from dataset_platform.kernels.self_correction.policy.bandit import Bandit, Situation
from dataset_platform.kernels.self_correction.policy.statistics import Cell
from dataset_platform.kernels.self_correction.templates import NONE


class EpsilonGreedy(Bandit):
    """The best mean reward per context; an arm never tried counts 0, like stopping, and ties are shared evenly."""

    algorithm = "epsilon_greedy"

    def credible_interval(self, context: Context, arm: str, level: float = 0.95) -> tuple[float, float]:
        """Normal interval of the mean reward; (-inf, inf) under two tries. A confidence interval, as there is no prior."""
        from scipy.special import ndtri

        if arm == NONE:
            return 0.0, 0.0
        n, total, squares = self.cells.get((self._cell_key(context), arm), Cell()).rewards(self.config.token_cost)
        if n < 2:
            return -np.inf, np.inf
        mean = total / n
        half = float(ndtri(0.5 + level / 2)) * float(np.sqrt(max(squares / n - mean**2, 0.0) / (n - 1)))
        return mean - half, mean + half

    def epsilon(self, key: str) -> float:
        """Share of exploring decisions in a context."""
        tried = sum(self.cells[key, a].outcomes for a in self.learned if (key, a) in self.cells)
        decay = self.config.epsilon_greedy
        return decay.start / (1.0 + tried / decay.half_after)

    def _shares(self, situation: Situation, learned: tuple[str, ...]) -> np.ndarray:
        key = situation[0]
        means = np.zeros(len(learned) + 1)
        for i, arm in enumerate(learned, start=1):
            n, total, _ = self.cells.get((key, arm), Cell()).rewards(self.config.token_cost)
            means[i] = total / n if n else 0.0
        best = means == means.max()
        epsilon = self.epsilon(key)
        return (1.0 - epsilon) * best / best.sum() + epsilon / len(means)
