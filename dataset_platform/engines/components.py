"""Connected components of an edge list: in memory while the edges fit, in Spark DataFrames when they do not.

The distributed algorithm alternates large-star and small-star steps until the edges are stars (Kiveris et al. 2014,
"Connected Components in MapReduce and Beyond", SoCC). Both give the same labels: the smallest id of each component.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from dataset_platform.errors import EngineError
from dataset_platform.kernels.web.components import arrow_components

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
    nodes, labels = arrow_components(table.column("src"), table.column("dst"))
    return spark.createDataFrame(pa.table({"node": nodes.cast(pa.string()), "label": labels.cast(pa.string())}))


def star_components(edges: DataFrame) -> DataFrame:
    """The distributed algorithm.

    Args:
        edges: columns src, dst: string ids, without loops.

    Returns:
        DataFrame with columns node, label, as ``component_labels``.

    Raises:
        EngineError: ``MAX_ROUNDS`` rounds did not end in stars; a chain of n edges takes some log2(n) of them.
    """
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
    else:
        raise EngineError(
            f"The components of {row[0]} edges are not found after {MAX_ROUNDS} rounds.",
            "Raise web.dedup.jaccard_threshold: fewer pairs are joined, and their chains are shorter.",
        )
    leaves = current.select(F.col("src").alias("node"), F.col("dst").alias("label"))
    roots = current.select(F.col("dst").alias("node"), F.col("dst").alias("label"))
    return leaves.unionByName(roots).distinct()


def _large_star(edges: DataFrame) -> DataFrame:
    """Connect each node's larger neighbours to the smallest node of its neighbourhood; edges may come twice."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    both = edges.unionByName(edges.select(F.col("dst").alias("src"), F.col("src").alias("dst")))
    # a window and not a join with the minima: one shuffle, and a hub's neighbours may spill to disk
    smallest = F.least(F.min("dst").over(Window.partitionBy("src")), "src")
    return both.withColumn("m", smallest).where("dst > src").select(F.col("dst").alias("src"), F.col("m").alias("dst"))


def _small_star(edges: DataFrame) -> DataFrame:
    """Connect each node and its smaller neighbours to the smallest of them; ``src`` is the larger end of each edge."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    joined = edges.withColumn("m", F.min("dst").over(Window.partitionBy("src")))
    both_ends = F.explode(F.array("dst", "src")).alias("src")
    return joined.select(both_ends, F.col("m").alias("dst")).where("src <> dst").distinct()
