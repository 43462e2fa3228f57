"""Tables whose row key is unique over all days: a day's versions of rows are merged into what earlier days left.

A row lies on the day on which its newest version landed. The day's staged rows are compared with the table first; only
what differs goes into one MERGE on the row key: new rows are inserted, other versions replace (and move to this day),
rows that vanished from the day are deleted. Where nothing differs there is no commit. Nothing is rewritten in the past:
earlier versions of the table keep the earlier rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from dataset_platform.contracts import PARTITION_COLUMN, Contract
from dataset_platform.errors import StateError
from dataset_platform.lake import amendments, receipts, storage
from dataset_platform.lake.amendments import DUPLICATE_OF_OTHER_DAY, SUPERSEDED_BY_LATER_DAY
from dataset_platform.lake.frame_schemas import refuse_drift
from dataset_platform.lake.labelled_rows import KEPT
from dataset_platform.lake.locks import lock
from dataset_platform.lake.tables import LakeTable
from dataset_platform.settings import join

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset
    from pyspark.sql import DataFrame, SparkSession

    from dataset_platform.lake.publishing import StageRun

FROM, GONE, OTHER_BYTES = "_from", "_gone", "_other_bytes"


@dataclass(frozen=True)
class Merge:
    """How days of a table are merged: one of the two.

    Attributes:
        checksum: column that tells versions of a row apart. Rows are judged against each other and the table: the same
            bytes again are rejected as duplicates, older versions as superseded.
        order: of several versions that land on one day, the one that is last in these columns stays.
        follows: the merged table above, which decides on which day a row lies; rows that moved away there leave here.
    """

    checksum: str | None = None
    order: tuple[str, ...] = ("file", "offset")
    follows: type[Contract] | None = None


@dataclass(frozen=True)
class Merged:
    """What a merge did: the table's version now, rows taken over per day, and days whose verdicts it made untrue."""

    version: int | None
    moved: dict[str, int] = field(default_factory=dict)
    outdated: list[str] = field(default_factory=list)


@contextmanager
def exclusive(run: StageRun, merge: Merge | None) -> Iterator[None]:
    """Hold a merged table from the comparison to the receipt: two days at once would each miss the other's rows.

    Raises:
        StateError: the table above has changed since the day was computed.
    """
    if merge is None:
        yield
        return
    with lock(run.lake_root, f"{run.contract.table_name()} merge"):
        if merge.follows is not None:
            name = merge.follows.table_name()
            above = receipts.read(run.lake_root, name, run.day)
            if above is None or above.content_hash != run.inputs.get(name):
                raise StateError(
                    f"{name} of {run.day} has changed while {run.contract.table_name()} was made from it.",
                    f"Run: dataset-platform materialize {run.contract.table_name()} --partitions {run.day}",
                )
        yield


def label_versions(spark: SparkSession, run: StageRun, staged: DataFrame, merge: Merge) -> DataFrame:
    """Label kept rows that another version of the same row stands above; staged rows are rewritten only where there are any.

    - ``duplicate_record``: the day holds the same bytes again;
    - ``superseded_in_day``: the day holds another version that comes later in ``merge.order``;
    - ``duplicate_of_other_day``: the table has the same bytes, from another day;
    - ``superseded_by_later_day``: the table has another version, from a later day.
    """
    if merge.checksum is None:
        return staged
    verdicts_path = join(run.staging, "verdicts")
    _verdicts(spark, run, staged, merge, merge.checksum).write.parquet(storage.spark_url(verdicts_path))
    if not _written(verdicts_path).count_rows():
        return staged
    from pyspark.sql import functions as F

    verdicts = spark.read.parquet(storage.spark_url(verdicts_path))
    judged = staged.join(verdicts, [*run.contract.row_key(), *merge.order], "left")
    labels = {"reason": F.coalesce("reason", "_reason"), "detail": F.coalesce("_detail", "detail")}
    path = join(run.staging, "judged")
    judged.withColumns(labels).select(*staged.columns).write.parquet(storage.spark_url(path))
    return spark.read.schema(staged.schema).parquet(storage.spark_url(path))


def _verdicts(spark: SparkSession, run: StageRun, staged: DataFrame, merge: Merge, checksum: str) -> DataFrame:
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    keys = list(run.contract.row_key())
    last_first = Window.partitionBy(*keys).orderBy(*[F.col(name).desc() for name in merge.order])
    here = F.concat_ws(", ", *merge.order)
    own = staged.where(KEPT).select(
        *keys,
        *merge.order,
        checksum,
        F.row_number().over(last_first).alias("_rank"),
        F.first(checksum).over(last_first).alias("_stays"),
        F.first(here).over(last_first).alias("_where"),
    )
    today = F.lit(run.day).cast("date")
    table = LakeTable(run.contract, run.lake_root).read_spark(spark).where(F.col(PARTITION_COLUMN) != today)
    there = table.select(*keys, F.col(checksum).alias("_there"), F.col(PARTITION_COLUMN).alias("_day"))
    earlier_in_day, same = F.col("_rank") > 1, F.col(checksum) == F.col("_stays")
    elsewhere, later = F.col("_there") == F.col(checksum), F.col("_day") > today
    reason = (
        F.when(earlier_in_day & same, "duplicate_record")
        .when(earlier_in_day, "superseded_in_day")
        .when(elsewhere, DUPLICATE_OF_OTHER_DAY)
        .when(later, SUPERSEDED_BY_LATER_DAY)
    )
    detail = (
        F.when(earlier_in_day & same, F.concat(F.lit("the same bytes stay from "), "_where"))
        .when(earlier_in_day, F.concat(F.lit("the version that stays is that of "), "_where"))
        .when(elsewhere, F.concat(F.lit("the same bytes landed on "), F.col("_day").cast("string")))
        .otherwise(F.concat(F.lit("another version landed on "), F.col("_day").cast("string")))
    )
    judged = own.join(there, keys, "left").withColumns({"_reason": reason, "_detail": detail})
    return judged.where("_reason IS NOT NULL").select(*keys, *merge.order, "_reason", "_detail")


def merge_day(spark: SparkSession, run: StageRun, kept: DataFrame, merge: Merge) -> Merged:
    """Make the table hold exactly ``kept`` on the run's day, by one MERGE or, where nothing differs, none.

    Days that lose rows have their receipts and rejections amended first, so that a run killed in between is repaired by
    running it again: until the MERGE is committed, the same comparison finds the same rows.
    """
    from pyspark.sql import functions as F

    table = LakeTable(run.contract, run.lake_root)
    path = join(run.staging, "changes")
    _changes(spark, run, kept, table, merge).write.parquet(storage.spark_url(path))
    written = _written(path)
    if not written.count_rows():
        return Merged(table.version())
    names = [*run.contract.row_key(), FROM, GONE, OTHER_BYTES]
    narrow = written.to_table(columns=names, filter=pc.field(FROM).is_valid())  # new rows concern no other day
    changes = spark.read.parquet(storage.spark_url(path))
    moved = amendments.take_over(spark, run, narrow, rejected=merge.checksum is not None)
    outdated = _outdate(run, narrow, merge)
    columns = run.contract.column_names()
    days = sorted({run.day, *moved})
    version = merge_rows(spark, table, changes.select(*columns, F.col(GONE)), run.contract.row_key(), days, GONE)
    return Merged(version, moved, outdated)


def merge_rows(
    spark: SparkSession,
    table: LakeTable,
    rows: DataFrame,
    on: Sequence[str],
    days: Sequence[str],
    deleted: str | None = None,
) -> int:
    """One MERGE: matches are updated, the rest inserted, nothing else is touched; the table's new version.

    Args:
        rows: all columns of the table, at most one row per key.
        on: columns to match.
        days: days on which matches may lie; files of others are not read.
        deleted: a further column of ``rows``, true where the match is to be deleted.

    Raises:
        ContractError: the rows do not have the table's columns.
    """
    from delta.tables import DeltaTable

    table.ensure()
    refuse_drift(rows.drop(deleted) if deleted else rows, table.contract, table.contract.arrow_schema())
    named = ", ".join(f"DATE'{day}'" for day in days)
    matches = " AND ".join(f"target.`{k}` <=> source.`{k}`" for k in on)
    values = {f"`{c}`": f"source.`{c}`" for c in table.contract.column_names()}
    with lock(table.lake_root, table.contract.table_name()):
        target = DeltaTable.forPath(spark, storage.spark_url(table.url)).alias("target")
        merge = target.merge(rows.alias("source"), f"{matches} AND target.`{PARTITION_COLUMN}` IN ({named})")
        if deleted:
            merge = merge.whenMatchedDelete(f"source.`{deleted}`")
        stays = f"NOT source.`{deleted}`" if deleted else None
        merge.whenMatchedUpdate(set=dict(values)).whenNotMatchedInsert(stays, dict(values)).execute()
    return table.delta().version()


def clear_day(run: StageRun, merge: Merge) -> Merged:
    """Take all rows of the run's day out of the table; needs no engine."""
    import pyarrow as pa

    table = LakeTable(run.contract, run.lake_root)
    table.ensure()
    gone = table.read(run.day, list(run.contract.row_key()))
    flags = pa.array([True] * gone.num_rows, pa.bool_())
    narrow = gone.append_column(FROM, pa.array([run.day] * gone.num_rows, pa.string()))
    narrow = narrow.append_column(GONE, flags).append_column(OTHER_BYTES, flags)
    outdated = _outdate(run, narrow, merge)
    table.clear_partition(run.partition)
    return Merged(table.version(), outdated=outdated)


def repeated_elsewhere(spark: SparkSession, table: LakeTable, day: str) -> int:
    """Rows of a day whose key lies on another day too; none in a table that was only ever merged."""
    from pyspark.sql import functions as F

    keys = list(table.contract.row_key())
    rows = table.read_spark(spark).select(*keys, PARTITION_COLUMN)
    today = F.col(PARTITION_COLUMN) == F.lit(day).cast("date")
    return rows.where(today).join(rows.where(~today).select(*keys), keys, "left_semi").count()


def _changes(spark: SparkSession, run: StageRun, kept: DataFrame, table: LakeTable, merge: Merge) -> DataFrame:
    """Rows that differ from the table, all its columns, with where they lay before and whether they go.

    ``_from``: day of the version in the table, null for new rows. ``_other_bytes``: whether that version is no more.
    """
    from pyspark.sql import functions as F

    keys, columns = list(run.contract.row_key()), run.contract.column_names()
    contents = run.contract.data_schema().names
    today = F.lit(run.day).cast("date")
    everything = table.read_spark(spark)
    day_there = F.col(PARTITION_COLUMN)
    before = everything.select(*keys, day_there.alias(FROM))
    rows = kept.select(*contents, today.alias(PARTITION_COLUMN)).join(before, keys, "left")
    moved = F.col(FROM) != today
    if run.day not in table.days():
        changed = rows.where(F.col(FROM).isNull() | moved).withColumn(GONE, F.lit(False))
        changed = changed.withColumn(OTHER_BYTES, F.col(FROM).isNotNull())
        return changed.select(*columns, F.col(FROM).cast("string"), GONE, OTHER_BYTES)
    on_day = everything.where(day_there == today)
    held = on_day.select(*keys, F.struct(*contents).alias("_held"))
    differs = ~F.struct(*contents).eqNullSafe(F.col("_held"))
    changed = rows.join(held, keys, "left").where(F.col(FROM).isNull() | moved | differs)
    other = F.col(f"_held.{merge.checksum}") != F.col(merge.checksum) if merge.checksum else F.lit(False)
    flags = {GONE: F.lit(False), OTHER_BYTES: F.coalesce(moved | other, F.lit(False))}
    gone = on_day.join(kept.select(*keys), keys, "left_anti").withColumns(
        {FROM: today, GONE: F.lit(True), OTHER_BYTES: F.lit(True)}
    )
    parts = [
        part.select(*columns, F.col(FROM).cast("string"), GONE, OTHER_BYTES)
        for part in (changed.withColumns(flags), gone)
    ]
    return parts[0].unionByName(parts[1])


def _written(path: str) -> pyarrow.dataset.Dataset:
    """What was just written as Parquet, read without a Spark job."""
    import pyarrow.dataset as ds

    fs, inner = storage.filesystem(path)
    return ds.dataset(inner, format="parquet", filesystem=fs)


def _outdate(run: StageRun, narrow: pa.Table, merge: Merge) -> list[str]:
    if merge.checksum is None:
        return []
    ids = run.contract.row_key()[0]
    replaced = narrow.filter(narrow.column(OTHER_BYTES)).column(ids)
    gone = narrow.filter(pc.and_(narrow.column(OTHER_BYTES), narrow.column(GONE))).column(ids)
    return amendments.outdate(run, {DUPLICATE_OF_OTHER_DAY: replaced, SUPERSEDED_BY_LATER_DAY: gone})
