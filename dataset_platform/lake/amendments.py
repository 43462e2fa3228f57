"""What a merge means for other days: receipts and rejections that have to follow rows to the day they moved to.

All of it is recomputed from the tables, never added up, so that doing it twice gives the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dataset_platform.contracts import PARTITION_COLUMN, Rejections
from dataset_platform.lake import receipts
from dataset_platform.lake.labelled_rows import content_of
from dataset_platform.lake.receipts import OUTDATED
from dataset_platform.lake.tables import LakeTable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataset_platform.lake.publishing import StageRun

DUPLICATE_OF_OTHER_DAY = "duplicate_of_other_day"
SUPERSEDED_BY_LATER_DAY = "superseded_by_later_day"
_POINTER = ("file", "offset", "length")


def take_over(spark: SparkSession, run: StageRun, changes: pa.Table, rejected: bool) -> dict[str, int]:
    """Amend the days that lose rows to the run's day; rows lost per day.

    Args:
        changes: row key and ``_from``, the day on which the table holds the row now, of rows that it holds.
        rejected: whether a row that left counts as rejected there (``superseded_by_later_day``); otherwise it left with
            its input, and that day was given fewer rows.
    """
    days = changes.column("_from")
    moving = changes.filter(pc.not_equal(days, run.day))
    found: dict[str, int] = {}
    for day in sorted(set(moving.column("_from").to_pylist())):
        leaving = moving.filter(pc.equal(moving.column("_from"), day)).select(list(run.contract.row_key()))
        found[day] = leaving.num_rows
        _amend(spark, run, day, leaving, rejected)
    return found


def _amend(spark: SparkSession, run: StageRun, day: str, leaving: pa.Table, rejected: bool) -> None:
    receipt = receipts.read(run.lake_root, run.contract, day)
    if receipt is None:
        return  # a day that was never finished is made again anyway
    table = LakeTable(run.contract, run.lake_root)
    keys = list(run.contract.row_key())
    staying = table.read_spark(spark, day).join(spark.createDataFrame(leaving), keys, "left_anti")
    kept, content = content_of(staying, run.contract)
    amended = replace(receipt, rows_kept=kept, content_hash=content)
    if rejected:
        reasons = _reject(run, table, day, leaving)
        amended = replace(amended, rows_rejected=sum(reasons.values()), reasons=dict(sorted(reasons.items())))
    else:
        amended = replace(amended, rows_in=kept + amended.rows_rejected + amended.rows_quarantined)
    receipts.write(run.lake_root, amended)


def _reject(run: StageRun, table: LakeTable, day: str, leaving: pa.Table) -> Counter[str]:
    """Put the rows that leave a day among its rejections; all its reasons, counted."""
    ledger = LakeTable(Rejections, run.lake_root)
    partition = run.ledger_partition | {PARTITION_COLUMN: day}
    name = run.contract.row_key()[0]
    ids = leaving.column(name)
    rows = table.read(day, [name, *_POINTER], pc.field(name).isin(ids.combine_chunks()))
    schema = pa.schema([f.with_nullable(True).remove_metadata() for f in Rejections.data_schema()])
    have: dict[str, Any] = {"doc_id": rows.column(name)} | {n: rows.column(n) for n in _POINTER}
    for label, text in (("reason", SUPERSEDED_BY_LATER_DAY), ("detail", f"another version landed on {run.day}")):
        have[label] = pa.array([text] * rows.num_rows, pa.string())
    columns = [have[f.name].cast(f.type) if f.name in have else pa.nulls(rows.num_rows, f.type) for f in schema]
    there = ledger.read(day, schema.names, _of_stage(run))
    # a run that was killed before its MERGE has put them there already
    known = pc.and_(pc.equal(there.column("reason"), SUPERSEDED_BY_LATER_DAY), pc.is_in(there.column("doc_id"), ids))
    others = there.filter(pc.invert(known)).cast(schema)
    amended = pa.concat_tables([others, pa.Table.from_arrays(columns, schema=schema)])
    ledger.replace_partition(amended, partition)
    return Counter(amended.column("reason").to_pylist())


def outdate(run: StageRun, verdicts: Mapping[str, pa.ChunkedArray]) -> list[str]:
    """Mark other days that rejected rows for a reason that holds no more; their names, sorted.

    A marked day fails its conservation check and is made again by ``--only-stale``.

    Args:
        verdicts: reason → ids of the rows whose rejection for it is no longer true.
    """
    ledger = LakeTable(Rejections, run.lake_root)
    if not ledger.exists():
        return []
    days: set[str] = set()
    for reason, ids in verdicts.items():
        if len(ids):
            untrue = _of_stage(run) & (pc.field("reason") == reason) & pc.field("doc_id").isin(ids.combine_chunks())
            found = ledger.read(columns=[PARTITION_COLUMN], where=untrue).column(PARTITION_COLUMN)
            days |= {day.isoformat() for day in found.unique().to_pylist()}
    days.discard(run.day)
    for day in days:
        receipt = receipts.read(run.lake_root, run.contract, day)
        if receipt is not None:
            mark = {f"{run.contract.table_name()} of {run.day}": OUTDATED}
            receipts.write(run.lake_root, replace(receipt, inputs=receipt.inputs | mark))
    return sorted(days)


def _of_stage(run: StageRun) -> Any:
    return (pc.field("lane") == run.contract.lane_name()) & (pc.field("stage") == run.contract.artifact_name())
