"""Shards made by engines: byte for byte what one process makes of the same documents, however the rows were spread."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from dataset_platform.contracts import DedupedCorpus
from dataset_platform.engines import local
from dataset_platform.engines.shard_writing import ShardJob
from dataset_platform.engines.sharding import encode_day, shard_day
from dataset_platform.kernels.tokens.manifest import ShardEntry, verify_entry
from dataset_platform.lake.tables import LakeTable
from dataset_platform_tests.contracts.rows import good_row
from dataset_platform_tests.kernels.tokens import corpus

PARTITION = {"ingestion_date": corpus.DAY}
Made = tuple[list[ShardEntry], dict[str, bytes]]


def rows(seed: int = 0) -> pa.Table:
    """The small corpus with the columns of the table, in an order of its own."""
    documents = corpus.documents().to_pylist()
    filled = [good_row(DedupedCorpus) | d | {"text_length": len(d["text"])} for d in documents]
    table = pa.Table.from_pylist(
        filled, schema=pa.schema([f.with_nullable(True) for f in DedupedCorpus.arrow_schema()])
    )
    order = random.Random(seed).sample(range(len(table)), len(table)) if seed else range(len(table))
    return table.select(DedupedCorpus.data_schema().names).take(list(order))


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The shards as one process makes them with the kernels alone."""
    root = tmp_path_factory.mktemp("reference")
    entries = corpus.write_lane(root, corpus.documents())
    return sorted(entries, key=lambda e: e.shard_id), files(root)


def files(root: Path) -> dict[str, bytes]:
    folder = root / "tokens" / "tokenized_shards"
    return {str(p.relative_to(root)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@contextmanager
def conf(spark: SparkSession, settings: dict[str, str]) -> Iterator[None]:
    before = {key: spark.conf.get(key) for key in settings}
    for key, value in settings.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key, value in before.items():
            spark.conf.set(key, value)


def make(spark: SparkSession | None, root: Path, engine: str = "spark", seed: int = 0, table_files: int = 1) -> Made:
    table = LakeTable(DedupedCorpus, str(root / "lake"))
    if table_files == 1 or spark is None:
        table.replace_partition(rows(seed), PARTITION)
    else:
        spread = spark.createDataFrame(rows(seed)).repartition(table_files)
        table.replace_partition_from_spark(spread, PARTITION, files=table_files)
    trained = corpus.tokenizer()
    artifacts = root / "artifacts"
    job = ShardJob(corpus.DAY, str(artifacts), corpus.SHARDS, corpus.TOKENIZER, trained.vocab_json, trained.merges_txt)
    written = shard_day(engine, table, job, str(root / "encoded"), lambda: spark or pytest.fail("Spark was asked for"))
    assert [w.problem for w in written] == [None] * len(written)
    return [w.entry for w in written], files(artifacts)


def test_spark_makes_the_files_that_one_process_makes(spark: SparkSession, tmp_path: Path, reference: Made) -> None:
    assert len(reference[0]) > 12, "the corpus must fill several shards in some bucket"
    assert max(e.shard_id[-1] for e in reference[0]) >= "1"
    made = make(spark, tmp_path)
    assert made[0] == reference[0]
    assert made[1] == reference[1]


@pytest.mark.parametrize(
    ("seed", "table_files", "settings"),
    [
        (1, 3, {"spark.sql.shuffle.partitions": "1", "spark.sql.adaptive.enabled": "false"}),
        (2, 1, {"spark.sql.shuffle.partitions": "7", "spark.sql.execution.arrow.maxRecordsPerBatch": "3"}),
    ],
)
def test_order_files_batches_and_partitions_do_not_show_in_the_bytes(
    spark: SparkSession, tmp_path: Path, reference: Made, seed: int, table_files: int, settings: dict[str, str]
) -> None:
    with conf(spark, settings):
        assert make(spark, tmp_path, seed=seed, table_files=table_files) == reference


def test_ray_makes_the_same_files_as_spark(spark: SparkSession, ray_engine, tmp_path: Path, reference: Made) -> None:
    assert make(spark, tmp_path, "ray", seed=3, table_files=2) == reference


def test_ray_encodes_without_spark(ray_engine, tmp_path: Path) -> None:
    table = LakeTable(DedupedCorpus, str(tmp_path / "lake"))
    table.replace_partition(rows(), PARTITION)
    trained = corpus.tokenizer()
    job = ShardJob(corpus.DAY, str(tmp_path), corpus.SHARDS, corpus.TOKENIZER, trained.vocab_json, trained.merges_txt)
    encode_day("ray", table, job, str(tmp_path / "encoded"), lambda: pytest.fail("Spark was asked for"))
    assert sum(1 for p in (tmp_path / "encoded").rglob("*.parquet")) > 0


@pytest.mark.parametrize(("seed", "workers", "task_rows"), [(0, "1", 512), (4, "2", 17), (6, "3", 1)])
def test_worker_processes_make_the_same_files_without_a_jvm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reference: Made, seed: int, workers: str, task_rows: int
) -> None:
    monkeypatch.setenv("DATASET_PLATFORM_LOCAL_WORKERS", workers)
    monkeypatch.setattr(local, "TASK_ROWS", task_rows)
    assert make(None, tmp_path, "local", seed=seed) == reference


def test_a_day_without_rows_has_no_shards(tmp_path: Path) -> None:
    table = LakeTable(DedupedCorpus, str(tmp_path / "lake"))
    table.replace_partition(rows(), {"ingestion_date": "2024-05-02"})
    trained = corpus.tokenizer()
    job = ShardJob(corpus.DAY, str(tmp_path), corpus.SHARDS, corpus.TOKENIZER, trained.vocab_json, trained.merges_txt)
    assert shard_day("local", table, job, str(tmp_path / "encoded"), lambda: pytest.fail("Spark was asked for")) == []


def test_every_document_is_in_one_shard_of_its_source_and_day(reference: Made, spark: SparkSession, tmp_path) -> None:
    import io

    import pyarrow.parquet as pq

    entries, content = make(spark, tmp_path, seed=5)
    assert set(content) == {p for e in entries for p in (e.path, e.tsv_path)}
    found: list[str] = []
    source_of = {d["doc_id"]: d["source"] for d in corpus.documents().to_pylist()}
    for entry in entries:
        verify_entry(entry, content[entry.path], content[entry.tsv_path])
        meta = pq.read_table(io.BytesIO(content[entry.path])).column("meta").to_pylist()
        assert {m["ingestion_date"] for m in meta} == {corpus.DAY} == {entry.ingestion_date}
        assert {source_of[m["doc_id"]] for m in meta} == {entry.source}
        assert len(meta) == entry.records
        found += [m["doc_id"] for m in meta]
    assert sorted(found) == sorted(source_of)
