"""Write, audit, publish: how a stage's labelled rows become a visible day.

1. The labelled rows are computed once, into ``lake/_staging/{lane}/{artifact}/{day}``.
2. They are audited there: contract and conservation. A day that fails stays there, invisible, until the next try.
3. Published: rejections and quarantine first, the table's partition next; then staging goes, and the receipt comes last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dataset_platform.contracts import LABELS, Contract, Quarantine, Rejections
from dataset_platform.engines.spark import spark_schema
from dataset_platform.lake import merging, receipts, storage
from dataset_platform.lake.audit import Finding, conservation_finding, contract_finding, drift_finding
from dataset_platform.lake.labelled_rows import KEPT, QUARANTINED, REJECTED, Outcomes, outcomes_of
from dataset_platform.lake.locks import lock
from dataset_platform.lake.merging import Merge, Merged
from dataset_platform.lake.receipts import Receipt
from dataset_platform.lake.tables import LakeTable
from dataset_platform.settings import join

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FILE_BYTES = 128 * 2**20


@dataclass(frozen=True)
class StageRun:
    """One stage on one day: what it writes and what it was made from."""

    contract: type[Contract]
    lake_root: str
    day: str
    code_version: str = ""
    config_hash: str = ""
    inputs: dict[str, str] = field(default_factory=dict)

    @property
    def staging(self) -> str:
        """Where the day's labelled rows wait for their audit."""
        return join(self.lake_root, "_staging", self.contract.table_name(), self.day)

    @property
    def partition(self) -> dict[str, str]:
        """The table's partition."""
        return {"ingestion_date": self.day}

    @property
    def ledger_partition(self) -> dict[str, str]:
        """The partition of rejections and quarantine that belongs to this stage and day."""
        return {"ingestion_date": self.day, "lane": self.contract.lane_name(), "stage": self.contract.artifact_name()}

    def receipt_of(self, found: Outcomes, rows_in: int | None) -> Receipt:
        """The receipt of staged rows; ``rows_in`` is None when the kernel tallied them itself."""
        return Receipt(
            table=self.contract.table_name(),
            day=self.day,
            rows_in=found.tallied if rows_in is None else rows_in,
            rows_kept=found.kept,
            rows_rejected=sum(found.reasons.values()),
            rows_quarantined=found.quarantined,
            reasons=dict(sorted(found.reasons.items())),
            content_hash=found.content_hash,
            inputs=self.inputs,
            code_version=self.code_version,
            config_hash=self.config_hash,
        )


@dataclass(frozen=True)
class Outcome:
    """What came of a stage run: its receipt, the checks, whether the day became visible, and what a merge did besides."""

    receipt: Receipt
    findings: list[Finding]
    published: bool
    staging: str
    merged: Merged | None = None


def run_stage(
    spark: SparkSession,
    run: StageRun,
    write_staged: Callable[[str], None],
    rows_in: int | None,
    settle: Sequence[str] = (),
    after: Callable[[DataFrame | None], None] | None = None,
    merge: Merge | None = None,
) -> Outcome:
    """Stage, audit and publish one day.

    Args:
        write_staged: writes the labelled rows as Parquet below the folder or URL it is given.
        rows_in: rows the stage was given; None when the kernel tallies them itself.
        settle: when several kept rows share a row key, the order (SQL expressions) whose first row stays; the others are
            rejected as ``duplicate_record``. Empty: repeated keys are a broken contract.
        after: called with the kept rows once the audit has passed and before the partition is published, for state that
            is written beside the table (an index).
        merge: of a table whose row key is unique over all days, how the day is merged into it.

    Raises:
        LockedError: another run writes the same table and day.
        StateError: a table was written under another contract, or the table above changed meanwhile.
    """
    name = f"{run.contract.table_name()} of {run.day}"
    with lock(run.lake_root, name):
        started = time.monotonic()
        for contract in (run.contract, Rejections, Quarantine):
            LakeTable(contract, run.lake_root).ensure()  # a table of another contract is refused before any work
        storage.delete(run.staging)
        rows_path = join(run.staging, "rows")
        write_staged(rows_path)
        staged = _read_staged(spark, run, rows_path)
        with merging.exclusive(run, merge):
            if settle:
                staged = _settle(spark, run, staged, settle)
            if merge is not None:
                staged = merging.label_versions(spark, run, staged, merge)
            receipt = _count(run, staged, rows_in)
            kept = staged.where(KEPT).select(*run.contract.data_schema().names)
            findings = [contract_finding(kept, run.contract, run.day), conservation_finding(receipt)]
            merged: Merged | None = None
            published = all(f.passed for f in findings)
            if published:
                # from here on parts of the day are being replaced: it counts as unfinished until its receipt is written
                receipts.remove(run.lake_root, receipt.table, run.day)
                if after is not None:
                    after(kept)
                _publish_ledger(run, Rejections, staged.where(REJECTED), receipt.rows_rejected)
                _publish_ledger(run, Quarantine, staged.where(QUARANTINED), receipt.rows_quarantined)
                if merge is None:
                    version = _replace(run, kept, receipt.rows_kept)
                else:
                    merged = merging.merge_day(spark, run, kept, merge)
                    version = merged.version
                receipt = replace(receipt, version=version, seconds=round(time.monotonic() - started, 3))
                storage.delete(run.staging)  # before the receipt: a finished day has none, whenever a run is killed
                receipts.write(run.lake_root, receipt)
        findings.append(drift_finding(receipt, receipts.trailing(run.lake_root, run.contract, run.day)))
        return Outcome(receipt, findings, published, run.staging, merged)


def publish_nothing(
    run: StageRun,
    note: str,
    after: Callable[[DataFrame | None], None] | None = None,
    merge: Merge | None = None,
) -> Outcome:
    """Publish a day without rows: what stood there before goes, the receipt says zero. Needs no engine."""
    merged: Merged | None = None
    with lock(run.lake_root, f"{run.contract.table_name()} of {run.day}"), merging.exclusive(run, merge):
        table = LakeTable(run.contract, run.lake_root)
        for contract in (run.contract, Rejections, Quarantine):
            LakeTable(contract, run.lake_root).ensure()  # a table of another contract is refused before anything goes
        storage.delete(run.staging)
        receipts.remove(run.lake_root, run.contract.table_name(), run.day)
        if after is not None:
            after(None)
        for ledger in (Rejections, Quarantine):
            LakeTable(ledger, run.lake_root).clear_partition(run.ledger_partition)
        if merge is None:
            table.clear_partition(run.partition)
        else:
            merged = merging.clear_day(run, merge)
        receipt = Receipt(
            table=run.contract.table_name(),
            day=run.day,
            rows_in=0,
            rows_kept=0,
            rows_rejected=0,
            rows_quarantined=0,
            version=table.version(),
            content_hash="0:0000000000000000",
            inputs=run.inputs,
            code_version=run.code_version,
            config_hash=run.config_hash,
        )
        receipts.write(run.lake_root, receipt)
    findings = [
        Finding("contract", True, f"no rows on this day: {note}"),
        conservation_finding(receipt),
        drift_finding(receipt, []),
    ]
    return Outcome(receipt, findings, True, run.staging, merged)


def _read_staged(spark: SparkSession, run: StageRun, path: str) -> DataFrame:
    return spark.read.schema(spark_schema(run.contract.labelled_schema())).parquet(storage.spark_url(path))


def _settle(spark: SparkSession, run: StageRun, staged: DataFrame, order: Sequence[str]) -> DataFrame:
    """Label all but the first of the kept rows that share a row key; rewritten only where there are any."""
    from pyspark.sql import functions as F

    key = list(run.contract.row_key())
    kept = staged.where(KEPT)
    if not kept.groupBy(*key).count().where("count > 1").limit(1).count():
        return staged
    # as SQL: an expression alone cannot say DESC or NULLS LAST
    rank = f"row_number() OVER (PARTITION BY {', '.join(f'`{k}`' for k in key)} ORDER BY {', '.join(order)})"
    ranked = kept.withColumn("_rank", F.expr(rank))
    later = F.col("_rank") > 1
    labelled = (
        ranked.withColumn("reason", F.when(later, F.lit("duplicate_record")))
        .withColumn("measure", F.when(later, F.col("_rank").cast("double")))
        .withColumn("detail", F.when(later, F.lit("the same record id was met before on this day")))
        .drop("_rank")
    )
    path = join(run.staging, "settled")
    labelled.unionByName(staged.where(f"NOT ({KEPT})")).write.parquet(storage.spark_url(path))
    return _read_staged(spark, run, path)


def _count(run: StageRun, staged: DataFrame, rows_in: int | None) -> Receipt:
    """Count outcomes and hash the kept rows, in one pass."""
    return run.receipt_of(outcomes_of(staged, run.contract), rows_in)


def _replace(run: StageRun, kept: DataFrame, rows: int) -> int | None:
    """Put the kept rows in place of the day's partition; the table's version."""
    table = LakeTable(run.contract, run.lake_root)
    if rows:
        size = sum(f.size_bytes for f in storage.list_files(run.staging))
        return table.replace_partition_from_spark(kept, run.partition, files=1 + size // FILE_BYTES).version
    table.ensure()
    table.clear_partition(run.partition)
    return table.version()


def _publish_ledger(run: StageRun, contract: type[Contract], rows: DataFrame, count: int) -> None:
    """Put the stage's rows into a ledger table; columns that the stage does not have are null.

    A lane whose rows have no ``doc_id`` is known there by its own row key.
    """
    from pyspark.sql import functions as F

    ledger = LakeTable(contract, run.lake_root)
    if not count:
        ledger.clear_partition(run.ledger_partition)
        return
    have = {name: name for name in (*run.contract.data_schema().names, *LABELS.names)}
    have.setdefault("doc_id", run.contract.row_key()[0])
    wanted = spark_schema(contract.data_schema())
    columns = [(F.col(have[f.name]) if f.name in have else F.lit(None)).cast(f.dataType).alias(f.name) for f in wanted]
    ledger.replace_partition_from_spark(rows.select(*columns), run.ledger_partition)
