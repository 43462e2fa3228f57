"""The attributes of a tag that say something: class words, links, what is hidden, roles, what a ``meta`` holds."""

# ruff: noqa: SIM109 (compiled code compares faster than it looks into tuples)

from __future__ import annotations

import numba

from dataset_platform.kernels.web.extraction import tags
from dataset_platform.kernels.web.extraction.lexical import (
    add_words,
    find_in,
    hash_lower,
    hides,
    is_letter,
    is_space,
    last_part,
)

__all__ = ["keep_meta", "read_attributes"]

_H = tags.hash_of
_CLASS, _ID, _TESTID, _COMPONENT = _H("class"), _H("id"), _H("data-testid"), _H("data-component")
_HREF, _ROLE, _ITEMPROP, _ITEMTYPE = _H("href"), _H("role"), _H("itemprop"), _H("itemtype")
_STYLE, _HIDDEN, _ARIA_HIDDEN, _TRUE = _H("style"), _H("hidden"), _H("aria-hidden"), _H("true")
_PROPERTY, _NAME, _CONTENT, _TYPE = _H("property"), _H("name"), _H("content"), _H("type")
_LONGEST_NAME = 14
_OG_TITLE, _OG_TYPE, _GENERATOR = _H("og:title"), _H("og:type"), _H("generator")
_IN_HIDDEN = 1 << tags.CONTEXTS.index("hidden")
_SCHEMA_OTHER = 1 << tags.CONTEXTS.index("schema_other")


@numba.njit(cache=True)
def read_attributes(data, at, closing, roles, role_bits, words, spans, n_words, limit):  # type: ignore[no-untyped-def]
    """Read a tag from the end of its name.

    Returns:
        place after the tag, number of class words so far, whether it has an address, contexts that it opens, hash of
        a ``meta``'s property, where its content begins and ends, hash of its ``type``.
    """
    size = len(data)
    context = numba.int64(0)
    has_href = False
    meta, kind = numba.uint32(0), numba.uint32(0)
    content_from, content_to = 0, 0
    while at < size:
        c = data[at]
        if c == 62:
            at += 1
            break
        if is_space(c) or c == 47:
            at += 1
            continue
        key_from = at
        at += 1
        while at < size:
            c = data[at]
            if c == 61 or c == 62 or c == 47 or is_space(c):
                break
            at += 1
        key_to = at
        while at < size and is_space(data[at]):
            at += 1
        value_from, value_to = at, at
        if at < size and data[at] == 61:
            at += 1
            while at < size and is_space(data[at]):
                at += 1
            if at < size and (data[at] == 34 or data[at] == 39):
                quote = data[at]
                at += 1
                value_from = at
                while at < size and data[at] != quote:
                    at += 1
                value_to = at
                at += 1
            else:
                value_from = at
                while at < size and data[at] != 62 and not is_space(data[at]):
                    at += 1
                value_to = at
        if closing or key_to - key_from > _LONGEST_NAME:
            continue
        key = hash_lower(data, key_from, key_to)
        if key == _CLASS or key == _ID or key == _TESTID or key == _COMPONENT:
            n_words = add_words(data, value_from, value_to, words, spans, n_words, limit)
        elif key == _HREF:
            has_href = True
        elif key == _ROLE or key == _ITEMPROP or key == _ITEMTYPE:
            if key == _ITEMTYPE:
                slot = find_in(roles, last_part(data, value_from, value_to))
                if slot < 0:
                    context |= _SCHEMA_OTHER
            else:
                slot = find_in(roles, hash_lower(data, value_from, value_to))
            if slot >= 0:
                context |= numba.int64(1) << role_bits[slot]
            n_words = add_words(data, value_from, value_to, words, spans, n_words, limit)
        elif key == _HIDDEN:
            context |= _IN_HIDDEN
        elif key == _STYLE:
            if hides(data, value_from, value_to):
                context |= _IN_HIDDEN
        elif key == _ARIA_HIDDEN:
            if hash_lower(data, value_from, value_to) == _TRUE:
                context |= _IN_HIDDEN
        elif key == _PROPERTY or key == _NAME:
            meta = hash_lower(data, value_from, value_to)
        elif key == _CONTENT:
            content_from, content_to = value_from, value_to
        elif key == _TYPE:
            kind = hash_lower(data, value_from, value_to)
    return min(at, size), n_words, has_href, context, meta, content_from, content_to, kind


@numba.njit(cache=True)
def keep_meta(data, meta, content_from, content_to, heads, page_words, count):  # type: ignore[no-untyped-def]
    """Note a ``meta``: where og:title stands, and the page's type or generator as a page word; returns their number."""
    if meta == _OG_TITLE:
        heads[1, 0], heads[1, 1] = content_from, content_to
    elif (meta == _OG_TYPE or meta == _GENERATOR) and count < len(page_words) and content_from > 0:
        stop = content_from
        while stop < content_to and (is_letter(data[stop]) or data[stop] == 46):
            stop += 1
        page_words[count] = hash_lower(data, content_from - 1, stop)  # with the quote before it: no class word
        count += 1
    return count
