"""One pass over the bytes of a page: elements, blocks of text and their places, without a tree.

End tags that authors may leave out are implied, an end tag closes the nearest open element of its name in scope, and
nesting beyond 512 stays flat, as the HTML Standard and the browsers have it
(https://html.spec.whatwg.org/multipage/parsing.html). Misnested formatting elements are not opened again in the next
block. Every step is bounded by that depth, so the time is linear in the page whatever it holds.
"""

# ruff: noqa: SIM109 (compiled code compares faster than it looks into tuples)

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from dataset_platform.kernels.web.extraction import entities, tags
from dataset_platform.kernels.web.extraction.attributes import keep_meta, read_attributes
from dataset_platform.kernels.web.extraction.entities import decode, put_code
from dataset_platform.kernels.web.extraction.lexical import (
    MAX_CLASS_WORDS,
    find_in,
    is_letter,
    is_space,
    linked_types,
    skip_markup,
    skip_raw,
)
from dataset_platform.kernels.web.extraction.nesting import kept_by_end, kept_by_start

__all__ = ["MAX_DEPTH", "Page", "scan"]

MAX_DEPTH = 512
# bounds on what is kept of a hostile page; beyond them elements are passed over and the last block takes all text
_MOST_ELEMENTS, _MOST_BLOCKS, _MOST_WORDS = 2_000_000, 1_000_000, 4_000_000
_BLOCK, _VOID, _RAW, _SPACED = tags.BLOCK, tags.VOID, tags.RAW, tags.SPACED
_T = {name: number for number, name in enumerate(tags.NAMES)}
_A, _BR, _HR, _BODY, _HTML, _IMG, _INPUT, _META, _TITLE, _SCRIPT, _CUSTOM = (
    _T[name] for name in tags.each("a br hr body html img input meta title script custom-element")
)
_LONGEST_NAME = max(map(len, tags.NAMES))  # names are known by hash: a longer one that shares it is another element
_IN_A, _IN_PRE, _IN_BOLD = (1 << tags.CONTEXTS.index(name) for name in ("a", "pre", "bold"))
_LD_JSON = tags.hash_of("application/ld+json")
_OFFSET, _PRIME = tags.OFFSET, tags.PRIME


class Page(NamedTuple):
    """What a page is made of; a block is a run of text between two block boundaries.

    Blocks under an element are always consecutive: ``first`` to ``last``, exclusive.
    """

    text: np.ndarray
    """uint8: UTF-8 of all blocks, entities decoded, white space single but for ``pre``; line feeds are ``br``."""
    start: np.ndarray
    """int64 (blocks + 1): where each block begins in ``text``; blocks follow each other without a gap."""
    node: np.ndarray
    """int32 (blocks): the innermost element that the block begins in."""
    measures: np.ndarray
    """int32 (blocks, 6): bytes in links, links, bytes in bold, pictures and inputs before the block's end, line breaks."""
    tag: np.ndarray
    """uint8 (elements)."""
    parent: np.ndarray
    """int32 (elements); element 0 is the page and its own parent."""
    depth: np.ndarray
    """int32 (elements)."""
    context: np.ndarray
    """int64 (elements): bits of ``tags.CONTEXTS`` that hold in the element, its ancestors' included."""
    first: np.ndarray
    """int32 (elements): first block inside."""
    last: np.ndarray
    """int32 (elements): one after the last block inside."""
    words_from: np.ndarray
    """int32 (elements + 1): first of the element's class words."""
    words: np.ndarray
    """uint32: FNV-1a of the words in class, id and such like, by element."""
    word_spans: np.ndarray
    """int32 (words, 2): where each stood in the page's bytes."""
    page_words: np.ndarray
    """uint32: hashes of schema.org types, og:type and the generator's name."""
    heads: np.ndarray
    """int64 (2, 2): where title and og:title stood in the page's bytes; begin = end where absent."""


@numba.njit(cache=True)
def _begins_markup(data, at):  # type: ignore[no-untyped-def]
    """Whether the ``<`` at ``at`` begins a tag, comment, declaration or instruction rather than text."""
    if at + 1 >= len(data):
        return False
    c = data[at + 1]
    return is_letter(c) or c == 47 or c == 33 or c == 63


@numba.njit(cache=True)
def _read_text(data, at, out, put, begun, pending, breaks, pre, entity_names, entity_codes, low):  # type: ignore[no-untyped-def]
    """Copy text up to the next markup; ``begun``: the block has a character, ``pending``: a blank is due before the next."""
    size = len(data)
    while at < size:
        c = data[at]
        if c == 60 and _begins_markup(data, at):
            break
        code, second, after = numba.int64(c), numba.int64(0), at + 1
        if c == 38:
            code, second, after = decode(data, at, size, entity_names, entity_codes, low)
            if code == -2:
                code, after = numba.int64(38), at + 1
            elif code == -1:
                at = after
                continue
        elif c >= 128:
            code = numba.int64(256)  # a byte of a longer character: no white space but the hard blank
            if c == 0xC2 and at + 1 < size and data[at + 1] == 0xA0:
                code, after = numba.int64(160), at + 2
        at = after
        if is_space(code) or code == 160:
            if pre and begun and code != 13 and code != 12:
                if breaks:
                    out[put] = 10
                    put += 1
                    breaks = 0
                out[put] = 10 if code == 10 else 32
                put += 1
                pending = False
            else:
                pending = True
            continue
        if code < 32 or code == 127:
            continue
        if begun and breaks:
            out[put] = 10
            put += 1
        elif begun and pending:
            out[put] = 32
            put += 1
        begun, pending, breaks = True, False, 0
        if c == 38:
            put = put_code(code, out, put)
            if second:
                put = put_code(second, out, put)
        else:
            out[put] = c
            put += 1
    return at, put, begun, pending, breaks


@numba.njit(cache=True)
def _scan(data, names, numbers, flags, contexts, roles, role_bits, entity_names, entity_codes, low):  # type: ignore[no-untyped-def]
    size = len(data)
    opening, markups = 0, 0
    for at in range(size - 1):
        if data[at] == 60:
            markups += 1
            if is_letter(data[at + 1]):
                opening += 1
    most = min(opening, _MOST_ELEMENTS) + 2
    tag = np.empty(most, np.uint8)
    parent, depth, first, last = (
        np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most, np.int32),
    )  # fmt: skip
    context = np.empty(most, np.int64)
    words_from = np.empty(most + 1, np.int32)
    most_words = min(size // 2, _MOST_WORDS)
    words = np.empty(most_words + 2 * MAX_CLASS_WORDS, np.uint32)
    spans = np.empty((most_words + 2 * MAX_CLASS_WORDS, 2), np.int32)
    out = np.empty(size + size // 4 + 64, np.uint8)  # the longest references: five bytes that stand for six
    most_blocks = min(markups, _MOST_BLOCKS) + 2
    start = np.empty(most_blocks + 1, np.int64)
    node = np.empty(most_blocks, np.int32)
    measures = np.empty((most_blocks, 6), np.int32)
    page_words = np.empty(256, np.uint32)
    heads = np.zeros((2, 2), np.int64)

    stack = np.zeros(MAX_DEPTH + 1, np.int32)  # element by level
    stack_tag = np.zeros(MAX_DEPTH + 1, np.int32)
    is_open = np.zeros(256, np.int32)  # by tag: how many on the stack
    tag[0], parent[0], depth[0], context[0], first[0], last[0], words_from[0], words_from[1] = 0, 0, 0, 0, 0, 0, 0, 0
    top, nodes, blocks, n_words, n_page, put = 0, 1, 0, 0, 0, 0
    start[0] = 0
    here = numba.int64(0)  # contexts of the innermost element
    block_node = 0
    pending = False  # white space was seen since the last character
    begun = False  # the block has a character
    breaks = 0  # br since the last character
    link_bytes, links, bold_bytes, all_breaks, pictures, inputs = 0, 0, 0, 0, 0, 0
    mark = 0  # bytes up to here are counted as link or bold
    at = 0
    while True:
        if at < size and (data[at] != 60 or not _begins_markup(data, at)):
            was_begun, from_ = begun, put
            at, put, begun, pending, breaks = _read_text(
                data, at, out, put, begun, pending, breaks, (here & _IN_PRE) != 0, entity_names, entity_codes, low
            )
            if begun and not was_begun:
                block_node, mark = stack[top], from_
            continue
        at_end = at >= size
        boundary, opens = at_end, False
        keep = 0 if at_end else top
        name, opened, has_href, word_begin, tight = 0, numba.int64(0), False, n_words, False
        if not at_end:
            c = data[at + 1]
            if not is_letter(c) and not (c == 47 and at + 2 < size and is_letter(data[at + 2])):
                at = skip_markup(data, at)
                continue
            closing = c == 47
            tight = at > 0 and data[at - 1] == 62
            name_from = at + 2 if closing else at + 1
            name_to = name_from
            value = numba.uint32(_OFFSET)
            hyphen = False
            while name_to < size:
                c = data[name_to]
                if is_space(c) or c == 47 or c == 62:
                    break
                if c == 45:
                    hyphen = True
                if 65 <= c <= 90:
                    c |= 32
                value = numba.uint32((value ^ numba.uint32(c)) * numba.uint32(_PRIME))
                name_to += 1
            slot = find_in(names, value) if name_to - name_from <= _LONGEST_NAME else -1
            name = numbers[slot] if slot >= 0 else (_CUSTOM if hyphen else 0)
            flag = flags[name]
            limit = n_words + MAX_CLASS_WORDS if n_words < most_words else n_words
            at, n_words, has_href, opened, meta, content_from, content_to, kind = read_attributes(
                data, name_to, closing, roles, role_bits, words, spans, n_words, limit
            )
            if closing and name != _BR:
                keep, boundary = kept_by_end(name, stack_tag, top, is_open, flags)
            elif flag & _RAW:
                from_ = at
                to, at = skip_raw(data, at, name_from, name_to)
                if name == _TITLE and heads[0, 1] == 0:
                    heads[0, 0], heads[0, 1] = from_, to
                elif name == _SCRIPT and kind == _LD_JSON:
                    n_page = linked_types(data, from_, to, page_words, n_page)
                pending = True
            elif name == _BR:
                breaks = breaks + 1 if begun else 0
                all_breaks += 1
                boundary = breaks >= 2
            elif flag & _VOID:
                if name == _META:
                    n_page = keep_meta(data, meta, content_from, content_to, heads, page_words, n_page)
                elif name == _IMG:
                    pictures += 1
                elif name == _INPUT:
                    inputs += 1
                boundary = name == _HR
            else:
                opens = not ((name == _BODY or name == _HTML) and is_open[name] > 0) and nodes < _MOST_ELEMENTS
                if opens:
                    keep = kept_by_start(name, stack_tag, top, is_open, flags)
                boundary = (flag & _BLOCK) != 0
            if flag & _SPACED:
                pending = True
            if not opens:
                n_words = word_begin

        if boundary and begun and blocks == _MOST_BLOCKS and not at_end:
            breaks = 1
        elif boundary and begun:
            if here & _IN_A:
                link_bytes += put - mark
            if here & _IN_BOLD:
                bold_bytes += put - mark
            while put > start[blocks] and (out[put - 1] == 32 or out[put - 1] == 10):
                put -= 1
            node[blocks] = block_node
            row = measures[blocks]
            row[0], row[1], row[2], row[3], row[4], row[5] = link_bytes, links, bold_bytes, pictures, inputs, all_breaks
            blocks += 1
            start[blocks] = put
            link_bytes, links, bold_bytes, all_breaks = 0, 0, 0, 0
            begun = False
            mark = put
        if boundary and not begun:
            pending = False
            breaks = 0
        if begun and (keep < top or opens):
            if here & _IN_A:
                link_bytes += put - mark
            if here & _IN_BOLD:
                bold_bytes += put - mark
            if tight and name == _A and opens and mark == put:
                pending = True  # a link right after another element's end: a list of links without blanks
            mark = put
        if opens and keep == MAX_DEPTH:
            keep -= 1
        while top > keep:
            last[stack[top]] = blocks + 1 if begun else blocks
            is_open[stack_tag[top]] -= 1
            top -= 1
            here = context[stack[top]]
        if at_end:
            break
        if opens:
            above = stack[top]
            opened |= contexts[name]
            if name == _A and has_href:
                opened |= _IN_A
                links += 1
            here = context[above] | opened
            tag[nodes], parent[nodes], depth[nodes], context[nodes], first[nodes] = name, above, top + 1, here, blocks
            words_from[nodes] = word_begin
            words_from[nodes + 1] = n_words
            top += 1
            stack[top], stack_tag[top] = nodes, name
            is_open[name] += 1
            nodes += 1
    last[0] = blocks
    return (
        out[:put], start[: blocks + 1], node[:blocks], measures[:blocks], tag[:nodes], parent[:nodes], depth[:nodes],
        context[:nodes], first[:nodes], last[:nodes], words_from[: nodes + 1], words[:n_words], spans[:n_words],
        page_words[:n_page], heads,
    )  # fmt: skip


def scan(page: bytes) -> Page:
    """Elements and blocks of a page given as UTF-8; never fails, linear in the length."""
    return Page(*_scan(np.frombuffer(page, np.uint8), *tags.TABLES, *entities.TABLES))
