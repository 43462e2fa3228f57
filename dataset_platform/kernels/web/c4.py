"""C4's line and page rules (JMLR 21/140, section 2.2): the only rules that change a text.

Lines are judged in order and the order of the rules within a line is datatrove's, because a line that an earlier rule
takes out cannot condemn the page any more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from dataset_platform.kernels.web import words as w

POLICY_PHRASES = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)
_POLICY_MARKS = tuple(phrase.encode() for phrase in POLICY_PHRASES)
_PAGE_MARKS = (b"lorem ipsum", b"javascript", b"{")
_CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
_END_MARKS = (".", "?", "!", '"', "'")


@dataclass(frozen=True, slots=True)
class LineRules:
    """Which line and page rules apply; the defaults are C4's for English without the terminal punctuation rule.

    The rules on words and phrases (``min_words_per_line``, ``policy``, ``terminal_punctuation``) are about English;
    the others hold in every language.
    """

    min_words_per_line: int = 3
    max_word_length: int = 1000
    policy: bool = True
    javascript: bool = True
    citations: bool = True
    lorem_ipsum: bool = True
    curly_bracket: bool = True
    terminal_punctuation: bool = False


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A text after the line rules."""

    text: str
    lines_removed: int
    """Lines that a rule took out; blank lines do not count."""
    removed: dict[str, int]
    """Lines taken out, by rule."""
    page_reason: str | None
    """``lorem_ipsum`` or ``curly_bracket`` when a line that was still in condemns the page."""
    keep: npt.NDArray[np.bool_]
    """Per line of the word split: whether it is still in."""
    edited: bool
    """Whether a kept line lost a citation, so that the word split no longer describes the text."""


@numba.njit(cache=True)
def _sentences(flags, lines):  # type: ignore[no-untyped-def]
    count, line, open_end = 0, -1, False
    for i in range(len(flags)):
        flag = flags[i]
        if lines[i] != line:
            line, open_end = lines[i], False
            count += 1
        if flag & w.SENTENCE_END:
            open_end = True
        elif open_end and not flag & w.CLOSING:
            count += 1
            open_end = False
    return count


def sentence_count(words: w.Words) -> int:
    """Sentences of a split: a sentence goes from a terminal mark and the punctuation behind it to the next.

    Every line begins a sentence of its own.
    """
    return int(_sentences(words.flags, words.lines))


def clean(text: str, words: w.Words, rules: LineRules) -> Cleaned:
    """Apply the line rules to a text whose word split is given.

    Rules, in order: ``too_long_word`` (takes the line out), citations (taken out of the line), ``no_terminal_punct``,
    ``too_few_words``, ``lorem_ipsum`` (condemns the page), ``javascript``, ``curly_bracket`` (condemns the page),
    ``policy``. Kept lines are stripped, behind a citation too, and joined by line feeds. A line without a
    word is gone without being counted.
    """
    blank = words.line_first < 0
    too_long = words.line_longest > rules.max_word_length
    too_few = ~too_long & (words.line_words < rules.min_words_per_line)
    # bytes, because lower-casing those is a table look-up; every mark is ASCII
    lower = text.encode("utf-8", "surrogatepass").lower()
    marked = any(mark in lower for mark in _PAGE_MARKS) or (
        rules.policy and any(mark in lower for mark in _POLICY_MARKS)
    )
    cited = rules.citations and _CITATION.search(text) is not None
    if not marked and not cited and not rules.terminal_punctuation:
        # most texts: what the split knows of the lines decides
        keep = ~(too_long | too_few | blank)
        bounds = zip(words.line_first[keep].tolist(), (words.line_last[keep] + 1).tolist(), strict=True)
        removed = {"too_long_word": int((too_long & ~blank).sum()), "too_few_words": int((too_few & ~blank).sum())}
        cleaned = "\n".join([text[first:end] for first, end in bounds])
        return Cleaned(cleaned, sum(removed.values()), _positive(removed), None, keep, False)
    return _clean_by_line(text, words, rules, too_long, too_few)


def _clean_by_line(
    text: str, words: w.Words, rules: LineRules, too_long: npt.NDArray[np.bool_], too_few: npt.NDArray[np.bool_]
) -> Cleaned:
    keep = np.zeros(len(words.line_first), bool)
    removed: dict[str, int] = {}
    page_reason, edited, kept = None, False, []
    bounds = zip(words.line_first.tolist(), (words.line_last + 1).tolist(), strict=True)
    for number, (first, end) in enumerate(bounds):
        if first < 0:
            continue
        written = text[first:end]
        line = _CITATION.sub("", written).strip() if rules.citations else written
        lower = line.lower()
        reason = None
        if too_long[number]:
            reason = "too_long_word"
        elif rules.terminal_punctuation and (not line.endswith(_END_MARKS) or line.endswith("...")):
            reason = "no_terminal_punct"
        elif too_few[number]:
            reason = "too_few_words"
        elif rules.lorem_ipsum and "lorem ipsum" in lower:
            page_reason = page_reason or "lorem_ipsum"
        elif rules.javascript and "javascript" in lower:
            reason = "javascript"
        elif rules.curly_bracket and "{" in line:
            page_reason = page_reason or "curly_bracket"
        elif rules.policy and any(phrase in lower for phrase in POLICY_PHRASES):
            reason = "policy"
        if reason is not None:
            removed[reason] = removed.get(reason, 0) + 1
            continue
        edited |= line != written
        if line:
            keep[number] = True
            kept.append(line)
    return Cleaned("\n".join(kept), sum(removed.values()), removed, page_reason, keep, edited)


def _positive(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}
