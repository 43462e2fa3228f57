"""Equality of normalised strings, for answers that no field's script covers."""

from __future__ import annotations

import unicodedata

from dataset_platform.kernels.self_correction.checkers.base import Checker, Grade
from dataset_platform.kernels.self_correction.checkers.marked import marked_answer

_EDGES = " .,;:!?\"'`*_\u2018\u2019\u201c\u201d"


def normalise(text: str) -> str:
    """NFKC, case folded, blanks collapsed, quotes and closing punctuation around it taken off.

    A text of such signs alone stays as it is.

    >>> normalise(' "Blue  Whale". ')
    'blue whale'
    """
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return folded.strip(_EDGES) or folded


class Exact(Checker):
    """The marked answer (``marked_answer``), or the whole one, equals the reference after normalisation.

    Of a reference with worked steps, what follows its last ``####`` counts.
    """

    name = "exact"

    def final_answer(self, answer: str) -> str | None:
        marked = marked_answer(answer)
        return normalise(answer if marked is None else marked) or None

    def grade(self, answer: str, reference: str) -> Grade:
        found = self.final_answer(answer)
        correct = found is not None and found == normalise(reference.rpartition("####")[2])
        return Grade(correct, float(correct), found)
