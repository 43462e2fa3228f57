"""``upkeep``: the lake's tables, leftovers and the state of dedup; a table of what was done, exit code out."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from deltalake.exceptions import DeltaError
from rich.table import Table

from dataset_platform.cli import output
from dataset_platform.cli.read import contract_of
from dataset_platform.config import PlatformConfig, load_config
from dataset_platform.errors import PlatformError, StateError
from dataset_platform.lake.tables import LakeTable
from dataset_platform.lake.upkeep.dedup_state import StateSize, Trimmed, growth_warning, state_sizes, trim_state
from dataset_platform.lake.upkeep.leftovers import Leftover, Removed, remove_leftovers
from dataset_platform.lake.upkeep.shapes import existing_tables
from dataset_platform.lake.upkeep.tables import TableUpkeep, keep_table
from dataset_platform.lake.upkeep.vacuum import check_retention
from dataset_platform.settings import Settings

MIB = 2**20


@dataclass(frozen=True)
class UpkeepOptions:
    """Flags of ``upkeep``; see its help."""

    dry_run: bool = False
    table: str = ""
    retention_hours: int | None = None
    force: bool = False


@dataclass
class UpkeepReport:
    """All that came of the command."""

    tables: list[TableUpkeep] = field(default_factory=list)
    leftovers: Removed = field(default_factory=lambda: Removed([], []))
    trimmed: list[Trimmed] = field(default_factory=list)
    state: list[StateSize] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)  # table, one line

    @property
    def ok(self) -> bool:
        """Whether all that was asked for was done."""
        return not self.failures and not any(t.skipped for t in self.tables)


def run_upkeep(options: UpkeepOptions, as_json: bool) -> int:
    """The ``upkeep`` command; its exit code.

    Raises:
        ConfigError: no such table, or a retention that is not safe or longer than the lake keeps.
        LockedError: a forced retention while runs are going on.
        StateError: the table named, or any table at all, was never written.
    """
    settings, config = Settings.from_env(), load_config()
    hours = config.upkeep.retention_hours if options.retention_hours is None else options.retention_hours
    check_retention(settings.lake, hours, config.upkeep.retention_hours, options.force)
    tables = _tables(settings, options.table)
    report = UpkeepReport()
    with output.progress():
        for table in tables:
            _keep(table, config, options, report)
        if not options.table:
            _keep_rest(settings, config, options.dry_run, report)
    _say(report, options.dry_run)
    if as_json:
        print(json.dumps(_content(report, options.dry_run, hours)), flush=True)
    return 0 if report.ok else 1


def _tables(settings: Settings, name: str) -> list[LakeTable]:
    tables = [LakeTable(contract_of(name), settings.lake)] if name else existing_tables(settings.lake)
    if not tables:
        raise StateError(
            f"There are no tables in {settings.lake} yet.", "Run: dataset-platform materialize --partitions A:B"
        )
    for table in tables:
        table.delta()  # says how to make a table that was never written
    return tables


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _keep(table: LakeTable, config: PlatformConfig, options: UpkeepOptions, report: UpkeepReport) -> None:
    try:
        done = keep_table(
            table,
            config.upkeep,
            retention_hours=options.retention_hours,
            force=options.force,
            dry_run=options.dry_run,
        )
    except (PlatformError, OSError, DeltaError) as error:
        report.failures.append((table.contract.table_name(), _line(error)))
        return
    report.tables.append(done)


def _keep_rest(settings: Settings, config: PlatformConfig, dry_run: bool, report: UpkeepReport) -> None:
    window = config.web.dedup.window_days
    if window is not None:
        try:
            report.trimmed = trim_state(settings.lake, window, config.upkeep.lock_wait_s, dry_run)
        except (PlatformError, OSError, DeltaError) as error:
            report.failures.append(("state of dedup", _line(error)))
    report.state = state_sizes(settings.lake)
    warning = growth_warning(report.state, config.upkeep.dedup_state_warn_gib)
    report.warnings += [warning] if warning else []
    try:
        report.leftovers = remove_leftovers(settings, config.upkeep.leftover_hours, dry_run)
    except (PlatformError, OSError) as error:
        report.failures.append(("leftovers", _line(error)))


def _say(report: UpkeepReport, dry_run: bool) -> None:
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    drawn.add_column("table", no_wrap=True)
    for name in ("version", "files", "MiB", "merged", "deleted", "MiB freed", "checkpoint", "seconds"):
        drawn.add_column(name, justify="right", no_wrap=True)
    for t in report.tables:
        drawn.add_row(
            t.table,
            _change(t.version_before, t.version_after),
            _change(t.files_before, t.files_after),
            _change(f"{t.bytes_before / MIB:,.1f}", f"{t.bytes_after / MIB:,.1f}"),
            f"{t.merged_files:,}",
            f"{t.deleted_files:,}",
            f"{t.deleted_bytes / MIB:,.1f}",
            "–" if t.checkpoint is None else str(t.checkpoint),
            f"{t.seconds:.1f}",
        )
    output.out.print(drawn)
    would = "would be " if dry_run else ""
    for left in report.leftovers.removed:
        output.announce(f"  {would}removed: {_leftover_line(left)}")
    for left in report.leftovers.held:
        output.announce(f"  kept, a run holds its day: {_leftover_line(left)}")
    for trim in report.trimmed:
        output.announce(
            f"  {would}taken out of {trim.table}: {trim.rows:,} rows of {trim.days} days outside the window"
        )
    for size in report.state:
        output.announce(f"  {size.table}: {size.rows:,} rows, {size.bytes / MIB:,.1f} MiB, {len(size.days)} days")
    for warning in report.warnings:
        output.announce(f"WARN {warning}")
    for t in report.tables:
        if t.skipped:
            output.announce(f"SKIPPED {t.table}: {t.skipped}")
    for name, line in report.failures:
        output.announce(f"FAILED {name}: {line}")


def _change(before: object, after: object) -> str:
    return str(before) if before == after else f"{before} → {after}"


def _leftover_line(left: Leftover) -> str:
    files = "1 file" if len(left.paths) == 1 else f"{len(left.paths):,} files"
    return f"{left.kind} {left.path} ({files}, {left.bytes / MIB:,.1f} MiB, {left.age_hours:,.0f} hours old)"


def _content(report: UpkeepReport, dry_run: bool, hours: int) -> dict[str, Any]:
    def left(found: list[Leftover]) -> list[dict[str, Any]]:
        return [asdict(one) | {"paths": list(one.paths)} for one in found]

    return {
        "dry_run": dry_run,
        "retention_hours": hours,
        "tables": [asdict(t) for t in report.tables],
        "leftovers": {"removed": left(report.leftovers.removed), "held": left(report.leftovers.held)},
        "dedup_state": {"sizes": [asdict(s) for s in report.state], "trimmed": [asdict(t) for t in report.trimmed]},
        "warnings": report.warnings,
        "failures": [{"table": name, "message": line} for name, line in report.failures],
    }
