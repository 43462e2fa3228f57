"""How much of a page is text and how much of its text is code: two measures that no published pipeline has a limit for.

``text_html_ratio`` is the page's text density in bytes: UTF-8 bytes of the extracted text per byte of the HTML body
(density as a sign of content: Kohlschütter, Fankhauser, Nejdl, WSDM 2010). ``code_char_ratio`` is the share of characters
that lie in lines which look like code. A line does when it ends in ``;`` ``{`` ``}`` or ``=>``, when it begins with
``//`` ``/*`` ``*/`` ``#!`` ``#include`` or ``<?``, or when it begins with ``<`` and ends with ``>``. A page of prose has
next to none. Both rules are off unless a threshold is set.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from dataset_platform.kernels.web import words as w

MEASURES = ("text_html_ratio", "code_char_ratio")
_INCLUDE = np.frombuffer("#include".encode("utf-32-le"), np.uint32)


@numba.njit(cache=True)
def _utf8_bytes(codes):  # type: ignore[no-untyped-def]
    size = 0
    for i in range(len(codes)):
        code = codes[i]
        size += 1 + (code >= 0x80) + (code >= 0x800) + (code >= 0x10000)
    return size


@numba.njit(cache=True)
def _like_code(codes, first, end, include):  # type: ignore[no-untyped-def]
    last, start = codes[end - 1], codes[first]
    if last == 59 or last == 123 or last == 125:  # ; { }
        return True
    if end - first < 2:
        return False
    second = codes[first + 1]
    if (last == 62 and codes[end - 2] == 61) or (last == 62 and start == 60):  # => and <...>
        return True
    if start == 47 and (second == 47 or second == 42):  # // and /*
        return True
    if (start == 42 and second == 47) or (start == 60 and second == 63):  # */ and <?
        return True
    if start != 35:
        return False
    if second == 33:  # #!
        return True
    k = 0
    while k < len(include) and first + k < end and codes[first + k] == include[k]:
        k += 1
    return k == len(include)


@numba.njit(cache=True)
def _code_characters(codes, line_starts, line_ends, include):  # type: ignore[no-untyped-def]
    characters, total = 0, 0
    for line in range(len(line_starts)):
        first, end = line_starts[line], line_ends[line]
        total += end - first
        if end > first and _like_code(codes, first, end, include):
            characters += end - first
    return characters, total


def measures(words: w.Words, html_bytes: int | None) -> npt.NDArray[np.float64]:
    """The measures ``MEASURES`` of a text as it was extracted; ``text_html_ratio`` is NaN where the HTML's size is not known.

    Characters of a line are counted without the whitespace around it.
    """
    characters, total = _code_characters(words.codes, words.line_starts, words.line_ends, _INCLUDE)
    ratio = _utf8_bytes(words.codes) / html_bytes if html_bytes else np.nan
    return np.array([ratio, characters / max(total, 1)])
