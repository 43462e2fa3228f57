"""How much of each block another text of the page holds: the known text in training, trafilatura's in mode ``accurate``.

The block's words are aligned with the text's. The alignment is the longest common subsequence of words in which a word that follows its predecessor in both texts
counts three and any other one, so that whole sentences win over stray words (a Smith-Waterman-like affine score
without penalties). Text that was moved is found in further rounds over what is left.
"""

from __future__ import annotations

import re

import numba
import numpy as np

__all__ = ["shares", "word_numbers"]

_WORD = re.compile(r"\w+")
_ROUNDS = 2
MOST_CELLS = 150_000_000


def word_numbers(text: str, known: dict[str, int]) -> np.ndarray:
    """The text's lower-cased ``\\w+`` words as numbers that ``known`` gives out, int32."""
    return np.array([known.setdefault(word, len(known)) for word in _WORD.findall(text.lower())], np.int32)


@numba.njit(cache=True)
def _align(page, gold):  # type: ignore[no-untyped-def]
    """For each word of the page the word of the gold text it is aligned with, or -1."""
    n, m = len(page), len(gold)
    best = np.zeros(m + 1, np.int32)
    diagonal = np.full(m + 1, -1_000_000, np.int32)  # best that ends with a match here
    move = np.zeros((n, m), np.uint8)  # 1 up, 2 left, 3 match begins, 4 match goes on; bits 3-5 for the run
    for i in range(n):
        old_best = 0
        old_run = numba.int32(-1_000_000)
        for j in range(m):
            above, above_run = best[j + 1], diagonal[j + 1]
            run = numba.int32(-1_000_000)
            how = 0
            if page[i] == gold[j]:
                run = old_best + 1
                if old_run + 3 > run:
                    run = old_run + 3
                    how = 8
            score, step = above, 1
            if best[j] > score:
                score, step = best[j], 2
            if run >= score and run > 0:
                score, step = run, 3
            old_best, old_run = above, above_run
            best[j + 1] = score
            diagonal[j + 1] = run
            move[i, j] = step | how
    found = np.full(n, -1, np.int32)
    i, j = n - 1, m - 1
    in_run = False
    while i >= 0 and j >= 0:
        step = move[i, j] & 7
        if in_run or step == 3:
            found[i] = j
            in_run = (move[i, j] & 8) != 0
            i -= 1
            j -= 1
        elif step == 1:
            i -= 1
        else:
            j -= 1
    return found


@numba.njit(cache=True)
def _run_lengths(found):  # type: ignore[no-untyped-def]
    """For each matched word the length of the run it lies in."""
    n = len(found)
    runs = np.zeros(n, np.int32)
    at = 0
    while at < n:
        stop = at + 1
        if found[at] >= 0:
            while stop < n and found[stop] == found[stop - 1] + 1:
                stop += 1
            runs[at:stop] = stop - at
        at = stop
    return runs


def shares(blocks: list[np.ndarray], gold: np.ndarray, most_cells: int = MOST_CELLS) -> np.ndarray:
    """Share of each block's words that the other text holds in about that order, 0 to 1, float32.

    Args:
        blocks: words of each block, as numbers.
        gold: words of the other text.
        most_cells: bytes that one alignment may take, one for each pair of words; longer texts share nothing.
    """
    sizes = np.array([len(block) for block in blocks])
    if not len(gold) or not sizes.sum():
        return np.zeros(len(blocks), np.float32)
    page = np.concatenate(blocks)
    owner = np.repeat(np.arange(len(blocks)), sizes)
    matched = np.zeros(len(page), bool)
    left_page, left_gold = np.arange(len(page)), np.arange(len(gold))
    for turn in range(_ROUNDS):
        if not len(left_page) or not len(left_gold) or len(left_page) * len(left_gold) > most_cells:
            break
        found = _align(page[left_page], gold[left_gold])
        runs = _run_lengths(found)
        # stray matches: shorter than three words and not a whole block
        whole = np.bincount(owner[left_page], found >= 0, len(blocks)) >= sizes
        keep = (found >= 0) & ((runs >= 3) | (whole[owner[left_page]] & ((turn == 0) | (runs >= 2))))
        matched[left_page[keep]] = True
        used = np.zeros(len(left_gold), bool)
        used[found[keep]] = True
        done = np.bincount(owner[left_page[keep]], minlength=len(blocks)) > 0
        left_page = left_page[~done[owner[left_page]]]
        left_gold = left_gold[~used]
    got = np.bincount(owner, matched, len(blocks))
    return (got / np.maximum(sizes, 1)).astype(np.float32)
