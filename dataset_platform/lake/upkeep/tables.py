"""Upkeep of one table: compaction, its log, vacuum; and the account of what was done."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from dataset_platform.config import UpkeepConfig
from dataset_platform.engines.progress import report
from dataset_platform.errors import LockedError
from dataset_platform.lake.locks import lock
from dataset_platform.lake.tables import LakeTable
from dataset_platform.lake.upkeep.compaction import compact
from dataset_platform.lake.upkeep.logs import tidy_log
from dataset_platform.lake.upkeep.shapes import shape_of
from dataset_platform.lake.upkeep.vacuum import check_retention, keep_for, vacuum

Work = Literal["compact", "vacuum"]
ALL_WORK: tuple[Work, ...] = ("compact", "vacuum")


@dataclass
class TableUpkeep:
    """What upkeep did to a table; in a dry run, what it would do.

    Attributes:
        files_before, files_after, bytes_before, bytes_after: of the newest version, at the start and at the end.
        merged_files: small files that compaction rewrote; in a dry run an upper bound.
        checkpoint: version that got a checkpoint.
        log_files_removed: commits and checkpoints older than the log's retention.
        deleted_files, deleted_bytes: what vacuum deleted.
        skipped: why the table, or the rest of the work on it, was left for the next time; empty when all was done.
    """

    table: str
    version_before: int
    version_after: int
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    merged_files: int = 0
    checkpoint: int | None = None
    log_files_removed: int = 0
    deleted_files: int = 0
    deleted_bytes: int = 0
    deleted: list[str] = field(default_factory=list, repr=False)
    skipped: str = ""
    seconds: float = 0.0


def keep_table(
    table: LakeTable,
    config: UpkeepConfig,
    work: Collection[Work] = ALL_WORK,
    retention_hours: int | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> TableUpkeep:
    """Do upkeep of a table. A table that is being written is waited for, then left with the reason in ``skipped``.

    Args:
        retention_hours: instead of the settings' retention.
        force: also where the retention is under the safe floor.

    Raises:
        ConfigError: the retention is under the floor and not forced, or longer than the lake keeps.
        LockedError: it is under the floor, and runs are going on.
        StateError: the table was never written.
    """
    from deltalake.exceptions import CommitFailedError

    hours = config.retention_hours if retention_hours is None else retention_hours
    if "vacuum" in work:
        check_retention(table.lake_root, hours, config.retention_hours, force)
    started = time.monotonic()
    name = table.contract.table_name()
    report(name)
    before = shape_of(table)
    done = TableUpkeep(name, before.version, before.version, before.files, before.files, before.bytes, before.bytes)
    try:
        if dry_run:
            _work(table, config, work, hours, done, dry_run)
        else:
            with lock(table.lake_root, f"{name} upkeep", wait_s=0):
                _work(table, config, work, hours, done, dry_run)
    except LockedError as error:
        done.skipped = error.message
    except CommitFailedError as error:
        done.skipped = f"something that takes no locks writes {name}: {str(error).splitlines()[0]}"
    after = shape_of(table)
    done.version_after, done.files_after, done.bytes_after = after.version, after.files, after.bytes
    done.seconds = round(time.monotonic() - started, 3)
    return done


def _work(
    table: LakeTable, config: UpkeepConfig, work: Collection[Work], hours: int, done: TableUpkeep, dry_run: bool
) -> None:
    if "compact" in work:
        done.merged_files = compact(table, config.target_file_mib * 2**20, config.lock_wait_s, dry_run).rewritten
    if not dry_run:
        keep_for(table, config.retention_hours, config.lock_wait_s)
    if "vacuum" in work:
        gone = vacuum(table, hours, config.lock_wait_s, dry_run)
        done.deleted, done.deleted_files, done.deleted_bytes = gone.files, len(gone.files), gone.bytes
    log = tidy_log(table, config.checkpoint_commits, dry_run)
    done.checkpoint, done.log_files_removed = log.checkpoint, log.removed
