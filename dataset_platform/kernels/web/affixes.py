"""What splits off a run, compiled: spaCy's prefixes, suffixes, infixes and exceptions; and how a token is hashed.

A run is what lies between whitespace. The kernels mark cuts inside it, one byte per character; a token goes from one
cut to the next. numba's cache notices changes of a kernel's own file only: after a change here, in ``addresses.py`` or
``phrases.py``, or of the bits of ``characters.py``, which are compiled in, delete this folder's ``__pycache__``.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from dataset_platform.kernels.web import characters as ch
from dataset_platform.kernels.web.addresses import is_address

MAX_EXCEPTION = 12  # characters of the longest exception: its cuts fit the bits of a number
_MAX_UNIT = 5

OFFSET = np.uint64(0xCBF29CE484222325)
PRIME = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_STOP, _SLASH, _COLON, _ELLIPSIS, _DASH = 46, 47, 58, 0x2026, 0x2014


class Exceptions(NamedTuple):
    """Runs that the rules on characters do not decide: hash tables of a power of two slots, 0 where one is empty."""

    keys: npt.NDArray[np.uint64]
    """Hashes of the exceptions as written."""
    cuts: npt.NDArray[np.uint32]
    """Bit k: a cut before the exception's character k."""
    phrase_keys: npt.NDArray[np.uint64]
    """Hashes of the tokens that the rules alone would make of an exception, and of each first part of them."""
    phrase_cuts: npt.NDArray[np.uint32]
    """Cuts as above; bit 0: the tokens are the whole exception."""
    units: npt.NDArray[np.uint64]
    """Hashes of units of measurement, sorted."""


@numba.njit(cache=True, inline="always")
def finish(value):  # type: ignore[no-untyped-def]
    value ^= value >> np.uint64(32)
    value *= _MIX
    return value ^ (value >> np.uint64(29))


@numba.njit(cache=True, inline="always")
def mixed(value, code):  # type: ignore[no-untyped-def]
    value = (value ^ np.uint64(code)) * PRIME
    return value ^ (value >> np.uint64(31))


@numba.njit(cache=True)
def hash_span(codes, first, last):  # type: ignore[no-untyped-def]
    value = OFFSET
    for i in range(first, last):
        value = mixed(value, codes[i])
    return finish(value)


@numba.njit(cache=True, inline="always")
def join_hash(value, token):  # type: ignore[no-untyped-def]
    return finish((value * _MIX) ^ token)


@numba.njit(cache=True, inline="always")
def slot_of(keys, key):  # type: ignore[no-untyped-def]
    """The slot that holds the key, or -1."""
    mask = np.int64(len(keys) - 1)
    at = np.int64(key) & mask
    while keys[at] != 0 and keys[at] != key:
        at = (at + 1) & mask
    return at if keys[at] != 0 else np.int64(-1)


@numba.njit(cache=True)
def _exception(codes, keys, a, b):  # type: ignore[no-untyped-def]
    if b - a > MAX_EXCEPTION:
        return np.int64(-1)
    return slot_of(keys, hash_span(codes, a, b))


@numba.njit(cache=True)
def mark(cut, a, cuts):  # type: ignore[no-untyped-def]
    for k in range(1, MAX_EXCEPTION):
        if cuts >> np.uint32(k) & np.uint32(1):
            cut[a + k] = 1


@numba.njit(cache=True)
def _prefix(codes, classes, a, b):  # type: ignore[no-untyped-def]
    """Characters that split off at the beginning of a run, 0 for none."""
    code = codes[a]
    if classes[code] & ch.PREFIX:
        return 1
    if code == _STOP:
        end = a
        while end < b and codes[end] == _STOP:
            end += 1
        return end - a if end - a > 1 else 0
    if code == 43:
        return 0 if a + 1 < b and classes[codes[a + 1]] & ch.DIGIT else 1
    if code == 85 and b - a > 2 and codes[a + 1] == 83 and codes[a + 2] == 36:  # US$
        return 3
    if (code == 65 or code == 67) and b - a > 1 and codes[a + 1] == 36:  # A$ C$
        return 2
    return 0


@numba.njit(cache=True)
def _suffix(codes, classes, units, a, b):  # type: ignore[no-untyped-def]
    """Characters that split off at the end of a run; of several ways the longest."""
    if a >= b:
        return 0
    code = codes[b - 1]
    kind = classes[code]
    two = b - a >= 2
    last = codes[b - 2] if two else 0
    before = classes[last] if two else 0
    if code == _ELLIPSIS and last == _ELLIPSIS:
        return 2
    longest = 1 if kind & ch.SUFFIX else 0
    if code == _STOP:
        start = b
        while start > a and codes[start - 1] == _STOP:
            start -= 1
        if b - start > 1:
            return b - start
        if before & ch.BEFORE_STOP:
            return 1
        if b - a >= 3:
            third = codes[b - 3]
            if before & ch.UPPER and classes[third] & ch.UPPER:
                return 1
            if third == 0xB0 and (last | 32) in (99, 102, 107):  # degrees C, F, K
                return 1
        return 0
    if (code == 115 or code == 83) and (last == 39 or last == 0x2019):
        return 2
    if kind & ch.CURRENCY and two:
        if before & ch.DIGIT:
            longest = 1
        elif code == 36 and b - a >= 3:
            third = codes[b - 3]
            if (last == 65 or last == 67) and classes[third] & ch.DIGIT:
                return 2
            if last == 83 and third == 85 and b - a >= 4 and classes[codes[b - 4]] & ch.DIGIT:
                return 3
    elif code == 43 and before & ch.DIGIT:
        longest = 1
    for length in range(1, min(_MAX_UNIT, b - a - 1) + 1):
        if classes[codes[b - length - 1]] & ch.DIGIT:
            key = hash_span(codes, b - length, b)
            at = np.searchsorted(units, key)
            if at < len(units) and units[at] == key:
                longest = max(longest, length)
            break
    return longest


@numba.njit(cache=True)
def _cut_inside(codes, classes, a, b, cut):  # type: ignore[no-untyped-def]
    i = a
    while i < b:
        code = codes[i]
        kind = classes[code]
        if not kind & ch.ACTIVE:
            i += 1
            continue
        before = classes[codes[i - 1]] if i > a else 0
        after = classes[codes[i + 1]] if i + 1 < b else 0
        stop = i + 1
        found = False
        if code == _STOP:
            while stop < b and codes[stop] == _STOP:
                stop += 1
            if stop - i == 1:
                found = before & (ch.LOWER | ch.QUOTE) != 0 and after & (ch.UPPER | ch.QUOTE) != 0
            else:
                found = True
        elif code == _ELLIPSIS or kind & ch.ICON:
            found = True
        else:
            if code == 43 or code == 45 or code == 42 or code == 94:
                found = before & ch.DIGIT != 0 and (after & ch.DIGIT != 0 or (i + 1 < b and codes[i + 1] == 45))
            if not found and code == 44:
                found = before & ch.LETTER != 0 and after & ch.LETTER != 0
            if not found and code in (45, 0x2013, _DASH, 126):
                if before & (ch.LETTER | ch.DIGIT):
                    most = 3 if code == 45 else 2 if code == _DASH else 1
                    while stop < b and codes[stop] == code and stop - i < most:
                        stop += 1
                    found = stop < b and classes[codes[stop]] & ch.LETTER != 0
                    stop = stop if found else i + 1
            elif not found and code in (_COLON, 60, 61, 62, _SLASH):
                found = before & (ch.LETTER | ch.DIGIT) != 0 and after & ch.LETTER != 0
        if found and i > a:
            cut[i] = 1
            cut[stop] = 1
        i = stop


@numba.njit(cache=True)
def cut_run(codes, classes, keys, cuts, units, a, b, cut):  # type: ignore[no-untyped-def]
    """Mark the cuts of the run a..b; ``keys``, ``cuts`` and ``units`` are those of ``Exceptions``."""
    while a < b:
        at = _exception(codes, keys, a, b)
        if at >= 0:
            mark(cut, a, cuts[at])
            return
        prefix = _prefix(codes, classes, a, b)
        if prefix and a + prefix < b:
            at = _exception(codes, keys, a + prefix, b)
            if at >= 0:
                cut[a + prefix] = 1
                mark(cut, a + prefix, cuts[at])
                return
        suffix = _suffix(codes, classes, units, a + prefix, b)
        if suffix and b - suffix > a:
            at = _exception(codes, keys, a, b - suffix)
            if at >= 0:
                cut[b - suffix] = 1
                mark(cut, a, cuts[at])
                return
        if not prefix and not suffix:
            break
        a += prefix
        b -= suffix
        cut[a] = 1
        cut[b] = 1
    if b - a > 1 and not is_address(codes, classes, a, b):
        _cut_inside(codes, classes, a, b, cut)
