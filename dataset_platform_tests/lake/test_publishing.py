"""Write, audit, publish: what becomes visible of a day, what does not, and what a second try makes of it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from deltalake import Field
from deltalake.schema import PrimitiveType
from pyspark.sql import DataFrame, SparkSession

from dataset_platform.contracts import Contract, Documents, Quarantine, Rejections
from dataset_platform.errors import LockedError, StateError
from dataset_platform.lake import publishing, receipts, storage
from dataset_platform.lake.arrow_publishing import run_arrow_stage
from dataset_platform.lake.publishing import Outcome, StageRun, publish_nothing, run_stage
from dataset_platform.lake.receipts import Receipt
from dataset_platform.lake.tables import LakeTable
from dataset_platform_tests.contracts.rows import DAY, doc_id, document, labelled

NEXT = "2026-01-06"
Rows = list[dict[str, Any]]


def rejected(number: int, reason: str = "not_html", **changes: Any) -> dict[str, Any]:
    labels = {"reason": reason, "measure": 404.0, "detail": "status is 200"}
    return document(number, **labels | {"text": None, "text_length": None} | changes)


def quarantined(number: int, **changes: Any) -> dict[str, Any]:
    return {"file": f"f{number}", "offset": number, "error": "truncated gzip member"} | changes


def tally(count: int) -> dict[str, Any]:
    return {"file": "f", "tally": count}


class Lake:
    """A lake below a folder, and a stage that is fed rows by hand."""

    def __init__(self, spark: SparkSession, root: Path) -> None:
        self.spark, self.root = spark, str(root / "lake")

    def frame(self, rows: Rows, parts: int = 1) -> DataFrame:
        return self.spark.createDataFrame(labelled(Documents, rows)).repartition(parts)

    def run(self, day: str = DAY) -> StageRun:
        return StageRun(Documents, self.root, day, "v1", "c1", {"web/raw_warcs": "1:ab"})

    def stage(
        self,
        rows: Rows,
        rows_in: int | None = -1,
        *,
        day: str = DAY,
        parts: int = 1,
        settle: Sequence[str] = (),
        after: Callable[[DataFrame], None] | None = None,
    ) -> Outcome:
        def write(path: str) -> None:
            self.frame(rows, parts).write.parquet(path)

        count = len(rows) if rows_in == -1 else rows_in
        return run_stage(self.spark, self.run(day), write, count, settle, after)

    def read(self, contract: type[Contract], day: str | None = DAY) -> Rows:
        names = ("doc_id", "file", "offset")
        rows = LakeTable(contract, self.root).read(day).to_pylist()
        return sorted(rows, key=lambda r: [str(r.get(n)) for n in names])

    def receipt(self, day: str = DAY) -> Receipt | None:
        return receipts.read(self.root, Documents, day)

    def staged(self, day: str = DAY) -> list[str]:
        return [f.path for f in storage.list_files(self.run(day).staging)]

    def everything(self, day: str | None = DAY) -> dict[str, Rows]:
        return {c.table_name(): self.read(c, day) for c in (Documents, Rejections, Quarantine)}


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    return Lake(spark, tmp_path)


MIXED = [document(1), document(2, warc_date=None), rejected(3), rejected(4, "empty"), rejected(5), quarantined(6)]


def test_every_row_lands_in_one_table_with_all_its_fields(lake: Lake) -> None:
    outcome = lake.stage(MIXED, parts=3)
    assert outcome.published
    assert [f.name for f in outcome.findings] == ["contract", "conservation", "drift"]
    day = {"ingestion_date": date(2026, 1, 5)}
    assert lake.read(Documents) == [document(1) | day, document(2, warc_date=None) | day]
    stage = {"lane": "web", "stage": "documents"} | day
    pointers = ("doc_id", "url", "source", "file", "offset", "length")
    assert lake.read(Rejections) == [
        {k: row[k] for k in pointers}
        | {"reason": row["reason"], "measure": 404.0, "detail": "status is 200", "measures": None}
        | stage
        for row in MIXED[2:5]
    ]
    error = {"file": "f6", "offset": 6, "length": None, "error": "truncated gzip member", "url": None}
    assert lake.read(Quarantine) == [error | stage]


def test_the_receipt_tells_what_was_published_and_from_what(lake: Lake) -> None:
    outcome = lake.stage(MIXED)
    receipt = lake.receipt()
    assert receipt == outcome.receipt
    assert receipt is not None and receipt.balanced
    assert (receipt.rows_in, receipt.rows_kept, receipt.rows_rejected, receipt.rows_quarantined) == (6, 2, 3, 1)
    assert receipt.reasons == {"empty": 1, "not_html": 2}
    assert receipt.version == LakeTable(Documents, lake.root).version()
    assert (receipt.inputs, receipt.code_version, receipt.config_hash) == ({"web/raw_warcs": "1:ab"}, "v1", "c1")
    assert receipt.content_hash.startswith("2:")
    assert lake.staged() == []


def test_twice_gives_the_same_rows_and_the_same_hash(lake: Lake) -> None:
    first, before = lake.stage(MIXED), lake.everything()
    second = lake.stage(MIXED[::-1], parts=4)
    assert lake.everything() == before
    assert second.receipt.content_hash == first.receipt.content_hash
    assert second.receipt.reasons == first.receipt.reasons


def test_a_second_run_leaves_nothing_of_the_first_and_nothing_of_other_days_changes(lake: Lake) -> None:
    lake.stage(MIXED, day=NEXT)
    other = lake.everything(NEXT)
    lake.stage(MIXED)
    lake.stage([document(1), rejected(3)])
    assert [len(rows) for rows in lake.everything().values()] == [1, 1, 0]
    lake.stage([document(1), document(9)])
    assert [len(rows) for rows in lake.everything().values()] == [2, 0, 0]
    lake.stage([rejected(1), quarantined(2)])
    assert [len(rows) for rows in lake.everything().values()] == [0, 1, 1]
    assert lake.everything(NEXT) == other
    assert lake.receipt(NEXT) is not None


def test_a_day_that_breaks_the_contract_stays_invisible_and_the_last_publication_readable(lake: Lake) -> None:
    lake.stage(MIXED)
    before, receipt, version = lake.everything(), lake.receipt(), LakeTable(Documents, lake.root).version()
    called: list[int] = []
    bad = lake.stage(
        [document(1, language_score=7.0), document(2), rejected(8)], after=lambda rows: called.append(rows.count())
    )
    assert not bad.published
    assert [f.name for f in bad.findings if not f.passed] == ["contract"]
    assert lake.everything() == before
    assert lake.receipt() == receipt
    assert LakeTable(Documents, lake.root).version() == version
    assert called == []
    staged = lake.spark.read.parquet(bad.staging + "/rows")
    assert staged.count() == 3 and staged.where("language_score = 7").count() == 1
    good = lake.stage([document(1), document(2), rejected(8)], after=lambda rows: called.append(rows.count()))
    assert good.published
    assert [len(rows) for rows in lake.everything().values()] == [2, 1, 0]
    assert lake.staged() == []
    assert called == [2]


def test_a_first_day_that_fails_leaves_no_table_and_no_receipt(lake: Lake) -> None:
    assert not lake.stage([document(1), document(1)]).published
    assert lake.everything() == {"web/documents": [], "rejections": [], "quarantine": []}
    assert lake.receipt() is None
    assert lake.staged()


@pytest.mark.parametrize(("tallies", "published"), [([6, 1], True), ([5], False), ([8], False)])
def test_rows_are_held_against_what_the_reader_tallied(lake: Lake, tallies: list[int], published: bool) -> None:
    rows = [*MIXED, quarantined(7), *map(tally, tallies)]
    outcome = lake.stage(rows, rows_in=None)
    assert outcome.receipt.rows_in == sum(tallies)
    assert outcome.published is published
    if published:
        assert [len(r) for r in lake.everything().values()] == [2, 3, 2]
    else:
        assert [f.name for f in outcome.findings if not f.passed] == ["conservation"]
        assert f"{sum(tallies)} in ≠ 7 accounted for" in outcome.findings[1].message


def test_a_lost_row_is_not_published(lake: Lake) -> None:
    outcome = lake.stage(MIXED[:-1], rows_in=len(MIXED))
    assert not outcome.published
    assert lake.receipt() is None


def test_settling_keeps_the_first_of_a_key_by_the_order_and_rejects_the_others(lake: Lake) -> None:
    late, early = datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        document(1, file="b", offset=5, warc_date=early),
        document(1, file="c", offset=1, warc_date=late, text="Newest."),
        document(1, file="a", offset=9, warc_date=None),
        document(2, file="z", offset=9, warc_date=late),
        document(2, file="z", offset=3, warc_date=late, text="First."),
        document(3),
        rejected(3),
        quarantined(4),
    ]
    order = ("warc_date DESC NULLS LAST", "file", "offset")
    outcomes = []
    for seed, parts in ((0, 1), (1, 4)):
        shuffled = random.Random(seed).sample(rows, len(rows))
        outcomes.append(lake.stage(shuffled, parts=parts, settle=order))
        assert outcomes[-1].published
        kept = {r["doc_id"]: (r["file"], r["offset"], r["text"]) for r in lake.read(Documents)}
        assert kept == {
            doc_id(1): ("c", 1, "Newest."),
            doc_id(2): ("z", 3, "First."),
            doc_id(3): ("web/2026/01/05/a.warc.gz", 3000, "Good text."),
        }
        ledger = [(r["doc_id"], r["reason"], r["measure"], r["file"]) for r in lake.read(Rejections)]
        assert ledger == [
            (doc_id(1), "duplicate_record", 3.0, "a"),
            (doc_id(1), "duplicate_record", 2.0, "b"),
            (doc_id(2), "duplicate_record", 2.0, "z"),
            (doc_id(3), "not_html", 404.0, "web/2026/01/05/a.warc.gz"),
        ]
        assert lake.receipt() is not None and lake.staged() == []
    assert outcomes[0].receipt.content_hash == outcomes[1].receipt.content_hash
    assert outcomes[0].receipt.reasons == {"duplicate_record": 3, "not_html": 1}


def test_without_settling_a_repeated_key_is_refused(lake: Lake) -> None:
    outcome = lake.stage([document(1, offset=1), document(1, offset=2)])
    assert not outcome.published
    assert "unique" in outcome.findings[0].message


def test_publishing_nothing_clears_what_stood_there_and_says_zero(lake: Lake) -> None:
    lake.stage(MIXED, day=NEXT)
    lake.stage(MIXED)
    assert not lake.stage([document(1), document(1)]).published
    outcome = publish_nothing(lake.run(), "no files")
    assert outcome.published and all(f.passed for f in outcome.findings)
    assert [len(rows) for rows in lake.everything().values()] == [0, 0, 0]
    assert [len(rows) for rows in lake.everything(NEXT).values()] == [2, 3, 1]
    receipt = lake.receipt()
    assert receipt is not None and receipt == outcome.receipt
    assert (receipt.rows_in, receipt.rows_kept, receipt.rows_rejected, receipt.rows_quarantined) == (0, 0, 0, 0)
    assert lake.staged() == []
    version = LakeTable(Documents, lake.root).version()
    assert publish_nothing(lake.run(), "no files").receipt == receipt
    assert LakeTable(Documents, lake.root).version() == version


def test_nothing_can_be_published_in_an_empty_lake(lake: Lake) -> None:
    receipt = publish_nothing(lake.run(), "no files").receipt
    assert LakeTable(Documents, lake.root).exists()
    assert receipt.version == 0


def test_a_stage_whose_rows_are_all_empty_files_publishes_zero_rows(lake: Lake) -> None:
    lake.stage(MIXED)
    outcome = lake.stage([])
    assert outcome.published
    assert [len(rows) for rows in lake.everything().values()] == [0, 0, 0]
    empty = publish_nothing(lake.run(), "").receipt
    assert outcome.receipt.content_hash == empty.content_hash


@pytest.mark.parametrize("dies_at", [Rejections, Quarantine, Documents])
def test_a_run_that_dies_while_publishing_leaves_the_day_unfinished_and_the_next_repairs_it(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, dies_at: type[Contract]
) -> None:
    lake.stage([document(7), rejected(8), quarantined(9)])
    replace_partition = LakeTable.replace_partition_from_spark

    def dies(table: LakeTable, *arguments: Any, **options: Any) -> Any:
        if table.contract is dies_at:
            raise KeyboardInterrupt
        return replace_partition(table, *arguments, **options)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(LakeTable, "replace_partition_from_spark", dies)
        lake.stage(MIXED)
    assert lake.receipt() is None
    # each table is the old or the new one, never a mixture
    assert [r["doc_id"] for r in lake.read(Documents)] == [doc_id(7)]
    assert len(lake.read(Rejections)) in (1, 3)
    assert lake.stage(MIXED).published
    clean = Lake(lake.spark, Path(lake.root) / "clean")
    clean.stage(MIXED)
    assert lake.everything() == clean.everything()
    assert lake.receipt() is not None
    assert lake.staged() == []
    assert storage.list_files(lake.root + "/_incoming") == []


def test_state_that_cannot_be_written_keeps_the_day_unpublished(lake: Lake) -> None:
    def fails(rows: DataFrame) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        lake.stage(MIXED, after=fails)
    assert lake.receipt() is None
    assert lake.read(Documents) == []


def test_of_two_runs_at_once_the_second_waits_and_the_day_is_one_clean_publication(lake: Lake) -> None:
    inside, go_on = threading.Event(), threading.Event()
    events: list[str] = []

    def slow(path: str) -> None:
        inside.set()
        assert go_on.wait(60)
        lake.frame(MIXED, 2).write.parquet(path)
        events.append("first staged")

    def quick(path: str) -> None:
        events.append("second staged")
        lake.frame(MIXED[:2], 2).write.parquet(path)

    outcomes: dict[str, Outcome] = {}

    def run(name: str, write: Callable[[str], None], rows: int) -> None:
        outcomes[name] = run_stage(lake.spark, lake.run(), write, rows)
        events.append(f"{name} done")

    first = threading.Thread(target=run, args=("first", slow, len(MIXED)))
    second = threading.Thread(target=run, args=("second", quick, 2))
    first.start()
    assert inside.wait(60)
    second.start()
    second.join(timeout=0.5)
    assert events == []
    go_on.set()
    first.join(60)
    second.join(60)
    assert events[:2] == ["first staged", "first done"] or events.index("second staged") > 0
    assert events.index("second staged") > events.index("first staged")
    assert outcomes["first"].published and outcomes["second"].published
    assert [len(rows) for rows in lake.everything().values()] == [2, 0, 0]
    assert lake.receipt() == outcomes["second"].receipt


def test_a_second_run_that_may_not_wait_is_refused_by_name_and_harms_nothing(lake: Lake, monkeypatch) -> None:
    refusals: list[LockedError] = []

    def write(path: str) -> None:
        with monkeypatch.context() as patch:
            patch.setenv("DATASET_PLATFORM_LOCK_WAIT_S", "0.2")
            for intrude in (lambda: lake.stage([document(99)]), lambda: publish_nothing(lake.run(), "")):
                thread = threading.Thread(target=attempt, args=(intrude,))
                thread.start()
                thread.join(60)
        lake.frame(MIXED).write.parquet(path)

    def attempt(intrude: Callable[[], object]) -> None:
        try:
            intrude()
        except LockedError as e:
            refusals.append(e)

    assert run_stage(lake.spark, lake.run(), write, len(MIXED)).published
    assert len(refusals) == 2
    assert all(e.message.startswith(f"web/documents of {DAY} is being written by process") for e in refusals)
    assert [len(rows) for rows in lake.everything().values()] == [2, 3, 1]


def test_two_days_at_once_do_not_wait_for_each_other(lake: Lake) -> None:
    meet = threading.Barrier(2, timeout=60)
    outcomes: list[Outcome] = []

    def run(day: str) -> None:
        def write(path: str) -> None:
            meet.wait()
            lake.frame(MIXED).write.parquet(path)

        outcomes.append(run_stage(lake.spark, lake.run(day), write, len(MIXED)))

    threads = [threading.Thread(target=run, args=(day,)) for day in (DAY, NEXT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [o.published for o in outcomes] == [True, True]
    for day in (DAY, NEXT):
        assert [len(rows) for rows in lake.everything(day).values()] == [2, 3, 1]


def content_hash(lake: Lake, rows: Rows, parts: int = 1) -> str:
    return publishing._count(lake.run(), lake.frame(rows, parts), len(rows)).content_hash


def test_the_hash_does_not_depend_on_order_partitions_or_what_was_rejected(lake: Lake) -> None:
    rows = [document(n) for n in range(40)]
    expected = content_hash(lake, rows)
    assert content_hash(lake, random.Random(1).sample(rows, 40), parts=5) == expected
    assert content_hash(lake, [*rows, rejected(50), quarantined(51), tally(3)], parts=2) == expected


def test_the_hash_changes_with_every_cell_and_with_every_row(lake: Lake) -> None:
    rows = [document(1), document(2)]
    variants: dict[str, Rows] = {"as it is": rows, "less": rows[:1], "twice": [*rows, rows[0]], "none": []}
    for name, value in rows[0].items():
        changed = value + 1 if isinstance(value, int) else value / 2 if isinstance(value, float) else None
        if isinstance(value, str):
            changed = value[:-1] + "~"
        elif isinstance(value, datetime):
            changed = value.replace(microsecond=1)
        variants[name] = [rows[0] | {name: changed}, rows[1]]
    variants["date null"] = [rows[0] | {"warc_date": None}, rows[1]]
    variants["type null"] = [rows[0] | {"content_type": None}, rows[1]]
    variants["type empty"] = [rows[0] | {"content_type": ""}, rows[1]]
    variants["urls swapped"] = [rows[0] | {"url": rows[1]["url"]}, rows[1] | {"url": rows[0]["url"]}]
    hashes = {name: content_hash(lake, changed) for name, changed in variants.items()}
    assert len(set(hashes.values())) == len(hashes), sorted(hashes.items(), key=lambda item: item[1])


SETTLED = [
    *MIXED,
    document(7, warc_date=datetime(2026, 1, 1, tzinfo=UTC), file="g"),
    document(7, warc_date=datetime(2026, 1, 3, tzinfo=UTC), file="f"),
    document(7, warc_date=None, file="a"),
    tally(9),
]
ORDER = ("warc_date DESC NULLS LAST", "file", "offset")


def test_without_a_jvm_a_day_is_published_the_same(spark: SparkSession, tmp_path: Path) -> None:
    in_spark, in_arrow = Lake(spark, tmp_path / "spark"), Lake(spark, tmp_path / "arrow")
    one = in_spark.stage(SETTLED, None, settle=ORDER)

    def write(path: str) -> None:
        for n in range(3):
            with storage.open_output(f"{path}/part-{n}.parquet") as sink:
                pq.write_table(labelled(Documents, SETTLED[n::3]), sink)

    two = run_arrow_stage(in_arrow.run(), write, None, settle=ORDER)
    assert one.published and two.published
    assert in_arrow.everything() == in_spark.everything()
    assert replace(two.receipt, seconds=0) == replace(one.receipt, seconds=0)
    assert two.receipt.reasons == {"duplicate_record": 2, "empty": 1, "not_html": 2}
    assert [f.message for f in two.findings] == [f.message for f in one.findings]


def test_a_day_without_rows_clears_nothing_where_a_table_is_of_another_contract(tmp_path) -> None:
    root = str(tmp_path / "lake")
    run = StageRun(Documents, root, DAY, "v1", "c1", {})
    publish_nothing(run, "no files")
    before = receipts.read(root, Documents, DAY)
    table = LakeTable(Documents, root)
    table.delta().alter.add_columns([Field("of_another_version", PrimitiveType("string"))])
    cleared = []
    with pytest.raises(StateError, match="another contract"):
        publish_nothing(run, "no files", cleared.append)
    assert not cleared
    assert receipts.read(root, Documents, DAY) == before
