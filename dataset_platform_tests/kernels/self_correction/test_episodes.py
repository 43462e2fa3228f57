"""A conversation is a function of its answers and its seed; rewards go to the decision that caused them."""

from __future__ import annotations

import pytest

from dataset_platform.kernels.self_correction.checkers import Grade
from dataset_platform.kernels.self_correction.contexts import Context
from dataset_platform.kernels.self_correction.episodes import trace_row
from dataset_platform.kernels.self_correction.grading import grade_episodes
from dataset_platform.kernels.self_correction.outcomes_of_rows import outcomes_of_row
from dataset_platform.kernels.self_correction.policy import PolicyConfig, new_policy
from dataset_platform.kernels.self_correction.regrading import regrade
from dataset_platform.kernels.self_correction.target_policies import always, by_context, estimates, logged_decisions
from dataset_platform_tests.kernels.self_correction.conversations import CONSTANTS, episode, question


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    episodes = [episode(question(i)) for i in range(300)]
    grades = grade_episodes(episodes, {})
    return [trace_row(e, g, "gsm8k", CONSTANTS) for e, g in zip(episodes, grades, strict=True)]


def test_the_same_seed_gives_the_same_conversation_and_another_seed_another():
    def decided(seed: int) -> list[list[str]]:
        return [[t.decision.chosen for t in episode(question(i), seed=seed).turns] for i in range(40)]

    assert decided(0) == decided(0) != decided(1)


@pytest.mark.parametrize("max_turns", [1, 2, 5])
def test_no_conversation_is_longer_than_allowed(max_turns):
    for i in range(40):
        turns = episode(question(i), max_turns=max_turns).turns
        assert 1 <= len(turns) <= max_turns
        assert [t.decision.chosen == "none" for t in turns] == [False] * (len(turns) - 1) + [True]
        if len(turns) == max_turns:
            assert turns[-1].decision.arms == ("none",) and turns[-1].decision.propensity == 1.0


def test_earlier_messages_never_change():
    running = episode(question(3))
    before: list[tuple[str, str]] = []
    for n in range(len(running.turns) + 1):
        part = episode(question(3))
        part.turns = running.turns[:n]
        if part.finished:
            break
        now = part.messages()
        assert now[: len(before)] == before
        before = now


def test_rewards_belong_to_the_decision_that_caused_them(rows):
    for row in rows:
        turns = row["turns"]
        outcomes = outcomes_of_row(row, "gold")
        assert [(o.turn, o.arm) for o in outcomes] == [(i, t["chosen"]) for i, t in enumerate(turns)]
        for o in outcomes[:-1]:
            assert (o.before, o.after) == (turns[o.turn]["accuracy"], turns[o.turn + 1]["accuracy"])
            assert o.tokens == turns[o.turn + 1]["token_count"]
            assert turns[o.turn + 1]["delta_accuracy"] == o.after - o.before
        assert (outcomes[-1].arm, outcomes[-1].tokens) == ("none", 0)
        assert sum(o.after - o.before for o in outcomes) == row["final_accuracy"] - row["initial_accuracy"]


def test_gold_and_estimated_rewards_never_mix(rows):
    episodes = [episode(question(i, reference=False)) for i in range(5)]
    estimated = [trace_row(e, None, "gsm8k", CONSTANTS) for e in episodes]
    assert all(outcomes_of_row(r, "estimated") and not outcomes_of_row(r, "gold") for r in estimated)
    assert all(not outcomes_of_row(r, "estimated") for r in rows)
    assert all(r["final_accuracy"] is None and r["turns"][0]["accuracy"] is None for r in estimated)


def test_a_reference_that_cannot_be_read_spoils_its_own_trace_only():
    episodes = [episode(question(i)) for i in range(9)]
    unreadable = question(4, checker="boolq")  # a number is neither yes nor no
    episodes[4] = episode(unreadable)
    grades = grade_episodes(episodes, {})
    assert [isinstance(g, list) for g in grades] == [True] * 4 + [False] + [True] * 4
    assert isinstance(grades[4], Exception)


def test_grading_again_changes_only_what_depends_on_the_reference(rows):
    again = regrade(rows[:50], {})
    assert again == rows[:50]
    strict = regrade(
        rows[:50], {"arithmetic": "dataset_platform_tests.kernels.self_correction.test_episodes:NothingIsRight"}
    )
    for before, after in zip(rows, strict, strict=False):
        assert after["final_accuracy"] == after["initial_accuracy"] == 0.0
        assert [(t["answer"], t["chosen"], t["propensity"], t["confidence_score"]) for t in after["turns"]] == [
            (t["answer"], t["chosen"], t["propensity"], t["confidence_score"]) for t in before["turns"]
        ]


class NothingIsRight:
    """A user's checker."""

    name = "nothing"

    def grade(self, answer: str, reference: str) -> Grade:
        return Grade(False, 0.0, None)

    def grade_many(self, rows):
        return [self.grade(*row) for row in rows]

    def final_answer(self, answer: str) -> str | None:
        return None


def test_the_log_of_decisions_reproduces_its_own_value(rows):
    policy = new_policy(PolicyConfig(exploration=0.5))
    decisions = [d for row in rows for d in logged_decisions(row, 0.001)]
    assert all(len(d.arms) > 1 for d in decisions)
    found = estimates(decisions, {"itself": by_context(policy)}, behaviour=by_context(policy))["itself"]
    mean = sum(d.reward for d in decisions) / len(decisions)
    for e in found:
        if e.estimator in ("IPS", "SNIPS"):
            assert e.value == pytest.approx(mean) and e.ess == pytest.approx(len(decisions))


def test_stopping_at_once_is_known_to_earn_nothing(rows):
    decisions = [d for row in rows for d in logged_decisions(row, 0.001)]
    found = estimates(decisions, {"stop": always("none")})["stop"]
    values = [e.value for e in found if e.value is not None]
    assert values and all(v == pytest.approx(0, abs=0.05) for v in values)
    assert next(e for e in found if e.estimator == "IPS").value in (None, 0.0)


def test_a_decision_sees_no_reference():
    with_gold, without = episode(question(8)), episode(question(8, reference=False))
    assert [t.decision for t in with_gold.turns] == [t.decision for t in without.turns]
    assert all(isinstance(t.context, Context) for t in with_gold.turns)
