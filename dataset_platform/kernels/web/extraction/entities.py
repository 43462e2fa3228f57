"""Character references of HTML, decoded in compiled code as ``html.unescape`` decodes them."""

from __future__ import annotations

import html
import html.entities

import numba
import numpy as np

__all__ = ["TABLES", "decode", "put_code"]

_SIZE = 8192


def _named() -> tuple[np.ndarray, np.ndarray]:
    """Open-addressed table of FNV-1a of the name (with its ``;`` where it needs one) → two code points."""
    keys = np.zeros(_SIZE, np.uint64)
    values = np.zeros((_SIZE, 2), np.int32)
    for name, text in html.entities.html5.items():
        key = 14695981039346656037
        for byte in name.encode():
            key = ((key ^ byte) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
        place = key % _SIZE
        while keys[place]:
            place = (place + 1) % _SIZE
        keys[place] = key
        values[place, : len(text)] = [ord(c) for c in text]
    return keys, values


def _numbered() -> np.ndarray:
    """What ``&#n;`` stands for below 160: browsers read 128 to 159 as Windows-1252; -1 means nothing at all."""
    texts = [html.unescape(f"&#{number};") for number in range(160)]
    return np.array([ord(text) if text else -1 for text in texts], np.int32)


TABLES = (*_named(), _numbered())


@numba.njit(cache=True)
def put_code(code, out, at):  # type: ignore[no-untyped-def]
    """Write a code point as UTF-8 at ``at``; returns the place after it."""
    if code < 0x80:
        out[at] = code
        return at + 1
    if code < 0x800:
        out[at] = 0xC0 | (code >> 6)
        out[at + 1] = 0x80 | (code & 63)
        return at + 2
    if code < 0x10000:
        out[at] = 0xE0 | (code >> 12)
        out[at + 1] = 0x80 | ((code >> 6) & 63)
        out[at + 2] = 0x80 | (code & 63)
        return at + 3
    out[at] = 0xF0 | (code >> 18)
    out[at + 1] = 0x80 | ((code >> 12) & 63)
    out[at + 2] = 0x80 | ((code >> 6) & 63)
    out[at + 3] = 0x80 | (code & 63)
    return at + 4


@numba.njit(cache=True)
def _number(data, at, end, low):  # type: ignore[no-untyped-def]
    """Value of ``#123`` or ``#x1F`` from ``at`` (after ``#``): the code point (-1: none, -2: not a reference), next place."""
    base = 10
    if at < end and (data[at] | 32) == 120:
        base = 16
        at += 1
    begin = at
    value = 0
    while at < end:
        c = data[at]
        if 48 <= c <= 57:
            digit = c - 48
        elif base == 16 and 97 <= (c | 32) <= 102:
            digit = (c | 32) - 87
        else:
            break
        value = min(value * base + digit, 0x110000)
        at += 1
    if at == begin:
        return -2, at
    if at < end and data[at] == 59:
        at += 1
    if value < 160:
        return low[value], at
    if 0xD800 <= value <= 0xDFFF or value > 0x10FFFF:
        return 0xFFFD, at
    if 0xFDD0 <= value <= 0xFDEF or (value & 0xFFFE) == 0xFFFE:
        return -1, at
    return value, at


@numba.njit(cache=True)
def decode(data, at, end, names, codes, low):  # type: ignore[no-untyped-def]
    """The reference that begins with the ``&`` at ``at``: first code point, second or 0, next place.

    A first code point of -2 says that this is no reference, -1 that it stands for nothing.
    """
    place = at + 1
    if place < end and data[place] == 35:
        code, after = _number(data, place + 1, end, low)
        return code, 0, after
    first, second, after = -2, 0, at + 1
    key = numba.uint64(14695981039346656037)
    stop = min(end, place + 32)
    while place < stop:
        c = data[place]
        letter = 97 <= (c | 32) <= 122 or 48 <= c <= 57
        if not letter and c != 59:
            break
        key = (key ^ numba.uint64(c)) * numba.uint64(1099511628211)
        place += 1
        slot = numba.int64(key & numba.uint64(8191))
        while names[slot] != 0 and names[slot] != key:
            slot = (slot + 1) & 8191
        if names[slot] == key:
            first, second, after = numba.int64(codes[slot, 0]), numba.int64(codes[slot, 1]), place
        if not letter:
            break
    return first, second, after
