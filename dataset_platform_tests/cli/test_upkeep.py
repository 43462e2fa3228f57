"""``upkeep``: a table and JSON of what was done, a dry run that does nothing, refusals in one line, and exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataset_platform.contracts import Documents, RawWarcs
from dataset_platform.lake.locks import lock
from dataset_platform.lake.tables import LakeTable
from dataset_platform_tests.cli.command import run_command
from dataset_platform_tests.lake.upkeep.crowded_lake import (
    DAYS,
    add_files,
    content,
    crowded,
    files_on_disk,
    set_back_file,
)
from dataset_platform_tests.lake.upkeep.test_dedup_state import state

NAME = "web/raw_warcs"


@pytest.fixture
def table(home: Path, monkeypatch: pytest.MonkeyPatch) -> LakeTable:
    monkeypatch.setenv("DATASET_PLATFORM_CONFIG", str(home.parent / "config.yaml"))
    (home.parent / "config.yaml").write_text("upkeep: {lock_wait_s: 0.2}\n")
    return crowded(str(home / "lake"))


def of(result: dict, name: str = NAME) -> dict:
    return next(t for t in result["tables"] if t["table"] == name)


def test_a_dry_run_says_what_a_run_then_does_and_a_second_run_does_nothing(table: LakeTable, home: Path) -> None:
    staged = home / "lake" / "_staging" / "web" / "documents" / DAYS[0] / "rows" / "part-0.parquet"
    staged.parent.mkdir(parents=True)
    staged.write_bytes(b"x")
    set_back_file(staged, 100)
    rows, version, files = content(table), table.version(), files_on_disk(table)

    dry = run_command("upkeep", "--dry-run", "--json")
    assert (dry.code, table.version(), files_on_disk(table)) == (0, version, files)
    assert dry.json["dry_run"] is True
    assert of(dry.json)["merged_files"] == 12
    assert "would be removed: staged day" in dry.stderr
    assert staged.exists()

    done = run_command("upkeep", "--json")
    assert done.code == 0
    assert (of(done.json)["files_before"], of(done.json)["files_after"]) == (12, len(DAYS))
    assert of(done.json)["merged_files"] == 12
    assert [o["paths"] for o in done.json["leftovers"]["removed"]] == [[str(staged)]]
    assert not staged.exists()
    assert NAME in done.stdout
    assert "12 → 3" in done.stdout
    assert content(table) == rows
    assert content(table, version) == rows

    version, files = table.version(), files_on_disk(table)
    again = run_command("upkeep", "--json")
    assert (again.code, table.version(), files_on_disk(table)) == (0, version, files)
    assert again.json["leftovers"] == {"removed": [], "held": []}


def test_one_table_can_be_named_and_replaced_files_deleted_at_once(table: LakeTable, home: Path) -> None:
    index, _ = state(str(home / "lake"))
    add_files(index, DAYS[0], [[{}]])
    version, rows = index.version(), content(table)
    old = table.version()
    done = run_command("upkeep", "--table", NAME, "--retention-hours", "0", "--force", "--json")
    assert done.code == 0
    assert [t["table"] for t in done.json["tables"]] == [NAME]
    assert of(done.json)["deleted_files"] == 12
    assert len(files_on_disk(table)) == len(DAYS)
    assert content(table) == rows
    assert index.version() == version
    gone = run_command("read", NAME, "--as-of", str(old))
    assert gone.code == 1
    assert f"Version {old} of {NAME} cannot be read any more" in gone.stderr
    assert "Read version" in gone.stderr
    assert "Traceback" not in gone.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--retention-hours", "3"], ["retention of 3 hours", "--force"]),
        (["--retention-hours", "900"], ["longer than what this lake keeps (168)", "upkeep.retention_hours"]),
        (["--table", "web/nothing"], ["'web/nothing' is no table", NAME]),
        (["--table", "web/documents"], ["no table web/documents yet", "materialize --partitions"]),
    ],
)
def test_what_cannot_be_done_is_one_line_and_a_way_out(table: LakeTable, arguments: list[str], said: list[str]) -> None:
    version = table.version()
    result = run_command("upkeep", *arguments)
    assert result.code == 1
    assert len(result.stderr.splitlines()) == 2
    assert all(words in result.stderr for words in said)
    assert table.version() == version


def test_a_home_without_tables_says_so(home: Path) -> None:
    result = run_command("upkeep")
    assert result.code == 1
    assert "There are no tables" in result.stderr


def test_a_table_that_is_being_written_is_named_and_the_others_are_done(table: LakeTable, home: Path) -> None:
    index, _ = state(str(home / "lake"))
    add_files(index, "2026-01-05", [[{"doc_id": "f" * 32}]])
    with lock(str(home / "lake"), NAME):
        result = run_command("upkeep", "--json")
    assert result.code == 1
    assert f"SKIPPED {NAME}: {NAME} is being written by process" in result.stderr
    assert of(result.json)["files_after"] == 12
    assert of(result.json, "web/signature_index")["merged_files"] == 2


def test_a_forced_retention_is_refused_while_a_run_goes_on(table: LakeTable, home: Path) -> None:
    with lock(str(home / "lake"), f"web/documents of {DAYS[0]}"):
        result = run_command("upkeep", "--retention-hours", "0", "--force")
    assert result.code == 1
    assert f"web/documents of {DAYS[0]} is being written" in result.stderr
    assert content(table)[0] == 24


def test_the_state_of_dedup_is_shown_warned_of_and_cut_to_its_window(home: Path, tmp_path: Path, monkeypatch) -> None:
    index, links = state(str(home / "lake"))
    config = tmp_path / "config.yaml"
    config.write_text("upkeep: {dedup_state_warn_gib: 0.000000001}\nweb: {dedup: {window_days: 1}}\n")
    monkeypatch.setenv("DATASET_PLATFORM_CONFIG", str(config))
    dry = run_command("upkeep", "--dry-run", "--json")
    assert [t["rows"] for t in dry.json["dedup_state"]["trimmed"]] == [8, 4]
    assert len(index.days()) == 7
    done = run_command("upkeep", "--json")
    assert done.code == 0, "a warning is no failure"
    assert "WARN The state of dedup has" in done.stderr
    assert {s["table"]: s["rows"] for s in done.json["dedup_state"]["sizes"]} == {
        "web/signature_index": 6,
        "web/duplicate_links": 3,
    }
    assert index.days() == links.days() == [f"2026-01-{d:02d}" for d in (9, 10, 11)]


def test_settings_of_upkeep_are_checked(table: LakeTable, home: Path) -> None:
    (home.parent / "config.yaml").write_text("upkeep: {retention_hours: 3}\n")
    result = run_command("upkeep")
    assert result.code == 1
    assert "upkeep.retention_hours" in result.stderr
    assert content(table)[0] == 24
    assert LakeTable(RawWarcs, str(home / "lake")).version() == len(DAYS)


def test_help_names_the_command_and_its_flags() -> None:
    shown = run_command("upkeep", "--help").stdout
    assert all(flag in shown for flag in ("--dry-run", "--table", "--retention-hours", "--force", "--json"))


def test_a_table_that_misses_a_file_is_named_and_the_others_are_done(table: LakeTable, home: Path) -> None:
    add_files(LakeTable(Documents, str(home / "lake")), DAYS[0], [[{}], [{}]])
    Path(table.delta().file_uris()[0].removeprefix("file://")).unlink()
    done = run_command("upkeep", "--json")
    assert done.code == 1
    assert [f["table"] for f in done.json["failures"]] == [NAME]
    assert "Traceback" not in done.stderr
    assert of(done.json, "web/documents")["merged_files"] == 2
