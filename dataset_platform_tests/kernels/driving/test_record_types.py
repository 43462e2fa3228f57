"""The type of a record is told from its bytes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dataset_platform.kernels.driving.example import encode_example
from dataset_platform.kernels.driving.protos.frame_pb2 import Frame
from dataset_platform.kernels.driving.record_types import record_type_of
from dataset_platform.kernels.driving.tfrecord import Record, read_records
from dataset_platform_tests.kernels.driving import small_records


@pytest.mark.parametrize("kind", ["example", "scenario", "frame"])
def test_small_records(kind: str) -> None:
    payloads = {
        "example": small_records.example(),
        "scenario": small_records.scenario().SerializeToString(),
        "frame": small_records.frame().SerializeToString(),
    }
    assert record_type_of(payloads[kind]) == kind
    assert record_type_of(memoryview(payloads[kind])) == kind


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("motion_data_one_example.tfrecord", "example"),
        ("motion_data_one_scenario.tfrecord", "scenario"),
        ("perception_one_frame.tfrecord", "frame"),
    ],
)
def test_real_records(real_data: Path, file: str, kind: str) -> None:
    with (real_data / "womd" / file).open("rb") as stream:
        (record,) = read_records(stream, None, max_record_bytes=1 << 30)
    assert isinstance(record, Record)
    assert record_type_of(record.payload) == kind


def test_an_example_with_one_feature_is_one() -> None:
    assert record_type_of(encode_example({"any": [1.0]})) == "example"


def test_fields_newer_than_the_published_ones_do_not_hide_the_type() -> None:
    newer = b"\xa2\x06\x01x"  # field 100, one byte
    assert record_type_of(small_records.scenario().SerializeToString() + newer) == "scenario"
    assert record_type_of(small_records.frame().SerializeToString() + newer) == "frame"


def test_what_is_none_of_them_is_unknown() -> None:
    whole = small_records.scenario().SerializeToString()
    end_to_end = b"\x0a" + bytes([4]) + b"\x0a\x02\x0a\x00" + b"\x38\x01"  # a Frame in field 1, an intent in field 7
    for payload in (
        b"",
        b"\0",
        b"{}",
        b"\x89PNG\r\n",
        whole[:-3],
        end_to_end,
        Frame(timestamp_micros=3).SerializeToString(),
    ):
        assert record_type_of(payload) == "unknown", payload[:20]


def test_any_bytes_are_told_without_an_error() -> None:
    source = random.Random(5)
    for _ in range(3_000):
        assert record_type_of(source.randbytes(source.randrange(60))) in {"example", "scenario", "frame", "unknown"}


def test_a_record_of_endless_small_fields_is_given_up() -> None:
    assert record_type_of(b"\x08\x01" * 2_000_000) == "unknown"
