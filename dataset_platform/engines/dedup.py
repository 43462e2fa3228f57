"""Exact and near-duplicate clusters of a day against itself and all earlier days, on Spark.

For days and indexes too large for ``kernels/web/duplicates.py``, which follows the same steps in memory.

Candidates come from equal text hashes and from shared MinHash bands; near ones are verified by the true Jaccard
similarity of their word 5-gram sets before anything is joined, so that chains of false candidates never form. Links of
earlier days are read back as state; the connected components of all links are the clusters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataset_platform.engines.components import component_labels
from dataset_platform.engines.kernel import Kernel
from dataset_platform.engines.spark import map_in_arrow
from dataset_platform.kernels.web import band_keys, lsh, minhash
from dataset_platform.kernels.web.duplicates import INDEX, DedupConfig
from dataset_platform.kernels.web.jaccard import jaccard_of_pairs

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

KEYS = pa.schema([("doc_id", pa.string()), ("band_keys", pa.binary())])
BANDS = pa.schema([("doc_id", pa.string()), ("band_key", pa.int64())])
PAIRS = pa.schema([("a", pa.string()), ("b", pa.string())])
VERIFIED = pa.schema([("a", pa.string()), ("b", pa.string()), ("jaccard", pa.float64())])


@dataclass(frozen=True)
class DayInputs:
    """What a day is judged on.

    Attributes:
        today: the day's documents, columns ``duplicates.TODAY``.
        earlier: the index of the days that it is judged on, columns ``duplicates.EARLIER``, each doc_id once.
        texts: doc_id, text, ingestion_date of both; only candidates are read.
        links: verified links of those days: doc_id, linked_doc_id.
    """

    today: DataFrame
    earlier: DataFrame
    texts: DataFrame
    links: DataFrame


def rank(prefix: str = "") -> Column:
    """Who stays of a cluster: earliest day, longest text, highest language score, smallest id."""
    from pyspark.sql import functions as F

    column = {c: F.col(f"{prefix}{c}") for c in ("ingestion_date", "text_length", "language_score", "doc_id")}
    return F.struct(
        column["ingestion_date"].alias("day"),
        (-column["text_length"]).alias("shorter"),
        (-column["language_score"]).alias("surer"),
        column["doc_id"].alias("doc_id"),
    )


def without_landed(inputs: DayInputs) -> tuple[DayInputs, DataFrame]:
    """Leave out today's documents whose record landed on an earlier day too; their doc_ids are the second part.

    They are no new documents: they are rejected as ``duplicate_record`` and have no part in links, clusters or index.
    """
    landed = inputs.today.join(inputs.earlier.select("doc_id"), "doc_id", "left_semi").select("doc_id")
    return replace(inputs, today=inputs.today.join(landed, "doc_id", "left_anti")), landed


def first_landing(earlier: DataFrame) -> DataFrame:
    """Index rows with each doc_id once, that of its earliest day; see ``duplicates.first_landing``."""
    from pyspark.sql import functions as F

    rows = F.struct(*earlier.columns)
    return earlier.groupBy("doc_id").agg(F.min_by(rows, "ingestion_date").alias("row")).select("row.*")


def find_links(inputs: DayInputs, config: DedupConfig) -> DataFrame:
    """Links found on this day: doc_id (the later by rank), linked_doc_id, kind (exact, near), jaccard."""
    from pyspark.sql import functions as F

    exact = _exact_links(inputs)
    today_firsts = inputs.today.join(exact.select("doc_id"), "doc_id", "left_anti")
    # documents of earlier days with equal text are linked already: one of them stands for all
    keyed = inputs.earlier.where("band_keys IS NOT NULL").groupBy("text_hash")
    earlier_firsts = keyed.agg(
        F.min_by("doc_id", rank()).alias("doc_id"), F.min_by("band_keys", rank()).alias("band_keys")
    )
    pairs = _candidate_pairs(today_firsts, earlier_firsts, config)
    near = _verified(pairs, inputs.texts, config)
    ranks = _known(inputs).select("doc_id", rank().alias("rank"))
    ranked = near.join(ranks.select(F.col("doc_id").alias("a"), F.col("rank").alias("rank_a")), "a")
    ranked = ranked.join(ranks.select(F.col("doc_id").alias("b"), F.col("rank").alias("rank_b")), "b")
    later_is_a = F.col("rank_a") > F.col("rank_b")
    near_links = ranked.select(
        F.when(later_is_a, F.col("a")).otherwise(F.col("b")).alias("doc_id"),
        F.when(later_is_a, F.col("b")).otherwise(F.col("a")).alias("linked_doc_id"),
        F.lit("near").alias("kind"),
        "jaccard",
    )
    return exact.unionByName(near_links)


def _known(inputs: DayInputs) -> DataFrame:
    """All documents, with what their rank and text hash are read from."""
    columns = ("doc_id", "text_hash", "text_length", "language_score", "ingestion_date")
    return inputs.today.select(*columns).unionByName(inputs.earlier.select(*columns))


def _exact_links(inputs: DayInputs) -> DataFrame:
    """Today's documents whose normalised text stands elsewhere at a better rank, linked to the best."""
    from pyspark.sql import functions as F

    hashes = inputs.today.select("text_hash").distinct()
    candidates = _known(inputs).join(hashes, "text_hash", "left_semi")
    best = candidates.groupBy("text_hash").agg(F.min_by("doc_id", rank()).alias("linked_doc_id"))
    linked = inputs.today.join(best, "text_hash").where("doc_id <> linked_doc_id")
    return linked.select("doc_id", "linked_doc_id", F.lit("exact").alias("kind"), F.lit(1.0).alias("jaccard"))


def _candidate_pairs(today: DataFrame, earlier: DataFrame, config: DedupConfig) -> DataFrame:
    """Pairs (a < b) that share a band and have at least one member of today."""
    from pyspark.sql import functions as F

    kernel = band_kernel(config)
    new = map_in_arrow(today.select("doc_id", "minhash"), kernel, BANDS).withColumn("today", F.lit(True))
    old = map_in_arrow(earlier.select("doc_id", "band_keys"), kernel, BANDS).withColumn("today", F.lit(False))
    old = old.join(new.select("band_key").distinct(), "band_key", "left_semi")
    buckets = (
        new.unionByName(old)
        .groupBy("band_key")
        .agg(F.sort_array(F.collect_list(F.struct("doc_id", "today"))).alias("members"))
        .where(F.size("members") > 1)
        .select(F.col("members.doc_id").alias("ids"), F.col("members.today").alias("today"))
    )
    return map_in_arrow(buckets, pair_kernel(config), PAIRS).distinct()


def band_kernel(config: DedupConfig) -> Kernel:
    """(doc_id, minhash or band_keys) → (doc_id, band_key), one row per band."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if not batch.num_rows:
                continue
            if "minhash" in batch.schema.names:
                keys = band_keys.of_signatures(batch.column("minhash"), config.bands, config.rows)
            else:
                keys = band_keys.unpack(batch.column("band_keys"), config.bands)
            ids = batch.column("doc_id").take(pa.array(np.repeat(np.arange(batch.num_rows), config.bands)))
            yield pa.RecordBatch.from_arrays([ids, pa.array(keys.reshape(-1).view(np.int64))], schema=BANDS)

    return run


def key_kernel(config: DedupConfig) -> Kernel:
    """(doc_id, minhash) → (doc_id, band_keys) as the index holds them."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            packed = band_keys.pack(band_keys.of_signatures(batch.column("minhash"), config.bands, config.rows))
            yield pa.RecordBatch.from_arrays([batch.column("doc_id"), packed], schema=KEYS)

    return run


def pair_kernel(config: DedupConfig) -> Kernel:
    """(ids, today) per bucket → pairs with a member of today; see ``lsh.bucket_pairs``."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            members, flags = batch.column("ids").flatten(), np.asarray(batch.column("today").flatten())
            bounds = np.concatenate([[0], np.cumsum(pc.list_value_length(batch.column("ids")))]).astype(np.int64)
            found = lsh.bucket_pairs(bounds, flags.astype(np.bool_), config.max_bucket, config.bucket_hubs)
            yield pa.RecordBatch.from_arrays([members.take(pa.array(side)) for side in found], schema=PAIRS)

    return run


def _verified(pairs: DataFrame, texts: DataFrame, config: DedupConfig) -> DataFrame:
    """Candidate pairs whose true Jaccard similarity reaches the threshold."""
    from pyspark.sql import functions as F

    wanted = pairs.select(F.col("a").alias("doc_id")).unionByName(pairs.select(F.col("b").alias("doc_id"))).distinct()
    # a document that landed on several days has one text here
    needed = (
        texts.join(wanted, "doc_id", "left_semi")
        .groupBy("doc_id")
        .agg(F.min_by("text", "ingestion_date").alias("text"))
    )
    with_a = pairs.join(needed.select(F.col("doc_id").alias("a"), F.col("text").alias("text_a")), "a")
    with_b = with_a.join(needed.select(F.col("doc_id").alias("b"), F.col("text").alias("text_b")), "b")
    return map_in_arrow(with_b.select("a", "b", "text_a", "text_b"), verify_kernel(config), VERIFIED)


def verify_kernel(config: DedupConfig) -> Kernel:
    """(a, b, text_a, text_b) → the pairs at or above the threshold, with their Jaccard similarity."""
    settings = minhash.MinHashConfig(ngram=config.ngram)

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            ids = pa.concat_arrays([batch.column("a"), batch.column("b")]).dictionary_encode()
            numbers = np.asarray(ids.indices)
            # pairs of one document stand close together: its shingles are computed once a batch
            firsts = pa.array(np.unique(numbers, return_index=True)[1])
            texts = pa.concat_arrays([batch.column("text_a"), batch.column("text_b")]).take(firsts)
            members, bounds = minhash.shingle_sets(texts.to_pylist(), settings)
            values = jaccard_of_pairs(members, bounds, numbers.reshape(2, -1).T.astype(np.int64))
            keep = pa.array(values >= config.jaccard_threshold, pa.bool_())
            found = [batch.column("a"), batch.column("b"), pa.array(values)]
            yield pa.RecordBatch.from_arrays([c.filter(keep) for c in found], schema=VERIFIED)

    return run


def clusters(spark: SparkSession, inputs: DayInputs, new_links: DataFrame) -> DataFrame:
    """Clusters that hold a document of today, as of today: doc_id, cluster_id (the keeper), cluster_size."""
    from pyspark.sql import functions as F

    def as_edges(links: DataFrame) -> DataFrame:
        return links.select(F.col("doc_id").alias("src"), F.col("linked_doc_id").alias("dst"))

    labels = component_labels(spark, as_edges(new_links).unionByName(as_edges(inputs.links)))
    members = _known(inputs).join(labels.withColumnRenamed("node", "doc_id"), "doc_id")
    keepers = members.groupBy("label").agg(
        F.min_by("doc_id", rank()).alias("cluster_id"), F.count("*").alias("cluster_size")
    )
    todays = inputs.today.select("doc_id").join(labels.withColumnRenamed("node", "doc_id"), "doc_id")
    return todays.join(keepers, "label").select("doc_id", "cluster_id", "cluster_size")


def index_rows(inputs: DayInputs, links: DataFrame, config: DedupConfig) -> DataFrame:
    """What later days need to know of the day's documents: columns ``duplicates.INDEX``."""
    from pyspark.sql import functions as F

    today = inputs.today
    if config.window_days is None:
        keyed = today.join(links.where("kind = 'exact'").select("doc_id"), "doc_id", "left_anti")
    else:
        best = today.groupBy("text_hash").agg(F.min_by("doc_id", rank()).alias("doc_id")).select("doc_id")
        keyed = today.join(best, "doc_id", "left_semi")
    keys = map_in_arrow(keyed.select("doc_id", "minhash"), key_kernel(config), KEYS)
    return today.join(keys, "doc_id", "left").select(*INDEX)


def label_duplicates(documents: DataFrame, cluster: DataFrame, links: DataFrame, landed: DataFrame) -> DataFrame:
    """Give every document of the day its cluster, and all but the keepers a reason, measure and detail.

    The measure is the likeness to the most alike document it is linked to; to one that links to it where it is the
    best of its own links.

    Args:
        landed: doc_id of the documents whose record landed on an earlier day already (``without_landed``).
    """
    from pyspark.sql import functions as F

    best = links.groupBy("doc_id").agg(
        F.max((F.col("kind") == "exact").cast("int")).alias("is_exact"),
        F.max("jaccard").alias("similarity"),
    )
    near = links.where("kind = 'near'").groupBy(F.col("linked_doc_id").alias("doc_id"))
    again = landed.select("doc_id", F.lit(True).alias("is_again"))
    joined = documents.join(cluster, "doc_id", "left").join(best, "doc_id", "left").join(again, "doc_id", "left")
    joined = joined.join(near.agg(F.max("jaccard").alias("from_others")), "doc_id", "left")
    is_duplicate = F.col("cluster_id").isNotNull() & (F.col("cluster_id") != F.col("doc_id"))
    exact = F.coalesce(F.col("is_exact"), F.lit(0)) == 1
    similarity = F.coalesce("similarity", "from_others")
    is_again = F.col("is_again").isNotNull()
    reason = (
        F.when(is_again, "duplicate_record")
        .when(is_duplicate & exact, "exact_duplicate")
        .when(is_duplicate, "near_duplicate")
    )
    detail = F.when(is_again, F.lit("the same record id landed on an earlier day")).when(
        is_duplicate,
        F.concat(F.lit("cluster of "), F.col("cluster_size").cast("string"), F.lit(" kept as "), F.col("cluster_id")),
    )
    return (
        joined.withColumn("reason", reason)
        .withColumn("measure", F.when(is_duplicate, similarity))
        .withColumn("detail", detail)
        .withColumn("cluster_id", F.coalesce("cluster_id", "doc_id"))
        .withColumn("cluster_size", F.coalesce("cluster_size", F.lit(1)).cast("bigint"))
    )
