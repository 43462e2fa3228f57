"""Tokenizing a day on any engine and cutting it into shards, each written and verified by the task that holds it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from dataset_platform.engines import local_sharding
from dataset_platform.engines import ray as ray_engine
from dataset_platform.engines.shard_writing import ShardJob, WrittenShard, write_and_verify
from dataset_platform.engines.spark import map_in_arrow, spark_schema
from dataset_platform.kernels.tokens import encode, shards
from dataset_platform.lake import storage
from dataset_platform.lake.tables import LakeTable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from dataset_platform.engines.kernel import Kernel

Group = tuple[str, int]  # source and bucket
Starts = dict[Group, list[tuple[int, str]]]

_PLACED = encode.ENCODED_SCHEMA.append(pa.field("shard", pa.int64()))
_WRITTEN = pa.schema([("written", pa.string())])


def shard_day(
    engine: str, corpus: LakeTable, job: ShardJob, path: str, session: Callable[[], SparkSession]
) -> list[WrittenShard]:
    """Tokenize a day of the corpus and write its shards below ``job.artifacts``; the same files on every engine.

    Args:
        path: folder for encoded rows on their way; whoever calls deletes it.
        session: Spark's, asked for unless the engine is local. Ray tokenizes, and Spark cuts into shards.

    Returns:
        the shards, by ``shard_id``.
    """
    if engine == "local":
        written = local_sharding.shard_day(corpus, job, path)
    else:
        encode_day(engine, corpus, job, path, session)
        written = write_shards(session(), path, job)
    return sorted(written, key=lambda shard: shard.entry.shard_id)


def encode_day(engine: str, corpus: LakeTable, job: ShardJob, path: str, session: Callable[[], SparkSession]) -> None:
    """Tokenize a day of the corpus on Spark or Ray; rows of ``ENCODED_SCHEMA`` as Parquet below ``path``."""
    kernel = encode.encode(job.shards, job.vocab_json, job.merges_txt)
    if engine == "ray":
        ray_engine.start()
        rows = ray_engine.map_batches(ray_engine.read_day(corpus, job.day), kernel, encode.ENCODED_SCHEMA)
        fs, inner = storage.filesystem(path)
        rows.write_parquet(inner, filesystem=fs)
        return
    frame = corpus.read_spark(session(), job.day)
    # by a column: without one, Spark sorts all rows first so that a task that is tried again deals them out alike
    spread = frame.repartition(int(session().conf.get("spark.sql.shuffle.partitions") or "2"), "doc_id")
    map_in_arrow(spread, kernel, encode.ENCODED_SCHEMA).write.parquet(storage.spark_url(path))


def write_shards(spark: SparkSession, path: str, job: ShardJob) -> list[WrittenShard]:
    """Cut the encoded rows below ``path`` into shards and write each with its TSV below ``job.artifacts``.

    A first pass over ids and token counts finds where each shard begins in its bucket's order; one row for each shard
    reaches the driver. A second pass sends every row to the task that writes its shard.
    """
    encoded = spark.read.schema(spark_schema(encode.ENCODED_SCHEMA)).parquet(storage.spark_url(path))
    placed = map_in_arrow(encoded, _placer(_starts(encoded, job.shards)), _PLACED)
    written = placed.groupBy("source", "bucket", "shard").applyInArrow(_writer(job), spark_schema(_WRITTEN))
    return [WrittenShard.from_json(row["written"]) for row in written.collect()]


def _starts(encoded: DataFrame, config: encode.ShardConfig) -> Starts:
    """First ``order_key, doc_id`` of each shard, by the rule of ``kernels.tokens.shards``."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    group = ["source", "bucket"]
    before = Window.partitionBy(*group).orderBy("order_key", "doc_id").rowsBetween(Window.unboundedPreceding, -1)
    tokens_before = F.coalesce(F.sum("token_count").over(before), F.lit(0))
    provisional = F.expr(f"tokens_before * {shards.TOKEN_BYTES} DIV {config.shard_bytes}")
    slim = encoded.select("doc_id", *group, "order_key", "token_count").withColumn("tokens_before", tokens_before)
    found = slim.groupBy(*group, provisional.alias("provisional")).agg(
        F.sum("token_count").alias("tokens"), F.min(F.struct("order_key", "doc_id")).alias("first")
    )
    sizes: dict[Group, dict[int, int]] = {}
    firsts: dict[Group, dict[int, tuple[int, str]]] = {}
    for row in found.collect():
        at = (row["source"], row["bucket"])
        sizes.setdefault(at, {})[row["provisional"]] = row["tokens"]
        firsts.setdefault(at, {})[row["provisional"]] = tuple(row["first"])
    starts: Starts = {}
    for at, tokens in sizes.items():
        number_of = shards.merge_tail(tokens, config)
        own: dict[int, tuple[int, str]] = {}
        for provisional_number in sorted(number_of):
            own.setdefault(number_of[provisional_number], firsts[at][provisional_number])
        starts[at] = list(own.values())
    return starts


def _placer(starts: Starts) -> Kernel:
    """Kernel that adds each row's shard."""

    def place(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            sources = batch.column("source").dictionary_encode()
            buckets = batch.column("bucket").to_numpy()
            keys, doc_ids = batch.column("order_key").to_numpy(), batch.column("doc_id")
            numbers = np.empty(batch.num_rows, np.int64)
            for code, source in enumerate(sources.dictionary.to_pylist()):
                of_source = sources.indices.to_numpy() == code
                for bucket in np.unique(buckets[of_source]).tolist():
                    own = np.flatnonzero(of_source & (buckets == bucket))
                    numbers[own] = shards.shard_of(keys[own], doc_ids.take(pa.array(own)), starts[source, bucket])
            yield pa.RecordBatch.from_arrays([*batch.columns, pa.array(numbers)], schema=_PLACED)

    return place


def _writer(job: ShardJob) -> Callable[[pa.Table], pa.Table]:
    def write(rows: pa.Table) -> pa.Table:
        source, bucket, index = (rows.column(name)[0].as_py() for name in ("source", "bucket", "shard"))
        written = write_and_verify(rows.select(encode.ENCODED_SCHEMA.names), job, source, bucket, index)
        return pa.table({"written": [written.to_json()]}, schema=_WRITTEN)

    return write
