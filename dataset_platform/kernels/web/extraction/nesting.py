"""Which open elements a start or end tag closes."""

# ruff: noqa: SIM109 (compiled code compares faster than it looks into tuples)

from __future__ import annotations

import numba

from dataset_platform.kernels.web.extraction import tags

__all__ = ["kept_by_end", "kept_by_start"]

_BLOCK, _CLOSES_P, _SCOPE = tags.BLOCK, tags.CLOSES_P, tags.SCOPE
_T = {name: number for number, name in enumerate(tags.NAMES)}
_A, _P, _H1, _H6 = _T["a"], _T["p"], _T["h1"], _T["h6"]
_LI, _DD, _DT, _OPTION, _OPTGROUP = _T["li"], _T["dd"], _T["dt"], _T["option"], _T["optgroup"]
_UL, _OL, _DL, _MENU, _SELECT = _T["ul"], _T["ol"], _T["dl"], _T["menu"], _T["select"]
_TR, _TD, _TH, _TBODY, _THEAD, _TFOOT, _TABLE = (_T[name] for name in tags.each("tr td th tbody thead tfoot table"))
_FAR = 8  # levels that an end tag of a formatting element looks up


@numba.njit(cache=True)
def kept_by_end(name, stack_tag, top, is_open, flags):  # type: ignore[no-untyped-def]
    """Level that the end tag of ``name`` leaves as the innermost one, and whether it ends a block."""
    heading = _H1 <= name <= _H6
    if name == _P and is_open[_P] == 0:
        return top, True  # stands for an empty paragraph
    if is_open[name] == 0 and not heading:
        return top, False
    level = top
    if flags[name] & _BLOCK:
        row_or_table = name == _TABLE or name == _TR or name == _TBODY or name == _THEAD or name == _TFOOT
        while level > 0:
            tag = stack_tag[level]
            if tag == name or (heading and _H1 <= tag <= _H6):
                return level - 1, True
            if tag == _TABLE or (flags[tag] & _SCOPE and not row_or_table):
                break
            level -= 1
        return top, False
    ends_block = False
    for _ in range(_FAR):
        tag = stack_tag[level]
        if level == 0 or flags[tag] & _SCOPE:
            break
        if tag == name:
            return level - 1, ends_block
        if flags[tag] & _BLOCK:
            ends_block = True
        level -= 1
    return top, False


@numba.njit(cache=True)
def kept_by_start(name, stack_tag, top, is_open, flags):  # type: ignore[no-untyped-def]
    """Level under which the start tag of ``name`` puts its element: what it implies to be at its end is closed."""
    keep = top
    if flags[name] & _CLOSES_P and is_open[_P] > 0:
        level = top
        while level > 0 and stack_tag[level] != _P and not flags[stack_tag[level]] & _SCOPE:
            level -= 1
        if level > 0 and stack_tag[level] == _P:
            keep = level - 1
    level = keep
    if name == _LI or name == _DD or name == _DT or name == _OPTION or name == _OPTGROUP:
        while level > 0:
            tag = stack_tag[level]
            if tag == name or (name == _DD and tag == _DT) or (name == _DT and tag == _DD) or (name == _OPTGROUP and tag == _OPTION):  # fmt: skip
                return level - 1
            if tag == _UL or tag == _OL or tag == _DL or tag == _MENU or tag == _SELECT or flags[tag] & _SCOPE:
                break
            level -= 1
    elif name == _TD or name == _TH or name == _TR or name == _TBODY or name == _THEAD or name == _TFOOT:
        cell = name == _TD or name == _TH
        while level > 0 and stack_tag[level] != _TABLE:
            tag = stack_tag[level]
            group = (tag == _TBODY or tag == _THEAD or tag == _TFOOT) and not cell and name != _TR
            if group or tag == _TD or tag == _TH or (tag == _TR and not cell):
                keep = level - 1
            level -= 1
    elif name == _A and is_open[_A] > 0:
        for _ in range(_FAR):
            tag = stack_tag[level]
            if level == 0 or flags[tag] & _BLOCK:
                break
            if tag == _A:
                return level - 1
            level -= 1
    return keep
