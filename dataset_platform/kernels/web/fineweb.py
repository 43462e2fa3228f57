"""FineWeb's own quality measures (arXiv:2406.17557, section 3.6), on the text that C4's line rules leave.

The words are not split again: the number of tokens comes from the shared split.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from dataset_platform.kernels.web import characters as ch
from dataset_platform.kernels.web.characters import character_tables
from dataset_platform.kernels.web.gopher import repeated_parts

MEASURES = ("line_punct_ratio", "short_line_ratio", "char_dup_ratio", "newline_word_ratio")
SHORT_LINE_LENGTH = 30


@numba.njit(cache=True)
def _measures(codes, classes, tokens, short, into):  # type: ignore[no-untyped-def]
    line_feeds = 0
    for i in range(len(codes)):
        line_feeds += codes[i] == 10
    bounds = np.empty((line_feeds + 1, 2), np.int64)
    lines, ended, few, start, blank = 0, 0, 0, 0, True
    for i in range(len(codes) + 1):
        if i < len(codes) and codes[i] != 10:
            blank &= classes[codes[i]] & ch.SPACE != 0
            continue
        if not blank:
            bounds[lines, 0], bounds[lines, 1] = start, i
            lines += 1
            ended += classes[codes[i - 1]] & ch.LINE_END != 0
            few += i - start <= short
        start, blank = i + 1, True
    if not lines:
        return False
    into[0] = ended / lines
    into[1] = few / lines
    into[2] = repeated_parts(codes, bounds[:lines])[1] / (len(codes) - line_feeds)
    into[3] = line_feeds / max(tokens, 1)
    return True


def measures(
    codes: npt.NDArray[np.uint32], tokens: int, short_line_length: int = SHORT_LINE_LENGTH
) -> npt.NDArray[np.float64]:
    """The measures ``MEASURES``, as shares over lines that are not blank; all NaN where there is none.

    A line ends in terminal punctuation when its very last character is one of datatrove's, which hold for every script.

    Args:
        codes: code points of the cleaned text.
        tokens: how many tokens it has, punctuation included.
        short_line_length: a line of this many characters or fewer is short.
    """
    into = np.full(len(MEASURES), np.nan)
    _measures(codes, character_tables().classes, tokens, short_line_length, into)
    return into
