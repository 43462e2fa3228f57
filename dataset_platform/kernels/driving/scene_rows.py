"""Silver rows and map features of a scenario as a ``Scene``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataset_platform.contracts.driving_types import MAP_FEATURE, SIGNAL_STATES
from dataset_platform.errors import InputError
from dataset_platform.kernels.driving.bronze import frame_rows, map_rows
from dataset_platform.kernels.driving.nested_columns import NestedColumn
from dataset_platform.kernels.driving.record_types import record_type_of
from dataset_platform.kernels.driving.scene import Floats, Ints, MapFeature, RoadMap, Scene, Signals
from dataset_platform.kernels.driving.settings import BronzeConfig, SilverConfig
from dataset_platform.kernels.driving.silver import silver_batch
from dataset_platform.kernels.driving.tfrecord import BrokenRecord, read_records

_AGENT_FIELDS = {
    "x": "x_m",
    "y": "y_m",
    "z": "z_m",
    "length": "length_m",
    "width": "width_m",
    "height": "height_m",
    "heading": "heading_rad",
    "velocity_x": "velocity_x_mps",
    "velocity_y": "velocity_y_mps",
}
_ID_LISTS = ("entry_lanes", "exit_lanes", "left_neighbors", "right_neighbors", "controlled_lanes")


def scene_of(
    frames: pa.Table | pa.RecordBatch,
    features: list[Any] | pa.ListScalar | pa.StructArray | None,
    sampled: bool = False,
) -> Scene:
    """The scene of one scenario.

    Args:
        frames: rows of silver_frames of one scenario, in any order; agents are those of any row, sorted by id.
        features: ``features`` of the scenario's row of bronze_maps, as Arrow's value or as Python's; None without a map.
        sampled: as in bronze_maps.

    Raises:
        InputError: no rows, or rows of several scenarios.
    """
    rows = _one_batch(frames)
    steps = _column(rows, "step").astype(np.int64)
    agents = NestedColumn(rows.column("agents"))
    track_id, first, agent = np.unique(agents.ints("track_id"), return_index=True, return_inverse=True)
    shape = (len(track_id), len(steps))
    valid = np.zeros(shape, dtype=np.bool_)
    valid[agent, agents.row] = True
    grids: dict[str, Any] = {
        name: _grid(agents.floats(field), agent, agents.row, shape) for name, field in _AGENT_FIELDS.items()
    }
    ego = {
        name: _column(rows, f"ego_{field}")
        for name, field in (
            ("x", "x_m"),
            ("y", "y_m"),
            ("heading", "heading_rad"),
            ("velocity_x", "velocity_x_mps"),
            ("velocity_y", "velocity_y_mps"),
        )
    }
    return Scene(
        scenario_id=rows.column("scenario_id")[0].as_py(),
        record_type=rows.column("record_type")[0].as_py(),
        steps=steps,
        times_s=_column(rows, "time_s"),
        current_step=rows.column("current_step")[0].as_py(),
        track_id=track_id,
        object_type=tuple(agents.texts("object_type")[first].tolist()),
        valid=valid,
        ego_track_id=rows.column("ego_track_id")[0].as_py(),
        ego_length_m=_size(rows, "ego_length_m", steps),
        ego_width_m=_size(rows, "ego_width_m", steps),
        signals=_signals(rows),
        road_map=RoadMap(_features(features), sampled),
        objects_of_interest=_flagged(agents, "is_object_of_interest"),
        tracks_to_predict=_flagged(agents, "is_track_to_predict"),
        **grids,
        **{f"ego_{name}": values for name, values in ego.items()},
    )


def read_scenes(stream: BinaryIO, size: int | None = None) -> Iterator[Scene]:
    """Scenes of a TFRecord file in its order: records through bronze and silver; frames of a segment in a row are one.

    Raises:
        InputError: a record is broken or cannot be decoded.
        OSError: the file cannot be read.
    """
    config = BronzeConfig()
    held: list[pa.RecordBatch] = []
    road: tuple[Any, bool] = (None, False)
    for record in read_records(stream, size, max_record_bytes=config.max_record_bytes):
        if isinstance(record, BrokenRecord):
            raise InputError(f"The file is broken: {record.error}.")
        kind = record_type_of(record.payload)
        if kind == "unknown":
            raise InputError(f"The record at byte {record.offset} is no tf.Example, Scenario or Frame.")
        silver, features = _cleaned(bytes(record.payload), kind, record.offset)
        if held and _continues(held[0], silver):
            held.append(silver)
            continue
        yield from _scene_of_held(held, *road)
        held, road = [silver], (features, kind == "example")
    yield from _scene_of_held(held, *road)


def _cleaned(payload: bytes, kind: Any, offset: int) -> tuple[pa.RecordBatch, Any]:
    """Silver rows of a record that are kept, and the value of its map's features."""
    source = {"file": "", "offset": offset, "length": len(payload)}
    frames = frame_rows(payload, kind, source).batch
    road = map_rows(payload, kind, source).batch
    if frames is None or road is None:
        raise InputError(f"The record at byte {offset} holds no frames.")
    silver = silver_batch(frames, SilverConfig())
    kept = silver.filter(silver.column("reason").is_null())
    return kept, road.column("features")[0] if road.column("reason")[0].as_py() is None else None


def _continues(held: pa.RecordBatch, silver: pa.RecordBatch) -> bool:
    both_frames = all(b.num_rows and b.column("record_type")[0].as_py() == "frame" for b in (held, silver))
    return both_frames and held.column("scenario_id")[0].equals(silver.column("scenario_id")[0])


def _scene_of_held(held: list[pa.RecordBatch], features: Any, sampled: bool) -> Iterator[Scene]:
    if sum(batch.num_rows for batch in held):
        yield scene_of(pa.Table.from_batches(held), features, sampled)


def _one_batch(frames: pa.Table | pa.RecordBatch) -> pa.RecordBatch:
    table = pa.Table.from_batches([frames]) if isinstance(frames, pa.RecordBatch) else frames
    scenarios = table.column("scenario_id").unique().to_pylist()
    if len(scenarios) != 1:
        raise InputError(f"A scene is made of the rows of one scenario, not of {len(scenarios)}.")
    return pa.concat_batches(table.sort_by("step").to_batches())


def _column(rows: pa.RecordBatch, name: str) -> NDArray[Any]:
    return rows.column(name).to_numpy(zero_copy_only=False)


def _grid(values: Any, agent: Ints, step: Ints, shape: tuple[int, int]) -> Floats:
    grid = np.full(shape, np.nan)
    grid[agent, step] = values
    return grid


def _size(rows: pa.RecordBatch, name: str, steps: Ints) -> float:
    """The ego's size at the current step, else at the first step that has one."""
    sizes = np.asarray(_column(rows, name), dtype=np.float64)
    now = sizes[steps == rows.column("current_step")[0].as_py()]
    known = np.concatenate([now[np.isfinite(now)], sizes[np.isfinite(sizes)]])
    return float(known[0]) if len(known) else float("nan")


def _signals(rows: pa.RecordBatch) -> Signals:
    signals = NestedColumn(rows.column("signals"))
    lane_id, lane = np.unique(signals.ints("lane_id"), return_inverse=True)
    codes = {name: code for code, name in enumerate(SIGNAL_STATES)}
    states = np.array([codes[name] for name in signals.texts("state").tolist()], dtype=np.int8)
    shape = (len(lane_id), rows.num_rows)
    state = np.full(shape, -1, dtype=np.int8)
    # backwards, so that of a lane named twice in a step the first counts
    back = slice(None, None, -1)
    state[lane[back], signals.row[back]] = states[back]
    stop_x, stop_y = (
        _grid(signals.floats(f"stop_{axis}_m")[back], lane[back], signals.row[back], shape) for axis in "xy"
    )
    return Signals(lane_id, state, stop_x, stop_y)


def _flagged(agents: NestedColumn, name: str) -> frozenset[int]:
    return frozenset(agents.ints("track_id")[agents.flags(name)].tolist())


def _features(features: list[Any] | pa.ListScalar | pa.StructArray | None) -> tuple[MapFeature, ...]:
    """Map features from structs of ``MAP_FEATURE``."""
    if features is None or (isinstance(features, pa.Scalar) and not features.is_valid):
        return ()
    if isinstance(features, pa.Scalar):
        features = features.values
    structs = features if isinstance(features, pa.Array) else pa.array(features, type=MAP_FEATURE)
    one = NestedColumn(pa.ListArray.from_arrays(pa.array([0, len(structs)], type=pa.int32()), structs))
    points = [np.stack(axes, axis=1) for axes in zip(*(_lists(one.arrow(f"{axis}_m")) for axis in "xyz"), strict=True)]
    ids = {name: [tuple(values.tolist()) for values in _lists(one.arrow(name))] for name in _ID_LISTS}
    columns = zip(
        one.ints("feature_id").tolist(),
        one.texts("kind").tolist(),
        one.texts("type").tolist(),
        points,
        one.floats("speed_limit_mph").tolist(),
        one.flags("interpolating").tolist(),
        *(ids[name] for name in _ID_LISTS),
        strict=True,
    )
    return tuple(MapFeature(*values) for values in columns)


def _lists(column: pa.ListArray) -> list[NDArray[Any]]:
    """Each row's list as an array."""
    values = column.flatten().to_numpy(zero_copy_only=False)
    lengths = np.array(column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64)
    return np.split(values, np.cumsum(lengths)[:-1]) if len(lengths) else []
