"""Looking into a TFRecord file: whether it is one, and the record at a place."""

from __future__ import annotations

import struct
from typing import BinaryIO

from dataset_platform.errors import InputError
from dataset_platform.kernels.driving.crc32c import masked_crc32c
from dataset_platform.kernels.driving.tfrecord import Record, read_records
from dataset_platform.kernels.driving.tfrecord_stream import PlainStream

_HEADER_BYTES = 12


def begins_with_record(stream: BinaryIO) -> bool:
    """Whether a stream, plain or compressed, begins as a TFRecord file does: with a length and its own checksum."""
    head = PlainStream(stream).read(_HEADER_BYTES)
    return len(head) == _HEADER_BYTES and struct.unpack("<I", head[8:])[0] == masked_crc32c(head[:8])


def read_record_at(stream: BinaryIO, size: int | None, offset: int, max_record_bytes: int = 1 << 30) -> bytes:
    """The payload of the record whose framing begins at ``offset`` of the decompressed file.

    Raises:
        InputError: no whole record begins there.
    """
    for record in read_records(stream, size, max_record_bytes=max_record_bytes):
        if isinstance(record, Record) and record.offset == offset:
            return record.payload
        if record.offset > offset:
            break
    raise InputError(f"No whole record begins at byte {offset}.", "The file is another one now, or was cut.")
