"""Framing: what is written is read back, and each kind of break is named where it is."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from pathlib import Path

import pytest

from dataset_platform.kernels.driving.crc32c import masked_crc32c
from dataset_platform.kernels.driving.tfrecord import BrokenRecord, Record, compression_of, read_records, scan
from dataset_platform.kernels.driving.tfrecord_writer import TFRecordWriter, framed
from dataset_platform_tests.kernels.driving.tfrecord_oracle import frame, masked_crc

LIMIT = 1 << 20
PAYLOADS = [b"first", b"", bytes(range(256)) * 300, b"last"]
KINDS = ["none", "gzip", "zlib"]


class Trickle(io.RawIOBase):
    """A stream that cannot be seeked and gives a few bytes at a time, as sockets do."""

    def __init__(self, content: bytes) -> None:
        self._stream = io.BytesIO(content)

    def read(self, count: int = -1) -> bytes:
        return self._stream.read(min(count, 7) if count >= 0 else 7)

    def seekable(self) -> bool:
        return False


class Counting(io.BytesIO):
    """Counts the bytes it gives."""

    given = 0

    def read(self, count: int | None = -1) -> bytes:
        content = super().read(count)
        self.given += len(content)
        return content


def written(payloads: list[bytes], compression: str = "none") -> bytes:
    sink = io.BytesIO()
    with TFRecordWriter(sink, compression) as writer:  # type: ignore[arg-type]
        for payload in payloads:
            writer.write(payload)
    return sink.getvalue()


def read(content: bytes, **options: object) -> list[Record | BrokenRecord]:
    return list(read_records(io.BytesIO(content), len(content), **{"max_record_bytes": LIMIT, **options}))  # type: ignore[arg-type]


def test_checksum_is_the_published_one() -> None:
    # RFC 3720 B.4: 32 bytes of zeros have the CRC-32C 0x8A9136AA
    crc = 0x8A9136AA
    assert masked_crc32c(bytes(32)) == ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) % 2**32
    assert masked_crc32c(b"123456789") == masked_crc(b"123456789")


@pytest.mark.parametrize("compression", KINDS)
def test_written_records_are_read_back(compression: str) -> None:
    content = written(PAYLOADS, compression)
    assert compression_of(content[:12]) == compression
    items = read(content)
    assert [item.payload for item in items if isinstance(item, Record)] == PAYLOADS
    plain = written(PAYLOADS)
    for item in items:
        assert isinstance(item, Record)
        assert plain[item.offset : item.offset + item.length] == frame(item.payload) == framed(item.payload)
    trickled = list(read_records(Trickle(content), None, max_record_bytes=LIMIT))  # type: ignore[arg-type]
    assert trickled == items
    assert written(PAYLOADS, compression) == content


def test_writer_tells_where_records_lie() -> None:
    sink = io.BytesIO()
    writer = TFRecordWriter(sink, "gzip")
    places = [writer.write(payload) for payload in PAYLOADS]
    writer.close()
    writer.close()
    assert places == [(item.offset, item.length) for item in read(sink.getvalue())]
    with pytest.raises(ValueError, match="closed"):
        writer.write(b"late")


@pytest.mark.parametrize("compression", ["gzip", "zlib"])
def test_records_much_larger_than_their_compressed_bytes(compression: str) -> None:
    payloads = [bytes(5 << 20), b"x" * (1 << 20), bytes(1)]
    content = written(payloads, compression)
    assert len(content) < 20_000
    assert [item.payload for item in read(content, max_record_bytes=6 << 20) if isinstance(item, Record)] == payloads
    *good, broken = read(content[:-12], max_record_bytes=6 << 20)
    assert [item.payload for item in good if isinstance(item, Record)] == payloads[: len(good)] and len(good) >= 1
    assert isinstance(broken, BrokenRecord) and broken.kind == "truncated"


def test_gzip_members_and_padding_follow_each_other() -> None:
    content = gzip.compress(frame(b"a") + frame(b"b")[:9]) + gzip.compress(frame(b"b")[9:]) + bytes(70_000)
    assert [item.payload for item in read(content) if isinstance(item, Record)] == [b"a", b"b"]


def test_compression_is_told_by_the_bytes() -> None:
    assert compression_of(b"") == "none"
    assert compression_of(b"\x1f") == "none"
    assert compression_of(zlib.compress(b"x", level=9)[:2]) == "zlib"
    # a payload whose length looks like the head of a zlib stream
    assert compression_of(frame(b"x", length=0x9C78)[:12]) == "none"
    assert compression_of(frame(b"x", length=0x8B1F)[:12]) == "none"


@pytest.mark.parametrize("compression", KINDS)
def test_an_empty_file_has_no_records(compression: str) -> None:
    assert read(written([], compression)) == []


def test_a_wrong_payload_costs_its_record_only() -> None:
    plain = bytearray(written(PAYLOADS))
    plain[12] ^= 1
    broken, *rest = read(bytes(plain))
    assert broken == BrokenRecord(0, 21, "record at byte 0: the checksum of its 5 bytes is wrong", "data_crc", False)
    assert [item.payload for item in rest if isinstance(item, Record)] == PAYLOADS[1:]
    assert [item.payload for item in read(bytes(plain), verify=False) if isinstance(item, Record)][1:] == PAYLOADS[1:]


@pytest.mark.parametrize(
    ("tail", "kind", "length", "words"),
    [
        (b"\2" + frame(b"x")[1:] + frame(b"after"), "length_crc", None, "checksum of its length"),
        (frame(b"x", length=LIMIT + 1), "too_long", None, "over the limit"),
        (frame(b"x", length=2**64 - 1), "too_long", None, "over the limit"),
        (frame(b"x", length=1000), "truncated", 17, "after 17 of 1016 bytes"),
        (frame(b"xyz")[:-1], "truncated", 18, "after 18 of 19 bytes"),
        (frame(b"xyz")[:5], "truncated", 5, "after 5 of a record's length"),
    ],
)
@pytest.mark.parametrize("compression", KINDS)
def test_a_length_that_cannot_be_believed_ends_the_file(
    tail: bytes, kind: str, length: int | None, words: str, compression: str
) -> None:
    content = {"none": bytes, "gzip": gzip.compress, "zlib": zlib.compress}[compression](frame(b"good") + tail)
    good, broken = read(content)
    assert isinstance(good, Record) and good.payload == b"good"
    assert isinstance(broken, BrokenRecord)
    assert (broken.offset, broken.kind, broken.length, broken.fatal) == (20, kind, length, True)
    assert words in broken.error and "byte 20" in broken.error
    unknown = list(read_records(io.BytesIO(content), None, max_record_bytes=LIMIT))
    assert unknown == [good, broken]
    framing = scan(io.BytesIO(content), len(content), LIMIT)
    assert (framing.records, framing.compression, framing.break_error) == (1, compression, broken.error)


def test_damage_in_a_compressed_file_keeps_what_was_decompressed() -> None:
    payloads = [struct.pack("<Q", i * 0x9E3779B97F4A7C15 % 2**64) for i in range(20_000)]
    content = bytearray(written(payloads, "gzip"))
    content[len(content) // 2] ^= 0xFF
    *good, broken = read(bytes(content))
    kept = [item.payload for item in good if isinstance(item, Record)]
    whole = zlib.decompressobj(31).decompress(bytes(content[: len(content) // 2]))
    assert len(kept) >= len(whole) // 24 > 1000
    assert kept[: len(whole) // 24] == payloads[: len(whole) // 24]
    assert isinstance(broken, BrokenRecord) and broken.fatal


def test_a_compressed_file_without_its_end_is_told_even_between_records() -> None:
    content = written(PAYLOADS, "gzip")[:-1]
    *good, broken = read(content)
    assert [item.payload for item in good if isinstance(item, Record)] == PAYLOADS
    assert isinstance(broken, BrokenRecord) and broken.kind == "truncated" and "gzip" in broken.error
    content = written(PAYLOADS, "zlib") + b"more"
    *good, broken = read(content)
    assert len(good) == len(PAYLOADS)
    assert isinstance(broken, BrokenRecord) and broken.kind == "compression" and "zlib" in broken.error


@pytest.mark.parametrize("compression", KINDS)
def test_scan_counts_without_reading_payloads(compression: str) -> None:
    payloads = [bytes([i]) * 50_000 for i in range(20)]
    content = written(payloads, compression)
    stream = Counting(content)
    framing = scan(stream, None, LIMIT)
    assert (framing.records, framing.compression, framing.break_error) == (20, compression, None)
    assert framing.first_payload == payloads[0]
    if compression == "none":
        assert stream.given < 55_000
    assert scan(Trickle(content), None, LIMIT) == framing  # type: ignore[arg-type]
    assert scan(io.BytesIO(), 0, LIMIT).records == 0


def test_errors_of_the_file_itself_pass_through() -> None:
    class Failing(io.RawIOBase):
        def read(self, count: int = -1) -> bytes:
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk"):
        list(read_records(Failing(), None, max_record_bytes=LIMIT))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "length"),
    [
        ("motion_data_one_example.tfrecord", 1_182_920),
        ("motion_data_one_scenario.tfrecord", 952_963),
        ("perception_one_frame.tfrecord", 2_168_774),
    ],
)
def test_real_files_hold_one_record_each(real_data: Path, name: str, length: int) -> None:
    with (real_data / "womd" / name).open("rb") as stream:
        (record,) = read_records(stream, length, max_record_bytes=1 << 30)
        assert isinstance(record, Record) and (record.offset, record.length) == (0, length)
        stream.seek(0)
        framing = scan(stream, length, 1 << 30)
    assert framing.records == 1 and framing.break_error is None and framing.first_payload == record.payload
