"""Write, audit, publish without a JVM, for lanes whose days one process reads: the same steps, ledgers and receipts as
``publishing``, batch by batch, so that memory does not grow with the day."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from dataset_platform.contracts import LABELS, Contract, Quarantine, Rejections
from dataset_platform.lake import receipts, storage
from dataset_platform.lake.audit import (
    Finding,
    conservation_finding,
    contract_finding_of,
    drift_finding,
    validate_batches,
)
from dataset_platform.lake.locks import lock
from dataset_platform.lake.publishing import Outcome, StageRun
from dataset_platform.lake.receipts import Receipt
from dataset_platform.lake.row_hashes import row_hashes
from dataset_platform.lake.tables import LakeTable
from dataset_platform.settings import join

BATCH_ROWS = 2_048
After = Callable[[Callable[[], Iterator[pa.RecordBatch]]], None]


@dataclass
class _Audit:
    """What one pass over the staged rows finds."""

    kept: int = 0
    tallied: int = 0
    quarantined: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    content: int = 0
    failures: list[pa.RecordBatch] = field(default_factory=list)
    keys: list[np.ndarray] = field(default_factory=list)


def run_arrow_stage(
    run: StageRun,
    write_staged: Callable[[str], None],
    rows_in: int | None,
    after: After | None = None,
) -> Outcome:
    """Stage, audit and publish one day; see ``publishing.run_stage``.

    Args:
        write_staged: writes the labelled rows as Parquet below the folder or URL it is given.
        after: called with a function that reads the kept rows, once the audit has passed and before the day is published.

    Raises:
        LockedError: another run writes the same table and day.
    """
    with lock(run.lake_root, f"{run.contract.table_name()} of {run.day}"):
        started = time.monotonic()
        table = LakeTable(run.contract, run.lake_root)
        for contract in (run.contract, Rejections, Quarantine):
            LakeTable(contract, run.lake_root).ensure()  # a table of another contract is refused before any work
        storage.delete(run.staging)
        rows_path = join(run.staging, "rows")
        write_staged(rows_path)
        audit = _audit(run, rows_path)
        receipt = Receipt(
            table=run.contract.table_name(),
            day=run.day,
            rows_in=audit.tallied if rows_in is None else rows_in,
            rows_kept=audit.kept,
            rows_rejected=sum(audit.reasons.values()),
            rows_quarantined=audit.quarantined,
            reasons=dict(sorted(audit.reasons.items())),
            content_hash=f"{audit.kept}:{audit.content:016x}",
            inputs=run.inputs,
            code_version=run.code_version,
            config_hash=run.config_hash,
        )
        findings = [_finding(run.contract, audit), conservation_finding(receipt)]
        published = all(f.passed for f in findings)
        if published:
            receipts.remove(run.lake_root, receipt.table, run.day)
            if after is not None:
                after(lambda: _kept(run.contract, rows_path))
            _publish_ledgers(run, rows_path, receipt)
            commit = table.replace_partition_from_batches(_kept(run.contract, rows_path), run.partition)
            version = table.version() if commit is None else commit.version
            receipt = replace(receipt, version=version, seconds=round(time.monotonic() - started, 3))
            receipts.write(run.lake_root, receipt)
            storage.delete(run.staging)
        findings.append(drift_finding(receipt, receipts.trailing(run.lake_root, run.contract, run.day)))
        return Outcome(receipt, findings, published, run.staging)


def contract_of_published(table: LakeTable, day: str) -> Finding:
    """The contract check of a day that lies in the lake, read in batches without a JVM."""
    contract = table.contract
    audit = _Audit()
    on_day = pc.field("ingestion_date") == pa.scalar(day).cast(pa.date32())
    names = contract.data_schema().names
    batches = table.dataset().to_batches(columns=names, filter=on_day, batch_size=BATCH_ROWS)
    _look_at_kept(audit, contract, day, batches)
    return _finding(contract, audit)


def _audit(run: StageRun, path: str) -> _Audit:
    audit = _Audit()

    def kept() -> Iterator[pa.RecordBatch]:
        for batch in _labelled(run.contract, path):
            tallies = batch.column("tally").is_valid()
            audit.tallied += pc.sum(batch.column("tally")).as_py() or 0
            error = pc.and_not(batch.column("error").is_valid(), tallies)
            audit.quarantined += pc.sum(error).as_py() or 0
            rejected = batch.filter(pc.and_not(pc.and_not(batch.column("reason").is_valid(), error), tallies))
            audit.reasons.update(rejected.column("reason").to_pylist())
            yield _only_kept(run.contract, batch)

    _look_at_kept(audit, run.contract, run.day, kept())
    return audit


def _look_at_kept(audit: _Audit, contract: type[Contract], day: str, batches: Iterable[pa.RecordBatch]) -> None:
    key = [k for k in contract.row_key() if k not in contract.partition_columns()]
    validate = validate_batches(contract, day)
    for batch in batches:
        if not batch.num_rows:
            continue
        audit.kept += batch.num_rows
        audit.failures += validate(iter([batch]))
        audit.content = (audit.content + int(row_hashes(batch).sum(dtype=np.uint64))) % 2**64
        audit.keys.append(row_hashes(batch.select(key)))


def _finding(contract: type[Contract], audit: _Audit) -> Finding:
    hashes, counts = np.unique(np.concatenate(audit.keys or [np.empty(0, np.uint64)]), return_counts=True)
    return contract_finding_of(contract, audit.failures, int((counts[counts > 1]).sum()) if len(hashes) else 0)


def _labelled(contract: type[Contract], path: str) -> Iterator[pa.RecordBatch]:
    fs, inner = storage.filesystem(path)
    schema = contract.labelled_schema().remove_metadata()
    yield from ds.dataset(inner, schema=schema, format="parquet", filesystem=fs).to_batches(batch_size=BATCH_ROWS)


def _only_kept(contract: type[Contract], batch: pa.RecordBatch) -> pa.RecordBatch:
    labels = [batch.column(name).is_null() for name in ("tally", "reason", "error")]
    kept = pc.and_(pc.and_(labels[0], labels[1]), labels[2])
    return batch.filter(kept).select(contract.data_schema().names)


def _kept(contract: type[Contract], path: str) -> Iterator[pa.RecordBatch]:
    for batch in _labelled(contract, path):
        kept = _only_kept(contract, batch)
        if kept.num_rows:
            yield kept


def _publish_ledgers(run: StageRun, path: str, receipt: Receipt) -> None:
    counts = ((Rejections, "reason", receipt.rows_rejected), (Quarantine, "error", receipt.rows_quarantined))
    for ledger, label, count in counts:
        table = LakeTable(ledger, run.lake_root)
        if not count:
            table.clear_partition(run.ledger_partition)
            continue
        found = [b for b in (_ledger_rows(run.contract, ledger, b, label) for b in _labelled(run.contract, path)) if b]
        table.replace_partition(pa.Table.from_batches(found), run.ledger_partition)


def _ledger_rows(
    contract: type[Contract], ledger: type[Contract], batch: pa.RecordBatch, label: str
) -> pa.RecordBatch | None:
    """Rows of a ledger table; a lane whose rows have no ``doc_id`` is known there by its own row key."""
    mask = batch.column(label).is_valid()
    if label == "reason":
        mask = pc.and_(mask, batch.column("error").is_null())
    rows = batch.filter(mask)
    if not rows.num_rows:
        return None
    have = {
        name: rows.column(name)
        for name in rows.schema.names
        if name not in LABELS.names or name in ledger.data_schema().names
    }
    have.setdefault("doc_id", rows.column(contract.row_key()[0]))
    have.setdefault("source", have.get("dataset_name", pa.nulls(rows.num_rows, pa.string())))
    fields = [f.with_nullable(True).remove_metadata() for f in ledger.data_schema()]
    columns = [have[f.name].cast(f.type) if f.name in have else pa.nulls(rows.num_rows, f.type) for f in fields]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))
