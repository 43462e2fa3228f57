"""Connected components of an edge list: in memory while the edges fit, in Spark DataFrames when they do not.

The distributed algorithm alternates large-star and small-star steps until the edges are stars (Kiveris et al. 2014,
"Connected Components in MapReduce and Beyond", SoCC). Both give the same labels: the smallest id of each component.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from dataset_platform.kernels.web.components import connected_components

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

IN_MEMORY_EDGES = 5_000_000  # some 640 MB of 32-character ids on the driver
MAX_ROUNDS = 60


def component_labels(spark: SparkSession, edges: DataFrame, in_memory_edges: int = IN_MEMORY_EDGES) -> DataFrame:
    """Label every node of ``edges`` (columns src, dst: string ids) with the smallest id of its component.

    Returns:
        DataFrame with columns node, label. Nodes without an edge do not appear.
    """
    edges = edges.select("src", "dst").where("src <> dst").distinct().localCheckpoint()
    if edges.count() > in_memory_edges:
        return star_components(edges)
    table = edges.toArrow()
    nodes, labels = connected_components(
        table.column("src").to_numpy(zero_copy_only=False), table.column("dst").to_numpy(zero_copy_only=False)
    )
    columns = {"node": pa.array(nodes, pa.string()), "label": pa.array(labels, pa.string())}
    return spark.createDataFrame(pa.table(columns))


def star_components(edges: DataFrame) -> DataFrame:
    """The distributed algorithm; ``edges`` has columns src, dst without loops. Returns node, label."""
    from pyspark.sql import functions as F

    current = edges.select(F.greatest("src", "dst").alias("src"), F.least("src", "dst").alias("dst")).distinct()
    before: tuple[int, object] | None = None
    for _ in range(MAX_ROUNDS):
        current = _small_star(_large_star(current)).localCheckpoint()
        row = current.agg(F.count("*"), F.sum(F.xxhash64("src", "dst").cast("decimal(38,0)"))).collect()[0]
        state = (row[0], row[1])
        if state == before:
            break
        before = state
    leaves = current.select(F.col("src").alias("node"), F.col("dst").alias("label"))
    roots = current.select(F.col("dst").alias("node"), F.col("dst").alias("label"))
    return leaves.unionByName(roots).distinct()


def _large_star(edges: DataFrame) -> DataFrame:
    """Connect each node's larger neighbours to the smallest node of its neighbourhood."""
    from pyspark.sql import functions as F

    both = edges.unionByName(edges.select(F.col("dst").alias("src"), F.col("src").alias("dst"))).distinct()
    smallest = both.groupBy("src").agg(F.least(F.min("dst"), F.first("src")).alias("m"))
    joined = both.join(smallest, "src").where("dst > src")
    return joined.select(F.col("dst").alias("src"), F.col("m").alias("dst")).where("src <> dst").distinct()


def _small_star(edges: DataFrame) -> DataFrame:
    """Connect each node and its smaller neighbours to the smallest of them."""
    from pyspark.sql import functions as F

    down = edges.select(F.greatest("src", "dst").alias("src"), F.least("src", "dst").alias("dst")).distinct()
    smallest = down.groupBy("src").agg(F.min("dst").alias("m"))
    joined = down.join(smallest, "src")
    siblings = joined.select(F.col("dst").alias("src"), F.col("m").alias("dst"))
    own = joined.select("src", F.col("m").alias("dst"))
    return siblings.unionByName(own).where("src <> dst").distinct()
