"""The plain bytes of a TFRecord file, read forward, whatever the whole file is compressed with."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Literal, NamedTuple

from dataset_platform.kernels.driving.crc32c import masked_crc32c

Compression = Literal["none", "gzip", "zlib"]

HEAD_BYTES = 12  # what `compression_of` wants to see: the length of the first record and its checksum

_GZIP_MAGIC = b"\x1f\x8b"
_WINDOW_BITS = {"gzip": 31, "zlib": 15}
_FILE_BYTES = 64 << 10
_PLAIN_BYTES = 1 << 20
_PIECE_BYTES = 64 << 20  # most that is asked of a file at once, so that a false length reserves no more


class Damage(NamedTuple):
    """Why the plain bytes ended before the file's content did."""

    kind: Literal["truncated", "compression"]
    error: str


class _Broken(Exception):
    def __init__(self, kind: Literal["truncated", "compression"], error: str) -> None:
        self.damage = Damage(kind, error)
        super().__init__(error)


def compression_of(head: bytes) -> Compression:
    """Compression of a TFRecord file by its first bytes; its name says nothing.

    A plain file begins with a length and the length's checksum, which no compressed file does but by chance (2^-32).

    Args:
        head: the first 12 bytes of the file; fewer only where the file is shorter.

    Returns:
        ``gzip`` (RFC 1952), ``zlib`` (RFC 1950) or ``none``; damaged heads count as ``none``.
    """
    if len(head) >= HEAD_BYTES and masked_crc32c(head[:8]) == int.from_bytes(head[8:12], "little"):
        return "none"
    if head.startswith(_GZIP_MAGIC):
        return "gzip"
    # RFC 1950: method 8 with a window of at most 32 KiB, and a check that makes the first two bytes a multiple of 31
    if len(head) >= 2 and head[0] & 15 == 8 and head[0] >> 4 <= 7 and int.from_bytes(head[:2], "big") % 31 == 0:
        return "zlib"
    return "none"


class PlainStream:
    """Decompressed bytes of a TFRecord file, from its beginning to its end or to damage.

    ``position`` counts the plain bytes given or skipped so far. ``damage`` is set when the bytes ended because the
    file could not be decompressed any further; every byte before the damage is given first. I/O errors of the file
    pass through.

    Args:
        stream: the file, at its beginning; only seeked where it is plain and bytes are skipped.
        size: bytes of the file, where known.
    """

    def __init__(self, stream: BinaryIO, size: int | None = None) -> None:
        self._stream = stream
        self._ahead = _read(stream, HEAD_BYTES)
        self.compression: Compression = compression_of(self._ahead)
        self.position = 0
        self.damage: Damage | None = None
        self._size = size
        self._pieces: Iterator[bytes] | None = None
        if self.compression != "none":
            self._pieces = _inflated(stream, self._ahead, self.compression)
            self._ahead = b""
        self._window = bytearray()

    @property
    def plain_size(self) -> int | None:
        """Bytes this stream will give, where that is known before they are read."""
        return self._size if self._pieces is None else None

    def read(self, count: int) -> bytes:
        """The next ``count`` bytes; fewer only at the end or before damage."""
        if self._pieces is None:
            content = _read(self._stream, count) if not self._ahead else self._from_head(count)
        else:
            self._fill(count)
            content = bytes(memoryview(self._window)[:count])
            del self._window[:count]
        self.position += len(content)
        return content

    def skip(self, count: int) -> int:
        """Pass over ``count`` bytes and return how many there were; a plain file is not read for it."""
        start = self.position
        if self._pieces is None and self._stream.seekable():
            head = min(count, len(self._ahead))
            self._ahead = self._ahead[head:]
            self.position += head
            rest = max(min(count - head, self._measured() - self.position), 0)
            self._stream.seek(rest, io.SEEK_CUR)
            self.position += rest
            return self.position - start
        while (left := count - (self.position - start)) and self.read(min(left, _PLAIN_BYTES)):
            pass
        return self.position - start

    def _measured(self) -> int:
        if self._size is None:
            here = self._stream.tell()
            self._size = self.position + len(self._ahead) + self._stream.seek(0, io.SEEK_END) - here
            self._stream.seek(here)
        return self._size

    def _from_head(self, count: int) -> bytes:
        head, self._ahead = self._ahead[:count], self._ahead[count:]
        return head + _read(self._stream, count - len(head))

    def _fill(self, count: int) -> None:
        assert self._pieces is not None
        while len(self._window) < count and self.damage is None:
            try:
                self._window += next(self._pieces)
            except StopIteration:
                return
            except _Broken as broken:
                self.damage = broken.damage


def _read(stream: BinaryIO, count: int) -> bytes:
    """Up to ``count`` bytes; fewer only at the end of the file."""
    content = stream.read(min(count, _PIECE_BYTES))
    if len(content) == count or not content:
        return content
    parts = [content]
    count -= len(content)
    while count > 0 and (content := stream.read(min(count, _PIECE_BYTES))):
        parts.append(content)
        count -= len(content)
    return b"".join(parts)


def _inflated(stream: BinaryIO, head: bytes, compression: Compression) -> Iterator[bytes]:
    """The plain bytes in pieces of at most 1 MiB; several gzip members follow each other as one."""
    compressed = head
    while True:
        inflater = zlib.decompressobj(_WINDOW_BITS[compression])
        while not inflater.eof:
            compressed = compressed or stream.read(_FILE_BYTES)
            before = inflater.copy()
            try:
                plain = inflater.decompress(compressed, _PLAIN_BYTES)
            except zlib.error as error:
                # zlib drops what it had decoded from this piece before the damage: feed it again, byte by byte
                yield from _until_damage(before, compressed)
                raise _Broken("compression", f"the {compression} stream is damaged: {error}") from None
            if not compressed and not plain and not inflater.eof:
                raise _Broken("truncated", f"the {compression} stream is cut short by the end of the file")
            compressed = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            if plain:
                yield plain
        # zero bytes after a gzip member are padding, as for gzip(1)
        compressed = compressed or stream.read(_FILE_BYTES)
        while compressed and compression == "gzip" and not (compressed := compressed.lstrip(b"\0")):
            compressed = stream.read(_FILE_BYTES)
        if not compressed:
            return
        if compression == "zlib":
            raise _Broken("compression", "bytes follow the end of the zlib stream")


def _until_damage(inflater: zlib._Decompress, compressed: bytes) -> Iterator[bytes]:
    for at in range(len(compressed)):
        try:
            plain = inflater.decompress(compressed[at : at + 1])
        except zlib.error:
            return
        if plain:
            yield plain
