"""What can be seen of an answer, and of a first answer, a later one and the prompt between them, without the reference.

Facts of one answer are computed once (`answer_facts`) and joined per turn (`turn_features`). Nothing here knows the
question, the reference answer, the data set or the template's id, so a classifier on these features cannot either.
That the agreement of two samples tells right from wrong: Wang et al. 2022, arXiv:2203.11171. That sums can be checked
by recomputing their annotations: Cobbe et al. 2021, arXiv:2110.14168.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dataset_platform.kernels.self_correction.final_answers import (
    ANNOTATION,
    NUMBER,
    RESULT_SHOWN,
    ROUNDED,
    SUM,
    WRONG,
    canonical,
    evaluate,
    final_answer,
    holds,
    number,
)

_WORD = re.compile(r"\w+")
_ALIKE = 0.9
_HEDGE = frozenset(
    _WORD.findall(
        "maybe perhaps probably possibly might unsure uncertain sure think believe guess seem seems likely "
        "roughly unclear approximately about assume assumes assuming assumed assumption could cannot unknown "
        "presumably apparently"
    )
)
_DOUBT = frozenset(
    _WORD.findall(
        "sorry apologise apologize apologies mistake mistakes mistaken misread miscalculated overlooked incorrect "
        "wrong incorrectly error errors correction corrected correcting actually wait revise revised instead fix "
        "fixed oops"
    )
)
_STANDS = frozenset(
    _WORD.findall("stand stands same still remain remains unchanged confirm confirms confirmed certain")
)
_CUES = (
    re.compile(r"\b(?:re-?comput|re-?calculat|comput\w+ .*again|check|verif|redo|calculation)"),
    re.compile(r"\b(?:sure|certain|doubt|wrong|mistake|argue|incorrect|really|likely)"),
    re.compile(r"\b(?:brief|short|concise|few|less|only the)"),
    re.compile(r"\b(?:step|each|every|list|number)"),
    re.compile(r"\b(?:another|different|other|aside|from the start|once more|again|anew)"),
    re.compile(r"\b(?:explain|why|reason|because|evidence|facts)"),
)

ANSWER_FEATURES = (
    *(
        "has_final",
        "marked",
        "words",
        "lines",
        "words_per_line",
        "numbers",
        "results",
        "failed_checks",
        "any_failed",
        "rounded",
    ),
    *("final_in_results", "final_is_last_result", "final_not_in_results", "hedges", "doubts", "stands", "questions"),
    *("magnitude", "decimals", "long_decimals", "negative", "is_yes_no", "open_end", "repeated_lines"),
    *("fractional_results", "negative_results", "largest_result", "final_over_largest_number"),
)
PAIR_FEATURES = (
    *("same_answer", "same_text", "lost_final", "gained_final", "length_ratio", "shared_numbers", "shared_results"),
    *("final_in_first", "first_final_in_current", "value_ratio", "fewer_failed", "more_failed", "more_hedges"),
    *("more_lines", "changed_after_doubt", "contained"),
)
PROMPT_FEATURES = (
    *("prompt_known", "prompt_words", "asks_recompute", "voices_doubt", "asks_brevity", "asks_steps", "asks_anew"),
    "asks_reasons",
)
_CROSSED = ("words", "results", "any_failed", "final_is_last_result", "magnitude", "decimals", "hedges", "questions")
_CROSSED_AT = tuple(ANSWER_FEATURES.index(name) for name in _CROSSED)
FIRST_TURN_NAMES = ANSWER_FEATURES
LATER_TURN_NAMES = (
    *ANSWER_FEATURES,
    *(f"first_{name}" for name in ANSWER_FEATURES),
    *PAIR_FEATURES,
    *(f"same_answer*{name}" for name in _CROSSED),
    *PROMPT_FEATURES,
    *(f"same_answer*{name}" for name in PROMPT_FEATURES[2:]),
    *(f"same_text*{name}" for name in PROMPT_FEATURES[2:]),
)


@dataclass(frozen=True, slots=True, eq=False)
class AnswerFacts:
    """What is seen of one answer.

    Attributes:
        text: the answer itself.
        final: the final answer, normalised so that equal answers are equal strings; None when none was found.
        value: its value when it is a number.
        words: the text's words, case folded, in order.
        numbers, results: distinct numbers of the text, and results of the sums shown in it, in canonical form.
        failed: sums and annotations that do not hold when computed again.
        features: (len(ANSWER_FEATURES),) values in that order.
    """

    text: str
    final: str | None
    value: float | None
    words: tuple[str, ...]
    numbers: frozenset[str]
    results: frozenset[str]
    failed: int
    features: tuple[float, ...]


def answer_facts(text: str) -> AnswerFacts:
    """Facts of one answer, in one pass; about 60 µs for one of GSM8K's length."""
    found = final_answer(text)
    final, marked = found if found is not None else (None, False)
    value = _value(final)
    words = tuple(_WORD.findall(text.casefold()))
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    read = [_named(digits) for digits in NUMBER.findall(text)]
    seen = frozenset(word for word in words if not word.isdigit())
    results, failed, rounded = _checked_sums(text)
    names = [canonical(v) for v in results]
    last = text.rstrip()[-1:]
    largest = max((v for v, _ in read if v != value), default=0.0)
    size = math.log10(1 + abs(value)) if value is not None else 0.0
    decimals = len(final.partition(".")[2]) if value is not None and final is not None else 0
    features = (
        float(final is not None),
        float(marked),
        math.log1p(len(words)),
        math.log1p(len(lines)),
        math.log1p(len(words) / max(1, len(lines))),
        math.log1p(len(read)),
        math.log1p(len(results)),
        float(min(failed, 3)),
        float(failed > 0),
        float(min(rounded, 3)),
        float(final in names),
        float(bool(names) and final == names[-1]),
        float(bool(names) and final is not None and final not in names),
        float(min(len(_HEDGE & seen), 3)),
        float(min(len(_DOUBT & seen), 3)),
        float(min(len(_STANDS & seen), 2)),
        float(min(text.count("?"), 3)),
        size,
        float(decimals > 0),
        float(decimals > 2),
        float(value is not None and value < 0),
        float(final in ("yes", "no")),
        float(not marked and last not in ".!)\"'`*" and not last.isdigit()),
        1.0 - len(set(lines)) / max(1, len(lines)),
        sum(v != int(v) for v in results) / max(1, len(results)),
        float(any(v < 0 for v in results)),
        math.log10(1 + max((abs(v) for v in results), default=0.0)),
        size - math.log10(1 + largest) if value is not None else 0.0,
    )
    return AnswerFacts(
        text, final, value, words, frozenset(name for _, name in read), frozenset(names), failed, features
    )


def same_answer(a: AnswerFacts, b: AnswerFacts) -> bool:
    """Whether both come to the same final answer; where neither has one, whether they are worded alike."""
    if a.final is None and b.final is None:
        return same_text(a, b)
    return a.final == b.final


def same_text(a: AnswerFacts, b: AnswerFacts) -> bool:
    """Whether both have nearly the same words: equal, or 9 in 10 of all their words (with repeats) are shared."""
    if a.words == b.words:
        return True
    short, long = sorted((len(a.words), len(b.words)))
    if short < _ALIKE * long:
        return False
    shared = sum((Counter(a.words) & Counter(b.words)).values())
    return shared >= _ALIKE * (short + long - shared)


def turn_features(first: AnswerFacts, current: AnswerFacts, prompt: str | None) -> np.ndarray:
    """Features of a turn: (len(FIRST_TURN_NAMES),) without a prompt, else (len(LATER_TURN_NAMES),), float64.

    Args:
        first: facts of the answer of turn 0.
        current: facts of this turn's answer.
        prompt: the message that asked for it, "" when its words are not known; None on turn 0.
    """
    return np.array(current.features) if prompt is None else pair_features(first, current, prompt)


def pair_features(first: AnswerFacts, current: AnswerFacts, prompt: str) -> np.ndarray:
    """Features of a later turn: (len(LATER_TURN_NAMES),) float64."""
    same, alike = same_answer(first, current), same_text(first, current)
    own, of_prompt = current.features, prompt_features(prompt)
    ratio = 0.0
    if first.value is not None and current.value is not None and not same:
        ratio = abs(math.log10((1 + abs(current.value)) / (1 + abs(first.value))))
    length = math.log((1 + len(current.words)) / (1 + len(first.words)))
    pair = (
        float(same),
        float(alike),
        float(first.final is not None and current.final is None),
        float(first.final is None and current.final is not None),
        length,
        _jaccard(first.numbers, current.numbers),
        _jaccard(first.results, current.results),
        float(current.final in first.numbers),
        float(first.final in current.numbers),
        min(ratio, 3.0),
        float(current.failed < first.failed),
        float(current.failed > first.failed),
        own[_HEDGES] - first.features[_HEDGES],
        own[_LINES] - first.features[_LINES],
        float(not same and own[_DOUBTS] > 0),
        float(not alike and first.numbers <= current.numbers),
    )
    asks = of_prompt[2:]
    none = (0.0,) * len(asks)
    return np.array(
        own
        + first.features
        + pair
        + (tuple(own[at] for at in _CROSSED_AT) if same else (0.0,) * len(_CROSSED_AT))
        + of_prompt
        + (asks if same else none)
        + (asks if alike else none)
    )


_HEDGES, _LINES, _DOUBTS = (ANSWER_FEATURES.index(name) for name in ("hedges", "lines", "doubts"))


@lru_cache(maxsize=1024)
def prompt_features(prompt: str) -> tuple[float, ...]:
    """What a prompt asks for: (len(PROMPT_FEATURES),) values; "" stands for a prompt whose words are not known."""
    folded = " ".join(prompt.casefold().split())
    cues = (float(cue.search(folded) is not None) for cue in _CUES)
    return (float(bool(folded)), math.log1p(len(folded.split())), *cues)


def _checked_sums(text: str) -> tuple[list[float], int, int]:
    """Results shown, in order, how many of them do not hold, and how many hold only after rounding."""
    results: list[float] = []
    failed = rounded = 0
    rest = text
    if "<<" in text:
        for expression, shown, copied in ANNOTATION.findall(text):
            computed, result = evaluate(expression), number(shown)
            if computed is None or result is None:
                continue
            carried = number(copied) if copied else None
            results.append(result if carried is None else carried)
            verdict = min(holds(computed, result), holds(result, result if carried is None else carried))
            failed += verdict == WRONG
            rounded += verdict == ROUNDED
        rest = ANNOTATION.sub(";", text)
    if RESULT_SHOWN.search(rest):
        for expression, shown in SUM.findall(rest):
            computed, result = evaluate(expression), number(shown)
            if computed is None or result is None:
                continue
            results.append(result)
            verdict = holds(computed, result)
            failed += verdict == WRONG
            rounded += verdict == ROUNDED
    return results, failed, rounded


@lru_cache(maxsize=16_384)
def _named(digits: str) -> tuple[float, str]:
    """Value and canonical form of digits as ``NUMBER`` finds them."""
    value = number(digits)
    return (0.0, digits) if value is None else (value, canonical(value))


def _value(final: str | None) -> float | None:
    """The value of a final answer that is a number."""
    return number(final) if final is not None and (final[-1:].isdigit()) else None


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Shared share of two sets; 1 when both are empty."""
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared) if a or b else 1.0
