"""Compressed members of a WARC file: gzip members and zstd frames, their borders, their damage, the way back after it.

What the members hold belongs to `plain_stream.py` (bytes) and `warc.py` (records).
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from fastwarc.stream_io import ZstdReader

GZIP_MAGIC = b"\x1f\x8b\x08"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
RECORD_START = re.compile(rb"WARC/[01]\.\d")
PADDING = b"\r\n\0 \t"

_READ_BYTES = 64 << 10
PLAIN_BYTES = 1 << 20
_FRAME_IN_MEMORY_BYTES = 8 << 20
_ZSTD_MAX_BLOCK_BYTES = 128 << 10


class Damaged(Exception):
    """The member that begins at ``offset`` of the file cannot be decompressed to its end."""

    def __init__(self, offset: int, error: str) -> None:
        self.offset = offset
        self.error = error
        super().__init__(error)


def sniff(stream: BinaryIO) -> str:
    """Compression of a WARC file by its first bytes, or where those are damaged by the first member that is whole.

    Returns:
        ``gzip``, ``zstd`` or ``plain``.
    """
    head = _read_at(stream, 0, 8)
    if head.startswith(GZIP_MAGIC[:2]):
        return "gzip"
    if head.startswith(ZSTD_MAGIC) or _is_skippable(head):
        return "zstd"
    if RECORD_START.match(head):
        return "plain"
    return next((kind for kind in ("gzip", "zstd") if next_member(stream, kind, 0) is not None), "plain")


def next_member(stream: BinaryIO, kind: str, start: int, dictionary: bytes | None = None) -> int | None:
    """File offset of the first member at or after ``start`` whose content begins with a WARC version line."""
    magic = GZIP_MAGIC if kind == "gzip" else ZSTD_MAGIC
    position, carry = start, b""
    while chunk := _read_at(stream, position, PLAIN_BYTES):
        window, window_at = carry + chunk, position - len(carry)
        found = window.find(magic)
        while found >= 0:
            if RECORD_START.match(_first_bytes(stream, kind, window_at + found, dictionary)):
                return window_at + found
            found = window.find(magic, found + 1)
        position += len(chunk)
        carry = window[-(len(magic) - 1) :]
    return None


def zstd_dictionary(stream: BinaryIO) -> bytes | None:
    """The dictionary that a .warc.zst may carry in a skippable frame at its head; ``None`` where there is none."""
    head = _read_at(stream, 0, 8)
    if head[:4] != b"\x5d\x2a\x4d\x18":
        return None
    content = _read_at(stream, 8, int.from_bytes(head[4:8], "little"))
    if not content.startswith(ZSTD_MAGIC):
        return content
    try:
        return bytes(ZstdReader(io.BytesIO(content)).read(_FRAME_IN_MEMORY_BYTES))
    except OSError:
        return None


def _read_at(stream: BinaryIO, position: int, count: int) -> bytes:
    """Up to ``count`` bytes; fewer only at the end of the file."""
    stream.seek(position)
    parts: list[bytes] = []
    while count > 0 and (part := stream.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def plain_bytes(stream: BinaryIO, start: int) -> Iterator[int | bytes]:
    """The bytes of an uncompressed file; it has no members, so no borders come with them."""
    while chunk := _read_at(stream, start, _READ_BYTES):
        yield chunk
        start += len(chunk)


def _after_padding(stream: BinaryIO, position: int) -> int | None:
    """Offset of the next byte that is no padding; ``None`` at the end of the file."""
    while chunk := _read_at(stream, position, _READ_BYTES):
        rest = chunk.lstrip(PADDING)
        if rest:
            return position + len(chunk) - len(rest)
        position += len(chunk)
    return None


def gzip_members(stream: BinaryIO, position: int) -> Iterator[int | bytes]:
    """Yields the file offset of every member's first byte and of the byte after it, and the plain bytes between."""
    buffered = b""  # bytes of the file from `position` on
    while True:
        border = position
        if not buffered[:1] or buffered[0] in PADDING:
            start = _after_padding(stream, position)
            if start is None:
                return
            position, buffered = start, _read_at(stream, start, _READ_BYTES)
        member = position
        if len(buffered) >= 2 and not buffered.startswith(GZIP_MAGIC[:2]):
            raise Damaged(border, f"no gzip member begins here but {buffered[:8]!r}")
        yield member
        inflater = zlib.decompressobj(31)
        while not inflater.eof:
            if not buffered:
                buffered = _read_at(stream, position, _READ_BYTES)
                if not buffered:
                    raise Damaged(member, "gzip member cut short by the end of the file")
            before = inflater.copy()
            try:
                plain = inflater.decompress(buffered, PLAIN_BYTES)
            except zlib.error as error:
                # zlib drops what it had decoded from this piece before the damage: feed it again, byte by byte
                yield from _until_damage(before, buffered)
                raise Damaged(member, f"damaged gzip member: {error}") from None
            rest = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            position += len(buffered) - len(rest)
            buffered = rest
            if plain:
                yield plain
            elif inflater.unconsumed_tail:  # output is full and nothing came: cannot happen, but must not spin
                raise Damaged(member, "gzip member makes no progress")
        yield position


def _until_damage(inflater: zlib._Decompress, compressed: bytes) -> Iterator[bytes]:
    for at in range(len(compressed)):
        try:
            plain = inflater.decompress(compressed[at : at + 1])
        except zlib.error:
            return
        if plain:
            yield plain


class _Slice(io.RawIOBase):
    """The bytes ``start`` to ``end`` of a file; keeps the file's own I/O error apart from those of a decoder."""

    def __init__(self, stream: BinaryIO, start: int, end: int) -> None:
        self._stream, self._position, self._end = stream, start, end
        self.failure: OSError | None = None

    def read(self, count: int = -1) -> bytes:
        left = self._end - self._position
        try:
            piece = _read_at(self._stream, self._position, left if count < 0 else min(count, left))
        except OSError as error:
            self.failure = error
            raise
        self._position += len(piece)
        return piece


def zstd_frames(stream: BinaryIO, position: int, dictionary: bytes | None) -> Iterator[int | bytes]:
    """Like `gzip_members`, for zstd frames; skippable frames hold no plain bytes."""
    size = stream.seek(0, io.SEEK_END)
    while (start := _after_padding(stream, position)) is not None:
        head = _read_at(stream, start, 8)
        if _is_skippable(head):
            position = start + 8 + int.from_bytes(head[4:8], "little")
            continue
        if not head.startswith(ZSTD_MAGIC):
            raise Damaged(position, f"no zstd frame begins here but {head!r}")
        yield start
        end, error = _zstd_frame_end(stream, start, size)
        piece = _Slice(stream, start, end)
        small = end - start <= _FRAME_IN_MEMORY_BYTES
        try:
            reader = ZstdReader(io.BytesIO(piece.read()) if small else piece, dictionary=dictionary)
            while plain := reader.read(_READ_BYTES if error else PLAIN_BYTES):
                yield bytes(plain)
        except OSError as failure:
            if piece.failure is not None:
                raise piece.failure from None
            error = error or str(failure)
        if error:
            raise Damaged(start, f"damaged zstd frame: {error}")
        yield end
        position = end


def _zstd_frame_end(stream: BinaryIO, start: int, size: int) -> tuple[int, str]:
    """Offset after the frame at ``start``, found by its block headers, and why it is not whole ("" when it is)."""
    head = _read_at(stream, start, 5)
    descriptor = head[4] if len(head) == 5 else 0
    single = descriptor >> 5 & 1
    position = start + 5 + (1 - single) + (0, 1, 2, 4)[descriptor & 3] + (single, 2, 4, 8)[descriptor >> 6]
    while True:
        block = _read_at(stream, position, 3)
        if len(block) < 3:
            return size, "cut short by the end of the file"
        header = int.from_bytes(block, "little")
        block_type, block_bytes = header >> 1 & 3, header >> 3
        if block_type == 3 or block_bytes > _ZSTD_MAX_BLOCK_BYTES:
            return position, "impossible block header"
        position += 3 + (1 if block_type == 1 else block_bytes)
        if header & 1:
            end = position + (4 if descriptor >> 2 & 1 else 0)
            return (end, "") if end <= size else (size, "cut short by the end of the file")


def _is_skippable(head: bytes) -> bool:
    return len(head) >= 4 and head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5


def _first_bytes(stream: BinaryIO, kind: str, member: int, dictionary: bytes | None) -> bytes:
    """First plain bytes of the member at this offset; empty when there is none."""
    try:
        if kind == "gzip":
            return zlib.decompressobj(31).decompress(_read_at(stream, member, 4096), 16)
        for event in zstd_frames(stream, member, dictionary):
            if isinstance(event, bytes):
                return event[:16]
    except (zlib.error, Damaged):
        pass
    return b""
