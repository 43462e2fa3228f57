"""Progress: heard while somebody listens, silent otherwise, and out of the way of errors."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from dataset_platform.engines.progress import listening, report, spark_tasks
from dataset_platform.engines.spark import map_in_arrow


def test_reports_reach_the_listener_of_their_block_only() -> None:
    outer: list[str] = []
    inner: list[str] = []
    report("before")
    with listening(outer.append):
        report("1")
        with listening(inner.append):
            report("2")
        report("3")
    report("after")
    assert (outer, inner) == (["1", "3"], ["2"])


def test_a_block_that_fails_takes_its_listener_with_it() -> None:
    heard: list[str] = []
    with pytest.raises(ValueError, match="mine"), listening(heard.append):
        raise ValueError("mine")
    report("nobody listens")
    assert heard == []


def test_running_tasks_of_spark_are_counted(spark: SparkSession) -> None:
    def slow(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            time.sleep(0.4)
            yield batch

    heard: list[str] = []
    with listening(heard.append), spark_tasks(spark, "web/documents", every_s=0.05):
        rows = map_in_arrow(spark.range(8).repartition(4), slow, pa.schema([("id", pa.int64())])).count()
    assert rows == 8
    assert heard[0] == "web/documents"
    counts = [re.fullmatch(r"web/documents: (\d+)/(\d+) tasks", text) for text in heard]
    assert any(c and 0 <= int(c[1]) <= int(c[2]) and int(c[2]) >= 4 for c in counts)
    told = len(heard)
    time.sleep(0.2)
    assert len(heard) == told


def test_without_a_listener_the_block_just_runs_and_errors_pass(spark: SparkSession) -> None:
    with spark_tasks(spark, "quiet"):
        assert spark.range(3).count() == 3
    heard: list[str] = []
    with pytest.raises(ValueError, match="mine"), listening(heard.append), spark_tasks(spark, "label"):
        raise ValueError("mine")
    assert heard == ["label"]
