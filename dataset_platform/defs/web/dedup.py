"""How ``web/deduped_corpus`` computes a day: links against all earlier days, clusters, keepers; and its state.

State is two tables written just before the corpus itself: the signature index (what later days compare with) and the
links found on the day. Both are read for days before this one only, so materializing a day again changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dataset_platform.contracts import DedupedCorpus, DuplicateLinks, FilteredDocuments, SignatureIndex
from dataset_platform.defs.days import Day, Staged, count_rows
from dataset_platform.errors import StateError
from dataset_platform.lake import locks, receipts, storage
from dataset_platform.lake.inventory import days_with_files
from dataset_platform.lake.receipts import Receipt
from dataset_platform.settings import join

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

CORPUS = DedupedCorpus.table_name()
GRACE_SECONDS = 3.0


def compute_deduped(day: Day) -> Staged:
    """Clusters of the day against itself and all earlier days.

    Raises:
        StateError: an earlier day with data is not finished, so this one cannot be judged.
    """
    above = day.upstream(FilteredDocuments)
    wait_for_earlier_days(day)
    inputs = {FilteredDocuments.table_name(): above.content_hash}
    lake = day.settings.lake
    for earlier in receipts.days(lake, CORPUS):
        receipt = receipts.read(lake, CORPUS, earlier) if earlier < day.key else None
        if receipt is not None and earlier >= day.settings.first_day.isoformat():
            _assert_current(day, earlier, receipt)
            if receipt.rows_in:
                inputs[f"{CORPUS}@{earlier}"] = receipt.content_hash
    if not above.rows_kept:
        note = f"{FilteredDocuments.table_name()} has no rows"
        return Staged(None, 0, inputs, lambda _: clear_state(day), note)
    links_path = join(lake, "_staging", DuplicateLinks.table_name(), day.key)

    def write(path: str) -> None:
        _write_clusters(day, path, links_path)

    def after(kept: DataFrame | None) -> None:
        _publish_state(day, links_path)

    return Staged(write, above.rows_kept, inputs, after)


def _assert_current(day: Day, earlier: str, receipt: Receipt) -> None:
    """Refuse to judge on an earlier day whose filtered documents have changed since its corpus was made."""
    filtered = receipts.read(day.settings.lake, FilteredDocuments, earlier)
    if filtered and receipt.inputs.get(FilteredDocuments.table_name()) != filtered.content_hash:
        raise StateError(
            f"{CORPUS} of {earlier} was made from other filtered documents than lie there now.",
            f"Run: dataset-platform materialize {CORPUS} --partitions {earlier}:{day.key}",
        )


def wait_for_earlier_days(day: Day) -> None:
    """Return once every earlier day with data has its corpus; wait for those that another run is working on.

    Raises:
        StateError: an earlier day is unfinished and nobody works on it; names it and the command that runs it.
    """
    lake = day.settings.lake
    deadline = time.monotonic() + locks.wait_seconds()
    idle_since: float | None = None
    while missing := unfinished_days(day):
        now = time.monotonic()
        if any(locks.held_elsewhere(lake, f"run of {m}") for m in missing) and now < deadline:
            idle_since = None
        elif idle_since is None:
            idle_since = now
        elif now - idle_since > GRACE_SECONDS:
            some = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
            raise StateError(
                f"{CORPUS} of {day.key} is judged on all earlier days, and these have data but no corpus yet: {some}.",
                f"Run: dataset-platform materialize 'web/*' --partitions {missing[0]}:{day.key} "
                f"(or set DATASET_PLATFORM_FIRST_DAY={day.key} to leave earlier days out).",
            )
        time.sleep(0.5)


def unfinished_days(day: Day) -> list[str]:
    """Earlier days that have raw files or filtered rows but no finished corpus."""
    first = day.settings.first_day.isoformat()
    done = set(receipts.days(day.settings.lake, CORPUS))
    candidates = set(days_with_files(day.settings, day.key))
    candidates |= {d for d in day.table(FilteredDocuments).days() if first <= d < day.key}
    return sorted(candidates - done)


def _write_clusters(day: Day, path: str, links_path: str) -> None:
    """Write the day's labelled documents below ``path`` and its links below ``links_path``."""
    from pyspark.sql import functions as F

    from dataset_platform.engines.spark import spark_schema

    storage.delete(links_path)
    documents = day.table(FilteredDocuments).read_spark(day.spark, day.key)
    above = day.upstream(FilteredDocuments).rows_kept
    if above + _index_rows(day) <= day.config.web.dedup.in_memory_documents:
        verdicts = _judge_in_memory(day, links_path)
        labelled = documents.join(F.broadcast(day.spark.createDataFrame(verdicts)), "doc_id")
    else:
        labelled = _judge_in_spark(day, documents, links_path)
    schema = spark_schema(DedupedCorpus.labelled_schema())
    have = set(labelled.columns)
    columns = [(F.col(f.name) if f.name in have else F.lit(None)).cast(f.dataType).alias(f.name) for f in schema]
    labelled.select(*columns).write.parquet(storage.spark_url(path))


def _index_rows(day: Day) -> int:
    index = day.table(SignatureIndex)
    return sum(count_rows(index, d) for d in index.days() if d < day.key)


def _judge_in_memory(day: Day, links_path: str) -> pa.Table:
    """Verdicts of the day by the in-memory kernel; index, links and candidate texts are read through delta-rs."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from dataset_platform.kernels.web import duplicates

    columns = SignatureIndex.column_names()
    first, this = (pa.scalar(d).cast(pa.date32()) for d in (day.settings.first_day.isoformat(), day.key))
    date = pc.field("ingestion_date")
    before = (date >= first) & (date < this)
    filtered = day.table(FilteredDocuments)

    def texts(doc_ids: Sequence[str]) -> list[str]:
        wanted = pc.field("doc_id").isin(pa.array(doc_ids, pa.string())) & (date >= first) & (date <= this)
        found = filtered.read(columns=["doc_id", "text", "ingestion_date"], where=wanted)
        # a record that landed on two days counts with the text of the first
        found = found.sort_by([("ingestion_date", "descending")])
        by_id = dict(zip(found.column("doc_id").to_pylist(), found.column("text").to_pylist(), strict=True))
        return [by_id[doc_id] for doc_id in doc_ids]

    links, verdicts = duplicates.judge(
        today=filtered.read(day.key, columns),
        earlier=day.table(SignatureIndex).read(columns=columns, where=before),
        old_links=day.table(DuplicateLinks).read(columns=["doc_id", "linked_doc_id"], where=before),
        texts=texts,
        config=day.config.web.dedup,
    )
    sink = pa.BufferOutputStream()
    pq.write_table(links, sink)
    storage.write_bytes(join(links_path, "part-0.parquet"), sink.getvalue().to_pybytes())
    return verdicts


def _judge_in_spark(day: Day, documents: DataFrame, links_path: str) -> DataFrame:
    """The day's documents labelled by the distributed version."""
    from pyspark.sql import functions as F

    from dataset_platform.engines import dedup
    from dataset_platform.engines.spark import spark_schema

    spark, config = day.spark, day.config.web.dedup
    date, this = F.col("ingestion_date"), F.lit(day.key).cast("date")
    first = F.lit(day.settings.first_day.isoformat()).cast("date")
    before = (date < this) & (date >= first)
    index_columns = SignatureIndex.column_names()
    texts = day.table(FilteredDocuments).read_spark(spark).where((date <= this) & (date >= first))
    inputs, landed = dedup.without_landed(
        dedup.DayInputs(
            today=documents.select(*index_columns),
            earlier=day.table(SignatureIndex).read_spark(spark).where(before).select(*index_columns),
            texts=texts.select("doc_id", "text", "ingestion_date"),
            links=day.table(DuplicateLinks).read_spark(spark).where(before).select("doc_id", "linked_doc_id"),
        )
    )
    dedup.find_links(inputs, config).write.parquet(storage.spark_url(links_path))
    links = spark.read.schema(spark_schema(DuplicateLinks.data_schema())).parquet(storage.spark_url(links_path))
    return dedup.label_duplicates(documents, dedup.clusters(spark, inputs, links), links, landed)


def _publish_state(day: Day, links_path: str) -> None:
    """Write the day's signatures and links, replacing what it wrote before."""
    from pyspark.sql import functions as F

    from dataset_platform.engines.spark import spark_schema

    spark, partition = day.spark, {"ingestion_date": day.key}
    earlier = day.table(SignatureIndex).read_spark(spark).where(F.col("ingestion_date") < F.lit(day.key).cast("date"))
    todays = day.table(FilteredDocuments).read_spark(spark, day.key).select(*SignatureIndex.data_schema().names)
    signatures = todays.join(earlier.select("doc_id"), "doc_id", "left_anti").select(*todays.columns)
    day.table(SignatureIndex).replace_partition_from_spark(signatures, partition)
    links = spark.read.schema(spark_schema(DuplicateLinks.data_schema())).parquet(storage.spark_url(links_path))
    day.table(DuplicateLinks).replace_partition_from_spark(links, partition)
    storage.delete(links_path)


def clear_state(day: Day) -> None:
    """Take a day without documents out of the index and the links."""
    for contract in (SignatureIndex, DuplicateLinks):
        day.table(contract).clear_partition({"ingestion_date": day.key})
