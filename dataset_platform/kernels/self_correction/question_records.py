"""Rows of question files: JSON lines, JSON lists, CSV and TSV, plain or gzip, streamed.

A row that cannot be read is a record too, with the cause in place of its columns; what follows it is read where the
format allows. Sources: RFC 8259 (JSON), jsonlines.org, RFC 4180 (CSV).
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

MAX_RECORD_BYTES = 64 << 20

_CHUNK = 1 << 20
_BOM = b"\xef\xbb\xbf"
_LIST_START = re.compile(r'\s*(?:\{\s*"data"\s*:\s*)?\[')
_BETWEEN = re.compile(r"[\s,]*")


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a file.

    Attributes:
        number: 0-based position among the file's rows.
        row: columns; ``None`` when the row cannot be read.
        error: why not; ``None`` when it can.
        offset: first byte of the row in the (decompressed) file where rows are lines, else ``number``.
        length: bytes of the line without its end; ``None`` where rows are not lines.
    """

    number: int
    row: dict[str, Any] | None
    error: str | None
    offset: int
    length: int | None


def read_records(stream: BinaryIO, path: str) -> Iterator[Record]:
    """All records of a file, in order; blank lines are none.

    Args:
        stream: the file, seekable. Gzip is told by its first bytes.
        path: its name, whose ending tells CSV and TSV from JSON. A ``.json`` file may hold a list, ``{"data": [...]}``
            (the whole file is held in memory when another key comes before ``data``) or lines.

    A file that breaks off (a torn gzip, a failing disk) ends with one record that says so.
    """
    reached = (0, 0)
    try:
        plain = _plain(stream)
        for record in _records(plain, path.lower().removesuffix(".gz")):
            reached = (record.number + 1, record.offset + (1 if record.length is None else record.length + 1))
            yield record
    except (OSError, EOFError, zlib.error) as error:
        yield _broken(reached[0], f"file cannot be read further: {type(error).__name__}: {error}", reached[1])


def _plain(stream: BinaryIO) -> BinaryIO:
    magic = stream.read(2)
    stream.seek(0)
    if magic == b"\x1f\x8b":
        return cast(BinaryIO, gzip.GzipFile(fileobj=stream))
    # Arrow's files, which object stores give, read no lines by themselves
    return io.BufferedReader(cast(io.RawIOBase, stream), _CHUNK)


def _records(stream: BinaryIO, name: str) -> Iterator[Record]:
    if name.endswith((".csv", ".tsv")):
        yield from _table(_text(stream, newline=""), "\t" if name.endswith(".tsv") else ",")
        return
    if not name.endswith(".jsonl"):
        start = stream.read(4096).decode("utf-8-sig", "replace")
        stream.seek(0)
        if _LIST_START.match(start):
            yield from _list(_text(stream))
            return
        if not start.lstrip().startswith("{") or not _is_object(start.lstrip().partition("\n")[0], len(start) < 4096):
            yield from _document(stream)
            return
    yield from _lines(stream)


def _is_object(line: str, whole: bool) -> bool:
    """Whether a first line is a row of its own; one too long to be seen whole is taken for one."""
    try:
        row = json.loads(line)
        return isinstance(row, dict) and not isinstance(row.get("data"), list)
    except (ValueError, RecursionError):
        return not whole and "\n" not in line and len(line) > 2048


def _lines(stream: BinaryIO) -> Iterator[Record]:
    number = offset = 0
    while line := stream.readline(MAX_RECORD_BYTES + 1):
        begins, offset = offset, offset + len(line)
        if len(line) > MAX_RECORD_BYTES and not line.endswith(b"\n"):
            while (rest := stream.readline(_CHUNK)) and not rest.endswith(b"\n"):
                offset += len(rest)
            offset += len(rest)
            yield Record(
                number, None, f"line is longer than {MAX_RECORD_BYTES} bytes", begins, offset - begins - len(rest[-1:])
            )
            number += 1
            continue
        content = line.removeprefix(_BOM) if begins == 0 else line
        if not content.strip():
            continue
        length = len(line.rstrip(b"\r\n"))
        try:
            row = json.loads(content.decode())
        except (ValueError, RecursionError) as error:
            yield Record(number, None, f"not JSON: {error}", begins, length)
        else:
            cause = None if isinstance(row, dict) else f"not a JSON object but {_kind(row)}"
            yield Record(number, None if cause else row, cause, begins, length)
        number += 1


def _list(text: io.TextIOWrapper) -> Iterator[Record]:
    """The elements of a JSON list, decoded one at a time; what is not JSON ends it, as nothing says where to go on."""
    decoder = json.JSONDecoder()
    buffer = text.read(_CHUNK)
    start = _LIST_START.match(buffer)
    at, number = start.end() if start else 0, 0
    while True:
        at = _BETWEEN.match(buffer, at).end()  # type: ignore[union-attr]  # matches the empty string too
        if buffer.startswith("]", at):
            return
        cause = "the list is not closed"
        try:
            element, after = decoder.raw_decode(buffer, at)
            # an element that touches the end of what was read may go on
            complete = buffer.startswith((",", "]"), _skip_blanks(buffer, after))
        except (ValueError, RecursionError) as error:
            complete, cause = False, f"not JSON: {error}"
        if complete:
            problem = None if isinstance(element, dict) else f"not a JSON object but {_kind(element)}"
            yield Record(number, None if problem else element, problem, number, None)
            number, at = number + 1, after
            continue
        # read twice as much each time, so that a long element is not decoded again for every chunk
        more = "" if len(buffer) - at > MAX_RECORD_BYTES else text.read(max(_CHUNK, len(buffer) - at))
        if not more:
            yield _broken(number, f"list breaks off at row {number}: {cause}", number)
            return
        buffer, at = buffer[at:] + more, 0


def _document(stream: BinaryIO) -> Iterator[Record]:
    """One JSON document that is neither a list nor lines: an object with a list called ``data``, or a single row."""
    content = stream.read(MAX_RECORD_BYTES * 16)
    try:
        document = json.loads(content.decode("utf-8-sig")) if content.strip() else []
    except (ValueError, RecursionError) as error:
        yield _broken(0, f"not JSON: {error}", 0)
        return
    rows = document.get("data") if isinstance(document, dict) else document
    for number, row in enumerate(rows if isinstance(rows, list) else [document]):
        cause = None if isinstance(row, dict) else f"not a JSON object but {_kind(row)}"
        yield Record(number, None if cause else row, cause, number, None)


def _table(text: io.TextIOWrapper, delimiter: str) -> Iterator[Record]:
    """CSV rows as dictionaries by the header; empty cells are ``None``."""
    csv.field_size_limit(max(csv.field_size_limit(), MAX_RECORD_BYTES))
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    header: list[str] | None = None
    number = 0
    while True:
        cause = None
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cells, cause = [], f"not CSV: {error}"
        if not cells and cause is None:
            continue
        if header is None and cause is None:
            header = [name.strip() for name in cells]
            continue
        if cause is None and header is not None and len(cells) != len(header):
            cause = f"{len(cells)} cells under a header of {len(header)}"
        row = None if cause else dict(zip(header or [], (cell or None for cell in cells), strict=True))
        yield Record(number, row, cause, number, None)
        number += 1


def _text(stream: BinaryIO, newline: str | None = None) -> io.TextIOWrapper:
    # a byte that is no UTF-8 must not end the file: it stays visible in its row, which is quarantined for it
    return io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline=newline)


def _skip_blanks(buffer: str, at: int) -> int:
    while at < len(buffer) and buffer[at] in " \t\r\n":
        at += 1
    return at


def _broken(number: int, error: str, offset: int) -> Record:
    return Record(number, None, error, offset, None)


def _kind(value: object) -> str:
    kinds = {list: "a list", str: "a string", bool: "a truth value", int: "a number", float: "a number"}
    return kinds.get(type(value), "null")
