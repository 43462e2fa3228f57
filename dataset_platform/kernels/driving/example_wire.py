"""The wire format of tf.Example, walked by compiled code: where features lie, how many values they hold, the values.

::

    Example  { features = 1: Features }          Features { feature = 1: repeated entry { key = 1, value = 2: Feature } }
    Feature  { bytes_list = 1 | float_list = 2 | int64_list = 3 }          each list { value = 1: repeated, packed or not }

A position is a byte offset in the payload. Broken input is told as a code and the position where it was noticed, never
by reading outside. Fields of unknown numbers are passed over, as the format demands of readers, but in entries of the map.
"""

from __future__ import annotations

import numba
import numpy as np

from dataset_platform.kernels.driving.word_access import WORD_BYTES, copy, load, ones, trailing_zeros, widen

KIND_NONE, KIND_BYTES, KIND_FLOATS, KIND_INTS = 0, 1, 2, 3
FINE, CUT, BAD_VARINT, BAD_TAG, BAD_TYPE, BAD_FLOATS, BAD_ENTRY = 0, 1, 2, 3, 4, 5, 6

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_ALONE = (-1, _LENGTH, _FOUR_BYTES, _VARINT)  # wire type of a value that is not packed, by kind of list
_STOP_BITS = np.uint64(0x8080808080808080)
_PAIRS, _QUADS = np.uint64(0x8000800080008000), np.uint64(0x8000000080000000)
_ONE = np.uint64(1)
_ALL_SET = np.uint64(0xFFFFFFFFFFFFFFFF)
# seven-bit groups are closed up in three steps: bytes to 14 bits, to 28 bits, to 56 bits
_LOW_7, _HIGH_7 = np.uint64(0x007F007F007F007F), np.uint64(0x7F007F007F007F00)
_LOW_14, _HIGH_14 = np.uint64(0x00003FFF00003FFF), np.uint64(0x3FFF00003FFF0000)
_LOW_28, _HIGH_28 = np.uint64(0x000000000FFFFFFF), np.uint64(0x0FFFFFFF00000000)


@numba.njit(cache=True)
def _varint(data, at, end):  # type: ignore[no-untyped-def]
    """A base-128 number and the position after it; -1 where it is cut or longer than 64 bits."""
    value = np.uint64(0)
    shift = np.uint64(0)
    while at < end and shift < 64:
        byte = np.uint64(data[at])
        at += 1
        value |= (byte & np.uint64(127)) << shift
        if byte < 128:
            return (value, -1) if shift == 63 and byte > 1 else (value, at)
        shift += np.uint64(7)
    return value, -1


@numba.njit(cache=True)
def _field(data, at, end):  # type: ignore[no-untyped-def]
    """The field at ``at``: number, wire type, where its value begins and ends, and a code.

    For a length-delimited field the value is its content.
    """
    tag, start = _varint(data, at, end)
    if start < 0:
        return 0, 0, at, at, BAD_VARINT
    number, wire = np.int64(tag >> np.uint64(3)), np.int64(tag & np.uint64(7))
    # 2^29 - 1 is the largest field number; groups (3, 4) are not part of proto3
    if tag >> np.uint64(32) or number == 0:
        return 0, 0, at, at, BAD_TAG
    size = np.uint64(0)
    if wire == _LENGTH:
        size, start = _varint(data, start, end)
        if start < 0:
            return 0, 0, at, at, BAD_VARINT
    elif wire == _FOUR_BYTES:
        size = np.uint64(4)
    elif wire == _EIGHT_BYTES:
        size = np.uint64(8)
    elif wire == _VARINT:
        _, stop = _varint(data, start, end)
        return number, wire, start, stop, FINE if stop >= 0 else BAD_VARINT
    else:
        return 0, 0, at, at, BAD_TAG
    if size > np.uint64(end - start):
        return 0, 0, at, at, CUT
    return number, wire, start, start + np.int64(size), FINE


@numba.njit(cache=True)
def index_features(data, entries):  # type: ignore[no-untyped-def]
    """Where keys and values of all map entries lie, in their order.

    Args:
        data: [n] uint8, a serialized Example.
        entries: [capacity, 4] int64, filled with key start, key end, Feature start, Feature end.

    Returns:
        Number of entries, which may be over the capacity (call again with more); a code; the position of the error.
    """
    count, at, size = 0, 0, len(data)
    while at < size:
        number, wire, start, end, code = _field(data, at, size)
        if code == FINE and number == 1 and wire != _LENGTH:
            code = BAD_TYPE
        if code != FINE:
            return count, code, at
        at = end
        if number != 1:
            continue
        inner = start
        while inner < end:
            number, wire, entry, entry_end, code = _field(data, inner, end)
            if code == FINE and number == 1 and wire != _LENGTH:
                code = BAD_TYPE
            if code != FINE:
                return count, code, inner
            inner = entry_end
            if number != 1:
                continue
            key = key_end = value = value_end = entry  # both have a default: the empty key, the empty Feature
            values, part = 0, entry
            while part < entry_end:
                number, wire, first, last, code = _field(data, part, entry_end)
                if code == FINE and number <= 2 and wire != _LENGTH:
                    code = BAD_TYPE
                if number == 1:
                    key, key_end = first, last
                elif number == 2:
                    value, value_end, values = first, last, values + 1
                # nothing writes other fields into an entry of a map, and protobuf's own parser drops such an entry
                if code == FINE and (number > 2 or values > 1):
                    code = BAD_ENTRY
                if code != FINE:
                    return count, code, part
                part = last
            if count < len(entries):
                entries[count, 0], entries[count, 1] = key, key_end
                entries[count, 2], entries[count, 3] = value, value_end
            count += 1
    return count, FINE, 0


@numba.njit(cache=True)
def _packed_count(data, start, end):  # type: ignore[no-untyped-def]
    """Numbers in a packed block: its bytes without a continuation bit."""
    count, at = np.int64(0), start
    while at + WORD_BYTES <= end:
        count += np.int64(ones(~load(data, at) & _STOP_BITS))
        at += WORD_BYTES
    while at < end:
        count += np.int64(data[at] < 128)
        at += 1
    return count


@numba.njit(cache=True)
def measure(data, features):  # type: ignore[no-untyped-def]
    """Kind and number of values of each feature.

    Args:
        data: [n] uint8, a serialized Example.
        features: [k, 5] int64; columns 0 and 1 hold where the Feature begins and ends, 2 to 4 are filled with its
            kind, its number of values and where its first list of this kind begins (a later kind replaces the ones
            before, lists of the same kind continue each other).

    Returns:
        A code and the position of the error.
    """
    for k in range(len(features)):
        at, size = features[k, 0], features[k, 1]
        kind, count, first = KIND_NONE, 0, at
        while at < size:
            number, wire, start, end, code = _field(data, at, size)
            known = number >= 1 and number <= 3
            if code == FINE and known and wire != _LENGTH:
                code = BAD_TYPE
            if code != FINE:
                return code, at
            if known:
                if number != kind:
                    kind, count, first = number, 0, at
                inner = start
                while inner < end:
                    number, wire, value, value_end, code = _field(data, inner, end)
                    if code == FINE and number == 1:
                        if wire == _ALONE[kind]:
                            count += 1
                        elif kind == KIND_FLOATS and wire == _LENGTH:
                            code = FINE if (value_end - value) % 4 == 0 else BAD_FLOATS
                            count += (value_end - value) // 4
                        elif kind == KIND_INTS and wire == _LENGTH:
                            if value_end > value and data[value_end - 1] >= 128:
                                code = BAD_VARINT
                            count += _packed_count(data, value, value_end)
                        else:
                            code = BAD_TYPE
                    if code != FINE:
                        return code, inner
                    inner = value_end
            at = end
        features[k, 2], features[k, 3], features[k, 4] = kind, count, first
    return FINE, 0


@numba.njit(cache=True)
def _close_pairs(word):  # type: ignore[no-untyped-def]
    """The seven low bits of eight bytes as four numbers of 14 bits, each in 16."""
    return (word & _LOW_7) | ((word & _HIGH_7) >> _ONE)


@numba.njit(cache=True)
def _close_quads(word):  # type: ignore[no-untyped-def]
    """The seven low bits of eight bytes as two numbers of 28 bits, each in 32."""
    word = _close_pairs(word)
    return (word & _LOW_14) | ((word & _HIGH_14) >> np.uint64(2))


@numba.njit(cache=True)
def _close_up(word):  # type: ignore[no-untyped-def]
    """The seven low bits of eight bytes as one number of 56 bits."""
    word = _close_quads(word)
    return (word & _LOW_28) | ((word & _HIGH_28) >> np.uint64(4))


@numba.njit(cache=True)
def _unpack_ints(data, start, end, ints, out):  # type: ignore[no-untyped-def]
    """Decode a packed block whose last byte ends a number; returns the next free slot and -1, or where it is broken.

    Every number has one byte without a continuation bit, so no more numbers come out than `_packed_count` counted.
    """
    at = start
    while at < end:
        word = stops = np.uint64(0)  # near the end of the payload: one number after the other
        if at + 2 * WORD_BYTES <= len(data):
            word = load(data, at)
            stops = ~word & _STOP_BITS
        if word == _ALL_SET and data[at + 8] == 255 and data[at + 9] == 1:  # -1, the fill of invalid rows
            ints[out] = -1
            at, out = at + 10, out + 1
        elif stops == _STOP_BITS and at + WORD_BYTES <= end:  # eight numbers of one byte
            widen(ints, out, data, at)
            at, out = at + WORD_BYTES, out + WORD_BYTES
        elif stops == _PAIRS and at + WORD_BYTES <= end:  # four numbers of two bytes
            word = _close_pairs(word)
            for k in range(4):
                ints[out + k] = np.int64((word >> np.uint64(16 * k)) & np.uint64(0x3FFF))
            at, out = at + WORD_BYTES, out + 4
        elif stops == _QUADS and at + WORD_BYTES <= end:  # two numbers of four bytes
            word = _close_quads(word)
            ints[out] = np.int64(word & _LOW_28)
            ints[out + 1] = np.int64(word >> np.uint64(32))
            at, out = at + WORD_BYTES, out + 2
        elif stops:
            ints[out] = np.int64(_close_up(word & (stops ^ (stops - _ONE))))
            at, out = at + np.int64(trailing_zeros(stops) >> np.uint64(3)) + 1, out + 1
        else:
            value, after = _varint(data, at, end)
            if after < 0:
                return out, at
            ints[out] = np.int64(value)
            at, out = after, out + 1
    return out, -1


@numba.njit(cache=True)
def fill(data, features, float_bytes, ints, spans):  # type: ignore[no-untyped-def]
    """Decode the values of features that `measure` has measured, one feature after the other.

    Args:
        data: [n] uint8, a serialized Example.
        features: [k, 5] int64 as `measure` left it.
        float_bytes: [4 f] uint8, room for all floats, little-endian.
        ints: [i] int64, room for all integers.
        spans: [b, 2] int64, filled with where each byte string begins and ends.

    Returns:
        A code and the position of the error.
    """
    floats_at, ints_at, spans_at = 0, 0, 0
    for k in range(len(features)):
        at, size, kind = features[k, 4], features[k, 1], features[k, 2]
        while at < size:
            number, wire, inner, end, code = _field(data, at, size)
            at = end
            if number != kind:
                continue
            while inner < end:
                number, wire, value, value_end, code = _field(data, inner, end)
                inner = value_end
                if number != 1:
                    continue
                if kind == KIND_BYTES:
                    spans[spans_at, 0], spans[spans_at, 1] = value, value_end
                    spans_at += 1
                elif kind == KIND_FLOATS:
                    copy(float_bytes, floats_at, data, value, value_end - value)
                    floats_at += value_end - value
                elif wire == _VARINT:
                    number_read, after = _varint(data, value, value_end)
                    ints[ints_at] = np.int64(number_read)
                    ints_at += 1
                else:
                    ints_at, broken = _unpack_ints(data, value, value_end, ints, ints_at)
                    if broken >= 0:
                        return BAD_VARINT, broken
    return FINE, 0
