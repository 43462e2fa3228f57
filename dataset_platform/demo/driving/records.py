"""Scenes as records of the published formats: Scenario protos and tf.Examples of the motion data set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_platform.kernels.driving.example import encode_example
from dataset_platform.kernels.driving.protos.map_pb2 import MapFeature as MapMessage
from dataset_platform.kernels.driving.protos.scenario_pb2 import Scenario
from dataset_platform.kernels.driving.record_types import (
    EDGE_TYPES,
    LANE_TYPES,
    LINE_TYPES,
    MOTION_OBJECTS,
    SAMPLE_KINDS,
)
from dataset_platform.kernels.driving.scene import MapFeature, Scene

Floats = NDArray[np.float64]

EXAMPLE_AGENTS, EXAMPLE_SIGNALS, EXAMPLE_SAMPLES = 128, 16, 20_000
"""Sizes of the published tf.Examples; what is beyond is left out, what is missing is filled with -1."""
FILL = -1
_SAMPLE_CODES = {named: code for code, named in SAMPLE_KINDS.items()}
_STATE = {
    "x": "x",
    "y": "y",
    "z": "z",
    "length": "length",
    "width": "width",
    "height": "height",
    "heading": "bbox_yaw",
    "velocity_x": "velocity_x",
    "velocity_y": "velocity_y",
}
_EGO_HEIGHT_M = 2.0


def scenario_record(scene: Scene) -> bytes:
    """A serialized Scenario; the ego is the last track.

    Raises:
        ValueError: the scene has no ego track.
    """
    ids, kinds, values, valid = _rows(scene)
    message = Scenario(
        scenario_id=scene.scenario_id,
        timestamps_seconds=scene.times_s.tolist(),
        current_time_index=scene.current_step,
        sdc_track_index=len(ids) - 1,
        objects_of_interest=sorted(scene.objects_of_interest),
    )
    for row, (track, kind) in enumerate(zip(ids.tolist(), kinds, strict=True)):
        states = message.tracks.add(id=track, object_type=MOTION_OBJECTS.index(kind)).states
        for step in range(len(scene.steps)):
            if not valid[row, step]:
                states.add(valid=False)
                continue
            x, y, z, length, width, height, heading, vx, vy = values[:, row, step].tolist()
            states.add(
                center_x=x, center_y=y, center_z=z, length=length, width=width, height=height,
                heading=heading, velocity_x=vx, velocity_y=vy, valid=True,
            )  # fmt: skip
    place = {track: row for row, track in enumerate(ids.tolist())}
    for track in sorted(scene.tracks_to_predict):
        message.tracks_to_predict.add(track_index=place[track])
    signals = scene.signals
    for step in range(len(scene.steps)):
        lanes = message.dynamic_map_states.add().lane_states
        for k in np.flatnonzero(signals.state[:, step] >= 0):
            state = lanes.add(lane=int(signals.lane_id[k]), state=int(signals.state[k, step]))
            state.stop_point.x, state.stop_point.y = float(signals.stop_x[k, step]), float(signals.stop_y[k, step])
    message.map_features.extend(_feature(f) for f in scene.road_map.features)
    return bytes(message.SerializeToString(deterministic=True))


def example_record(scene: Scene) -> bytes:
    """A serialized tf.Example: positions as float32, the map as samples without topology or limits.

    Raises:
        ValueError: the scene has no ego track.
    """
    ids, kinds, values, valid = _rows(scene)
    kept = _nearest(scene, EXAMPLE_AGENTS - 1)
    order = np.append(kept, len(ids) - 1)
    ids, values, valid = ids[order], values[:, order], valid[order]
    kinds = [kinds[k] for k in order]

    def padded(column: NDArray[Any], fill: int = FILL) -> NDArray[Any]:
        rest = np.full((EXAMPLE_AGENTS - len(column), *column.shape[1:]), fill, column.dtype)
        return np.concatenate([column, rest])

    features: dict[str, Any] = {
        "scenario/id": [scene.scenario_id],
        "state/id": padded(ids.astype(np.float32)),
        "state/type": padded(np.array([MOTION_OBJECTS.index(k) for k in kinds], np.float32)),
        "state/is_sdc": padded((ids == scene.ego_track_id).astype(np.int64)),
        "state/tracks_to_predict": padded(np.isin(ids, sorted(scene.tracks_to_predict)).astype(np.int64)),
        "state/objects_of_interest": padded(np.isin(ids, sorted(scene.objects_of_interest)).astype(np.int64)),
        "state/difficulty_level": np.full(EXAMPLE_AGENTS, 0, np.int64),
    }
    columns = {name: np.where(valid, values[k], FILL).astype(np.float32) for k, name in enumerate(_STATE.values())}
    vx, vy = columns["velocity_x"], columns["velocity_y"]
    columns["speed"] = np.where(valid, np.hypot(vx, vy), np.float32(FILL))
    columns["vel_yaw"] = np.where(valid, np.arctan2(vy, vx), np.float32(FILL))
    micros = np.rint(scene.times_s * 1e6).astype(np.int64)
    integers = {"valid": valid.astype(np.int64), "timestamp_micros": np.where(valid, micros, FILL)}
    now = scene.current_step
    parts = {"past": slice(0, now), "current": slice(now, now + 1), "future": slice(now + 1, None)}
    for part, steps in parts.items():
        for name, column in (*columns.items(), *integers.items()):
            features[f"state/{part}/{name}"] = padded(column[:, steps], 0 if name == "valid" else FILL)
        features |= _signals(scene, part, steps, micros)
    return encode_example(features | _samples(scene))


def _rows(scene: Scene) -> tuple[NDArray[np.int64], list[str], Floats, NDArray[np.bool_]]:
    """Ids, types, values [9, N + 1, T] and validity of all tracks, the ego last."""
    if scene.ego_track_id is None:
        raise ValueError(f"scene {scene.scenario_id} has no ego track")
    steps = len(scene.steps)
    ground = scene.road_map.features[0].points[0, 2] if scene.road_map.features else 0.0
    ego = {
        "x": scene.ego_x,
        "y": scene.ego_y,
        "z": np.full(steps, ground + _EGO_HEIGHT_M / 2),
        "length": np.full(steps, scene.ego_length_m),
        "width": np.full(steps, scene.ego_width_m),
        "height": np.full(steps, _EGO_HEIGHT_M),
        "heading": scene.ego_heading,
        "velocity_x": scene.ego_velocity_x,
        "velocity_y": scene.ego_velocity_y,
    }
    values = np.stack([np.concatenate([getattr(scene, name), ego[name][None]]) for name in _STATE])
    valid = np.concatenate([scene.valid, np.isfinite(scene.ego_x)[None]])
    return np.append(scene.track_id, scene.ego_track_id), [*scene.object_type, "vehicle"], values, valid


def _nearest(scene: Scene, most: int) -> NDArray[np.int64]:
    """Rows of the agents that come nearest to the ego, in their order."""
    apart = np.where(scene.valid, np.hypot(scene.x - scene.ego_x, scene.y - scene.ego_y), np.inf)
    nearest = np.argsort(apart.min(axis=1, initial=np.inf), kind="stable")[:most]
    return np.sort(nearest)


def _signals(scene: Scene, part: str, steps: slice, micros: NDArray[np.int64]) -> dict[str, Any]:
    signals, count = scene.signals, len(micros[steps])
    state = signals.state[:EXAMPLE_SIGNALS, steps].T.astype(np.int64)
    there = state >= 0
    here = there.shape[1]
    columns: dict[str, NDArray[Any]] = {
        "id": np.where(there, signals.lane_id[:EXAMPLE_SIGNALS], FILL),
        "state": np.where(there, state, FILL),
        "valid": there.astype(np.int64),
        "x": np.where(there, signals.stop_x[:EXAMPLE_SIGNALS, steps].T, FILL).astype(np.float32),
        "y": np.where(there, signals.stop_y[:EXAMPLE_SIGNALS, steps].T, FILL).astype(np.float32),
        "z": np.where(there, 0.0, FILL).astype(np.float32),
    }
    named: dict[str, Any] = {f"traffic_light_state/{part}/timestamp_micros": micros[steps]}
    for name, column in columns.items():
        fill = 0 if name == "valid" else FILL
        wide = np.full((count, EXAMPLE_SIGNALS), fill, column.dtype)
        wide[:, :here] = column
        named[f"traffic_light_state/{part}/{name}"] = wide
    return named


def _samples(scene: Scene) -> dict[str, Any]:
    """Points of the map in the features' order, cut off at the cap as the data set cuts them off."""
    features = scene.road_map.features
    counts = np.array([len(f.points) for f in features], np.int64)
    xyz = np.concatenate([f.points for f in features]) if features else np.empty((0, 3))
    ahead = np.concatenate([_directions(f.points) for f in features]) if features else np.empty((0, 3))
    codes = np.array([_SAMPLE_CODES[f.kind, f.type] for f in features], np.int64)
    ids = np.array([f.feature_id for f in features], np.int64)
    used = min(len(xyz), EXAMPLE_SAMPLES)

    def filled(values: NDArray[Any], fill: int = FILL) -> NDArray[Any]:
        full = np.full((EXAMPLE_SAMPLES, *values.shape[1:]), fill, values.dtype)
        full[:used] = values[:used]
        return full

    return {
        "roadgraph_samples/xyz": filled(xyz.astype(np.float32)),
        "roadgraph_samples/dir": filled(ahead.astype(np.float32)),
        "roadgraph_samples/id": filled(np.repeat(ids, counts)),
        "roadgraph_samples/type": filled(np.repeat(codes, counts)),
        "roadgraph_samples/valid": filled(np.ones(used, np.int64), 0),
    }


def _directions(points: Floats) -> Floats:
    """Unit vectors to the next point; zero at the last."""
    step = np.diff(points, axis=0, append=points[-1:])
    length = np.linalg.norm(step, axis=1, keepdims=True)
    ahead: Floats = step / np.where(length > 0, length, 1.0)
    return ahead


def _feature(feature: MapFeature) -> Any:
    message = MapMessage(id=feature.feature_id)
    body = getattr(message, feature.kind)
    points = [{"x": x, "y": y, "z": z} for x, y, z in feature.points.tolist()]
    if feature.kind == "stop_sign":
        body.lane.extend(feature.controlled_lanes)
        body.position.x, body.position.y, body.position.z = feature.points[0].tolist()
        return message
    types = {"lane": LANE_TYPES, "road_line": LINE_TYPES, "road_edge": EDGE_TYPES}.get(feature.kind)
    if types is None:
        for point in points:
            body.polygon.add(**point)
        return message
    body.type = types.index(feature.type)
    for point in points:
        body.polyline.add(**point)
    if feature.kind == "lane":
        if np.isfinite(feature.speed_limit_mph):
            body.speed_limit_mph = feature.speed_limit_mph
        body.interpolating = feature.interpolating
        body.entry_lanes.extend(feature.entry_lanes)
        body.exit_lanes.extend(feature.exit_lanes)
        for neighbors, ids in (
            (body.left_neighbors, feature.left_neighbors),
            (body.right_neighbors, feature.right_neighbors),
        ):
            for lane in ids:
                neighbors.add(feature_id=lane)
    return message
