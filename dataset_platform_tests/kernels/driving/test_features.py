"""Gold rows: golden values of the real records, and properties that hold for any scene."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dataset_platform.contracts.driving import GoldFeatures
from dataset_platform.errors import InputError
from dataset_platform.kernels.driving.features import gold_rows
from dataset_platform.kernels.driving.path import heading_change, path_ahead
from dataset_platform.kernels.driving.scene import RoadMap, Scene
from dataset_platform.kernels.driving.scene_rows import read_scenes
from dataset_platform.kernels.driving.settings import FeatureConfig
from dataset_platform_tests.kernels.driving.road_scenes import Mover, furniture, lane, moved, provenance, scene, until

CONFIG = FeatureConfig()
NOW = 10


def _read(folder: Path, name: str) -> Scene:
    with (folder / "womd" / name).open("rb") as stream:
        return next(read_scenes(stream))


@pytest.fixture(scope="module")
def arrow_stop(real_data: Path) -> Scene:
    """Scenario 637f…: stopped for a red arrow."""
    return _read(real_data, "motion_data_one_scenario.tfrecord")


@pytest.fixture(scope="module")
def turning(real_data: Path) -> Scene:
    """Example a3bb…: a turn through a crossing on a cut-off map."""
    return _read(real_data, "motion_data_one_example.tfrecord")


def _gold(of: Scene, config: FeatureConfig = CONFIG) -> pa.Table:
    return gold_rows(of, config, provenance(of))


def _row(of: Scene, index: int = NOW) -> dict[str, Any]:
    row: dict[str, Any] = _gold(of).slice(index, 1).to_pylist()[0]
    return row


def test_golden_ego_lane_signal_and_no_lead_among_crossing_traffic(arrow_stop: Scene) -> None:
    row = _row(arrow_stop)
    assert (row["lane_id"], row["lane_type"], row["path_lanes"][:2]) == (548, "surface_street", [548, 455])
    assert row["lane_offset_m"] == pytest.approx(0.527, abs=5e-4)
    assert row["lane_confidence"] > 0.9
    assert row["speed_limit_mps"] == pytest.approx(40 * 0.44704)
    assert (row["signal_lane_id"], row["signal_state"]) == (455, "arrow_stop")
    assert 0 < row["signal_distance_m"] < 3
    assert row["ego_speed_mps"] == pytest.approx(0.0005, abs=5e-4)
    corridor = [a for a in row["agents"] if abs(a["lateral_m"]) < 2 and a["longitudinal_m"] > 0]
    assert round(corridor[0]["longitudinal_m"], 2) == 23.75 and round(corridor[0]["speed_mps"], 1) == 13.6
    assert corridor[0]["relation"] == "crossing" and corridor[0]["gap_m"] is None
    assert row["lead_track_id"] is None
    assert row["vehicle_count"] + row["pedestrian_count"] + row["cyclist_count"] == len(row["agents"])


def test_crossing_traffic_is_never_a_lead_while_waiting(arrow_stop: Scene) -> None:
    gold = _gold(arrow_stop)
    assert set(gold["lead_track_id"].to_pylist()) == {None}
    assert set(gold["signal_lane_id"].to_pylist()) == {455}


def test_golden_counts_with_everything_in_view(arrow_stop: Scene, turning: Scene) -> None:
    everything = FeatureConfig(radius_m=1e4)
    names = "vehicle_count", "pedestrian_count", "cyclist_count"
    # of the records' 45 and 68 vehicles one is the ego, which is not among the agents
    for of, want in ((arrow_stop, (44, 3, 2)), (turning, (67, 4, 1))):
        row = _gold(of, everything).slice(NOW, 1).to_pylist()[0]
        assert tuple(row[n] for n in names) == want


def test_golden_corridor_of_the_turn(turning: Scene) -> None:
    row = _row(turning)
    assert row["ego_speed_mps"] == pytest.approx(6.583898, abs=1e-6)
    assert row["ego_heading_rad"] == pytest.approx(-1.960956, abs=1e-6)
    assert (round(row["ego_length_m"], 3), round(row["ego_width_m"], 3)) == (5.286, 2.332)
    corridor = [a for a in row["agents"] if abs(a["lateral_m"]) < 1 and 0 < a["longitudinal_m"] < 60]
    found = [(a["track_id"], *(round(a[n], 3) for n in ("longitudinal_m", "lateral_m", "speed_mps"))) for a in corridor]
    assert found == [(9, 15.921, 0.677, 7.161), (46, 41.1, 0.714, 0.394), (68, 49.166, 0.346, 0.148), (62, 57.308, -0.295, 0.135)]  # fmt: skip
    # the queue behind the crossing stands the other way: only the car that turns ahead is a lead
    assert [a["relation"] == "lead" for a in corridor] == [True, False, False, False]
    assert row["lead_track_id"] == 9
    # the map is cut off around the ego: no lane is made up
    assert row["lane_id"] is None and row["lane_confidence"] == 0 and row["path_lanes"] == []


def test_the_path_of_the_red_arrow_turns_left(arrow_stop: Scene) -> None:
    path = path_ahead(arrow_stop, NOW, CONFIG)
    assert path.lane_ids[:2] == (548, 455)
    assert heading_change(path.points, 60.0) > 1.2


def _drawn() -> Iterator[Scene]:
    road = [
        lane(1, [(-100, 0), (40, 0)], exit_lanes=(2,), speed_limit_mph=30.0),
        lane(2, [(40, 0), (300, 0)]),
        lane(3, [(-100, 3.6), (300, 3.6)]),
        furniture(10, "crosswalk", [(35, -8), (38, -8), (38, 8), (35, 8)]),
        furniture(11, "stop_sign", [(40, -4)], controlled_lanes=(2,)),
        furniture(12, "road_line", [(-100, 1.8), (300, 1.8)], type="broken_single_white"),
    ]
    agents = [
        Mover(1, 25, 0.2, speed=6),
        Mover(2, -30, 3.5, speed=12),
        Mover(3, 36, -6, heading_deg=90, speed=1.3, kind="pedestrian", length=0.7, width=0.7),
        Mover(4, 60, 30, heading_deg=-90, speed=8, kind="cyclist", length=1.8, width=0.7),
    ]
    yield scene(Mover(0, 0, 0.3, speed=9, turn_deg_per_s=1.5), agents, road, [(2, "caution", 40, 0)])
    yield scene(Mover(0, 0, 0.3, speed=9), [], road)
    yield scene(Mover(0, 0, 0.3, speed=9), agents)
    yield scene(Mover(0, 0, 0.3), steps=1)


def test_every_scene_gives_one_whole_row_per_step() -> None:
    schema = GoldFeatures.data_schema()
    for of in _drawn():
        gold = _gold(of)
        gold.validate(full=True)
        assert gold.schema == schema and gold.num_rows == len(of.steps)
        assert not [f.name for f in schema if not f.nullable and gold[f.name].null_count]
        for rows in gold["agents"].to_pylist():
            assert [a["distance_m"] for a in rows] == sorted(a["distance_m"] for a in rows)
        GoldFeatures.validate(gold.append_column("ingestion_date", pa.array([0] * len(gold), pa.int32()).cast("date32")).to_pandas(types_mapper=_arrow_dtype))  # fmt: skip


def _arrow_dtype(kind: pa.DataType) -> Any:
    import pandas as pd

    return pd.ArrowDtype(kind)


def test_values_of_a_drawn_scene() -> None:
    of = next(_drawn())
    row = _row(of, 0)
    assert (row["lane_id"], row["path_lanes"], row["lead_track_id"]) == (1, [1, 2], 1)
    assert row["speed_limit_mps"] == pytest.approx(13.4112)
    assert (row["signal_lane_id"], row["signal_state"]) == (2, "caution")
    assert row["ego_acceleration_mps2"] is None and row["ego_yaw_rate_radps"] is None
    assert _row(of, 20)["ego_yaw_rate_radps"] == pytest.approx(np.radians(1.5), rel=1e-6)
    assert [s["controls_ego"] for s in row["stop_signs"]] == [True]
    assert [(c["on_path"], c["occupied_by"]) for c in row["crosswalks"]] == [(True, [3])]
    assert [(line["side"], line["feature_id"]) for line in row["lane_lines"]] == [("left", 12)]
    assert row["complexity"] == "COMPLEX"
    assert {"vulnerable_near_path", "signal_not_go", "stop_sign"} <= set(row["complexity_reasons"])
    empty = _row(list(_drawn())[3], 0)
    assert (empty["complexity"], empty["complexity_reasons"], empty["risk"]) == ("SIMPLE", [], "low")


def test_wrong_provenance_is_refused() -> None:
    of = next(_drawn())
    with pytest.raises(InputError, match="31 steps but 30 rows"):
        gold_rows(of, CONFIG, provenance(of).slice(1))


def _without_label(gold: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = gold.to_pylist()
    for row in rows:
        for agent in row["agents"]:
            agent.pop("label_pet_s")
    return rows


def _assert_blind_to_the_future(of: Scene, indices: tuple[int, ...]) -> None:
    whole = _without_label(_gold(of))
    for index in indices:
        assert _without_label(_gold(until(of, index)))[-1] == whole[index]


def test_no_feature_sees_the_future_in_drawn_scenes() -> None:
    for of in _drawn():
        _assert_blind_to_the_future(of, tuple(range(0, len(of.steps), 7)))


def test_no_feature_sees_the_future_in_real_scenes(arrow_stop: Scene, turning: Scene) -> None:
    for of in (arrow_stop, turning):
        _assert_blind_to_the_future(of, (0, 10, 45))


def test_the_label_does_see_the_future(turning: Scene) -> None:
    def labels(of: Scene) -> list[float | None]:
        return [a["label_pet_s"] for a in _row(of)["agents"]]

    assert any(v is not None for v in labels(turning))
    assert all(v is None for v in labels(until(turning, NOW)))


def test_features_do_not_depend_on_where_and_how_the_scene_lies(turning: Scene, arrow_stop: Scene) -> None:
    for of in (turning, arrow_stop, next(_drawn())):
        here, there = _row(of, NOW), _row(moved(of, 0.7, 1234.5, -987.6), NOW)
        for name in ("ego_x_m", "ego_y_m", "ego_heading_rad"):
            here.pop(name), there.pop(name)
        _assert_close(here, there)


def _assert_close(one: Any, other: Any, at: str = "") -> None:
    if isinstance(one, float) and other is not None:
        assert one == pytest.approx(other, abs=2e-5, rel=1e-4), at
    elif isinstance(one, dict):
        for name in one:
            _assert_close(one[name], other[name], f"{at}.{name}")
    elif isinstance(one, list):
        assert len(one) == len(other), at
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            _assert_close(a, b, f"{at}[{i}]")
    else:
        assert one == other, at


def test_order_of_agents_and_of_the_map_does_not_matter(arrow_stop: Scene) -> None:
    order = np.random.default_rng(4).permutation(len(arrow_stop.track_id))
    grids = ("x", "y", "z", "length", "width", "height", "heading", "velocity_x", "velocity_y", "valid", "track_id")
    shuffled = replace(
        arrow_stop,
        **{name: getattr(arrow_stop, name)[order] for name in grids},
        object_type=tuple(arrow_stop.object_type[i] for i in order),
        road_map=RoadMap(tuple(reversed(arrow_stop.road_map.features)), arrow_stop.road_map.sampled),
    )
    want, found = _gold(arrow_stop).to_pylist(), _gold(shuffled).to_pylist()
    for a, b in zip(want, found, strict=True):
        for name in ("crosswalks", "stop_signs"):
            for rows in (a[name], b[name]):
                rows.sort(key=lambda r: r["feature_id"])
                for r in rows:
                    r.get("occupied_by", []).sort()
        assert a == b
