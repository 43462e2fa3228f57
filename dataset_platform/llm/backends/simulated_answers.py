"""What the simulated model says: a rule over the conversation, made to err and to mend like a small language model.

Everything is drawn from hashes of the words, so equal conversations have equal answers in every process, and what would
have happened under another prompt is found by asking. Nothing here is measured on a model; the rates are set:

- Arithmetic problems of ``kernels/self_correction/arithmetic`` are solved right with a probability that falls with their
  steps. A latent ability per question makes samples of one question agree more than chance would (Gaussian copula).
- A wrong answer has one slip: a sum that is shown wrong, a number misread, another operation, or a result copied wrong.
- Asked again, a wrong answer is mended, and a right one broken, at rates that depend on how the prompt asks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

import xxhash

from dataset_platform.kernels.self_correction.arithmetic import steps_of
from dataset_platform.llm.request import Message

PREFIX = "[simulated] "
MAX_NUMBER_IN_ANSWERS = 1_000
_ABILITY_SHARE = 0.6  # correlation of two samples' latent scores
_RIGHT = {1: 0.92, 2: 0.85, 3: 0.75, 4: 0.65, 5: 0.55}  # by steps; six and more: _RIGHT_AT_LEAST
_RIGHT_AT_LEAST = 0.45
_SLIPS = (("sum", 0.45), ("number", 0.70), ("operation", 0.85), ("copy", 1.0))  # cumulative
_HEDGES = {True: 0.15, False: 0.30}  # by whether the answer is right
_WAVERS = 0.08  # a wrong answer that is not mended becomes another wrong one
_REWORDS = 0.4
# (pattern in the last user message, P(mend | wrong), P(break | right)); the first that is found counts
_CUES = (
    (r"\brecomput|\brecalculat|\bcomput\w+ .*\bagain|\bredo\b|\bcheck (each|every|the) (step|sum|number|calculation)"
     r"|\bverify (each|every|the)|\b(each|every) (calculation|sum)\b", 0.40, 0.03),
    (r"\bstep[- ]by[- ]step\b|\b(small|numbered|single) (\w+ )?steps\b", 0.30, 0.05),
    (r"\bare you (\w+ )?(sure|certain)\b|\breally\b.*\?|\bi doubt\b|\bargue against\b|\bprobably wrong\b", 0.15, 0.12),
    (r"\bbrief|\bconcise|\bshort(er|est|ly)?\b|\bfew(er)? words\b|\bonly the (final )?answer\b", 0.05, 0.05),
)  # fmt: skip
_OTHERWISE = (0.10, 0.06)
_LEADS = (
    ("First", "Then", "Next", "After that", "So"),
    ("Start", "From there", "Now", "With that", "Finally"),
    ("To begin", "This gives", "Going on", "In turn", "At last"),
)
_HEDGE_WORDS = (
    "I think this is right, though I may be off.",
    "Perhaps I misread a part of it.",
    "I am not entirely sure.",
)
_REPEATS = ("The result stays the same.", "Going over it leads to the same result.", "My answer stands.")
_YES_NO = re.compile(
    r"^(is|are|was|were|am|do|does|did|can|could|has|have|had|will|would|should|may|might|must)\b", re.IGNORECASE
)
_FINAL = re.compile(r"^####\s*(.+?)\s*$", re.MULTILINE)

Sum = tuple[list[str], float]  # operands and operators in turn, and the value shown


def answer(messages: Sequence[Message], sample: str = "") -> str:
    """The answer to the last message; ``sample`` tells samples of one conversation apart."""
    asked = [m.content for m in messages if m.role == "user"]
    given = [m.content for m in messages if m.role == "assistant"]
    draw = _Draw("\0".join(f"{m.role}\0{m.content}" for m in messages), sample)
    first = asked[0] if asked else ""
    steps = find_steps(first)
    if steps is None:
        return PREFIX + (_repeat_other(given[-1], draw) if given else _make_up(first))
    question = _Draw(repr(steps) + first)
    if not given:
        right = _is_right(len(steps), question, draw)
        return PREFIX + _work(steps, draw, right=right, slip=question if draw("own slip") < 0.5 else draw)
    return PREFIX + _ask_again(steps, given[-1], asked[-1], draw)


def find_steps(text: str) -> tuple[tuple[str, int], ...] | None:
    """The steps of the last arithmetic problem in a text, whatever stands around it; None where there is none."""
    return _find_steps(text)


@lru_cache(maxsize=65_536)
def _find_steps(text: str) -> tuple[tuple[str, int], ...] | None:
    for block in reversed(re.split(r"\n+", text)):
        block = re.sub(r"^\s*(Question|Problem|Q)\s*:\s*", "", block).strip()
        if not re.search(r"\d.*\?", block):
            continue
        if steps := steps_of(block):
            return tuple(steps)
        sentences = re.split(r"(?<=[.?:])\s+", block)
        ends = [i for i, s in enumerate(sentences) if s.endswith("?")]
        for end in reversed(ends):
            for start in range(end - 1, -1, -1):
                if steps := steps_of(" ".join(sentences[start : end + 1])):
                    return tuple(steps)
    return None


class _Draw:
    """Uniform numbers in [0, 1) by name, from hashes of an identity."""

    def __init__(self, *identity: str) -> None:
        self._identity = "\0".join(identity)

    def __call__(self, purpose: str) -> float:
        return (xxhash.xxh3_64_intdigest(f"{purpose}\0{self._identity}".encode()) >> 11) / 2**53

    def of(self, purpose: str, count: int) -> int:
        return int(self(purpose) * count)


def _is_right(steps: int, question: _Draw, draw: _Draw) -> bool:
    """One-factor Gaussian copula: the share of right answers is the table's, and samples of a question correlate."""
    normal = NormalDist()
    ability, luck = (normal.inv_cdf(min(max(d("right"), 1e-12), 1 - 1e-12)) for d in (question, draw))
    score = _ABILITY_SHARE**0.5 * ability + (1 - _ABILITY_SHARE) ** 0.5 * luck
    return normal.cdf(score) < _RIGHT.get(steps, _RIGHT_AT_LEAST)


def _ask_again(steps: tuple[tuple[str, int], ...], previous: str, prompt: str, draw: _Draw) -> str:
    mends, breaks = cue(prompt)
    final = final_of(previous)
    is_right = final is not None and final == _show(steps[-1][1])
    if is_right:
        if draw("break") < breaks:
            return _work(steps, draw, right=False, slip=draw)
    elif draw("mend") < mends:
        return _work(steps, draw, right=True, slip=draw)
    elif final is None or draw("waver") < _WAVERS:
        return _work(steps, draw, right=False, slip=draw, avoid=final)
    body = previous.removeprefix(PREFIX)
    if draw("reword") >= _REWORDS:
        return body
    sums = re.findall(r"(\d[\d.]*(?: [-+*/] \d[\d.]*)+ = \d[\d.]*)", body)
    lines = [f"{_lead(draw, i, len(sums))}: {s}" for i, s in enumerate(sums)]
    return "\n".join([*lines, _REPEATS[draw.of("repeats", len(_REPEATS))], f"#### {final}"])


def cue(prompt: str) -> tuple[float, float]:
    """P(a wrong answer is mended) and P(a right one is broken) by a prompt's words."""
    words = " ".join(prompt.lower().split())
    return next(((mends, breaks) for pattern, mends, breaks in _CUES if re.search(pattern, words)), _OTHERWISE)


def final_of(text: str) -> str | None:
    """What stands behind the last four hash signs, a number without unit and separators."""
    found = _FINAL.findall(text)
    if not found:
        return None
    number = re.search(r"-?\d[\d,]*(?:\.\d+)?", found[-1])
    return _show(float(number.group().replace(",", ""))) if number else found[-1]


def _work(
    steps: tuple[tuple[str, int], ...], draw: _Draw, *, right: bool, slip: _Draw, avoid: str | None = None
) -> str:
    """Worked sums and the last line."""
    truth = _show(steps[-1][1])
    sums, final = _carry(steps, {}), truth
    if not right:
        for attempt in range(16):
            sums, final = _slipped(steps, slip, attempt)
            if final not in (truth, avoid):
                break
        else:
            sums, final = _carry(steps, {}), _show(steps[-1][1] + 17)
    lines = [f"{_lead(draw, i, len(sums))}: {' '.join(o)} = {_show(value)}" for i, (o, value) in enumerate(sums)]
    if draw("hedge") < _HEDGES[right]:
        lines.append(_HEDGE_WORDS[draw.of("which hedge", len(_HEDGE_WORDS))])
    return "\n".join([*lines, f"#### {final}"])


def _slipped(steps: tuple[tuple[str, int], ...], draw: _Draw, attempt: int) -> tuple[list[Sum], str]:
    at = draw.of(f"step {attempt}", len(steps))
    kind = next(k for k, below in _SLIPS if draw(f"kind {attempt}") < below)
    off = (1, 2, 3, 10, -1, -2, -10, 9)[draw.of(f"off {attempt}", 8)]
    if kind == "copy":
        sums = _carry(steps, {})
        return sums, _show(max(0.0, sums[-1][1] + off))
    sums = _carry(steps, {at: (kind, off)})
    return sums, _show(sums[-1][1])


def _carry(steps: tuple[tuple[str, int], ...], slips: dict[int, tuple[str, int]]) -> list[Sum]:
    """The sums with a slip in some, later ones taking over what earlier ones gave."""
    sums: list[Sum] = []
    for at, (expression, _) in enumerate(steps):
        operands = re.findall(r"\d+|[-+*/]", expression)
        kind, off = slips.get(at, ("", 0))
        operands[::2] = [_taken_over(o, steps, sums) for o in operands[::2]]
        if kind == "number":
            operands[2] = _show(max(1.0, float(operands[2]) + off))
        elif kind == "operation":
            operands[1] = {"+": "-", "-": "+", "*": "+", "/": "*"}[operands[1]]
        value = _value(operands)
        sums.append((operands, max(0.0, value + off) if kind == "sum" else value))
    return sums


def _taken_over(operand: str, steps: tuple[tuple[str, int], ...], sums: list[Sum]) -> str:
    """The latest result that this operand stands for, as it came out; numbers of the question stay."""
    for at in range(len(sums) - 1, -1, -1):
        if str(steps[at][1]) == operand:
            return _show(sums[at][1])
    return operand


def _value(operands: list[str]) -> float:
    """From left to right, to two decimals: expressions of several operations are products and quotients only."""
    value = float(operands[0])
    for operator, operand in zip(operands[1::2], map(float, operands[2::2]), strict=True):
        if operator in "+-":
            value += operand if operator == "+" else -operand
        elif operator == "*":
            value *= operand
        else:
            value = value / operand if operand else 0.0
    return round(max(0.0, value), 2)


def _show(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.2f}".rstrip("0")


def _lead(draw: _Draw, at: int, count: int) -> str:
    leads = _LEADS[draw.of("leads", len(_LEADS))]
    return leads[0] if at == 0 else leads[-1] if at == count - 1 else leads[1 + (at - 1) % (len(leads) - 2)]


def _make_up(text: str) -> str:
    draw = _Draw(text)
    questions = re.findall(r"([^.?!\n]*)\?", text)
    last = (questions[-1] if questions else text).strip()
    if "yes or no" in text.lower() or _YES_NO.match(last):
        made_up = "yes" if draw("yes") < 0.5 else "no"
    else:
        made_up = str(draw.of("number", MAX_NUMBER_IN_ANSWERS))
    return f"This answer is made up; no model was asked.\n#### {made_up}"


def _repeat_other(previous: str, draw: _Draw) -> str:
    """The same made-up answer; a few times yes for no, or another number."""
    final = final_of(previous) or ""
    if draw("change") >= _OTHERWISE[0]:
        return previous.removeprefix(PREFIX)
    other = {"yes": "no", "no": "yes"}.get(final, str(draw.of("other", MAX_NUMBER_IN_ANSWERS)))
    return f"This answer is made up again; no model was asked.\n#### {other}"
