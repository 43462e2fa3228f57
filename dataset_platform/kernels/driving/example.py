"""tf.Example: named lists of numbers and byte strings, decoded to arrays and written back.

The message (TensorFlow, ``core/example/feature.proto``) is a map from names to one list each: of bytes, of float32 or
of int64. Writers pack number lists; readers must take unpacked ones too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from dataset_platform.errors import InputError
from dataset_platform.kernels.driving import example_wire as wire
from dataset_platform.kernels.driving.varints import pack_ints

Feature = npt.NDArray[np.float32] | npt.NDArray[np.int64] | list[bytes]

_STATES = ("x", "y", "z", "bbox_yaw", "length", "width", "height", "velocity_x", "velocity_y", "speed", "vel_yaw")
_SIGNALS = ("id", "state", "valid", "x", "y", "z", "timestamp_micros")
_TIMES = ("past", "current", "future")

# every feature that frames, maps and gold are made of
GOLD_FEATURES: frozenset[str] = frozenset(
    [
        "scenario/id",
        *(f"state/{name}" for name in ("id", "type", "is_sdc", "tracks_to_predict", "objects_of_interest")),
        *(f"state/{time}/{name}" for time in _TIMES for name in (*_STATES, "valid", "timestamp_micros")),
        *(f"roadgraph_samples/{name}" for name in ("id", "type", "valid", "xyz", "dir")),
        *(f"traffic_light_state/{time}/{name}" for time in _TIMES for name in _SIGNALS),
    ]
)

_ENTRIES = 128  # more than any published schema has; a larger map is indexed a second time
_ERRORS = {
    wire.CUT: "a field is longer than what is left of its message",
    wire.BAD_VARINT: "a number is cut or longer than 64 bits",
    wire.BAD_TAG: "no field can begin with these bytes",
    wire.BAD_TYPE: "a field has another wire type than its definition",
    wire.BAD_FLOATS: "a packed list of floats is no multiple of four bytes long",
    wire.BAD_ENTRY: "an entry of the map is not one key and one value",
}


class ExampleError(InputError):
    """The bytes are no tf.Example; the message names the byte."""


def decode_example(payload: bytes | memoryview, features: Collection[str] | None = None) -> dict[str, Feature]:
    """The features of a serialized tf.Example, in the order of their first bytes.

    Float and int64 features become new one-dimensional arrays (aligned, writable, row-major as written), byte features
    lists of byte strings. Of a key that occurs twice the last value counts; a Feature without a list is an empty
    float32 array. Fields that the message's definition does not know are passed over.

    Args:
        payload: the serialized message.
        features: names to decode; the others are passed over by their length and not checked inside. ``None`` decodes
            all. Names that the message lacks are not in the result.

    Raises:
        ExampleError: the bytes do not follow the wire format, or a key is no UTF-8.
    """
    payload = payload if isinstance(payload, bytes) else bytes(payload)
    data = np.frombuffer(payload, np.uint8)
    entries = np.empty((_ENTRIES, 4), np.int64)
    count, code, at = wire.index_features(data, entries)
    if code == wire.FINE and count > len(entries):
        entries = np.empty((count, 4), np.int64)
        count, code, at = wire.index_features(data, entries)
    _check(code, at)
    places: dict[str, int] = {}
    keys = zip(entries[:count, 0].tolist(), entries[:count, 1].tolist(), strict=True)
    for row, (start, end) in enumerate(keys):
        try:
            name = payload[start:end].decode()
        except UnicodeDecodeError:
            raise ExampleError(f"no tf.Example: a key that is no UTF-8 at byte {start}") from None
        if features is None or name in features:
            places[name] = row
    measures = np.empty((len(places), 5), np.int64)
    measures[:, :2] = entries[list(places.values()), 2:]
    _check(*wire.measure(data, measures))
    return _values(payload, data, list(places), measures)


def _values(
    payload: bytes, data: npt.NDArray[np.uint8], names: list[str], measures: npt.NDArray[np.int64]
) -> dict[str, Feature]:
    """Arrays and lists of the measured features; arrays of one type share one block of memory."""
    kinds, counts = measures[:, 2].tolist(), measures[:, 3].tolist()
    room = [0, 0, 0, 0]
    for kind, count in zip(kinds, counts, strict=True):
        room[kind] += count
    floats = np.empty(room[wire.KIND_FLOATS], "<f4")
    ints = np.empty(room[wire.KIND_INTS], np.int64)
    spans = np.empty((room[wire.KIND_BYTES], 2), np.int64)
    _check(*wire.fill(data, measures, floats.view(np.uint8), ints, spans))
    strings = [payload[start:end] for start, end in spans.tolist()]
    columns = (floats[:0], strings, floats, ints)  # by kind; a Feature without a list has no values
    decoded: dict[str, Feature] = {}
    used = [0, 0, 0, 0]
    for name, kind, count in zip(names, kinds, counts, strict=True):
        start = used[kind]
        used[kind] = end = start + count
        decoded[name] = columns[kind][start:end]
    return decoded


def _check(code: int, at: int) -> None:
    if code != wire.FINE:
        raise ExampleError(f"no tf.Example: {_ERRORS[code]} at byte {at}")


def encode_example(features: Mapping[str, npt.ArrayLike | Sequence[bytes | str]]) -> bytes:
    """A serialized tf.Example; number lists are packed, keys sorted, so the same features give the same bytes.

    Args:
        features: arrays of any shape (written row-major) or sequences: floats are stored as float32, integers and
            booleans as int64, byte strings and texts (as UTF-8) as bytes. An empty list without a type is one of bytes.

    Raises:
        TypeError: values of another type, or integers beyond int64.
    """
    message = b"".join(
        _delimited(1, _delimited(1, name.encode()) + _delimited(2, _feature(name, features[name])))
        for name in sorted(features)
    )
    return _delimited(1, message)


def _feature(name: str, values: npt.ArrayLike | Sequence[bytes | str]) -> bytes:
    if isinstance(values, (list, tuple)) and all(isinstance(value, (bytes, str)) for value in values):
        strings = (value.encode() if isinstance(value, str) else value for value in values)
        return _delimited(wire.KIND_BYTES, b"".join(_delimited(1, value) for value in strings))
    numbers = np.asarray(values).ravel()
    if numbers.dtype.kind == "f":
        content, kind = numbers.astype("<f4").tobytes(), wire.KIND_FLOATS
    elif numbers.dtype.kind in "bi" or (numbers.dtype.kind == "u" and numbers.dtype.itemsize < 8):
        content, kind = _packed(numbers.astype(np.int64)), wire.KIND_INTS
    else:
        raise TypeError(f"feature {name}: values of type {numbers.dtype} cannot be stored in a tf.Example")
    return _delimited(kind, _delimited(1, content) if content else b"")


def _packed(values: npt.NDArray[np.int64]) -> bytes:
    room = np.empty(10 * len(values), np.uint8)
    return room[: pack_ints(values, room)].tobytes()


def _delimited(number: int, content: bytes) -> bytes:
    """A length-delimited field; its number is below 16, so its tag is one byte."""
    return bytes((number << 3 | 2,)) + _packed(np.array([len(content)], np.int64)) + content
