"""Silver rows and maps as scenes."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest

from dataset_platform.errors import InputError
from dataset_platform.kernels.driving.bronze import frame_rows, map_rows
from dataset_platform.kernels.driving.scene_rows import read_scenes, scene_of
from dataset_platform.kernels.driving.settings import SilverConfig
from dataset_platform.kernels.driving.silver import silver_batch
from dataset_platform_tests.kernels.driving import small_records
from dataset_platform_tests.kernels.driving.small_records import FILE, tfrecord

SOURCE = {"file": FILE, "offset": 0, "length": 9, "record_checksum": "0" * 32}


def silver_rows(payload: bytes) -> pa.Table:
    batch = frame_rows(payload, "scenario", SOURCE).batch
    assert batch is not None
    return pa.Table.from_batches([silver_batch(batch, SilverConfig())])


def test_a_scenario_as_a_scene() -> None:
    payload = small_records.scenario().SerializeToString()
    (scene,) = read_scenes(io.BytesIO(tfrecord(payload)))
    assert (scene.scenario_id, scene.record_type, scene.current_step, scene.ego_track_id) == ("5c", "scenario", 1, 99)
    assert scene.steps.tolist() == [0, 1, 2, 3]
    assert scene.times_s == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert (scene.track_id.tolist(), scene.object_type) == ([7, 8], ("vehicle", "pedestrian"))
    assert scene.valid.tolist() == [[True, False, True, True], [True] * 4]
    assert np.isnan(scene.x[0, 1])
    assert scene.x[0, [0, 2, 3]] == pytest.approx([7.0, 7.8, 8.2])
    assert scene.ego_x == pytest.approx([99.0, 100.0, 101.0, 102.0])
    assert (scene.ego_length_m, scene.ego_width_m) == (4.5, 2.0)
    assert (scene.objects_of_interest, scene.tracks_to_predict) == ({7}, {8})
    assert scene.signals.lane_id.tolist() == [1, 2]
    assert scene.signals.state.tolist() == [[4, -1, -1, -1], [0, -1, -1, -1]]
    assert scene.signals.stop_x[0, 0] == 30.0
    assert np.isnan(scene.signals.stop_x[0, 1:]).all()
    lane = scene.road_map.by_id[1]
    assert lane.points.tolist() == [[0.0, 2.0, 0.0], [50.0, 2.0, 0.0]]
    assert (lane.exit_lanes, lane.left_neighbors, lane.speed_limit_mph) == ((2, 3), (2,), 25.0)
    assert np.isnan(scene.road_map.by_id[2].speed_limit_mph)
    assert scene.road_map.by_id[3].controlled_lanes == (1,)
    assert not scene.road_map.sampled


def test_an_example_has_a_sampled_map() -> None:
    (scene,) = read_scenes(io.BytesIO(tfrecord(small_records.example())))
    assert scene.road_map.sampled
    assert [(f.feature_id, f.kind, len(f.points)) for f in scene.road_map.features] == [
        (40, "lane", 2),
        (30, "road_edge", 2),
    ]


def test_frames_of_a_segment_in_a_row_are_one_scene() -> None:
    stamps = (1_000_000, 1_100_000, 1_200_000)
    payloads = [small_records.frame("a", stamp).SerializeToString() for stamp in stamps]
    payloads.append(small_records.frame("b", stamps[0]).SerializeToString())
    first, second = read_scenes(io.BytesIO(tfrecord(*payloads)))
    assert (first.scenario_id, first.steps.tolist(), first.x.shape) == ("a", list(stamps), (2, 3))
    assert np.isnan(first.ego_length_m)
    assert (second.scenario_id, len(second.steps)) == ("b", 1)


def test_the_order_of_rows_does_not_matter() -> None:
    rows = silver_rows(small_records.scenario().SerializeToString())
    one, other = scene_of(rows, None), scene_of(rows.take(pa.array([2, 0, 3, 1])), None)
    assert one.road_map.features == ()
    for name in ("steps", "times_s", "track_id", "x", "valid", "ego_x"):
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "x")
    assert one.object_type == other.object_type
    assert np.array_equal(one.signals.state, other.signals.state)


def test_map_features_may_be_arrows_or_pythons() -> None:
    payload = small_records.scenario().SerializeToString()
    batch = map_rows(payload, "scenario", SOURCE).batch
    assert batch is not None
    value = batch.column("features")[0]
    rows = silver_rows(payload)
    one = scene_of(rows, value)
    assert [f.feature_id for f in one.road_map.features] == [1, 2, 3, 4, 5, 6]
    for same in (value.as_py(), value.values):
        for a, b in zip(one.road_map.features, scene_of(rows, same).road_map.features, strict=True):
            assert np.array_equal(a.points, b.points)
            assert (a.kind, a.type, a.exit_lanes, a.interpolating) == (b.kind, b.type, b.exit_lanes, b.interpolating)


def test_rows_of_no_or_several_scenarios_are_refused() -> None:
    rows = [silver_rows(small_records.scenario(name).SerializeToString()) for name in ("a", "b")]
    with pytest.raises(InputError, match="not of 2"):
        scene_of(pa.concat_tables(rows), None)
    with pytest.raises(InputError, match="not of 0"):
        scene_of(rows[0].slice(0, 0), None)


@pytest.mark.parametrize("damage", ["cut", "other"])
def test_a_broken_file_is_said_to_be_so(damage: str) -> None:
    good = tfrecord(small_records.scenario().SerializeToString())
    data = good[:-2] if damage == "cut" else good + tfrecord(b"something else")
    with pytest.raises(InputError, match="broken" if damage == "cut" else "no tf.Example"):
        list(read_scenes(io.BytesIO(data)))
