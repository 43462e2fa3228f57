"""How a day is judged: by the in-memory kernel, rows passing through this process, or on Spark; and what it then leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dataset_platform.contracts import DedupedCorpus, DuplicateLinks, FilteredDocuments, SignatureIndex
from dataset_platform.defs.days import Day
from dataset_platform.defs.web.dedup_days import CORPUS, judged_from
from dataset_platform.defs.web.dedup_staleness import mark_affected, mark_affected_in_spark
from dataset_platform.defs.web.dedup_state import Snapshot, date_of
from dataset_platform.lake import outdated_days, storage
from dataset_platform.settings import join

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

BATCH_ROWS = 1_024
SPARK_DIGEST_SEED = 42
Leave = Callable[[], None]


@dataclass(frozen=True)
class Left:
    """What a judged day leaves for later ones.

    Attributes:
        mark: marks the later days that it affects; to be called first.
        publish: replaces the day's index rows and links.
    """

    mark: Leave
    publish: Leave


def judge_in_memory(day: Day, state: Snapshot, path: str) -> Left:
    """Write the day's labelled rows below ``path``, batch by batch; only candidates' shingles are held."""
    from dataset_platform.kernels.web import duplicates

    judged = duplicates.judge(
        today=_todays(day),
        earlier=state.earlier(duplicates.EARLIER),
        old_links=state.earlier_links(),
        texts=lambda wanted: _texts(day, wanted),
        config=day.config.web.dedup,
    )
    _write_labelled(day, judged.verdicts, path)

    def publish() -> None:
        for contract, rows in ((SignatureIndex, judged.index), (DuplicateLinks, judged.links)):
            partition = {"ingestion_date": day.key}
            if rows.num_rows:
                day.table(contract).replace_partition(rows, partition)
            else:
                day.table(contract).clear_partition(partition)

    return Left(lambda: mark_affected(day, judged.index, judged.links), publish)


def _batches(day: Day, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    dataset = day.table(FilteredDocuments).dataset()
    on_day = pc.field("ingestion_date") == date_of(day.key)
    # texts are read ahead two batches at most
    yield from dataset.to_batches(
        columns=list(columns), filter=on_day, batch_size=BATCH_ROWS, batch_readahead=2, fragment_readahead=1
    )


def _todays(day: Day) -> pa.Table:
    """Columns ``duplicates.TODAY`` of the day's documents."""
    import xxhash

    from dataset_platform.kernels.web.duplicates import TODAY

    def digested(batch: pa.RecordBatch) -> pa.RecordBatch:
        digests = [
            xxhash.xxh64_intdigest(t, SPARK_DIGEST_SEED) for t in batch.column("text").cast(pa.binary()).to_pylist()
        ]
        signed = pa.array(digests, pa.uint64()).view(pa.int64())
        columns = {n: batch.column(n) for n in batch.schema.names} | {"text_digest": signed}
        return pa.RecordBatch.from_arrays([columns[n] for n in TODAY], names=list(TODAY))

    read = ["text" if name == "text_digest" else name for name in TODAY]
    found = [digested(batch) for batch in _batches(day, read)]
    return pa.Table.from_batches(found)


def _texts(day: Day, wanted: pa.Table) -> list[str]:
    """Texts of (doc_id, ingestion_date), in their order; only the days that are named are read."""
    column = pc.field("ingestion_date")
    found: dict[str, str] = {}
    table = day.table(FilteredDocuments)
    for landed in wanted["ingestion_date"].unique():
        ids = wanted.filter(pc.equal(wanted["ingestion_date"], landed))["doc_id"].combine_chunks()
        rows = table.read(columns=["doc_id", "text"], where=(column == landed) & pc.field("doc_id").isin(ids))
        found |= dict(zip(rows["doc_id"].to_pylist(), rows["text"].to_pylist(), strict=True))
    return [found[doc_id] for doc_id in wanted["doc_id"].to_pylist()]


def _write_labelled(day: Day, verdicts: pa.Table, path: str) -> None:
    import pyarrow.parquet as pq

    schema = DedupedCorpus.labelled_schema().remove_metadata()
    copied = [n for n in FilteredDocuments.data_schema().names if n in schema.names and n not in verdicts.column_names]
    ids = verdicts["doc_id"].combine_chunks()
    with storage.open_output(join(path, "part-0.parquet")) as sink, pq.ParquetWriter(sink, schema) as writer:
        for batch in _batches(day, ["doc_id", *copied]):
            judged = verdicts.take(pc.index_in(batch.column("doc_id"), value_set=ids))
            have = {n: judged[n] for n in verdicts.column_names} | {n: batch.column(n) for n in copied}
            columns = [have[f.name].cast(f.type) if f.name in have else pa.nulls(len(batch), f.type) for f in schema]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def judge_in_spark(day: Day, path: str) -> Left:
    """Write the day's labelled rows below ``path`` by the distributed version."""
    from pyspark.sql import functions as F

    from dataset_platform.engines import dedup
    from dataset_platform.engines.spark import spark_schema
    from dataset_platform.kernels.web.duplicates import EARLIER, TODAY

    spark, config = day.spark, day.config.web.dedup
    date, first, this = F.col("ingestion_date"), *(F.lit(d).cast("date") for d in (judged_from(day), day.key))
    before = (date >= first) & (date < this)
    filtered = day.table(FilteredDocuments).read_spark(spark)
    documents = filtered.where(date == this).withColumn("text_digest", F.xxhash64("text"))
    earlier = day.table(SignatureIndex).read_spark(spark).where(before).select(*EARLIER)
    if outdated_days.marks(day.settings.lake, CORPUS):
        # only while a day waits to be made again can a record be in the index of two days
        earlier = dedup.first_landing(earlier)
    inputs, landed = dedup.without_landed(
        dedup.DayInputs(
            today=documents.select(*TODAY),
            earlier=earlier,
            texts=filtered.where((date >= first) & (date <= this)).select("doc_id", "text", "ingestion_date"),
            links=day.table(DuplicateLinks).read_spark(spark).where(before).select("doc_id", "linked_doc_id"),
        )
    )
    staged = {c: join(day.settings.lake, "_staging", c.table_name(), day.key) for c in (DuplicateLinks, SignatureIndex)}

    def stage(contract: type[DuplicateLinks] | type[SignatureIndex], rows: DataFrame) -> DataFrame:
        storage.delete(staged[contract])
        rows.write.parquet(storage.spark_url(staged[contract]))
        schema = spark_schema(contract.data_schema())
        return spark.read.schema(schema).parquet(storage.spark_url(staged[contract]))

    links = stage(DuplicateLinks, dedup.find_links(inputs, config))
    index = stage(SignatureIndex, dedup.index_rows(inputs, links, config))
    labelled = dedup.label_duplicates(documents, dedup.clusters(spark, inputs, links), links, landed)
    schema = spark_schema(DedupedCorpus.labelled_schema())
    have = set(labelled.columns)
    columns = [(F.col(f.name) if f.name in have else F.lit(None)).cast(f.dataType).alias(f.name) for f in schema]
    labelled.select(*columns).write.parquet(storage.spark_url(path))

    def publish() -> None:
        for contract, rows in ((SignatureIndex, index), (DuplicateLinks, links)):
            day.table(contract).replace_partition_from_spark(rows, {"ingestion_date": day.key})
            storage.delete(staged[contract])

    return Left(lambda: mark_affected_in_spark(day, index, links), publish)
