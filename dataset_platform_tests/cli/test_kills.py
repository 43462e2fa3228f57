"""Killed commands, started again: what ``benchmarks.kills`` calls equal, and a few kills of the real command."""

from __future__ import annotations

import gzip
import random
from dataclasses import replace
from pathlib import Path

import filelock
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.kills import state
from benchmarks.kills.__main__ import lines
from benchmarks.kills.processes import JVM, RUN, WHATS, WORKER, Process, workers
from benchmarks.kills.rounds import Round, is_delicate, line, play
from benchmarks.kills.scenario import EMPTY, LOCAL, SPARK, Scenario, Undisturbed, link_inputs
from benchmarks.kills.timeline import Event, Watch, phase
from dataset_platform.contracts import Documents, Rejections
from dataset_platform.lake import receipts, storage
from dataset_platform.lake.arrow_publishing import run_arrow_stage
from dataset_platform.lake.publishing import StageRun
from dataset_platform.lake.tables import LakeTable
from dataset_platform_tests.contracts.rows import DAY, document, labelled


def rejected(number: int) -> dict:
    return document(number, reason="not_html", measure=1.0, detail="no page", text=None, text_length=None)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return publish(tmp_path / "home")


def publish(home: Path, numbers: tuple[int, ...] = (1, 2)) -> Path:
    """A home with a published day of documents, one of them rejected, and a file below artifacts."""
    run = StageRun(Documents, str(home / "lake"), DAY, "v1", "c1", {"web/raw_warcs": "1:ab"})
    rows = labelled(Documents, [*map(document, numbers), rejected(9)])

    def write(path: str) -> None:
        with storage.open_output(f"{path}/part-0.parquet") as sink:
            pq.write_table(rows, sink)

    assert run_arrow_stage(run, write, len(numbers) + 1).published
    shard = home / "artifacts" / "tokens" / "tokenized_shards" / DAY / "web" / "shard.parquet"
    shard.parent.mkdir(parents=True, exist_ok=True)
    shard.write_bytes(b"tokens")
    return home


# what counts as equal


def test_the_same_rows_made_twice_and_in_another_order_are_equal(home: Path, tmp_path: Path) -> None:
    again = publish(publish(tmp_path / "again", (2,)), (2, 1))
    assert LakeTable(Documents, str(again / "lake")).version() != LakeTable(Documents, str(home / "lake")).version()
    assert state.differences(state.read_state(home), state.read_state(again)) == []
    assert state.orphans(again / "lake") == []


def test_a_missing_a_changed_and_a_doubled_row_are_told_apart(home: Path, tmp_path: Path) -> None:
    expected = state.read_state(home)
    less = state.read_state(publish(tmp_path / "less", (1,)))
    assert any(line == "web/documents: 1 rows missing, 0 rows too many" for line in state.differences(expected, less))
    assert state.doubled_rows(expected, less) == 0
    other = publish(tmp_path / "other")
    table = LakeTable(Documents, str(other / "lake"))
    rows = table.read(DAY).drop_columns(["ingestion_date"])
    table.replace_partition(pa.concat_tables([rows, rows.slice(0, 1)]), {"ingestion_date": DAY})
    doubled = state.read_state(other)
    assert state.differences(expected, doubled) == ["web/documents: 0 rows missing, 1 rows too many"]
    assert state.doubled_rows(expected, doubled) == 1
    assert state.orphans(other / "lake") == [f"the receipt of web/documents/{DAY} says 2 rows_kept, there are 3"]


def test_receipts_are_equal_but_for_version_and_seconds(home: Path) -> None:
    expected = state.read_state(home)
    receipt = receipts.read(str(home / "lake"), Documents, DAY)
    assert receipt is not None
    receipts.write(str(home / "lake"), replace(receipt, version=99, seconds=99.0))
    assert state.differences(expected, state.read_state(home)) == []
    receipts.write(str(home / "lake"), replace(receipt, config_hash="c2"))
    assert state.differences(expected, state.read_state(home)) == [
        f"receipt web/documents/{DAY} differs in config_hash"
    ]


def test_artifacts_are_equal_byte_for_byte(home: Path) -> None:
    expected = state.read_state(home)
    (shard,) = (home / "artifacts").rglob("*.parquet")
    shard.write_bytes(b"Tokens")
    shard.with_name("more.parquet").write_bytes(b"")
    lines_ = state.differences(expected, state.read_state(home))
    folder = f"file artifacts/tokens/tokenized_shards/{DAY}/web"
    assert lines_ == [f"{folder}/more.parquet should not be there", f"{folder}/shard.parquet differs"]


def test_rows_without_their_receipt_are_orphans_and_so_is_a_receipt_without_its_rows(home: Path) -> None:
    lake = str(home / "lake")
    LakeTable(Rejections, lake).clear_partition({"ingestion_date": DAY, "lane": "web", "stage": "documents"})
    assert state.orphans(home / "lake") == [f"the receipt of web/documents/{DAY} says 1 rows_rejected, there are 0"]
    publish(home)
    receipts.remove(lake, "web/documents", DAY)
    assert len(state.orphans(home / "lake")) == 2


def test_what_killed_runs_leave_is_found(home: Path) -> None:
    assert state.leftovers(home) == state.uncommitted_files(home / "lake") == state.held_locks(home / "lake") == []
    left = ["lake/_staging/web/documents/d/rows/p", "lake/_incoming/ab/part-0.parquet", "artifacts/x/.a.partial"]
    for path in left:
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_bytes(b"")
    stray = home / "lake" / "web" / "documents" / f"ingestion_date={DAY}" / "part-9.parquet"
    stray.write_bytes(b"")
    assert state.leftovers(home) == sorted(left)
    assert state.uncommitted_files(home / "lake") == [f"web/documents/ingestion_date={DAY}/part-9.parquet"]
    name = next((home / "lake" / "_locks").glob("*.lock"), home / "lake" / "_locks" / "t.lock")
    with filelock.FileLock(name):
        assert state.held_locks(home / "lake") == [name.stem]
    assert state.held_locks(home / "lake") == []


# moments


def test_comings_and_goings_are_seen_in_order_and_counted(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    receipt = tmp_path / "lake" / "_receipts" / "web" / "documents" / "2026-01-05.json"
    path = str(receipt.relative_to(tmp_path))
    receipt.parent.mkdir(parents=True)
    for _ in range(2):
        receipt.write_text("{}")
        watch.look()
        receipt.unlink()
        watch.look()
    assert [e for _, e in watch.events] == [Event(s, path, n) for n in (1, 2) for s in "+-"]
    assert phase([e for _, e in watch.events]) == "receipt removed"
    assert watch.until(None, 0.0, lambda: True)
    assert not watch.until(Event("+", path, 3), 0.0, iter([True, True, False]).__next__)


def test_moments_are_of_the_run_and_delicate_ones_of_every_kind() -> None:
    events = [
        Event("+", "lake/web/documents/_delta_log/00000000000000000000.json", 1),
        Event("+", "lake/_staging/web/documents/2026-01-05", 1),
        *(Event("+", f"lake/rejections/_delta_log/{n:020}.json", 1) for n in range(1, 30)),
        Event("+", "lake/web/documents/_delta_log/00000000000000000001.json", 1),
        Event("+", "lake/_receipts/web/documents/2026-01-05.json", 1),
    ]
    run = Undisturbed(state.State({}, {}, {}), [(n / 10, e) for n, e in enumerate(events)], 5.0)
    draw = random.Random(3)
    delicate = [run.moment(draw, delicate=True) for _ in range(300)]
    assert {m.after for m in delicate} >= {events[0], events[1], events[-2], events[-1]}
    at = {e: s for s, e in run.timeline}
    anywhere = [at[m.after] + m.offset_s for m in (run.moment(draw, delicate=False) for _ in range(500)) if m.after]
    assert all(0 <= s <= 5 for s in anywhere) and min(anywhere) < 0.5 and max(anywhere) > 4.5


@pytest.mark.parametrize("kinds", [1, 2, 6])
def test_half_of_the_rounds_of_each_kind_are_at_any_time(kinds: int) -> None:
    rounds = [(number % kinds, is_delicate(number, kinds)) for number in range(4 * kinds)]
    assert all(rounds.count((kind, delicate)) == 2 for kind in range(kinds) for delicate in (True, False))


def test_python_workers_are_those_of_the_pool_and_the_forks_of_sparks_daemon() -> None:
    table = [
        Process(2, 1, "java org.apache.spark.deploy.SparkSubmit"),
        Process(3, 2, "python -m pyspark.daemon pyspark.worker"),
        Process(4, 3, "python -m pyspark.daemon pyspark.worker"),
        Process(5, 1, "python -m loky.backend.popen_loky_posix --process-name LokyProcess-1"),
        Process(6, 1, "python -c from loky.backend.resource_tracker import main"),
    ]
    assert [p.pid for p in workers(table)] == [4, 5]


def test_given_files_land_on_both_days(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("b.warc.gz", "a.warc.gz")]
    for file in files:
        file.write_bytes(gzip.compress(b"WARC/1.0"))
    link_inputs(tmp_path / "two", files)
    link_inputs(tmp_path / "one", files[:1])
    named = {
        root: sorted(str(f.relative_to(tmp_path / root)) for f in (tmp_path / root).rglob("*.gz"))
        for root in ("one", "two")
    }
    assert named["two"] == ["web/2026/01/05/given/a.warc.gz", "web/2026/01/06/given/b.warc.gz"]
    assert named["one"] == ["web/2026/01/05/given/b.warc.gz", "web/2026/01/06/given/b.warc.gz"]


def test_a_round_with_anything_wrong_is_not_ok_and_counts_in_the_results() -> None:
    good = Round(0, RUN, "empty", "local", "after the start", "starting")
    bad = Round(1, JVM, "over", "spark", "x", "starting", ended_s=3.0, differences=["x"], doubled=2, locks=["t"])
    assert good.ok and not bad.ok
    text = "\n".join(lines([good, bad]))
    for row in (
        "| rounds | 2 (1 jvm, 1 run) |",
        "| doubled rows | 2 |",
        "| locks still held | 1 |",
        "| starting | 2 |",
    ):
        assert row in text


# the command itself


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    return Scenario(tmp_path_factory.mktemp("kills"), pages_per_file=4)


@pytest.mark.slow
@pytest.mark.parametrize(("what", "engine"), [(RUN, LOCAL), (WORKER, LOCAL), (JVM, SPARK)])
def test_a_killed_command_started_again_leaves_what_an_undisturbed_one_leaves(
    scenario: Scenario, what: str, engine: str
) -> None:
    draw = random.Random(f"test/{what}")
    played = play(scenario, WHATS.index(what), what, draw, delicate=what == RUN, start=EMPTY, engine=engine)
    assert played.ok, line(played)
    assert (played.ended_s is not None) == (what in (JVM, WORKER))
