"""Pieces of markup read from bytes: hashes, class words, linked data, comments and raw text."""

from __future__ import annotations

import numba

from dataset_platform.kernels.web.extraction import tags

__all__ = ["add_words", "find_in", "hash_lower", "hides", "is_letter", "is_space", "last_part", "linked_types", "skip_markup", "skip_raw"]  # fmt: skip

MAX_CLASS_WORDS = 24  # per element; more are framework noise
_LONGEST_CLASS_WORD = 24
_OFFSET, _PRIME = tags.OFFSET, tags.PRIME


@numba.njit(cache=True, inline="always")
def is_space(c):  # type: ignore[no-untyped-def]
    """HTML's white space."""
    return c == 32 or c == 10 or c == 9 or c == 13 or c == 12


@numba.njit(cache=True, inline="always")
def is_letter(c):  # type: ignore[no-untyped-def]
    """An ASCII letter."""
    return 97 <= (c | 32) <= 122


@numba.njit(cache=True)
def hash_lower(data, begin, end):  # type: ignore[no-untyped-def]
    """FNV-1a of ``data[begin:end]`` with ASCII letters lower-cased, as ``tags.hash_of``."""
    value = numba.uint32(_OFFSET)
    for at in range(begin, end):
        c = data[at]
        if 65 <= c <= 90:
            c |= 32
        value = numba.uint32((value ^ numba.uint32(c)) * numba.uint32(_PRIME))
    return value


@numba.njit(cache=True)
def find_in(keys, key):  # type: ignore[no-untyped-def]
    """Place of ``key`` in an open-addressed table whose size is a power of two, or -1."""
    mask = len(keys) - 1
    slot = numba.int64(key) & mask
    while keys[slot] != 0:
        if keys[slot] == key:
            return slot
        slot = (slot + 1) & mask
    return -1


@numba.njit(cache=True)
def add_words(data, begin, end, words, spans, count, limit):  # type: ignore[no-untyped-def]
    """Append the hashes and places of an attribute's words: runs of letters, cut where lower case turns to upper case."""
    at = begin
    while at < end and count < limit:
        c = data[at]
        if not (is_letter(c) or c >= 128):
            at += 1
            continue
        from_ = at
        value = numba.uint32(_OFFSET)
        lower = False
        while at < end:
            c = data[at]
            if 65 <= c <= 90:
                if lower:
                    break
                c |= 32
            elif 97 <= c <= 122:
                lower = True
            elif c < 128:
                break
            value = numba.uint32((value ^ numba.uint32(c)) * numba.uint32(_PRIME))
            at += 1
        if 2 <= at - from_ <= _LONGEST_CLASS_WORD:
            words[count] = value
            spans[count, 0] = from_
            spans[count, 1] = at
            count += 1
    return count


@numba.njit(cache=True)
def hides(data, begin, end):  # type: ignore[no-untyped-def]
    """Whether a style says ``display:none`` or ``visibility:hidden``."""
    for at in range(begin, end - 10):
        if (data[at] | 32) == 100 and (data[at + 6] | 32) == 121 and data[at + 7] == 58:  # d.....y:
            place = at + 8
            while place < end and data[place] == 32:
                place += 1
            if place + 2 < end and data[place] == 110 and data[place + 1] == 111 and data[place + 2] == 110:
                return True
        if (data[at] | 32) == 118 and (data[at + 9] | 32) == 121 and data[at + 10] == 58:  # v........y:
            place = at + 11
            while place < end and data[place] == 32:
                place += 1
            if place + 1 < end and data[place] == 104 and data[place + 1] == 105:
                return True
    return False


@numba.njit(cache=True)
def last_part(data, begin, end):  # type: ignore[no-untyped-def]
    """Hash of what follows the last ``/`` or ``#``: the type's name in an ``itemtype``."""
    from_ = begin
    for at in range(begin, end):
        if data[at] == 47 or data[at] == 35:
            from_ = at + 1
    return hash_lower(data, from_, end)


@numba.njit(cache=True)
def linked_types(data, begin, end, page_words, count):  # type: ignore[no-untyped-def]
    """Append the hashes of the values of ``"@type"`` in a script of linked data, with the quote before them."""
    for at in range(begin, end - 8):
        if data[at] == 64 and data[at + 1] == 116 and data[at + 2] == 121 and data[at + 5] == 34:  # @ty.."
            place = at + 6
            while place < end and (is_space(data[place]) or data[place] == 58 or data[place] == 91):
                place += 1
            if place < end and data[place] == 34 and count < len(page_words):
                stop = place + 1
                while stop < end and is_letter(data[stop]):
                    stop += 1
                page_words[count] = hash_lower(data, place, stop)
                count += 1
    return count


@numba.njit(cache=True)
def skip_markup(data, at):  # type: ignore[no-untyped-def]
    """The place after the comment, declaration or processing instruction that begins with the ``<`` at ``at``."""
    size = len(data)
    if at + 3 < size and data[at + 1] == 33 and data[at + 2] == 45 and data[at + 3] == 45:
        at += 4
        if at < size and data[at] == 62:
            return at + 1
        while at < size:
            if data[at] == 62 and data[at - 1] == 45 and data[at - 2] == 45:
                break
            if data[at] == 62 and data[at - 1] == 33 and data[at - 2] == 45 and data[at - 3] == 45:
                break
            at += 1
    else:
        while at < size and data[at] != 62:
            at += 1
    return at + 1


@numba.njit(cache=True)
def skip_raw(data, at, name_from, name_to):  # type: ignore[no-untyped-def]
    """Where raw text from ``at`` ends, and the place after its end tag; both the page's end where it has none."""
    size, length = len(data), name_to - name_from
    while at < size:
        if data[at] == 60 and at + 2 + length <= size and data[at + 1] == 47:
            same = True
            for step in range(length):
                if (data[at + 2 + step] | 32) != (data[name_from + step] | 32):
                    same = False
                    break
            after = at + 2 + length
            if same and (after == size or is_space(data[after]) or data[after] == 62 or data[after] == 47):
                end = at
                at = after
                while at < size and data[at] != 62:
                    at += 1
                return end, at + 1
        at += 1
    return size, size
