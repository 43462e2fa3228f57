"""The demo's questions and labelled turns: generated arithmetic, and conversations of the simulated model with gold.

Written as files below ``raw/``, the way a user's own would land. Nothing here pretends to be a real benchmark: the data
set is called arithmetic, and the labels' source is ``simulated``. The labelled turns are of other problems than the
questions, but of the same model: a classifier is calibrated on the model that it will judge.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from dataset_platform.kernels.self_correction.arithmetic import Problem, generate
from dataset_platform.kernels.self_correction.checkers import checker
from dataset_platform.kernels.self_correction.labels import label_conversation
from dataset_platform.kernels.self_correction.prompts import SYSTEM, first_prompt
from dataset_platform.kernels.self_correction.templates import TEMPLATES
from dataset_platform.llm.backends.simulated import respond
from dataset_platform.llm.request import Message, Request
from dataset_platform.settings import day_path

QUESTIONS_A_DAY = 300
LABELLED_CONVERSATIONS = 2_000
QUESTION_SEED, LABEL_SEED = 2026, 7
MAX_TURNS = 4


def write_questions(raw: Path, days: Sequence[date]) -> None:
    """Write ``questions/{day}/arithmetic/problems.jsonl`` for each day, and labelled turns for the first."""
    for number, day in enumerate(days):
        folder = raw / "questions" / day_path(day.isoformat()) / "arithmetic"
        problems = generate(QUESTION_SEED, number * QUESTIONS_A_DAY, QUESTIONS_A_DAY)
        rows = [{"id": p.question_id, "question": p.question, "reference_answer": p.reference_answer} for p in problems]
        _write(folder / "problems.jsonl", rows)
    turns = [turn for p in generate(LABEL_SEED, 0, LABELLED_CONVERSATIONS) for turn in labelled_conversation(p)]
    _write(raw / "labelled_turns" / day_path(days[0].isoformat()) / "simulated.jsonl", turns)


def labelled_conversation(problem: Problem) -> Iterator[dict[str, Any]]:
    """The turns of the simulated model on a problem, asked again with templates drawn evenly, labelled by the gold answer."""
    draw = random.Random(problem.question_id)
    said = [Message("system", SYSTEM), Message("user", first_prompt(problem.question, None, "gsm8k"))]
    answers: list[str] = []
    prompts: list[str | None] = [None]
    for _ in range(draw.randint(1, MAX_TURNS)):
        answers.append(respond(Request(tuple(said))).text)
        prompts.append(draw.choice(TEMPLATES).text)
        said += [Message("assistant", answers[-1]), Message("user", prompts[-1] or "")]
    grade = checker("gsm8k").grade
    correct = [grade(answer, problem.reference_answer).correct for answer in answers]
    for turn, mode in enumerate(label_conversation(answers, correct)):
        yield {
            "turn_id": f"{problem.question_id}:{turn}",
            "question_id": problem.question_id,
            "dataset_name": "arithmetic",
            "first_answer": answers[0],
            "answer": answers[turn],
            "prompt_text": prompts[turn],
            "turn": turn,
            "error_mode": mode,
            "correct": correct[turn],
            "source": "simulated",
        }


def _write(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
