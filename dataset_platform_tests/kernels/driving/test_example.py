"""tf.Example: the same values as protobuf's own parser, on real, generated, unpacked and damaged messages."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfrecord import example_pb2

from dataset_platform.errors import InputError
from dataset_platform.kernels.driving.example import GOLD_FEATURES, ExampleError, decode_example, encode_example
from dataset_platform.kernels.driving.tfrecord import Record, read_records

INT64 = st.integers(-(2**63), 2**63 - 1) | st.sampled_from(
    [s * 2**k + d for k in range(0, 63, 7) for d in (-1, 0, 1) for s in (1, -1)]
)
# long runs of short numbers and of -1 take other ways through the decoder than single ones
RUNS = st.lists(
    st.tuples(INT64 | st.sampled_from([-1, 0, 1, 127, 128, 300, 16383, 16384]), st.integers(1, 40)), max_size=12
)
FEATURES = st.dictionaries(
    st.text(max_size=12),
    st.one_of(
        st.tuples(st.just("bytes"), st.lists(st.binary(max_size=20), max_size=4)),
        st.tuples(st.just("float"), st.lists(st.floats(width=32), max_size=40)),
        st.tuples(st.just("int64"), RUNS.map(lambda runs: [value for value, count in runs for _ in range(count)])),
    ),
    max_size=6,
)


def varint(value: int) -> bytes:
    value %= 1 << 64
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def entry(key: str, feature: bytes) -> bytes:
    return field(1, field(1, key.encode()) + field(2, feature))


def float_bytes(values: Any) -> bytes:
    """Floats so that NaN equals itself and zero differs from minus zero; Python quiets signalling NaNs on its own."""
    array = np.array(values, "<f4")
    return np.where(np.isnan(array), np.float32(np.nan), array).tobytes()


def by_protobuf(payload: bytes) -> dict[str, tuple[str | None, Any]]:
    """Kind and values of each feature as protobuf reads them."""
    message = example_pb2.Example.FromString(payload)
    found: dict[str, tuple[str | None, Any]] = {}
    for name, feature in message.features.feature.items():
        kind = feature.WhichOneof("kind")
        values = list(getattr(feature, kind).value) if kind else []
        found[name] = (kind, float_bytes(values) if kind in ("float_list", None) else values)
    return found


def by_us(payload: bytes, kinds: dict[str, str | None]) -> dict[str, tuple[str | None, Any]]:
    found: dict[str, tuple[str | None, Any]] = {}
    for name, values in decode_example(payload).items():
        if isinstance(values, list):
            found[name] = ("bytes_list", values)
        elif values.dtype == np.int64:
            found[name] = ("int64_list", values.tolist())
        else:
            assert values.dtype == np.float32
            # a Feature without a list has no kind; here it is an empty array of floats
            found[name] = (kinds.get(name) and "float_list", float_bytes(values))
    return found


def assert_same_as_protobuf(payload: bytes) -> None:
    expected = by_protobuf(payload)
    assert by_us(payload, {name: kind for name, (kind, _) in expected.items()}) == expected


@settings(max_examples=300, deadline=None)
@given(FEATURES)
def test_what_protobuf_writes_is_read_and_the_other_way_round(features: dict[str, tuple[str, list[Any]]]) -> None:
    message = example_pb2.Example()
    for name, (kind, values) in features.items():
        getattr(message.features.feature[name], f"{kind}_list").value.extend(values)
    assert_same_as_protobuf(message.SerializeToString())
    types = {"float": np.float32, "int64": np.int64}
    encoded = encode_example(
        {
            name: values if kind == "bytes" else np.array(values, types[kind])
            for name, (kind, values) in features.items()
        }
    )
    assert by_protobuf(encoded) == by_protobuf(message.SerializeToString())
    assert encode_example(decode_example(encoded)) == encoded


def test_arrays_are_aligned_writable_and_their_own() -> None:
    payload = encode_example({"k": [b"odd"], "x": np.arange(5, dtype=np.float32), "y": np.array([[1, 2], [3, 4]])})
    first, second = decode_example(payload), decode_example(memoryview(payload))
    for name in ("x", "y"):
        array = first[name]
        assert isinstance(array, np.ndarray) and array.flags.aligned and array.flags.writeable
        array[:] = 0
        np.testing.assert_array_equal(second[name], decode_example(bytearray(payload))[name])  # type: ignore[arg-type]
    assert second["y"].tolist() == [1, 2, 3, 4]  # type: ignore[union-attr]


def test_unpacked_and_split_lists_are_read() -> None:
    numbers = [0, 1, -1, 300, 2**63 - 1, -(2**63)]
    floats = np.array([1.5, -2.0, np.inf], "<f4")
    loose_ints = b"".join(b"\x08" + varint(n) for n in numbers)
    loose_floats = b"".join(b"\x0d" + value.tobytes() for value in floats)
    packed = field(1, b"".join(map(varint, numbers)))
    features = (
        entry("ints", field(3, loose_ints))
        + entry("mixed", field(3, packed + loose_ints + packed))
        + entry("two lists", field(3, packed) + field(3, loose_ints))
        + entry("floats", field(2, loose_floats + field(1, floats.tobytes()) + loose_floats))
    )
    payload = field(1, features)
    decoded = decode_example(payload)
    assert decoded["mixed"].tolist() == numbers * 3  # type: ignore[union-attr]
    assert_same_as_protobuf(payload)


def test_the_last_value_of_a_key_and_the_last_kind_of_a_feature_count() -> None:
    ints, floats = field(3, field(1, b"\1\2")), field(2, field(1, bytes(4)))
    payload = field(1, entry("a", ints) + entry("b", ints) + entry("a", floats)) + field(
        1, entry("b", floats + ints) + entry("c", ints + floats)
    )
    assert {name: len(values) for name, values in decode_example(payload).items()} == {"a": 1, "b": 2, "c": 1}
    assert_same_as_protobuf(payload)


def test_empty_features_and_messages() -> None:
    assert decode_example(b"") == {}
    payload = field(
        1, entry("unset", b"") + entry("floats", field(2, b"")) + entry("ints", field(3, b"")) + field(1, b"")
    )
    assert_same_as_protobuf(payload)
    assert decode_example(payload)["ints"].dtype == np.int64  # type: ignore[union-attr]
    assert {name: len(values) for name, values in decode_example(payload).items()} == dict.fromkeys(
        ("unset", "floats", "ints", ""), 0
    )


def test_more_features_than_expected_and_unknown_fields() -> None:
    later = field(9, b"a later version's field") + varint(10 << 3) + b"\5" + varint(11 << 3 | 5) + bytes(4)
    features = b"".join(entry(f"f{i}", later + field(3, later + field(1, varint(i)))) + later for i in range(1000))
    payload = later + field(1, features)
    assert_same_as_protobuf(payload)
    decoded = decode_example(payload, {"f7", "f999", "absent"})
    assert {name: values.tolist() for name, values in decoded.items()} == {"f7": [7], "f999": [999]}  # type: ignore[union-attr]


def test_features_that_are_not_wanted_are_passed_over() -> None:
    payload = field(1, entry("broken", b"\xff\xff") + entry("good", field(3, field(1, b"\5"))))
    assert decode_example(payload, ["good"])["good"].tolist() == [5]  # type: ignore[union-attr]
    with pytest.raises(ExampleError):
        decode_example(payload)


@pytest.mark.parametrize(
    ("payload", "words", "at"),
    [
        (b"\x0a\x05abc", "longer than what is left", 0),
        (b"\xff" * 11, "longer than 64 bits", 0),
        (b"\x0b", "no field can begin", 0),
        (b"\x00", "no field can begin", 0),
        (b"\x08\x01", "another wire type", 0),
        (field(1, b"\x0a\x02\x08\x01"), "another wire type", 4),
        (field(1, field(1, field(1, b"k") + field(2, b"") + field(2, b""))), "not one key and one value", 9),
        (field(1, field(1, field(1, b"k") + field(3, b""))), "not one key and one value", 7),
        (field(1, field(1, field(1, b"\xff"))), "no UTF-8", 6),
        (field(1, entry("k", field(2, field(1, bytes(5))))), "multiple of four", 11),
        (field(1, entry("k", field(3, field(1, b"\x80")))), "cut or longer", 11),
        (field(1, entry("k", field(3, field(1, b"\x80" * 20 + b"\x01")))), "cut or longer", 13),
        (field(1, entry("k", field(3, field(1, b"\xff" * 9 + b"\x02")))), "cut or longer", 13),
        (field(1, entry("k", field(3, b"\x0d" + bytes(4)))), "another wire type", 11),
        (field(1, entry("k", field(1, b"\x08\x01"))), "another wire type", 11),
    ],
)
def test_broken_messages_name_the_byte(payload: bytes, words: str, at: int) -> None:
    with pytest.raises(ExampleError, match=words) as caught:
        decode_example(payload)
    assert isinstance(caught.value, InputError)
    assert caught.value.message.endswith(f"at byte {at}")


def damaged_messages(count: int) -> Iterator[bytes]:
    chance = random.Random(5)
    for _ in range(count):
        message = bytearray(
            encode_example(
                {
                    "id": [chance.randbytes(4)],
                    "x": np.array([chance.uniform(-9, 9) for _ in range(chance.randrange(8))], np.float32),
                    "valid": np.array(
                        [chance.choice((-1, 0, 1, 200, 2**40)) for _ in range(chance.randrange(30))], np.int64
                    ),
                }
            )
        )
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(message))
            action = chance.randrange(4)
            if action == 0:
                message[at] ^= 1 << chance.randrange(8)
            elif action == 1:
                message[at] = chance.choice((0, 1, 2, 0x0A, 0x12, 0x1A, 0x7F, 0x80, 0xFF))
            elif action == 2:
                del message[at : at + chance.randint(1, 5)]
            else:
                message[at:at] = chance.randbytes(chance.randint(1, 5))
            if not message:
                break
        yield bytes(message)


def test_what_is_accepted_of_damaged_messages_is_what_protobuf_reads() -> None:
    seen: Counter[str] = Counter()
    for payload in damaged_messages(10_000):
        try:
            decode_example(payload)
        except ExampleError:
            seen["refused"] += 1
        else:
            seen["accepted"] += 1
            assert_same_as_protobuf(payload)
    assert min(seen["refused"], seen["accepted"]) > 1_000


def test_types_that_cannot_be_stored_are_refused() -> None:
    for values in ([1 + 2j], np.array([2**63], np.uint64), np.array(["a"], object)):
        with pytest.raises(TypeError, match="feature k"):
            encode_example({"k": values})


def test_the_real_record(real_data: Path) -> None:
    with (real_data / "womd" / "motion_data_one_example.tfrecord").open("rb") as stream:
        (record,) = read_records(stream, None, max_record_bytes=1 << 30)
    assert isinstance(record, Record)
    decoded = decode_example(record.payload)
    assert len(decoded) == 72 and decoded["scenario/id"] == [b"a3bb37c25ce56418"]
    assert_same_as_protobuf(record.payload)
    projected = decode_example(record.payload, GOLD_FEATURES)
    assert set(projected) == GOLD_FEATURES == set(decoded) - {"state/difficulty_level"}
    for name, values in projected.items():
        np.testing.assert_array_equal(values, decoded[name])
    types, counts = np.unique(decoded["roadgraph_samples/type"], return_counts=True)
    assert dict(zip(types.tolist(), counts.tolist(), strict=True)) == {
        2: 6323, 3: 615, 6: 2462, 7: 2412, 11: 1260, 12: 167, 15: 4844, 16: 1917
    }  # fmt: skip
    assert len(np.unique(decoded["roadgraph_samples/id"])) == 254
    assert decode_example(encode_example(decoded)).keys() == decoded.keys()
