"""Reading a table as it was, by version and by time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from dataset_platform.contracts import RawWarcs
from dataset_platform.errors import ConfigError, InputError, StateError
from dataset_platform.lake import time_travel
from dataset_platform.lake.tables import LakeTable
from dataset_platform.lake.time_travel import read_rows, version_as_of, versions

DAYS = ("2026-01-05", "2026-01-06")


@pytest.fixture
def table(tmp_path: Path) -> LakeTable:
    """Two days, the first of them replaced: versions 0 (empty), 1, 2 and 3."""
    made = LakeTable(RawWarcs, str(tmp_path))
    for day, names in ((DAYS[0], "ba"), (DAYS[1], "c"), (DAYS[0], "z")):
        rows = {
            "path": list(names),
            "size_bytes": [1] * len(names),
            "etag": ["e"] * len(names),
            "source": ["web"] * len(names),
        }
        made.replace_partition(pa.table(rows), {"ingestion_date": day})
    return made


def paths(table: LakeTable, version: int | None = None, **options) -> list[str]:
    return read_rows(table, version=version, limit=options.pop("limit", 9), **options).column("path").to_pylist()


def test_every_version_reads_as_it_was(table: LakeTable) -> None:
    assert [v.number for v in versions(table)] == [0, 1, 2, 3]
    assert [paths(table, v) for v in range(4)] == [[], ["a", "b"], ["a", "b", "c"], ["z", "c"]]
    assert paths(table) == ["z", "c"]


def test_a_time_names_the_version_that_was_newest_then(table: LakeTable) -> None:
    known = versions(table)
    # commits of one millisecond are one moment: the later one counts
    newest_at = {v.time: v.number for v in known}
    for moment, number in newest_at.items():
        assert version_as_of(table, moment.isoformat()) == number
        assert version_as_of(table, moment.replace(tzinfo=None).isoformat()) == number, "no offset means UTC"
    assert version_as_of(table, (known[-1].time + timedelta(days=1)).isoformat()) == 3
    assert version_as_of(table, "2") == 2
    with pytest.raises(InputError, match="was not there at"):
        version_as_of(table, (known[0].time - timedelta(seconds=1)).isoformat())


def test_what_is_not_there_is_said_with_what_is(table: LakeTable, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no version 4") as missing:
        version_as_of(table, "4")
    assert "versions 0 to 3" in missing.value.hint
    with pytest.raises(ConfigError, match="neither a version nor a time"):
        version_as_of(table, "yesterday")
    with pytest.raises(StateError, match="no table web/raw_warcs"):
        versions(LakeTable(RawWarcs, str(tmp_path / "empty")))


def test_a_version_whose_files_are_gone_is_refused(table: LakeTable) -> None:
    table.delta().vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert paths(table) == ["z", "c"]
    with pytest.raises(StateError, match="Version 2 of web/raw_warcs cannot be read any more"):
        paths(table, 2)


def test_rows_can_be_narrowed(table: LakeTable) -> None:
    assert paths(table, 2, day=DAYS[0]) == ["a", "b"]
    assert paths(table, 2, where_id="b") == ["b"]
    assert len(paths(table, 2, limit=2)) == 2
    assert read_rows(table, columns=["etag"], limit=9).column_names == ["etag"]


def test_a_version_is_dated_in_utc(table: LakeTable) -> None:
    now = datetime.now(UTC)
    assert all(now - timedelta(minutes=5) < v.time <= now + timedelta(seconds=1) for v in time_travel.versions(table))
