"""Later days that a changed day affects, on Spark: ``kernels/web/affected_days.py`` for lakes that do not fit in memory.

Only days come to the driver, and the links of clusters that the change touches while these fit; where they do not, every
day with a document in such a cluster counts as affected.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from dataset_platform.engines.components import IN_MEMORY_EDGES, component_labels
from dataset_platform.engines.dedup import BANDS, band_kernel
from dataset_platform.engines.spark import map_in_arrow
from dataset_platform.kernels.web.affected_days import EDGES, MEMBERS, connected_days
from dataset_platform.kernels.web.duplicates import INDEX, DedupConfig

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ENDS = tuple(EDGES.names[:2])


@dataclass(frozen=True)
class Change:
    """A day's index rows (columns ``duplicates.INDEX``) and links (doc_id, linked_doc_id), before and after; and what
    lies on other days: see ``kernels.web.affected_days.Others``."""

    index_before: DataFrame
    index_after: DataFrame
    links_before: DataFrame
    links_after: DataFrame
    documents: DataFrame
    index: DataFrame
    links: DataFrame


def affected_days(
    spark: SparkSession, day: date, change: Change, config: DedupConfig, in_memory_edges: int = IN_MEMORY_EDGES
) -> list[date]:
    """Later days whose result can differ, sorted; see ``kernels.web.affected_days.affected_days``."""
    from pyspark.sql import functions as F

    rows = _only_in_one(change.index_before.select(*INDEX), change.index_after.select(*INDEX)).localCheckpoint()
    went = _only_in_one(change.links_before.select(*ENDS), change.links_after.select(*ENDS)).localCheckpoint()
    if rows.isEmpty() and went.isEmpty():
        return []
    moved = _only_in_one(change.index_before.select("doc_id"), change.index_after.select("doc_id"))
    found = _days(change.documents.join(moved, "doc_id", "left_semi"))
    found |= _days(change.index.join(rows.select("text_hash").distinct(), "text_hash", "left_semi"))
    kernel = band_kernel(config)
    changed, theirs = (
        map_in_arrow(frame.where("band_keys IS NOT NULL").select("doc_id", "band_keys"), kernel, BANDS)
        for frame in (rows, change.index)
    )
    sharing = theirs.join(changed.select("band_key").distinct(), "band_key", "left_semi").select("doc_id").distinct()
    found |= _days(change.index.join(sharing, "doc_id", "left_semi"))
    seeds = rows.select("doc_id").unionByName(went.select("doc_id")).union(went.select("linked_doc_id")).distinct()
    own = change.links_before.select(*ENDS).unionByName(change.links_after.select(*ENDS))
    edges = change.links.select(*EDGES.names).unionByName(own.withColumn("ingestion_date", F.lit(day)))
    labels = component_labels(spark, edges.select(F.col(ENDS[0]).alias("src"), F.col(ENDS[1]).alias("dst")))
    reached = labels.join(seeds.withColumnRenamed("doc_id", "node"), "node", "left_semi").select("label").distinct()
    nodes = labels.join(reached, "label", "left_semi").select(F.col("node").alias("doc_id"))
    edges = edges.join(nodes, "doc_id", "left_semi").distinct().localCheckpoint()
    members = change.index.join(nodes, "doc_id", "left_semi").select(*MEMBERS.names)
    if edges.count() > in_memory_edges:
        found |= _days(members)
    else:
        ends = edges.select(ENDS[0]).union(edges.select(ENDS[1])).distinct()
        near = seeds.join(ends, "doc_id", "left_semi").toArrow()["doc_id"].combine_chunks()
        found |= connected_days(_arrow(edges, EDGES), near, _arrow(members, MEMBERS), config.window_days, found)
    last = None if config.window_days is None else day + timedelta(days=config.window_days)
    return sorted(d for d in found if day < d and (last is None or d <= last))


def _only_in_one(a: DataFrame, b: DataFrame) -> DataFrame:
    return a.subtract(b).unionByName(b.subtract(a))


def _days(rows: DataFrame) -> set[date]:
    return {row[0] for row in rows.select("ingestion_date").distinct().collect()}


def _arrow(frame: DataFrame, schema: pa.Schema) -> pa.Table:
    return frame.select(*schema.names).toArrow().cast(schema)
