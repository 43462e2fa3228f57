"""The web lane: WARC files → documents → filtered documents → deduplicated corpus."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import resources
from typing import TYPE_CHECKING, BinaryIO

import dagster as dg
import xxhash

from dataset_platform.contracts import DedupedCorpus, Documents, FilteredDocuments, RawWarcs
from dataset_platform.defs.days import Day, Staged
from dataset_platform.defs.metadata import counts_of, funnel, histogram, sample
from dataset_platform.defs.stages import table_asset
from dataset_platform.defs.web.dedup import compute_deduped
from dataset_platform.defs.web.dedup_staleness import LATER_DAYS_CURRENT, outdated
from dataset_platform.errors import ConfigError

if TYPE_CHECKING:
    from dataset_platform.config import PlatformConfig
    from dataset_platform.engines.kernel import Kernel
    from dataset_platform.kernels.web.documents import DocumentsConfig

TEXT_COLUMNS = ("doc_id", "url", "language", "language_score", "text_length", "text")


def list_raw(day: Day) -> Staged:
    """The inventory of the day's raw folder."""
    import pyarrow as pa

    from dataset_platform.lake import storage
    from dataset_platform.lake.inventory import warc_inventory

    rows, ignored = warc_inventory(day.settings, day.key)
    where = day.settings.raw_day("web", day.key)
    if not rows.num_rows:
        passed_over = f" ({len(ignored)} other files there, for example {ignored[0]})" if ignored else ""
        return Staged(None, 0, note=f"no .warc, .warc.gz or .warc.zst files under {where}{passed_over}")

    def write(path: str) -> None:
        import pyarrow.parquet as pq

        labelled = RawWarcs.labelled_schema()
        blanks = [pa.nulls(rows.num_rows, f.type) for f in labelled if f.name not in rows.column_names]
        table = pa.Table.from_arrays([*rows.columns, *blanks], schema=labelled)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        storage.write_bytes(f"{path}/part-0.parquet", sink.getvalue().to_pybytes())

    listing = xxhash.xxh3_128_hexdigest(repr(rows.to_pylist()).encode())
    return Staged(write, rows.num_rows, {"raw": listing}, in_process=True)


def opener(raw_root: str) -> Callable[[str], tuple[BinaryIO, int]]:
    """Opens an inventory path; picklable, so that workers open files themselves."""

    def open_input(path: str) -> tuple[BinaryIO, int]:
        from dataset_platform.lake import storage
        from dataset_platform.settings import is_url, join

        return storage.open_input(path if is_url(path) else join(raw_root, path))

    return open_input


def documents_kernel(day: Day) -> Kernel:
    """The kernel that reads the day's WARC files."""
    from dataset_platform.kernels.web.documents import extract_documents
    from dataset_platform.setup.lid_model import lid_model_path

    return extract_documents(documents_config(day.config), str(lid_model_path()), opener(day.settings.raw))


def documents_config(config: PlatformConfig) -> DocumentsConfig:
    """Settings of the documents stage, the content of the blocklist file included.

    Raises:
        ConfigError: the file cannot be read.
    """
    from dataset_platform.lake import storage

    named = config.web.url_blocklist_file
    if not named:
        return config.web.documents
    try:
        lines = storage.read_bytes(os.path.expanduser(named)).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"Cannot read the blocklist {named}: {e}.", "Mend web.url_blocklist_file.") from None
    entries = (line.strip() for line in lines)
    blocked = tuple(entry for entry in entries if entry and not entry.startswith("#"))
    return config.web.documents.model_copy(update={"url_blocklist": (*config.web.documents.url_blocklist, *blocked)})


def extraction_model() -> str:
    """Fingerprint of the model that extracts: with another one, days of documents are stale."""
    model = resources.files("dataset_platform.kernels.web").joinpath("extraction", "model.npz")
    return xxhash.xxh3_64_hexdigest(model.read_bytes())[:8]


def filters_kernel(day: Day) -> Kernel:
    """The kernel that measures and filters."""
    from dataset_platform.kernels.web.filters import filter_documents

    return filter_documents(day.config.web.filters)


raw_warcs = table_asset(
    RawWarcs,
    compute=list_raw,
    shows=[histogram("size_bytes"), sample(10)],
    kinds=("s3", "delta"),
    tags={"layer": "raw"},
)

documents = table_asset(
    Documents,
    reads=RawWarcs,
    kernel=documents_kernel,
    section=documents_config,
    version=f"2-{extraction_model()}",
    tallies=True,
    settle=("warc_date DESC NULLS LAST", "file", "offset"),
    shows=[
        funnel(),
        counts_of("language"),
        counts_of("extraction"),
        histogram("text_length"),
        sample(5, (*TEXT_COLUMNS, "extraction", "extraction_confidence")),
    ],
)

filtered_documents = table_asset(
    FilteredDocuments,
    reads=Documents,
    kernel=filters_kernel,
    section=lambda config: config.web.filters,
    version="2",
    shows=[funnel(), counts_of("language"), histogram("word_count"), sample(5, TEXT_COLUMNS)],
)

deduped_corpus = table_asset(
    DedupedCorpus,
    reads=FilteredDocuments,
    compute=compute_deduped,
    section=lambda config: config.web.dedup,
    version="2",
    deps=[
        # a day is judged on all earlier ones, so Dagster runs the days in order
        dg.AssetDep(
            dg.AssetKey(["web", "deduped_corpus"]),
            partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1),
        )
    ],
    shows=[
        funnel(),
        counts_of("language"),
        histogram("cluster_size"),
        outdated,
        sample(5, (*TEXT_COLUMNS, "cluster_size")),
    ],
    extra_checks=(LATER_DAYS_CURRENT,),
)

ASSETS = [raw_warcs, documents, filtered_documents, deduped_corpus]
