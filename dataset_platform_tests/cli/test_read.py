"""``read``: rows of a table as it is or was, as a table and as JSON, and one clear line where there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataset_platform.contracts import SilverFrames
from dataset_platform.lake.tables import LakeTable
from dataset_platform_tests.cli.command import run_command
from dataset_platform_tests.contracts.rows import good_row, table

DAY = "2026-01-05"
NAME = "driving/silver_frames"


@pytest.fixture
def frames(home: Path) -> LakeTable:
    """Frames 0 to 2 of a scenario, written twice: at 5 and then at 7 m/s."""
    made = LakeTable(SilverFrames, str(home / "lake"))
    for speed in (5.0, 7.0):
        rows = [good_row(SilverFrames, frame_id=f"s1:{i}", step=i, ego_speed_mps=speed) for i in range(3)]
        made.replace_partition(table(SilverFrames, rows), {"ingestion_date": DAY})
    return made


def test_json_holds_the_rows_their_version_and_its_time(frames: LakeTable) -> None:
    wanted = ("--columns", "frame_id,ego_speed_mps", "--json")
    now = run_command("read", NAME, *wanted).json
    assert (now["table"], now["version"]) == (NAME, 2)
    assert now["rows"] == [{"frame_id": f"s1:{i}", "ego_speed_mps": 7.0} for i in range(3)]
    for as_of in ("1", now["time"]):
        then = run_command("read", NAME, "--as-of", as_of, "--where-id", "s1:1", "--day", DAY, *wanted).json
        assert then["rows"] == [{"frame_id": "s1:1", "ego_speed_mps": 5.0 if as_of == "1" else 7.0}]
    whole = run_command("read", NAME, "--where-id", "s1", "--limit", "2", "--json").json
    assert [len(row) for row in whole["rows"]] == [len(SilverFrames.column_names())] * 2


def test_a_table_on_the_terminal_says_which_version_it_shows_and_what_it_leaves_out(frames: LakeTable) -> None:
    shown = run_command("read", NAME, "--as-of", "1")
    assert shown.code == 0
    assert "version 1 of 2" in shown.stderr
    assert "ego_speed_mps" in shown.stderr, "columns that are left out are named"
    assert all(f"s1:{i}" in shown.stdout for i in range(3))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["driving/nothing"], ["'driving/nothing' is no table", NAME]),
        (["web/documents"], ["no table web/documents yet", "materialize --partitions A:B"]),
        ([NAME, "--as-of", "9"], ["no version 9", "versions 0 to 2"]),
        ([NAME, "--as-of", "1999-01-01"], ["was not there at 1999-01-01"]),
        ([NAME, "--as-of", "soon"], ["neither a version nor a time"]),
        ([NAME, "--columns", "frame_id,colour"], ["no column colour", "ego_speed_mps"]),
        ([NAME, "--day", "monday"], ["'monday' is not a day"]),
    ],
)
def test_what_cannot_be_read_is_one_line_and_a_way_out(
    frames: LakeTable, arguments: list[str], said: list[str]
) -> None:
    result = run_command("read", *arguments)
    assert result.code == 1
    assert len(result.stderr.splitlines()) == 2 or "not a day" in result.stderr
    assert all(word in result.stderr for word in said)
    assert "Traceback" not in result.stderr
