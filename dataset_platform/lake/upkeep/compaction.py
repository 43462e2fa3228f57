"""Compaction: small files of a partition become few of a target size; rows, and what receipts say of them, stay.

delta-rs reads and writes the files and commits the exchange with ``dataChange`` false. It works batch of days by batch of
days, each under the table's lock, so that writers wait for one batch at most and a kill loses one batch at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from dataset_platform.contracts import PARTITION_COLUMN
from dataset_platform.engines.progress import report
from dataset_platform.lake.locks import lock
from dataset_platform.lake.tables import LakeTable
from dataset_platform.lake.upkeep.shapes import files_of

if TYPE_CHECKING:
    from deltalake import WriterProperties

BATCH_BYTES = 2**30
ROW_GROUP_BYTES = 32 * 2**20
ROW_GROUP_ROWS = (64, 131_072)  # fewest and most
CONCURRENT_TASKS = 2  # each holds about one target file in memory
COMMIT_TRIES = 3
STATISTICS_CHARS = 64  # the log would hold the longest text of each file otherwise


@dataclass(frozen=True)
class Compaction:
    """What was done: files taken away, and those put in their place; ``rewritten`` is an upper bound in a dry run."""

    rewritten: int = 0
    written: int = 0


def compact(table: LakeTable, target_bytes: int, wait_s: float, dry_run: bool = False) -> Compaction:
    """Merge small files within each partition.

    Raises:
        LockedError: another run held the table for ``wait_s``; batches before that are done.
        StateError: the table was never written.
        CommitFailedError: deltalake's; something that takes no locks writes the table.
    """
    found = files_of(table.delta(), table.contract.partition_columns())
    small = small_files(found, target_bytes)
    if dry_run:
        return Compaction(rewritten=sum(count for count, _ in small.values()))
    properties = _writer_properties(found)
    rewritten = written = 0
    for days in batches({day: size for day, (_, size) in small.items()}, BATCH_BYTES):
        report(f"compact {table.contract.table_name()}: {days[0]} to {days[-1]} · {rewritten} files merged")
        with lock(table.lake_root, table.contract.table_name(), wait_s):
            metrics = _optimize(table, days, target_bytes, properties)
        rewritten, written = rewritten + metrics["numFilesRemoved"], written + metrics["numFilesAdded"]
    return Compaction(rewritten, written)


def small_files(files: pa.Table, target_bytes: int) -> dict[str, tuple[int, int]]:
    """Day → number and bytes of the files that may be merged; days where no two fit into one file are left out."""
    columns = [name for name in files.column_names if name not in ("size_bytes", "num_records")]
    partitions: dict[tuple[str, ...], list[int]] = {}
    for row in files.select([*columns, "size_bytes"]).to_pylist():
        partitions.setdefault(tuple(row[name] for name in columns), []).append(row["size_bytes"])
    found: dict[str, tuple[int, int]] = {}
    at = columns.index(PARTITION_COLUMN)
    for key, sizes in sorted(partitions.items()):
        small = sorted(size for size in sizes if size < target_bytes)
        if len(small) > 1 and small[0] + small[1] <= target_bytes:
            count, size = found.get(key[at], (0, 0))
            found[key[at]] = count + len(small), size + sum(small)
    return found


def batches(bytes_of: dict[str, int], limit: int) -> list[list[str]]:
    """Days in order, in groups of at most ``limit`` bytes or one day each."""
    groups: list[list[str]] = []
    filled = 0
    for day in sorted(bytes_of):
        if not groups or filled + bytes_of[day] > limit:
            groups.append([])
            filled = 0
        groups[-1].append(day)
        filled += bytes_of[day]
    return groups


def _optimize(table: LakeTable, days: list[str], target_bytes: int, properties: WriterProperties) -> dict[str, int]:
    from deltalake.exceptions import CommitFailedError

    for attempt in range(1, COMMIT_TRIES + 1):
        try:
            metrics: dict[str, int] = table.delta().optimize.compact(
                partition_filters=[(PARTITION_COLUMN, "in", days)],
                target_size=target_bytes,
                max_concurrent_tasks=CONCURRENT_TASKS,
                writer_properties=properties,
            )
            return metrics
        except CommitFailedError:
            if attempt == COMMIT_TRIES:
                raise
    raise AssertionError("unreachable")


def _writer_properties(files: pa.Table) -> WriterProperties:
    """Row groups by bytes, not rows: a row is a link of 60 bytes in one table and a camera picture in another.

    Statistics of every column are written: delta-rs 1.6 takes a column that has none, in a file that has some, for one
    without values, and readers that filter on it would miss its rows.
    """
    from deltalake import WriterProperties

    rows = sum(files.column("num_records").to_pylist()) or 1
    row_bytes = max(1, sum(files.column("size_bytes").to_pylist()) // rows)
    fewest, most = ROW_GROUP_ROWS
    return WriterProperties(
        compression="ZSTD",
        compression_level=3,
        max_row_group_size=max(fewest, min(most, ROW_GROUP_BYTES // row_bytes)),
        statistics_truncate_length=STATISTICS_CHARS,
    )
