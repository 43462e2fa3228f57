"""BoolQ: yes or no.

The measure is accuracy over yes and no (Clark et al. 2019, arXiv:1905.10044). The data set comes without a script that
reads free text, so the reading here is ours, and made to find nothing rather than guess: see ``verdict``.
"""

from __future__ import annotations

import re

from dataset_platform.errors import InputError
from dataset_platform.kernels.self_correction.checkers.base import Checker, Grade
from dataset_platform.kernels.self_correction.checkers.marked import marked_answer

_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+|\n|[.,;:!?()\u2013\u2014/\"-]")
# the question echoed, not answered
_ECHO = re.compile(r"\b(?:yes\s*(?:or|/)\s*no|no\s*(?:or|/)\s*yes|true\s*(?:or|/)\s*false|false\s*(?:or|/)\s*true)\b")
_YES_NO = {"yes": True, "yeah": True, "yep": True, "yup": True, "no": False, "nope": False, "nah": False}
_TRUE_FALSE = {"true": True, "false": False, "untrue": False}
_NEGATIONS = frozenset({"not", "never", "cannot", "neither", "nor", "hardly"})
# fmt: off
# words that may stand between a negation and what it negates
_BETWEEN = frozenset((
    "a", "all", "actually", "always", "an", "at", "be", "completely", "entirely", "exactly", "fact", "fully",
    "generally", "in", "is", "it", "just", "necessarily", "quite", "really", "simply", "strictly", "technically",
    "that", "the", "this",
))
_BREAKS = frozenset(("but", "so", "therefore", "thus", "hence", "because", "since", "however"))
_AFTER_TRUE = _BREAKS | _YES_NO.keys() | _TRUE_FALSE.keys() | frozenset((
    "according", "and", "answer", "as", "assertion", "based", "by", "claim", "for", "given", "here", "if", "in",
    "it", "of", "on", "only", "or", "per", "proposition", "statement", "that", "then", "to", "today", "under",
    "when", "where",
))
# "no" followed by any other word is a determiner ("no evidence"); by a pronoun only where a clause begins
_AFTER_NO = _BREAKS | _YES_NO.keys() | frozenset(("according", "and", "as", "based", "is", "not", "or", "per"))
_AFTER_FIRST_NO = frozenset((
    "he", "i", "it", "it's", "its", "she", "that", "that's", "the", "there", "these", "they", "they're", "this",
    "those", "we", "you",
))
# fmt: on


def verdict(text: str) -> bool | None:
    """What a text answers to a yes/no question; ``None`` when it says both or neither.

    Counted are yes and no (with yeah, yep, nope …), and true and false where they judge a statement ("true story" does
    not, "no evidence" does not either). A negation just before turns the word round ("not true"); one further ahead in
    its clause leaves it unread. Yes and no go before true and false ("No. While it is true that …"); a text that opens
    with true or false must hold to it.

    >>> verdict("No. While it is true that cats climb, they cannot fly."), verdict("yes and no")
    (False, None)
    """
    plain = text.lower().replace("\u2019", "'")
    tokens: list[str] = _TOKEN.findall(_ECHO.sub(" ", plain))
    words = [token for token in tokens if token[0].isalpha()]
    said: dict[bool, set[bool]] = {True: set(), False: set()}  # by whether yes/no or true/false said it
    for at, token in enumerate(tokens):
        if (meaning := _meaning(tokens, at)) is not None:
            said[token in _YES_NO].add(meaning)
    opens_with_judgement = bool(words) and words[0] in _TRUE_FALSE and bool(said[False])
    decisive = said[True] | said[False] if opens_with_judgement else said[True] or said[False]
    return decisive.pop() if len(decisive) == 1 else None


def _meaning(tokens: list[str], at: int) -> bool | None:
    """What the word at a place says of the question; ``None`` when it says nothing."""
    token = tokens[at]
    if token not in _YES_NO and token not in _TRUE_FALSE:
        return None
    after = tokens[at + 1] if at + 1 < len(tokens) else "."
    follows_word = after[0].isalnum()
    if token == "no":
        if after == "." and at + 2 < len(tokens) and tokens[at + 2].isdigit():  # "no. 5"
            return None
        begins = at == 0 or not tokens[at - 1][0].isalnum() or tokens[at - 1] in _BREAKS
        if follows_word and after not in _AFTER_NO and not (begins and after in _AFTER_FIRST_NO):
            return None
    if token in _TRUE_FALSE and follows_word and after not in _AFTER_TRUE:
        return None
    meaning = (_YES_NO | _TRUE_FALSE)[token]
    near = True
    for before in reversed(tokens[:at]):
        if not before[0].isalnum() and before not in {'"', "-"} or before in _BREAKS:
            break
        if before in _NEGATIONS or before.endswith("n't"):
            return not meaning if near and before not in {"neither", "nor"} else None
        near = near and before in _BETWEEN
    return meaning


class BoolQ(Checker):
    """Accuracy over yes and no, read from what the model marks as its answer (``marked_answer``), else from all of it.

    References are "True", "False", "yes", "no" (any case) or a ``bool``.
    """

    name = "boolq"

    def final_answer(self, answer: str) -> str | None:
        marked = marked_answer(answer)
        found = verdict(answer if marked is None else marked)
        return None if found is None else "yes" if found else "no"

    def grade(self, answer: str, reference: str | bool) -> Grade:
        expected = {"true": "yes", "yes": "yes", "false": "no", "no": "no"}.get(str(reference).strip().lower())
        if expected is None:
            raise InputError(
                f"The reference answer {reference!r} is neither yes nor no.",
                "Give True, False, yes or no, or choose another checker (exact).",
            )
        found = self.final_answer(answer)
        correct = found == expected
        return Grade(correct, float(correct), found)
