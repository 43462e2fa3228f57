"""Write, audit, publish without a JVM, for days that one machine holds: the same steps, ledgers and receipts as
``publishing``, batch by batch, so that memory does not grow with the day."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from dataset_platform.contracts import LABELS, Contract, Quarantine, Rejections
from dataset_platform.lake import receipts, settling, storage
from dataset_platform.lake.audit import (
    Finding,
    conservation_finding,
    contract_finding_of,
    drift_finding,
    validate_batches,
)
from dataset_platform.lake.labelled_rows import Outcomes, count_outcomes, gathered, kinds
from dataset_platform.lake.locks import lock
from dataset_platform.lake.publishing import Outcome, StageRun
from dataset_platform.lake.receipts import Receipt
from dataset_platform.lake.row_hashes import row_hashes
from dataset_platform.lake.tables import LakeTable
from dataset_platform.settings import join

BATCH_ROWS = 2_048
SPREAD_BYTES = 8 << 20  # staged bytes from which worker processes share the audit
After = Callable[[Callable[[], Iterator[pa.RecordBatch]]], None]


@dataclass
class _Audit:
    """What one pass over staged or published rows finds."""

    outcomes: Outcomes = field(default_factory=Outcomes)
    failures: list[pa.RecordBatch] = field(default_factory=list)
    keys: list[np.ndarray] = field(default_factory=list)

    def repeated(self) -> int:
        """Rows that share a row key with another."""
        _, counts = np.unique(np.concatenate(self.keys or [np.empty(0, np.uint64)]), return_counts=True)
        return int(counts[counts > 1].sum())


def run_arrow_stage(
    run: StageRun,
    write_staged: Callable[[str], None],
    rows_in: int | None,
    after: After | None = None,
    settle: Sequence[str] = (),
) -> Outcome:
    """Stage, audit and publish one day; see ``publishing.run_stage``.

    Args:
        write_staged: writes the labelled rows as Parquet below the folder or URL it is given.
        after: called with a function that reads the kept rows, once the audit has passed and before the day is published.
        settle: see ``publishing.run_stage``.

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
        if settle and audit.repeated():
            rows_path = _settle(run, rows_path, settle)
            audit = _audit(run, rows_path)
        receipt = run.receipt_of(audit.outcomes, rows_in)
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
            storage.delete(run.staging)  # before the receipt: a finished day has none, whenever a run is killed
            receipts.write(run.lake_root, receipt)
        findings.append(drift_finding(receipt, receipts.trailing(run.lake_root, run.contract, run.day)))
        return Outcome(receipt, findings, published, run.staging)


def contract_of_published(table: LakeTable, day: str) -> Finding:
    """The contract check of a day that lies in the lake, read in batches without a JVM."""
    contract = table.contract
    audit = _Audit()
    on_day = pc.field("ingestion_date") == pa.scalar(day).cast(pa.date32())
    names = contract.data_schema().names
    for batch in table.dataset().to_batches(columns=names, filter=on_day, batch_size=BATCH_ROWS):
        _look_at(audit, contract, day, batch)
    return _finding(contract, audit)


def _audit(run: StageRun, path: str) -> _Audit:
    """Audit the staged files, in worker processes when there is much of them."""
    files = [f for f in storage.list_files(path) if f.path.endswith(".parquet")]
    if len(files) > 1 and sum(f.size_bytes for f in files) >= SPREAD_BYTES:
        from dataset_platform.engines.local import map_tasks

        tasks = ((run.contract, run.day, f.path) for f in files)
        parts = list(map_tasks(_audit_file, tasks, f"{run.contract.table_name()} {run.day}: audit"))
    else:
        parts = [_audit_file(run.contract, run.day, f.path) for f in files]
    total = _Audit(gathered(row for part, _, _ in parts for row in part.to_pylist()))
    for _, failures, keys in parts:
        total.failures += failures
        total.keys += keys
    return total


def _audit_file(
    contract: type[Contract], day: str, path: str
) -> tuple[pa.RecordBatch, list[pa.RecordBatch], list[np.ndarray]]:
    """Outcomes, broken rules and hashes of the row keys of one staged file."""
    audit = _Audit()

    def looked_at() -> Iterator[pa.RecordBatch]:
        for batch in _batches_of(contract, path):
            _look_at(audit, contract, day, _only_kept(contract, batch))
            yield batch

    [outcomes] = count_outcomes(contract)(looked_at())
    return outcomes, audit.failures, audit.keys


def _look_at(audit: _Audit, contract: type[Contract], day: str, rows: pa.RecordBatch) -> None:
    """Check kept rows against the contract and note their keys."""
    if rows.num_rows:
        key = [k for k in contract.row_key() if k not in contract.partition_columns()]
        audit.failures += validate_batches(contract, day)(iter([rows]))
        audit.keys.append(row_hashes(rows.select(key)))


def _finding(contract: type[Contract], audit: _Audit) -> Finding:
    return contract_finding_of(contract, audit.failures, audit.repeated())


def _settle(run: StageRun, path: str, order: Sequence[str]) -> str:
    """Label all but the first of the kept rows that share a row key; the path of the rewritten rows."""
    files = [f.path for f in storage.list_files(path) if f.path.endswith(".parquet")]

    def batches() -> Iterator[pa.RecordBatch]:
        for file in files:
            yield from _batches_of(run.contract, file)

    ranks = settling.losers(batches(), run.contract.row_key(), order)
    settled = join(run.staging, "settled")
    schema = run.contract.labelled_schema().remove_metadata()
    with storage.open_output(join(settled, "part-0.parquet")) as sink, pq.ParquetWriter(sink, schema) as writer:
        for batch in settling.labelled(batches(), ranks):
            writer.write_batch(batch)
    return settled


def _batches_of(contract: type[Contract], file: str) -> Iterator[pa.RecordBatch]:
    """The labelled rows of one file, in its order."""
    fs, inner = storage.filesystem(file)
    schema = contract.labelled_schema().remove_metadata()
    yield from ds.dataset(inner, schema=schema, format="parquet", filesystem=fs).to_batches(batch_size=BATCH_ROWS)


def _labelled(
    contract: type[Contract], path: str, columns: Sequence[str] | None = None, where: pc.Expression | None = None
) -> Iterator[pa.RecordBatch]:
    fs, inner = storage.filesystem(path)
    schema = contract.labelled_schema().remove_metadata()
    rows = ds.dataset(inner, schema=schema, format="parquet", filesystem=fs)
    yield from rows.to_batches(columns=list(columns) if columns else None, filter=where, batch_size=BATCH_ROWS)


def _only_kept(contract: type[Contract], batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.filter(kinds(batch)[0]).select(contract.data_schema().names)


def _kept(contract: type[Contract], path: str) -> Iterator[pa.RecordBatch]:
    null = pc.field("tally").is_null() & pc.field("reason").is_null() & pc.field("error").is_null()
    for batch in _labelled(contract, path, contract.data_schema().names, null):
        if batch.num_rows:
            yield batch


def _publish_ledgers(run: StageRun, path: str, receipt: Receipt) -> None:
    counts = ((Rejections, "reason", receipt.rows_rejected), (Quarantine, "error", receipt.rows_quarantined))
    for ledger, label, count in counts:
        table = LakeTable(ledger, run.lake_root)
        if not count:
            table.clear_partition(run.ledger_partition)
            continue
        # the few columns that the ledger has: not the texts
        there = run.contract.labelled_schema().names
        wanted = {*ledger.data_schema().names, *LABELS.names, run.contract.row_key()[0], "dataset_name"}
        columns = [name for name in there if name in wanted]
        rows = _labelled(run.contract, path, columns, pc.field(label).is_valid() & pc.field("tally").is_null())
        found = (b for b in (_ledger_rows(run.contract, ledger, b, label) for b in rows) if b)
        table.replace_partition_from_batches(found, run.ledger_partition)


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
