"""Exports of a day's chain-of-thought traces: ``artifacts/driving/cot_traces/{version}/*.parquet``.

``version`` is the first 12 hex digits of a hash over the day and its rows (in any order): equal rows are the same
version, other rows another one. ``index.json`` beside the versions tells which one each day has; a version that its day
no longer has is removed, so all Parquet files below the folder are the traces of all days, each once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import orjson
import xxhash

from dataset_platform.contracts.reasoning import CotTraces
from dataset_platform.lake import storage
from dataset_platform.lake.locks import lock
from dataset_platform.lake.row_hashes import row_hashes
from dataset_platform.settings import Settings, join

if TYPE_CHECKING:
    import pyarrow as pa

VERSION_DIGITS = 12
ROWS_PER_FILE = 100_000
_LOCK = "driving/cot_traces exports"


def folder(artifacts: str) -> str:
    """Where the exports lie."""
    return join(artifacts, "driving", "cot_traces")


def index(artifacts: str) -> dict[str, str]:
    """Version of each day."""
    try:
        return dict(orjson.loads(storage.read_bytes(join(folder(artifacts), "index.json"))))
    except FileNotFoundError:
        return {}


def version_of(day: str, batches: Iterator[pa.RecordBatch]) -> tuple[str, int]:
    """Version and number of a day's rows."""
    content = rows = 0
    for batch in batches:
        content = (content + int(row_hashes(batch).sum(dtype="uint64"))) % 2**64
        rows += batch.num_rows
    return xxhash.xxh3_128_hexdigest(f"{day}\0{rows}\0{content:016x}".encode())[:VERSION_DIGITS], rows


def write(settings: Settings, day: str, kept: Callable[[], Iterator[pa.RecordBatch]]) -> str | None:
    """Write the day's traces as they are in the table, their day as a column; the version, None without rows.

    Args:
        kept: reads the day's rows, batch by batch.
    """
    version, rows = version_of(day, kept())
    if not rows:
        remove(settings, day)
        return None
    with lock(settings.lake, _LOCK):  # days may be written by several processes, and pointing clears what none names
        target = join(folder(settings.artifacts), version)
        storage.delete(target)  # a killed run, or one that wrote smaller files, may have left parts that are not ours
        _write_files(target, day, kept())
        _point(settings, day, version)
    return version


def remove(settings: Settings, day: str) -> None:
    """Take a day's export away."""
    with lock(settings.lake, _LOCK):
        if day in index(settings.artifacts):
            _point(settings, day, None)


def _write_files(target: str, day: str, batches: Iterator[pa.RecordBatch]) -> None:
    from datetime import date

    import pyarrow as pa
    import pyarrow.parquet as pq

    data = CotTraces.data_schema().remove_metadata()
    schema = data.append(pa.field("ingestion_date", pa.date32()))
    part = 0
    batch = next(batches, None)
    while batch is not None:
        written = 0
        path = join(target, f"part-{part:05d}.parquet")
        with storage.open_output(path) as sink, pq.ParquetWriter(sink, schema, compression="zstd") as writer:
            while batch is not None and written < ROWS_PER_FILE:
                days = pa.array([date.fromisoformat(day)] * batch.num_rows, pa.date32())
                writer.write_batch(pa.RecordBatch.from_arrays([*batch.columns, days], schema=schema))
                written += batch.num_rows
                batch = next(batches, None)
        part += 1


def _point(settings: Settings, day: str, version: str | None) -> None:
    """Let the index name a day's version, and remove what it names no more, also what a killed run left."""
    versions = index(settings.artifacts)
    versions.pop(day, None)
    if version is not None:
        versions[day] = version
    body = orjson.dumps(versions, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    storage.write_bytes(join(folder(settings.artifacts), "index.json"), body)
    for name in storage.list_folders(folder(settings.artifacts)):
        if name not in versions.values():
            storage.delete(join(folder(settings.artifacts), name))
