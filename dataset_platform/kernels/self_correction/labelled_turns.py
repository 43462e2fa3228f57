"""Labelled turns: what the error classifier learns from, and how files of them are read.

Two kinds of JSON lines are read, told apart line by line, plain or gzipped:

- a labelled turn: ``first_answer``, ``answer`` (or ``current_answer``), ``prompt_text`` (or ``prompt``; null on turn 0),
  and the label: ``error_mode``, or ``correct`` as true/false for this answer beside ``first_correct``, or ``correct`` as
  the list of what was right from the first answer to this one. ``question_id``, ``question``, ``dataset_name``,
  ``turn`` and ``turn_id`` are taken where they are given;
- a trace record as the traces' export has it: each of its turns is one row. What was right follows from
  ``final_accuracy`` and the turns' ``delta_accuracy``; the mode that a classifier predicted there is not looked at.

Rows are labelled, never dropped: kept, rejected with a reason, or quarantined with an error; a tally row per file says
how many there must be, counted from the lines and not from the rows.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, BinaryIO, cast

import orjson
import pyarrow as pa

from dataset_platform.kernels.self_correction.labelled_records import (
    COLUMNS,
    REASONS,
    LabelledTurn,
    Rejected,
    labelled_turn,
    turn_of_trace,
)

__all__ = ["REASONS", "LabelledTurn", "read_labelled_turns", "turns_of_rows"]

OpenInput = Callable[[str], tuple[BinaryIO, int]]

_BATCH_ROWS = 512
_LONGEST_LINE = 64 << 20


def turns_of_rows(rows: Iterable[Mapping[str, Any]]) -> list[LabelledTurn]:
    """Rows of ``self_correction/labelled_turns`` as labelled turns; other columns are passed over."""
    return [LabelledTurn(**{name: row[name] for name in COLUMNS}) for row in rows]


def read_labelled_turns(files: Iterable[str], open_input: OpenInput, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows of all files, in the order of files and lines, and one tally row per file.

    Args:
        files: paths as ``open_input`` takes them; names ending in ``.gz`` are decompressed.
        open_input: gives a stream and its size in bytes for a path.
        schema: ``LabelledTurns.labelled_schema()``.

    Returns:
        batches of at most 512 rows of ``schema``.
    """
    pending: list[dict[str, Any]] = []
    for file in files:
        for row in _file_rows(file, open_input):
            pending.append(row)
            if len(pending) >= _BATCH_ROWS:
                yield pa.RecordBatch.from_pylist(pending, schema=schema)
                pending = []
    if pending:
        yield pa.RecordBatch.from_pylist(pending, schema=schema)


def _file_rows(file: str, open_input: OpenInput) -> Iterator[dict[str, Any]]:
    met = offset = 0
    try:
        stream, _ = open_input(file)
        with stream:
            for offset, line in _lines(stream, file.lower().endswith(".gz")):
                record, error = _decoded(line)
                if record is None:
                    met += 1
                    yield {"file": file, "offset": offset, "error": error}
                    continue
                met += _expected_rows(record)
                yield from _record_rows(record, file, offset)
                offset += len(line)
    except (OSError, EOFError, zlib.error) as error:
        met += 1
        yield {"file": file, "offset": offset, "error": f"the file cannot be read on: {error}"}
    yield {"file": file, "offset": 0, "tally": met}


def _lines(stream: BinaryIO, gzipped: bool) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank with the offset of their first byte; longer ones than 64 MiB come in pieces."""
    source = cast(BinaryIO, io.BufferedReader(gzip.GzipFile(fileobj=stream))) if gzipped else stream
    offset = 0
    while line := source.readline(_LONGEST_LINE):
        start, offset = offset, offset + len(line)
        if start == 0:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip():
            yield start, line


def _decoded(line: bytes) -> tuple[dict[str, Any] | None, str | None]:
    if len(line) >= _LONGEST_LINE:
        return None, "the line is longer than 64 MiB"
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return None, f"not JSON: {error}"
    return (record, None) if isinstance(record, dict) else (None, "not a JSON object")


def _is_trace(record: Mapping[str, Any]) -> bool:
    return "trace_id" in record and "turns" in record


def _expected_rows(record: Mapping[str, Any]) -> int:
    """Rows that must come of a line: one for each turn of a trace, else one."""
    turns = record["turns"] if _is_trace(record) else None
    return max(1, len(turns)) if isinstance(turns, list) else 1


def _record_rows(record: Mapping[str, Any], file: str, offset: int) -> Iterator[dict[str, Any]]:
    if not _is_trace(record):
        yield _row(lambda: labelled_turn(record, file, offset), record, file, offset)
        return
    turns = record["turns"]
    if not isinstance(turns, list) or not turns:
        nothing = {"reason": "no_answer", "detail": "a trace without turns"}
        yield {"file": file, "offset": offset} | nothing
        return
    for index, turn in enumerate(turns):
        read = partial(turn_of_trace, record, index, file, offset)
        yield _row(read, turn if isinstance(turn, dict) else {}, file, offset)


def _row(read: Callable[[], LabelledTurn], named: Mapping[str, Any], file: str, offset: int) -> dict[str, Any]:
    """The row of a turn, or of its rejection."""
    try:
        turn = read()
    except Rejected as rejected:
        reason, detail = rejected.args
        turn_id = named.get("turn_id")
        kept = {"turn_id": turn_id} if isinstance(turn_id, str) else {}
        return kept | {"file": file, "offset": offset, "reason": reason, "detail": detail}
    return {name: getattr(turn, name) for name in COLUMNS}
