"""Decisions: what is offered, that propensities are what they say, that nothing but state, context and seed decides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from dataset_platform.errors import InputError
from dataset_platform.kernels.self_correction.contexts import FAILURE_MODES, Context
from dataset_platform.kernels.self_correction.policy import Outcome, Policy, PolicyConfig, load_policy, new_policy
from dataset_platform.kernels.self_correction.templates import TEMPLATES

ALGORITHMS = ("pooled", "thompson", "thompson_flat", "epsilon_greedy")
CONTEXTS = [Context("anchored", 0.2, 0), Context("unchanged_correct", 0.93, 1), Context("wavering", 0.55, 2)]


def config(algorithm: str, **more) -> PolicyConfig:
    return PolicyConfig.model_validate({"algorithm": algorithm, "arms": ("a", "b", "c"), **more})


def outcomes(count: int, arms: tuple[str, ...] = ("a", "b", "c", "none")) -> list[Outcome]:
    rng = np.random.default_rng(count)
    rows = []
    for i in range(count):
        confidence = round(float(rng.random()), 3)
        context = Context(FAILURE_MODES[rng.integers(6)], confidence, i % 4)
        arm, before = arms[rng.integers(len(arms))], float(rng.random() < confidence)
        after = before if arm == "none" else float(rng.random() < 0.5)
        rows.append(
            Outcome(f"t{i // 4}", i % 4, context, arm, 0.25, before, after, 0 if arm == "none" else 50 + i % 90)
        )
    return rows


def learned(algorithm: str, count: int = 300, **more) -> Policy:
    policy = new_policy(config(algorithm, **more))
    policy.update(outcomes(count))
    return policy


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("count", [0, 40, 400])
def test_arms_are_taken_as_often_as_the_propensities_say(algorithm: str, count: int) -> None:
    policy, rounds = learned(algorithm, count), 20_000
    for context in CONTEXTS:
        taken: Counter[str] = Counter()
        said: dict[str, float] = {}
        for seed in range(rounds):
            d = policy.decide(context, seed)
            taken[d.chosen] += 1
            assert said.setdefault(d.chosen, d.propensity) == d.propensity
        assert sum(said.values()) <= 1 + 1e-12
        for arm, p in said.items():
            assert abs(taken[arm] / rounds - p) < 4.5 * np.sqrt(p * (1 - p) / rounds)
        # an arm that was never taken can only be a rare one
        assert 1 - sum(said.values()) < 12 / rounds


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("exploration", [0.0, 0.01, 0.4])
def test_propensities_add_up_and_keep_the_floor(algorithm: str, exploration: float) -> None:
    policy = learned(algorithm, exploration=exploration)
    for context in CONTEXTS:
        propensities = policy.propensities(context)  # type: ignore[attr-defined]
        assert set(propensities) == {"none", "a", "b", "c"}
        assert sum(propensities.values()) == pytest.approx(1.0, abs=1e-12)
        assert min(propensities.values()) >= exploration / 4
        assert all(policy.decide(context, s).propensity > 0 for s in range(50))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_decision_depends_on_state_context_and_seed_alone(algorithm: str) -> None:
    policy = learned(algorithm)
    asked = [(c, s) for s in range(30) for c in CONTEXTS]
    first = [policy.decide(c, s) for c, s in asked]
    again = load_policy(json.loads(json.dumps(policy.to_state())), config(algorithm))
    # the other way round: what was asked before leaves no trace
    second = [again.decide(c, s) for c, s in reversed(asked)][::-1]
    assert first == second


def test_a_decision_is_the_same_in_every_process() -> None:
    script = (
        "from dataset_platform_tests.kernels.self_correction.policy.test_decisions import *\n"
        "print([(d.chosen, d.propensity) for a in ALGORITHMS for p in [learned(a, 60)] for c in CONTEXTS"
        " for d in [p.decide(c, 7)]])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    (only,) = said
    assert only.count("(") >= len(ALGORITHMS) * len(CONTEXTS)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_after_the_last_permitted_answer_there_is_only_the_stop(algorithm: str) -> None:
    policy = learned(algorithm, max_turns=3)
    for turn in (2, 3, 9):
        d = policy.decide(Context("anchored", 0.01, turn), 5, ["a"])
        assert (d.arms, d.chosen, d.propensity) == (("none",), "none", 1.0)
    assert len(policy.decide(Context("anchored", 0.01, 1), 5).arms) == 4


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_restricted_arms_are_all_that_is_offered(algorithm: str) -> None:
    policy = learned(algorithm, exploration=0.2)
    taken = {policy.decide(CONTEXTS[0], s, ["b"]).chosen for s in range(400)}
    assert taken == {"none", "b"}
    assert policy.decide(CONTEXTS[0], 1, ["none", "c", "b"]).arms == ("none", "b", "c")
    with pytest.raises(InputError, match="z"):
        policy.decide(CONTEXTS[0], 1, ["z"])


def test_all_templates_are_arms_by_default() -> None:
    assert new_policy(PolicyConfig()).arms == ("none", *(t.prompt_id for t in TEMPLATES))


def test_seeds_of_the_settings_change_the_draws() -> None:
    one, other = learned("pooled", 40), learned("pooled", 40, seed=1)
    assert [one.decide(CONTEXTS[0], s).chosen for s in range(200)] != [
        other.decide(CONTEXTS[0], s).chosen for s in range(200)
    ]


@pytest.mark.parametrize("algorithm", ["pooled", "thompson", "thompson_flat"])
def test_what_is_learned_is_preferred(algorithm: str) -> None:
    policy = new_policy(config(algorithm))
    wrong = Context("anchored", 0.1, 0)
    policy.update(Outcome(f"t{i}", 0, wrong, "abc"[i % 3], 1 / 4, 0.0, float(i % 3 == 1), 60) for i in range(120))
    propensities = policy.propensities(wrong)  # type: ignore[attr-defined]
    assert propensities["b"] > 0.9
