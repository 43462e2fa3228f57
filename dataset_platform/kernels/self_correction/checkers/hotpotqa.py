"""HotpotQA's exact match and F1.

Source: ``hotpot_evaluate_v1.py`` of hotpotqa/hotpot (Yang et al. 2018, arXiv:1809.09600): lower case, punctuation out,
articles out, blanks collapsed; F1 over bags of words, zero when one side is yes, no or noanswer and the other differs.
"""

from __future__ import annotations

import re
import string
from collections import Counter

from dataset_platform.kernels.self_correction.checkers.base import Checker, Grade
from dataset_platform.kernels.self_correction.checkers.marked import marked_answer

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_WHOLE_ANSWERS = frozenset({"yes", "no", "noanswer"})


def normalise(text: str) -> str:
    """The official normalisation.

    >>> normalise("The  Beatles' (first) album!")
    'beatles first album'
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def f1(prediction: str, reference: str) -> float:
    """F1 over the words of two normalised answers."""
    if prediction != reference and (prediction in _WHOLE_ANSWERS or reference in _WHOLE_ANSWERS):
        return 0.0
    predicted, expected = prediction.split(), reference.split()
    shared = sum((Counter(predicted) & Counter(expected)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(predicted), shared / len(expected)
    return 2 * precision * recall / (precision + recall)


class HotpotQa(Checker):
    """Correct: exact match. Score: F1.

    The prediction is what the model marks as its answer (``marked_answer``), or the whole answer where nothing is
    marked. The official script takes short answers only and is agreed with on all of them; as there, an answer of
    articles and punctuation alone ("The The") matches exactly and still has F1 zero.
    """

    name = "hotpotqa"

    def final_answer(self, answer: str) -> str | None:
        marked = marked_answer(answer)
        said = answer if marked is None else marked
        return normalise(said) if said.strip() else None

    def grade(self, answer: str, reference: str) -> Grade:
        found = self.final_answer(answer)
        expected = normalise(reference)
        return Grade((found or "") == expected, f1(found or "", expected), found)
