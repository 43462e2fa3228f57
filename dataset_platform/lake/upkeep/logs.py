"""Delta logs: a checkpoint now and then, so that opening a table reads one file and few commits, however many days it has.

Log entries older than the log's retention (thirty days) and than a checkpoint go, and with them the versions that could
be named for ``read --as-of``. Works on tables that Spark wrote, too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from dataset_platform.lake import storage
from dataset_platform.lake.tables import LakeTable
from dataset_platform.settings import join

LOG = "_delta_log"


@dataclass(frozen=True)
class LogWork:
    """The version that got a checkpoint (None: none was due), and log files that were removed."""

    checkpoint: int | None = None
    removed: int = 0


def tidy_log(table: LakeTable, every: int, dry_run: bool = False) -> LogWork:
    """Write a checkpoint when ``every`` commits have come since the last, and remove what the log need not keep.

    Raises:
        StateError: the table was never written.
    """
    delta = table.delta()
    version = delta.version()
    due = version - last_checkpoint(table) >= every
    if dry_run:
        return LogWork(version if due else None)
    before = _log_files(table)
    if due:
        delta.create_checkpoint()
    delta.cleanup_metadata()
    return LogWork(version if due else None, len(before - _log_files(table)))


def _log_files(table: LakeTable) -> set[str]:
    return {f.path for f in storage.list_files(join(table.url, LOG))}


def last_checkpoint(table: LakeTable) -> int:
    """Version of the newest checkpoint; -1 when there is none."""
    try:
        return int(json.loads(storage.read_bytes(join(table.url, LOG, "_last_checkpoint")))["version"])
    except FileNotFoundError:
        return -1
