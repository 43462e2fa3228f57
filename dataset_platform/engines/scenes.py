"""Spark over whole scenes: all frames of a scenario and its maps meet in one Arrow call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pyarrow as pa

from dataset_platform.engines.spark import spark_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SceneKernel = Callable[[pa.Table, pa.Table], pa.Table]
"""Frames of one scenario and its rows of bronze_maps (possibly none) to labelled rows."""

KEY = "scenario_id"
MAP_COLUMNS = (KEY, "file", "offset", "sampled", "features")
TASKS_PER_CORE = 2  # scenes differ in size: small tasks keep all cores busy to the end


def rows_of_scenes(frames: DataFrame, maps: DataFrame, kernel: SceneKernel, schema: pa.Schema) -> DataFrame:
    """Run a kernel once per scenario of ``frames``; scenarios without a map get an empty table of maps.

    Args:
        frames: rows with ``scenario_id``.
        maps: rows of bronze_maps; those of other scenarios are passed over.
        schema: what the kernel gives.
    """
    tasks = max(2, TASKS_PER_CORE * frames.sparkSession.sparkContext.defaultParallelism)
    blank = spark_arrow_schema(schema).empty_table()

    def rows(of_frames: pa.Table, of_maps: pa.Table) -> pa.Table:
        return kernel(of_frames, of_maps) if of_frames.num_rows else blank

    # a fixed count of partitions: by their bytes alone Spark would put all scenes into one task
    left = frames.repartition(tasks, KEY).groupBy(KEY)
    right = maps.select(*MAP_COLUMNS).repartition(tasks, KEY).groupBy(KEY)
    return left.cogroup(right).applyInArrow(rows, spark_schema(schema))


def spark_arrow_schema(schema: pa.Schema) -> pa.Schema:
    """A schema as Spark takes it from Python: every column nullable, without metadata."""
    return pa.schema([pa.field(f.name, f.type) for f in schema])
