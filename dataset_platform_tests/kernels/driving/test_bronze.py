"""TFRecord files to bronze rows: what each record type gives, and that every record is accounted for."""

from __future__ import annotations

import gzip
import io
import json
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import xxhash

from dataset_platform.contracts.driving import BronzeFrames, BronzeMaps
from dataset_platform.kernels.driving.bronze import bronze_frames, bronze_maps
from dataset_platform.kernels.driving.images import camera_images
from dataset_platform.kernels.driving.perception_rows import track_id_of
from dataset_platform.kernels.driving.settings import BronzeConfig
from dataset_platform_tests.kernels.driving import small_records
from dataset_platform_tests.kernels.driving.small_records import FILE, Rows, broken_rules, opener, parted, run, tfrecord


def frames(*payloads: bytes, **config: Any) -> Rows:
    return run(bronze_frames(BronzeConfig(**config), opener({FILE: tfrecord(*payloads)})))


def maps(*payloads: bytes) -> Rows:
    return run(bronze_maps(BronzeConfig(), opener({FILE: tfrecord(*payloads)})))


def test_a_scenario_gives_one_row_per_step_with_invalid_states() -> None:
    payload = small_records.scenario().SerializeToString()
    kept, rejected, broken, (tally,) = parted(frames(payload))
    assert (len(kept), rejected, broken, tally["tally"]) == (4, [], [], 4)
    assert [row["frame_id"] for row in kept] == ["5c:0", "5c:1", "5c:2", "5c:3"]
    assert [row["timestamp_micros"] for row in kept] == [0, 100_000, 200_000, 300_000]
    row = kept[1]
    assert (row["record_type"], row["record_steps"], row["current_step"], row["ego_track_id"]) == ("scenario", 4, 1, 99)
    assert (row["file"], row["offset"], row["length"]) == (FILE, 0, len(payload) + 16)
    assert row["record_checksum"] == xxhash.xxh3_128_hexdigest(payload)
    assert [(a["track_id"], a["object_type"], a["valid"]) for a in row["agents"]] == [
        (7, 1, False),
        (8, 2, True),
        (99, 1, True),
    ]
    assert row["agents"][2]["x"] == pytest.approx(100.0)
    assert row["agents"][2]["speed"] is None
    assert (row["objects_of_interest"], row["tracks_to_predict"]) == ([7], [8])
    assert [len(r["signals"]) for r in kept] == [2, 0, 0, 0]
    red, blind = kept[0]["signals"]
    assert (red["lane_id"], red["state"], red["stop_x"]) == (1, 4, 30.0)
    assert (blind["lane_id"], blind["state"], blind["stop_x"]) == (2, 77, None)


def test_an_example_gives_one_row_per_step_with_its_fill() -> None:
    kept, _, _, (tally,) = parted(frames(small_records.example()))
    assert len(kept) == tally["tally"] == 6
    assert [row["timestamp_micros"] for row in kept] == [0, 100_000, 200_000, 300_000, 400_000, 500_000]
    row = kept[5]
    assert (row["frame_id"], row["current_step"], row["ego_track_id"]) == ("e1:5", 2, 6)
    assert [(a["track_id"], a["valid"], a["x"], a["speed"]) for a in row["agents"]] == [
        (5, True, 10.0, 5.0),
        (6, True, 0.0, 6.0),
        (7, True, 5.0, 1.0),
        (-1, False, -1.0, -1.0),
    ]
    assert [(s["lane_id"], s["state"], s["valid"]) for s in row["signals"]] == [(11, 6, True), (-1, -1, False)]
    assert (row["objects_of_interest"], row["tracks_to_predict"]) == ([5], [7])


def test_an_example_without_future_derived_columns_and_signals_is_one_too() -> None:
    whole = small_records.example_features()
    left_out = [
        n for n in whole if "future" in n or "speed" in n or "vel_yaw" in n or "traffic" in n or "interest" in n
    ]
    kept, _, broken, _ = parted(frames(small_records.example(**dict.fromkeys(left_out))))
    assert (len(kept), broken) == (3, [])
    assert kept[2]["current_step"] == 2
    assert (kept[0]["signals"], kept[0]["objects_of_interest"]) == ([], [])
    assert kept[0]["agents"][0]["speed"] is None


def test_a_time_is_the_egos_else_that_of_any_valid_agent() -> None:
    valid = np.array([[1], [0], [0], [0]])
    times = np.array([[1_212_000], [-1], [-1], [-1]])
    payload = small_records.example(state__current__valid=valid, state__current__timestamp_micros=times)
    kept, _, _, _ = parted(frames(payload))
    assert kept[2]["timestamp_micros"] == 212_000


def test_a_frame_gives_one_row_in_the_global_frame() -> None:
    kept, _, _, _ = parted(frames(small_records.frame().SerializeToString()))
    (row,) = kept
    stamp = 1_553_735_853_462_203
    assert (row["frame_id"], row["step"], row["timestamp_micros"]) == (f"segment:{stamp}", stamp, stamp)
    assert (row["current_step"], row["record_steps"], row["ego_track_id"]) == (stamp, 1, None)
    car, sign = row["agents"]
    assert (car["x"], car["y"], car["z"]) == pytest.approx((99.0, 210.0, 3.5))
    assert car["heading"] == pytest.approx(np.pi / 2)
    assert (car["velocity_x"], car["velocity_y"]) == (0.0, 5.0)
    assert (car["label_id"], car["track_id"], sign["object_type"]) == ("car-a", track_id_of("car-a"), 3)
    assert 0 <= car["track_id"] < 1 << 63
    assert row["ego_pose"][3] == 100.0
    assert row["ego_velocity"] == [1.0, 2.0, 0.0]  # the front camera's, though another comes first
    context = json.loads(row["context"])
    assert context["stats"]["weather"] == "sunny"
    assert context["camera_calibrations"][0] == {"name": "FRONT", "width": 1920}


def test_maps_of_scenarios_keep_topology_and_examples_are_sampled() -> None:
    kept, rejected, broken, (tally,) = parted(
        maps(small_records.scenario().SerializeToString(), small_records.example())
    )
    assert (rejected, broken, tally["tally"]) == ([], [], 2)
    assert json.loads(tally["detail"]) == {"example": 1, "scenario": 1, "unknown_map_features": 2}
    scenario, example = kept
    assert (scenario["scenario_id"], scenario["sampled"], scenario["feature_count"]) == ("5c", False, 6)
    lane, through, sign, crosswalk, edge, line = scenario["features"]
    assert (lane["kind"], lane["type"], lane["speed_limit_mph"]) == ("lane", "surface_street", 25.0)
    assert (lane["exit_lanes"], lane["left_neighbors"], lane["x_m"]) == ([2, 3], [2], [0.0, 50.0])
    assert (through["interpolating"], through["speed_limit_mph"], through["x_m"]) == (True, None, [])
    assert (sign["controlled_lanes"], sign["x_m"], crosswalk["y_m"]) == ([1], [], [0.0, 0.0, 1.0])
    assert (edge["type"], edge["z_m"], line["type"]) == ("edge_median", [1.0], "unknown")
    assert (example["sampled"], example["feature_count"]) == (True, 2)
    assert [(f["feature_id"], f["kind"], f["type"], f["x_m"]) for f in example["features"]] == [
        (40, "lane", "surface_street", [0.0, 6.0]),
        (30, "road_edge", "edge_boundary", [3.0, 9.0]),
    ]


def test_records_without_a_map_are_rejected() -> None:
    blank = np.zeros(0, dtype=np.int64)
    kept, rejected, _, _ = parted(
        maps(
            small_records.scenario(with_map=False).SerializeToString(),
            small_records.frame().SerializeToString(),
            small_records.example(
                roadgraph_samples__xyz=np.zeros(0, dtype=np.float32),
                roadgraph_samples__id=blank,
                roadgraph_samples__type=blank,
                roadgraph_samples__valid=None,
            ),
        )
    )
    assert kept == []
    assert [(row["scenario_id"], row["reason"]) for row in rejected] == [
        ("5c", "no_map"),
        ("segment", "no_map"),
        ("e1", "no_map"),
    ]


def short_track() -> bytes:
    message = small_records.scenario()
    del message.tracks[0].states[0]
    return message.SerializeToString()


def backwards() -> bytes:
    message = small_records.scenario()
    message.timestamps_seconds[2] = 0.0
    return message.SerializeToString()


def without(field: str) -> bytes:
    message = small_records.scenario()
    message.ClearField(field)  # type: ignore[arg-type]
    return message.SerializeToString()


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (backwards(), "timestamps do not increase"),
        (small_records.example(state__current__timestamp_micros=np.full(4, 5)), "does not increase"),
        (b"not a record", "no tf.Example, Scenario or Frame"),
        (short_track(), "track 7 has 3 states for 4 timestamps"),
        (without("sdc_track_index"), "sdc_track_index"),
        (without("timestamps_seconds"), "no timestamps"),
        (small_records.example(scenario__id=None), "without scenario/id"),
        (small_records.example(state__future__y=np.zeros(3, dtype=np.float32)), "state/future/y has 3 values"),
        (small_records.example(state__past__x=np.zeros(3, dtype=np.float32)), "3 values for 4 agents"),
        (small_records.example(state__is_sdc=np.zeros(4, dtype=np.int64)), "0 rows are marked as the ego"),
        (small_records.example(state__id=np.array([5, 6, np.nan, -1], dtype=np.float32)), "no whole numbers"),
        (small_records.frame(name="").SerializeToString(), "without a segment name"),
    ],
)
def test_what_does_not_hold_together_is_quarantined_and_the_next_record_read(payload: bytes, error: str) -> None:
    kept, rejected, broken, (tally,) = parted(frames(payload, small_records.example()))
    assert (len(kept), rejected, tally["tally"]) == (6, [], 7)
    (row,) = broken
    assert error in row["error"]
    assert (row["file"], row["offset"], row["length"]) == (FILE, 0, len(payload) + 16)


def test_broken_bytes_are_quarantined_with_their_place() -> None:
    first, second = small_records.example("e1"), small_records.example("e2")
    data = bytearray(tfrecord(first, second, first))
    data[20] ^= 1  # in the first payload
    cut = bytes(data[:-5])
    rows = run(bronze_frames(BronzeConfig(), opener({FILE: cut})))
    kept, _, broken, (tally,) = parted(rows)
    assert {row["scenario_id"] for row in kept} == {"e2"}
    assert [row["offset"] for row in broken] == [0, len(first) + len(second) + 32]
    assert tally["tally"] == 8


def test_a_file_that_is_not_there_is_quarantined_and_the_others_are_read() -> None:
    there = opener({"b": gzip.compress(tfrecord(small_records.example()))})
    kept, _, broken, tallies = parted(run(bronze_frames(BronzeConfig(), there), ["a", "b"]))
    assert len(kept) == 6
    assert [(row["file"], row["tally"]) for row in tallies] == [("a", 1), ("b", 6)]
    assert "file cannot be opened" in broken[0]["error"]


def test_a_connection_that_breaks_in_mid_file_is_no_quarantine_but_the_tasks_error() -> None:
    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 0:
                raise ConnectionResetError("reset by peer")
            return super().read(20)

    content = tfrecord(small_records.example(), small_records.example("e2"))
    kernel = bronze_frames(BronzeConfig(), lambda path: (Breaking(content), len(content)))
    with pytest.raises(ConnectionResetError):
        run(kernel)


def test_tracks_that_share_an_id_are_quarantined() -> None:
    message = small_records.scenario()
    message.tracks[1].id = message.tracks[0].id
    _, _, broken, _ = parted(frames(message.SerializeToString(), small_records.example()))
    assert [row["error"] for row in broken] == [f"Scenario 5c: 2 tracks have the id {message.tracks[0].id}."]


def test_rows_do_not_depend_on_the_size_of_batches_and_fit_the_contract() -> None:
    payloads = [
        small_records.example(),
        small_records.scenario().SerializeToString(),
        small_records.frame().SerializeToString(),
        b"?",
    ]
    open_input = opener({FILE: tfrecord(*payloads)})
    input_batch = pa.record_batch({"path": [FILE]})
    for make, contract in ((bronze_frames, BronzeFrames), (bronze_maps, BronzeMaps)):
        small, large = (list(make(BronzeConfig(batch_rows=n), open_input)(iter([input_batch]))) for n in (2, 1_000))
        assert max(batch.num_rows for batch in small) == 2
        assert len(large) == 1
        assert pa.Table.from_batches(small).to_pylist() == pa.Table.from_batches(large).to_pylist()
        assert large[0].schema == contract.labelled_schema()
        assert broken_rules(contract, large[0]) == []


def test_damage_that_checksums_do_not_see_never_ends_the_stage() -> None:
    source = random.Random(11)
    whole = [
        small_records.example(),
        small_records.scenario().SerializeToString(),
        small_records.frame().SerializeToString(),
    ]
    payloads = []
    for at in range(300):
        payload = bytearray(whole[at % 3])
        for _ in range(source.randint(1, 8)):
            payload[source.randrange(len(payload))] = source.randrange(256)
        payloads.append(bytes(payload[: source.randint(1, len(payload))] if at % 5 == 0 else payload))
    for rows in (frames(*payloads), maps(*payloads)):
        kept, rejected, broken, _ = parted(rows)
        offsets = {row["offset"] for row in kept + rejected + broken}
        assert len(offsets) == len(payloads)  # every record shows up
        assert broken


@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_files_lose_nothing_in_silence(compressed: bool) -> None:
    """Bytes flipped, cut off and moved: all is accounted for, and records that end before the damage are kept."""
    source = random.Random(17)
    names = [f"e{at}" for at in range(4)]
    parts = [tfrecord(small_records.example(name)) for name in names]
    plain = b"".join(parts)
    ends = np.cumsum([len(part) for part in parts])
    whole = gzip.compress(plain, mtime=0) if compressed else plain
    for _ in range(60):
        data = bytearray(whole)
        at = source.randrange(len(data))
        damage = source.choice(["flip", "cut", "splice"])
        if damage == "flip":
            data[at] ^= 1 << source.randrange(8)
        elif damage == "cut":
            del data[at:]
        else:
            data[at:at] = source.randbytes(source.randrange(1, 40))
        rows = run(bronze_frames(BronzeConfig(), opener({FILE: bytes(data)})))
        kept, _, broken, _ = parted(rows)
        whole_records = {row["scenario_id"] for row in kept}
        if not compressed:
            assert {name for name, end in zip(names, ends, strict=True) if end <= at} <= whole_records
        # a cut between two records, and a flip that gzip does not use, are the only damage that cannot be seen
        seen = broken or whole_records == set(names) or (not compressed and damage == "cut" and at in {0, *ends})
        assert seen, (damage, at)


@pytest.mark.parametrize("make", [bronze_frames, bronze_maps, camera_images])
def test_kernels_travel_to_workers(make: Any) -> None:
    from pyspark import cloudpickle

    open_input = opener({FILE: tfrecord(small_records.example(), small_records.frame().SerializeToString())})
    kernel = make(BronzeConfig(), open_input)
    assert run(cloudpickle.loads(cloudpickle.dumps(kernel))) == run(kernel)
