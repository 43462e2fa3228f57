"""A testbed in which every counterfactual is known: real answers of four models to the GSM8K test questions.

OpenAI's ``example_model_solutions.jsonl`` (github.com/openai/grade-school-math, MIT) holds, for each of 1,319 questions,
the answers of four models and whether each is right. One model's answer is turn 0, "ask another model" are the actions,
the reward is accuracy after minus before, minus the token cost times 1.3 tokens per word of the new answer. What every
action would have earned is known, so true regret is too. Gold is used for rewards only: a context is made from what the
base answer itself shows.

``python -m dataset_platform.kernels.self_correction.testbed PATH`` prints the table of all policies; PATH is the folder
with the two files.
"""

from __future__ import annotations

import argparse
import ast
import json
import operator
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_platform.errors import InputError
from dataset_platform.kernels.self_correction.contexts import Context
from dataset_platform.kernels.self_correction.policy import Outcome, Policy, PolicyConfig, new_policy
from dataset_platform.kernels.self_correction.templates import NONE

MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
TOKENS_PER_WORD = 1.3
BARS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("6b_finetuning", ("6b_verification", "175b_finetuning", "175b_verification")),
    ("6b_verification", ("6b_finetuning", "175b_finetuning")),
)
"""Base model and arms: one where asking again helps, one where it harms whatever is asked."""


@dataclass(frozen=True)
class FullInformation:
    """Questions for which the outcome of every action is known; N questions, A arms.

    Attributes:
        questions: identities, N.
        contexts: what a decision may see, N.
        before: accuracy of the answer at hand, (N,).
        after: accuracy of each arm's answer, (N, A).
        tokens: tokens of each arm's call, (N, A) integers.
        arms: names of the A arms; ``none`` is not among them.
    """

    questions: tuple[str, ...]
    contexts: tuple[Context, ...]
    before: np.ndarray
    after: np.ndarray
    tokens: np.ndarray
    arms: tuple[str, ...]

    def rewards(self, token_cost: float) -> np.ndarray:
        """Reward of ``none`` (0) and of each arm, (N, A + 1)."""
        earned = self.after - self.before[:, None] - token_cost * self.tokens
        return np.concatenate([np.zeros((len(earned), 1)), earned], axis=1)


@dataclass(frozen=True)
class Run:
    """One pass over a testbed.

    Attributes:
        rewards: per round, (N,).
        regret: per round, what the best fixed arm (stopping included) earns on this very question minus what was
            earned, (N,). Its sum falls below 0 where a policy that minds the context beats every fixed arm.
        actions: per round, index of the arm taken; 0 is ``none``, (N,).
    """

    rewards: np.ndarray
    regret: np.ndarray
    actions: np.ndarray


@dataclass(frozen=True)
class Comparison:
    """A row of the table.

    Attributes:
        policy: its name; "always ..." and "oracle" are references, known without a run.
        mean_reward: per question, over all seeds.
        standard_error: of that mean, from the spread over seeds; 0 for references.
        gain: mean accuracy after minus before, so without the token cost.
        shares: how often each arm was taken.
    """

    policy: str
    mean_reward: float
    standard_error: float
    gain: float
    shares: dict[str, float]


def load_gsm8k(folder: str | Path, base: str, arms: Sequence[str]) -> FullInformation:
    """The testbed of one base model.

    Args:
        folder: where ``example_model_solutions.jsonl`` and ``test.jsonl`` are.
        base: the model whose answer is turn 0, one of ``MODELS``.
        arms: the models to ask instead.

    Raises:
        InputError: a file is missing, or its rows are not those of the published file.
    """
    folder = Path(folder)
    try:
        rows = [json.loads(line) for line in (folder / "example_model_solutions.jsonl").open(encoding="utf-8")]
        asked = [json.loads(line)["question"] for line in (folder / "test.jsonl").open(encoding="utf-8")]
        if [r["question"] for r in rows] != asked:
            raise InputError(f"The two files in {folder} hold different questions.", "Take both from the same release.")
        return FullInformation(
            questions=tuple(f"gsm8k_test_{i}" for i in range(len(rows))),
            contexts=tuple(first_context(r[base]["solution"]) for r in rows),
            before=np.array([float(r[base]["is_correct"]) for r in rows]),
            after=np.array([[float(r[a]["is_correct"]) for a in arms] for r in rows]),
            tokens=np.array([[round(TOKENS_PER_WORD * len(r[a]["solution"].split())) for a in arms] for r in rows]),
            arms=tuple(arms),
        )
    except OSError as e:
        raise InputError(f"Cannot read {e.filename}: {e.strerror}.", "Name the folder of the GSM8K files.") from None
    except (KeyError, TypeError, ValueError) as e:
        raise InputError(
            f"{folder} has rows that are not the published ones: {e!r}.", "Fetch the files again."
        ) from None


_ANNOTATION = re.compile(r"<<([-+*/().\d\s]+)=\s*(-?[\d.]+)\s*>>")
_FINAL = re.compile(r"^(?:A:|####)\s*\$?-?[\d.,]+", re.MULTILINE)


def first_context(answer: str) -> Context:
    """What an answer shows of itself, without its reference.

    The confidence is a guess to start from, which policies correct by what they see: an answer that miscalculates or
    does not come to an end is hardly ever right; of the others, one with more steps had more chances to go wrong.
    """
    if _miscalculates(answer) or not _FINAL.search(answer):
        confidence = 0.05
    else:
        steps = max(len(answer.strip().splitlines()) - 1, 1)
        confidence = 0.85**steps
    return Context(
        "unchanged_correct" if confidence >= 0.5 else "anchored", round(min(max(confidence, 0.05), 0.95), 4), 0
    )


_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def _miscalculates(answer: str) -> bool:
    """Whether a ``<<a=b>>`` annotation is off by more than a rounding of one percent."""
    for left, right in _ANNOTATION.findall(answer):
        try:
            value, stated = _evaluate(ast.parse(left.strip(), mode="eval").body), float(right)
        except (SyntaxError, ValueError, ZeroDivisionError, OverflowError):
            continue
        if abs(value - stated) > 0.01 * max(1.0, abs(value)):
            return True
    return False


def _evaluate(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_evaluate(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_evaluate(node.left), _evaluate(node.right))
    raise ValueError("not plain arithmetic")


def run(policy: Policy, testbed: FullInformation, seed: int, token_cost: float, update_every: int = 1) -> Run:
    """Plays a policy through all questions, in an order drawn by ``seed``.

    Args:
        policy: is changed by what it learns.
        testbed: has the policy's arms.
        seed: of the order and of the decisions.
        token_cost: reward lost per token, as in the policy's settings.
        update_every: questions between two updates; 1 updates after each, a day's worth is what ``daily`` does.

    Raises:
        InputError: ``update_every`` is under 1.
    """
    if update_every < 1:
        raise InputError(f"update_every is {update_every}.", "Update after 1 or more questions.")
    paid = testbed.rewards(token_cost)
    order = np.random.default_rng(seed).permutation(len(paid))
    column = {a: i for i, a in enumerate((NONE, *testbed.arms))}
    actions = np.zeros(len(paid), dtype=np.int64)
    waiting: list[Outcome] = []
    for t, q in enumerate(order):
        context, name = testbed.contexts[q], testbed.questions[q]
        decision = policy.decide(context, seed * len(paid) + t, (NONE, *testbed.arms))
        actions[t] = a = column[decision.chosen]
        before = float(testbed.before[q])
        after, tokens = (float(testbed.after[q, a - 1]), int(testbed.tokens[q, a - 1])) if a else (before, 0)
        waiting.append(
            Outcome(name, context.turn, context, decision.chosen, decision.propensity, before, after, tokens)
        )
        if len(waiting) == update_every:
            policy.update(waiting)
            waiting = []
    policy.update(waiting)
    in_order = paid[order]
    rewards = in_order[np.arange(len(order)), actions]
    return Run(rewards, in_order[:, int(paid.mean(axis=0).argmax())] - rewards, actions)


def compare(
    testbed: FullInformation, policies: dict[str, PolicyConfig], seeds: Iterable[int], update_every: int = 1
) -> list[Comparison]:
    """Each policy's mean reward over seeds, beside every fixed arm and the oracle.

    Args:
        testbed: all counterfactuals.
        policies: settings by name; arms and seed are set here, all must share one ``token_cost``.
        seeds: one run per seed and policy.
        update_every: as in ``run``.
    """
    seeds = list(seeds)
    (token_cost,) = {c.token_cost for c in policies.values()}
    paid = testbed.rewards(token_cost)
    gains = np.concatenate([np.zeros((len(paid), 1)), testbed.after - testbed.before[:, None]], axis=1)
    names = (NONE, *testbed.arms)
    table = [
        Comparison(f"always {a}", float(paid[:, i].mean()), 0.0, float(gains[:, i].mean()), {a: 1.0})
        for i, a in enumerate(names)
    ]
    best = paid.argmax(axis=1)
    table.append(
        _row("oracle", [float(paid.max(axis=1).mean())], [float(gains[np.arange(len(best)), best].mean())], best, names)
    )
    for name, config in policies.items():
        means, gained, taken = [], [], []
        for seed in seeds:
            settings = config.model_copy(update={"arms": testbed.arms, "seed": seed})
            done = run(new_policy(settings), testbed, seed, token_cost, update_every)
            order = np.random.default_rng(seed).permutation(len(paid))
            means.append(float(done.rewards.mean()))
            gained.append(float(gains[order, done.actions].mean()))
            taken.append(done.actions)
        table.append(_row(name, means, gained, np.concatenate(taken), names))
    return table


def _row(name: str, means: list[float], gained: list[float], actions: np.ndarray, arms: Sequence[str]) -> Comparison:
    error = float(np.std(means, ddof=1) / np.sqrt(len(means))) if len(means) > 1 else 0.0
    shares = np.bincount(actions, minlength=len(arms)) / len(actions)
    return Comparison(
        name, float(np.mean(means)), error, float(np.mean(gained)), dict(zip(arms, shares.tolist(), strict=True))
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description="Reprompt-template selection where every counterfactual is known.")
    parser.add_argument("path", type=Path, help="folder with GSM8K's example_model_solutions.jsonl and test.jsonl")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--update-every", type=int, default=1, help="questions between two updates")
    parser.add_argument("--token-cost", type=float, default=0.001)
    given = parser.parse_args(arguments)
    algorithms = ("pooled", "thompson_flat", "thompson", "epsilon_greedy")
    policies = {a: PolicyConfig.model_validate({"algorithm": a, "token_cost": given.token_cost}) for a in algorithms}
    for base, arms in BARS:
        testbed = load_gsm8k(given.path, base, arms)
        print(
            f"base {base} (accuracy {testbed.before.mean():.4f}), arms {', '.join(arms)}; reward = accuracy gained "
            f"- {given.token_cost} x {TOKENS_PER_WORD} x words; {len(testbed.before)} questions, {given.seeds} seeds"
        )
        for row in compare(testbed, policies, range(given.seeds), given.update_every):
            shares = "  ".join(f"{a} {s:.3f}" for a, s in row.shares.items())
            error = f"± {row.standard_error:.4f}" if row.standard_error else " " * 8
            print(f"  {row.policy:<26}{row.mean_reward:>8.4f} {error}  accuracy {row.gain:+.4f}  {shares}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
