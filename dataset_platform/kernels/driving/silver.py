"""Bronze frames to silver frames: only what is valid, wrapped headings, derived columns held against their sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataset_platform.contracts.driving import SilverFrames
from dataset_platform.contracts.driving_types import SIGNAL_STATES, SILVER_AGENT, SILVER_SIGNAL
from dataset_platform.kernels.driving.arrow_columns import labelled_batch, list_array, struct_array
from dataset_platform.kernels.driving.nested_columns import NestedColumn
from dataset_platform.kernels.driving.record_types import LABEL_OBJECTS, MOTION_OBJECTS
from dataset_platform.kernels.driving.scene import Bools, Floats
from dataset_platform.kernels.driving.settings import SilverConfig

SCHEMA = SilverFrames.labelled_schema()
REASONS = ("ego_not_valid", "not_finite", "derived_columns_disagree")

_DIRECTION_SPEED_MPS = 0.01  # what is slower has a direction made of rounding
_AS_THEY_ARE = ("frame_id", "scenario_id", "step", "record_type", "current_step", "ego_track_id")
_SOURCE = ("record_checksum", "file", "offset", "length")
_MOTION = ("x", "y", "z", "heading", "velocity_x", "velocity_y")
_SILVER_NAMES = {
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


def silver_frames(config: SilverConfig) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The kernel of driving/silver_frames: rows of bronze_frames to rows of ``SilverFrames.labelled_schema()``.

    A row is rejected when the ego is not valid (``ego_not_valid``), when a value of a valid agent is no number
    (``not_finite``), or when the record's own speed or direction of velocity differs from its velocity by more than the
    tolerance (``derived_columns_disagree``, with the difference as measure). Every row depends on itself alone.
    """

    def kernel(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows:
                yield silver_batch(batch, config)

    return kernel


def wrapped(angles: Floats) -> Floats:
    """Angles in [−π, π), radians; those that are there already stay as they are, to the last bit."""
    turned = angles - 2 * np.pi * np.floor((angles + np.pi) / (2 * np.pi))
    turned = np.where((turned < -np.pi) | (turned >= np.pi), -np.pi, turned)  # what rounding pushed over the edge
    return np.where((angles >= -np.pi) & (angles < np.pi), angles, turned)


def silver_batch(bronze: pa.RecordBatch, config: SilverConfig) -> pa.RecordBatch:
    """One batch of bronze rows cleaned; as many rows come out, in their order."""
    count = bronze.num_rows
    agents = _Agents.of(bronze)
    ego = _ego(bronze, agents)
    speed_error, yaw_error = _disagreement(agents, count)
    broken = np.bincount(agents.nested.row[agents.valid & ~agents.finite], minlength=count)
    outside = agents.valid & ((agents.stated_heading < -np.pi) | (agents.stated_heading >= np.pi))
    columns: dict[str, Any] = {
        **{name: bronze.column(name) for name in (*_AS_THEY_ARE, *_SOURCE)},
        "time_s": bronze.column("timestamp_micros").to_numpy(zero_copy_only=False) / 1e6,
        **{f"ego_{_SILVER_NAMES[name]}": _nullable(values) for name, values in ego.items()},
        "ego_speed_mps": _nullable(np.hypot(ego["velocity_x"], ego["velocity_y"])),
        "agents": _agent_lists(bronze, agents),
        "signals": _signal_lists(bronze),
        "invalid_agents": np.bincount(agents.nested.row[~agents.valid], minlength=count),
        "headings_wrapped": np.bincount(agents.nested.row[outside], minlength=count),
        "max_speed_error_mps": _nullable(speed_error),
        "max_velocity_yaw_error_rad": _nullable(yaw_error),
        **_labels(ego, broken, speed_error, yaw_error, config),
    }
    return labelled_batch(SCHEMA, columns, count)


class _Agents(NamedTuple):
    """All agents of a batch: ``values`` by bronze name, headings wrapped; ``types`` by silver's names."""

    nested: NestedColumn
    values: dict[str, Floats]
    stated_heading: Floats
    valid: Bools
    is_ego: Bools
    finite: Bools
    types: NDArray[np.object_]

    @classmethod
    def of(cls, bronze: pa.RecordBatch) -> _Agents:
        nested = NestedColumn(bronze.column("agents"))
        values = {name: nested.floats(name) for name in _SILVER_NAMES}
        heading = values["heading"]
        values["heading"] = wrapped(heading)
        valid = nested.flags("valid")
        ego_ids = bronze.column("ego_track_id")
        ego_id = pc.fill_null(ego_ids, -1).to_numpy(zero_copy_only=False)[nested.row]
        has_ego = ego_ids.is_valid().to_numpy(zero_copy_only=False)[nested.row]
        is_ego = valid & has_ego & (nested.ints("track_id") == ego_id)
        finite = np.logical_and.reduce([np.isfinite(values[name]) for name in _MOTION])
        labels = pc.equal(bronze.column("record_type"), "frame").to_numpy(zero_copy_only=False)[nested.row]
        codes = nested.ints("object_type")
        types = np.where(labels, _names(codes, LABEL_OBJECTS), _names(codes, MOTION_OBJECTS))
        return cls(nested, values, heading, valid, is_ego, finite, types)


def _names(codes: NDArray[np.int64], names: tuple[str, ...]) -> NDArray[np.object_]:
    """Names of codes; negative codes are fill, codes beyond the published ones are other things."""
    table = np.array([*names, "other"], dtype=np.object_)
    return table[np.where(codes < 0, 0, np.minimum(codes, len(names)))]


def _ego(bronze: pa.RecordBatch, agents: _Agents) -> dict[str, Floats]:
    """Columns of the ego by bronze name, NaN where it is not valid: a track, or the pose of a perception frame."""
    count = bronze.num_rows
    columns = {name: np.full(count, np.nan) for name in (*_MOTION, "length", "width")}
    places = np.flatnonzero(agents.is_ego)
    for name, column in columns.items():
        column[agents.nested.row[places]] = agents.values[name][places]
    for at in np.flatnonzero((bronze.column("ego_pose").is_valid()).to_numpy(zero_copy_only=False)):
        pose = bronze.column("ego_pose")[at].as_py()
        velocity = bronze.column("ego_velocity")[at].as_py() or [np.nan] * 3
        columns["x"][at], columns["y"][at], columns["z"][at] = pose[3], pose[7], pose[11]
        columns["heading"][at] = wrapped(np.arctan2(pose[4], pose[0]))
        columns["velocity_x"][at], columns["velocity_y"][at] = velocity[:2]
    return columns


def _disagreement(agents: _Agents, count: int) -> tuple[Floats, Floats]:
    """Per row the largest error of the derived speed and of the derived direction; NaN where nothing is derived."""
    velocity_x, velocity_y = agents.values["velocity_x"], agents.values["velocity_y"]
    speed = np.hypot(velocity_x, velocity_y)
    errors = (
        ("speed", np.abs(agents.nested.floats("speed") - speed), agents.valid),
        (
            "vel_yaw",
            np.abs(wrapped(agents.nested.floats("vel_yaw") - np.arctan2(velocity_y, velocity_x))),
            agents.valid & (speed > _DIRECTION_SPEED_MPS),
        ),
    )
    largest = []
    for name, error, compared in errors:
        at = compared & agents.nested.known(name)
        worst = np.full(count, -1.0)
        # a derived value that is no number disagrees with any velocity
        np.maximum.at(worst, agents.nested.row[at], np.where(np.isnan(error[at]), np.inf, error[at]))
        largest.append(np.where(worst >= 0, worst, np.nan))
    return largest[0], largest[1]


def _labels(
    ego: dict[str, Floats], broken: NDArray[Any], speed_error: Floats, yaw_error: Floats, config: SilverConfig
) -> dict[str, pa.Array]:
    """Reason, measure and detail of every row; the first rule that a row breaks names it."""
    count = len(broken)
    no_ego = ~np.logical_and.reduce([np.isfinite(ego[name]) for name in _MOTION])
    speed_off, yaw_off = speed_error > config.max_speed_error_mps, yaw_error > config.max_velocity_yaw_error_rad
    rules = (
        (no_ego, "ego_not_valid", np.full(count, np.nan), "the ego has no valid position, heading and velocity"),
        (broken > 0, "not_finite", broken.astype(np.float64), "valid agents with values that are no numbers"),
        (
            speed_off,
            "derived_columns_disagree",
            speed_error,
            f"speed is off by more than {config.max_speed_error_mps} m/s",
        ),
        (
            yaw_off,
            "derived_columns_disagree",
            yaw_error,
            f"vel_yaw is off by more than {config.max_velocity_yaw_error_rad} rad",
        ),
    )
    reason, detail = np.full(count, None, dtype=np.object_), np.full(count, None, dtype=np.object_)
    measure = np.full(count, np.nan)
    for breaks, name, value, words in reversed(rules):
        reason[breaks], detail[breaks], measure[breaks] = name, words, value[breaks]
    return {
        "reason": pa.array(reason, type=pa.string()),
        "measure": _nullable(measure),
        "detail": pa.array(detail, type=pa.string()),
    }


def _agent_lists(bronze: pa.RecordBatch, agents: _Agents) -> pa.ListArray:
    """Valid agents without the ego."""
    kept = np.flatnonzero(agents.valid & ~agents.is_ego)
    row = agents.nested.row[kept]
    track_id = agents.nested.ints("track_id")[kept]
    speed = np.hypot(agents.values["velocity_x"][kept], agents.values["velocity_y"][kept])
    columns = {
        "track_id": track_id,
        "object_type": pa.array(agents.types[kept], type=pa.string()),
        **{silver: agents.values[name][kept] for name, silver in _SILVER_NAMES.items()},
        "speed_mps": speed,
        "is_object_of_interest": _listed(bronze.column("objects_of_interest"), row, track_id),
        "is_track_to_predict": _listed(bronze.column("tracks_to_predict"), row, track_id),
    }
    return _lists("agents", struct_array(SILVER_AGENT, columns, len(kept)), row, bronze.num_rows)


def _signal_lists(bronze: pa.RecordBatch) -> pa.ListArray:
    """Valid signals; states that are not published are unknown."""
    signals = NestedColumn(bronze.column("signals"))
    kept = np.flatnonzero(signals.flags("valid"))
    state = signals.ints("state")[kept]
    names = np.array(SIGNAL_STATES, dtype=np.object_)
    columns = {
        "lane_id": signals.ints("lane_id")[kept],
        "state": pa.array(names[np.where((state < 0) | (state >= len(names)), 0, state)], type=pa.string()),
        **{f"stop_{axis}_m": _nullable(signals.floats(f"stop_{axis}")[kept]) for axis in "xyz"},
    }
    return _lists("signals", struct_array(SILVER_SIGNAL, columns, len(kept)), signals.row[kept], bronze.num_rows)


def _lists(name: str, structs: pa.StructArray, row: NDArray[Any], count: int) -> pa.ListArray:
    return list_array(SCHEMA.field(name).type, structs, np.bincount(row, minlength=count))


def _listed(ids: pa.ListArray, row: NDArray[Any], track_id: NDArray[np.int64]) -> Bools:
    """Whether each agent's id is in the list of its row."""
    lengths = pc.fill_null(pc.list_value_length(ids), 0).to_numpy(zero_copy_only=False)
    listed = np.stack([np.repeat(np.arange(len(ids)), lengths), ids.flatten().to_numpy(zero_copy_only=False)], axis=1)
    wanted = {tuple(pair) for pair in np.unique(listed, axis=0).tolist()}
    if not wanted:
        return np.zeros(len(row), dtype=np.bool_)
    candidates = np.isin(track_id, listed[:, 1])
    found = np.zeros(len(row), dtype=np.bool_)
    places = np.flatnonzero(candidates)
    found[places] = [pair in wanted for pair in zip(row[places].tolist(), track_id[places].tolist(), strict=True)]
    return found


def _nullable(values: Floats) -> pa.Array:
    """Numbers, null where NaN."""
    return pa.array(values, from_pandas=True)
