"""tf.Examples of the motion data set: their timesteps and the samples of their map.

Features and shapes: waymo-research tutorial_motion.ipynb and waymax ``dataloader/womd_utils.py``. Agents are rows of a
fixed number, filled up with −1; the number of map samples differs between releases, so it comes from the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_platform.kernels.driving.example import decode_example
from dataset_platform.kernels.driving.record_frames import RecordFrames
from dataset_platform.kernels.driving.record_types import RecordError, check_ids

Features = Mapping[str, Any]

PARTS = ("past", "current", "future")
_STATE = {
    "valid": "valid",
    "x": "x",
    "y": "y",
    "z": "z",
    "length": "length",
    "width": "width",
    "height": "height",
    "heading": "bbox_yaw",
    "velocity_x": "velocity_x",
    "velocity_y": "velocity_y",
    "speed": "speed",
    "vel_yaw": "vel_yaw",
}
_DERIVED = ("speed", "vel_yaw")  # what other tools that write this format leave out
_SIGNAL = {"lane_id": "id", "state": "state", "valid": "valid", "stop_x": "x", "stop_y": "y", "stop_z": "z"}
_AGENT = ("state/id", "state/type", "state/is_sdc", "state/tracks_to_predict", "state/objects_of_interest")
_TIME = "timestamp_micros"
FRAME_FEATURES = frozenset(
    ["scenario/id", *_AGENT]
    + [f"state/{part}/{name}" for part in PARTS for name in (*_STATE.values(), _TIME)]
    + [f"traffic_light_state/{part}/{name}" for part in PARTS for name in (*_SIGNAL.values(), _TIME)]
)
MAP_FEATURES = frozenset(["scenario/id"] + [f"roadgraph_samples/{name}" for name in ("xyz", "id", "type", "valid")])


def frames_of(payload: bytes) -> RecordFrames:
    """The timesteps of a tf.Example; its map is not decoded. Times count from the first step that has one.

    Raises:
        ExampleError: no tf.Example.
        RecordError: features that must be there are missing, or their sizes do not fit together.
    """
    features = decode_example(payload, FRAME_FEATURES)
    scenario_id = scenario_id_of(features)
    ids = _codes(features, "state/id")
    agents = len(ids)
    if not agents:
        raise RecordError(f"tf.Example {scenario_id}: state/id is empty.")
    lengths = {part: _steps(features, part, agents) for part in PARTS}
    if not lengths["current"]:
        raise RecordError(f"tf.Example {scenario_id}: state/current/x is missing.")
    steps = sum(lengths.values())
    grids = {name: _grid(features, f"state/{{}}/{key}", lengths, agents) for name, key in _STATE.items()}
    state = {name: grid for name, grid in grids.items() if grid is not None}
    if missing := [_STATE[name] for name in grids if name not in state and name not in _DERIVED]:
        raise RecordError(f"tf.Example {scenario_id}: state/*/{missing[0]} is missing.")
    ego = np.flatnonzero(_numbers(features, "state/is_sdc") == 1)
    if len(ego) != 1 or ego[0] >= agents:
        raise RecordError(f"tf.Example {scenario_id}: {len(ego)} rows are marked as the ego; it must be one.")
    valid = state["valid"] > 0
    check_ids(ids[valid.any(axis=1)], f"tf.Example {scenario_id}")
    columns: dict[str, Any] = {name: grid.T.ravel() for name, grid in state.items()}
    columns |= {
        "track_id": np.tile(ids, steps),
        "object_type": np.tile(_codes(features, "state/type", agents), steps),
        "valid": valid.T.ravel(),
    }
    signals, signal_counts = _signals(features, lengths)
    return RecordFrames(
        scenario_id=scenario_id,
        record_type="example",
        steps=np.arange(steps),
        timestamps_micros=_times(_grid(features, f"state/{{}}/{_TIME}", lengths, agents), valid, int(ego[0])),
        current_step=lengths["past"] + lengths["current"] - 1,
        ego_track_id=int(ids[ego[0]]),
        agents=columns,
        agent_counts=np.full(steps, agents),
        signals=signals,
        signal_counts=signal_counts,
        objects_of_interest=_marked(features, "state/objects_of_interest", ids),
        tracks_to_predict=_marked(features, "state/tracks_to_predict", ids),
    )


def samples_of(payload: bytes) -> tuple[str, Features]:
    """Scenario id and the map's samples: ``xyz`` [R, 3], ``id`` and ``type`` [R], those that are valid.

    Raises:
        ExampleError: no tf.Example.
        RecordError: no scenario id, or sizes that do not fit together.
    """
    features = decode_example(payload, MAP_FEATURES)
    scenario_id = scenario_id_of(features)
    xyz = _numbers(features, "roadgraph_samples/xyz")
    count = len(xyz) // 3
    named = {name: _numbers(features, f"roadgraph_samples/{name}") for name in ("id", "type", "valid")}
    if len(xyz) % 3 or any(len(values) != count for values in named.values()):
        raise RecordError(f"tf.Example {scenario_id}: roadgraph_samples differ in their number.")
    valid = named["valid"] > 0
    return scenario_id, {
        "xyz": xyz.reshape(count, 3)[valid].astype(np.float64),
        "id": named["id"][valid].astype(np.int64),
        "type": named["type"][valid].astype(np.int64),
    }


def scenario_id_of(features: Features) -> str:
    """The scenario's id.

    Raises:
        RecordError: there is none, so the record is no motion example.
    """
    value = features.get("scenario/id")
    if isinstance(value, list) and len(value) == 1 and value[0]:
        return bytes(value[0]).decode("utf-8", "replace").replace("\0", "")
    raise RecordError("tf.Example without scenario/id: it is no record of the motion data set.")


def _numbers(features: Features, name: str, count: int | None = None) -> NDArray[Any]:
    value = features.get(name)
    array = value if isinstance(value, np.ndarray) else np.empty(0, dtype=np.int64)
    if isinstance(value, list) and value:
        raise RecordError(f"tf.Example: {name} holds bytes instead of numbers.")
    if count is not None and len(array) != count:
        raise RecordError(f"tf.Example: {name} has {len(array)} values instead of {count}.")
    return array


def _codes(features: Features, name: str, count: int | None = None) -> NDArray[np.int64]:
    """Whole numbers, which these records hold as floats."""
    numbers = _numbers(features, name, count)
    if not np.isfinite(numbers).all() or (np.abs(numbers) > 2.0**53).any():
        raise RecordError(f"tf.Example: {name} holds values that are no whole numbers.")
    return numbers.astype(np.int64)


def _steps(features: Features, part: str, agents: int) -> int:
    """Timesteps of a part of the record; none where the part is missing, as in records without a future."""
    values = len(_numbers(features, f"state/{part}/x"))
    if values % agents:
        raise RecordError(f"tf.Example: state/{part}/x has {values} values for {agents} agents.")
    return values // agents


def _grid(features: Features, pattern: str, lengths: Mapping[str, int], agents: int) -> NDArray[Any] | None:
    """[N, T] of a feature over all parts; None where the record does not have it in any part."""
    names = {part: pattern.format(part) for part, length in lengths.items() if length}
    if not any(name in features and len(features[name]) for name in names.values()):
        return None
    parts = [
        _numbers(features, name, agents * lengths[part]).reshape(agents, lengths[part]) for part, name in names.items()
    ]
    return np.concatenate(parts, axis=1)


def _times(grid: NDArray[Any] | None, valid: NDArray[np.bool_], ego: int) -> NDArray[np.int64]:
    """[T] microseconds: the ego's, else those of any valid agent, else −1 as the record fills in."""
    if grid is None:
        raise RecordError(f"tf.Example: state/*/{_TIME} is missing.")
    stated = np.where(valid, grid, -1)
    times = np.where(valid[ego], stated[ego], stated.max(axis=0)).astype(np.int64)
    known = times[times >= 0]
    if (np.diff(known) <= 0).any():
        raise RecordError(f"tf.Example: state/*/{_TIME} does not increase from step to step.")
    return np.where(times >= 0, times - known[:1].sum(), -1)


def _signals(features: Features, lengths: Mapping[str, int]) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """Columns of all signals step by step, fill included, and how many each step has."""
    steps = sum(lengths.values())
    columns: dict[str, list[NDArray[Any]]] = {name: [] for name in _SIGNAL}
    counts: list[int] = []
    for part, length in lengths.items():
        slots = _slots(features, part, length)
        counts += [slots] * length
        for name, key in _SIGNAL.items():
            if slots:
                columns[name].append(_numbers(features, f"traffic_light_state/{part}/{key}", slots * length))
    if not columns["lane_id"]:
        return {}, np.zeros(steps, dtype=np.int64)
    joined: dict[str, Any] = {name: np.concatenate(parts) for name, parts in columns.items()}
    joined["valid"] = joined["valid"] > 0
    return joined, np.array(counts, dtype=np.int64)


def _slots(features: Features, part: str, length: int) -> int:
    values = len(_numbers(features, f"traffic_light_state/{part}/id"))
    if not length or values % length:
        if values:
            raise RecordError(f"tf.Example: traffic_light_state/{part}/id has {values} values for {length} steps.")
        return 0
    return values // length


def _marked(features: Features, name: str, ids: NDArray[np.int64]) -> tuple[int, ...]:
    """Ids of the agents that a flag marks; none where the record does not have the flag."""
    if name not in features:
        return ()
    flags = _numbers(features, name, len(ids))
    return tuple(ids[flags == 1].tolist())
