"""Figures of the real records (notes on driving data §1.6), through bronze and silver."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dataset_platform.contracts.driving import BronzeFrames, BronzeMaps, CameraImages, SilverFrames
from dataset_platform.kernels.driving.bronze import bronze_frames, bronze_maps
from dataset_platform.kernels.driving.images import camera_images
from dataset_platform.kernels.driving.scene import Scene
from dataset_platform.kernels.driving.scene_rows import read_scenes
from dataset_platform.kernels.driving.settings import BronzeConfig, SilverConfig
from dataset_platform.kernels.driving.silver import silver_frames
from dataset_platform_tests.kernels.driving.small_records import Kernel, broken_rules

EXAMPLE, SCENARIO, FRAME = (
    "motion_data_one_example.tfrecord",
    "motion_data_one_scenario.tfrecord",
    "perception_one_frame.tfrecord",
)
NOW = 10


@cache
def scene(folder: Path, file: str) -> Scene:
    with (folder / "womd" / file).open("rb") as stream:
        (only,) = read_scenes(stream)
    return only


def table(real_data: Path, file: str, make: Any) -> pa.Table:
    """Rows of a kernel that reads files, the tally row left out."""

    def open_input(path: str) -> Any:
        return (real_data / "womd" / path).open("rb"), (real_data / "womd" / path).stat().st_size

    kernel: Kernel = make(BronzeConfig(), open_input)
    rows = pa.Table.from_batches(list(kernel(iter([pa.record_batch({"path": [file]})]))))
    return rows.filter(rows["tally"].is_null())


def silver(real_data: Path, file: str) -> pa.Table:
    bronze = table(real_data, file, bronze_frames)
    return pa.Table.from_batches(list(silver_frames(SilverConfig())(iter(bronze.to_batches()))))


def at_now(only: Scene) -> Counter[str]:
    """Types of what is valid now, the ego included."""
    types = np.array(only.object_type)[only.valid[:, NOW]]
    return Counter([*types.tolist(), "vehicle"])


def corridor(only: Scene) -> list[tuple[float, float, int, float]]:
    """What is ahead now within 2 m of the ego's axis: longitudinal, lateral, id, speed; nearest first."""
    dx, dy = only.x[:, NOW] - only.ego_x[NOW], only.y[:, NOW] - only.ego_y[NOW]
    cos, sin = np.cos(only.ego_heading[NOW]), np.sin(only.ego_heading[NOW])
    longitudinal, lateral = cos * dx + sin * dy, cos * dy - sin * dx
    ahead = np.flatnonzero((longitudinal > 0) & (np.abs(lateral) < 2))
    found = [(longitudinal[i], lateral[i], int(only.track_id[i]), only.speed[i, NOW]) for i in ahead]
    return sorted(found)


def test_bronze_of_the_example(real_data: Path) -> None:
    rows = table(real_data, EXAMPLE, bronze_frames)
    assert rows.num_rows == 91
    assert set(rows["scenario_id"].to_pylist()) == {"a3bb37c25ce56418"}
    assert (rows["offset"][0].as_py(), rows["length"][0].as_py()) == (0, 1_182_920)
    assert rows["ego_track_id"][0].as_py() == 336
    agents = rows["agents"][NOW].as_py()
    assert len(agents) == 128
    assert agents[8]["track_id"] == 336  # the ego's row
    assert all(step[8]["valid"] for step in rows["agents"].to_pylist())
    assert Counter(a["object_type"] for a in agents)[1] == 119
    assert Counter(a["object_type"] for a in agents)[2] == 8
    assert Counter(a["object_type"] for a in agents)[3] == 1
    invalid = [a for a in agents if not a["valid"]]
    assert {a["x"] for a in invalid} == {-1.0}


def test_silver_of_the_example(real_data: Path) -> None:
    rows = silver(real_data, EXAMPLE)
    assert rows["reason"].null_count == 91
    now = rows.slice(NOW, 1).to_pylist()[0]
    assert now["ego_speed_mps"] == pytest.approx(6.583898, abs=1e-6)
    assert now["ego_heading_rad"] == pytest.approx(-1.960956, abs=1e-6)
    assert (now["ego_length_m"], now["ego_width_m"]) == pytest.approx((5.286, 2.332), abs=1e-3)
    assert now["invalid_agents"] == 128 - 73
    valid = sum(len(agents) + 1 for agents in rows["agents"].to_pylist())
    assert sum(rows["headings_wrapped"].to_pylist()) / valid == pytest.approx(0.226, abs=5e-4)
    assert max(rows["max_speed_error_mps"].to_pylist()) == pytest.approx(1.4e-6, abs=1e-7)
    assert max(rows["max_velocity_yaw_error_rad"].to_pylist()) < 3e-7


def test_scene_of_the_example(real_data: Path) -> None:
    only = scene(real_data, EXAMPLE)
    assert (only.scenario_id, only.record_type, only.current_step, len(only.steps)) == (
        "a3bb37c25ce56418",
        "example",
        10,
        91,
    )
    assert at_now(only) == {"vehicle": 68, "pedestrian": 4, "cyclist": 1}
    assert (only.ego_speed.min(), only.ego_speed.max()) == pytest.approx((5.89, 7.90), abs=5e-3)
    micros = np.diff(np.rint(only.times_s * 1e6))
    assert (np.median(micros), micros.min(), micros.max()) == (99_640, 99_490, 100_029)
    acceleration = np.gradient(only.ego_speed, only.times_s)
    assert (acceleration.min(), acceleration.max()) == pytest.approx((-2.18, 2.81), abs=5e-3)
    assert np.abs(np.gradient(acceleration, only.times_s)).max() == pytest.approx(19.84, abs=5e-3)
    yaw_rate = np.gradient(np.unwrap(only.ego_heading), only.times_s)
    assert np.abs(yaw_rate).max() == pytest.approx(0.322, abs=5e-4)
    assert np.abs(only.ego_speed * yaw_rate).max() == pytest.approx(2.16, abs=5e-3)


def test_the_corridor_ahead_of_the_ego(real_data: Path) -> None:
    expected = [
        (15.921, 0.677, 9, 7.161),
        (41.100, 0.714, 46, 0.394),
        (49.166, 0.346, 68, 0.148),
        (57.308, -0.295, 62, 0.135),
    ]
    ahead = corridor(scene(real_data, EXAMPLE))[: len(expected)]
    assert [one[2] for one in ahead] == [one[2] for one in expected]
    assert np.array(ahead) == pytest.approx(np.array(expected), abs=6e-4)
    # a car that crosses, which is why a corridor alone makes no lead
    nearest = corridor(scene(real_data, SCENARIO))[0]
    assert (nearest[0], nearest[3]) == pytest.approx((23.75, 13.6), abs=0.05)


def test_signals_of_the_example(real_data: Path) -> None:
    signals = scene(real_data, EXAMPLE).signals
    now = {
        int(lane): int(state) for lane, state in zip(signals.lane_id, signals.state[:, NOW], strict=True) if state >= 0
    }
    assert now == {
        **dict.fromkeys((236, 237, 351, 352), 6),
        **dict.fromkeys((346, 347, 348), 3),
        **dict.fromkeys((231, 353, 354, 355), 0),
    }


def test_map_of_the_example(real_data: Path) -> None:
    (row,) = table(real_data, EXAMPLE, bronze_maps).to_pylist()
    assert (row["feature_count"], row["sampled"]) == (254, True)
    samples: Counter[tuple[str, str]] = Counter()
    for feature in row["features"]:
        samples[feature["kind"], feature["type"]] += len(feature["x_m"])
    assert samples == {
        ("lane", "surface_street"): 6323,
        ("lane", "bike_lane"): 615,
        ("road_line", "broken_single_white"): 2462,
        ("road_line", "solid_single_white"): 2412,
        ("road_line", "solid_single_yellow"): 1260,
        ("road_line", "solid_double_yellow"): 167,
        ("road_edge", "edge_boundary"): 4844,
        ("road_edge", "edge_median"): 1917,
    }


def test_the_scenario(real_data: Path) -> None:
    bronze = table(real_data, SCENARIO, bronze_frames)
    assert bronze.num_rows == 91
    assert len(bronze["agents"][NOW].as_py()) == 83
    assert bronze["agents"][NOW].as_py()[82]["track_id"] == 2406
    only = scene(real_data, SCENARIO)
    assert (only.scenario_id, only.current_step, only.ego_track_id) == ("637f20cafde22ff8", 10, 2406)
    assert at_now(only) == {"vehicle": 45, "pedestrian": 3, "cyclist": 2}
    assert len(only.tracks_to_predict) == 3
    assert only.ego_speed[NOW] < 0.001
    assert only.ego_heading[NOW] == pytest.approx(-1.5458, abs=5e-5)
    assert np.hypot(only.ego_x[90] - only.ego_x[NOW], only.ego_y[90] - only.ego_y[NOW]) < 0.05


def test_signals_of_the_scenario(real_data: Path) -> None:
    signals = scene(real_data, SCENARIO).signals
    assert Counter(signals.state[:, NOW].tolist()) == {0: 6, 4: 4, 1: 2}
    assert signals.state[signals.lane_id.tolist().index(455), NOW] == 1  # a red arrow


def test_map_of_the_scenario(real_data: Path) -> None:
    road = scene(real_data, SCENARIO).road_map
    kinds = Counter(f.kind for f in road.features)
    assert len(road.features) == 301
    assert Counter(f.type for f in road.of_kind("lane")) == {"surface_street": 198, "bike_lane": 1}
    assert (kinds["stop_sign"], kinds["crosswalk"], kinds["speed_bump"]) == (8, 4, 3)
    lane = road.by_id[548]
    assert (lane.type, lane.speed_limit_mph, lane.exit_lanes) == ("surface_street", 40.0, (455,))
    assert not road.sampled


def test_the_perception_frame(real_data: Path) -> None:
    (row,) = table(real_data, FRAME, bronze_frames).to_pylist()
    assert row["frame_id"] == "1024360143612057520_3580_000_3600_000:1553735853462203"
    assert Counter(a["object_type"] for a in row["agents"]) == {1: 37, 2: 12, 3: 25, 4: 1}
    # moving objects move where their boxes point only when boxes, but not speeds, are turned by the pose
    fast = [a for a in row["agents"] if np.hypot(a["velocity_x"], a["velocity_y"]) > 2]
    for agent in fast:
        along = np.array([np.cos(agent["heading"]), np.sin(agent["heading"])])
        velocity = np.array([agent["velocity_x"], agent["velocity_y"]])
        assert along @ velocity / np.linalg.norm(velocity) > 0.999
    assert len(fast) == 3
    context = json.loads(row["context"])
    assert (context["stats"]["weather"], context["stats"]["location"]) == ("sunny", "location_sf")
    assert (len(context["camera_calibrations"]), len(context["laser_calibrations"])) == (5, 5)
    (rejected,) = table(real_data, FRAME, bronze_maps).to_pylist()
    assert rejected["reason"] == "no_map"
    (clean,) = silver(real_data, FRAME).to_pylist()
    assert (clean["ego_x_m"], clean["ego_y_m"]) == pytest.approx((-25211.2589, 42391.0813), abs=1e-3)
    assert clean["ego_heading_rad"] == pytest.approx(-0.764210, abs=1e-6)
    assert clean["ego_speed_mps"] == pytest.approx(0.0, abs=1e-3)


def test_pictures_of_the_perception_frame(real_data: Path) -> None:
    rows = table(real_data, FRAME, camera_images).to_pylist()
    assert [(r["camera_name"], r["size_bytes"], r["width_px"]) for r in rows] == [
        ("front", 446_413, 1920),
        ("front_left", 545_376, 1920),
        ("side_left", 248_605, 1920),
        ("front_right", 460_925, 1920),
        ("side_right", 275_682, 1920),
    ]
    assert {r["image"][:2] for r in rows} == {b"\xff\xd8"}


@pytest.mark.parametrize("file", [EXAMPLE, SCENARIO, FRAME])
def test_rows_fit_their_contracts(real_data: Path, file: str) -> None:
    for contract, rows in (
        (BronzeFrames, table(real_data, file, bronze_frames)),
        (SilverFrames, silver(real_data, file)),
        (CameraImages, table(real_data, file, camera_images)),
        (BronzeMaps, table(real_data, file, bronze_maps)),
    ):
        kept = rows.filter(rows["reason"].is_null())
        if kept.num_rows:
            assert broken_rules(contract, kept.combine_chunks().to_batches()[0]) == []
