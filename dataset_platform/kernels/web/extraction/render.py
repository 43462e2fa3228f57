"""The chosen blocks as one text: a blank line between blocks, items of a list and rows of a table on lines of their own."""

from __future__ import annotations

import numba
import numpy as np

from dataset_platform.kernels.web.extraction import tags
from dataset_platform.kernels.web.extraction.scan import Page

__all__ = ["render"]

_LI, _TR, _PRE, _DD, _DT = (tags.NAMES.index(name) for name in ("li", "tr", "pre", "dd", "dt"))
_IN_LI, _IN_TR, _IN_PRE = (1 << tags.CONTEXTS.index(name) for name in ("li", "tr", "pre"))
_ITEMS = (1 << tags.CONTEXTS.index("li")) | (1 << tags.CONTEXTS.index("dt")) | (1 << tags.CONTEXTS.index("dd"))


@numba.njit(cache=True)
def _within(at, wanted, tag, parent):  # type: ignore[no-untyped-def]
    """The nearest element of tag ``wanted`` at or above ``at``; 0 where there is none."""
    while at and tag[at] != wanted:
        at = parent[at]
    return at


@numba.njit(cache=True)
def _render(text, start, node, tag, parent, context, first, chosen):  # type: ignore[no-untyped-def]
    """UTF-8 of the chosen blocks; items begin with a bullet, cells of a row stand apart by `` | ``."""
    total = 0
    for block in range(len(node)):
        if chosen[block]:
            total += start[block + 1] - start[block] + 8
    out = np.empty(total, np.uint8)
    put = 0
    item_before, row_before = 0, 0
    for block in range(len(node)):
        if not chosen[block]:
            continue
        here = context[node[block]]
        row = _within(node[block], _TR, tag, parent) if here & _IN_TR else 0
        item = _within(node[block], _LI, tag, parent) if here & _IN_LI else 0
        if put:
            if row and row == row_before:
                out[put], out[put + 1], out[put + 2] = 32, 124, 32
                put += 3
            else:
                out[put] = 10
                put += 1
                same_table = row and row_before and parent[row] == parent[row_before]
                same_list = item and item_before and (item == item_before or parent[item] == parent[item_before])
                if not (same_table or same_list):
                    out[put] = 10
                    put += 1
        if item and first[item] == block and not row:
            out[put], out[put + 1], out[put + 2], out[put + 3] = 0xE2, 0x80, 0xA2, 32
            put += 4
        for at in range(start[block], start[block + 1]):
            out[put] = text[at]
            put += 1
        item_before, row_before = item, row
    return out[:put]


def render(page: Page, chosen: np.ndarray) -> str:
    """The text of the chosen blocks (bool, one a block), in the page's order."""
    return (
        _render(page.text, page.start, page.node, page.tag, page.parent, page.context, page.first, chosen)
        .tobytes()
        .decode()
    )
