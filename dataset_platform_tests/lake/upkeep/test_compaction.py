"""Compaction: fewer files, the same rows however they are asked for, nothing to do the second time, no harm from a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from dataset_platform.config import UpkeepConfig
from dataset_platform.contracts import Contract, DedupedCorpus, Documents, RawWarcs, Rejections
from dataset_platform.errors import LockedError
from dataset_platform.lake.locks import lock
from dataset_platform.lake.merging import merge_rows
from dataset_platform.lake.tables import LakeTable
from dataset_platform.lake.upkeep import compaction
from dataset_platform.lake.upkeep.compaction import batches, compact
from dataset_platform.lake.upkeep.shapes import contracts_of_tables, shape_of
from dataset_platform.lake.upkeep.tables import keep_table
from dataset_platform_tests.contracts.rows import doc_id
from dataset_platform_tests.lake.upkeep.crowded_lake import (
    DAYS,
    add_files,
    content,
    crowded,
    data,
    files_named,
    warc,
)

MIB = 2**20
SETTINGS = UpkeepConfig(lock_wait_s=0.2)


@pytest.fixture(params=["local", "s3"])
def lake_root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("bucket") + "/lake"


def test_each_partition_has_one_file_afterwards_and_the_same_rows_and_the_second_run_does_nothing(
    lake_root: str,
) -> None:
    table = crowded(lake_root)
    before, old = content(table), table.version()
    by_day = {day: content(table, day=day) for day in DAYS}
    assert compact(table, 128 * MIB, wait_s=5).rewritten == 12
    assert shape_of(table).files == len(DAYS)
    assert content(table) == before
    assert {day: content(table, day=day) for day in DAYS} == by_day
    assert content(table, old) == before, "the version before can still be read"
    version = table.version()
    assert compact(table, 128 * MIB, wait_s=5).rewritten == 0
    assert table.version() == version


def various(contract: type[Contract], number: int) -> dict[str, Any]:
    """A good row whose columns of plain types differ from those of other numbers, some of them null."""
    row: dict[str, Any] = {}
    for field in contract.data_schema():
        if field.nullable and number % 2:
            row[field.name] = None
        elif pa.types.is_int64(field.type) or pa.types.is_int32(field.type):
            row[field.name] = number
        elif pa.types.is_float64(field.type):
            row[field.name] = number / 7
        elif pa.types.is_string(field.type):
            row[field.name] = f"{number}" + "é" * 200  # longer than what statistics keep
        elif pa.types.is_boolean(field.type):
            row[field.name] = number % 3 == 0
    return row


@pytest.mark.parametrize("contract", contracts_of_tables(), ids=lambda c: c.table_name())
def test_rows_of_every_table_are_found_by_any_column_as_before(contract: type[Contract], tmp_path: Path) -> None:
    table = LakeTable(contract, str(tmp_path))
    add_files(table, DAYS[0], [[various(contract, 3 * i + k) for k in range(3)] for i in range(3)])
    compared = [f for f in contract.data_schema() if not pa.types.is_nested(f.type)]

    def found() -> dict[str, list[int]]:
        dataset, whole, counts = table.dataset(), table.read(), {}
        for field in compared:
            values, asked = pc.unique(whole.column(field.name)).to_pylist(), pc.field(field.name)
            wanted = [asked.is_null() if v is None else asked == pa.scalar(v, field.type) for v in values]
            counts[field.name] = sorted(dataset.count_rows(filter=w) for w in wanted)
        return counts

    rows, before = content(table), found()
    assert compact(table, 128 * MIB, wait_s=5).rewritten == 3
    # later days lie beside the merged files without statistics, as publishing writes them
    assert (content(table), found()) == (rows, before)
    add_files(table, DAYS[1], [[various(contract, 9)]])
    assert all(sum(counts) == 10 for counts in found().values())


def test_the_log_does_not_hold_long_texts_of_rows(tmp_path: Path) -> None:
    table = LakeTable(DedupedCorpus, str(tmp_path))
    add_files(table, DAYS[0], [[{"text": "long text " * 10_000, "doc_id": doc_id(i)}] for i in range(2)])
    compact(table, 128 * MIB, wait_s=5)
    log = Path(table.url) / "_delta_log" / f"{table.version():020d}.json"
    assert log.stat().st_size < 20_000
    assert table.read(where=pc.field("text") == "long text " * 10_000).num_rows == 2


def test_files_grow_to_the_target_and_not_beyond(tmp_path: Path) -> None:
    import random

    rng = random.Random(7)
    table = LakeTable(RawWarcs, str(tmp_path))
    # names that do not compress: some 200 kB a file
    parts = [[warc(rng.randbytes(32).hex()) for _ in range(5000)] for _ in range(12)]
    add_files(table, DAYS[0], parts)
    before, sizes = content(table), shape_of(table)
    compact(table, MIB, wait_s=5)
    after = shape_of(table)
    assert content(table) == before
    assert sizes.bytes / (1.5 * MIB) <= after.files < sizes.files
    assert max(pa.table(table.delta().get_add_actions(flatten=True)).column("size_bytes").to_pylist()) < 1.5 * MIB
    version = table.version()
    compact(table, MIB, wait_s=5)
    assert table.version() == version


def test_stages_of_a_ledger_stay_apart(tmp_path: Path) -> None:
    table = LakeTable(Rejections, str(tmp_path))
    for stage in ("documents", "filtered_documents"):
        rows = data(Rejections, [{"doc_id": stage}])
        table.replace_partition(rows, {"ingestion_date": DAYS[0], "lane": "web", "stage": stage})
    add_files(table, DAYS[0], [[{"doc_id": "more"}]])  # of stage documents
    compact(table, 128 * MIB, wait_s=5)
    assert shape_of(table).files == 2
    found = sorted((r["stage"], r["doc_id"]) for r in table.read().to_pylist())
    assert found == [("documents", "documents"), ("documents", "more"), ("filtered_documents", "filtered_documents")]


@pytest.mark.slow
def test_a_partition_is_replaced_as_before_and_spark_reads_and_merges_what_was_compacted(tmp_path: Path, spark) -> None:
    table = crowded(str(tmp_path / "lake"))
    before = sorted(tuple(row) for row in table.read_spark(spark).collect())
    compact(table, 128 * MIB, wait_s=5)
    assert sorted(tuple(row) for row in table.read_spark(spark).collect()) == before
    frame = spark.createDataFrame(
        pa.table(data(RawWarcs, [warc(f"{DAYS[0]}/0", 99), warc("new")])).append_column(
            "ingestion_date", pa.array([DAYS[0]] * 2).cast(pa.date32())
        )
    )
    merge_rows(spark, table, frame, ["path"], [DAYS[0]])
    found = content(table)
    compact(table, 128 * MIB, wait_s=5)
    assert content(table) == found
    assert table.read(where=pc.field("path") == f"{DAYS[0]}/0").column("size_bytes").to_pylist() == [99]
    table.replace_partition(data(RawWarcs, [warc("z")]), {"ingestion_date": DAYS[0]})
    assert table.read(DAYS[0]).column("path").to_pylist() == ["z"]
    assert sorted(r["path"] for r in table.read_spark(spark, DAYS[0]).collect()) == ["z"]


def test_days_are_worked_on_in_batches_that_hold_all_of_them_once() -> None:
    sizes = {f"2026-01-{d:02d}": d * 10 for d in range(1, 29)}
    for limit in (1, 50, 300, 10_000):
        groups = batches(sizes, limit)
        assert [day for group in groups for day in group] == sorted(sizes)
        assert all(len(group) == 1 or sum(sizes[d] for d in group) <= limit for group in groups)


def test_a_table_that_is_being_written_is_skipped_by_name_and_done_the_next_time(lake_root: str) -> None:
    table = crowded(lake_root)
    version = table.version()
    with lock(lake_root, "web/raw_warcs"):
        skipped = keep_table(table, SETTINGS)
    assert "web/raw_warcs is being written by process" in skipped.skipped
    assert (skipped.version_after, skipped.files_after) == (version, 12)
    done = keep_table(table, SETTINGS)
    assert (done.skipped, done.files_after, done.merged_files) == ("", 3, 12)


def test_two_upkeeps_of_a_table_do_not_work_on_it_at_once(tmp_path: Path) -> None:
    table = crowded(str(tmp_path))
    with lock(str(tmp_path), "web/raw_warcs upkeep"):
        done = keep_table(table, SETTINGS)
    assert "web/raw_warcs upkeep is being written" in done.skipped
    assert done.files_after == 12


def test_a_writer_waits_for_one_batch_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is free between batches: a writer that tries during one gets in before the next."""
    monkeypatch.setattr(compaction, "BATCH_BYTES", 1)
    table = crowded(str(tmp_path))
    optimize, between = compaction._optimize, []

    def watched(*args: Any) -> Any:
        with pytest.raises(LockedError), lock(str(tmp_path), "web/raw_warcs", wait_s=0):
            pass
        between.append(table.version())
        return optimize(*args)

    monkeypatch.setattr(compaction, "batches", lambda *args: _locked_between(batches(*args), str(tmp_path)))
    monkeypatch.setattr(compaction, "_optimize", watched)
    compact(table, 128 * MIB, wait_s=5)
    assert len(between) == len(DAYS)


def _locked_between(groups: list[list[str]], lake_root: str):
    for group in groups:
        with lock(lake_root, "web/raw_warcs", wait_s=0):
            pass
        yield group


WRITER = """
import sys
from dataset_platform.contracts import RawWarcs
from dataset_platform.lake.tables import LakeTable
from dataset_platform_tests.lake.upkeep.crowded_lake import data, warc
table = LakeTable(RawWarcs, sys.argv[1])
print("ready", flush=True)
for turn in range(int(sys.argv[2])):
    for day in sys.argv[3:]:
        rows = data(RawWarcs, [warc(f"{day}/turn {turn}/{i}") for i in range(3)])
        table.replace_partition(rows, {"ingestion_date": day})
"""


def test_a_process_that_writes_and_upkeep_do_not_disturb_each_other(lake_root: str) -> None:
    days = [f"2026-02-{d:02d}" for d in range(1, 3)]
    turns = 3 if "://" in lake_root else 25  # a lease is polled once a second
    table = crowded(lake_root)
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, lake_root, str(turns), *days],
        env={**os.environ},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    rounds = 0
    # each round finds small files on a day of its own, added under the lock that every writer takes
    while writer.poll() is None:
        with lock(lake_root, "web/raw_warcs"):
            add_files(table, "2026-03-01", [[warc("a")], [warc("b")]])
        done = keep_table(table, UpkeepConfig(lock_wait_s=30, checkpoint_commits=5))
        assert not done.skipped
        rounds += 1
    assert writer.returncode == 0
    assert rounds > 0
    keep_table(table, UpkeepConfig(lock_wait_s=30))
    wanted = sorted(f"{day}/turn {turns - 1}/{i}" for day in days for i in range(3))
    assert sorted(p for day in days for p in table.read(day, ["path"]).column("path").to_pylist()) == wanted
    for day in DAYS:
        assert table.read(day).num_rows == 8
    assert shape_of(table).files == len(days) + len(DAYS) + 1


@pytest.mark.slow
def test_a_stage_is_materialized_while_upkeep_runs(tmp_path: Path, spark) -> None:
    from dataset_platform_tests.contracts.rows import document
    from dataset_platform_tests.lake.test_publishing import Lake, rejected

    def publish(lake: Lake) -> dict[str, Any]:
        for turn in range(2):
            for day in DAYS[:2]:
                rows = [document(n, text=f"turn {turn}", text_length=6) for n in range(5)] + [rejected(9)]
                assert lake.stage(rows, day=day, parts=2).published
        return {day: lake.everything(day) for day in DAYS[:2]}

    wanted = publish(Lake(spark, tmp_path / "undisturbed"))
    lake, stop, problems = Lake(spark, tmp_path / "disturbed"), threading.Event(), []
    for contract in (Documents, Rejections):
        LakeTable(contract, lake.root).ensure()

    def keep() -> None:
        while not stop.is_set():
            for contract in (Documents, Rejections):
                try:
                    done = keep_table(LakeTable(contract, lake.root), UpkeepConfig(checkpoint_commits=2))
                    problems.extend([done.skipped] if done.skipped else [])
                except Exception as error:  # whatever it is, the test fails by it
                    problems.append(repr(error))

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        found = publish(lake)
    finally:
        stop.set()
        thread.join()
    assert problems == []
    assert found == wanted
    for day in DAYS[:2]:
        receipt = lake.receipt(day)
        assert receipt is not None
        assert receipt.rows_kept == len(lake.read(Documents, day))


KEEPER = """
import sys
from dataset_platform.config import UpkeepConfig
from dataset_platform.contracts import RawWarcs
from dataset_platform.lake.tables import LakeTable
from dataset_platform.lake.upkeep import compaction
from dataset_platform.lake.upkeep.tables import keep_table
compaction.BATCH_BYTES = 1
print("ready", flush=True)
keep_table(LakeTable(RawWarcs, sys.argv[1]), UpkeepConfig(checkpoint_commits=3))
"""


@pytest.mark.parametrize("wait_s", [0.02, 0.1, 0.25])
def test_a_kill_in_the_middle_leaves_the_table_readable_and_the_next_run_finishes(
    tmp_path: Path, wait_s: float
) -> None:
    days = [f"2026-01-{d:02d}" for d in range(1, 29)]
    table = crowded(str(tmp_path), days, files=6)
    before, oldest = content(table), table.version()
    keeper = subprocess.Popen(
        [sys.executable, "-c", KEEPER, str(tmp_path)], env={**os.environ}, stdout=subprocess.PIPE, text=True
    )
    assert keeper.stdout is not None
    assert keeper.stdout.readline() == "ready\n"
    while table.version() == oldest:  # killed between the first batch and, nearly always, the last
        assert keeper.poll() is None
        time.sleep(0.005)
    time.sleep(wait_s)
    keeper.send_signal(signal.SIGKILL)
    keeper.wait()
    assert content(table) == before
    done = keep_table(table, SETTINGS)
    assert not done.skipped, "the lock went with the process"
    assert content(table) == before
    assert shape_of(table).files == len(days)
    assert files_named(table, oldest), "the version before is still there"
    assert content(table, oldest) == before
