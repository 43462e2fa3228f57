"""Which kind of record a payload is, told from its bytes, and the names of the codes that records hold.

Codes and names: waymo_open_dataset ``protos/scenario.proto``, ``protos/map.proto``, ``label.proto``, ``dataset.proto``
and the tf.Example feature list of the motion tutorial.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dataset_platform.errors import InputError

RecordType = Literal["example", "scenario", "frame", "unknown"]

MOTION_OBJECTS = ("unset", "vehicle", "pedestrian", "cyclist", "other")
LABEL_OBJECTS = ("unset", "vehicle", "pedestrian", "sign", "cyclist")
LANE_TYPES = ("undefined", "freeway", "surface_street", "bike_lane")
LINE_TYPES = (
    "unknown",
    "broken_single_white",
    "solid_single_white",
    "solid_double_white",
    "broken_single_yellow",
    "broken_double_yellow",
    "solid_single_yellow",
    "solid_double_yellow",
    "passing_double_yellow",
)
EDGE_TYPES = ("edge_unknown", "edge_boundary", "edge_median")
# roadgraph_samples/type of a tf.Example; 4 is not used
SAMPLE_KINDS: dict[int, tuple[str, str]] = {
    **{code: ("lane", name) for code, name in enumerate(LANE_TYPES)},
    **{5 + code: ("road_line", name) for code, name in enumerate(LINE_TYPES)},
    **{14 + code: ("road_edge", name) for code, name in enumerate(EDGE_TYPES)},
    17: ("stop_sign", ""),
    18: ("crosswalk", ""),
    19: ("speed_bump", ""),
    20: ("driveway", ""),
}
CAMERA_NAMES = (
    "unknown",
    "front",
    "front_left",
    "front_right",
    "side_left",
    "side_right",
    "rear_left",
    "rear",
    "rear_right",
)

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# wire types that each published top-level field may come in; higher numbers are newer or third-party
_SCENARIO = {
    1: {_FIXED64, _BYTES},
    2: {_BYTES},
    4: {_VARINT, _BYTES},
    5: {_BYTES},
    6: {_VARINT},
    7: {_BYTES},
    8: {_BYTES},
    10: {_VARINT},
    11: {_BYTES},
    12: {_BYTES},
    13: {_BYTES},
}
_FRAME = {1: {_BYTES}, 2: {_VARINT}} | {number: {_BYTES} for number in range(3, 12)}
_MAX_FIELDS = 100_000  # a record of two-byte fields must not take for ever to be told
_MAX_NAME_BYTES = 256


class RecordError(InputError):
    """A whole record that does not hold what its type must hold."""


def record_type_of(payload: bytes | memoryview) -> RecordType:
    """The type of a record from its top-level fields; ``unknown`` for anything else, garbage included."""
    data = memoryview(payload)
    seen: dict[int, set[int]] = {}
    first: dict[int, memoryview] = {}
    try:
        for number, wire, value in _fields(data):
            seen.setdefault(number, set()).add(wire)
            if wire == _BYTES:
                first.setdefault(number, value)
    except ValueError:
        return "unknown"
    if set(seen) == {1} and seen[1] == {_BYTES}:
        return "example" if _is_features(first[1]) else "unknown"
    if {1, 2} <= set(seen) and _fits(seen, _FRAME):
        return "frame"
    if 5 in seen and {1, 2} & set(seen) and _fits(seen, _SCENARIO) and _is_name(first[5]):
        return "scenario"
    return "unknown"


def check_ids(track_ids: NDArray[np.int64], record: str) -> None:
    """Refuse a record of which two tracks that are ever valid share an id: one would overwrite the other.

    Raises:
        RecordError: naming the id.
    """
    ids, counts = np.unique(track_ids, return_counts=True)
    if (counts > 1).any():
        raise RecordError(f"{record}: {counts.max()} tracks have the id {ids[counts.argmax()]}.")


def name_of(code: int, names: tuple[str, ...], otherwise: str) -> str:
    """``names[code]``, or ``otherwise`` for a code that the published formats do not have."""
    return names[code] if 0 <= code < len(names) else otherwise


def _fits(seen: dict[int, set[int]], allowed: dict[int, set[int]]) -> bool:
    last = max(allowed)
    return all(wires <= allowed[n] if n in allowed else n > last for n, wires in seen.items())


def _is_features(data: memoryview) -> bool:
    """Whether bytes begin like the map of a tf.Example: an entry with a textual key and a message."""
    try:
        number, wire, entry = next(_fields(data), (0, 0, data))
        if (number, wire) != (1, _BYTES):
            return False
        parts = {n: (w, v) for n, w, v in _fields(entry)}
    except ValueError:
        return False
    key = parts.pop(1, (None, data))
    return key[0] == _BYTES and _is_name(key[1]) and all(n == 2 and w == _BYTES for n, (w, _) in parts.items())


def _is_name(value: memoryview) -> bool:
    if not 0 < len(value) <= _MAX_NAME_BYTES:
        return False
    try:
        return bytes(value).decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False


def _fields(data: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Field number, wire type and, of length-delimited fields, the bytes; raises ValueError where the bytes end early."""
    at, end = 0, len(data)
    for _ in range(_MAX_FIELDS):
        if at == end:
            return
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        start = at
        if wire == _VARINT:
            _, at = _varint(data, at)
        elif wire == _FIXED64:
            at += 8
        elif wire == _FIXED32:
            at += 4
        elif wire == _BYTES:
            length, start = _varint(data, at)
            at = start + length
        else:
            raise ValueError("wire type")
        if number == 0 or at > end:
            raise ValueError("field")
        yield number, wire, data[start:at]


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("varint")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("varint")
