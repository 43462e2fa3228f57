"""The plain bytes of a WARC file, whatever it is compressed with, and where in the file each of them came from."""

from __future__ import annotations

import re
from typing import BinaryIO, NamedTuple

from dataset_platform.kernels.web.members import (
    PLAIN_BYTES,
    RECORD_START,
    Damaged,
    gzip_members,
    plain_bytes,
    zstd_frames,
)

# an empty line, then the version line of the next record; used only to find the way back after damage
RECORD_AFTER_BLANK = re.compile(rb"\n\r?\n(?=WARC/[01]\.\d)")
_NOT_PADDING = re.compile(rb"[^\r\n\0 \t]")


class Mark(NamedTuple):
    """A border of a compressed member: ``plain`` bytes precede it decompressed, ``file`` bytes in the file."""

    plain: int
    file: int


class PlainStream:
    """Decompressed bytes of a file from one member on, read forward through a window, until its end or damage.

    Positions are counts of plain bytes. ``marks`` are the member borders passed so far; ``damage`` is set when the
    stream ended because a member could not be decompressed. I/O errors of the file pass through.
    """

    def __init__(
        self, stream: BinaryIO, kind: str, *, file_start: int = 0, plain_start: int = 0, dictionary: bytes | None = None
    ) -> None:
        self._stream = stream
        self._dictionary = dictionary
        self.kind = kind
        self.window = bytearray()
        self.marks: list[Mark] = []
        self._open(file_start, plain_start)

    def _open(self, file_start: int, plain_start: int) -> None:
        self.window.clear()
        self.window_start = plain_start
        self.ended = False
        self.damage: Damaged | None = None
        if self.kind == "gzip":
            self._events = gzip_members(self._stream, file_start)
        elif self.kind == "zstd":
            self._events = zstd_frames(self._stream, file_start, self._dictionary)
        else:
            self._events = plain_bytes(self._stream, file_start)

    @property
    def end(self) -> int:
        """Position after the last byte in the window."""
        return self.window_start + len(self.window)

    def ensure(self, position: int) -> bool:
        """Read until the window reaches ``position``; false when the stream ends before."""
        while self.end < position and not self.ended:
            try:
                event = next(self._events)
            except StopIteration:
                self.ended = True
            except Damaged as damage:
                self.ended, self.damage = True, damage
            else:
                if isinstance(event, int):
                    self.marks.append(Mark(self.end, event))
                else:
                    self.window += event
        return self.end >= position

    def discard(self, position: int) -> None:
        """Drop the window's bytes before ``position``."""
        drop = min(max(position - self.window_start, 0), len(self.window))
        del self.window[:drop]
        self.window_start += drop

    def forget_marks(self, position: int) -> None:
        """Drop all marks before ``position`` but the last, from which the stream can be opened again."""
        while len(self.marks) > 1 and self.marks[1].plain <= position:
            del self.marks[0]

    def bytes_at(self, position: int, count: int) -> bytes:
        """Up to ``count`` bytes from ``position``, which must not be discarded yet."""
        self.ensure(position + count)
        at = position - self.window_start
        return bytes(self.window[at : at + count])

    def skip(self, position: int) -> bool:
        """Go to ``position`` without keeping what lies before it; false when the stream ends before."""
        while self.end < position and self.ensure(min(position, self.end + PLAIN_BYTES)):
            self.discard(min(position, self.end))
        self.discard(position)
        return self.end >= position

    def skip_padding(self, position: int) -> int | None:
        """Position of the first byte at or after ``position`` that is no padding; ``None`` when there is none."""
        while self.ensure(position + 1):
            found = _NOT_PADDING.search(self.window, position - self.window_start)
            if found:
                return self.window_start + found.start()
            position = self.end
        return None

    def find_record(self, position: int) -> int | None:
        """Position after ``position`` where a record seems to begin: after an empty line, or where a member does."""
        if position < self.window_start:
            self.rewind(position)
        while True:
            found = RECORD_AFTER_BLANK.search(self.window, position - self.window_start)
            nearest = self.window_start + found.end() if found else None
            for mark in [m for m in self.marks if m.plain > position and (nearest is None or m.plain < nearest)]:
                if mark.plain >= self.window_start and RECORD_START.match(self.bytes_at(mark.plain, 8)):
                    nearest = mark.plain
                    break
            if nearest is not None:
                return nearest
            position = max(position, self.end - 16)  # a version line may lie across the border of two chunks
            self.discard(position)
            if not self.ensure(self.end + 1):
                return None

    def rewind(self, position: int) -> None:
        """Read again from ``position`` on, which may have been discarded; the last mark before it must be known."""
        before = [mark for mark in self.marks if mark.plain <= position] or [Mark(0, 0)]
        mark = before[-1]
        if self.kind == "plain":
            mark = Mark(position, position)
        self.marks = before[:-1]
        self._open(mark.file, mark.plain)
        self.skip(position)
