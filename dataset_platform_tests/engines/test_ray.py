"""Ray: the same kernels as Spark, the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest
from pyspark.sql import SparkSession

from dataset_platform.contracts import RawWarcs
from dataset_platform.engines.kernel import Kernel
from dataset_platform.engines.stage_writer import write_kernel_output
from dataset_platform.lake.tables import LakeTable

DAY, NEXT = "2026-01-05", "2026-01-06"
SCHEMA = RawWarcs.labelled_schema()


def kernel() -> Kernel:
    """Keeps even sizes, rejects odd ones by their measure, and passes over nothing."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            odd = pc.equal(pc.bit_wise_and(batch.column("size_bytes"), 1), 1)
            columns = {n: batch.column(n) for n in ("path", "size_bytes", "etag", "source")}
            columns["reason"] = pc.if_else(odd, "odd_size", None)
            columns["measure"] = pc.if_else(odd, pc.cast(batch.column("size_bytes"), pa.float64()), None)
            empty = pa.nulls(batch.num_rows)
            arrays = [columns.get(f.name, empty).cast(f.type) for f in SCHEMA]
            yield pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)

    return run


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> LakeTable:
    table = LakeTable(RawWarcs, str(tmp_path_factory.mktemp("lake")))

    def rows(*sizes: int) -> pa.Table:
        return pa.table(
            {
                "path": [f"p{s:04d}" for s in sizes],
                "size_bytes": pa.array(sizes, pa.int64()),
                "etag": ["e"] * len(sizes),
                "source": ["wéb"] * len(sizes),
            }
        )

    table.replace_partition(rows(*range(40)), {"ingestion_date": DAY})
    table.replace_partition(rows(7777), {"ingestion_date": NEXT})
    return table


def output(engine: str, source: LakeTable, path: Path, session: Callable[[], Any]) -> list[dict[str, Any]]:
    write_kernel_output(engine, source, DAY, kernel(), RawWarcs, str(path), session)
    found = ds.dataset(path, schema=pa.schema([f.remove_metadata() for f in SCHEMA]), format="parquet").to_table()
    return sorted(found.to_pylist(), key=lambda r: r["path"])


def test_a_kernel_gives_the_same_rows_on_ray_as_on_spark(
    source: LakeTable, tmp_path: Path, spark: SparkSession, ray_engine
) -> None:
    by_spark = output("spark", source, tmp_path / "spark", lambda: spark)
    by_ray = output("ray", source, tmp_path / "ray", lambda: pytest.fail("Ray's rows started Spark"))
    assert len(by_spark) == 40
    assert by_spark == by_ray
    assert [r["reason"] for r in by_spark[:2]] == [None, "odd_size"]
    # what the audit reads of either is the same
    for name in ("spark", "ray"):
        frame = spark.read.parquet(str(tmp_path / name))
        assert set(frame.columns) == set(SCHEMA.names)
        assert frame.where("reason = 'odd_size'").count() == 20


def test_batch_size_and_blocks_do_not_show_in_the_rows(source: LakeTable, ray_engine) -> None:
    results = []
    for batch_rows, blocks in ((1, 1), (7, 4), (256, 2)):
        rows = ray_engine.map_batches(
            ray_engine.read_day(source, DAY).repartition(blocks), kernel(), SCHEMA, batch_rows=batch_rows
        )
        results.append(sorted((r["path"], r["reason"], r["measure"]) for r in rows.take_all()))
    assert len(results[0]) == 40
    assert results[0] == results[1] == results[2]


def test_reading_a_day_reads_that_day_and_the_data_columns(source: LakeTable, ray_engine) -> None:
    rows = ray_engine.read_day(source, NEXT).take_all()
    assert [r["size_bytes"] for r in rows] == [7777]
    assert set(rows[0]) == set(RawWarcs.data_schema().names)


def test_starting_again_keeps_the_running_ray(ray_engine) -> None:
    import ray

    before = ray.get_runtime_context().get_node_id()
    ray_engine.start()
    assert ray.get_runtime_context().get_node_id() == before
