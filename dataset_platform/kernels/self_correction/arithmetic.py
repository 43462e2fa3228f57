"""Word problems with whole numbers, made from a seed and solved from their wording.

They stand in for a benchmark where there is none (demo, tests, offline use): each has two to six steps of arithmetic in
a small story, a worked reference answer in GSM8K's style (``<<12*7=84>>84``, last line ``#### 84``; Cobbe et al. 2021,
arXiv:2110.14168), and wording that a program can read back. Problem ``i`` of a seed depends on the seed and ``i`` alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import xxhash

from dataset_platform.kernels.self_correction.stories import FRACTIONS, NAMES, STORIES, Story

Step = tuple[str, int]

# an opening of either kind takes this many values: n itself, or ROWS times COLUMNS pairs (n, m)
_OPENINGS = 960
_FIRST_START = 40
_ROWS, _COLUMNS = range(6, 36), range(12, 44)
# the problems of one seed whose openings, and so whose texts, are certainly distinct
DISTINCT = _OPENINGS * len(NAMES) * len(STORIES)
_MULTIPLIER = 294_001  # prime, so that index → opening is one to one modulo DISTINCT
_LARGEST = 20_000
_PERCENTS = (5, 10, 20, 25, 30, 40, 50, 75)
_TWO_STEP = frozenset({"add_groups", "take_groups", "fraction", "percent"})
_SLOTS = {"n": r"(?P<n>\d+)", "m": r"(?P<m>\d+)", "p": r"(?P<p>\d+)", "f": f"(?P<f>{'|'.join(FRACTIONS)})"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One word problem.

    Attributes:
        question_id: ``arithmetic/{seed}-{index}``.
        question: the story and what is asked.
        reference_answer: worked steps and a last line ``#### N``.
        steps: expression and value of each step, in order; the last value is the answer.
    """

    question_id: str
    question: str
    reference_answer: str
    steps: tuple[Step, ...]

    @property
    def answer(self) -> int:
        """The number asked for."""
        return self.steps[-1][1]


def generate(seed: int, start: int, count: int) -> Iterator[Problem]:
    """Problems ``start`` to ``start + count - 1`` of a seed; the first ``DISTINCT`` of a seed differ in their texts."""
    for index in range(start, start + count):
        yield problem(seed, index)


def problem(seed: int, index: int) -> Problem:
    """Problem ``index`` (0-based) of a seed."""
    draw = _Draw(seed, index)
    offset = xxhash.xxh3_64_intdigest(f"arithmetic\0{seed}".encode()) % DISTINCT
    rest, opening = divmod((index * _MULTIPLIER + offset) % DISTINCT, _OPENINGS)
    story_number, name_number = divmod(rest, len(NAMES))
    story, name = STORIES[story_number], NAMES[name_number]
    things = story.things[draw(len(story.things))]
    plan = _Plan(story, draw)
    plan.open(opening)
    total = 2 + draw(5)
    closing = ("total", "total", "share", "price")[draw(4)]
    while len(plan.steps) < total - (closing != "total"):
        plan.move(total - (closing != "total") - len(plan.steps))
    plan.close(closing)
    question = " ".join(sentence.replace("{name}", name).replace("{things}", things) for sentence in plan.sentences)
    lines = [_line(step, things, last=False) for step in plan.steps[:-1]]
    lines.append(_line(plan.steps[-1], things if closing == "total" else "", last=True))
    lines.append(f"#### {plan.steps[-1][1]}")
    return Problem(f"arithmetic/{seed}-{index:06d}", question, "\n".join(lines), tuple(plan.steps))


def solve(question_text: str) -> int | None:
    """The answer, computed from the wording alone; ``None`` when the text is not one of ``generate``'s problems."""
    steps = steps_of(question_text)
    return steps[-1][1] if steps else None


def steps_of(question_text: str) -> list[Step] | None:
    """Expression and value of each step, read from the wording; ``None`` when it is not one of ours.

    >>> steps_of("Ada counts 40 coins in the savings jar. A birthday brings 2 coins more. "
    ...          "If 6 children share the coins equally, how many does each child get?")
    [('40+2', 42), ('42/6', 7)]
    """
    sentences = re.split(r"(?<=[.?])\s+", question_text.strip())
    if len(sentences) < 2:
        return None
    for grammar in _grammars():
        if (first := _read(grammar.openings, sentences[0])) is None:
            continue
        words = [first, *(_read(grammar.moves, s) for s in sentences[1:-1]), _read(grammar.closings, sentences[-1])]
        return _compute(words)
    return None


def _compute(words: list[tuple[str, dict[str, int]] | None]) -> list[Step] | None:
    steps: list[Step] = []
    value = 0
    for word in words:
        made = None if word is None else _effect(word[0], value, word[1])
        if word is None or made is None:
            return None
        steps += made
        value = made[-1][1] if made else word[1].get("n", value)
    return steps or None


def _effect(kind: str, value: int, slots: dict[str, int]) -> list[Step] | None:
    """The steps a sentence stands for, given what is there before it; ``None`` for a division with a rest."""
    n, m = slots.get("n", 0), slots.get("m", 0)
    group: Step = (f"{n}*{m}", n * m)
    match kind:
        case "start" | "total":
            return []
        case "rows":
            return [group]
        case "add":
            return [(f"{value}+{n}", value + n)]
        case "take":
            return [(f"{value}-{n}", value - n)]
        case "add_groups":
            return [group, (f"{value}+{group[1]}", value + group[1])]
        case "take_groups":
            return [group, (f"{value}-{group[1]}", value - group[1])]
        case "times" | "price":
            return [(f"{value}*{n}", value * n)]
        case "share":
            return [(f"{value}/{n}", value // n)] if n and value % n == 0 else None
        case "fraction":
            part = value // slots["f"]
            exact = part * slots["f"] == value
            return [(f"{value}/{slots['f']}", part), (f"{value}-{part}", value - part)] if exact else None
        case "percent":
            more = value * slots["p"] // 100
            exact = more * 100 == value * slots["p"]
            return [(f"{value}*{slots['p']}/100", more), (f"{value}+{more}", value + more)] if exact else None
    raise ValueError(f"no operation is called {kind!r}")


def _line(step: Step, things: str, last: bool) -> str:
    """A step as GSM8K writes it, with the calculator's annotation."""
    expression, value = step
    spaced = re.sub(r"([-+*/])", r" \1 ", expression)
    lead = {"+": "Together", "-": "Left over", "*": "In all", "/": "One part"}[re.findall(r"[-+*/]", expression)[-1]]
    lead = "The answer" if last else "More by" if expression.endswith("/100") else lead
    return f"{lead}: {spaced} = <<{expression}={value}>>{value} {things}".rstrip() + "."


class _Draw:
    """Whole numbers from hashes of (seed, index, number of the draw)."""

    def __init__(self, seed: int, index: int) -> None:
        self._identity = f"arithmetic\0{seed}\0{index}"
        self._count = 0

    def __call__(self, below: int) -> int:
        self._count += 1
        return xxhash.xxh3_64_intdigest(f"{self._identity}\0{self._count}".encode()) % below


class _Plan:
    """A problem in the making: sentences with their numbers filled in, and the steps they stand for."""

    def __init__(self, story: Story, draw: _Draw) -> None:
        self._story, self._draw = story, draw
        self._used: set[str] = set()
        self._value = 0
        self.sentences: list[str] = []
        self.steps: list[Step] = []

    def open(self, number: int) -> None:
        row, column = divmod(number, len(_COLUMNS))
        kind = ("start", "rows")[self._draw(2)]
        slots = {"n": _FIRST_START + number} if kind == "start" else {"n": _ROWS[row], "m": _COLUMNS[column]}
        self._say(self._story.openings, kind, slots)

    def move(self, budget: int) -> None:
        """One sentence of at most ``budget`` steps, of a kind that this problem has not used where one fits."""
        offers = {kind: slots for kind in self._story.moves if (slots := self._slots(kind, budget))}
        fresh = sorted(offers.keys() - self._used) or sorted(offers)
        kind = fresh[self._draw(len(fresh))]
        self._used.add(kind)
        self._say(self._story.moves, kind, offers[kind])

    def close(self, kind: str) -> None:
        divisors = [n for n in range(2, 13) if self._value % n == 0 and self._value > n]
        if kind == "share" and not divisors:
            kind = "price"
        slots = {"n": divisors[self._draw(len(divisors))]} if kind == "share" else {"n": 2 + self._draw(11)}
        slots = {} if kind == "total" else slots
        self._say(self._story.closings, kind, slots)

    def _slots(self, kind: str, budget: int) -> dict[str, int] | None:
        """Numbers for a move that keep every value whole, positive and of a readable size; ``None`` if there are none."""
        value, draw = self._value, self._draw
        if kind in _TWO_STEP and budget < 2:
            return None
        if kind == "add":
            return {"n": 2 + draw(98)}
        if kind == "add_groups":
            return {"n": 2 + draw(10), "m": 3 + draw(17)}
        if kind == "take":
            return {"n": 2 + draw(min(value - 2, 98) - 1)} if value > 4 else None
        if kind == "take_groups":
            n = 2 + draw(8)
            return {"n": n, "m": 2 + draw(min(18, (value - 1) // n - 1))} if (value - 1) // n > 1 else None
        if kind == "times":
            return {"n": 2 + draw(4)} if value * 5 <= _LARGEST else None
        if kind == "fraction":
            fits = [f for f in FRACTIONS.values() if value % f == 0 and value > f]
            return {"f": fits[draw(len(fits))]} if fits else None
        fits = [p for p in _PERCENTS if value * p % 100 == 0]
        return {"p": fits[draw(len(fits))]} if fits and value * 2 <= _LARGEST else None

    def _say(self, patterns: dict[str, str], kind: str, slots: dict[str, int]) -> None:
        sentence = patterns[kind]
        words = {number: word for word, number in FRACTIONS.items()}
        for slot, number in slots.items():
            sentence = sentence.replace(f"{{{slot}}}", words[number] if slot == "f" else str(number))
        made = _effect(kind, self._value, slots)
        assert made is not None
        self.steps += made
        self._value = made[-1][1] if made else slots.get("n", self._value)
        self.sentences.append(sentence)


@dataclass(frozen=True, slots=True)
class _Grammar:
    """A story's sentences as regular expressions."""

    openings: dict[str, re.Pattern[str]]
    moves: dict[str, re.Pattern[str]]
    closings: dict[str, re.Pattern[str]]


@lru_cache(maxsize=1)
def _grammars() -> tuple[_Grammar, ...]:
    return tuple(
        _Grammar(*({kind: _pattern(text, story) for kind, text in part.items()} for part in parts))
        for story in STORIES
        for parts in [(story.openings, story.moves, story.closings)]
    )


def _pattern(text: str, story: Story) -> re.Pattern[str]:
    slots = _SLOTS | {"name": "(?:" + "|".join(NAMES) + ")", "things": "(?:" + "|".join(story.things) + ")"}
    pieces = re.split(r"\{(\w+)\}", text)
    return re.compile("".join(slots[piece] if at % 2 else re.escape(piece) for at, piece in enumerate(pieces)))


def _read(patterns: dict[str, re.Pattern[str]], sentence: str) -> tuple[str, dict[str, int]] | None:
    """Operation and numbers of a sentence."""
    for kind, pattern in patterns.items():
        if found := pattern.fullmatch(sentence):
            return kind, {s: FRACTIONS[word] if s == "f" else int(word) for s, word in found.groupdict().items()}
    return None
