"""The demo's questions and labelled turns: generated arithmetic, and simulated answers with known failure modes.

Written as files below ``raw/``, the way a user's own would land. Nothing here pretends to be a real benchmark: the data
set is called arithmetic, and the labels' source is ``simulated``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from dataset_platform.kernels.self_correction.arithmetic import generate
from dataset_platform.kernels.self_correction.simulated_turns import simulate_turns
from dataset_platform.settings import day_path

QUESTIONS_A_DAY = 150
LABELLED_TURNS = 3_000
QUESTION_SEED, LABEL_SEED = 2026, 7


def write_questions(raw: Path, days: Sequence[date]) -> None:
    """Write ``questions/{day}/arithmetic/problems.jsonl`` for each day, and labelled turns for the first."""
    for number, day in enumerate(days):
        folder = raw / "questions" / day_path(day.isoformat()) / "arithmetic"
        problems = generate(QUESTION_SEED, number * QUESTIONS_A_DAY, QUESTIONS_A_DAY)
        rows = [{"id": p.question_id, "question": p.question, "reference_answer": p.reference_answer} for p in problems]
        _write(folder / "problems.jsonl", rows)
    turns = [
        {
            "turn_id": t.turn_id,
            "question_id": t.question_id,
            "dataset_name": t.dataset_name,
            "first_answer": t.first_answer,
            "answer": t.answer,
            "prompt_text": t.prompt_text,
            "turn": t.turn,
            "error_mode": t.error_mode,
            "correct": t.correct,
            "source": "simulated",
        }
        for t in simulate_turns(LABEL_SEED, LABELLED_TURNS)
    ]
    _write(raw / "labelled_turns" / day_path(days[0].isoformat()) / "simulated.jsonl", turns)


def _write(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
