"""Changing one statement of a trace everywhere it is made, in fields and in texts, so that nothing else is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dataset_platform.kernels.reasoning.mutations import Case
from dataset_platform.kernels.reasoning.quality.claims import Claim, resolve
from dataset_platform.kernels.reasoning.quality.grounding import all_claims
from dataset_platform.kernels.reasoning.quality.ledger import shown
from dataset_platform.kernels.reasoning.quality.wording import NUMBER
from dataset_platform.kernels.reasoning.trace import LEVELS, CoTTrace


def with_level(trace: CoTTrace, level: str, **changes: Any) -> CoTTrace:
    """A trace with some fields of a level replaced."""
    return trace.model_copy(update={level: getattr(trace, level).model_copy(update=changes)})


def with_text(trace: CoTTrace, level: str, text: str) -> CoTTrace:
    """A trace with the text of a level replaced."""
    return with_level(trace, level, text=text)


def with_sentence(trace: CoTTrace, level: str, sentence: str) -> CoTTrace:
    """A trace with a sentence more in a level's text."""
    return with_text(trace, level, f"{getattr(trace, level).text.rstrip()} {sentence}")


def replaced(text: str, changes: Iterable[tuple[tuple[int, int], str]]) -> str:
    """A text with spans replaced."""
    for (start, end), new in sorted(changes, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def statements(case: Case) -> dict[tuple[str, str], list[Claim]]:
    """Numbers of a trace that are facts, by the subject and quantity that they state."""
    found: dict[tuple[str, str], list[Claim]] = {}
    for claim in all_claims(case.trace, case.facts):
        fact = None if claim.own else resolve(claim, case.facts)
        if fact is not None:
            found.setdefault(fact[:2], []).append(claim)
    return found


def restated(case: Case, claims: Iterable[Claim], change: Callable[[float], float]) -> CoTTrace:
    """A trace in which some statements of a number have another value, in the words' own units."""
    trace = case.trace
    claims = list(claims)
    for level in LEVELS:
        text = getattr(trace, level).text
        edits = []
        for claim in claims:
            if claim.level == level and claim.span is not None:
                match = NUMBER.match(text, claim.span[0])
                if match is not None:
                    value = shown(round(change(float(match[1].replace("−", "-"))), 2))
                    edits.append(((match.start(1), match.end(1)), value))
        trace = with_text(trace, level, replaced(text, edits))
    for claim in claims:
        if claim.span is None:
            trace = _with_field(trace, claim, change)
    return trace


def _with_field(trace: CoTTrace, claim: Claim, change: Callable[[float], float]) -> CoTTrace:
    level = getattr(trace, claim.level)
    outer, _, inner = claim.place.partition(".")
    if not inner:
        return with_level(trace, claim.level, **{outer: change(getattr(level, outer))})
    value = getattr(level, outer)
    if not isinstance(value, tuple):
        return with_level(
            trace, claim.level, **{outer: value.model_copy(update={inner: change(getattr(value, inner))})}
        )
    agent_id = int(claim.subjects[0].partition(":")[2])
    items = (v.model_copy(update={inner: change(getattr(v, inner))}) if v.agent_id == agent_id else v for v in value)
    return with_level(trace, claim.level, **{outer: tuple(items)})
