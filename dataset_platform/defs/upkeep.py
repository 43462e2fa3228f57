"""Upkeep as Dagster sees it: an op per table, so that a table that fails does so alone and can be run again alone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from dataset_platform.defs.metadata import Metadata, markdown_table
from dataset_platform.defs.stages import STAGES, as_failure
from dataset_platform.lake.upkeep.shapes import contracts_of_tables
from dataset_platform.settings import Settings

if TYPE_CHECKING:
    from dataset_platform.lake.upkeep.dedup_state import StateSize, Trimmed
    from dataset_platform.lake.upkeep.leftovers import Leftover
    from dataset_platform.lake.upkeep.tables import TableUpkeep, Work

TABLES = {contract.table_name(): contract for contract in contracts_of_tables()}
LISTED = 20
"""Files and days that are shown one by one."""


def table_op(work: "Work", table: str) -> dg.OpDefinition:
    """The op that compacts or vacuums one table; a table that is being written is left for the next run, with a warning."""
    does = "Merge small files and write a checkpoint" if work == "compact" else "Delete replaced files past retention"

    @dg.op(name=f"{work}__{table.replace('/', '__')}", description=f"{does}: {table}.", tags={"table": table})
    def run(context: dg.OpExecutionContext) -> None:
        from dataset_platform.config import load_config
        from dataset_platform.lake.tables import LakeTable
        from dataset_platform.lake.upkeep.tables import keep_table

        with as_failure():
            there = LakeTable(TABLES[table], Settings.from_env().lake)
            if not there.exists():
                context.add_output_metadata({"note": "not written yet"})
                return
            done = keep_table(there, load_config().upkeep, (work,))
        if done.skipped:
            context.log.warning(f"{table} is left for the next run: {done.skipped}")
        metadata = table_metadata(done)
        if table in STAGES:  # plotted over time on the asset's own page, too
            context.log_event(dg.AssetObservation(asset_key=table.split("/"), metadata=metadata))
        context.add_output_metadata(metadata)

    return run


def table_metadata(done: "TableUpkeep") -> Metadata:
    """What upkeep did to a table."""
    found: Metadata = {
        "files_before": done.files_before,
        "files_after": done.files_after,
        "bytes_before": done.bytes_before,
        "bytes_after": done.bytes_after,
        "merged_files": done.merged_files,
        "deleted_files": done.deleted_files,
        "deleted_bytes": done.deleted_bytes,
        "log_files_removed": done.log_files_removed,
        "delta_version": done.version_after,
        "seconds": done.seconds,
    }
    if done.checkpoint is not None:
        found["checkpoint"] = done.checkpoint
    if done.skipped:
        found["skipped"] = done.skipped
    if done.deleted:
        found["deleted"] = dg.MetadataValue.json(done.deleted[:LISTED])
    return found


@dg.op(description="Remove staged days, half-written files and locks that killed and failed runs left behind.")
def leftovers(context: dg.OpExecutionContext) -> None:
    """Remove what is older than ``upkeep.leftover_hours`` and belongs to no running day."""
    from dataset_platform.config import load_config
    from dataset_platform.lake.upkeep.leftovers import remove_leftovers

    with as_failure():
        found = remove_leftovers(Settings.from_env(), load_config().upkeep.leftover_hours)
    context.add_output_metadata(
        {
            "removed": len(found.removed),
            "removed_files": sum(len(one.paths) for one in found.removed),
            "removed_bytes": sum(one.bytes for one in found.removed),
            "held_by_runs": len(found.held),
            "list": dg.MetadataValue.md(_leftover_list(found.removed)),
        }
    )


def _leftover_list(found: "Sequence[Leftover]") -> str:
    rows = [
        {"path": o.path, "kind": o.kind, "files": len(o.paths), "bytes": o.bytes, "age_hours": o.age_hours}
        for o in found[:LISTED]
    ]
    return markdown_table(["path", "kind", "files", "bytes", "age_hours"], rows) if rows else "none"


@dg.op(
    description="Measure the state of dedup (index, links, spans), warn when it is large, drop days outside its window."
)
def dedup_state(context: dg.OpExecutionContext) -> None:
    """Report the state of dedup per day and in total, after taking out what lies outside ``web.dedup.window_days``."""
    from dataset_platform.config import load_config
    from dataset_platform.lake.upkeep.dedup_state import growth_warning, state_sizes, trim_state

    lake = Settings.from_env().lake
    with as_failure():
        config = load_config()
        window = config.web.dedup.window_days
        trimmed = trim_state(lake, window, config.upkeep.lock_wait_s) if window is not None else []
        sizes = state_sizes(lake)
    warning = growth_warning(sizes, config.upkeep.dedup_state_warn_gib)
    if warning:
        context.log.warning(warning)
    context.add_output_metadata(state_metadata(sizes, trimmed, warning))


def state_metadata(sizes: "Sequence[StateSize]", trimmed: "Sequence[Trimmed]", warning: str) -> Metadata:
    """Rows and bytes of the state, in total and of its latest days."""
    found: Metadata = {
        "rows": sum(s.rows for s in sizes),
        "bytes": sum(s.bytes for s in sizes),
        "trimmed_rows": sum(t.rows for t in trimmed),
    }
    rows = [
        {"table": s.table, "day": day, "rows": count, "bytes": size}
        for s in sizes
        for day, (count, size) in list(s.days.items())[-LISTED:]
    ]
    for size in sizes:
        name = size.table.rpartition("/")[2]
        found |= {f"{name}_rows": size.rows, f"{name}_bytes": size.bytes, f"{name}_days": len(size.days)}
    if rows:
        found["latest_days"] = dg.MetadataValue.md(markdown_table(["table", "day", "rows", "bytes"], rows))
    if warning:
        found["warning"] = warning
    return found
