"""How ``web/deduped_corpus`` computes a day: links against all earlier days, clusters, keepers; and its state.

State is two tables written just before the corpus itself: the signature index (what later days compare with) and the
links found on the day. Both are read for days before this one only, so materializing a day again changes nothing.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from dataset_platform.contracts import DedupedCorpus, DuplicateLinks, FilteredDocuments, SignatureIndex
from dataset_platform.defs.stages import Day, Staged
from dataset_platform.errors import StateError
from dataset_platform.lake import locks, receipts, storage
from dataset_platform.lake.inventory import days_with_files
from dataset_platform.settings import join

if TYPE_CHECKING:
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
        if receipt is not None and receipt.rows_in:
            inputs[f"{CORPUS}@{earlier}"] = receipt.content_hash
    if not above.rows_kept:
        clear_state(day)
        return Staged(None, 0, inputs, note=f"{FilteredDocuments.table_name()} has no rows")
    links_path = join(lake, "_staging", DuplicateLinks.table_name(), day.key)

    def write(path: str) -> None:
        _write_clusters(day, path, links_path)

    def after(kept: DataFrame) -> None:
        _publish_state(day, links_path)

    return Staged(write, above.rows_kept, inputs, after)


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
    from pyspark.sql import functions as F

    from dataset_platform.engines import dedup
    from dataset_platform.engines.spark import spark_schema

    spark, config = day.spark, day.config.web.dedup
    before = F.col("ingestion_date") < F.lit(day.key).cast("date")
    index_columns = SignatureIndex.column_names()
    filtered = day.table(FilteredDocuments).read_spark(spark)
    documents = filtered.where(F.col("ingestion_date") == F.lit(day.key).cast("date"))
    first = F.col("ingestion_date") >= F.lit(day.settings.first_day.isoformat()).cast("date")
    inputs = dedup.DayInputs(
        today=documents.select(*index_columns),
        earlier=day.table(SignatureIndex).read_spark(spark).where(before & first).select(*index_columns),
        texts=filtered.where(F.col("ingestion_date") <= F.lit(day.key).cast("date")).select("doc_id", "text"),
        links=day.table(DuplicateLinks).read_spark(spark).where(before & first).select("doc_id", "linked_doc_id"),
    )
    inputs, landed = dedup.without_landed(inputs)
    inputs = replace(inputs, today=inputs.today.cache())
    storage.delete(links_path)
    dedup.find_links(inputs, config).write.parquet(storage.spark_url(links_path))
    links = spark.read.schema(spark_schema(DuplicateLinks.data_schema())).parquet(storage.spark_url(links_path))
    cluster = dedup.clusters(spark, inputs, links)
    labelled = dedup.label_duplicates(documents, cluster, links, landed)
    schema = spark_schema(DedupedCorpus.labelled_schema())
    have = set(labelled.columns)
    columns = [(F.col(f.name) if f.name in have else F.lit(None)).cast(f.dataType).alias(f.name) for f in schema]
    labelled.select(*columns).write.parquet(storage.spark_url(path))
    inputs.today.unpersist()


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
