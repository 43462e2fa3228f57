"""Delta tables of the lake: path, contract, partition column, reading and the one way to write.

Engines write plain Parquet files next to the table; one delta-rs commit then swaps a partition's files for the new ones.
Such a commit is atomic on local disks and, by conditional put, on S3, needs no JVM, and costs milliseconds; a killed run
leaves files no version names, which ``vacuum`` removes. Spark reads the same tables through delta-spark, and MERGE goes
through Spark. All writers of a table hold its lock, so that two log stores never race.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_platform.contracts import Contract
from dataset_platform.errors import StateError
from dataset_platform.lake import storage
from dataset_platform.lake.frame_schemas import refuse_drift
from dataset_platform.lake.locks import lock
from dataset_platform.settings import join

if TYPE_CHECKING:
    import pyarrow.dataset
    from deltalake import DeltaTable
    from pyspark.sql import DataFrame, SparkSession

TABLE_CONFIGURATION: Mapping[str, str] = {
    # delta-rs and older readers must be able to read what we write: no deletion vectors, no column mapping
    "delta.enableDeletionVectors": "false",
}
FILE_BYTES = 1 << 30  # of a published file, from which on the next one begins


@dataclass(frozen=True)
class Commit:
    """What a write left behind: the Delta version, rows and files of the partition now."""

    version: int
    rows: int
    files: int


class LakeTable:
    """A Delta table under ``{lake}/{lane}/{artifact}`` that holds the rows of one contract."""

    def __init__(self, contract: type[Contract], lake_root: str) -> None:
        self.contract = contract
        self.lake_root = lake_root
        self.url = join(lake_root, contract.table_name())

    # -- existence and schema ------------------------------------------------------------------------------------

    def exists(self) -> bool:
        """Whether the table was ever written."""
        from deltalake import DeltaTable

        return DeltaTable.is_deltatable(self.url, storage_options=storage.delta_storage_options(self.url))

    def ensure(self) -> None:
        """Create the table when it is not there, and refuse one whose columns are of another contract.

        Raises:
            StateError: columns or types differ; the message names them and the way out.
        """
        from deltalake import DeltaTable

        schema = pa.schema([f.with_nullable(True) for f in self.contract.arrow_schema()])
        if not self.exists():
            # two creators at once would both commit version 0
            with lock(self.lake_root, f"{self.contract.table_name()} creation"):
                if not self.exists():
                    DeltaTable.create(
                        self.url,
                        schema=schema,
                        mode="ignore",
                        partition_by=list(self.contract.partition_columns()),
                        configuration=dict(TABLE_CONFIGURATION),
                        description=(self.contract.__doc__ or "").strip().split("\n")[0],
                        storage_options=storage.delta_storage_options(self.url),
                    )
                    return
        there = {f.name: f.type for f in pa.schema(self.delta().schema())}
        wanted = {f.name: f.type for f in schema}
        changes = [f"{n}: {there.get(n, 'missing')} → {t}" for n, t in wanted.items() if there.get(n) != t]
        changes += [f"{n}: no longer declared" for n in there if n not in wanted]
        if changes:
            raise StateError(
                f"The table at {self.url} was written under another contract ({'; '.join(changes[:5])}).",
                f"Move it away (mv {self.url} {self.url}.old), and its receipts "
                f"({join(self.lake_root, '_receipts', self.contract.table_name())}), then run: dataset-platform "
                "materialize --partitions A:B, for all its days; or point DATASET_PLATFORM_LAKE at a fresh folder.",
            )

    def delta(self, version: int | None = None) -> DeltaTable:
        """The table as delta-rs sees it, at its newest or an earlier version.

        Raises:
            StateError: the table was never written.
        """
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        try:
            return DeltaTable(self.url, version=version, storage_options=storage.delta_storage_options(self.url))
        except TableNotFoundError:
            name = self.contract.table_name()
            raise StateError(
                f"There is no table {name} yet.",
                "It is written with its lane's assets. Run: dataset-platform materialize --partitions A:B",
            ) from None

    def version(self) -> int | None:
        """The newest version, or None for a table never written."""
        return self.delta().version() if self.exists() else None

    # -- reading --------------------------------------------------------------------------------------------------

    def dataset(self, version: int | None = None) -> pyarrow.dataset.Dataset:
        """The table as an Arrow dataset: lazily read, filters pushed down, no JVM (Ray and Python read through this)."""
        return self.delta(version).to_pyarrow_dataset()

    def read(self, day: str | None = None, columns: Sequence[str] | None = None, where: Any = None) -> pa.Table:
        """Rows of a day (or all) in memory; for previews, traces and small tables."""
        import pyarrow.compute as pc

        if not self.exists():
            schema = pa.schema([f.with_nullable(True).remove_metadata() for f in self.contract.arrow_schema()])
            return schema.empty_table().select(list(columns or self.contract.column_names()))
        condition = where
        if day is not None:
            on_day = pc.field("ingestion_date") == pa.scalar(day).cast(pa.date32())
            condition = on_day if where is None else on_day & where
        return self.dataset().to_table(columns=list(columns) if columns else None, filter=condition)

    def read_spark(self, spark: SparkSession, day: str | None = None, version: int | None = None) -> DataFrame:
        """Rows of a day (or all) as a Spark DataFrame over delta-spark; empty when the table was never written."""
        from pyspark.sql import functions as F

        from dataset_platform.engines.spark import spark_schema

        if not self.exists():
            return spark.createDataFrame([], spark_schema(self.contract.arrow_schema()))
        reader = spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", str(version))
        frame = reader.load(storage.spark_url(self.url))
        return frame if day is None else frame.where(F.col("ingestion_date") == F.lit(day).cast("date"))

    def days(self) -> list[str]:
        """Days that hold at least one row, sorted."""
        if not self.exists():
            return []
        actions = pa.table(self.delta().get_add_actions(flatten=True))
        name = "partition.ingestion_date"
        return sorted({str(d) for d in actions.column(name).to_pylist()}) if actions.num_rows else []

    # -- writing --------------------------------------------------------------------------------------------------

    def replace_partition_from_spark(self, frame: DataFrame, partition: Mapping[str, str], files: int = 1) -> Commit:
        """Replace one partition by the rows of ``frame`` (data columns only), written as about ``files`` Parquet files.

        Raises:
            ContractError: the frame does not have the table's columns.
        """
        refuse_drift(frame, self.contract, self.contract.data_schema())
        incoming = join(self.lake_root, "_incoming", uuid.uuid4().hex)
        frame.coalesce(max(1, files)).write.parquet(storage.spark_url(incoming))
        try:
            return self._publish(incoming, partition)
        finally:
            storage.delete(incoming)

    def replace_partition(self, rows: pa.Table, partition: Mapping[str, str]) -> Commit:
        """Replace one partition by an Arrow table (data columns only); for small tables, without a JVM."""
        incoming = join(self.lake_root, "_incoming", uuid.uuid4().hex)
        sink = pa.BufferOutputStream()
        pq.write_table(rows.select(self.contract.data_schema().names).cast(self._data_schema()), sink)
        storage.write_bytes(join(incoming, f"part-0-{uuid.uuid4().hex}.parquet"), sink.getvalue().to_pybytes())
        try:
            return self._publish(incoming, partition)
        finally:
            storage.delete(incoming)

    def replace_partition_from_batches(
        self, batches: Iterable[pa.RecordBatch], partition: Mapping[str, str]
    ) -> Commit | None:
        """Replace one partition by rows (data columns only) written as they come; None when there are none.

        Without rows the partition is emptied. A file is closed once it has ``FILE_BYTES``: object stores copy at most
        5 GB in one request.
        """
        rows = iter(batches)
        first = next(rows, None)
        if first is None:
            return self.clear_partition(partition)
        incoming = join(self.lake_root, "_incoming", uuid.uuid4().hex)
        schema = self._data_schema()
        try:
            batch: pa.RecordBatch | None = first
            number = 0
            while batch is not None:
                path = join(incoming, f"part-{number}-{uuid.uuid4().hex}.parquet")
                with storage.open_output(path) as sink, pq.ParquetWriter(sink, schema) as writer:
                    while batch is not None:
                        writer.write_table(pa.Table.from_batches([batch]).select(schema.names).cast(schema))
                        batch = next(rows, None)
                        if sink.tell() >= FILE_BYTES:
                            break
                number += 1
            return self._publish(incoming, partition)
        finally:
            storage.delete(incoming)

    def replace_range_from_spark(self, frame: DataFrame, first: str, last: str) -> int:
        """Replace the days ``first`` to ``last`` by the rows of ``frame`` (all columns) in one commit; its version."""
        self.ensure()
        refuse_drift(frame, self.contract, self.contract.arrow_schema())
        with lock(self.lake_root, self.contract.table_name()):
            writer = frame.write.format("delta").mode("overwrite")
            writer = writer.option("replaceWhere", f"ingestion_date >= '{first}' AND ingestion_date <= '{last}'")
            writer.save(storage.spark_url(self.url))
        return self.delta().version()

    def clear_partition(self, partition: Mapping[str, str]) -> Commit | None:
        """Take all rows out of a partition; nothing happens, and no version is made, when there are none."""
        if not self.exists() or not self._has_rows(partition):
            return None
        with lock(self.lake_root, self.contract.table_name()):
            return self._commit([], partition, rows=0)

    def _data_schema(self) -> pa.Schema:
        return pa.schema([f.with_nullable(True).remove_metadata() for f in self.contract.data_schema()])

    def _has_rows(self, partition: Mapping[str, str]) -> bool:
        filters = [(k, "=", v) for k, v in partition.items()]
        return bool(self.delta().file_uris(partition_filters=filters))

    def _publish(self, incoming: str, partition: Mapping[str, str]) -> Commit:
        """Move finished files into the table's folder and commit them in place of the partition's old ones."""
        from deltalake.transaction import AddAction

        self.ensure()
        folder = "/".join(f"{k}={partition[k]}" for k in self.contract.partition_columns())
        actions, rows = [], 0
        for entry in storage.list_files(incoming):
            if not entry.path.endswith(".parquet"):
                continue
            fs, inner = storage.filesystem(entry.path)
            count = pq.read_metadata(inner, filesystem=fs).num_rows
            if count == 0:
                continue
            relative = f"{folder}/{entry.path.rsplit('/', 1)[1]}"
            storage.move(entry.path, join(self.url, relative))
            rows += count
            actions.append(
                AddAction(
                    path=relative,
                    size=entry.size_bytes,
                    partition_values=dict(partition),
                    modification_time=int(time.time() * 1000),
                    data_change=True,
                    stats=json.dumps({"numRecords": count}),
                )
            )
        with lock(self.lake_root, self.contract.table_name()):
            return self._commit(actions, partition, rows)

    def _commit(self, actions: list[Any], partition: Mapping[str, str], rows: int) -> Commit:
        table = self.delta()
        table.create_write_transaction(
            actions,
            mode="overwrite",
            schema=table.schema(),
            partition_by=list(self.contract.partition_columns()),
            partition_filters=[(k, "=", v) for k, v in partition.items()],
        )
        table.update_incremental()
        return Commit(table.version(), rows, len(actions))
