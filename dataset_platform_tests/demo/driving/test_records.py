"""Scenes as TFRecords: what was written is what a reader of the lane gets back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from dataset_platform.demo.driving.records import EXAMPLE_AGENTS, EXAMPLE_SAMPLES, example_record
from dataset_platform.demo.driving.world import sample_scenes
from dataset_platform.demo.driving.write import FOLDER, NAMES, day_seed, write_driving_sample
from dataset_platform.kernels.driving.example import decode_example
from dataset_platform.kernels.driving.scene import Scene
from dataset_platform.kernels.driving.scene_rows import read_scenes

DAY, NEXT, COUNT, SEED = date(2026, 1, 5), date(2026, 1, 6), 4, 9
GRIDS = ("x", "y", "z", "length", "width", "height", "heading", "velocity_x", "velocity_y", "valid", "track_id")
EGO = ("ego_x", "ego_y", "ego_heading", "ego_velocity_x", "ego_velocity_y", "times_s", "steps")
FLOAT32_M = 1e-3  # spacing of float32 at some thousand metres


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    write_driving_sample(folder, [DAY], COUNT, SEED)
    return folder


@pytest.fixture(scope="module")
def written() -> dict[str, Scene]:
    return {s.scenario_id: s for s in sample_scenes(COUNT, day_seed(SEED, DAY))}


def read(folder: Path, name: str) -> Iterator[Scene]:
    path = folder / FOLDER / "2026" / "01" / "05" / name
    with path.open("rb") as stream:
        yield from read_scenes(stream, path.stat().st_size)


def test_every_scene_is_in_one_file(raw: Path, written: dict[str, Scene]) -> None:
    found = [s.scenario_id for name in NAMES for s in read(raw, name)]
    assert sorted(found) == sorted(written)
    gzipped = raw / FOLDER / "2026" / "01" / "05" / NAMES[1]
    assert gzipped.read_bytes()[:2] == b"\x1f\x8b"


@pytest.mark.parametrize("name", NAMES[:2])
def test_a_scenario_comes_back_to_the_last_bit(raw: Path, written: dict[str, Scene], name: str) -> None:
    for scene in read(raw, name):
        own = written[scene.scenario_id]
        for field in (*GRIDS, *EGO):
            assert np.array_equal(getattr(scene, field), getattr(own, field), equal_nan=True), field
        for field in ("object_type", "objects_of_interest", "tracks_to_predict", "ego_track_id", "ego_length_m"):
            assert getattr(scene, field) == getattr(own, field), field
        for field in ("lane_id", "state", "stop_x", "stop_y"):
            assert np.array_equal(getattr(scene.signals, field), getattr(own.signals, field)), field
        for got, wanted in zip(scene.road_map.features, own.road_map.features, strict=True):
            assert np.array_equal(got.points, wanted.points)
            for field in ("kind", "type", "exit_lanes", "entry_lanes", "left_neighbors", "controlled_lanes"):
                assert getattr(got, field) == getattr(wanted, field), field


def test_an_example_comes_back_to_float32(raw: Path, written: dict[str, Scene]) -> None:
    scenes = list(read(raw, NAMES[2]))
    assert len(scenes) == COUNT // 2
    for scene in scenes:
        own = written[scene.scenario_id]
        assert scene.record_type == "example"
        assert scene.road_map.sampled
        for field in (*GRIDS, *EGO):
            apart = np.abs(np.asarray(getattr(scene, field), float) - np.asarray(getattr(own, field), float))
            assert np.nanmax(apart) < FLOAT32_M, field
        assert scene.tracks_to_predict == own.tracks_to_predict
        assert np.array_equal(scene.signals.state, own.signals.state)
        kinds = [(f.feature_id, f.kind, f.type, len(f.points)) for f in scene.road_map.features]
        assert kinds == [(f.feature_id, f.kind, f.type, len(f.points)) for f in own.road_map.features]


def test_an_example_has_the_published_sizes_and_fill(written: dict[str, Scene]) -> None:
    scene = next(iter(written.values()))
    features = decode_example(example_record(scene))
    assert len(features) == 72
    x, valid = (np.asarray(features[f"state/future/{name}"]).reshape(EXAMPLE_AGENTS, 80) for name in ("x", "valid"))
    assert (x[valid != 1] == -1).all()
    assert set(np.unique(valid)) == {0, 1}
    assert np.asarray(features["state/is_sdc"]).tolist().count(1) == 1
    assert len(features["roadgraph_samples/xyz"]) == 3 * EXAMPLE_SAMPLES
    assert np.asarray(features["roadgraph_samples/valid"]).sum() == sum(len(f.points) for f in scene.road_map.features)


def test_writing_twice_gives_the_same_bytes_and_days_differ(raw: Path, tmp_path: Path) -> None:
    write_driving_sample(tmp_path, [NEXT, DAY], COUNT, SEED)
    for path in sorted(raw.rglob("*.tfrecord*")):
        assert (tmp_path / path.relative_to(raw)).read_bytes() == path.read_bytes()
    folder = tmp_path / FOLDER / "2026" / "01"
    assert (folder / "05" / NAMES[0]).read_bytes() != (folder / "06" / NAMES[0]).read_bytes()


def test_a_scene_without_an_ego_track_cannot_be_a_record(written: dict[str, Scene]) -> None:
    from dataclasses import replace

    with pytest.raises(ValueError, match="no ego track"):
        example_record(replace(next(iter(written.values())), ego_track_id=None))
