"""Following one document through the lake: from raw bytes through every stage to its shard, or to what dropped it.

Reads through delta-rs, so it starts no JVM.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataset_platform.contracts import (
    Contract,
    DedupedCorpus,
    Documents,
    FilteredDocuments,
    Quarantine,
    Rejections,
)
from dataset_platform.errors import InputError, StateError
from dataset_platform.kernels.web.documents import document_id
from dataset_platform.kernels.web.warc import WarcRecord, read_record_at
from dataset_platform.lake import artifacts, storage
from dataset_platform.lake.tables import LakeTable
from dataset_platform.settings import Settings, is_url, join

STAGES: tuple[type[Contract], ...] = (Documents, FilteredDocuments, DedupedCorpus)
POINTER = ("url", "source", "file", "offset", "length")
EXTRACTION = ("extraction", "extraction_confidence")


@dataclass
class Step:
    """What one stage made of the document: kept, rejected (with rule, measure, words), quarantined or in shard."""

    stage: str
    outcome: str
    reason: str | None = None
    measure: float | None = None
    detail: str | None = None
    measures: dict[str, float] | None = None
    """All that the stage measured, kept or not; None where it measures nothing."""


@dataclass
class Trace:
    """One document on one day."""

    doc_id: str | None
    url: str | None
    day: str
    file: str | None = None
    offset: int | None = None
    length: int | None = None
    offset_kind: str | None = None
    record_id: str | None = None
    bytes_verified: bool = False
    bytes_note: str = ""
    steps: list[Step] = field(default_factory=list)
    shard: dict[str, Any] | None = None
    head: bytes = b""

    @property
    def verdict(self) -> str:
        """Where the document ended, in one line."""
        last = self.steps[-1]
        if last.outcome in ("kept", "in shard"):
            return f"kept up to {last.stage}"
        measure = "" if last.measure is None else f", measure {last.measure:.6g}"
        return f"{last.outcome} by {last.stage}: {last.reason}{measure}" + (f" ({last.detail})" if last.detail else "")

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "verdict": self.verdict, "head": self.head.decode("utf-8", "replace")}


def trace(settings: Settings, target: str) -> list[Trace]:
    """Everything the lake knows of a doc_id or URL, one trace per document and day, oldest first.

    Raises:
        StateError: nothing was materialized yet.
        InputError: no stage ever met it.
    """
    documents = LakeTable(Documents, settings.lake)
    if not documents.exists():
        raise StateError(
            f"The lake holds no documents yet, and no question or trace {target}.",
            "Run: dataset-platform materialize 'web/*' --partitions A:B",
        )
    is_id = re.fullmatch(r"[0-9a-f]{32}", target) is not None
    column, value = ("doc_id", target) if is_id else ("url", target.strip("<>"))
    found: dict[tuple[str, str], Trace] = {}
    extraction = EXTRACTION if set(EXTRACTION) <= set(documents.dataset().schema.names) else ()  # older lakes: not told
    for row in _rows(settings, Documents, column, value, (*POINTER, "offset_kind", *extraction)):
        one = _start(found, row)
        one.offset_kind = row["offset_kind"]
        one.steps.append(Step(Documents.table_name(), "kept", detail=_extraction(row)))
    measured = _there(settings, Rejections, ("measures",))
    why = ("lane", "stage", "reason", "measure", "detail", *measured)
    for row in _rows(settings, Rejections, column, value, (*POINTER, *why)):
        step = Step(f"{row['lane']}/{row['stage']}", "rejected", row["reason"], row["measure"], row["detail"])
        step.measures = json.loads(row["measures"]) if row.get("measures") else None
        _start(found, row).steps.append(step)
    _add_later_stages(settings, found)
    traces = sorted(found.values(), key=lambda t: (t.day, t.doc_id or ""))
    if not is_id:
        traces += _quarantined(settings, value)
    if not traces:
        where = "doc_id" if is_id else "URL"
        raise InputError(
            f"No stage ever met the {where} {value}.", "Look for it in the raw files, or check the spelling."
        )
    for one in traces:
        one.steps.sort(key=_order)
        _verify_bytes(settings, one)
    return traces


def _rows(settings: Settings, contract: type[Contract], column: str, value: Any, wanted: tuple[str, ...]) -> list[dict]:
    names = ["doc_id", "ingestion_date", *wanted]
    where = pc.field(column) == value if not isinstance(value, list) else pc.field(column).isin(value)
    return LakeTable(contract, settings.lake).read(columns=names, where=where).to_pylist()


def _there(settings: Settings, contract: type[Contract], names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of some columns that the lake's table has: one written by an earlier version may lack a few."""
    table = LakeTable(contract, settings.lake)
    have = set(table.dataset().schema.names) if table.exists() else set()
    return tuple(name for name in names if name in have)


def _measures(contract: type[Contract]) -> tuple[str, ...]:
    """Columns of a stage's table that are its measures: numbers of the document that are no pointer to its bytes."""
    numbers = (f.name for f in contract.data_schema() if pa.types.is_integer(f.type) or pa.types.is_floating(f.type))
    return tuple(name for name in numbers if name not in (*POINTER, "language_score"))


def _extraction(row: dict[str, Any]) -> str | None:
    """How the text was found, in words."""
    path, confidence = (row.get(name) for name in EXTRACTION)
    expected = "" if confidence is None else f", expected word F1 {confidence:.2f}"
    return f"extraction: {path}{expected}" if path else None


def _start(found: dict[tuple[str, str], Trace], row: dict[str, Any]) -> Trace:
    day = row["ingestion_date"].isoformat()
    one = found.setdefault((row["doc_id"], day), Trace(row["doc_id"], row["url"], day))
    for name in ("file", "offset", "length"):
        if getattr(one, name) is None:
            setattr(one, name, row[name])
    return one


def _order(step: Step) -> int:
    names = [c.table_name() for c in STAGES] + ["tokens/tokenized_shards"]
    return names.index(step.stage) if step.stage in names else len(names)


def _add_later_stages(settings: Settings, found: dict[tuple[str, str], Trace]) -> None:
    ids = sorted({doc_id for doc_id, _ in found})
    if not ids:
        return
    for contract in STAGES[1:]:
        measures = _there(settings, contract, _measures(contract)) if contract is FilteredDocuments else ()
        for row in _rows(settings, contract, "doc_id", ids, measures):
            one = found.get((row["doc_id"], row["ingestion_date"].isoformat()))
            if one is not None:
                taken = {name: row[name] for name in measures if row[name] is not None}
                one.steps.append(Step(contract.table_name(), "kept", measures=taken or None))
    for (doc_id, day), one in found.items():
        if any(s.stage == DedupedCorpus.table_name() and s.outcome == "kept" for s in one.steps):
            one.shard = find_in_shards(settings, doc_id, day)
            if one.shard:
                detail = f"record {one.shard['record']} of {one.shard['path']}"
                one.steps.append(Step("tokens/tokenized_shards", "in shard", detail=detail))


def find_in_shards(settings: Settings, doc_id: str, day: str) -> dict[str, Any] | None:
    """Shard, record number and token count of a document, or None when the day has no shard with it."""
    import pyarrow.parquet as pq

    for entry in artifacts.read_entries(settings.artifacts, day):
        fs, inner = storage.filesystem(join(settings.artifacts, entry.path))
        meta = pq.read_table(inner, filesystem=fs, columns=["meta"]).column("meta").combine_chunks()
        ids = pc.struct_field(meta, "doc_id")
        at = pc.index(ids, doc_id).as_py()
        if at >= 0:
            tokens = pq.read_table(inner, filesystem=fs, columns=["tokens"]).column("tokens")[at]
            return {"shard_id": entry.shard_id, "path": entry.path, "record": at, "tokens": len(tokens.values)}
    return None


def _quarantined(settings: Settings, url: str) -> list[Trace]:
    table = LakeTable(Quarantine, settings.lake)
    traces = []
    for row in table.read(where=pc.field("url") == url).to_pylist():
        step = Step(f"{row['lane']}/{row['stage']}", "quarantined", row["error"])
        day = row["ingestion_date"].isoformat()
        traces.append(Trace(None, row["url"], day, row["file"], row["offset"], row["length"], steps=[step]))
    return traces


def _verify_bytes(settings: Settings, one: Trace) -> None:
    """Read the record back from the raw file and hold its identity against the document's."""
    if one.file is None or one.offset is None or one.length is None:
        return
    try:
        record, kind = _read_back(settings, one)
    except (OSError, InputError) as e:
        one.bytes_note = f"the raw bytes cannot be read back: {e}"
        return
    one.offset_kind, one.record_id = kind, record.record_id
    one.head = (record.block or b"")[:400]
    source = _source_of(settings, one)
    own_id = document_id(source, record.record_id, one.file, one.offset)
    one.bytes_verified = own_id == one.doc_id if one.doc_id else record.target_uri == one.url
    one.bytes_note = "read back, same record" if one.bytes_verified else "read back, but it is another record"


def _source_of(settings: Settings, one: Trace) -> str:
    for contract in (Documents, Rejections):
        rows = _rows(settings, contract, "doc_id", one.doc_id, ("source",)) if one.doc_id else []
        if rows:
            return rows[0]["source"] or ""
    return ""


def _read_back(settings: Settings, one: Trace) -> tuple[WarcRecord, str]:
    assert one.file is not None
    assert one.offset is not None
    assert one.length is not None
    path = one.file if is_url(one.file) else join(settings.raw, one.file)
    # rejections do not say how they count; a member of a compressed file is by far the usual case
    kinds = (one.offset_kind,) if one.offset_kind else ("member", "uncompressed")
    for kind in kinds:
        stream, _ = storage.open_input(path)
        with stream:
            try:
                return read_record_at(stream, one.offset, one.length, kind), kind
            except InputError:
                if kind == kinds[-1]:
                    raise
    raise InputError(f"{path} has no record at byte {one.offset}.")
