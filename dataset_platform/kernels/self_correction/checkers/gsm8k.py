"""GSM8K's three ways to find and compare a number.

Sources: ``grade_school_math/dataset.py`` of openai/grade-school-math (Cobbe et al. 2021, arXiv:2110.14168) for the
official script; task ``gsm8k``, version 3, of EleutherAI's lm-evaluation-harness for strict-match and flexible-extract.
The patterns are theirs, weaknesses included: figures are comparable with published ones only when they are kept.
"""

from __future__ import annotations

import re

from dataset_platform.errors import InputError
from dataset_platform.kernels.self_correction.checkers.base import Checker, Grade

_STRICT = re.compile(r"#### (\-?[0-9\.\,]+)")
_FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")


class Gsm8kStrict(Checker):
    """The official script: the first number after ``#### ``, commas taken out, equal as a string; else invalid."""

    name = "gsm8k_strict"

    def final_answer(self, answer: str) -> str | None:
        found = _STRICT.search(answer)
        return found[1].replace(",", "") if found else None

    def grade(self, answer: str, reference: str) -> Grade:
        expected = self.final_answer(reference)
        if expected is None and "####" not in reference:  # a bare number, which the official data never has
            expected = self.final_answer(f"#### {reference.strip().removeprefix('$')}")
        if expected is None:
            raise _no_number(reference)
        return _compare(self.final_answer(answer), expected)


class Gsm8kFlexible(Checker):
    """The harness's flexible-extract: the last thing that looks like a number, compared without ``,`` ``$`` and ``.``"""

    name = "gsm8k_flexible"

    def final_answer(self, answer: str) -> str | None:
        last = None
        for last in _FLEXIBLE.finditer(answer):  # noqa: B007
            pass
        return (_comparable(last[0]) or None) if last else None

    def grade(self, answer: str, reference: str) -> Grade:
        return _compare(self.final_answer(answer), _expected(reference))


class Gsm8k(Checker):
    """The default: the first number after ``#### `` where there is one, else flexible; compared as the harness does."""

    name = "gsm8k"

    def __init__(self) -> None:
        self._flexible = Gsm8kFlexible()

    def final_answer(self, answer: str) -> str | None:
        found = _STRICT.search(answer)
        return (_comparable(found[1]) or None) if found else self._flexible.final_answer(answer)

    def grade(self, answer: str, reference: str) -> Grade:
        return _compare(self.final_answer(answer), _expected(reference))


def _comparable(text: str) -> str:
    """What the harness compares: ``,`` ``$``, all up to the last ``#### `` and one closing ``.`` left out, lower case."""
    text = text.strip().replace(",", "").replace("$", "")
    return text.rpartition("#### ")[2].removesuffix(".").lower()


def _expected(reference: str) -> str:
    expected = _comparable(reference)
    if not any(c.isdigit() for c in expected):
        raise _no_number(reference)
    return expected


def _compare(found: str | None, expected: str) -> Grade:
    correct = found == expected
    return Grade(correct, float(correct), found)


def _no_number(reference: str) -> InputError:
    return InputError(
        f"The reference answer {reference[-80:]!r} holds no number.",
        "Give the number alone or a solution that ends in '#### N', or choose another checker (exact, math).",
    )
