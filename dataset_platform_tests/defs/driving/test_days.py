"""Days of the driving lane through all stages up to keyframes: what lands twice, what is corrected, what comes late."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from dataset_platform.config import DrivingConfig, PlatformConfig
from dataset_platform.contracts import (
    BronzeFrames,
    BronzeMaps,
    CameraImages,
    Contract,
    GoldFeatures,
    Keyframes,
    Quarantine,
    RawTfrecords,
    Rejections,
    SilverFrames,
)
from dataset_platform.defs.days import Day
from dataset_platform.defs.driving import assets
from dataset_platform.defs.stages import STAGES, UNCHANGED, check_day, materialize_day
from dataset_platform.kernels.reasoning.settings import KeyframeConfig
from dataset_platform.lake import receipts
from dataset_platform.lake.publishing import Outcome
from dataset_platform.lake.tables import LakeTable
from dataset_platform.settings import Settings, day_path
from dataset_platform_tests.kernels.driving.small_records import example, frame, scenario, tfrecord

pytestmark = pytest.mark.slow

D1, D2 = "2026-01-05", "2026-01-06"
STEPS = 4
ORDER = (RawTfrecords, BronzeFrames, BronzeMaps, CameraImages, SilverFrames, GoldFeatures, Keyframes)
CONFIG = PlatformConfig(driving=DrivingConfig(keyframes=KeyframeConfig(min_past_s=0.0, min_future_s=0.1)))


class Lane:
    """The driving lane in a home of its own."""

    def __init__(self, spark: SparkSession, home: Path) -> None:
        self.spark, root = spark, str(home)
        self.settings = Settings(root, f"{root}/raw", f"{root}/lake", root, root, date(2025, 12, 1))

    def land(self, day: str, name: str, content: bytes) -> None:
        folder = Path(self.settings.raw) / "waymo/tfrecords" / day_path(day)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    def day(self, key: str) -> Day:
        return Day(key, self.settings, CONFIG, lambda: self.spark)

    def make(self, key: str, *tables: type[Contract], only_stale: bool = False) -> dict[str, tuple[Outcome, dict]]:
        """Materialize tables of a day, all by default; outcome and metadata per artifact."""
        found = {}
        for contract in tables or ORDER:
            outcome, shown = materialize_day(STAGES[contract.table_name()], self.day(key), only_stale)
            assert outcome.published, outcome.findings
            assert all(f.passed for f in outcome.findings if f.severity == "ERROR") or only_stale, outcome.findings
            found[contract.artifact_name()] = (outcome, shown)
        return found

    def failed(self, key: str) -> dict[str, list[str]]:
        """Blocking checks of a day that fail now, per artifact."""
        found = {}
        for contract in ORDER:
            findings = check_day(STAGES[contract.table_name()], self.day(key))
            found[contract.artifact_name()] = [f.name for f in findings if not f.passed and f.severity == "ERROR"]
        return {name: names for name, names in found.items() if names}

    def rows(self, contract: type[Contract], day: str | None = None, version: int | None = None) -> dict[str, Any]:
        """Rows by their frame."""
        table = LakeTable(contract, self.settings.lake)
        rows = table.read(day) if version is None else table.dataset(version).to_table()
        assert len(set(rows.column("frame_id").to_pylist())) == rows.num_rows
        return {row["frame_id"]: row for row in rows.to_pylist()}

    def reasons(self, contract: type[Contract], day: str) -> dict[str, int]:
        found = receipts.read(self.settings.lake, contract, day)
        assert found is not None
        return found.reasons


def frames_of(*scenarios: str) -> set[str]:
    return {f"{name}:{step}" for name in scenarios for step in range(STEPS)}


def record(name: str, *, shift_m: float = 0.0) -> bytes:
    message = scenario(name, steps=STEPS)
    message.tracks[2].states[2].center_x += shift_m
    return message.SerializeToString()


@pytest.fixture
def lane(spark: SparkSession, tmp_path: Path) -> Lane:
    """Three scenarios and a tf.Example, one of them twice, beside a perception frame, and a file that breaks off."""
    made = Lane(spark, tmp_path / "home")
    made.land(D1, "a.tfrecord", tfrecord(record("s1"), record("s2"), record("s1")))
    made.land(D1, "b.tfrecord", tfrecord(record("s3"), example(), frame().SerializeToString()) + b"\x07\0\0")
    return made


def test_days_land_are_corrected_and_land_again(lane: Lane) -> None:
    first = lane.make(D1)
    assert {c.lane_name() for c in ORDER} == {"driving"} and len(assets.ASSETS) == len(ORDER)
    count = lambda name: (first[name][0].receipt.rows_in, first[name][0].receipt.rows_kept)  # noqa: E731
    frames = 4 * STEPS + 6 + 1
    assert (count("bronze_frames"), count("bronze_maps")) == ((frames + 1, frames), (7, 5))
    assert (count("silver_frames"), count("gold_features")) == ((frames, frames - STEPS), (frames - STEPS,) * 2)
    assert lane.reasons(SilverFrames, D1) == {"duplicate_record": STEPS}
    assert count("camera_images")[1] == 2
    assert 0 < count("keyframes")[1] < count("keyframes")[0] == frames - STEPS
    quarantined = LakeTable(Quarantine, lane.settings.lake).read(D1).to_pylist()
    assert {r["stage"] for r in quarantined} == {"bronze_frames", "bronze_maps", "camera_images"}
    assert all(r["file"].endswith("b.tfrecord") and r["error"] for r in quarantined)
    ledger = LakeTable(Rejections, lane.settings.lake).read(D1).to_pylist()
    assert all(r["doc_id"] and r["file"] for r in ledger)
    assert lane.failed(D1) == {}

    # twice is once: the same rows, and of merged tables not even a commit
    held = {
        c: (lane.rows(c), receipts.read(lane.settings.lake, c, D1)) for c in (SilverFrames, GoldFeatures, Keyframes)
    }
    bronze = (
        LakeTable(BronzeFrames, lane.settings.lake).read().sort_by([("frame_id", "ascending"), ("offset", "ascending")])
    )
    again = lane.make(D1)
    assert bronze.equals(
        LakeTable(BronzeFrames, lane.settings.lake).read().sort_by([("frame_id", "ascending"), ("offset", "ascending")])
    )
    for contract, (rows, receipt) in held.items():
        assert lane.rows(contract) == rows
        assert again[contract.artifact_name()][0].receipt.content_hash == receipt.content_hash
        if contract is not Keyframes:
            assert again[contract.artifact_name()][0].receipt.version == receipt.version

    # s1 is corrected on the next day, s2 lands there with the same bytes
    versions = {c: LakeTable(c, lane.settings.lake).version() for c in (SilverFrames, GoldFeatures)}
    lane.land(D2, "c.tfrecord", tfrecord(record("s1", shift_m=0.5), record("s2")))
    second = lane.make(D2)
    assert lane.reasons(SilverFrames, D2) == {"duplicate_of_other_day": STEPS}
    for contract in (SilverFrames, GoldFeatures):
        before, now = held[contract][0], lane.rows(contract)
        assert {f for f in now if now[f] != before[f]} == frames_of("s1") == set(lane.rows(contract, D2))
        assert set(now) == set(before)
        assert LakeTable(contract, lane.settings.lake).version() == versions[contract] + 1
        assert lane.rows(contract, version=versions[contract]) == before
        assert "--only-stale" in second[contract.artifact_name()][1]["note"]
    assert lane.rows(SilverFrames)["s1:2"]["ego_x_m"] == held[SilverFrames][0]["s1:2"]["ego_x_m"] + 0.5
    assert lane.reasons(SilverFrames, D1) == {"duplicate_record": STEPS, "superseded_by_later_day": STEPS}

    # the earlier day's silver still adds up; what was made from it says that it is out of date, and is brought up to date
    assert lane.failed(D1) == {"gold_features": ["conservation"], "keyframes": ["conservation"]}
    assert lane.failed(D2) == {}
    fresh = lane.make(D1, only_stale=True)
    assert [name for name, (_, shown) in fresh.items() if shown.get("note") != UNCHANGED] == [
        "gold_features",
        "keyframes",
    ]
    assert lane.failed(D1) == {}
    assert not set(lane.rows(Keyframes, D1)) & frames_of("s1")
    assert set(lane.rows(Keyframes, D2)) <= frames_of("s1")

    # a correction that is taken back
    (Path(lane.settings.raw) / "waymo/tfrecords" / day_path(D2) / "c.tfrecord").unlink()
    lane.make(D2)
    assert lane.failed(D1) == {"silver_frames": ["conservation"]}
    lane.make(D1, only_stale=True)
    assert lane.rows(SilverFrames) == held[SilverFrames][0]
    assert lane.rows(GoldFeatures) == held[GoldFeatures][0]
    assert (lane.failed(D1), lane.failed(D2)) == ({}, {})
