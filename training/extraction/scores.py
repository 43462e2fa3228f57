"""The two benchmarks' scores: WCXB's word F1 and ScrapingHub's four-word-shingle F1."""

from __future__ import annotations

import re
from collections import Counter

__all__ = ["shingle_counts", "shingle_f1", "word_f1"]

_WORD = re.compile(r"\w+")
_SHINGLE = 4


def word_f1(text: str, gold: str) -> float:
    """F1 of the multisets of lower-cased ``\\w+`` words, as WCXB scores a page; 1 where both are empty."""
    ours, theirs = Counter(_WORD.findall(text.lower())), Counter(_WORD.findall(gold.lower()))
    total = ours.total() + theirs.total()
    return 2 * (ours & theirs).total() / total if total else 1.0


def shingle_counts(text: str, gold: str) -> tuple[float, float, float]:
    """True positives, false positives and false negatives of four-word shingles, as shares of their sum.

    As in ``evaluate.py`` of scrapinghub/article-extraction-benchmark: a text shorter than four words is one shingle.
    """
    ours, theirs = _shingles(text), _shingles(gold)
    both = (ours & theirs).total()
    counts = (both, ours.total() - both, theirs.total() - both)
    total = sum(counts)
    return tuple(count / total if total else 0.0 for count in counts)  # type: ignore[return-value]


def shingle_f1(pairs: list[tuple[str, str]]) -> float:
    """F1 of mean precision and mean recall over pages (text, gold), as that benchmark reports it."""
    precisions, recalls = [], []
    for text, gold in pairs:
        hit, extra, missed = shingle_counts(text, gold)
        if hit == extra == 0:
            precisions.append(0.0 if missed else 1.0)
        else:
            precisions.append(hit / (hit + extra))
        if hit == missed == 0:
            recalls.append(0.0 if extra else 1.0)
        else:
            recalls.append(hit / (hit + missed))
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return 2 * precision * recall / (precision + recall)


def _shingles(text: str) -> Counter[tuple[str, ...]]:
    words = _WORD.findall(text)
    size = max(1, len(words) - _SHINGLE + 1)
    return Counter(tuple(words[at : at + _SHINGLE]) for at in range(size)) if words else Counter()
