"""Words of texts that say where an agent is and what the ego does, held against the trace's own fields and the facts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dataset_platform.kernels.reasoning.quality.wording import EGO, Reference, agent_references, sentences

AROUND = ("ahead", "ahead_left", "left", "behind_left", "behind", "behind_right", "right", "ahead_right")
"""Sectors in their order around the ego."""
AHEAD = re.compile(r"\b(?:ahead|in front)\b(?!\s+of\s+(?!(?:it|us|the ego|the car)\b))", re.I)
BEHIND = re.compile(r"\bbehind\b(?!\s+(?!(?:it|us|the ego|the car|and|to|on|at)\b)[a-z]+)", re.I)
SIDE = re.compile(
    r"\b(?:(?:to|on) (?:the|its|our|the ego's)|ahead|front|behind|rear)[- ](left|right)\b"
    r"(?!\s+(?:lane|turn|side of the (?:road|street)|of (?!(?:the ego|us)\b)))",
    re.I,
)
SIDE_OF_ELSE = re.compile(
    r"\b(?:lanes?|turn\w*|chang\w+|mov\w+|head\w*|cross\w*|go\w*|com\w+|driv\w+|drift\w*|steer\w*|merg\w+)\s+(?:\w+\s+)?$",
    re.I,
)
SUPPOSED = re.compile(
    r"\b(?:ruled out|reject\w*|instead|rather than|would|could|might|alternative\w*|not|never|no need|without|avoid\w*|if"
    r"|unless|until|once|when|before|after|then|later|first|may|can|end of the plan)\b|^\s*to\b",
    re.I,
)
"""Sentences with these speak of other actions, other times or what is not done."""
ALONG = (
    ("accelerate", r"speeds?(?:ing)? up|accelerat(?:e|es|ing)"),
    ("maintain", r"(?:keeps?|maintains?|holds?)(?:ing)? (?:its|the|our|a) (?:current |present |constant )?speed"),
    ("decelerate", r"slow(?:s|ing)? down|decelerat(?:e|es|ing)|brak(?:e|es|ing)"),
    ("stop", r"(?:comes? to an? (?:full )?(?:stop|halt)|stops?|halts?)(?! (?:signs?|lines?|points?)\b)"),
    ("yield", r"gives? way|yields?"),
)
ACROSS = (
    ("left_turn", r"turn(?:s|ing)? left"),
    ("right_turn", r"turn(?:s|ing)? right"),
    ("left_lane_change", r"chang(?:e|es|ing) (?:lanes? )?(?:in)?to (?:the )?(?:next lane on the )?left(?: lane)?"),
    ("right_lane_change", r"chang(?:e|es|ing) (?:lanes? )?(?:in)?to (?:the )?(?:next lane on the )?right(?: lane)?"),
    ("keep", r"(?:keeps?|stays?)(?:ing)? (?:to|in) (?:its|the|our) lane|keeps? (?:its|our) lane"),
)
ACTION = re.compile(r"\b(?:" + "|".join(f"(?P<{n}>{p})" for n, p in (*ALONG, *ACROSS)) + r")\b", re.I)
SLOWING = frozenset({"decelerate", "stop", "yield"})
LANE_CHANGES = frozenset({"left_lane_change", "right_lane_change"})


@dataclass(frozen=True)
class Direction:
    """Where a text says that an agent is: ``sector`` as in the facts, ``spans`` of the words."""

    subject: str
    sector: str
    words: str
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Action:
    """What a text says that the ego does."""

    name: str
    words: str
    span: tuple[int, int]


def stated_directions(text: str) -> Iterator[Direction]:
    """Directions that a text states behind an agent's name, before the next one's; of agents in a row, of all of them."""
    for start, end in sentences(text):
        sentence = text[start:end]
        refs = list(agent_references(sentence))
        pending: list[Reference] = []
        for number, ref in enumerate(refs):
            after = refs[number + 1].start if number + 1 < len(refs) else len(sentence)
            pending.append(ref)
            if after < len(sentence) and re.fullmatch(r"\s*(?:,|and|or|, and)?\s*", sentence[ref.end : after]):
                continue
            found = _direction(sentence, ref.end, after)
            if found is not None:
                sector, spans = found
                shown = sentence[pending[0].start : spans[-1][1]]
                shifted = tuple((a + start, b + start) for a, b in spans)
                yield from (Direction(r.subject, sector, shown, shifted) for r in pending)
            pending = []


def _direction(sentence: str, start: int, end: int) -> tuple[str, tuple[tuple[int, int], ...]] | None:
    # looked for in the whole sentence, as what follows tells "behind it" from "behind vehicle 3"
    ahead, behind = (m if m and m.start() < end else None for m in (p.search(sentence, start) for p in (AHEAD, BEHIND)))
    sides = [
        m
        for m in SIDE.finditer(sentence, start)
        if m.start() < end and not SIDE_OF_ELSE.search(sentence[start : m.start()])
    ]
    named = {m[1].lower() for m in sides}
    if (ahead and behind) or len(named) > 1 or not (ahead or behind or named):
        return None
    along = "ahead" if ahead else "behind" if behind else ""
    sector = "_".join(w for w in (along, *named) if w)
    spans = {m.span() for m in (ahead, behind) if m} | {m.span(1) for m in sides}
    return sector, tuple(sorted(spans))


def beside(sector: str, other: str) -> bool:
    """Whether two sectors are one or next to each other."""
    return (AROUND.index(sector) - AROUND.index(other)) % len(AROUND) in (0, 1, len(AROUND) - 1)


def stated_actions(text: str) -> Iterator[Action]:
    """What a text says that the ego does now; other actions, other times and other road users are left out."""
    for start, end in sentences(text):
        sentence = text[start:end]
        clause = re.split(r"\b(?:because|since|as|so that|while|for)\b", sentence, maxsplit=1)[0]
        ego = EGO.search(clause)
        if ego is None or SUPPOSED.search(clause):
            continue
        others = [r.start for r in agent_references(clause) if r.start > ego.start()]
        for match in ACTION.finditer(clause, ego.end(), others[0] if others else len(clause)):
            yield Action(str(match.lastgroup), match[0], (start + match.start(), start + match.end()))


def agrees(action: str, longitudinal: str, lateral: str) -> bool:
    """Whether a word fits the stated actions: ways to slow down are one, and a turn is driven in its lane."""
    if action in dict(ALONG):
        return action == longitudinal or {action, longitudinal} <= SLOWING
    return lateral not in LANE_CHANGES if action == "keep" else action == lateral
