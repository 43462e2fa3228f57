"""Vacuum: what goes is what no version within the retention names, and nothing else goes."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from dataset_platform.config import UpkeepConfig
from dataset_platform.contracts import RawWarcs
from dataset_platform.errors import ConfigError, LockedError, StateError
from dataset_platform.lake import storage
from dataset_platform.lake.locks import lock
from dataset_platform.lake.tables import LakeTable
from dataset_platform.lake.time_travel import oldest_kept, read_rows
from dataset_platform.lake.upkeep.compaction import compact
from dataset_platform.lake.upkeep.tables import keep_table
from dataset_platform.lake.upkeep.vacuum import check_retention, keep_for, vacuum
from dataset_platform_tests.lake.upkeep.crowded_lake import (
    DAYS,
    add_files,
    content,
    crowded,
    data,
    files_named,
    files_on_disk,
    set_back,
    set_back_file,
    warc,
)

MIB = 2**20


@pytest.mark.parametrize("seed", range(6))
def test_versions_within_the_retention_stay_whole_and_all_else_goes(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    table = crowded(str(tmp_path), DAYS[:2], files=2)
    for turn in range(12):
        day = rng.choice(DAYS)
        match rng.randrange(4):
            case 0:
                add_files(table, day, [[warc(f"{turn}")], [warc(f"{turn}b")]])
            case 1:
                compact(table, 128 * MIB, wait_s=5)
            case 2:
                table.replace_partition(data(RawWarcs, [warc(f"new {turn}")]), {"ingestion_date": day})
            case _:
                table.clear_partition({"ingestion_date": day})
    last = table.version()
    ages = sorted((rng.uniform(1, 400) for _ in range(last + 1)), reverse=True)
    set_back(table, dict(enumerate(ages)))
    before = {v: content(table, v) for v in range(last + 1)}
    named = {v: files_named(table, v) for v in range(last + 1)}
    retention = rng.choice([24, 168, 300])
    # a version is needed as long as it was the newest at some moment of the retention
    kept = [v for v in range(last + 1) if v == last or ages[v + 1] < retention]
    needed = set().union(*(named[v] for v in kept))

    listed = vacuum(table, retention, wait_s=5, dry_run=True)
    assert set().union(*named.values()) <= files_on_disk(table), "a dry run deletes nothing"
    assert table.version() == last
    gone = vacuum(table, retention, wait_s=5)
    assert gone == listed
    assert files_on_disk(table) == needed
    assert {v: content(table, v) for v in kept} == {v: before[v] for v in kept}
    assert set(gone.files) == set().union(*named.values()) - needed
    assert content(table) == before[last]

    version = table.version()
    assert vacuum(table, retention, wait_s=5).files == []
    assert table.version() == version, "the second run does nothing"


@pytest.fixture(params=["local", "s3"])
def lake_root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("bucket") + "/lake"


def test_compaction_and_vacuum_leave_one_file_a_day_and_what_is_gone_is_told(lake_root: str) -> None:
    table = crowded(lake_root)
    old, rows = table.version(), content(table)
    week = keep_table(table, UpkeepConfig())
    assert (week.files_after, week.deleted_files) == (len(DAYS), 0)
    assert content(table, old) == rows
    time.sleep(1.1)  # object stores keep whole seconds
    done = keep_table(table, UpkeepConfig(), retention_hours=0, force=True)
    assert done.deleted_files == 12
    assert done.deleted_bytes > 12 * 500
    assert files_on_disk(table) == files_named(table)
    assert content(table) == rows
    kept = oldest_kept(table)
    assert content(table, kept.number) == rows
    with pytest.raises(StateError) as caught:
        read_rows(table, version=old, limit=5)
    assert f"Version {old} of web/raw_warcs cannot be read any more" in caught.value.message
    assert f"Read version {kept.number} of" in caught.value.hint
    assert "upkeep.retention_hours" in caught.value.hint


def test_files_that_never_were_committed_go_once_they_are_old(tmp_path: Path) -> None:
    table = crowded(str(tmp_path))
    folder = Path(table.url) / f"ingestion_date={DAYS[0]}"
    for name, hours in (("part-killed.parquet", 200.0), (".x.partial", 200.0), ("part-underway.parquet", 100.0)):
        (folder / name).write_bytes(b"half a file")
        set_back_file(folder / name, hours)
    rows = content(table)
    done = keep_table(table, UpkeepConfig(), ("vacuum",))
    assert sorted(done.deleted) == [f"ingestion_date={DAYS[0]}/{n}" for n in (".x.partial", "part-killed.parquet")]
    assert (folder / "part-underway.parquet").exists()
    assert content(table) == rows


def test_a_retention_under_the_floor_must_be_forced_and_one_over_the_settings_is_refused(tmp_path: Path) -> None:
    root = str(tmp_path)
    check_retention(root, 24, 168, force=False)
    with pytest.raises(ConfigError, match="may delete files that a run is still writing"):
        check_retention(root, 23, 168, force=False)
    check_retention(root, 0, 168, force=True)
    with pytest.raises(ConfigError, match="upkeep.retention_hours"):
        check_retention(root, 169, 168, force=True)
    with lock(root, "web/documents of 2026-01-05"), pytest.raises(LockedError, match="web/documents of 2026-01-05"):
        check_retention(root, 0, 168, force=True)
    check_retention(root, 0, 168, force=True)


@pytest.mark.parametrize("hours", [168, 400, 1000])
def test_a_longer_retention_is_made_a_property_of_the_table_once(tmp_path: Path, hours: int) -> None:
    table = crowded(str(tmp_path))
    changed = keep_for(table, hours, wait_s=5)
    assert changed == (hours > 168)
    assert not keep_for(table, hours, wait_s=5)
    properties = table.delta().metadata().configuration
    assert ("delta.deletedFileRetentionDuration" in properties) == (hours > 168)
    assert ("delta.logRetentionDuration" in properties) == (hours > 720)


def test_files_replaced_within_a_longer_retention_outlive_a_checkpoint(tmp_path: Path) -> None:
    """Delta forgets replaced files a week after, unless the table says otherwise; vacuum would take them for strays."""
    table = LakeTable(RawWarcs, str(tmp_path))
    settings = UpkeepConfig(retention_hours=600, checkpoint_commits=1)
    day = {"ingestion_date": DAYS[0]}
    old = table.replace_partition(data(RawWarcs, [warc("old")]), day).version
    keep_table(table, settings)  # sets the properties
    new = table.replace_partition(data(RawWarcs, [warc("new")]), day).version
    set_back(table, {old: 900, new: 400})
    for _ in range(2):
        assert keep_table(table, settings).deleted_files == 0
        table.replace_partition(data(RawWarcs, [warc("other day")]), {"ingestion_date": DAYS[1]})
    assert table.dataset(old).to_table().column("path").to_pylist() == ["old"]


def test_upkeep_lists_no_file_of_the_log(lake_root: str) -> None:
    table = crowded(lake_root)
    log = {f.path for f in storage.list_files(f"{table.url}/_delta_log")}
    time.sleep(1.1)
    keep_table(table, UpkeepConfig(checkpoint_commits=100), retention_hours=0, force=True)
    assert log <= {f.path for f in storage.list_files(f"{table.url}/_delta_log")}


def test_a_run_that_began_after_the_check_keeps_its_files(tmp_path: Path) -> None:
    table = crowded(str(tmp_path / "lake"))
    table.replace_partition(table.read(DAYS[0]).drop_columns(["ingestion_date"]), {"ingestion_date": DAYS[0]})
    files = files_on_disk(table)
    with (
        lock(table.lake_root, f"{table.contract.table_name()} of {DAYS[1]}"),
        pytest.raises(LockedError, match=f"of {DAYS[1]} began meanwhile"),
    ):
        vacuum(table, 0, 1.0)
    assert files_on_disk(table) == files
    assert vacuum(table, 0, 1.0).files
