"""Delta logs: opening a table reads a checkpoint and few commits, expired commits go, both engines still read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataset_platform.config import UpkeepConfig
from dataset_platform.contracts import RawWarcs
from dataset_platform.errors import InputError
from dataset_platform.lake.merging import merge_rows
from dataset_platform.lake.tables import LakeTable
from dataset_platform.lake.time_travel import version_as_of, versions
from dataset_platform.lake.upkeep.logs import last_checkpoint, tidy_log
from dataset_platform.lake.upkeep.tables import keep_table
from dataset_platform_tests.lake.upkeep.crowded_lake import content, data, set_back, warc


@pytest.fixture(params=["local", "s3"])
def lake_root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("bucket") + "/lake"


def written(lake_root: str, days: int) -> LakeTable:
    table = LakeTable(RawWarcs, lake_root)
    for n in range(days):
        table.replace_partition(data(RawWarcs, [warc(f"{n}")]), {"ingestion_date": f"2026-01-{1 + n % 28:02d}"})
    return table


def test_a_checkpoint_is_written_when_enough_commits_have_come_and_not_again(lake_root: str) -> None:
    table = written(lake_root, 4)
    rows = content(table)
    assert tidy_log(table, every=6).checkpoint is None
    assert last_checkpoint(table) == -1
    assert tidy_log(table, every=4, dry_run=True).checkpoint == 4
    assert last_checkpoint(table) == -1
    assert tidy_log(table, every=4).checkpoint == 4
    assert tidy_log(table, every=4).checkpoint is None
    assert last_checkpoint(table) == 4
    assert content(table) == rows
    assert content(table, 2)[0] == 2, "versions before the checkpoint can still be read"


def test_expired_commits_before_a_checkpoint_go_and_are_named_no_more(tmp_path: Path) -> None:
    table = written(str(tmp_path), 20)
    last = table.version()
    tidy_log(table, every=1)
    set_back(table, {v: 24 * 60 - v for v in range(12)})  # two months
    table.replace_partition(data(RawWarcs, [warc("x")]), {"ingestion_date": "2026-01-30"})
    rows = content(table)
    assert tidy_log(table, every=100).removed == 0, "no checkpoint before them yet"
    set_back(table, {v: 24 * 60 - v for v in range(last + 1)})
    assert tidy_log(table, every=100).removed == last, "all before the checkpoint at the last of them"
    assert content(table) == rows
    known = versions(table)
    assert [v.number for v in known] == [last, last + 1]
    assert all(content(table, v.number) for v in known)
    with pytest.raises(InputError, match="has no version 3"):
        version_as_of(table, "3")
    assert tidy_log(table, every=100).removed == 0


@pytest.mark.slow
def test_spark_writes_and_reads_a_table_whose_log_was_tidied(tmp_path: Path, spark) -> None:
    import pyarrow as pa

    table = written(str(tmp_path), 6)

    def merge(size: int) -> None:
        rows = data(RawWarcs, [warc("0", size), warc(f"new {size}")])
        rows = rows.append_column("ingestion_date", pa.array(["2026-01-01"] * 2).cast(pa.date32()))
        merge_rows(spark, table, spark.createDataFrame(rows), ["path"], ["2026-01-01"])

    merge(5)
    done = keep_table(table, UpkeepConfig(checkpoint_commits=3))
    assert done.checkpoint == table.version()
    assert sorted(r["path"] for r in table.read_spark(spark).collect()) == sorted(table.read()["path"].to_pylist())
    merge(6)
    assert keep_table(table, UpkeepConfig(checkpoint_commits=1)).checkpoint is not None
    assert {r["path"]: r["size_bytes"] for r in table.read_spark(spark).collect()}["0"] == 6
    assert table.read_spark(spark).count() == content(table)[0] == 8
