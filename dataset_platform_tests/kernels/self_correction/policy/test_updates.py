"""Updates: no order and no grouping shows in the state, repeats count once, costs and priors change without relearning."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from dataset_platform.errors import InputError, StateError
from dataset_platform.kernels.self_correction.contexts import Context
from dataset_platform.kernels.self_correction.policy import Outcome, PolicyConfig, load_policy, new_policy
from dataset_platform_tests.kernels.self_correction.policy.test_decisions import (
    ALGORITHMS,
    CONTEXTS,
    config,
    learned,
    outcomes,
)


def fractional(count: int) -> list[Outcome]:
    rng = np.random.default_rng(5)
    return [
        replace(o, before=float(rng.random()), after=float(rng.random())) if o.arm != "none" else o
        for o in outcomes(count)
    ]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("reward", ["gold", "estimated"])
def test_order_and_grouping_leave_no_trace(algorithm: str, reward: str) -> None:
    rows = fractional(240) if reward == "estimated" else outcomes(240)
    rng = np.random.default_rng(0)
    states, decisions = set(), set()
    for groups in (1, 1, 2, 7, 60):
        policy = new_policy(config(algorithm, reward=reward))
        for part in np.array_split(rng.permutation(len(rows)), groups):
            policy.update(rows[i] for i in part)
            policy.decide(CONTEXTS[0], 3)  # what is cached meanwhile must not stay
        states.add(json.dumps(policy.to_state()))
        decisions.add(
            tuple((d.chosen, d.propensity) for c in CONTEXTS for s in range(20) for d in [policy.decide(c, s)])
        )
    assert len(states) == 1
    assert len(decisions) == 1


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_repeats_within_a_call_count_once(algorithm: str) -> None:
    rows = outcomes(80)
    policy = new_policy(config(algorithm))
    policy.update(rows + rows[::-1])
    assert policy.to_state() == learned(algorithm, 80).to_state()


def test_contradictions_and_impossible_values_are_refused_and_change_nothing() -> None:
    policy = learned("pooled", 40)
    before = policy.to_state()
    good = Outcome("new", 0, CONTEXTS[0], "a", 0.5, 0.0, 1.0, 10)
    for bad, said in (
        (replace(good, after=0.0), "Two different"),
        (replace(good, turn=1, before=1.5), "accuracies"),
        (replace(good, turn=1, after=float("nan")), "accuracies"),
        (replace(good, turn=1, tokens=-1), "tokens"),
        (replace(good, turn=1, arm="z"), "unknown arms: z"),
    ):
        with pytest.raises(InputError, match=said):
            policy.update([good, bad])
    assert policy.to_state() == before


def test_the_stop_teaches_nothing_but_how_far_confidences_can_be_trusted() -> None:
    policy = new_policy(config("pooled"))
    policy.update(Outcome(f"t{i}", 0, Context("anchored", 0.25, 0), "none", 1.0, 1.0, 1.0, 0) for i in range(200))
    state = policy.to_state()
    assert state["cells"] == {} and state["outcomes"] == 0 and state["stopped"] == 200
    assert policy.right(0.25) > 0.9  # type: ignore[attr-defined]
    assert policy.right(0.75) > 0.75  # type: ignore[attr-defined]


@pytest.mark.parametrize("algorithm", ["pooled", "thompson", "thompson_flat"])
def test_the_token_cost_changes_without_learning_again(algorithm: str) -> None:
    dear = load_policy(learned(algorithm, token_cost=0.0).to_state(), config(algorithm, token_cost=0.02))
    anew = learned(algorithm, token_cost=0.02)
    assert [dear.decide(c, s) for c in CONTEXTS for s in range(50)] == [
        anew.decide(c, s) for c in CONTEXTS for s in range(50)
    ]
    # 0.02 times 50 and more tokens: nothing gains so much
    assert all(dear.decide(c, s).propensity for c in CONTEXTS for s in range(5))
    assert dear.propensities(CONTEXTS[0])["none"] > learned(algorithm, token_cost=0.0).propensities(CONTEXTS[0])["none"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_state_is_complete_and_json(algorithm: str) -> None:
    policy = learned(algorithm)
    again = load_policy(json.loads(json.dumps(policy.to_state())), config(algorithm))
    more = [replace(o, trace_id=f"later_{o.trace_id}") for o in outcomes(60)]
    policy.update(more)
    again.update(more)
    assert again.to_state() == policy.to_state()
    assert again.parameters() == policy.parameters()
    assert json.loads(json.dumps(again.parameters()))["algorithm"] == algorithm


def test_a_state_of_another_kind_is_refused() -> None:
    state = learned("pooled").to_state()
    for wrong, said in (
        (config("thompson"), "algorithm"),
        (config("pooled", reward="estimated"), "reward"),
        (config("pooled", arms=("a", "b")), "gone: c"),
    ):
        with pytest.raises(StateError, match=said):
            load_policy(state, wrong)
    with pytest.raises(StateError, match="version"):
        load_policy({**state, "version": 99}, config("pooled"))
    with pytest.raises(StateError, match="incomplete"):
        load_policy({k: v for k, v in state.items() if k != "cells"}, config("pooled"))


def test_an_arm_can_be_added() -> None:
    policy = load_policy(learned("pooled").to_state(), config("pooled", arms=("a", "b", "c", "d")))
    assert policy.decide(CONTEXTS[0], 1).arms == ("none", "a", "b", "c", "d")


def test_an_online_policy_recalibrates_every_hundred_traces() -> None:
    policy = new_policy(config("pooled", update="online"))
    corrections = []
    for i in range(250):
        policy.update([Outcome(f"t{i}", 0, Context("anchored", 0.25, 0), "none", 1.0, 1.0, 1.0, 0)])
        corrections.append(policy.right(0.25))  # type: ignore[attr-defined]
    changes = [i + 1 for i in range(1, 250) if corrections[i] != corrections[i - 1]]
    assert changes == [100, 200]
    again = load_policy(policy.to_state(), config("pooled", update="online"))
    assert again.right(0.25) == corrections[-1]  # type: ignore[attr-defined]
    assert again.to_state() == policy.to_state()


def test_arms_of_the_settings_must_be_distinct() -> None:
    for arms in ((), ("none",), ("a", "a")):
        with pytest.raises(ValueError, match="each once"):
            PolicyConfig(arms=arms)
    assert PolicyConfig(arms=("a", "none")).arms == ("a",)
