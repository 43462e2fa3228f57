"""From posterior draws to decisions whose propensities are exact.

A frozen state holds, for each situation, a fixed number of joint draws from its posterior. Thompson sampling takes one
of them by the decision's seed and plays the best arm of that draw, so an arm's propensity is the share of draws in
which it is best: known, not estimated. A share of ``exploration`` of the decisions is drawn evenly from all arms.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
import xxhash

_BITS = 53


def uniform(purpose: str, key: int | str, seed: int) -> float:
    """A number in [0, 1) that is a hash of purpose, key and seed (XXH3-64)."""
    return (xxhash.xxh3_64_intdigest(f"{purpose}:{key}".encode(), seed) >> (64 - _BITS)) * 2.0**-_BITS


def generator(purpose: str, key: str, seed: int) -> np.random.Generator:
    """A generator whose stream is a function of purpose, key and seed."""
    return np.random.Generator(np.random.SFC64(xxhash.xxh3_64_intdigest(f"{purpose}:{key}".encode(), seed)))


def shares_of_best(values: Sequence[np.ndarray]) -> np.ndarray:
    """How often each arm is the best one, when stopping is worth 0.

    Args:
        values: per arm but ``none``, its value in each of S joint draws.

    Returns:
        Shares that add up to 1, as long as ``values`` plus one; first that of ``none``, to which ties with 0 go.
    """
    counts = np.zeros(len(values) + 1)
    if not values:
        counts[0] = 1.0
        return counts
    highest = np.maximum(values[0], 0.0)
    best = (values[0] > 0.0).astype(np.int64)
    for arm, value in enumerate(values[1:], start=2):
        best[value > highest] = arm
        np.maximum(highest, value, out=highest)
    return np.bincount(best, minlength=len(values) + 1) / len(best)


class Lottery:
    """A distribution over the arms offered, ready to draw from.

    Args:
        arms: the arms offered, ``none`` first.
        shares: the policy's own probabilities, in the same order.
        exploration: share of decisions drawn evenly.
    """

    __slots__ = ("arms", "propensities", "_cumulative")

    def __init__(self, arms: tuple[str, ...], shares: np.ndarray, exploration: float) -> None:
        mixed = (1.0 - exploration) * shares + exploration / len(arms)
        self.arms = arms
        self.propensities: list[float] = mixed.tolist()
        cumulative = np.cumsum(mixed)
        # the last arm that can be drawn takes what rounding leaves
        cumulative[np.flatnonzero(mixed)[-1] :] = 1.0
        self._cumulative: list[float] = cumulative.tolist()

    def draw(self, u: float) -> tuple[str, float]:
        """The arm at ``u`` in [0, 1), and its propensity."""
        i = bisect_right(self._cumulative, u)
        return self.arms[i], self.propensities[i]
