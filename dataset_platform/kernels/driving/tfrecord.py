"""TFRecord files: records out of bytes, both checksums verified, every broken one reported.

Framing (TensorFlow, "TFRecords format details"), little-endian::

    uint64 length | uint32 masked CRC-32C of the length | byte payload[length] | uint32 masked CRC-32C of the payload

A record whose payload fails its checksum is reported and passed over: the next one is found by its length. A length
that cannot be believed ends the file, because nothing marks where a record begins. A file that was cut exactly between
two records cannot be told from a shorter one; the format has no footer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal, NamedTuple

from dataset_platform.kernels.driving.crc32c import masked_crc32c
from dataset_platform.kernels.driving.tfrecord_stream import Compression, PlainStream, compression_of

__all__ = ["BrokenRecord", "Framing", "Record", "compression_of", "read_records", "scan"]

FRAMING_BYTES = 16

_HEADER = struct.Struct("<QI")
_CHECKSUM_BYTES = 4

BreakKind = Literal["truncated", "length_crc", "data_crc", "too_long", "compression"]


class Record(NamedTuple):
    """One whole record.

    Attributes:
        offset: position of its first framing byte in the decompressed file.
        length: bytes it takes there, its 16 framing bytes included.
        payload: what was written.
    """

    offset: int
    length: int
    payload: bytes


class BrokenRecord(NamedTuple):
    """A place where the file does not hold what it should.

    Attributes:
        offset: position of the record's first framing byte in the decompressed file.
        length: bytes from there that belong to the damage; for a cut record those that are left of it; ``None`` where
            the length cannot be believed.
        error: what is wrong, in words.
        kind: ``data_crc`` (this record only), ``length_crc``, ``too_long``, ``truncated``, ``compression``.
        fatal: true when nothing after it can be read.
    """

    offset: int
    length: int | None
    error: str
    kind: BreakKind
    fatal: bool


@dataclass(frozen=True)
class Framing:
    """What the lengths of a file tell.

    Attributes:
        records: whole records before the end or the first break; payloads are not verified.
        compression: of the whole file.
        break_error: why the file cannot be walked to its end; ``None`` when it can.
        first_payload: content of the first record, from which its type can be told.
    """

    records: int
    compression: Compression
    break_error: str | None
    first_payload: bytes | None


def read_records(
    stream: BinaryIO, size: int | None, *, max_record_bytes: int, verify: bool = True
) -> Iterator[Record | BrokenRecord]:
    """Records of a TFRecord file in order; broken ones in their place. Holds one record at a time.

    Args:
        stream: the file, at its beginning; plain or compressed as a whole. It is not closed.
        size: bytes of the file, so that a record that cannot fit is not read; ``None`` where unknown.
        max_record_bytes: a longer payload is not believed.
        verify: check the payloads' checksums; lengths are always checked.

    Raises:
        OSError: the file could not be read; broken content never raises.
    """
    source = PlainStream(stream, size)
    while True:
        offset = source.position
        length = _next_length(source, max_record_bytes)
        if length is None:
            return
        if isinstance(length, BrokenRecord):
            yield length
            return
        payload = source.read(length)
        checksum = source.read(_CHECKSUM_BYTES) if len(payload) == length else b""
        if len(checksum) < _CHECKSUM_BYTES:
            yield _cut(source, offset, length + FRAMING_BYTES)
            return
        if verify and masked_crc32c(payload) != int.from_bytes(checksum, "little"):
            error = f"record at byte {offset}: the checksum of its {length} bytes is wrong"
            yield BrokenRecord(offset, length + FRAMING_BYTES, error, "data_crc", False)
        else:
            yield Record(offset, length + FRAMING_BYTES, payload)


def scan(stream: BinaryIO, size: int | None, max_record_bytes: int) -> Framing:
    """Count the records of a file by their lengths; payloads of plain files are not read, but the first.

    Args:
        stream: the file, at its beginning.
        size: bytes of the file; ``None`` where unknown.
        max_record_bytes: a longer payload is not believed.

    Raises:
        OSError: the file could not be read.
    """
    source = PlainStream(stream, size)
    records, first_payload = 0, None
    while True:
        offset = source.position
        length = _next_length(source, max_record_bytes)
        if length is None or isinstance(length, BrokenRecord):
            return Framing(records, source.compression, length.error if length else None, first_payload)
        payload = source.read(length) if first_payload is None else None
        left = length + _CHECKSUM_BYTES - len(payload or b"")
        if source.skip(left) < left:
            error = _cut(source, offset, length + FRAMING_BYTES).error
            return Framing(records, source.compression, error, first_payload)
        records += 1
        first_payload = payload if payload is not None else first_payload


def _next_length(source: PlainStream, max_record_bytes: int) -> int | BrokenRecord | None:
    """Payload bytes of the record that begins here; why there is none to believe; ``None`` at the end of the file."""
    offset = source.position
    header = source.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return _cut(source, offset, None) if header or source.damage else None
    length, checksum = _HEADER.unpack(header)
    if masked_crc32c(header[:8]) != checksum:
        error = f"record at byte {offset}: the checksum of its length is wrong, so no record after it can be found"
        return BrokenRecord(offset, None, error, "length_crc", True)
    if length > max_record_bytes:
        error = f"record at byte {offset}: a length of {length} bytes is over the limit of {max_record_bytes}"
        return BrokenRecord(offset, None, error, "too_long", True)
    if source.plain_size is not None and source.position + length + _CHECKSUM_BYTES > source.plain_size:
        return _cut(source, offset, length + FRAMING_BYTES, source.plain_size - offset)
    return int(length)


def _cut(source: PlainStream, offset: int, expected: int | None, there: int | None = None) -> BrokenRecord:
    """The plain bytes end inside the record at ``offset``, or the file is damaged there."""
    there = source.position - offset if there is None else there
    if source.damage is not None:
        error = f"record at byte {offset}: {source.damage.error}"
        return BrokenRecord(offset, there, error, source.damage.kind, True)
    wanted = "of a record's length" if expected is None else f"of {expected} bytes"
    error = f"record at byte {offset}: the file ends after {there} {wanted}"
    return BrokenRecord(offset, there, error, "truncated", True)
