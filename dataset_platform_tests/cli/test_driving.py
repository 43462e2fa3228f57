"""The driving lane through the command line, on Waymo's own records: two days, the second of which corrects the first."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataset_platform.contracts import (
    BronzeFrames,
    BronzeMaps,
    CameraImages,
    CotQuality,
    CotTraces,
    GoldFeatures,
    Keyframes,
    Quarantine,
    Rejections,
    SilverFrames,
)
from dataset_platform.kernels.driving.protos.projections_pb2 import ScenarioMotion
from dataset_platform.kernels.driving.tfrecord import Record, read_records
from dataset_platform.kernels.driving.tfrecord_writer import TFRecordWriter
from dataset_platform_tests.cli.command import Home, Result

DAYS = ("2026-01-05", "2026-01-06")
SCENARIO, EXAMPLE = "637f20cafde22ff8", "a3bb37c25ce56418"
STEPS = 91
pytestmark = pytest.mark.timeout(900)


def landed(home: Home, day: str) -> Path:
    folder = home.raw / "waymo" / "tfrecords" / day.replace("-", "/")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def corrected(path: Path) -> bytes:
    """The scenario's record with one track moved by a metre."""
    with path.open("rb") as stream:
        (record,) = read_records(stream, None, max_record_bytes=1 << 30)
    assert isinstance(record, Record)
    scenario = ScenarioMotion.FromString(bytes(record.payload))
    for state in scenario.tracks[0].states:
        state.center_x += 1.0
    return scenario.SerializeToString()  # fields that the message does not name are kept


@pytest.fixture(scope="module")
def done(
    spark, real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Home, Result, Result, int]]:
    """Both days, run one after the other, and gold's version between them."""
    home = Home(tmp_path_factory.mktemp("driving") / "home")
    womd = real_data / "womd"
    first = landed(home, DAYS[0])
    for name in ("motion_data_one_scenario", "motion_data_one_example"):
        shutil.copy(womd / f"{name}.tfrecord", first)
    whole = (womd / "motion_data_one_scenario.tfrecord").read_bytes()
    (first / "cut.tfrecord").write_bytes(whole[: len(whole) // 2])
    (first / "again.tfrecord").write_bytes(whole)
    one = home.run("materialize", "driving/*", "-p", DAYS[0], "--json")
    between = home.table(GoldFeatures).delta().version()
    second = landed(home, DAYS[1])
    with (second / "corrected.tfrecord").open("wb") as sink:
        TFRecordWriter(sink).write(corrected(womd / "motion_data_one_scenario.tfrecord"))
    shutil.copy(womd / "perception_one_frame.tfrecord", second)
    before = {r["frame_id"]: r for r in home.rows(GoldFeatures)}
    (home.path / "before.json").write_text(json.dumps(before, default=str))
    two = home.run("materialize", "driving/*", "-p", DAYS[1], "--json")
    yield home, one, two, between


def counts(result: Result) -> dict[str, tuple[int, int, int, int]]:
    return {
        a["key"].removeprefix("driving/"): (a["rows_in"], a["rows_kept"], a["rows_rejected"], a["rows_quarantined"])
        for a in result.json["assets"]
    }


def test_every_row_of_the_first_day_is_accounted_for(done):
    home, one, _, _ = done
    assert one.code == 0, one.stderr
    found = counts(one)
    assert found["raw_tfrecords"] == (4, 4, 0, 0)
    assert found["bronze_frames"] == (3 * STEPS + 1, 3 * STEPS, 0, 1)
    assert found["silver_frames"] == (3 * STEPS, 2 * STEPS, STEPS, 0)  # the scenario lies there twice
    assert found["gold_features"] == (2 * STEPS, 2 * STEPS, 0, 0)
    assert found["cot_traces"][:2] == found["cot_quality"][:2] == (found["keyframes"][1],) * 2
    (broken,) = [r for r in home.rows(Quarantine, DAYS[0]) if r["stage"] == "bronze_frames"]
    assert broken["file"].endswith("cut.tfrecord") and broken["offset"] == 0 and broken["error"]
    reasons = {r["reason"] for r in home.rows(Rejections, DAYS[0]) if r["stage"] == "silver_frames"}
    assert reasons == {"duplicate_record", "superseded_by_later_day"}  # the second day has corrected it since
    checks = [c for c in one.json["checks"] if not c["passed"]]
    assert checks == []


def test_the_red_arrow_is_why_the_ego_stands(done):
    home, *_ = done
    rows = [r for r in home.rows(CotTraces) if r["frame_id"] == f"{SCENARIO}:10"]
    (trace,) = [r for r in rows if r["ingestion_date"].isoformat() == DAYS[1]]
    content = json.loads(trace["trace"])
    assert trace["longitudinal"] == "stop" and trace["lateral"] == "keep"
    assert {"kind": "signal", "agent_id": None, "feature_id": 455} in content["justification"]["causes"]
    assert "lane 455" in trace["text"] and "red arrow" in trace["text"]
    (gold,) = [r for r in home.rows(GoldFeatures) if r["frame_id"] == f"{SCENARIO}:10"]
    assert gold["lane_id"] == 548 and gold["signal_state"] == "arrow_stop"
    assert gold["lead_track_id"] is None  # the car at 23.75 m crosses


def test_rule_traces_state_only_facts(done):
    home, *_ = done
    for row in home.rows(CotQuality):
        metrics = {m["metric"]: m["value"] for m in row["metrics"]}
        assert metrics["number_groundedness"] == 1.0
        assert metrics["hallucinated_agent_rate"] == 0.0
        assert metrics["future_leak"] == 0.0
        assert row["claims"] and row["judge"].startswith("not run")


def test_a_correction_changes_exactly_the_corrected_frames_and_history_stays(done):
    home, _, two, between = done
    assert two.code == 0, two.stderr
    before = json.loads((home.path / "before.json").read_text())
    after = {r["frame_id"]: r for r in home.rows(GoldFeatures)}
    changed = {k for k, r in after.items() if k in before and json.loads(json.dumps(r, default=str)) != before[k]}
    assert changed == {f"{SCENARIO}:{step}" for step in range(STEPS)}
    assert {after[k]["ingestion_date"].isoformat() for k in changed} == {DAYS[1]}
    assert len(after) == 2 * STEPS + 1  # and the perception frame
    read = home.run("read", "driving/gold_features", "--as-of", str(between), "--where-id", f"{SCENARIO}:10", "--json")
    assert read.code == 0, read.stderr
    (row,) = read.json["rows"]
    assert row["ingestion_date"] == DAYS[0] and row["record_checksum"] == before[f"{SCENARIO}:10"]["record_checksum"]


def test_the_earlier_day_still_adds_up_and_says_what_to_run_again(done):
    home, *_ = done
    silver = home.run("check", "driving/silver_frames", "-p", DAYS[0], "--json")
    assert silver.code == 0, silver.stderr
    reasons = [r["reason"] for r in home.rows(Rejections, DAYS[0]) if r["stage"] == "silver_frames"]
    assert reasons.count("superseded_by_later_day") == STEPS
    traces = home.run("check", "driving/keyframes", "-p", DAYS[0])
    assert traces.code == 1
    assert "materialize this day again" in traces.stderr


def test_bronze_twice_is_bronze_once(done):
    home, *_ = done
    tables = (BronzeFrames, BronzeMaps, CameraImages)
    before = {c.table_name(): sorted(map(repr, home.rows(c))) for c in tables}
    again = home.run("materialize", "driving/bronze_frames,driving/bronze_maps,driving/camera_images", "-p", DAYS[1])
    assert again.code == 0, again.stderr
    assert {c.table_name(): sorted(map(repr, home.rows(c))) for c in tables} == before
    assert len(before["driving/camera_images"]) == 5


def test_a_frame_is_traced_to_its_bytes(done):
    home, *_ = done
    result = home.run("trace", f"{SCENARIO}:10", "--json")
    assert result.code == 0, result.stderr
    found = result.json["traces"]
    assert all(t["bytes_verified"] for t in found)
    ends = {(t["day"], Path(t["file"]).name): t["verdict"] for t in found}
    assert ends[DAYS[1], "corrected.tfrecord"] == "kept up to driving/cot_quality"
    assert "duplicate_record" in ends[DAYS[0], "again.tfrecord"]
    assert "superseded_by_later_day" in str(found)
    (trace,) = [r for r in home.rows(CotTraces, DAYS[1]) if r["frame_id"] == f"{SCENARIO}:10"]
    assert home.run("trace", trace["trace_id"], "--json").json["traces"] == found


def test_a_scene_is_shown_as_a_picture_and_in_words(done, tmp_path):
    home, *_ = done
    target = tmp_path / "scene.png"
    shown = home.run("show", SCENARIO, "--output", str(target))
    assert shown.code == 0, shown.stderr
    assert target.read_bytes().startswith(b"\x89PNG")
    assert "red arrow" in shown.stdout


def test_the_card_of_the_day_lies_with_its_pictures(done):
    home, *_ = done
    card = (home.artifacts / "driving" / "cot_quality" / DAYS[0] / "card.md").read_text()
    assert card.startswith(f"# Reasoning traces of {DAYS[0]}")
    assert "number_groundedness | 1.000" in card
    assert "Language model as judge: not run" in card
    for name in (line.split("](")[1].rstrip(")") for line in card.splitlines() if line.startswith("![")):
        assert (home.artifacts / "driving" / "cot_quality" / DAYS[0] / name).read_bytes().startswith(b"\x89PNG")


def test_perception_frames_reach_gold_and_their_pictures_lie_apart(done):
    home, *_ = done
    (frame,) = [r for r in home.rows(SilverFrames, DAYS[1]) if r["record_type"] == "frame"]
    assert frame["frame_id"] in {r["frame_id"] for r in home.rows(GoldFeatures, DAYS[1])}
    assert {r["camera_name"] for r in home.rows(CameraImages)} == {
        *("front", "front_left", "front_right", "side_left", "side_right")
    }
    assert frame["frame_id"] not in {r["frame_id"] for r in home.rows(Keyframes)}  # it has no past
