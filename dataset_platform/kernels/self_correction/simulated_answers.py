"""Made-up answerers of word problems: each has a skill and a way to write, and errs as models do.

They are rules with set rates, not models, and nothing here is measured on one. What they are for: an error classifier
needs right and wrong answers in many styles before anybody has run a model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from dataset_platform.kernels.self_correction.arithmetic import Step

SLIPS = ("number", "operation", "skip", "sum", "copy", "extra", "cut")
_FORMS = ("annotated", "plain", "prose", "numbered", "terse", "bare")
_MARKERS = (
    "#### {}",
    "A: {}",
    "The answer is {}.",
    "The final answer is \\boxed{{{}}}.",
    "**Answer:** {}",
    "So it is {}.",
)
_PROSE = (
    "That makes {} in all.",
    "Next we get {}.",
    "So there are {} now.",
    "This leaves {}.",
    "We need {} here.",
    "Working it out: {}.",
)
_HEDGES = ("I think this is right.", "I am not fully sure.", "This is probably it.", "I assume nothing else changed.")
_OPENINGS = ("Let us see.", "We go through the story in order.", "First we collect the numbers.", "")
_MISTAKES = (
    "Sorry, I made a mistake before.",
    "I misread a number earlier.",
    "Wait, that was wrong.",
    "Let me correct that.",
)
_STANDS = ("The result stays the same.", "My answer still stands.", "I get the same answer again.", "This confirms it.")
_OPERAND = re.compile(r"\d+|[-+*/]")


@dataclass(frozen=True, slots=True)
class Answerer:
    """A way to answer.

    Attributes:
        skill: log-odds of a right answer to an average two-step problem.
        slips: how often each of ``SLIPS`` is the cause of a wrong answer; they sum to 1.
        forms: how often each form of writing is used: annotated, plain, prose, numbered, terse, bare.
        marker: how the final answer is marked.
        hedges_right, hedges_wrong: share of right and of wrong answers that hedge.
    """

    skill: float
    slips: tuple[float, ...]
    forms: tuple[float, ...]
    marker: str
    hedges_right: float
    hedges_wrong: float


def draw_answerer(random: np.random.Generator) -> Answerer:
    """An answerer at random: weak to strong, of one main form."""
    forms = random.dirichlet(np.full(len(_FORMS), 0.25))
    slips = random.dirichlet(np.array([3.0, 2.0, 2.5, 0.8, 0.4, 1.2, 0.3]))
    hedges = random.uniform(0.0, 0.15)
    return Answerer(
        skill=float(random.normal(1.0, 1.0)),
        slips=tuple(slips.tolist()),
        forms=tuple(forms.tolist()),
        marker=_MARKERS[random.integers(len(_MARKERS))],
        hedges_right=float(hedges),
        hedges_wrong=float(min(1.0, hedges * random.uniform(1.0, 3.0))),
    )


def write_answer(
    answerer: Answerer, steps: Sequence[Step], right: bool, random: np.random.Generator, trap: np.random.Generator
) -> str:
    """An answer to a problem of these steps.

    Args:
        steps: the true steps.
        right: whether nothing goes wrong; a slip may still leave the answer right, which grading tells.
        random: decides on the writing.
        trap: decides on the slip; the same trap leads to the same wrong answer.
    """
    worked = [(expression, Fraction(value)) for expression, value in steps]
    final = worked[-1][1]
    cut = False
    if not right:
        worked, final, cut = _slip(answerer, worked, trap)
    form = _FORMS[random.choice(len(_FORMS), p=answerer.forms)]
    lines = _lines(worked, form, random)
    if cut:
        text = "\n".join(lines)
        return text[: max(12, int(len(text) * random.uniform(0.3, 0.8)))]
    if random.random() < (answerer.hedges_right if right else answerer.hedges_wrong):
        lines.insert(int(random.integers(len(lines) + 1)), _HEDGES[random.integers(len(_HEDGES))])
    lines.append(answerer.marker.format(_shown(final, grouped=bool(random.random() < 0.3))))
    return "\n".join(lines)


def reword(text: str, random: np.random.Generator) -> str:
    """The same answer in other words: its sums under other leads, or more said around it."""
    lines = text.split("\n")
    stands = _STANDS[random.integers(len(_STANDS))]
    if len(lines) > 1 and random.random() < 0.6:
        told = [f"Step {i + 1}: {line.lstrip('0123456789. ')}" for i, line in enumerate(lines[:-1])]
        more = ["Going over every part of the problem once more."] if random.random() < 0.5 else []
        return "\n".join([*more, *told, stands, lines[-1]])
    return "\n".join([_OPENINGS[random.integers(len(_OPENINGS))] or "Checked again.", stands, "That is:", lines[-1]])


def admit(text: str, random: np.random.Generator) -> str:
    """An answer that owns up to an earlier mistake."""
    return f"{_MISTAKES[random.integers(len(_MISTAKES))]}\n{text}"


def _slip(
    answerer: Answerer, steps: list[tuple[str, Fraction]], trap: np.random.Generator
) -> tuple[list[tuple[str, Fraction]], Fraction, bool]:
    """Steps gone wrong in one place, what they end in, and whether the text breaks off."""
    true = steps[-1][1]
    for _ in range(20):
        kind = SLIPS[trap.choice(len(SLIPS), p=answerer.slips)]
        at = int(trap.integers(len(steps)))
        worked, final = list(steps), true
        if kind == "cut":
            return worked, true, True
        if kind == "skip" and len(steps) > 1:
            worked = steps[: max(1, len(steps) - 1 - int(trap.integers(2)))]
        elif kind == "extra":
            other = int(trap.integers(2, 13))
            sign = "*/+-"[trap.integers(4)]
            worked = [*steps, (f"{_shown(true)}{sign}{other}", _computed([_shown(true), sign, str(other)]))]
        elif kind == "copy":
            return worked, true + int(trap.choice([-10, -1, 1, 10, 100])), False
        else:
            worked = _carried_on(steps, at, kind, trap)
        final = worked[-1][1]
        if final != true:
            return worked, final, False
    return steps, true + 1, False


def _carried_on(
    steps: list[tuple[str, Fraction]], at: int, kind: str, trap: np.random.Generator
) -> list[tuple[str, Fraction]]:
    """All steps with one of them wrong, later ones computed from what it gave."""
    renamed: dict[str, str] = {}
    worked = []
    for i, (expression, value) in enumerate(steps):
        tokens = [renamed.get(token, token) for token in _OPERAND.findall(expression)]
        if i == at and kind == "number":
            place = 2 * int(trap.integers((len(tokens) + 1) // 2))
            tokens[place] = str(max(1, int(Fraction(tokens[place])) + int(trap.choice([-10, -2, -1, 1, 2, 10]))))
        elif i == at and kind == "operation":
            place = 2 * int(trap.integers(len(tokens) // 2)) + 1
            tokens[place] = {"+": "-", "-": "+", "*": "+", "/": "*"}[tokens[place]]
        found = _computed(tokens)
        if i == at and kind == "sum":
            found += int(trap.choice([-100, -10, -2, -1, 1, 2, 10, 100]))
        worked.append(("".join(tokens), found))
        if found != value:
            renamed[str(value)] = _shown(found)
    return worked


def _computed(tokens: list[str]) -> Fraction:
    """The value of a sum from left to right, products first."""
    terms, signs = [Fraction(tokens[0])], []
    for sign, token in zip(tokens[1::2], tokens[2::2], strict=True):
        number = Fraction(token)
        if sign == "*":
            terms[-1] *= number
        elif sign == "/":
            terms[-1] /= number or 1
        else:
            signs.append(sign)
            terms.append(number)
    total = terms[0]
    for sign, term in zip(signs, terms[1:], strict=True):
        total = total + term if sign == "+" else total - term
    return total


def _lines(steps: Sequence[tuple[str, Fraction]], form: str, random: np.random.Generator) -> list[str]:
    if form == "bare":
        return []
    if form == "terse":
        return [", then ".join(_shown(value) for _, value in steps)]
    times = ("*", "x", "×")[random.integers(3)]
    lines = [] if random.random() < 0.7 else [_OPENINGS[random.integers(len(_OPENINGS) - 1)]]
    for i, (expression, value) in enumerate(steps):
        said = re.sub(r"(?<=[\d.])([-+*/])", r" \1 ", expression).replace("*", times)
        result = _shown(value)
        if form == "annotated":
            lines.append(_PROSE[random.integers(len(_PROSE))].format(f"{said} = <<{expression}={result}>>{result}"))
        elif form == "prose":
            lines.append(_PROSE[random.integers(len(_PROSE))].format(f"{said} = {result}"))
        elif form == "numbered":
            lines.append(f"{i + 1}. {said} = {result}")
        else:
            lines.append(f"{said} = {result}")
    return lines


def _shown(value: Fraction, grouped: bool = False) -> str:
    """A number as a model writes it: whole, or with at most four decimals."""
    if value.denominator == 1:
        return f"{value.numerator:,}" if grouped else str(value.numerator)
    return f"{float(value):.4f}".rstrip("0")
