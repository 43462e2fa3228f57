"""Scenario protos: their timesteps and their map."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from dataset_platform.kernels.driving.protos.projections_pb2 import ScenarioMap, ScenarioMotion
from dataset_platform.kernels.driving.record_frames import RecordFrames
from dataset_platform.kernels.driving.record_types import RecordError, check_ids

_MAX_SECONDS = 1e9  # longer than any log; keeps microseconds within 64 bits
_STATE_FIELDS = {
    "x": "center_x",
    "y": "center_y",
    "z": "center_z",
    "length": "length",
    "width": "width",
    "height": "height",
    "heading": "heading",
    "velocity_x": "velocity_x",
    "velocity_y": "velocity_y",
}


def frames_of(payload: bytes) -> RecordFrames:
    """The timesteps of a Scenario; its map is not decoded. Times count from the first step.

    Raises:
        RecordError: no protobuf, or tracks, indices and timestamps that do not fit together.
    """
    try:
        scenario = ScenarioMotion.FromString(payload)
    except DecodeError as error:
        raise RecordError(f"Scenario cannot be decoded: {error}") from None
    steps, tracks = len(scenario.timestamps_seconds), len(scenario.tracks)
    _check(scenario, steps, tracks)
    states = [state for track in scenario.tracks for state in track.states]

    def by_step(values: NDArray[Any]) -> NDArray[Any]:
        return values.reshape(tracks, steps).T.ravel()

    agents: dict[str, Any] = {
        "track_id": np.tile(_column(scenario.tracks, "id", np.int64, tracks), steps),
        "object_type": np.tile(_column(scenario.tracks, "object_type", np.int64, tracks), steps),
        "valid": by_step(_column(states, "valid", np.bool_, len(states))),
    }
    for name, field in _STATE_FIELDS.items():
        agents[name] = by_step(_column(states, field, np.float64, len(states)))
    lane_states = [list(state.lane_states) for state in scenario.dynamic_map_states]
    lane_states += [[] for _ in range(steps - len(lane_states))]
    ids = agents["track_id"]
    met = agents["valid"].reshape(steps, tracks).any(axis=0)
    check_ids(ids[:tracks][met], f"Scenario {scenario.scenario_id}")
    return RecordFrames(
        scenario_id=scenario.scenario_id,
        record_type="scenario",
        steps=np.arange(steps),
        timestamps_micros=_micros(scenario),
        current_step=scenario.current_time_index,
        ego_track_id=int(ids[scenario.sdc_track_index]),
        agents=agents,
        agent_counts=np.full(steps, tracks),
        signals=_signals([state for states in lane_states for state in states]),
        signal_counts=np.array([len(states) for states in lane_states], dtype=np.int64),
        objects_of_interest=tuple(scenario.objects_of_interest),
        tracks_to_predict=tuple(int(ids[wanted.track_index]) for wanted in scenario.tracks_to_predict),
    )


def map_of(payload: bytes) -> tuple[str, list[Any]]:
    """Scenario id and ``MapFeature`` messages; nothing else is decoded.

    Raises:
        RecordError: no protobuf.
    """
    try:
        scenario = ScenarioMap.FromString(payload)
    except DecodeError as error:
        raise RecordError(f"Scenario cannot be decoded: {error}") from None
    return scenario.scenario_id, list(scenario.map_features)


def _check(scenario: ScenarioMotion, steps: int, tracks: int) -> None:
    def fail(message: str) -> None:
        raise RecordError(f"Scenario {scenario.scenario_id}: {message}.")

    if not scenario.scenario_id:
        fail("it has no scenario_id")
    if not steps:
        fail("it has no timestamps")
    if not scenario.HasField("sdc_track_index") or not 0 <= scenario.sdc_track_index < tracks:
        fail(f"sdc_track_index {scenario.sdc_track_index} names none of its {tracks} tracks")
    if not 0 <= scenario.current_time_index < steps:
        fail(f"current_time_index {scenario.current_time_index} is none of its {steps} steps")
    for track in scenario.tracks:
        if len(track.states) != steps:
            fail(f"track {track.id} has {len(track.states)} states for {steps} timestamps")
    if len(scenario.dynamic_map_states) > steps:
        fail(f"{len(scenario.dynamic_map_states)} signal states for {steps} timestamps")
    if any(not 0 <= wanted.track_index < tracks for wanted in scenario.tracks_to_predict):
        fail(f"tracks_to_predict names none of its {tracks} tracks")


def _micros(scenario: ScenarioMotion) -> NDArray[np.int64]:
    """[T] microseconds since the first step."""
    seconds = np.array(scenario.timestamps_seconds, dtype=np.float64)
    passed = seconds - seconds[0]
    if not (np.isfinite(passed).all() and (np.diff(passed) > 0).all() and passed[-1] < _MAX_SECONDS):
        raise RecordError(f"Scenario {scenario.scenario_id}: its timestamps do not increase from step to step.")
    return np.rint(passed * 1e6).astype(np.int64)


def _column(messages: Iterable[Any], field: str, kind: Any, count: int) -> NDArray[Any]:
    return np.fromiter(map(attrgetter(field), messages), dtype=kind, count=count)


def _signals(states: list[Any]) -> dict[str, Any]:
    count = len(states)
    known = np.fromiter((state.HasField("stop_point") for state in states), dtype=np.bool_, count=count)
    columns: dict[str, Any] = {
        "lane_id": _column(states, "lane", np.int64, count),
        "state": _column(states, "state", np.int64, count),
        "valid": np.ones(count, dtype=np.bool_),
    }
    for axis in "xyz":
        stated = _column(states, f"stop_point.{axis}", np.float64, count)
        columns[f"stop_{axis}"] = pa.array(stated, mask=~known)
    return columns
