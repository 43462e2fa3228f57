"""What a checker is: it finds the final answer in a model's words and compares it with the reference answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Grade:
    """The verdict on one answer.

    Attributes:
        correct: right as the field's own script counts it.
        score: in [0, 1]; F1 where the field has one, otherwise 1.0 or 0.0.
        extracted: the final answer that was found, as it was compared; ``None`` when there is none.
        failure: why no verdict could be computed; the answer then counts as incorrect. ``None`` in the ordinary case.
    """

    correct: bool
    score: float
    extracted: str | None
    failure: Literal["timeout", "crash"] | None = None


class Checker(Protocol):
    """Grades answers of one kind. A user's own inherits from this class and gives ``name`` and two methods.

    ``grade`` and ``final_answer`` are called from several threads at once and must depend on their arguments alone.
    """

    name: str

    def grade(self, answer: str, reference: str) -> Grade:
        """The verdict on a model's whole answer.

        Raises:
            InputError: the reference is none that this checker can compare with.
        """
        ...

    def final_answer(self, answer: str) -> str | None:
        """The final answer, found without a reference; equal answers give equal strings. ``None``: there is none."""
        ...

    def grade_many(self, rows: Iterable[tuple[str, str]]) -> list[Grade]:
        """Verdicts on pairs (answer, reference), in their order."""
        return [self.grade(answer, reference) for answer, reference in rows]
