"""From files to questions: what a row looks like tells which data set it is of.

Rows are labelled, never dropped: kept, rejected with a reason, or quarantined with an error; a tally row per file says
how many there must be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa

from dataset_platform.kernels.self_correction.question_records import Record, read_records

REASONS = ("empty_question",)
BATCH_ROWS = 1024

_OWN_IDS = ("id", "_id", "question_id", "idx")
_HOTPOTQA_COLUMNS = frozenset({"type", "level", "supporting_facts"})
_SOLUTION = re.compile(r"#### -?\$?[0-9.,]")
_VERDICTS = frozenset({"true", "false", "yes", "no"})
_EXPECTED = (
    "expected id, question, reference_answer (context, if any); or the columns of GSM8K (question, answer with "
    "'#### N'), HotpotQA (question, answer, type or supporting_facts) or BoolQ (question, passage, answer)"
)

Row = dict[str, Any]
OpenInput = Callable[[str], tuple[BinaryIO, int]]


@dataclass(frozen=True, slots=True)
class QuestionFile:
    """A file of questions, and the name of its data set (by default told from the rows)."""

    path: str
    dataset_name: str | None = None


class _UnknownRow(Exception):
    """A row is of no known kind; the message says what it has and what was expected."""


def read_questions(
    files: Iterable[QuestionFile], open_input: OpenInput, checkers: Mapping[str, str], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """The kernel of self_correction/questions for files that landed.

    Args:
        files: what to read, in this order.
        open_input: gives a seekable stream and its size in bytes for a path.
        checkers: checker by ``dataset_name``, over the default of each kind of row.
        schema: ``Questions.labelled_schema()``.

    Yields:
        batches of at most ``BATCH_ROWS`` rows; files are streamed. ``offset`` is the first byte of the row in the
        (decompressed) file where rows are lines, and the row's number in CSV files and JSON lists.
    """
    yield from to_batches((row for file in files for row in _file_rows(file, open_input, checkers)), schema)


def to_batches(rows: Iterable[Row], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows as record batches; columns that a row lacks are null."""
    gathered: list[Row] = []
    for row in rows:
        gathered.append(row)
        if len(gathered) == BATCH_ROWS:
            yield _batch(gathered, schema)
            gathered = []
    if gathered:
        yield _batch(gathered, schema)


def labelled_row(record: Record, file: str, dataset_name: str | None, checkers: Mapping[str, str]) -> Row:
    """A record as a row of the table: kept, rejected or quarantined.

    Args:
        record: the row as read.
        file: where it was read, for its pointer.
        dataset_name: name of its data set; ``None``: told from the row.
        checkers: checker by ``dataset_name``, over the default of the kind of row.
    """
    pointer: Row = {"file": file, "offset": record.offset, "length": record.length}
    if record.row is None:
        return pointer | {"error": _storable(record.error or "")}
    try:
        kind, columns = _columns(record.row)
    except _UnknownRow as unknown:
        return pointer | {"error": _storable(str(unknown))}
    dataset = dataset_name or {"own": "questions"}.get(kind, kind)
    row = pointer | columns | {"dataset_name": dataset, "question_id": _question_id(record, dataset)}
    if any(not _is_text(value) for value in row.values() if isinstance(value, str)):
        return pointer | {"error": "text is not UTF-8"}
    row["checker"] = checkers.get(dataset) or _default_checker(kind, columns["reference_answer"])
    if not row["question"].strip():
        label = {"reason": "empty_question", "measure": 0.0, "detail": "the question has no characters but blanks"}
        return row | {"question": None} | label
    return row


def _file_rows(file: QuestionFile, open_input: OpenInput, checkers: Mapping[str, str]) -> Iterator[Row]:
    """All rows of one file, the tally row last."""
    count = 0
    try:
        stream, _ = open_input(file.path)
    except OSError as error:
        count += 1
        failure = f"file cannot be opened: {type(error).__name__}: {error}"
        yield {"file": file.path, "offset": 0, "error": _storable(failure)}
    else:
        with stream:
            for record in read_records(stream, file.path):
                count += 1
                yield labelled_row(record, file.path, file.dataset_name, checkers)
    yield {"file": file.path, "tally": count}


def _columns(row: Mapping[str, Any]) -> tuple[str, Row]:
    """Kind of a row (gsm8k, hotpotqa, boolq, own) and its question, context and reference answer."""
    if "question" not in row:
        raise _unknown(row, "no column 'question'")
    question = "" if row["question"] is None else row["question"]
    if not isinstance(question, str):
        raise _unknown(row, "'question' is no text")
    answer = row.get("answer")
    if "reference_answer" in row or ("answer" not in row and _may_be_own(row)):
        reference = _scalar(row, "reference_answer")
        return "own", {"question": question, "context": _scalar(row, "context"), "reference_answer": reference}
    if "passage" in row and str(answer).strip().lower() in _VERDICTS and isinstance(answer, str | bool):
        passage = _scalar(row, "passage")
        return "boolq", {"question": question, "context": passage, "reference_answer": str(answer)}
    if isinstance(answer, str) and "passage" not in row:
        if row.keys() & _HOTPOTQA_COLUMNS:
            return "hotpotqa", {"question": question, "context": None, "reference_answer": answer or None}
        if _SOLUTION.search(answer):
            return "gsm8k", {"question": question, "context": None, "reference_answer": answer}
    raise _unknown(row, "no known kind of question")


def _may_be_own(row: Mapping[str, Any]) -> bool:
    """A question without any answer: it has an id, or nothing that could be an answer under another name."""
    return any(name in row for name in _OWN_IDS) or row.keys() <= {"question", "context"}


def _scalar(row: Mapping[str, Any], name: str) -> str | None:
    """A column as text; ``None`` when it is missing, null or blank."""
    value = row.get(name)
    if value is None or isinstance(value, str):
        return value if value and value.strip() else None
    if isinstance(value, bool | int | float):
        return str(value)
    raise _unknown(row, f"'{name}' is neither text nor number")


def _question_id(record: Record, dataset: str) -> str:
    """``{dataset}/{own id}``; a row without an id of its own goes by its number."""
    assert record.row is not None
    given = (record.row.get(name) for name in _OWN_IDS)
    own = next((str(value).strip() for value in given if isinstance(value, str | int) and str(value).strip()), None)
    own = f"{record.number:06d}" if own is None else own
    return own if own.startswith(f"{dataset}/") else f"{dataset}/{own}"


def _default_checker(kind: str, reference: str | None) -> str:
    if kind != "own":
        return kind
    return "gsm8k" if reference and _SOLUTION.search(reference) else "exact"


def _unknown(row: Mapping[str, Any], cause: str) -> _UnknownRow:
    names = ", ".join(map(str, list(row)[:12])) or "none"
    return _UnknownRow(f"{cause}: columns are {names}; {_EXPECTED}")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def _batch(rows: list[Row], schema: pa.Schema) -> pa.RecordBatch:
    columns = [pa.array([row.get(field.name) for row in rows], type=field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
