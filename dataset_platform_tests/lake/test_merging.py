"""Tables whose row key is unique over all days: corrections, duplicates, late days, vanished rows, and what is left of
a run that died."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from dataset_platform.contracts import GoldFeatures, Rejections, SilverFrames
from dataset_platform.errors import ContractError, StateError
from dataset_platform.lake import merging, receipts, storage
from dataset_platform.lake.audit import conservation_finding
from dataset_platform.lake.merging import Merge
from dataset_platform.lake.publishing import Outcome, StageRun, publish_nothing, run_stage
from dataset_platform.lake.receipts import Receipt
from dataset_platform.lake.tables import LakeTable
from dataset_platform_tests.contracts.rows import good_row, labelled

D1, D2, D3 = "2026-01-05", "2026-01-06", "2026-01-07"
SILVER, GOLD = Merge(checksum="record_checksum"), Merge(follows=SilverFrames)
Rows = list[dict[str, Any]]


def frame(step: int, version: str = "a", file: str = "f", **changes: Any) -> dict[str, Any]:
    """A silver row; its version decides its bytes and its speed."""
    row = good_row(SilverFrames, frame_id=f"s1:{step}", step=step, record_checksum=version * 32, file=file)
    return row | {"offset": step * 10, "ego_speed_mps": float(ord(version))} | changes


def frames(steps: Iterable[int], version: str = "a", file: str = "f") -> Rows:
    return [frame(step, version, file) for step in steps]


class Lake:
    """A lake whose silver and gold are fed rows by hand."""

    def __init__(self, spark: SparkSession, root: Path) -> None:
        self.spark, self.root = spark, str(root / "lake")
        self.silver, self.gold = LakeTable(SilverFrames, self.root), LakeTable(GoldFeatures, self.root)

    def run(self, day: str) -> StageRun:
        return StageRun(SilverFrames, self.root, day, "1", "", {"driving/bronze_frames": "1:ab"})

    def land(self, day: str, rows: Rows) -> Outcome:
        """Stage and publish a day of silver, rows shuffled over two files."""
        if not rows:
            return publish_nothing(self.run(day), "no rows", merge=SILVER)
        data = [{k: v for k, v in row.items() if k != "ingestion_date"} for row in rows]

        def write(path: str) -> None:
            self.spark.createDataFrame(labelled(SilverFrames, data)).repartition(2).write.parquet(path)

        outcome = run_stage(self.spark, self.run(day), write, len(rows), merge=SILVER)
        assert outcome.published, outcome.findings
        return outcome

    def make_gold(self, day: str, scale: float = 1.0) -> Outcome:
        """Publish a day of gold of what silver holds on it."""
        above = self.receipt(day)
        rows = [
            good_row(GoldFeatures, ego_speed_mps=r["ego_speed_mps"] * scale)
            | {n: r[n] for n in ("frame_id", "step", "record_checksum", "file", "offset")}
            for r in self.silver.read(day).to_pylist()
        ]
        for row in rows:
            row.pop("ingestion_date")
        run = StageRun(GoldFeatures, self.root, day, "1", "", {SilverFrames.table_name(): above.content_hash})

        def write(path: str) -> None:
            self.spark.createDataFrame(labelled(GoldFeatures, rows)).write.parquet(path)

        return run_stage(self.spark, run, write, len(rows), merge=GOLD)

    def receipt(self, day: str, contract: type = SilverFrames) -> Receipt:
        found = receipts.read(self.root, contract, day)
        assert found is not None
        return found

    def held(self, table: LakeTable | None = None, version: int | None = None) -> dict[int, tuple[str, str]]:
        """Step → day and version of its row."""
        rows = (table or self.silver).dataset(version).to_table(columns=["step", "record_checksum", "ingestion_date"])
        found = {r["step"]: (r["ingestion_date"].isoformat(), r["record_checksum"][0]) for r in rows.to_pylist()}
        assert len(found) == rows.num_rows, "a row key lies in the table twice"
        return found

    def rejected(self, day: str) -> list[tuple[str, str, str]]:
        rows = LakeTable(Rejections, self.root).read(day).to_pylist()
        assert {(r["lane"], r["stage"]) for r in rows} <= {("driving", "silver_frames")}
        return sorted((r["doc_id"], r["reason"], r["file"]) for r in rows)

    def assert_accounted(self, day: str) -> None:
        """What the receipt says is what lies in the lake."""
        receipt = self.receipt(day)
        found = {"kept": self.silver.read(day).num_rows, "rejected": len(self.rejected(day)), "quarantined": 0}
        assert conservation_finding(receipt, found).passed, (receipt, found)
        assert receipt.rows_kept == int(receipt.content_hash.split(":")[0])


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    return Lake(spark, tmp_path)


def timeless(receipt: Receipt) -> Receipt:
    return replace(receipt, seconds=0.0, version=None)


def test_the_same_day_twice_is_the_same_table_without_a_new_version(lake: Lake) -> None:
    first = lake.land(D1, frames(range(4)))
    again = lake.land(D1, frames(range(4))[::-1])
    assert again.receipt.version == first.receipt.version == lake.silver.version()
    assert timeless(again.receipt) == timeless(first.receipt)
    assert lake.held() == dict.fromkeys(range(4), (D1, "a"))


def test_a_correction_replaces_exactly_its_rows_and_the_earlier_day_still_adds_up(lake: Lake) -> None:
    lake.land(D1, frames(range(5)))
    before, version = lake.silver.read(D1).sort_by("step").to_pylist(), lake.silver.version()
    outcome = lake.land(D2, [*frames([1, 2], "b", "g"), frame(9, "b", "g")])
    assert outcome.merged is not None
    assert (outcome.merged.moved, outcome.merged.outdated) == ({D1: 2}, [])
    assert lake.held() == {0: (D1, "a"), 3: (D1, "a"), 4: (D1, "a"), 1: (D2, "b"), 2: (D2, "b"), 9: (D2, "b")}
    assert lake.silver.read(D1).sort_by("step").to_pylist() == [before[i] for i in (0, 3, 4)]
    # one commit, and the table as it was can still be read
    assert lake.silver.version() == version + 1 == outcome.receipt.version
    assert lake.held(version=version) == dict.fromkeys(range(5), (D1, "a"))
    # the rows that left count as rejected where they landed
    assert lake.rejected(D1) == [(f"s1:{i}", "superseded_by_later_day", "f") for i in (1, 2)]
    amended = lake.receipt(D1)
    assert (amended.rows_in, amended.rows_kept, amended.rows_rejected) == (5, 3, 2)
    assert amended.reasons == {"superseded_by_later_day": 2}
    for day in (D1, D2):
        lake.assert_accounted(day)
    # making the earlier day again says the same, and commits nothing
    again = lake.land(D1, frames(range(5)))
    assert timeless(again.receipt) == timeless(amended)
    assert lake.silver.version() == version + 1
    assert lake.rejected(D1) == [(f"s1:{i}", "superseded_by_later_day", "f") for i in (1, 2)]


def test_versions_within_a_day_are_settled_by_place_and_named_in_the_ledger(lake: Lake) -> None:
    rows = [
        *(frame(0, "a", "f"), frame(0, "a", "h"), frame(0, "b", "g")),  # the last file stays, whatever lies between
        *(frame(1, "a", "f"), frame(1, "b", "f", offset=99)),
        frame(2),
        frame(2, "c", reason="ego_not_valid", offset=500),
    ]
    for seed in (1, 2):
        outcome = lake.land(D1, random.Random(seed).sample(rows, len(rows)))
        assert lake.held() == {0: (D1, "a"), 1: (D1, "b"), 2: (D1, "a")}
        assert lake.rejected(D1) == [
            ("s1:0", "duplicate_record", "f"),
            ("s1:0", "superseded_in_day", "g"),
            ("s1:1", "superseded_in_day", "f"),
            ("s1:2", "ego_not_valid", "f"),
        ]
        assert outcome.receipt.rows_in == 7
        lake.assert_accounted(D1)


def test_the_same_bytes_on_another_day_are_a_duplicate_and_a_late_day_does_not_win(lake: Lake) -> None:
    lake.land(D2, frames([0, 1], "b"))
    version = lake.silver.version()
    lake.land(D3, frames([0, 1], "b", "g"))
    lake.land(D1, [frame(0, "a", "h"), frame(1, "b", "h"), frame(2, "a", "h")])
    assert lake.held() == {0: (D2, "b"), 1: (D2, "b"), 2: (D1, "a")}
    assert lake.silver.version() == version + 1
    assert lake.rejected(D3) == [(f"s1:{i}", "duplicate_of_other_day", "g") for i in (0, 1)]
    assert lake.rejected(D1) == [
        ("s1:0", "superseded_by_later_day", "h"),
        ("s1:1", "duplicate_of_other_day", "h"),
    ]
    for day in (D1, D2, D3):
        lake.assert_accounted(day)


def test_rows_that_vanish_are_deleted_and_days_judged_by_them_are_marked(lake: Lake) -> None:
    lake.land(D1, frames(range(3)))
    lake.land(D2, frames([0, 1], "b"))
    lake.land(D3, frames([1], "b", "g"))
    kept = lake.land(D2, frames([0], "b"))
    assert lake.held() == {0: (D2, "b"), 2: (D1, "a")}
    assert kept.merged is not None
    assert kept.merged.outdated == [D1, D3]
    for day in (D1, D3):
        assert lake.receipt(day).outdated_by == [f"driving/silver_frames of {D2}"]
    lake.land(D1, frames(range(3)))
    lake.land(D3, frames([1], "b", "g"))
    assert lake.held() == {0: (D2, "b"), 1: (D3, "b"), 2: (D1, "a")}
    assert not lake.receipt(D3).outdated_by
    # a day without files any more
    emptied = lake.land(D2, [])
    assert emptied.merged is not None
    assert emptied.merged.outdated == [D1]
    lake.land(D1, frames(range(3)))
    assert lake.held() == {0: (D1, "a"), 1: (D3, "b"), 2: (D1, "a")}
    for day in (D1, D2, D3):
        lake.assert_accounted(day)


@pytest.mark.parametrize("dies_in", ["merge_rows", "receipt"])
def test_a_run_that_dies_around_its_merge_is_repaired_by_the_next(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, dies_in: str
) -> None:
    lake.land(D1, frames(range(4)))
    write = receipts.write

    def dies(*arguments: Any) -> Any:
        if dies_in == "merge_rows" or arguments[1].day == D2:
            raise KeyboardInterrupt
        return write(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(*((merging, "merge_rows") if dies_in == "merge_rows" else (receipts, "write")), dies)
        lake.land(D2, frames([1, 2], "b"))
    assert receipts.read(lake.root, SilverFrames, D2) is None
    assert set(lake.held().values()) == ({(D1, "a")} if dies_in == "merge_rows" else {(D1, "a"), (D2, "b")})
    lake.land(D2, frames([1, 2], "b"))
    assert lake.held() == {0: (D1, "a"), 1: (D2, "b"), 2: (D2, "b"), 3: (D1, "a")}
    assert lake.rejected(D1) == [(f"s1:{i}", "superseded_by_later_day", "f") for i in (1, 2)]
    for day in (D1, D2):
        lake.assert_accounted(day)
    assert storage.list_files(lake.run(D2).staging) == []


def test_gold_follows_silver_and_a_day_computed_from_rows_that_moved_is_refused(lake: Lake) -> None:
    lake.land(D1, frames(range(4)))
    first = lake.make_gold(D1)
    version = first.receipt.version
    assert lake.make_gold(D1).receipt.version == version
    before = lake.gold.read(D1).sort_by("step").to_pylist()
    stale = replace(lake.receipt(D1))
    lake.land(D2, frames([1, 2], "b"))
    made = lake.make_gold(D2)
    assert made.merged is not None
    assert made.merged.moved == {D1: 2}
    assert lake.held(lake.gold) == lake.held()
    assert lake.gold.read(D1).sort_by("step").to_pylist() == [before[0], before[3]]
    earlier = lake.gold.dataset(version).to_table().sort_by("step").to_pylist()
    assert earlier == before
    receipt = lake.receipt(D1, GoldFeatures)
    assert (receipt.rows_in, receipt.rows_kept, receipt.rows_rejected) == (2, 2, 0)
    # made from what silver held before: the check finds it, and making it again changes nothing
    assert receipt.inputs["driving/silver_frames"] == stale.content_hash != lake.receipt(D1).content_hash
    again = lake.make_gold(D1)
    assert again.receipt.content_hash == receipt.content_hash
    assert again.receipt.version == made.receipt.version
    # other settings give other rows of the same frames
    changed = lake.make_gold(D2, scale=2.0)
    assert changed.merged is not None
    assert changed.merged.moved == {}
    assert sorted(lake.gold.read(D2, ["ego_speed_mps"]).column(0).to_pylist()) == [2.0 * ord("b")] * 2
    receipts.write(lake.root, replace(lake.receipt(D2), content_hash="2:00"))
    run = StageRun(GoldFeatures, lake.root, D2, inputs={"driving/silver_frames": "2:01"})
    with pytest.raises(StateError, match=f"silver_frames of {D2} has changed while"):
        publish_nothing(run, "", merge=GOLD)


def test_rows_of_another_schema_are_refused_by_name_before_a_byte_is_written(lake: Lake) -> None:
    from pyspark.sql import functions as F

    lake.land(D1, frames([0]))
    version, table = lake.silver.version(), lake.silver
    good = table.read_spark(lake.spark)
    drifted = good.withColumn("ego_speed_mps", F.col("ego_speed_mps").cast("string")).withColumn("colour", F.lit("red"))
    drifted = drifted.drop("step")
    with pytest.raises(ContractError) as refused:
        merging.merge_rows(lake.spark, table, drifted, ["frame_id"], [D1])
    for word in (
        "driving/silver_frames",
        "ego_speed_mps: string, declared double",
        "step: missing",
        "colour: not declared",
    ):
        assert word in refused.value.message
    nested = good.drop("ingestion_date").withColumn(
        "agents", F.transform("agents", lambda a: a.dropFields("speed_mps"))
    )
    with pytest.raises(ContractError, match="agents: "):
        table.replace_partition_from_spark(nested, {"ingestion_date": D1})
    with pytest.raises(ContractError, match="agents: "):
        table.replace_range_from_spark(nested.withColumn("ingestion_date", F.lit(D1).cast("date")), D1, D1)
    assert table.version() == version
    assert storage.list_files(lake.root + "/_incoming") == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_the_order_of_days_each_frame_ends_as_its_latest_day_has_it(lake: Lake, seed: int) -> None:
    draw = random.Random(seed)
    landed: dict[str, Rows] = {}
    for _ in range(9):
        day = draw.choice([D1, D2, D3])
        steps = [s for s in range(6) if draw.random() < 0.6]
        landed[day] = [frame(s, draw.choice("ab"), f"{day}-{len(landed)}") for s in steps]
        lake.land(day, landed[day])
        while outdated := [d for d in landed if lake.receipt(d).outdated_by]:
            lake.land(outdated[0], landed[outdated[0]])
        latest = {r["step"]: r["record_checksum"][0] for d in sorted(landed) for r in landed[d]}
        assert {step: version for step, (_, version) in lake.held().items()} == latest
        for done in landed:
            lake.assert_accounted(done)
            assert lake.silver.read(done).num_rows == 0 or date.fromisoformat(done) in set(
                pa.array(lake.silver.read(done).column("ingestion_date")).to_pylist()
            )
