"""Grading stored answers again: the turns stay as they were taken, only what depends on the reference answer changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dataset_platform.kernels.self_correction.grading import checker_of, grade_answers


def regrade(
    rows: Sequence[dict[str, Any]], checkers: Mapping[str, str], own: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Rows of ``self_correction/traces`` under the checkers in force; rows without a reference stay as they are.

    Args:
        checkers: checker by data set, from the settings.
        own: each question's own checker, for data sets that the settings do not name; the row's when unset.
    """
    asked: list[tuple[str, str, str]] = []
    spans: list[tuple[str, int, int]] = []
    for row in rows:
        name = checker_of(row["dataset_name"], (own or {}).get(row["question_id"], row["checker"]), checkers)
        start = len(asked)
        if row["reference_answer"] is not None:
            asked += [(name, turn["answer"], row["reference_answer"]) for turn in row["turns"]]
        spans.append((name, start, len(asked)))
    grades = grade_answers(asked)
    result = []
    for row, (name, start, end) in zip(rows, spans, strict=True):
        if start == end:
            result.append(dict(row))
            continue
        turns, before = [], None
        for turn, grade in zip(row["turns"], grades[start:end], strict=True):
            accuracy = 1.0 if grade.correct else 0.0
            graded = {"accuracy": accuracy, "score": grade.score, "extracted": grade.extracted}
            turns.append({**turn, **graded, "delta_accuracy": 0.0 if before is None else accuracy - before})
            before = accuracy
        ends = {"initial_accuracy": turns[0]["accuracy"], "final_accuracy": turns[-1]["accuracy"]}
        result.append({**row, **ends, "turns": turns, "checker": name})
    return result
