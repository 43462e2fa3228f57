"""Off-policy estimates: truth known by construction, coverage, refusals, and the Open Bandit logs."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from dataset_platform.errors import InputError
from dataset_platform.kernels.self_correction.estimators import (
    ESTIMATORS,
    Estimator,
    columns,
    effective_sample_size,
    switch_threshold,
)
from dataset_platform.kernels.self_correction.intervals import bootstrap_many, wilson
from dataset_platform.kernels.self_correction.off_policy import (
    Log,
    OffPolicyConfig,
    estimate,
    estimate_all,
)
from dataset_platform.kernels.self_correction.reward_model import cross_fitted_q

WEIGHTED: tuple[Estimator, ...] = ("IPS", "SNIPS", "DR", "SNDR", "Switch-DR")


@dataclass(frozen=True)
class World:
    """A contextual bandit of which everything is known: contexts, mean rewards and two policies."""

    contexts: np.ndarray  # (contexts,)
    mean: np.ndarray  # (contexts, actions)
    logging: np.ndarray
    target: np.ndarray
    lane: bool  # rewards as in self-correction: a change of accuracy less the cost of tokens; else clicks

    @property
    def truth(self) -> float:
        return float(np.sum(self.contexts[:, None] * self.target * self.mean))

    def draw(self, logs: int, rows: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Arrays (logs, rows), the model being means of other folds' cells, shrunk to the folds' mean."""
        x = rng.choice(len(self.contexts), p=self.contexts, size=(logs, rows))
        kinds, actions = self.mean.shape
        steps = self.logging.cumsum(axis=1)[x]
        a = np.minimum((rng.random((logs, rows))[..., None] > steps).sum(axis=-1), actions - 1)
        mean, luck = self.mean[x, a], rng.random((logs, rows))
        if self.lane:
            change = np.where(luck < 0.15 + mean / 2, 1.0, np.where(luck < 0.3, -1.0, 0.0))
            r = change - 0.001 * (rng.gamma(4, 25, (logs, rows)) - 100)
        else:
            r = (luck < mean).astype(float)
        log, fold = np.arange(logs)[:, None], np.arange(rows) % 5
        cell = (((log * 5 + fold) * kinds + x) * actions + a).ravel()
        shape = (logs, 5, kinds, actions)
        count = np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape)
        total = np.bincount(cell, weights=r.ravel(), minlength=int(np.prod(shape))).reshape(shape)
        count, total = count.sum(axis=1, keepdims=True) - count, total.sum(axis=1, keepdims=True) - total
        prior = (total.sum(axis=(2, 3)) / count.sum(axis=(2, 3)))[..., None, None]
        q = (total + 4 * prior) / (count + 4)
        return {
            "x": x,
            "a": a,
            "reward": r,
            "propensity": self.logging[x, a],
            "target": self.target[x, a],
            "q_logged": q[log, fold, x, a],
            "q_target": np.sum(q * self.target, axis=-1)[log, fold, x],
        }

    def log(self, rows: int, seed: int) -> Log:
        drawn = self.draw(1, rows, np.random.default_rng(seed))
        names = ("reward", "propensity", "target", "q_logged", "q_target")
        x = drawn["x"][0]
        every = {"propensity_all": self.logging[x], "target_all": self.target[x]}
        return Log(**{name: drawn[name][0] for name in names}, **every)


def world(seed: int = 3, skew: float = 1.0, lane: bool = False, rare: float | None = None) -> World:
    """Policies that disagree by ``skew``; ``rare`` gives one context in a hundred actions logged that seldom."""
    rng = np.random.default_rng(seed)
    contexts = rng.dirichlet(np.full(12, 3.0))
    mean = rng.uniform(-0.2, 0.3, (12, 5)) if lane else rng.uniform(0.05, 0.6, (12, 5))

    def softmax(scores: np.ndarray) -> np.ndarray:
        return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)

    logging = 0.01 + 0.95 * softmax(skew * rng.normal(size=(12, 5)))
    target = softmax(skew * (mean - mean.mean()) / mean.std())
    if rare is not None:
        contexts[0] = 0.01
        contexts /= contexts.sum()
        logging[0], target[0] = rare / 4, 0.225
        logging[0, 0], target[0, 0] = 1 - rare, 0.1
    return World(contexts, mean, logging, target, lane)


def covered(of: World, rows: int, logs: int, seed: int) -> dict[str, float]:
    """Share of 95 % intervals that hold the truth, by estimator, through the code that `estimate` runs."""
    rng, hits = np.random.default_rng(seed), dict.fromkeys(WEIGHTED, 0)
    for chunk in range(logs // 100):
        drawn = of.draw(100, rows, rng)
        weight, reward = drawn["target"] / drawn["propensity"], drawn["reward"]
        x, q, v = drawn["x"], drawn["q_logged"], drawn["q_target"]
        tau = [
            switch_threshold(reward[i], weight[i], q[i], v[i], None, of.logging[x[i]], of.target[x[i]])
            for i in range(100)
        ]
        for name in WEIGHTED:
            table, statistic = columns(name, reward, weight, q, v, np.array(tau)[:, None])
            _, low, high = bootstrap_many(table, statistic, replicates=400, seed=chunk)
            hits[name] += int(np.sum((low <= of.truth) & (of.truth <= high)))
    return {name: count / logs for name, count in hits.items()}


@pytest.mark.parametrize("lane", [False, True])
def test_intervals_cover_at_their_level(lane: bool) -> None:
    found = covered(world(lane=lane), rows=400, logs=2_000, seed=1)
    assert all(0.93 <= share <= 0.97 for share in found.values()), found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "rows"),
    [
        ({"skew": 1.0}, 200),
        ({"skew": 1.0, "lane": True}, 200),
        ({"skew": 1.0}, 2_000),
        ({"skew": 1.6}, 2_000),
        ({"skew": 1.6, "lane": True}, 2_000),
        ({"skew": 1.0, "rare": 0.02}, 2_000),
        ({"skew": 1.0, "rare": 0.005}, 2_000),
    ],
)
def test_intervals_cover_with_small_and_large_logs_and_skewed_weights(settings: dict, rows: int) -> None:
    found = covered(world(**settings), rows=rows, logs=2_000, seed=2)
    assert all(0.93 <= share <= 0.97 for share in found.values()), found


def test_every_estimator_is_near_the_truth_of_a_large_log() -> None:
    of = world()
    for found in estimate_all(of.log(50_000, 5), OffPolicyConfig(replicates=200)):
        assert found.identifiable
        assert found.value == pytest.approx(of.truth, abs=0.02)
        if found.estimator == "DM":
            assert found.low is found.high is None
            assert "model" in found.reason
        else:
            assert found.low < found.value < found.high
            assert found.high - found.low < 0.05


def test_logging_policy_evaluated_on_its_own_log_is_the_mean_reward() -> None:
    log = world().log(1_000, 6)
    log = replace(log, target=log.propensity)
    for name in ("IPS", "SNIPS"):
        found = estimate(log, name)
        assert found.value == pytest.approx(log.reward.mean())
        assert found.ess == pytest.approx(1_000)
        assert found.max_weight == 1


def test_identities_between_estimators() -> None:
    log = world().log(2_000, 7)
    zero = replace(log, q_logged=np.zeros(2_000), q_target=np.zeros(2_000))
    config = OffPolicyConfig(switch_threshold=1e9)
    fields = ("value", "low", "high")

    def figures(*arguments) -> tuple:
        return tuple(getattr(estimate(*arguments), name) for name in fields)

    assert figures(zero, "DR") == figures(zero, "IPS")
    assert figures(zero, "SNDR") == pytest.approx(figures(zero, "SNIPS"))
    assert figures(log, "Switch-DR", config) == figures(log, "DR")
    nothing_weighted = estimate(log, "Switch-DR", OffPolicyConfig(switch_threshold=1e-9))
    assert nothing_weighted.value == pytest.approx(estimate(log, "DM").value)
    assert nothing_weighted.clipped_share == 1
    # SNIPS does not move when rewards are shifted by a constant: IPS does
    shifted = replace(log, reward=log.reward + 10)
    assert estimate(shifted, "SNIPS").value == pytest.approx(estimate(log, "SNIPS").value + 10)
    assert abs(estimate(shifted, "IPS").value - estimate(log, "IPS").value - 10) > 1e-3


def test_a_good_model_shortens_the_interval_and_switching_lessens_the_error() -> None:
    of = world(rare=0.005)
    rng, errors = np.random.default_rng(8), {"DR": [], "Switch-DR": [], "IPS": []}
    drawn = of.draw(300, 1_500, rng)
    for i in range(300):
        x = drawn["x"][i]
        weight = drawn["target"][i] / drawn["propensity"][i]
        parts = (drawn["reward"][i], weight, drawn["q_logged"][i], drawn["q_target"][i])
        tau = switch_threshold(*parts, None, of.logging[x], of.target[x])
        for name in errors:
            errors[name].append(columns(name, *parts, tau)[0].mean() - of.truth)
    rmse = {name: float(np.sqrt(np.mean(np.square(found)))) for name, found in errors.items()}
    assert rmse["DR"] < 0.95 * rmse["IPS"]
    assert rmse["Switch-DR"] < 0.95 * rmse["DR"]


def test_rows_in_another_order_give_the_same_answer() -> None:
    log = world(skew=1.6).log(1_500, 9)
    order = np.random.default_rng(1).permutation(1_500)
    arrays = {name: getattr(log, name)[order] for name in log.__slots__ if getattr(log, name) is not None}
    for one, other in zip(estimate_all(log), estimate_all(Log(**arrays)), strict=True):
        assert one.identifiable == other.identifiable
        for name in ("value", "low", "high", "ess"):
            if getattr(one, name) is None:
                assert getattr(other, name) is None
            else:
                assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-12, abs=1e-15)


def test_turns_of_one_trace_are_not_independent_rows() -> None:
    log = world().log(600, 10)
    doubled = Log(**{n: np.tile(getattr(log, n), (4,) + (1,) * (np.ndim(getattr(log, n)) - 1)) for n in (
        "reward", "propensity", "target", "q_logged", "q_target", "propensity_all", "target_all")})  # fmt: skip
    grouped = replace(doubled, group=np.tile(np.arange(600), 4))
    for name in WEIGHTED:
        once, naive, known = estimate(log, name), estimate(doubled, name), estimate(grouped, name)
        assert known.value == pytest.approx(once.value)
        assert known.high - known.low == pytest.approx(once.high - once.low, rel=0.1)
        assert naive.high - naive.low == pytest.approx((once.high - once.low) / 2, rel=0.1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda log: {"propensity": np.where(np.arange(500) == 3, 0.0, log.propensity)}, "propensity"),
        (lambda log: {"propensity": np.where(np.arange(500) == 3, np.nan, log.propensity)}, "propensity"),
        (lambda log: {"propensity": np.where(np.arange(500) == 3, 1.01, log.propensity)}, "propensity"),
        (lambda log: {"target": np.where(np.arange(500) == 3, -0.1, log.target)}, "target probability"),
        (lambda log: {"target": np.where(np.arange(500) < 2, 1.0, 0.0)}, "effective sample size"),
        (lambda log: {"target": np.zeros(500)}, "effective sample size 0.0"),
        (lambda log: {"propensity": log.propensity / 2}, "mean"),
        (lambda log: {"target": log.target * 0.5}, "mean"),
    ],
)
def test_what_a_log_cannot_tell_is_refused(change, words: str) -> None:
    log = world().log(500, 11)
    assert all(found.identifiable for found in estimate_all(log))
    broken = replace(log, **change(log))
    for found in estimate_all(broken):
        assert words in found.reason
        if found.estimator == "DM":  # needs no weights, and says that nothing checks it
            assert found.value is not None and "model" in found.reason and found.low is None
        else:
            assert not found.identifiable
            assert found.value is found.low is found.high is None
        json.dumps(found.to_dict(), allow_nan=False)


def test_a_collapsed_log_is_refused_whatever_its_length() -> None:
    rng = np.random.default_rng(12)
    for rows in (1_000, 30_000):
        propensity = np.full(rows, 0.9)
        propensity[:2] = 1e-6  # the two rows that the target would have taken
        target = np.where(propensity < 0.5, 1.0, 0.01)
        found = estimate(Log(rng.random(rows), propensity, target), "SNIPS")
        assert found.ess == pytest.approx(2, abs=0.1)
        assert not found.identifiable
        assert "effective sample size 2.0" in found.reason


def test_actions_that_the_log_never_takes_are_noticed() -> None:
    of = world()
    logging = of.logging.copy()
    logging[:, 0] = 0
    logging /= logging.sum(axis=1, keepdims=True)
    found = estimate(replace(of, logging=logging).log(5_000, 13), "IPS")
    assert not found.identifiable
    assert "lacks actions" in found.reason


def test_short_logs_and_missing_models_are_refused_and_equal_rewards_have_no_interval() -> None:
    log = world().log(49, 14)
    assert all(not found.identifiable and "fewer than 50" in found.reason for found in estimate_all(log))
    log = replace(world().log(500, 14), q_logged=None, q_target=None)
    assert [found.estimator for found in estimate_all(log) if found.identifiable] == ["IPS", "SNIPS"]
    traces = replace(log, group=np.arange(500) // 20)
    assert "25 rows or groups" in estimate(traces, "IPS").reason
    nothing = estimate(replace(log, reward=np.zeros(500)), "SNIPS")
    assert nothing.value == 0
    assert nothing.low is nothing.high is None
    assert "equal" in nothing.reason


def test_caps_and_doubts_are_said() -> None:
    log = world(skew=1.6).log(2_000, 15)
    capped = estimate(log, "IPS", OffPolicyConfig(clip=2.0))
    assert capped.clipped_share == pytest.approx(np.mean(log.target / log.propensity > 2))
    assert "capped at 2" in capped.reason
    assert capped.value < estimate(log, "IPS").value
    ess = effective_sample_size(log.target / log.propensity)
    near = estimate(log, "IPS", OffPolicyConfig(ess_rows=ess / 1.2))
    assert near.identifiable and "near its floor" in near.reason
    assert not estimate(log, "IPS", OffPolicyConfig(ess_rows=ess * 1.01)).identifiable
    few = replace(log, reward=(np.arange(2_000) < 3).astype(float))
    assert "carry the variance" in estimate(few, "IPS").reason


@pytest.mark.parametrize(
    "log",
    [
        Log(np.zeros(60), np.ones(59), np.ones(60)),
        Log(np.full(60, np.nan), np.ones(60), np.ones(60)),
        Log(np.zeros(60), np.ones(60), np.ones(60), np.full(60, np.inf), np.zeros(60)),
        Log(np.zeros((60, 2)), np.ones((60, 2)), np.ones((60, 2))),
        Log(np.zeros(60), np.ones(60), np.ones(60), propensity_all=np.ones((60, 2))),
    ],
)
def test_columns_that_do_not_fit_are_refused(log: Log) -> None:
    with pytest.raises(InputError):
        estimate(log, "IPS")
    with pytest.raises(InputError):
        estimate(world().log(60, 1), "MAGIC")


def test_cross_fitted_model_learns_and_never_sees_its_own_row() -> None:
    of = world()
    drawn = of.draw(1, 4_000, np.random.default_rng(16))
    x, a, r = drawn["x"][0], drawn["a"][0], drawn["reward"][0]
    features = np.eye(12)[x]
    q = cross_fitted_q(features, a, r, 5)
    assert np.sqrt(np.mean((q - of.mean[x]) ** 2)) < 0.6 * of.mean.std()
    assert np.array_equal(q, cross_fitted_q(features, a, r, 5))
    changed = r.copy()
    changed[7] += 100
    moved = np.any(cross_fitted_q(features, a, changed, 5) != q, axis=1)
    assert not moved[7] and moved.mean() > 0.7
    # nor the other rows of its trace
    group = np.arange(4_000) // 4
    moved = np.any(
        cross_fitted_q(features, a, changed, 5, group=group) != cross_fitted_q(features, a, r, 5, group=group), axis=1
    )
    assert not moved[4:8].any()
    # an action never logged takes what the contexts say
    unseen = cross_fitted_q(features, a, r, 6)
    assert np.all(np.isfinite(unseen[:, 5]))
    assert np.corrcoef(unseen[:, 5], np.sum(of.logging * of.mean, axis=1)[x])[0, 1] > 0.7


def test_doubly_robust_with_the_cross_fitted_model_covers() -> None:
    of, inside = world(), []
    drawn = of.draw(300, 500, np.random.default_rng(17))
    for i in range(300):
        x, a = drawn["x"][i], drawn["a"][i]
        q = cross_fitted_q(np.eye(12)[x], a, drawn["reward"][i], 5, seed=i)
        log = Log(
            drawn["reward"][i],
            drawn["propensity"][i],
            drawn["target"][i],
            q[np.arange(500), a],
            np.sum(q * of.target[x], axis=1),
        )
        found = estimate(log, "DR", OffPolicyConfig(replicates=500, seed=i))
        inside.append(found.low <= of.truth <= found.high)
    assert 0.92 <= np.mean(inside) <= 0.98


@pytest.mark.parametrize(
    "call",
    [
        lambda: cross_fitted_q(np.ones((4, 1)), np.zeros(3, int), np.ones(4), 2),
        lambda: cross_fitted_q(np.ones((4, 1)), np.array([0, 1, 2, 0]), np.ones(4), 2, folds=2),
        lambda: cross_fitted_q(np.ones((4, 1)), np.zeros(4), np.ones(4), 2, folds=2),
        lambda: cross_fitted_q(np.ones((4, 1)), np.zeros(4, int), np.ones(4), 2, folds=5),
        lambda: cross_fitted_q(np.full((4, 1), np.nan), np.zeros(4, int), np.ones(4), 2, folds=2),
    ],
)
def test_a_model_of_nonsense_is_refused(call) -> None:
    with pytest.raises(InputError):
        call()


def load_obd(path: Path) -> dict[str, np.ndarray]:
    """Columns of an Open Bandit log: click, propensity of the shown item at its position, item, position."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    names = {"click": float, "propensity_score": float, "item_id": int, "position": int}
    return {name: np.array([kind(row[name]) for row in rows]) for name, kind in names.items()}


def test_random_policy_from_the_thompson_log_of_open_bandit(real_data: Path) -> None:
    bts, random = load_obd(real_data / "obd" / "bts_men.csv"), load_obd(real_data / "obd" / "random_men.csv")
    truth = random["click"].mean()
    assert truth == pytest.approx(0.0046)
    log = Log(bts["click"], bts["propensity_score"], np.full(10_000, 1 / 34))
    ips, snips = estimate(log, "IPS"), estimate(log, "SNIPS")
    assert ips.value == pytest.approx(0.00301, abs=5e-6)
    assert snips.value == pytest.approx(0.00319, abs=5e-6)
    for found in (ips, snips):
        assert found.identifiable
        assert found.ess == pytest.approx(656, abs=1)
        assert found.max_weight == pytest.approx(178, abs=1)
        assert "carry the variance" in found.reason
    # not by the luck of one seed
    for seed in range(8):
        found = estimate(log, "SNIPS", OffPolicyConfig(seed=seed, replicates=1_000))
        assert found.low < truth < found.high


def test_models_for_the_open_bandit_log_agree_with_the_random_log(real_data: Path) -> None:
    bts = load_obd(real_data / "obd" / "bts_men.csv")
    position = np.eye(3)[bts["position"] - bts["position"].min()]
    q = cross_fitted_q(position, bts["item_id"], bts["click"], 34)
    log = Log(
        bts["click"],
        bts["propensity_score"],
        np.full(10_000, 1 / 34),
        q[np.arange(10_000), bts["item_id"]],
        q.mean(axis=1),
    )
    found = {row.estimator: row for row in estimate_all(log)}
    assert set(found) == set(ESTIMATORS)
    shown = wilson(46, 10_000)  # what the random log itself leaves open
    for name in ("DR", "SNDR", "Switch-DR"):
        assert found[name].low < shown.high and shown.low < found[name].high
    assert 0 < found["DM"].value < 0.02


def test_policies_that_the_open_bandit_log_hardly_follows_are_refused(real_data: Path) -> None:
    bts = load_obd(real_data / "obd" / "bts_men.csv")
    told = []
    for item in range(34):
        log = Log(bts["click"], bts["propensity_score"], (bts["item_id"] == item).astype(float))
        found = estimate(log, "SNIPS", OffPolicyConfig(replicates=100))
        told.append(found.identifiable)
        if found.ess < 100:
            assert not found.identifiable
    assert 0 < sum(told) < 34
