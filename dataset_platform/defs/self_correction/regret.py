"""Regret where every outcome is known: GSM8K with four models' answers, or the day's arithmetic with the simulated model.

Asked of the algorithm in force and of its rivals, beside each other, from their priors: how much less than the best fixed
action each earns while it learns. It tells how well an algorithm learns, not how good the day's policy is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataset_platform.contracts import Traces
from dataset_platform.defs.days import Day
from dataset_platform.lake.turn_columns import turns_by_trace

if TYPE_CHECKING:
    from dataset_platform.kernels.self_correction.testbed import FullInformation

ALGORITHMS = ("pooled", "thompson_flat", "thompson", "epsilon_greedy")
SIMULATED_QUESTIONS = 150
UPDATE_EVERY = 10
CURVE_POINTS = 200


def regret(day: Day) -> dict[str, Any]:
    """Mean reward and cumulative regret of every algorithm; a note says what it was measured on, or why it was not."""
    from dataset_platform.kernels.self_correction.testbed import BARS, load_gsm8k

    settings = day.config.self_correction.evaluation
    if settings.testbed:
        base, arms = BARS[0]
        testbed = load_gsm8k(settings.testbed, base, arms)
        note = (
            f"GSM8K's published answers: base {base}, actions ask {', '.join(arms)}; reward = change in accuracy "
            "- token cost x 1.3 x words; gold is used for rewards only"
        )
        return _run(day, testbed, settings.testbed_seeds) | {"note": note}
    found = _simulated(day)
    if found is None:
        return {
            "note": "not run: name self_correction.evaluation.testbed, a folder with GSM8K's published model answers"
        }
    note = (
        f"SIMULATED: {len(found.questions)} of the day's questions, every template asked after the first answer of the "
        "simulated model; reward = change in accuracy - token cost x tokens"
    )
    return _run(day, found, min(3, settings.testbed_seeds)) | {"note": note}


def _run(day: Day, testbed: FullInformation, seeds: int) -> dict[str, Any]:
    import numpy as np

    from dataset_platform.kernels.self_correction.policy import new_policy
    from dataset_platform.kernels.self_correction.testbed import run

    policy = day.config.self_correction.policy
    paid = testbed.rewards(policy.token_cost)
    lines, means = {}, {}
    for algorithm in ALGORITHMS:
        runs = []
        for seed in range(seeds):
            config = policy.model_copy(update={"algorithm": algorithm, "arms": testbed.arms, "seed": seed})
            runs.append(run(new_policy(config), testbed, seed, policy.token_cost, UPDATE_EVERY))
        total = np.cumsum(np.mean([r.regret for r in runs], axis=0))
        step = max(1, len(total) // CURVE_POINTS)
        lines[algorithm] = [round(float(v), 4) for v in total[::step]]
        means[algorithm] = round(float(np.mean([r.rewards.mean() for r in runs])), 5)
    best = int(paid.mean(axis=0).argmax())
    return {
        "curves": lines,
        "mean_reward": means,
        "best_fixed": {"action": ("none", *testbed.arms)[best], "mean_reward": round(float(paid[:, best].mean()), 5)},
        "oracle": round(float(paid.max(axis=1).mean()), 5),
        "seeds": seeds,
    }


def _simulated(day: Day) -> FullInformation | None:
    """Every template asked about the day's first questions, where the simulated model answers and gold is known."""
    import numpy as np

    from dataset_platform.kernels.self_correction.contexts import Context
    from dataset_platform.kernels.self_correction.grading import grade_answers
    from dataset_platform.kernels.self_correction.templates import load_templates
    from dataset_platform.kernels.self_correction.testbed import FullInformation
    from dataset_platform.llm.backends.simulated import respond

    rows = _first_turns(day)
    if not rows:
        return None
    policy = day.config.self_correction.policy
    templates = load_templates(policy.templates_file, policy.arms)
    limit = day.config.self_correction.traces.max_answer_tokens
    answers, tokens = [], np.zeros((len(rows), len(templates)), dtype=np.int64)
    for i, row in enumerate(rows):
        for j, template in enumerate(templates.values()):
            completion = respond(_asked_again(row, template.text, limit))
            answers.append((row["checker"], completion.text, row["reference_answer"]))
            tokens[i, j] = completion.usage.completion_tokens if completion.usage else 0
    after = np.array([float(g.correct) for g in grade_answers(answers)]).reshape(tokens.shape)
    contexts = tuple(Context(r["error_mode"], r["confidence_score"], 0) for r in rows)
    before = np.array([r["accuracy"] for r in rows])
    return FullInformation(tuple(r["trace_id"] for r in rows), contexts, before, after, tokens, tuple(templates))


def _asked_again(row: dict[str, Any], text: str, max_tokens: int) -> Any:
    from dataset_platform.kernels.self_correction.prompts import SYSTEM, first_prompt
    from dataset_platform.llm.request import Message, Request

    first = first_prompt(row["question"], None, row["checker"])
    said = (
        Message("system", SYSTEM),
        Message("user", first),
        Message("assistant", row["answer"]),
        Message("user", text),
    )
    return Request(said, max_tokens=max_tokens)


def _first_turns(day: Day) -> list[dict[str, Any]]:
    """First answers of the day's graded arithmetic questions that the simulated model gave."""
    fields = ("question", "answer", "error_mode", "confidence_score", "accuracy")
    of_trace = ("trace_id", "dataset_name", "reference_answer", "checker", "simulated", "reward_source")
    rows: list[dict[str, Any]] = []
    for trace, turns in turns_by_trace(day.table(Traces), day.key, fields, of_trace):
        if trace["simulated"] and trace["reward_source"] == "gold" and trace["dataset_name"] == "arithmetic":
            rows.append(trace | {name: turns[name][0] for name in fields})
            if len(rows) == SIMULATED_QUESTIONS:
                break
    return rows
