"""C4's line and page rules (JMLR 21/140, section 2.2): the only rules that change a text.

Lines are judged in order and the order of the rules within a line is datatrove's, because a line that an earlier rule
takes out cannot condemn the page any more. What is left of a line is what datatrove leaves, blanks that stood before a
citation included, so that the measures on the cleaned text are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from dataset_platform.kernels.web import characters as ch
from dataset_platform.kernels.web import gopher
from dataset_platform.kernels.web import words as w

POLICY_PHRASES = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)
LINE_REASONS = ("too_long_word", "no_terminal_punct", "too_few_words", "javascript", "policy")
PAGE_REASONS = ("lorem_ipsum", "curly_bracket")

# found in lines, in this order; a bit for each of the first three, one more for any policy
_PHRASES = ("lorem ipsum", "javascript", "{", *POLICY_PHRASES)
_LOREM, _JAVASCRIPT, _CURLY, _POLICY = 1, 2, 4, 8
_KEPT, _BLANK, _FIRST_REASON = 0, 1, 2
_CITATIONS = ("edit]", "citation needed]")
_OPENS, _CLOSES = 91, 93


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


NO_RULES = LineRules(
    min_words_per_line=0,
    max_word_length=2**31 - 1,
    policy=False,
    javascript=False,
    citations=False,
    lorem_ipsum=False,
    curly_bracket=False,
)
"""Takes out blank lines only, and what lies around a line."""


class Cleaned(NamedTuple):
    """A text after the line rules."""

    codes: npt.NDArray[np.uint32]
    """Code points of the text that is left."""
    tokens: int
    """Its tokens, punctuation included."""
    folded: npt.NDArray[np.uint64]
    """Its words to MinHash."""
    sentences: int
    """Sentences of the kept lines, as spaCy's sentencizer counts them line by line."""
    removed: tuple[int, ...]
    """Lines taken out, for each of ``LINE_REASONS``; blank lines do not count."""
    page_reason: str | None
    """``lorem_ipsum`` or ``curly_bracket`` when a line that was still in condemns the page: the first that did."""
    page_marks: tuple[bool, bool]
    """Whether each of ``PAGE_REASONS`` holds."""

    @property
    def text(self) -> str:
        """The text that is left."""
        return self.codes.tobytes().decode("utf-32-le", "surrogatepass")

    @property
    def lines_removed(self) -> int:
        """Lines that a rule took out."""
        return sum(self.removed)


def _phrases(phrases: tuple[str, ...]) -> npt.NDArray[np.uint32]:
    table = np.zeros((len(phrases), max(map(len, phrases)) + 1), np.uint32)
    for row, phrase in zip(table, phrases, strict=True):
        row[: len(phrase)] = [ord(c) for c in phrase]
    return table


_PHRASE_TABLE = _phrases(_PHRASES)
_CITATION_TABLE = _phrases(_CITATIONS)
_MAX_FIRST = 128  # all phrases are ASCII


@numba.njit(cache=True)
def _matches(codes, folded, at, end, phrase):  # type: ignore[no-untyped-def]
    k = 0
    while phrase[k]:
        if at + k >= end or folded[codes[at + k]] != phrase[k]:
            return 0
        k += 1
    return k


@numba.njit(cache=True)
def _marks(codes, folded, first, end, phrases, begins):  # type: ignore[no-untyped-def]
    """Bits of the phrases in a line, whatever their case."""
    found = 0
    for i in range(first, end):
        low = folded[codes[i]]
        if low >= _MAX_FIRST or not begins[low]:
            continue
        for p in range(len(phrases)):
            if phrases[p, 0] == low and _matches(codes, folded, i, end, phrases[p]):
                found |= 1 << min(p, 3)
    return found


@numba.njit(cache=True)
def _ends_properly(codes, first, end):  # type: ignore[no-untyped-def]
    """Whether a line ends in . ? ! " or ', and not in three full stops."""
    if end <= first:
        return False
    last = codes[end - 1]
    if last == 46 and end - first >= 3 and codes[end - 2] == 46 and codes[end - 3] == 46:
        return False
    return last == 46 or last == 63 or last == 33 or last == 34 or last == 39


@numba.njit(cache=True)
def _citations(codes, classes, line_starts, line_ends, tails):  # type: ignore[no-untyped-def]
    """Spans of ``[12]``, ``[]``, ``[edit]`` and ``[citation needed]`` within lines."""
    opened = 0
    for i in range(len(codes)):
        opened += codes[i] == _OPENS
    spans = np.empty((opened, 2), np.int32)
    count = 0
    for line in range(len(line_starts) if opened else 0):
        i, end = line_starts[line], line_ends[line]
        while i < end:
            if codes[i] != _OPENS:
                i += 1
                continue
            stop = i + 1
            while stop < end and classes[codes[stop]] & ch.DECIMAL:
                stop += 1
            size = stop - i + 1 if stop < end and codes[stop] == _CLOSES else 0
            for p in range(len(tails)):
                if not size:
                    k = 0
                    while tails[p, k] and i + 1 + k < end and codes[i + 1 + k] == tails[p, k]:
                        k += 1
                    size = 0 if tails[p, k] else k + 1
            if size:
                spans[count, 0], spans[count, 1] = i, i + size
                count += 1
            i += max(size, 1)
    return spans[:count]


@numba.njit(cache=True)
def _sentences(codes, classes, flags, first, last, line_end, trailing):  # type: ignore[no-untyped-def]
    """Sentences of one line, which holds the tokens first..last; whitespace of more than a space is a token too."""
    count, open_end = 1, False
    for i in range(first, last):
        flag = flags[i]
        if i > first and flag & w.GAP and open_end:
            count += 1
            open_end = False
        if flag & w.SENTENCE_END:
            open_end = True
        elif open_end and not flag & w.CLOSING:
            count += 1
            open_end = False
    if open_end and (trailing > 1 or (trailing == 1 and codes[line_end - 1] != 32)):
        count += 1
    return count


@numba.njit(cache=True)
def _judge_lines(codes, folded, lines, limits, switches, phrases, verdicts):  # type: ignore[no-untyped-def]
    """Fill in what becomes of each line; the page rule that is broken first or -1, and whether each of the two is."""
    line_starts, line_ends, line_words, line_longest = lines
    min_words, max_length = limits
    policy, javascript, lorem, curly, terminal = switches
    begins = np.zeros(_MAX_FIRST, np.uint8)
    for p in range(len(phrases)):
        begins[phrases[p, 0]] = 1
    page, has_lorem, has_curly = -1, False, False
    for line in range(len(line_starts)):
        first, end = line_starts[line], line_ends[line]
        if line_words[line] == 0:
            verdicts[line] = _BLANK
            continue
        if line_longest[line] > max_length:
            verdicts[line] = _FIRST_REASON
            continue
        if terminal and not _ends_properly(codes, first, end):
            verdicts[line] = _FIRST_REASON + 1
            continue
        if line_words[line] < min_words:
            verdicts[line] = _FIRST_REASON + 2
            continue
        marks = _marks(codes, folded, first, end, phrases, begins)
        if lorem and marks & _LOREM:
            has_lorem, page = True, 0 if page < 0 else page
        if javascript and marks & _JAVASCRIPT:
            verdicts[line] = _FIRST_REASON + 3
        elif curly and marks & _CURLY:
            has_curly, page = True, 1 if page < 0 else page
            verdicts[line] = _KEPT
        elif policy and marks & _POLICY:
            verdicts[line] = _FIRST_REASON + 4
        else:
            verdicts[line] = _KEPT
    return page, has_lorem, has_curly


@numba.njit(cache=True)
def _collect(codes, classes, flags, token_lines, token_ends, word_hashes, word_starts, lines, verdicts):  # type: ignore[no-untyped-def]
    """Code points, tokens, words and sentences of the kept lines, joined by line feeds and stripped."""
    line_starts, line_ends, _, _ = lines
    left = np.empty(len(codes) + len(line_starts), np.uint32)
    folded = np.empty(len(word_hashes), np.uint64)
    size, tokens, words, sentences, token, word, kept = 0, 0, 0, 0, 0, 0, 0
    for line in range(len(line_starts)):
        first, end = line_starts[line], line_ends[line]
        begin = token
        while token < len(token_lines) and token_lines[token] <= line:
            token += 1
        if verdicts[line] != _KEPT:
            continue
        if kept:
            left[size] = 10
            size += 1
        kept += 1
        for i in range(first, end):
            left[size] = codes[i]
            size += 1
        trailing = end - token_ends[token - 1] if token > begin else 0
        sentences += _sentences(codes, classes, flags, begin, token, end, trailing)
        tokens += token - begin
        while word < len(word_starts) and word_starts[word] < first:
            word += 1
        while word < len(word_starts) and word_starts[word] < end:
            folded[words] = word_hashes[word]
            words += 1
            word += 1
    left = left[:size]
    first, end = gopher.stripped(left, classes)
    return left[first:end].copy(), tokens, folded[:words].copy(), sentences


def clean(words: w.Words, rules: LineRules) -> Cleaned:
    """Apply the line rules to a text whose word split is given; the words are not split again.

    Rules, in order: ``too_long_word`` (takes the line out), citations (cut out of the line), ``no_terminal_punct``,
    ``too_few_words``, ``lorem_ipsum`` (condemns the page), ``javascript``, ``curly_bracket`` (condemns the page),
    ``policy``. Kept lines are joined by line feeds and the whole is stripped. A line without a word is gone without
    being counted; one that was nothing but citations stays, empty.
    """
    tables = w.character_tables()
    if rules.citations:
        spans = _citations(words.codes, tables.classes, words.line_starts, words.line_ends, _CITATION_TABLE)
        if len(spans):
            words = words.without(spans)
    lines = (words.line_starts, words.line_ends, words.line_words, words.line_longest)
    switches = (rules.policy, rules.javascript, rules.lorem_ipsum, rules.curly_bracket, rules.terminal_punctuation)
    verdicts = np.empty(len(words.line_starts), np.uint8)
    page, *marks = _judge_lines(
        words.codes,
        tables.folded,
        lines,
        (rules.min_words_per_line, rules.max_word_length),
        switches,
        _PHRASE_TABLE,
        verdicts,
    )
    codes, tokens, folded, sentences = _collect(
        words.codes,
        tables.classes,
        words.flags,
        words.lines,
        words.ends,
        words.folded,
        words.folded_starts,
        lines,
        verdicts,
    )
    counts = np.bincount(verdicts, minlength=_FIRST_REASON + len(LINE_REASONS))[_FIRST_REASON:]
    reason = PAGE_REASONS[page] if page >= 0 else None
    return Cleaned(codes, tokens, folded, sentences, tuple(counts.tolist()), reason, (marks[0], marks[1]))
