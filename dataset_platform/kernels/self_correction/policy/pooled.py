"""The default policy: two rates per arm, pooled over contexts, and a calibrated chance that the answer is wrong.

What asking again is worth depends on whether the answer is wrong, and that the confidence says:

    E[reward | context, arm] = P(wrong) fix - (1 - P(wrong)) break - token_cost * tokens

``fix`` and ``break`` are learned per arm with partial pooling (``hierarchy``), P(wrong) is one minus the confidence,
corrected by how often answers of like confidence were right; tokens are the arm's mean. A choice is Thompson's: the best
arm of one joint draw of all rates, made optimistic and drawn nearer to the mean.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from dataset_platform.kernels.self_correction.contexts import Context
from dataset_platform.kernels.self_correction.policy.bandit import Bandit, Situation
from dataset_platform.kernels.self_correction.policy.draws import generator, shares_of_best
from dataset_platform.kernels.self_correction.policy.hierarchy import RatePosterior
from dataset_platform.kernels.self_correction.policy.settings import PolicyConfig
from dataset_platform.kernels.self_correction.templates import NONE

LEVELS = 64
"""P(wrong) is rounded to the middle of one of so many intervals, so that situations recur."""
PRIOR_TOKENS = 150.0
PRIOR_CALLS = 5.0


class Pooled(Bandit):
    """Thompson sampling on fix and break rates, pooled over arms, failure modes and contexts."""

    algorithm = "pooled"

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__(config)
        c = config.pooled
        strengths = (c.arm_strength, c.mode_strength, c.cell_strength)
        self.fix = RatePosterior(self.learned, c.fix_rate, strengths)
        self.breaks = RatePosterior(self.learned, c.break_rate, strengths)
        self._calls: dict[str, tuple[int, int]] | None = None
        self._bank: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def rate_interval(
        self, context: Context, arm: str, rate: Literal["fix", "break"], level: float = 0.95
    ) -> tuple[float, float]:
        """Exact central credible interval of P(fix | wrong) or P(break | right) of an arm in a context."""
        return (self.fix if rate == "fix" else self.breaks).interval(arm, context.key, level)

    def credible_interval(self, context: Context, arm: str, level: float = 0.95) -> tuple[float, float]:
        """Of the expected reward, from the draws of this context; (0, 0) for ``none``, whose value is known."""
        if arm == NONE:
            return 0.0, 0.0
        key, step = self._situation(context)
        value = self._values(key, step, (arm,))[0]
        low, high = np.quantile(value, [0.5 - level / 2, 0.5 + level / 2])
        return float(low), float(high)

    def expected_tokens(self, arm: str) -> float:
        """The arm's mean, shrunk to the mean of all arms, shrunk to ``PRIOR_TOKENS``."""
        if self._calls is None:
            self._calls = dict.fromkeys(self.learned, (0, 0))
            for (_, a), cell in self.cells.items():
                n, tokens = self._calls[a]
                self._calls[a] = (n + cell.outcomes, tokens + cell.tokens)
        everywhere = [sum(c) for c in zip(*self._calls.values(), strict=True)]
        common = (everywhere[1] + PRIOR_CALLS * PRIOR_TOKENS) / (everywhere[0] + PRIOR_CALLS)
        n, tokens = self._calls[arm]
        return (tokens + PRIOR_CALLS * common) / (n + PRIOR_CALLS)

    def parameters(self) -> dict[str, Any]:
        """Adds the posterior means of each arm's rates and tokens, and the correction of the confidence."""
        found = super().parameters()
        for arm, figures in found["arms"].items():
            figures["fix_rate"] = round(self.fix.arm_mean(arm), 6)
            figures["break_rate"] = round(self.breaks.arm_mean(arm), 6)
            figures["tokens"] = round(self.expected_tokens(arm), 3)
        bins = len(self.applied)
        found["right_at_confidence"] = {
            f"{(i + 0.5) / bins:.2f}": round(self.right((i + 0.5) / bins), 6) for i in range(bins)
        }
        return found

    def _situation(self, context: Context) -> Situation:
        wrong = 1.0 - self.right(context.confidence)
        return context.key, min(int(wrong * LEVELS), LEVELS - 1)

    def _shares(self, situation: Situation, learned: tuple[str, ...]) -> np.ndarray:
        key, step = situation
        values, scale = self._values(key, step, learned), self.config.pooled.posterior_scale
        means = [v.mean() for v in values]
        return shares_of_best([np.maximum(m, m + scale * (v - m)) for m, v in zip(means, values, strict=True)])

    def _values(self, key: str, step: int, learned: tuple[str, ...]) -> list[np.ndarray]:
        """Per arm, its expected reward in each draw of a context."""
        bank = self._bank.get(key)
        if bank is None:
            source = generator(f"pooled:{key}", str(self.outcomes), self.config.seed)
            bank = (self.fix.draws(key, source, self.config.draws), self.breaks.draws(key, source, self.config.draws))
            self._bank[key] = bank
        wrong = (step + 0.5) / LEVELS
        values = []
        for arm in learned:
            i = self.learned.index(arm)
            cost = self.config.token_cost * self.expected_tokens(arm)
            values.append(wrong * bank[0][i] - (1.0 - wrong) * bank[1][i] - cost)
        return values

    def _touch(self, key: str, arm: str) -> None:
        cell = self.cells[key, arm]
        self.fix.observe(arm, key, *cell.fixes())
        self.breaks.observe(arm, key, *cell.breaks())
        self._calls = None
        self._bank.clear()
