"""Grading finished episodes: which checker grades a data set, and many answers at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dataset_platform.errors import InputError
from dataset_platform.kernels.self_correction.checkers import Grade, checker

if TYPE_CHECKING:
    from dataset_platform.kernels.self_correction.episodes import Episode


def checker_of(dataset_name: str, own: str, checkers: Mapping[str, str]) -> str:
    """The checker that grades a question: the one named for its data set in the settings, else the question's own."""
    return checkers.get(dataset_name) or own


def grade_answers(rows: Sequence[tuple[str, str, str]]) -> list[Grade]:
    """Grades of (checker, answer, reference) rows, each checker given its rows together.

    Raises:
        ConfigError: there is no such checker.
    """
    grades: dict[int, Grade] = {}
    by_checker: dict[str, list[int]] = {}
    for i, (name, _, _) in enumerate(rows):
        by_checker.setdefault(name, []).append(i)
    for name, places in by_checker.items():
        found = checker(name).grade_many([(rows[i][1], rows[i][2]) for i in places])
        grades.update(zip(places, found, strict=True))
    return [grades[i] for i in range(len(rows))]


def grade_episodes(episodes: Sequence[Episode], checkers: Mapping[str, str]) -> list[list[Grade] | InputError | None]:
    """The grade of every turn, per episode; None for an episode without a reference answer.

    An episode whose reference its checker cannot read has the error in place of grades; the others are graded.
    """
    try:
        return list(_grade_episodes(episodes, checkers))
    except InputError as e:
        if len(episodes) == 1:
            return [e]
        half = len(episodes) // 2
        return grade_episodes(episodes[:half], checkers) + grade_episodes(episodes[half:], checkers)


def _grade_episodes(episodes: Sequence[Episode], checkers: Mapping[str, str]) -> list[list[Grade] | None]:
    rows: list[tuple[str, str, str]] = []
    spans: list[tuple[int, int] | None] = []
    for e in episodes:
        reference = e.question.reference_answer
        name = checker_of(e.question.dataset_name, e.question.checker, checkers)
        before = len(rows)
        if reference is not None:
            rows += [(name, turn.answer.text, reference) for turn in e.turns]
        spans.append((before, len(rows)) if reference is not None else None)
    grades = grade_answers(rows)
    return [grades[span[0] : span[1]] if span else None for span in spans]
