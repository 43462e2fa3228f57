"""Running a kernel over a day of a table on any engine, its labelled rows written as Parquet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dataset_platform.contracts import Contract
from dataset_platform.engines import local as local_engine
from dataset_platform.engines import ray as ray_engine
from dataset_platform.engines import spark as spark_engine
from dataset_platform.engines.kernel import Kernel
from dataset_platform.lake import storage
from dataset_platform.lake.tables import LakeTable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def write_kernel_output(
    engine: str,
    source: LakeTable,
    day: str,
    kernel: Kernel,
    contract: type[Contract],
    path: str,
    session: Callable[[], SparkSession],
) -> None:
    """Read a day of ``source``, run ``kernel`` and write what it emits below ``path``."""
    schema = contract.labelled_schema()
    names_files = "path" in source.contract.row_key()  # each is a task of its own, whatever its size
    if engine == "local":
        local_engine.write_rows(source, day, kernel, schema, path, names_files, f"{contract.table_name()} {day}")
        return
    if engine == "ray":
        ray_engine.start()
        read = ray_engine.read_day(source, day)
        if names_files:
            rows = ray_engine.map_batches(read.repartition(read.count()), kernel, schema, batch_rows=1)
        else:
            rows = ray_engine.map_batches(read, kernel, schema)
        fs, inner = storage.filesystem(path)
        rows.write_parquet(inner, filesystem=fs)
        return
    frame = source.read_spark(session(), day)
    if names_files:
        frame = frame.coalesce(1).repartition(max(1, frame.count()))
    spark_engine.map_in_arrow(frame, kernel, schema).write.parquet(storage.spark_url(path))
