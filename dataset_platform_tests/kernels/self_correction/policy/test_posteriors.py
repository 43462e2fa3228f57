"""Posteriors against known simulators whose parameters are drawn from the policies' own priors.

Credible intervals of a Bayesian whose prior is the truth cover at their level, whatever adaptive policy gathered the
data; regret of Thompson sampling grows slower than time.
"""

from __future__ import annotations

import numpy as np
import pytest

from dataset_platform.kernels.self_correction.contexts import CONTEXT_KEYS, Context, mode_of
from dataset_platform.kernels.self_correction.policy import Outcome, PolicyConfig, new_policy
from dataset_platform.kernels.self_correction.policy.hierarchy import (
    GRID,
    POINTS,
    RatePosterior,
    prior_masses,
    transition,
)
from dataset_platform.kernels.self_correction.policy.pooled import Pooled
from dataset_platform.kernels.self_correction.policy.settings import PooledConfig, RatePrior
from dataset_platform.kernels.self_correction.policy.thompson import Thompson

REPETITIONS = 2_400


def drawn_rates(
    rng: np.random.Generator, prior: RatePrior, config: PooledConfig, arms: int, keys: list[str]
) -> np.ndarray:
    """Rates of arms in contexts from the prior, (arms, keys)."""
    family = rng.choice(GRID, p=prior_masses(prior.mean, prior.weight))
    rates = np.empty((arms, len(keys)))
    for a in range(arms):
        arm = rng.choice(GRID, p=transition(config.arm_strength)[family])
        modes = {
            m: rng.choice(GRID, p=transition(config.mode_strength)[arm]) for m in sorted({mode_of(k) for k in keys})
        }
        for i, key in enumerate(keys):
            m = POINTS[modes[mode_of(key)]]
            rates[a, i] = rng.beta(config.cell_strength * m, config.cell_strength * (1 - m))
    return rates


@pytest.mark.slow
def test_intervals_of_fix_and_break_rates_cover() -> None:
    # two contexts of one mode and one of another: what is shared is shared between all three
    contexts = [Context("anchored", 0.3, 0), Context("anchored", 0.5, 1), Context("wavering", 0.35, 2)]
    keys = [c.key for c in contexts]
    covered = {"fix": 0, "break": 0}
    for repetition in range(REPETITIONS):
        rng = np.random.default_rng(repetition)
        # cheap tokens and many explorations, so that the arms are tried; a coarse bank does for choosing
        config = PolicyConfig(arms=("a", "b"), seed=repetition, token_cost=0.0, draws=1000)
        fix = drawn_rates(rng, config.pooled.fix_rate, config.pooled, 2, keys)
        breaks = drawn_rates(rng, config.pooled.break_rate, config.pooled, 2, keys)
        policy = Pooled(config)
        for part in range(2):
            rows = []
            for i in range(30):
                at = i % 3
                context = contexts[at]
                right = bool(rng.random() < context.confidence)
                d = policy.decide(context, 100 * part + i)
                after = right
                if d.chosen != "none":
                    rate = (breaks if right else fix)[d.arms.index(d.chosen) - 1, at]
                    after = right ^ bool(rng.random() < rate)
                rows.append(
                    Outcome(f"{part}_{i}", context.turn, context, d.chosen, d.propensity, float(right), float(after), 9)
                )
            policy.update(rows)
        arm, at = repetition % 2, repetition % 3
        for rate, truth in (("fix", fix), ("break", breaks)):
            low, high = policy.rate_interval(contexts[at], "ab"[arm], rate)  # type: ignore[arg-type]
            covered[rate] += low <= truth[arm, at] <= high
    for count in covered.values():
        assert 0.93 <= count / REPETITIONS <= 0.97, covered


def test_intervals_of_mean_rewards_cover() -> None:
    # a narrow prior, so that a normal reward fits between -1 and 1 in all but one of millions
    prior = {"mean": 0.0, "weight": 2.0, "shape": 10.0, "scale": 0.09}
    context, covered = Context("anchored", 0.5, 0), 0
    for repetition in range(REPETITIONS):
        rng = np.random.default_rng(repetition)
        config = PolicyConfig.model_validate(
            {
                "algorithm": "thompson",
                "arms": ("a", "b"),
                "seed": repetition,
                "token_cost": 0.0001,
                "thompson": prior,
                "draws": 1000,
            }
        )
        policy = Thompson(config)
        variance = 1 / rng.gamma(prior["shape"], 1 / prior["scale"], size=2)
        mean = rng.normal(prior["mean"], np.sqrt(variance / prior["weight"]))
        for part in range(3):
            rows = []
            for i in range(8):
                d = policy.decide(context, 10 * part + i)
                if d.chosen == "none":
                    continue
                a = d.arms.index(d.chosen) - 1
                tokens = int(rng.integers(50, 150))
                gain = rng.normal(mean[a], np.sqrt(variance[a])) + config.token_cost * tokens
                before, after = (0.0, gain) if gain > 0 else (-gain, 0.0)
                rows.append(Outcome(f"{part}_{i}", 0, context, d.chosen, d.propensity, before, after, tokens))
            policy.update(rows)
        low, high = policy.credible_interval(context, "ab"[repetition % 2])
        covered += low <= mean[repetition % 2] <= high
    assert 0.93 <= covered / REPETITIONS <= 0.97, covered / REPETITIONS


def test_the_hierarchy_agrees_with_brute_force() -> None:
    """The same model by importance sampling: rates from the prior, weighted with the data's likelihood."""
    config, keys = PooledConfig(), [CONTEXT_KEYS[0], CONTEXT_KEYS[4], CONTEXT_KEYS[20]]
    counts = {
        ("a", keys[0]): (2.0, 5.0),
        ("a", keys[1]): (0.0, 3.0),
        ("a", keys[2]): (1.0, 2.0),
        ("b", keys[0]): (3.0, 4.0),
    }
    posterior = RatePosterior(("a", "b"), config.fix_rate, (4.0, 20.0, 40.0))
    for (arm, key), (hits, trials) in counts.items():
        posterior.observe(arm, key, hits, trials)
    rng, n = np.random.default_rng(0), 400_000

    def step(at: np.ndarray, table: np.ndarray) -> np.ndarray:
        return np.minimum((np.cumsum(table, axis=1)[at] < rng.random(len(at))[:, None]).sum(axis=1), GRID - 1)

    family = rng.choice(GRID, size=n, p=prior_masses(config.fix_rate.mean, config.fix_rate.weight))
    rates, weight = {}, np.ones(n)
    for arm in ("a", "b"):
        level = step(family, transition(4.0))
        modes = {m: step(level, transition(20.0)) for m in sorted({mode_of(k) for k in keys})}
        for key in keys:
            m = POINTS[modes[mode_of(key)]]
            rates[arm, key] = rng.beta(40 * m, 40 * (1 - m))
            hits, trials = counts.get((arm, key), (0.0, 0.0))
            weight *= rates[arm, key] ** hits * (1 - rates[arm, key]) ** (trials - hits)
    sampled = posterior.draws(keys[2], np.random.default_rng(1), 100_000)
    for (arm, key), rate in rates.items():
        assert posterior.mean(arm, key) == pytest.approx(float(np.average(rate, weights=weight)), abs=0.006)
        low, high = posterior.interval(arm, key, 0.9)
        assert np.average(rate < low, weights=weight) == pytest.approx(0.05, abs=0.01)
        assert np.average(rate > high, weights=weight) == pytest.approx(0.05, abs=0.01)
        if key == keys[2]:
            drawn = sampled["ab".index(arm)]
            assert drawn.mean() == pytest.approx(posterior.mean(arm, key), abs=0.003)
            assert np.mean(drawn < low) == pytest.approx(0.05, abs=0.005)
    # draws are joint: what the arms share ties them together
    assert np.corrcoef(sampled)[0, 1] > 0.02


def test_a_rate_between_cells_is_shared_and_a_distinct_one_kept() -> None:
    posterior = RatePosterior(("a", "b"), RatePrior(mean=0.15, weight=2.0), (4.0, 20.0, 40.0))
    before = posterior.mean("a", CONTEXT_KEYS[5])
    posterior.observe("a", CONTEXT_KEYS[0], 80.0, 100.0)
    same_mode, other_mode, other_arm = (
        posterior.mean("a", CONTEXT_KEYS[5]),
        posterior.mean("a", CONTEXT_KEYS[50]),
        posterior.mean("b", CONTEXT_KEYS[0]),
    )
    assert posterior.mean("a", CONTEXT_KEYS[0]) > same_mode > other_mode > other_arm > before
    posterior.observe("a", CONTEXT_KEYS[5], 0.0, 500.0)
    assert posterior.mean("a", CONTEXT_KEYS[5]) < 0.06
    assert posterior.mean("a", CONTEXT_KEYS[0]) > 0.6


@pytest.mark.slow
def test_regret_grows_slower_than_time() -> None:
    """Per quarter of the run, the mean regret per decision falls, and the last quarter's is a small part of the first's."""
    contexts = [Context("anchored", 0.2, 0), Context("wavering", 0.45, 1), Context("unchanged_correct", 0.9, 0)]
    keys, rounds, every, runs = [c.key for c in contexts], 1_600, 20, 30
    regret = np.zeros((runs, rounds))
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        config = PolicyConfig(arms=("a", "b", "c"), seed=seed, exploration=0.0, token_cost=0.0005)
        fix = drawn_rates(rng, config.pooled.fix_rate, config.pooled, 3, keys)
        breaks = drawn_rates(rng, config.pooled.break_rate, config.pooled, 3, keys)
        confidence = np.array([c.confidence for c in contexts])
        value = np.concatenate([np.zeros((1, 3)), (1 - confidence) * fix - confidence * breaks - 0.0005 * 60])
        policy, rows = new_policy(config), []
        for t in range(rounds):
            at = int(rng.integers(3))
            right = bool(rng.random() < confidence[at])
            d = policy.decide(contexts[at], t)
            a = d.arms.index(d.chosen)
            regret[seed, t] = value[:, at].max() - value[a, at]
            after = right ^ bool(rng.random() < (breaks if right else fix)[a - 1, at]) if a else right
            rows.append(
                Outcome(
                    f"{t}",
                    contexts[at].turn,
                    contexts[at],
                    d.chosen,
                    d.propensity,
                    float(right),
                    float(after),
                    60 if a else 0,
                )
            )
            if len(rows) == every:
                policy.update(rows)
                rows = []
    quarters = regret.mean(axis=0).reshape(4, -1).mean(axis=1)
    assert quarters[0] > quarters[1] > quarters[3], quarters
    assert quarters[3] < 0.5 * quarters[0], quarters
