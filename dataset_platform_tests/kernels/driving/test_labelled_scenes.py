"""Whole scenes as stages take them: every row is accounted for, and each scene gets its own map."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from dataset_platform.contracts.driving import GoldFeatures, SilverFrames
from dataset_platform.contracts.reasoning import Keyframes
from dataset_platform.errors import InputError
from dataset_platform.kernels.driving import features
from dataset_platform.kernels.driving.bronze import frame_rows, map_rows
from dataset_platform.kernels.driving.labelled_scenes import GOLD, label_features, label_keyframes, scene_with_map
from dataset_platform.kernels.driving.settings import FeatureConfig, SilverConfig
from dataset_platform.kernels.driving.silver import silver_batch
from dataset_platform.kernels.reasoning.settings import KeyframeConfig
from dataset_platform_tests.kernels.driving.small_records import scenario

STEPS = 8
SOURCE = {"file": "b.tfrecord", "offset": 40, "length": 9, "record_checksum": "c" * 32}
ANY = KeyframeConfig(min_past_s=0.0, min_future_s=0.1, max_per_scenario=1)


@pytest.fixture(scope="module")
def frames() -> pa.Table:
    """Silver rows of a scenario, not in the order of their steps."""
    batch = frame_rows(scenario(steps=STEPS).SerializeToString(), "scenario", SOURCE).batch
    rows = pa.Table.from_batches([silver_batch(batch, SilverConfig())]).select(SilverFrames.data_schema().names)
    return rows.take([5, 1, 0, 7, 2, 6, 4, 3])


@pytest.fixture(scope="module")
def road() -> pa.Table:
    """Its row of bronze_maps, with a lane that reaches the ego."""
    message = scenario()
    message.map_features[0].lane.polyline.add(x=200.0, y=2.0)
    return pa.Table.from_batches([map_rows(message.SerializeToString(), "scenario", SOURCE).batch])


def elsewhere(road: pa.Table, file: str, offset: int) -> pa.Table:
    """The map without its features, as if from another record."""
    empty = {"file": [file], "offset": [offset], "features": [[]], "sampled": [True]}
    for name, value in empty.items():
        at = road.schema.get_field_index(name)
        road = road.set_column(at, road.schema.field(at), pa.array(value, road.schema.field(at).type))
    return road


def with_gold(frames: pa.Table, road: pa.Table) -> pa.Table:
    gold = label_features(FeatureConfig())(frames, road).select(GoldFeatures.data_schema().names)
    order = gold.column("frame_id").to_pylist()
    rows = gold.take([order.index(f) for f in frames.column("frame_id").to_pylist()])
    return frames.append_column(GOLD, rows.to_struct_array())


def test_gold_has_one_row_per_silver_row_under_the_labelled_schema(frames: pa.Table, road: pa.Table) -> None:
    rows = label_features(FeatureConfig())(frames, road)
    assert rows.schema.equals(GoldFeatures.labelled_schema().remove_metadata())
    assert rows.column("step").to_pylist() == list(range(STEPS))
    assert sorted(rows.column("frame_id").to_pylist()) == sorted(frames.column("frame_id").to_pylist())
    assert rows.column("reason").null_count == STEPS
    assert rows.column("lane_id").to_pylist() == [1] * STEPS
    assert label_features(FeatureConfig())(frames.sort_by("step"), road).equals(rows)


def test_a_scene_without_a_map_still_has_its_rows(frames: pa.Table, road: pa.Table) -> None:
    rows = label_features(FeatureConfig())(frames, road.slice(0, 0))
    assert rows.num_rows == STEPS
    assert rows.column("reason").null_count == STEPS
    assert rows.column("lane_id").null_count == STEPS


@pytest.mark.parametrize(
    ("others", "own"),
    [
        ([("b.tfrecord", 0), ("b.tfrecord", 90), ("z.tfrecord", 40)], True),  # its own record goes before all
        ([("a.tfrecord", 40)], True),
    ],
)
def test_a_scene_takes_the_map_of_its_own_record(
    frames: pa.Table, road: pa.Table, others: list[tuple[str, int]], own: bool
) -> None:
    maps = pa.concat_tables([*(elsewhere(road, *place) for place in others), road])
    for order in (maps, maps.take(list(range(maps.num_rows))[::-1])):
        scene = scene_with_map(frames, order)
        assert bool(scene.road_map.features) is own
        assert scene.road_map.sampled is not own


def test_a_map_of_the_same_file_goes_before_that_of_another(frames: pa.Table, road: pa.Table) -> None:
    maps = pa.concat_tables([elsewhere(road, "z.tfrecord", 40), _moved(road, 0)])
    assert scene_with_map(frames, maps).road_map.features


def _moved(road: pa.Table, offset: int) -> pa.Table:
    at = road.schema.get_field_index("offset")
    return road.set_column(at, road.schema.field(at), pa.array([offset], pa.int64()))


def test_keyframes_and_what_is_none_add_up_to_gold(frames: pa.Table, road: pa.Table) -> None:
    rows = label_keyframes(ANY, FeatureConfig())(with_gold(frames, road), road)
    assert rows.schema.equals(Keyframes.labelled_schema().remove_metadata())
    assert sorted(rows.column("frame_id").to_pylist()) == sorted(frames.column("frame_id").to_pylist())
    assert sorted(rows.column("reason").to_pylist(), key=str) == [None, *["not_a_keyframe"] * (STEPS - 1)]
    kept = rows.filter(rows.column("reason").is_null()).to_pylist()[0]
    assert kept["keyframe_reason"] == "current_step"
    assert kept["facts"]
    assert kept["view"]


def test_a_frame_without_gold_is_not_counted_but_still_part_of_the_scene(frames: pa.Table, road: pa.Table) -> None:
    whole = with_gold(frames, road)
    gold = whole.column(GOLD).to_pylist()
    at = frames.column("step").to_pylist().index(STEPS - 1)
    gold[at] = None
    holed = whole.drop_columns([GOLD]).append_column(GOLD, pa.array(gold, whole.schema.field(GOLD).type))
    rows = label_keyframes(ANY, FeatureConfig())(holed, road)
    assert rows.num_rows == STEPS - 1
    kept = rows.filter(rows.column("reason").is_null()).to_pylist()[0]
    assert kept["future_s"] == pytest.approx(0.1 * (STEPS - 2))


def test_a_scene_of_which_nothing_can_be_told_is_rejected_row_by_row(
    frames: pa.Table, road: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> pa.Table:
        raise InputError("no lane is a line.")

    monkeypatch.setattr(features, "gold_rows", refuses)
    rows = label_features(FeatureConfig())(frames, road)
    assert rows.column("reason").to_pylist() == ["no_features"] * STEPS
    assert rows.column("detail").to_pylist() == ["no lane is a line."] * STEPS
    assert rows.column("file").to_pylist() == ["b.tfrecord"] * STEPS


def test_steps_that_only_an_older_version_has_are_rejected_and_seen_by_nobody(frames: pa.Table, road: pa.Table) -> None:
    older = frames.filter(pc.greater_equal(frames.column("step"), 6))
    older = older.set_column(
        older.schema.get_field_index("record_checksum"), "record_checksum", pa.array(["0" * 32] * 2, pa.string())
    )
    older = older.set_column(older.schema.get_field_index("file"), "file", pa.array(["a.tfrecord"] * 2, pa.string()))
    newer = frames.filter(pc.less(frames.column("step"), 6))
    mixed = label_features(FeatureConfig())(pa.concat_tables([older, newer]), road)
    alone = label_features(FeatureConfig())(newer, road)
    rejected = mixed.filter(pc.is_valid(mixed.column("reason")))
    assert set(rejected.column("reason").to_pylist()) == {"older_version"}
    assert sorted(rejected.column("step").to_pylist()) == [6, 7]
    assert mixed.filter(pc.is_null(mixed.column("reason"))).to_pylist() == alone.to_pylist()
