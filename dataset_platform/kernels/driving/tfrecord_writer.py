"""TFRecord files: bytes out of records, for samples and exports."""

from __future__ import annotations

import struct
import zlib
from types import TracebackType
from typing import BinaryIO

from dataset_platform.kernels.driving.crc32c import masked_crc32c
from dataset_platform.kernels.driving.tfrecord_stream import Compression

_WINDOW_BITS = {"gzip": 31, "zlib": 15}


def framed(payload: bytes) -> bytes:
    """A record as it lies in a plain file: length, its checksum, payload, its checksum."""
    length = struct.pack("<Q", len(payload))
    return b"".join(
        (length, struct.pack("<I", masked_crc32c(length)), payload, struct.pack("<I", masked_crc32c(payload)))
    )


class TFRecordWriter:
    """Writes records to a stream; the same records give the same bytes (a gzip header carries no time here).

    Use it as a context manager or call ``close``: a compressed file is not whole before. The stream stays open.

    Args:
        stream: where the file goes.
        compression: of the whole file: ``none``, ``gzip`` or ``zlib``.
    """

    def __init__(self, stream: BinaryIO, compression: Compression = "none") -> None:
        self._stream = stream
        self._deflater = zlib.compressobj(wbits=_WINDOW_BITS[compression]) if compression != "none" else None
        self._offset = 0
        self._closed = False

    def write(self, payload: bytes) -> tuple[int, int]:
        """Append a record; returns its offset and its length with framing, as a reader of the plain bytes counts them.

        Raises:
            ValueError: the writer is closed.
        """
        if self._closed:
            raise ValueError("write to a closed TFRecordWriter")
        content = framed(payload)
        self._stream.write(content if self._deflater is None else self._deflater.compress(content))
        at = self._offset
        self._offset += len(content)
        return at, len(content)

    def close(self) -> None:
        """Write what compression still holds back; a second call does nothing."""
        if self._deflater is not None and not self._closed:
            self._stream.write(self._deflater.flush())
        self._closed = True

    def __enter__(self) -> TFRecordWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
