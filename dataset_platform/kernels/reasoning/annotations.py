"""Annotations as labelled rows: read from files, completed to whole traces, held to the contract, compared.

What an annotator did not touch is taken from the trace that was shown; where the export does not carry it, from the
generated trace of the table. Rows are labelled, never dropped; a tally row per file says how many there must be, counted
from the records.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, cast

import orjson
import pyarrow as pa
import xxhash
from pydantic import ValidationError

from dataset_platform.kernels.reasoning.agreement import agreement
from dataset_platform.kernels.reasoning.annotation_formats import Annotation, UnknownForm, annotations_of
from dataset_platform.kernels.reasoning.annotation_forms import PLACES, VERDICTS
from dataset_platform.kernels.reasoning.trace import CoTTrace

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz")
_BATCH = 256
_LONGEST = 256 << 20
_IDENTITY = ("trace_id", "frame_id", "scenario_id", "step")

OpenInput = Callable[[str], tuple[BinaryIO, int]]


@dataclass(frozen=True, slots=True)
class Generated:
    """A generated trace as the table has it."""

    trace_id: str
    frame_id: str
    trace: str


# of trace ids and frame ids: the traces that have one of them, of a frame the latest first
Lookup = Callable[[Collection[str], Collection[str]], Iterable[Generated]]


@dataclass(frozen=True, slots=True)
class _Item:
    """An annotation or what stands in its place, with where it was read."""

    file: str
    offset: int
    length: int | None
    annotation: Annotation | None = None
    error: str | None = None
    tally: int | None = None
    unknown: str | None = None


class _Rejected(Exception):
    """``args``: reason, and what was found."""


def read_annotations(
    files: Iterable[str], open_input: OpenInput, generated: Lookup, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """Rows of all files, in the order of files and records, and one tally row per file.

    Args:
        files: paths as ``open_input`` takes them; ``.json`` files are one JSON value, others JSON lines.
        generated: looks generated traces up.
        schema: ``CotAnnotations.labelled_schema()``.

    Returns:
        batches of at most 256 rows of ``schema``.
    """
    items = (item for file in files for item in _items(file, open_input))
    while block := list(islice(items, _BATCH)):
        wanted = [i.annotation for i in block if i.annotation is not None]
        known = _Known(generated, wanted)
        yield pa.RecordBatch.from_pylist([_row(item, known) for item in block], schema=schema)


class _Known:
    """The generated traces of a block of annotations."""

    def __init__(self, lookup: Lookup, wanted: list[Annotation]) -> None:
        traces = {a.trace_id for a in wanted if a.trace_id}
        frames = {f for a in wanted for f in (a.frame_id, (a.trace or {}).get("frame_id")) if isinstance(f, str)}
        self._by_id: dict[str, Generated] = {}
        self._by_frame: dict[str, Generated] = {}
        for found in lookup(traces, frames) if traces or frames else ():
            self._by_id[found.trace_id] = found
            self._by_frame.setdefault(found.frame_id, found)

    def of(self, annotation: Annotation) -> Generated | None:
        """The trace that is annotated, else the latest of its frame."""
        found = self._by_id.get(annotation.trace_id or "")
        frame = annotation.frame_id or (annotation.trace or {}).get("frame_id")
        return found or (self._by_frame.get(frame) if isinstance(frame, str) else None)


def _row(item: _Item, known: _Known) -> dict[str, Any]:
    place = {"file": item.file, "offset": item.offset, "length": item.length}
    if item.tally is not None:
        return place | {"tally": item.tally}
    if item.error is not None:
        return place | {"error": item.error}
    if item.annotation is None:
        return place | {"reason": "unknown_form", "detail": item.unknown}
    a = item.annotation
    generated = known.of(a)
    who: dict[str, Any] = {"annotator": a.annotator, "format": a.format, "annotation_id": _annotation_id(a, item)}
    who["frame_id"] = a.frame_id or (generated.frame_id if generated else None)
    try:
        trace, status = _complete(a, generated)
    except _Rejected as rejected:
        reason, detail = rejected.args
        return place | who | {"reason": reason, "detail": detail[:500]}
    return place | {
        "annotation_id": who["annotation_id"],
        "trace_id": generated.trace_id if generated else None,
        "frame_id": trace.frame_id,
        "scenario_id": trace.scenario_id,
        "step": trace.step,
        "annotator": a.annotator,
        "status": status,
        "format": a.format,
        "trace": trace.model_dump_json(),
        "text": trace.text(),
        "agreement": _agreement(trace, generated),
    }


def _complete(a: Annotation, generated: Generated | None) -> tuple[CoTTrace, str]:
    """The whole trace that an annotation says is right, and what was done to it.

    Raises:
        _Rejected: it is no annotation, rests on a trace that nobody has, or is no valid trace.
    """
    if a.skipped is not None:
        raise _Rejected("not_submitted", a.skipped)
    if a.status is not None and a.status not in (*VERDICTS, "written"):
        raise _Rejected("unknown_status", f"status is {a.status!r}, none of {', '.join((*VERDICTS, 'written'))}")
    if a.unknown and a.status != "rejected":
        raise _Rejected(
            "unknown_edit", f"answers what no form asks: {', '.join(a.unknown)}; known are {', '.join(PLACES)}"
        )
    table = orjson.loads(generated.trace) if generated else None
    shown = dict(a.seen) if a.seen is not None else table
    whole = dict(a.trace) if a.trace is not None else None
    base = whole if whole is not None else shown
    if base is None:
        raise _Rejected("no_trace", "the record has no whole trace, and no generated trace of its id or frame is known")
    for name in _IDENTITY:  # a record may leave out what its task says
        if base.get(name) is None and (known := (shown or {}).get(name)) is not None:
            base[name] = known
    if base.get("trace_id") is None:
        base["trace_id"] = a.trace_id or ""
    if a.frame_id is not None and base.get("frame_id") != a.frame_id:
        raise _Rejected("other_frame", f"the trace is of {base.get('frame_id')}, its task of {a.frame_id}")
    trace = _valid(_edited(base, a.edits))
    before = None if shown is None else _readable(shown)
    if a.status == "rejected":
        return trace, "rejected"
    if before is None:
        return trace, "written"
    if trace.model_dump(exclude={"trace_id"}) != before.model_dump(exclude={"trace_id"}):
        return trace, "written" if a.status == "written" else "corrected"
    _hold_accepted(a, before)
    return trace, "accepted"


def _hold_accepted(a: Annotation, shown: CoTTrace) -> None:
    """An annotation that changes nothing must say that the trace is right, else a correction may have been lost.

    Raises:
        _Rejected: it says that something was corrected, or nothing at all.
    """
    if a.text is not None and a.text != shown.text():
        raise _Rejected("unknown_edit", "its text is not that of its trace, which is as it was shown; edit the trace")
    if a.status in ("corrected", "written") or (a.status is None and a.edits):
        said = "its answers" if a.status is None else f"status {a.status}"
        raise _Rejected("nothing_corrected", f"{said}, but the trace is as it was shown")
    if a.status is None:
        raise _Rejected("not_submitted", "no verdict, and the trace is as it was shown")


def _edited(trace: Mapping[str, Any], edits: Mapping[str, Any]) -> dict[str, Any]:
    edited = {name: dict(v) if isinstance(v, Mapping) else v for name, v in trace.items()}
    for question, value in edits.items():
        level, name = PLACES[question]
        if not isinstance(edited.get(level), dict):
            raise _Rejected("invalid_trace", f"{level} is missing")
        edited[level][name] = value
    return edited


def _valid(value: Mapping[str, Any]) -> CoTTrace:
    try:
        return CoTTrace.model_validate(value)
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        raise _Rejected("invalid_trace", f"{where}: {first['msg']}") from None


def _readable(value: Mapping[str, Any]) -> CoTTrace | None:
    try:
        return CoTTrace.model_validate(value)
    except ValidationError:
        return None


def _agreement(trace: CoTTrace, generated: Generated | None) -> list[dict[str, Any]]:
    other = None if generated is None else _readable(orjson.loads(generated.trace))
    return [] if other is None else [{"metric": n, "value": v} for n, v in agreement(trace, other).items()]


def _annotation_id(a: Annotation, item: _Item) -> str:
    """Frame, annotator and source record; of a record without an id of its own, its content."""
    frame = a.frame_id or (a.trace or {}).get("frame_id") or a.trace_id or ""
    parts = (a.trace, a.edits, a.status, a.skipped, None if frame else [item.file, item.offset])
    try:
        content = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:  # orjson reads deeper nesting than it writes
        content = f"{item.file}\0{item.offset}".encode("utf-8", "surrogatepass")
    source = a.source_id or xxhash.xxh3_128_hexdigest(content)
    return xxhash.xxh3_128_hexdigest(f"{frame}\0{a.annotator}\0{a.format}\0{source}".encode("utf-8", "surrogatepass"))


def _items(file: str, open_input: OpenInput) -> Iterator[_Item]:
    met = offset = 0
    try:
        stream, _ = open_input(file)
        with stream:
            records = _lines(stream, file) if ".jsonl" in file.lower()[-9:] else _whole(stream, file)
            for offset, length, record, error in records:
                if error is not None:
                    met += 1
                    yield _Item(file, offset, length, error=error)
                    continue
                try:
                    found = annotations_of(record)
                except UnknownForm as e:
                    met += 1
                    yield _Item(file, offset, length, unknown=str(e))
                    continue
                met += len(found)
                for annotation in found:
                    yield _Item(file, offset, length, annotation)
    except (OSError, EOFError, zlib.error) as error:
        met += 1
        yield _Item(file, offset, None, error=f"the file cannot be read on: {error}")
    yield _Item(file, 0, None, tally=met)


_Record = tuple[int, int | None, Any, str | None]


def _opened(stream: BinaryIO, file: str) -> BinaryIO:
    zipped = file.lower().endswith(".gz")
    return cast(BinaryIO, io.BufferedReader(gzip.GzipFile(fileobj=stream))) if zipped else stream


def _lines(stream: BinaryIO, file: str) -> Iterator[_Record]:
    """Offset, length, value and error of each line that is not blank."""
    source, offset = _opened(stream, file), 0
    while line := source.readline(_LONGEST):
        start, offset = offset, offset + len(line)
        if start == 0:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip():
            yield (start, offset - start, *_loaded(line))


def _whole(stream: BinaryIO, file: str) -> Iterator[_Record]:
    """Number, no length, value and error of each record of one JSON value: a list of records, or one record."""
    data = _opened(stream, file).read(_LONGEST + 1)
    if len(data) > _LONGEST:
        yield 0, len(data), None, f"the file is longer than {_LONGEST >> 20} MiB; write it as JSON lines"
        return
    value, error = _loaded(data.removeprefix(b"\xef\xbb\xbf"))
    if error is not None:
        yield 0, len(data), None, error
        return
    for number, record in enumerate(value if isinstance(value, list) else [value]):
        yield number, None, record, None


def _loaded(data: bytes) -> tuple[Any, str | None]:
    try:
        return orjson.loads(data), None
    except orjson.JSONDecodeError as error:
        return None, f"not JSON: {error}"
