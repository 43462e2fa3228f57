"""Statements of a trace's texts: numbers with units, agents, lights, lanes, told by rule from plain English.

A number is said of the agents, signals, signs and the ego that its sentence names before it, the nearest first; of
those named after it where none comes before; of the ego where none is named at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.quality.claims import Claim

UNITS: dict[str, tuple[str, float]] = {
    **dict.fromkeys(
        ("m/s²", "m/s^2", "m/s2", "mps2", "metres per second squared", "meters per second squared"), ("mps2", 1.0)
    ),
    **dict.fromkeys(("m/s", "mps", "metres per second", "meters per second"), ("mps", 1.0)),
    **dict.fromkeys(("km/h", "kph", "kmh", "kilometres per hour", "kilometers per hour"), ("mps", 1 / 3.6)),
    **dict.fromkeys(("mph", "miles per hour"), ("mps", 0.44704)),
    **dict.fromkeys(("ft", "feet", "foot"), ("m", 0.3048)),
    **dict.fromkeys(("km", "kilometres", "kilometers"), ("m", 1000.0)),
    **dict.fromkeys(("m", "metre", "metres", "meter", "meters"), ("m", 1.0)),
    **dict.fromkeys(("s", "sec", "second", "seconds"), ("s", 1.0)),
    **dict.fromkeys(("°", "deg", "degree", "degrees"), ("deg", 1.0)),
    **dict.fromkeys(("%", "percent", "per cent"), ("share", 0.01)),
}
WORDS = {
    "two": 2.0,
    "three": 3.0,
    "four": 4.0,
    "five": 5.0,
    "six": 6.0,
    "seven": 7.0,
    "eight": 8.0,
    "nine": 9.0,
    "ten": 10.0,
}
TYPE_WORDS = {
    **dict.fromkeys(("vehicle", "car", "truck", "bus", "van", "motorcycle"), "vehicle"),
    **dict.fromkeys(("pedestrian", "person", "walker"), "pedestrian"),
    **dict.fromkeys(("cyclist", "bicycle", "bicyclist", "rider"), "cyclist"),
    **dict.fromkeys(("agent", "track", "object"), "agent"),
}
PLURALS = {
    "vehicles": "vehicle",
    "cars": "vehicle",
    "pedestrians": "pedestrian",
    "people": "pedestrian",
    "cyclists": "cyclist",
}
LIGHT_WORDS = {"red": "stop", "yellow": "caution", "amber": "caution", "green": "go"}
_KIND = "|".join(TYPE_WORDS)
_UNIT = "|".join(re.escape(u) for u in sorted(UNITS, key=len, reverse=True))
AGENT = re.compile(rf"\b({_KIND})s?\s+(?:no\.?\s*|number\s+|id\s+|#)?(\d{{1,18}})\d*\b", re.I)
MORE_IDS = re.compile(r"\s*(?:,|and|or|, and)\s+(\d{1,18})\d*\b(?!\s*(?:\.\d|" + _UNIT + r")(?!\w))")
NUMBER = re.compile(rf"(?<![\w.:#])([-−+]?\d+(?:\.\d+)?)\s?-?({_UNIT})(?![\w²^/])", re.I)
COUNT = re.compile(
    rf"\b(\d+|{'|'.join(WORDS)})\s+(?:\w+\s+)?({'|'.join((*PLURALS, *TYPE_WORDS))})\b(?!\s+(?:#|id\b|no\b|\d))", re.I
)
PROBABILITY = re.compile(r"\b(?:probability|confidence|likelihood)(?:\s+(?:of|is|=|at))*\s+([01](?:\.\d+)?)\b", re.I)
BEFOREHAND = re.compile(
    r"(?:\b(?:in|within|over|after|for|next|coming|by|at t)\s*=?\s*(?:the\s+|about\s+|next\s+|coming\s+|another\s+)*|±\s*|\+)$",
    re.I,
)
EGO = re.compile(
    r"\b(?:ego|we|us|i|our|own)\b|\bthe (?:automated|autonomous|self-driving) (?:car|vehicle)\b(?!\s*#?\d)"
    r"|\bthe (?:car|vehicle) itself\b"
    r"|\bthe car\b(?!\s*(?:(?:#|no\b|id\b|number\b)?\s*\d|(?:ahead|in|behind|before|beside|next|on|to|at|that|which|from|coming)\b))",
    re.I,
)
"""Words for the ego; "the car" is the ego's own unless an id, a place or a clause tells it from it."""
SUBJECTS = (
    (re.compile(r"\b(?:signals?|lights?|arrow)\b(?:[^.;]{0,30}?\blane\s+(\d+))?", re.I), "signal"),
    (re.compile(r"\bstop (?:line|point)s?\b(?:[^.;]{0,30}?\blane\s+(\d+))?", re.I), "signal"),
    (re.compile(r"\bstop signs?\b(?:\s+#?(\d+))?", re.I), "stop_sign"),
    (re.compile(r"\bcrosswalks?\b(?:\s+#?(\d+))?", re.I), "crosswalk"),
    (re.compile(r"\b(?:path|route|bend|curve)\b", re.I), "path"),
    (EGO, "ego"),
    (re.compile(r"\b(?:the|a) (?:lead|leading)(?: vehicle| car)?\b(?!\s*(?:vehicle|car)?\s*#?\d)", re.I), "lead"),
)
QUANTITIES = {
    "m": (
        *("distance", "gap", "longitudinal", "lateral", "lane_offset", "length"),
        *("conflict_distance", "curve_distance", "curve_radius", "turn_distance"),
    ),
    "mps": ("speed", "closing_speed"),
    "mps2": ("drac", "acceleration"),
    "s": ("ttc", "thw", "conflict_time", "conflict_until"),
    "deg": ("bearing", "relative_heading", "heading_change", "turn"),
}
NAMES = (
    (re.compile(r"\bclos(?:ing|es) (?:at|speed|in at|rate)\b", re.I), "closing_speed"),
    (re.compile(r"\bgap\b", re.I), "gap"),
    (re.compile(r"\bheadway\b|\bthw\b|\btime gap\b", re.I), "thw"),
    (re.compile(r"\b(?:time[- ])?to[- ]collision\b|\bttc\b", re.I), "ttc"),
    (re.compile(r"\bdrac\b|\bdeceleration needed\b", re.I), "drac"),
    (re.compile(r"\boffset\b", re.I), "lane_offset"),
    (re.compile(r"\b(?:speed )?limit\b|\bposted\b|\ballowed\b|\bzone\b", re.I), "speed_limit"),
)
"""Names of quantities: a number beside one is a number of it, and of nothing else."""
HINTS = (
    (re.compile(r"\bclos(?:ing|es)\b|\bapproach", re.I), "closing_speed"),
    (re.compile(r"\bbumper", re.I), "gap"),
    (re.compile(r"\bcollision\b", re.I), "ttc"),
    (re.compile(r"\bto avoid\b|\bneeds?\b", re.I), "drac"),
    (re.compile(r"\bfrom the (?:lane's )?cent", re.I), "lane_offset"),
)
"""Words near a number that make a quantity the likeliest of its unit."""
FOLLOWS = re.compile(r"\s*-?(?:(?:of|the|in|time|speed|posted)\s+){0,2}")
PLACE_AFTER = re.compile(
    r"\s+(?:(?:is|are|stands?|drives?|waits?)\s+)?(?:in|on|to|at|ahead|behind|beside|near|within|with|that|who|which|\w+ing)\b",
    re.I,
)
PLACE_BEFORE = re.compile(r"\b(?:left|right|ahead|behind|front|lanes?|crosswalk|beside|among)\b", re.I)
LIGHT = re.compile(
    r"\b(?:(red|yellow|amber|green)\s+(?:\w+\s+)?(?:arrow|light|signal)s?"
    r"|(?:signal|light|arrow)[^.;]{0,40}?\s(?:is|shows|are|stays|reads|=)\s+(?:an?\s+|now\s+|currently\s+|at\s+)*(red|yellow|amber|green))\b",
    re.I,
)
HYPOTHETICAL = re.compile(r"\b(?:until|unless|if|when|once|would|could|should|before|run(?:s|ning)?|after)\b", re.I)
UNNAMED = re.compile(
    rf"\b(?:an?|the|some|another)\s+(?:(?!lead)\w+\s+)?({_KIND})s?\b(?!\s+(?:#|id\b|no\b|number\b)?\s*\d)", re.I
)
LEAD = re.compile(r"\b(?:the|a) lead(?:ing)? (?:vehicle|car|truck|bus)\b(?!\s*#?\d)", re.I)
LANE = re.compile(r"\blanes?\s+#?(\d{1,18})\d*\b", re.I)


@dataclass(frozen=True)
class Reference:
    """A thing that a text names: its subject as in the facts, the type said of it, and where it stands."""

    subject: str
    kind: str
    start: int
    end: int


def sentences(text: str) -> list[tuple[int, int]]:
    """Spans of the sentences and half-sentences of a text; a point within a number ends none."""
    spans, start = [], 0
    for match in re.finditer(r"(?<=[^\d\s])[.!?](?=\s|$)|(?<=\d)[.!?](?=\s+[A-Z(]|\s*$)|;|\n", text):
        spans.append((start, match.end()))
        start = match.end()
    spans.append((start, len(text)))
    return [(a, b) for a, b in spans if text[a:b].strip()]


def agent_references(text: str) -> Iterator[Reference]:
    """Agents that a text names by type and id; ``vehicles 3, 5 and 8`` names three."""
    for match in AGENT.finditer(text):
        kind, end = TYPE_WORDS[match[1].lower()], match.end()
        yield Reference(f"agent:{int(match[2])}", kind, match.start(), end)
        plural = text[match.start() + len(match[1])].lower() == "s"
        while plural and (more := MORE_IDS.match(text, end)):
            yield Reference(f"agent:{int(more[1])}", kind, more.start(1), more.end())
            end = more.end()


def unnamed_agents(text: str) -> Iterator[tuple[str, str]]:
    """Road users that a text says are there without an id: their type, or lead, and the words. What may be is left out."""
    for start, end in sentences(text):
        sentence = text[start:end]
        if HYPOTHETICAL.search(sentence) or re.search(r"\b(?:no|not|without|never|any)\b", sentence, re.I):
            continue
        for match in LEAD.finditer(sentence):
            yield "lead", match[0]
        egos = [m.span() for m in EGO.finditer(sentence)]
        for match in UNNAMED.finditer(sentence):
            kind = TYPE_WORDS[match[1].lower()]
            if kind != "agent" and not any(a < match.end() and match.start() < b for a, b in egos):
                yield kind, match[0]


def references(text: str, facts: Facts) -> list[Reference]:
    """All that a text names, in its order; signals and signs without a number stand for those among the facts."""
    found = list(agent_references(text))
    for pattern, kind in SUBJECTS:
        for match in pattern.finditer(text):
            if kind in ("ego", "path"):
                subjects = [kind]
            elif kind == "lead":
                subjects = [f"agent:{i}" for i in facts.agent_ids if facts.word(f"agent:{i}", "relation") == "lead"][:1]
            elif match[1]:
                subjects = [f"{kind}:{match[1]}"]
            else:
                subjects = [s for s in facts.subjects if s.startswith(f"{kind}:")]
            found += [Reference(s, kind, match.start(), match.end()) for s in subjects]
    return sorted(found, key=lambda r: (r.start, r.subject))


def number_claims(level: str, text: str, facts: Facts) -> Iterator[Claim]:
    """Numbers with a unit, counts and probabilities that a text states, with what they may be said of."""
    for start, end in sentences(text):
        sentence = text[start:end]
        named = references(sentence, facts)
        taken = [(r.start, r.end) for r in named]
        told = 0
        for match in NUMBER.finditer(sentence):
            unit, factor = UNITS[match[2].lower()]
            value = float(match[1].replace("−", "-")) * factor
            span = (start + match.start(), start + match.end())
            subjects = _subjects(named, match.start())
            own = unit == "share" or (unit == "s" and bool(BEFOREHAND.search(sentence[: match.start()])))
            yield Claim(
                level,
                "text",
                subjects,
                _quantities(unit, sentence, told, match.start(), match.end()),
                value,
                unit,
                _shown(sentence, match),
                span,
                own,
                0.5 * 10.0 ** -len(match[1].partition(".")[2]) * factor,
            )
            told = match.end()
        for match in COUNT.finditer(sentence):
            if any(a <= match.start() < b for a, b in taken):
                continue
            word = match[1].lower()
            kind = PLURALS.get(match[2].lower()) or TYPE_WORDS[match[2].lower()]
            if kind == "agent" or re.search(r"\b(?:of|other|more|both|these|those)\b", match[0], re.I):
                continue
            value = float(word) if word.isdigit() else WORDS[word]
            span = (start + match.start(), start + match.end())
            # of those in one place, or of one sort, there are at most as many as of all
            some = len(match[0].split()) > 2 or PLACE_AFTER.match(sentence, match.end())
            unit = "at_most" if some or PLACE_BEFORE.search(sentence[: match.start()]) else "count"
            yield Claim(level, "text", ("scene",), (f"{kind}_count",), value, unit, match[0], span)
        for match in PROBABILITY.finditer(sentence):
            span = (start + match.start(1), start + match.end(1))
            yield Claim(
                level, "text", _subjects(named, match.start()), (), float(match[1]), "share", match[0], span, True
            )


def light_claims(text: str, facts: Facts) -> Iterator[tuple[str, str | None, str, tuple[int, int]]]:
    """Colours that a text says a signal shows now: (subject, state class, words, span); what would be is left out."""
    for start, end in sentences(text):
        sentence = text[start:end]
        for match in LIGHT.finditer(sentence):
            if HYPOTHETICAL.search(sentence[max(0, match.start() - 40) : match.end()]):
                continue
            named = [r.subject for r in references(sentence, facts) if r.kind == "signal"]
            colour = next(c for c in match.groups() if c)
            yield (
                (named[0] if named else "signal"),
                LIGHT_WORDS[colour.lower()],
                match[0],
                (start + match.start(), start + match.end()),
            )


def lane_references(text: str) -> Iterator[tuple[int, tuple[int, int]]]:
    """Ids of lanes that a text names, with where they stand."""
    for match in LANE.finditer(text):
        yield int(match[1]), match.span()


def _subjects(named: list[Reference], at: int) -> tuple[str, ...]:
    before = [r.subject for r in named if r.start < at]
    chosen = before[::-1] or [r.subject for r in named if r.start >= at] or ["ego"]
    return tuple(dict.fromkeys(chosen))


def _quantities(unit: str, sentence: str, told: int, start: int, end: int) -> tuple[str, ...]:
    """What a number may be of, likeliest first; one quantity where it is named between the number before, which ends at
    ``told``, and this one, or right behind it."""
    likely = QUANTITIES.get(unit, ())
    possible = (*likely, "speed_limit") if unit == "mps" else likely
    before = sentence[told:start].rpartition(",")[2]
    named = [(m.start(), q) for pattern, q in NAMES if q in possible for m in pattern.finditer(before)]
    if named:
        return (max(named)[1],)
    gap = FOLLOWS.match(sentence, end)
    behind = [q for pattern, q in NAMES if q in possible and pattern.match(sentence, gap.end() if gap else end)]
    if behind:
        return (behind[0],)
    nearby = sentence[max(0, start - 30) : start] + " " + sentence[end : end + 20]
    hinted = [q for pattern, q in HINTS if q in likely and pattern.search(nearby)]
    return tuple(dict.fromkeys([*hinted, *likely]))


def _shown(sentence: str, match: re.Match[str]) -> str:
    return sentence[max(0, match.start() - 40) : match.end()].strip()
