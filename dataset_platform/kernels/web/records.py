"""What a WARC reader yields: whole records, broken bytes and the count of both; and how a record header is parsed."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fastwarc.warc import HeaderMap

MEMBER = "member"
UNCOMPRESSED = "uncompressed"


@dataclass(frozen=True, slots=True)
class WarcRecord:
    """One whole record.

    ``file[offset:offset + length]``, decompressed, is this record alone when ``offset_kind`` is ``member``; when it is
    ``uncompressed``, both count bytes of the decompressed file. ``block`` is ``None`` for a record above the size
    limit, and then ``too_large`` is true; ``block_bytes`` is the block's size either way.
    """

    type: str
    record_id: str | None
    target_uri: str | None
    warc_date: datetime | None
    content_type: str | None
    block: bytes | None
    block_bytes: int
    offset: int
    length: int
    offset_kind: str
    too_large: bool = False


@dataclass(frozen=True, slots=True)
class BrokenBytes:
    """Bytes that are no whole record. ``length`` is ``None`` where their end is unknown.

    ``is_response`` says that the header of a response record could still be read (it counts as met).
    """

    offset: int
    length: int | None
    error: str
    offset_kind: str
    is_response: bool = False
    record_id: str | None = None
    target_uri: str | None = None


@dataclass
class RecordCounts:
    """What the reader met in one file: the independent side of the conservation sum."""

    responses: int = 0
    broken: int = 0
    other_types: Counter[str] = field(default_factory=Counter)

    @property
    def tally(self) -> int:
        """Rows that must come out: response records met, whole or not, and broken pieces that are none."""
        return self.responses + self.broken


@dataclass(frozen=True, slots=True)
class RecordHead:
    """A parsed record header; ``end`` is the plain position of the block's first byte."""

    type: str
    record_id: str | None
    target_uri: str | None
    warc_date: datetime | None
    content_type: str | None
    block_bytes: int
    end: int


def parse_head(raw: bytes, end: int) -> RecordHead | None:
    """Parse a record's header, its last empty line included.

    Args:
        raw: the header's bytes.
        end: plain position after them.

    Returns:
        ``None`` where it has no usable Content-Length or is no header at all.
    """
    if raw.endswith(b"\n\n"):  # lines that end without a carriage return, which FastWARC takes for one line
        raw = raw.replace(b"\n", b"\r\n")
    # not WarcRecord.from_bytes: that allocates what Content-Length says and takes the process down with it
    parsed = HeaderMap()
    try:
        parsed.parse(io.BytesIO(raw))
    except (OSError, ValueError):
        return None
    headers = {name.lower(): value.strip() for name, value in parsed.to_tuples()}
    block_bytes = headers.get("content-length", "")
    if not (block_bytes.isascii() and block_bytes.isdigit() and len(block_bytes) < 19):
        return None
    return RecordHead(
        type=headers.get("warc-type", "unknown").lower(),
        record_id=headers.get("warc-record-id") or None,
        target_uri=_strip_brackets(headers.get("warc-target-uri")),
        warc_date=_utc(headers.get("warc-date", "")),
        content_type=headers.get("content-type"),
        block_bytes=int(block_bytes),
        end=end,
    )


def _strip_brackets(uri: str | None) -> str | None:
    """wget writes ``<http://…>``, following a slip in the standard's grammar."""
    if uri and uri.startswith("<") and uri.endswith(">"):
        uri = uri[1:-1]
    return uri or None


def _utc(text: str) -> datetime | None:
    """A WARC-Date, which is UTC; ``None`` for what is no date."""
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
