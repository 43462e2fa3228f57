"""Vacuum: files that no version within the retention refers to are deleted, also those that were never committed."""

from __future__ import annotations

from dataclasses import dataclass, field

from dataset_platform.config import SAFE_RETENTION_HOURS
from dataset_platform.errors import ConfigError, LockedError
from dataset_platform.lake import storage
from dataset_platform.lake.locks import lock
from dataset_platform.lake.tables import LakeTable
from dataset_platform.lake.upkeep.held_days import live_runs

DELTA_RETENTION_HOURS = 168  # Delta's default of delta.deletedFileRetentionDuration
DELTA_LOG_HOURS = 720  # … and of delta.logRetentionDuration


@dataclass(frozen=True)
class Vacuumed:
    """Files deleted, or in a dry run those that would be: paths relative to the table, and their bytes."""

    files: list[str] = field(default_factory=list)
    bytes: int = 0


def check_retention(lake_root: str, hours: int, kept_hours: int, force: bool) -> None:
    """Refuse a retention that may break runs, or that the lake cannot give.

    Args:
        hours: the retention asked for.
        kept_hours: the retention in the settings.

    Raises:
        ConfigError: ``hours`` is under the safe floor and not forced, or over what the lake keeps.
        LockedError: it is forced, and runs are going on.
    """
    if hours > kept_hours:
        raise ConfigError(
            f"A retention of {hours} hours is longer than what this lake keeps ({kept_hours}).",
            "Set upkeep.retention_hours to keep more from then on.",
        )
    if hours >= SAFE_RETENTION_HOURS:
        return
    if not force:
        raise ConfigError(
            f"A retention of {hours} hours may delete files that a run is still writing or reading "
            f"(at least {SAFE_RETENTION_HOURS} is safe).",
            "Give more hours, or add --force when nothing runs.",
        )
    live = live_runs(lake_root)
    if live:
        raise LockedError(
            f"A retention of {hours} hours would delete files under a run: {', '.join(live[:3])} is being written.",
            "Let it finish, or give a longer retention.",
        )


def vacuum(table: LakeTable, hours: int, wait_s: float, dry_run: bool = False) -> Vacuumed:
    """Delete files that versions of the last ``hours`` do not refer to; nothing is committed where there are none.

    Raises:
        LockedError: another run held the table for ``wait_s``, or ``hours`` are few and runs began meanwhile.
        StateError: the table was never written.
    """
    # listing needs no lock; the checks of age are delta-rs's own, those of the floor are ours
    sizes = {f.path[len(table.url) + 1 :]: f.size_bytes for f in storage.list_files(table.url)}
    found = _vacuum(table, hours, dry_run=True) & sizes.keys()
    if found and not dry_run:
        with lock(table.lake_root, table.contract.table_name(), wait_s):
            if hours < SAFE_RETENTION_HOURS and (live := live_runs(table.lake_root)):
                raise LockedError(f"{', '.join(live[:3])} began meanwhile.", "Let it finish, then run upkeep again.")
            found = _vacuum(table, hours, dry_run=False) & sizes.keys()
    return Vacuumed(sorted(found), sum(sizes[path] for path in found))


def _vacuum(table: LakeTable, hours: int, dry_run: bool) -> set[str]:
    """Paths relative to the table; delta-rs also names replaced files that are gone already, and these by full path."""
    found = table.delta().vacuum(retention_hours=hours, dry_run=dry_run, enforce_retention_duration=False, full=True)
    return {path.removeprefix(f"{table.url}/") for path in found}


def keep_for(table: LakeTable, hours: int, wait_s: float) -> bool:
    """Make the table's checkpoints and log remember replaced files for ``hours``; whether that needed a commit.

    Delta's defaults do for a week of files and thirty days of versions; what is longer is a property of the table.

    Raises:
        LockedError: another run held the table for ``wait_s``.
    """
    wanted = {}
    if hours > DELTA_RETENTION_HOURS:
        wanted["delta.deletedFileRetentionDuration"] = f"interval {hours} hours"
    if hours > DELTA_LOG_HOURS:
        wanted["delta.logRetentionDuration"] = f"interval {hours} hours"
    there = table.delta().metadata().configuration
    missing = {name: value for name, value in wanted.items() if there.get(name) != value}
    if not missing:
        return False
    with lock(table.lake_root, table.contract.table_name(), wait_s):
        table.delta().alter.set_table_properties(missing)
    return True
