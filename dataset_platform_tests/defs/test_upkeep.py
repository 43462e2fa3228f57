"""Upkeep in Dagster: a tick asks for a run, the run works table by table, and its figures are metadata."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from dataset_platform.contracts import RawWarcs
from dataset_platform.definitions import defs
from dataset_platform.defs.schedules import SCHEDULES, default_status
from dataset_platform.errors import ConfigError
from dataset_platform.lake.locks import lock
from dataset_platform.lake.tables import LakeTable
from dataset_platform.lake.upkeep.shapes import contracts_of_tables
from dataset_platform_tests.lake.upkeep.crowded_lake import DAYS, content, crowded, files_on_disk, set_back
from dataset_platform_tests.lake.upkeep.test_dedup_state import state


@pytest.fixture
def table(home: Path, monkeypatch: pytest.MonkeyPatch) -> LakeTable:
    (home.parent / "config.yaml").write_text("upkeep: {lock_wait_s: 0.2, dedup_state_warn_gib: 0.000000001}\n")
    monkeypatch.setenv("DATASET_PLATFORM_CONFIG", str(home.parent / "config.yaml"))
    state(str(home / "lake"))
    return crowded(str(home / "lake"))


def run(job: str, tags: dict[str, str] | None = None) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def(job).execute_in_process(
        instance=dg.DagsterInstance.ephemeral(), tags=tags, raise_on_error=False
    )


def figures(result: dg.ExecuteInProcessResult, op: str) -> dict:
    """Metadata of an op's output."""
    (event,) = [e for e in result.all_events if e.is_successful_output and e.step_key == op]
    return {name: value.value for name, value in event.event_specific_data.metadata.items()}


def test_a_tick_asks_for_a_run_that_compacts_every_table(table: LakeTable) -> None:
    rows = content(table)
    schedule = defs.resolve_schedule_def("daily_compaction")
    at = datetime(2026, 1, 8, 2, 30, tzinfo=UTC)
    with dg.build_schedule_context(scheduled_execution_time=at) as context:
        (request,) = schedule.evaluate_tick(context).run_requests
    result = run(schedule.job_name, request.tags)
    assert result.success
    shown = figures(result, "compact__web__raw_warcs")
    assert (shown["files_before"], shown["files_after"], shown["merged_files"]) == (12, len(DAYS), 12)
    assert content(table) == rows
    assert "not written yet" in figures(result, "compact__web__documents")["note"]
    (seen,) = [e for e in result.all_events if e.event_type == dg.DagsterEventType.ASSET_OBSERVATION]
    assert seen.asset_key == dg.AssetKey(["web", "raw_warcs"])
    assert seen.asset_observation_data.asset_observation.metadata["files_after"].value == len(DAYS)


def test_the_state_of_dedup_is_metadata_and_a_warning(table: LakeTable) -> None:
    result = run("compaction")
    shown = figures(result, "dedup_state")
    assert (shown["signature_index_rows"], shown["duplicate_links_rows"], shown["signature_index_days"]) == (14, 7, 7)
    assert shown["rows"] == 21
    assert shown["bytes"] > 0
    assert "| web/signature_index | 2026-01-11 | 2 |" in shown["latest_days"]
    assert "web.dedup.window_days" in shown["warning"]


def test_vacuum_deletes_what_was_replaced_past_the_retention_and_lists_it(table: LakeTable, home: Path) -> None:
    run("compaction")
    rows, version = content(table), table.version()
    set_back(table, dict.fromkeys(range(version + 1), 200.0))
    staged = home / "lake" / "_staging" / "x" / "y"
    result = run("vacuum")
    assert result.success
    shown = figures(result, "vacuum__web__raw_warcs")
    assert shown["deleted_files"] == len(shown["deleted"]) == 12
    assert len(files_on_disk(table)) == len(DAYS)
    assert content(table) == rows
    assert figures(result, "leftovers")["removed"] == 0
    assert not staged.exists()


def test_a_table_that_is_being_written_is_left_and_the_run_goes_on(table: LakeTable, home: Path) -> None:
    with lock(str(home / "lake"), "web/raw_warcs"):
        result = run("compaction")
    assert result.success
    assert "being written" in figures(result, "compact__web__raw_warcs")["skipped"]
    assert figures(result, "compact__web__signature_index")["files_after"] == 7


def test_a_table_that_fails_does_so_alone(table: LakeTable, home: Path) -> None:
    log = Path(LakeTable(RawWarcs, str(home / "lake")).url) / "_delta_log"
    for file in log.glob("*.json"):
        file.write_text("{")
    result = run("compaction")
    assert not result.success
    failed = {e.step_key for e in result.all_events if e.event_type == dg.DagsterEventType.STEP_FAILURE}
    assert failed == {"compact__web__raw_warcs"}
    assert figures(result, "compact__web__signature_index")["files_after"] == 7


def test_both_jobs_hold_an_op_for_every_table() -> None:
    names = {c.table_name().replace("/", "__") for c in contracts_of_tables()}
    for job, work, besides in (("compaction", "compact", "dedup_state"), ("vacuum", "vacuum", "leftovers")):
        ops = {node.name for node in defs.resolve_job_def(job).nodes}
        assert ops == {f"{work}__{name}" for name in names} | {besides}


def test_schedules_are_stopped_unless_the_variable_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {s.name: s.default_status for s in SCHEDULES} == {
        "daily_compaction": dg.DefaultScheduleStatus.STOPPED,
        "weekly_vacuum": dg.DefaultScheduleStatus.STOPPED,
    }
    for value, status in (("", "STOPPED"), ("stopped", "STOPPED"), ("Running", "RUNNING")):
        monkeypatch.setenv("DATASET_PLATFORM_SCHEDULES", value)
        assert default_status() == dg.DefaultScheduleStatus[status]
    monkeypatch.setenv("DATASET_PLATFORM_SCHEDULES", "on")
    with pytest.raises(ConfigError, match="Write running or stopped"):
        default_status()
