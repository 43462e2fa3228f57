"""Tokenizing a day on Spark or Ray and cutting it into shards, each written by the task that holds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from dataset_platform.engines import ray as ray_engine
from dataset_platform.engines.spark import map_in_arrow, spark_schema
from dataset_platform.kernels.tokens import bpe, encode, manifest, shards
from dataset_platform.lake import storage
from dataset_platform.lake.tables import LakeTable
from dataset_platform.settings import join

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ENTRIES = pa.schema([("entry", pa.string())])


@dataclass(frozen=True)
class ShardJob:
    """What a day's shards are made with.

    Attributes:
        artifacts: folder or URL that manifest paths are relative to, or a staging copy of it.
        vocab_json, merges_txt: the tokenizer's files.
    """

    day: str
    artifacts: str
    shards: encode.ShardConfig
    tokenizer: bpe.TokenizerConfig
    vocab_json: bytes
    merges_txt: bytes

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the tokenizer's files."""
        return bpe.fingerprint(self.vocab_json, self.merges_txt)


def encode_day(engine: str, corpus: LakeTable, job: ShardJob, path: str, session: Callable[[], SparkSession]) -> None:
    """Tokenize a day of the corpus on the engine asked for; rows of ``ENCODED_SCHEMA`` as Parquet below ``path``."""
    kernel = encode.encode(job.shards, job.vocab_json, job.merges_txt)
    if engine == "ray":
        ray_engine.start()
        rows = ray_engine.map_batches(ray_engine.read_day(corpus, job.day), kernel, encode.ENCODED_SCHEMA)
        fs, inner = storage.filesystem(path)
        rows.write_parquet(inner, filesystem=fs)
        return
    frame = corpus.read_spark(session(), job.day)
    spread = frame.repartition(int(session().conf.get("spark.sql.shuffle.partitions") or "2"))
    map_in_arrow(spread, kernel, encode.ENCODED_SCHEMA).write.parquet(storage.spark_url(path))


def write_shards(spark: SparkSession, path: str, job: ShardJob) -> list[manifest.ShardEntry]:
    """Cut the encoded rows below ``path`` into shards and write each with its TSV below ``job.artifacts``.

    The running sums that decide a row's shard see ids and token counts only; then each shard's rows meet in one task.
    """
    encoded = spark.read.schema(spark_schema(encode.ENCODED_SCHEMA)).parquet(storage.spark_url(path))
    placed = encoded.join(_assign(spark, encoded, job.shards), "doc_id")
    written = placed.groupBy("source", "bucket", "shard").applyInArrow(_shard_writer(job), spark_schema(ENTRIES))
    entries = [manifest.ShardEntry.model_validate_json(row["entry"]) for row in written.collect()]
    return sorted(entries, key=lambda e: e.shard_id)


def _assign(spark: SparkSession, encoded: DataFrame, config: encode.ShardConfig) -> DataFrame:
    """doc_id → shard, by the rule of ``kernels.tokens.shards``, as a window over slim rows."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    group = ["source", "bucket"]
    before = Window.partitionBy(*group).orderBy("order_key", "doc_id").rowsBetween(Window.unboundedPreceding, -1)
    tokens_before = F.coalesce(F.sum("token_count").over(before), F.lit(0))
    provisional = F.expr(f"tokens_before * {shards.TOKEN_BYTES} DIV {config.shard_bytes}")
    slim = encoded.select("doc_id", *group, "order_key", "token_count").withColumn("tokens_before", tokens_before)
    slim = slim.withColumn("provisional", provisional).select("doc_id", *group, "provisional", "token_count")
    sizes: dict[tuple[str, int], dict[int, int]] = {}
    for row in slim.groupBy(*group, "provisional").agg(F.sum("token_count").alias("tokens")).collect():
        sizes.setdefault((row["source"], row["bucket"]), {})[row["provisional"]] = row["tokens"]
    final = [
        (source, bucket, provisional_number, number)
        for (source, bucket), per_shard in sizes.items()
        for provisional_number, number in shards.merge_tail(per_shard, config).items()
    ]
    numbers = spark.createDataFrame(final, "source string, bucket int, provisional bigint, shard bigint")
    return slim.join(F.broadcast(numbers), [*group, "provisional"]).select("doc_id", "shard")


def _shard_writer(job: ShardJob) -> Callable[[pa.Table], pa.Table]:
    fingerprint = job.fingerprint

    def write(rows: pa.Table) -> pa.Table:
        source, bucket, index = (rows.column(n)[0].as_py() for n in ("source", "bucket", "shard"))
        shard = shards.write_shard(rows.select(encode.ENCODED_SCHEMA.names), job.day, job.tokenizer)
        entry = manifest.shard_entry(
            shard,
            ingestion_date=job.day,
            source=source,
            bucket=bucket,
            index=index,
            seed=job.shards.seed,
            tokenizer_fingerprint=fingerprint,
        )
        storage.write_bytes(join(job.artifacts, entry.path), shard.parquet)
        storage.write_bytes(join(job.artifacts, entry.tsv_path), shard.tsv)
        return pa.table({"entry": [entry.model_dump_json()]}, schema=ENTRIES)

    return write
