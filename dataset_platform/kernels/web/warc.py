"""Records of a WARC file, with the bytes they lie in, and every piece of the file that is no whole record.

Why not FastWARC's own `ArchiveIterator`: it ends without a word where a gzip header or trailer is cut off, gives up the
rest of a file after one damaged member, and has no positions in one-stream files. Framing is therefore `members.py`'s;
FastWARC parses the record headers and decodes zstd. Nothing here raises on bad bytes; I/O errors pass to the caller.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from dataset_platform.errors import InputError
from dataset_platform.kernels.web.members import RECORD_START, Damaged, next_member, sniff, zstd_dictionary
from dataset_platform.kernels.web.plain_stream import PlainStream
from dataset_platform.kernels.web.records import (
    MEMBER,
    UNCOMPRESSED,
    BrokenBytes,
    RecordCounts,
    RecordHead,
    WarcRecord,
    parse_head,
)

__all__ = ["MEMBER", "UNCOMPRESSED", "BrokenBytes", "RecordCounts", "WarcRecord", "read_record_at", "read_records"]

MAX_RECORD_BYTES = 64 << 20
MAX_HEADER_BYTES = 64 << 10
_HEADER_END = re.compile(rb"\r\n\r\n|\n\n")


def read_records(
    stream: BinaryIO,
    size: int,
    *,
    max_record_bytes: int = MAX_RECORD_BYTES,
    counts: RecordCounts | None = None,
) -> Iterator[WarcRecord | BrokenBytes]:
    """Read a .warc, .warc.gz or .warc.zst, of one compressed member per record or of one stream.

    Args:
        stream: the file, seekable, read from its first byte whatever its position.
        size: bytes of the file.
        max_record_bytes: a record with a larger block is yielded without it.
        counts: filled while reading.

    Raises:
        OSError: the stream cannot be read.
    """
    counts = RecordCounts() if counts is None else counts
    for item in _Reader(stream, size, max_record_bytes).read():
        if isinstance(item, BrokenBytes):
            counts.responses += item.is_response
            counts.broken += not item.is_response
        elif item.type == "response":
            counts.responses += 1
        else:
            counts.other_types[item.type] += 1
        yield item


def read_record_at(stream: BinaryIO, offset: int, length: int, offset_kind: str) -> WarcRecord:
    """Go back to one record by the pointer that `read_records` gave.

    For ``uncompressed`` pointers the file is read from its beginning, since there is no other way in.

    Raises:
        InputError: no whole record lies there.
        OSError: the stream cannot be read.
    """
    unlimited = 1 << 62
    if offset_kind == MEMBER:
        stream.seek(offset)
        piece = stream.read(length)
        dictionary = zstd_dictionary(stream)
        items = _Reader(io.BytesIO(piece), len(piece), unlimited, dictionary).read()
        found = next((item for item in items if isinstance(item, WarcRecord)), None)
    else:
        items = _Reader(stream, stream.seek(0, io.SEEK_END), unlimited).read()
        whole = (item for item in items if isinstance(item, WarcRecord) and item.offset_kind == UNCOMPRESSED)
        found = next((item for item in whole if item.offset == offset), None)
    if found is None:
        raise InputError(f"no whole WARC record at offset {offset} (length {length}, {offset_kind}).")
    return found


class _Reader:
    """One pass over one file."""

    def __init__(self, stream: BinaryIO, size: int, max_record_bytes: int, dictionary: bytes | None = None) -> None:
        self.stream = stream
        self.size = size
        self.limit = max_record_bytes
        self.kind = sniff(stream)
        self.dictionary = dictionary or (zstd_dictionary(stream) if self.kind == "zstd" else None)
        self.intact = 0

    def read(self) -> Iterator[WarcRecord | BrokenBytes]:
        if self.size == 0:
            yield BrokenBytes(0, None, "empty file", MEMBER)
            return
        file_start: int | None = 0
        plain_start = 0
        while file_start is not None:
            self.plain = PlainStream(
                self.stream, self.kind, file_start=file_start, plain_start=plain_start, dictionary=self.dictionary
            )
            self.partial: tuple[int, RecordHead | None] | None = None  # record in which the stream ended by damage
            yield from self._segment(plain_start)
            plain_start, damage = self.plain.end, self.plain.damage
            if damage is None:
                break
            file_start = next_member(self.stream, self.kind, damage.offset + 1, self.dictionary)
            yield self._damaged(damage, file_start)
        if self.intact == 0 and self.kind != "plain" and plain_start == 0 and damage is None:
            yield BrokenBytes(0, self.size, "not a WARC file: it decompresses to nothing", MEMBER)

    def _segment(self, position: int) -> Iterator[WarcRecord | BrokenBytes]:
        """Records from a plain position up to the end of the stream or the next damage."""
        plain, previous_end = self.plain, position
        while (start := plain.skip_padding(position)) is not None:
            plain.discard(start)
            plain.forget_marks(previous_end)
            head = self._head(start)
            item: WarcRecord | BrokenBytes | None
            if head is None:
                item, position = self._no_record(start, previous_end)
            else:
                item, position = self._record(start, previous_end, head)
            if item is None:
                return
            self.intact += isinstance(item, WarcRecord)
            yield item
            previous_end = position
        if plain.kind == "plain" and self.intact == 0 and previous_end == 0:
            yield BrokenBytes(0, self.size, "not a WARC file: nothing but padding", MEMBER)

    def _head(self, start: int) -> RecordHead | None:
        """Parse the header at a plain position; ``None`` where there is none, or none that can be used."""
        plain = self.plain
        if not RECORD_START.match(plain.bytes_at(start, 8)):
            return None
        reached, found = start, None
        while found is None and reached < start + MAX_HEADER_BYTES:
            reached = min(start + MAX_HEADER_BYTES, max(plain.end, reached + 4096))
            grown = plain.ensure(reached)
            found = _HEADER_END.search(plain.window, start - plain.window_start)
            if not grown:
                break
        if found is None:
            return None
        return parse_head(
            bytes(plain.window[start - plain.window_start : found.end()]), plain.window_start + found.end()
        )

    def _record(self, start: int, previous_end: int, head: RecordHead) -> tuple[WarcRecord | BrokenBytes | None, int]:
        """The record at ``start`` and the position after it; no record when the stream was damaged within it."""
        plain, end = self.plain, head.end + head.block_bytes
        too_large = head.block_bytes > self.limit
        reached = plain.skip(end) if too_large else plain.ensure(end)
        if not reached:
            return self._wrong_length(start, previous_end, head, "fewer bytes follow than its Content-Length says")
        block = None if too_large else plain.bytes_at(head.end, head.block_bytes)
        after = plain.skip_padding(end)
        border = plain.end if after is None else after
        if after is not None and not self._ends_well(end, after, block):
            return self._wrong_length(start, previous_end, head, "its Content-Length does not lead to its end")
        offset, length, kind = self._pointer(start, previous_end, end, border)
        if after is None and plain.damage is not None and kind == UNCOMPRESSED and self._is_whole_member(start, end):
            self.partial = (start, head)
            return None, end
        return (
            WarcRecord(
                type=head.type,
                record_id=head.record_id,
                target_uri=head.target_uri,
                warc_date=head.warc_date,
                content_type=head.content_type,
                block=block,
                block_bytes=head.block_bytes,
                offset=offset,
                length=length,
                offset_kind=kind,
                too_large=too_large,
            ),
            end,
        )

    def _ends_well(self, end: int, after: int, block: bytes | None) -> bool:
        """Whether what follows a block is what follows a record, and not the middle of something."""
        plain = self.plain
        if RECORD_START.match(plain.bytes_at(after, 8)) or any(end <= mark.plain <= after for mark in plain.marks):
            return True
        # the next record's version line may be what is damaged; but a block that holds records has swallowed them
        return plain.bytes_at(end, 4) == b"\r\n\r\n" and not (block and re.search(rb"\r\n\r\nWARC/1\.", block))

    def _wrong_length(
        self, start: int, previous_end: int, head: RecordHead, error: str
    ) -> tuple[BrokenBytes | None, int]:
        """A record whose declared length is wrong or not reached: up to the next record that can be seen."""
        found = self.plain.find_record(head.end)
        if found is None and self.plain.damage is not None:
            self.partial = (start, head)
            return None, self.plain.end
        border = self.plain.end if found is None else found
        offset, length, kind = self._pointer(start, previous_end, border, border)
        error = f"{head.type} record is truncated or damaged: {error} ({head.block_bytes} bytes)"
        return _broken(offset, length or None, error, kind, head), border

    def _no_record(self, start: int, previous_end: int) -> tuple[BrokenBytes | None, int]:
        """Bytes where a record should begin but none does, up to the next record that can be seen."""
        plain = self.plain
        begins = plain.bytes_at(start, 24)
        found = plain.find_record(start + 1)
        if found is None and plain.damage is not None:
            self.partial = (start, None)
            return None, plain.end
        border = plain.end if found is None else found
        offset, length, kind = self._pointer(start, previous_end, border, border)
        error = f"no WARC record begins here but {begins!r}"
        if RECORD_START.match(begins):
            error = f"WARC header is damaged or cut short: {begins!r}"
        elif found is None and self.intact == 0 and previous_end == 0:
            error = f"not a WARC file: its content begins with {begins!r}"
        return BrokenBytes(offset, length, error, kind), border

    def _damaged(self, damage: Damaged, resumes_at: int | None) -> BrokenBytes:
        """One piece from the damage, or the record it broke off, to where reading goes on."""
        end = self.size if resumes_at is None else resumes_at
        where = (damage.offset, max(end - damage.offset, 0) or None, MEMBER)
        if self.partial is None:
            return BrokenBytes(where[0], where[1], damage.error, MEMBER)
        start, head = self.partial
        if not self._is_whole_member(start, start) or self._member_start(start) != damage.offset:
            where = (start, None, UNCOMPRESSED)
        if head is None:
            return BrokenBytes(where[0], where[1], damage.error, where[2])
        return _broken(where[0], where[1], f"{head.type} record is cut off: {damage.error}", where[2], head)

    def _member_start(self, start: int) -> int | None:
        return next((mark.file for mark in reversed(self.plain.marks) if mark.plain <= start), None)

    def _is_whole_member(self, start: int, end: int) -> bool:
        """Whether a member begins with the record at ``start`` and no other begins before ``end``."""
        marks = self.plain.marks
        return any(mark.plain == start for mark in marks) and not any(start < mark.plain < end for mark in marks)

    def _pointer(self, start: int, previous_end: int, end: int, border: int) -> tuple[int, int, str]:
        """Offset, length and offset kind of the record at ``start``..``end``, with padding before and after it."""
        if self.kind == "plain":
            return start, min(border, end + 4) - start, MEMBER
        marks = self.plain.marks
        begins = [mark.file for mark in marks if previous_end <= mark.plain <= start]
        ends = [mark.file for mark in marks if end <= mark.plain <= border]
        if begins and ends and not any(start < mark.plain < end for mark in marks):
            return begins[-1], ends[0] - begins[-1], MEMBER
        return start, end - start, UNCOMPRESSED


def _broken(offset: int, length: int | None, error: str, kind: str, head: RecordHead) -> BrokenBytes:
    return BrokenBytes(offset, length, error, kind, head.type == "response", head.record_id, head.target_uri)
