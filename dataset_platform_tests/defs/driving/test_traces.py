"""``driving/cot_traces`` and ``driving/cot_annotations`` as stages: exports, inputs, kills, people's corrections."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import yaml

from dataset_platform.config import PlatformConfig
from dataset_platform.contracts import CameraImages, CotAnnotations, CotTraces, Keyframes
from dataset_platform.defs.driving import judging
from dataset_platform.defs.driving.annotation_previews import agreement_report
from dataset_platform.defs.driving.front_pictures import FrontPictures
from dataset_platform.defs.driving.traces import read_keyframes
from dataset_platform.defs.metadata import Published
from dataset_platform.errors import ConfigError, EngineError, StateError
from dataset_platform.kernels.reasoning import level_checks
from dataset_platform.lake import cot_exports, receipts
from dataset_platform.lake.tables import LakeTable
from dataset_platform_tests.defs.driving.trace_stage import ANNOTATIONS, TRACES, day_of, keyframe_rows, make, put
from dataset_platform_tests.kernels.reasoning.llm_scene import DAY, keyframes
from dataset_platform_tests.llm.fault_server import serving

LATER = "2026-01-06"
FRAMES = keyframes(12)


def configured(**reasoning: object) -> PlatformConfig:
    return PlatformConfig.model_validate({"driving": {"reasoning": reasoning}})


def rows_of(contract, day: str) -> list[dict]:
    table = day_of(day).table(contract)
    found = table.read(day).to_pylist() if table.exists() else []
    return sorted(found, key=lambda r: r[contract.row_key()[0]])


@pytest.fixture
def lake(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a day of keyframes, and no model named."""
    monkeypatch.delenv("DATASET_PLATFORM_LLM", raising=False)
    put(Keyframes, DAY, keyframe_rows(FRAMES))
    return home


def exported(home: Path) -> list[dict]:
    return (
        ds.dataset(str(home / "artifacts/driving/cot_traces"), format="parquet", exclude_invalid_files=True)
        .to_table()
        .to_pylist()
    )


def test_rules_make_the_day_without_a_model_and_export_it(lake):
    make(TRACES, day_of(DAY))
    rows = rows_of(CotTraces, DAY)
    assert {r["frame_id"] for r in rows} == {f.frame_id for f in FRAMES}
    assert {r["trace_id"] for r in rows} == {f.trace_id for f in FRAMES}
    index = cot_exports.index(str(lake / "artifacts"))
    assert list(index) == [DAY] and len(index[DAY]) == 12
    assert sorted(exported(lake), key=lambda r: r["trace_id"]) == rows
    make(TRACES, day_of(DAY))
    assert cot_exports.index(str(lake / "artifacts")) == index and rows_of(CotTraces, DAY) == rows


def test_other_rows_are_another_version_and_the_old_one_goes(lake):
    make(TRACES, day_of(DAY))
    put(Keyframes, LATER, keyframe_rows(FRAMES[:2]))
    make(TRACES, day_of(LATER))
    before = cot_exports.index(str(lake / "artifacts"))
    put(Keyframes, DAY, keyframe_rows(FRAMES[:5]))
    make(TRACES, day_of(DAY))
    after = cot_exports.index(str(lake / "artifacts"))
    assert after[DAY] != before[DAY] and after[LATER] == before[LATER]
    folders = {p.name for p in (lake / "artifacts/driving/cot_traces").iterdir() if p.is_dir()}
    assert folders == set(after.values()) and len(exported(lake)) == 7


def test_a_day_without_keyframes_has_no_exports(lake):
    make(TRACES, day_of(DAY))
    put(Keyframes, DAY, [])
    make(TRACES, day_of(DAY))
    assert rows_of(CotTraces, DAY) == [] and cot_exports.index(str(lake / "artifacts")) == {}
    assert not (lake / "artifacts/driving/annotation_tasks" / DAY).exists()
    with pytest.raises(StateError, match="driving/keyframes"):
        make(TRACES, day_of(LATER))


def test_no_model_is_chosen_by_accident(lake, monkeypatch):
    for generator in ("llm", "hybrid"):
        with pytest.raises(ConfigError, match="DATASET_PLATFORM_LLM"):
            make(TRACES, day_of(DAY, configured(generator=generator)))
    monkeypatch.setenv("DATASET_PLATFORM_LLM", "simulated")
    with pytest.raises(ConfigError, match="cheap_model"):
        make(TRACES, day_of(DAY, configured(generator="hybrid", cheap="llm")))


def test_what_decides_the_rows_is_in_the_receipt(lake, monkeypatch):
    rules = make(TRACES, day_of(DAY)).receipt
    monkeypatch.setenv("DATASET_PLATFORM_LLM", "simulated")
    hybrid = make(TRACES, day_of(DAY, configured(generator="hybrid", cheap="llm", cheap_model="simulated"))).receipt
    assert {"driving/keyframes", "rules", "validators", "annotate_sample"} == rules.inputs.keys()
    assert {"prompts", "model", "cheap_model"} <= hybrid.inputs.keys() and hybrid.inputs[
        "model"
    ] == "simulated:simulated"
    assert rules.config_hash != hybrid.config_hash
    assert {r["simulated"] for r in rows_of(CotTraces, DAY)} == {True}


def test_other_checks_and_another_sample_make_the_day_again(lake, monkeypatch):
    """Days that hold the same rows are not left as they are when what was exported with them is decided otherwise."""
    first = make(TRACES, day_of(DAY)).receipt
    sampled = PlatformConfig.model_validate({"driving": {"quality": {"annotate_sample": 3}}})
    second = make(TRACES, day_of(DAY, sampled)).receipt
    assert first.inputs["annotate_sample"] == "50" and second.inputs["annotate_sample"] == "3"
    monkeypatch.setitem(level_checks.TOLERANCE, "m", 2.0)
    third = make(TRACES, day_of(DAY, sampled)).receipt
    assert third.inputs["validators"] != second.inputs["validators"] == first.inputs["validators"]


def test_parts_that_a_killed_run_left_are_no_part_of_a_version(lake):
    make(TRACES, day_of(DAY))
    [version] = cot_exports.index(str(lake / "artifacts")).values()
    folder = lake / "artifacts/driving/cot_traces" / version
    [part] = folder.iterdir()
    (folder / "part-00007.parquet").write_bytes(part.read_bytes())
    make(TRACES, day_of(DAY))
    assert [p.name for p in folder.iterdir()] == [part.name] and len(exported(lake)) == len(FRAMES)


def test_a_day_without_pictures_opens_none(lake, monkeypatch):
    own = {"frame_id": "f:1", "scenario_id": "s", "camera_name": "front", "image": b"x", "size_bytes": 1}
    put(CameraImages, LATER, [own | {"checksum": "b" * 64, "file": "f", "offset": 0, "length": 1}])
    dataset = LakeTable.dataset

    def no_pictures(table, *given):
        assert table.contract is not CameraImages, "the table of pictures was opened"
        return dataset(table, *given)

    monkeypatch.setattr(LakeTable, "dataset", no_pictures)
    assert {f.picture for f in read_keyframes(day_of(DAY), pictures=True)} == {None}
    put(CameraImages, DAY, [])
    assert {f.picture for f in read_keyframes(day_of(DAY), pictures=True)} == {None}
    with pytest.raises(AssertionError, match="opened"):
        FrontPictures.of_day(day_of(LATER))


def test_images_of_other_row_groups_are_not_read(tmp_path):
    """They cannot be: their bytes are spoiled, and reading them fails."""
    draw = random.Random(3)
    rows = [{"frame_id": f"f:{n}", "camera_name": "front", "image": draw.randbytes(500)} for n in range(8)]
    path = tmp_path / "images.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2, compression="zstd")
    spoilt = pq.ParquetFile(path).metadata.row_group(2).column(2)
    begin = spoilt.dictionary_page_offset or spoilt.data_page_offset
    body = bytearray(path.read_bytes())
    body[begin : begin + spoilt.total_compressed_size] = bytes(spoilt.total_compressed_size)
    path.write_bytes(body)
    pictures = FrontPictures(list(ds.dataset(path).get_fragments()))
    assert pictures.of(["f:7", "f:0", "nobody:1"]) == {"f:0": rows[0]["image"], "f:7": rows[7]["image"]}
    assert pictures.of([]) == {}
    with pytest.raises(OSError):
        pictures.of(["f:4"])


def test_verdicts_are_written_as_they_come(lake, monkeypatch, tmp_path):
    make(TRACES, day_of(DAY))
    assert not judging.judged(day_of(DAY), str(tmp_path / "none")) and not (tmp_path / "none").exists()
    monkeypatch.setenv("DATASET_PLATFORM_LLM", "simulated")
    monkeypatch.setattr(judging, "WRITE_ROWS", 5)
    config = PlatformConfig.model_validate({"driving": {"quality": {"judge": True}}})
    assert judging.judged(day_of(DAY, config), str(tmp_path / "judge"))
    [path] = (tmp_path / "judge").iterdir()
    assert pq.ParquetFile(path).num_row_groups == 3
    found = pq.read_table(path).to_pylist()
    assert {r["trace_id"] for r in found} == {f.trace_id for f in FRAMES} and len(found) == len(FRAMES)
    assert {r["judge"] for r in found} == {"not run: the model is simulated"}


def test_a_day_without_any_answer_is_no_success(lake, monkeypatch):
    monkeypatch.setenv("DATASET_PLATFORM_LLM", "http://127.0.0.1:9/v1#nobody")
    config = PlatformConfig.model_validate(
        {"driving": {"reasoning": {"generator": "llm"}}, "llm": {"max_attempts": 1, "error_share_after": 1000}}
    )
    with pytest.raises(EngineError, match="answered none"):
        make(TRACES, day_of(DAY, config))
    assert receipts.read(str(lake / "lake"), CotTraces, DAY) is None


def test_the_front_picture_goes_with_its_frame(lake):
    def picture(frame: str, camera: str, image: bytes) -> dict:
        own = {"frame_id": frame, "scenario_id": "s", "camera_name": camera, "image": image, "size_bytes": len(image)}
        return own | {"checksum": "b" * 64, "file": "f", "offset": 0, "length": 1}

    shown = [picture(FRAMES[2].frame_id, "front", b"front"), picture(FRAMES[2].frame_id, "front_left", b"left")]
    put(CameraImages, DAY, [*shown, picture("nobody:1", "front", b"other")])
    found = {f.frame_id: f.picture for f in read_keyframes(day_of(DAY), pictures=True)}
    assert found.pop(FRAMES[2].frame_id) == b"front" and len(found) == 11 and set(found.values()) == {None}
    assert {f.picture for f in read_keyframes(day_of(DAY))} == {None}


def test_tasks_go_out_and_come_back_as_annotations(lake):
    config = PlatformConfig.model_validate({"driving": {"quality": {"annotate_sample": 5}}})
    make(TRACES, day_of(DAY, config))
    folder = lake / "artifacts/driving/annotation_tasks" / DAY
    tasks = [json.loads(line) for line in (folder / "tasks.jsonl").read_text().splitlines()]
    assert len(tasks) == 5 and sum(t["weight"] for t in tasks) == pytest.approx(len(FRAMES))
    assert all("ego: " in t["facts"] for t in tasks)
    landed = lake / "raw/cot_annotations" / LATER.replace("-", "/")
    landed.mkdir(parents=True)
    edited = [t | {"annotator": "ada", "edits": {"longitudinal": "yield"}} for t in tasks[:2]]
    (landed / "ada.jsonl").write_text(
        "".join(json.dumps(t) + "\n" for t in [*edited, edited[0], {"x": 1}]) + "{broken\n"
    )
    studio = json.loads((folder / "label_studio/tasks.json").read_text())
    for number, task in enumerate(studio):
        verdict = {"from_name": "verdict", "to_name": "shown", "type": "choices", "value": {"choices": ["accepted"]}}
        result = [verdict, *task["predictions"][0]["result"]]
        task |= {"id": number, "annotations": [{"id": 1, "completed_by": 3, "was_cancelled": False, "result": result}]}
    (landed / "studio.json").write_text(json.dumps(studio))
    receipt = make(ANNOTATIONS, day_of(LATER)).receipt
    assert (receipt.rows_in, receipt.rows_kept, receipt.rows_rejected, receipt.rows_quarantined) == (10, 7, 2, 1)
    assert receipt.reasons == {"duplicate_record": 1, "unknown_form": 1}
    rows = rows_of(CotAnnotations, LATER)
    known = {t["trace_id"] for t in tasks}
    assert {r["trace_id"] for r in rows} == known, "annotations of a later day must find the day's traces"
    by_status = {s: [r for r in rows if r["status"] == s] for s in ("corrected", "accepted")}
    assert (len(by_status["corrected"]), len(by_status["accepted"])) == (2, 5)
    for row in by_status["accepted"]:
        assert {m["value"] for m in row["agreement"]} == {1.0} and row["annotator"] == "3"
    shown = agreement_report(Published(day_of(LATER).table(CotAnnotations), LATER, receipt, lambda: None))[
        "agreement"
    ].value
    assert "7 annotations of 5 frames by 2 annotators; 0 reject" in shown and "| longitudinal | 0." in shown
    for row in by_status["corrected"]:
        assert {m["metric"] for m in row["agreement"] if m["value"] < 1} <= {"longitudinal"}


def test_annotations_before_any_trace_are_written_ones(home):
    landed = home / "raw/cot_annotations" / DAY.replace("-", "/")
    assert make(ANNOTATIONS, day_of(DAY)).receipt.rows_in == 0
    from dataset_platform_tests.kernels.reasoning.llm_scene import hand_trace

    landed.mkdir(parents=True)
    (landed / "own.jsonl").write_text(hand_trace().model_dump_json() + "\n")
    make(ANNOTATIONS, day_of(DAY))
    [row] = rows_of(CotAnnotations, DAY)
    assert (row["status"], row["trace_id"], row["agreement"]) == ("written", None, [])


@pytest.mark.slow
def test_killed_runs_lose_and_double_nothing_and_repeat_only_calls_in_flight(lake, tmp_path):
    """SIGKILL at random moments of a process that makes the day, then once more to its end."""
    kills = 8
    frames = keyframes(20 * kills)
    put(Keyframes, DAY, keyframe_rows(frames))
    concurrency = 8
    settings = {"driving": {"reasoning": {"generator": "llm"}}, "llm": {"concurrency": concurrency}}
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(settings))
    draw, killed = random.Random(kills), 0
    with serving(latency_s=0.02, share_500=0.03) as server:
        environment = os.environ | {
            "DATASET_PLATFORM_CONFIG": str(tmp_path / "settings.yaml"),
            "DATASET_PLATFORM_LLM": f"{server.base_url}#m",
        }
        command = [sys.executable, "-m", "dataset_platform_tests.defs.driving.trace_stage", DAY]
        for _ in range(kills):
            seen = server.counts()["calls"]
            child = subprocess.Popen(command, env=environment)
            deadline = time.monotonic() + 60
            while server.counts()["calls"] == seen and child.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(draw.uniform(0.0, 0.5))
            if child.poll() is not None:
                break
            child.send_signal(signal.SIGKILL)
            child.wait()
            killed += 1
            assert receipts.read(str(lake / "lake"), CotTraces, DAY) is None
        assert killed, "the run ended before it could be killed"
        subprocess.run(command, env=environment, check=True, timeout=200)
        counts = server.counts()
    rows = rows_of(CotTraces, DAY)
    assert [r["trace_id"] for r in rows] == sorted(f.trace_id for f in frames)
    asked = 5 * len(frames)
    assert len(counts["answered"]) == asked == sum(r["calls"] for r in rows)
    # an answer that came twice was in flight when its run was killed
    assert sum(counts["answered"].values()) - asked <= killed * concurrency
