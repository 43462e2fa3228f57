"""Perception frames: the labelled objects in the global frame, the ego's pose and velocity, and what else they say.

The laser labels' boxes are in the vehicle's frame and are moved by the frame's pose; their speeds are in the global
frame already (seen in real records: only so do they point along the boxes' headings).
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xxhash
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError

from dataset_platform.kernels.driving.protos.projections_pb2 import FrameImages, FrameMap, FrameState
from dataset_platform.kernels.driving.record_frames import RecordFrames
from dataset_platform.kernels.driving.record_types import RecordError

_FRONT = 1
_TRACK_ID_MASK = (1 << 63) - 1
_SIZES = ("length", "width", "height")


def frames_of(payload: bytes) -> RecordFrames:
    """The one timestep of a perception frame; pictures, range images and map are not decoded.

    Raises:
        RecordError: no protobuf, or no segment name, timestamp or pose.
    """
    frame = _parsed(FrameState, payload)
    name = _segment(frame)
    if frame.timestamp_micros < 0:
        raise RecordError(f"Frame of {name}: its timestamp {frame.timestamp_micros} lies before 1970.")
    pose = np.array(frame.pose.transform, dtype=np.float64)
    if len(pose) != 16 or not np.isfinite(pose).all():
        raise RecordError(f"Frame of {name}: its pose is no 4×4 matrix of numbers.")
    step = np.array([frame.timestamp_micros], dtype=np.int64)
    return RecordFrames(
        scenario_id=name,
        record_type="frame",
        steps=step,
        timestamps_micros=step,
        current_step=frame.timestamp_micros,
        ego_track_id=None,
        agents=_agents(list(frame.laser_labels), pose.reshape(4, 4)),
        agent_counts=np.array([len(frame.laser_labels)], dtype=np.int64),
        signals={},
        signal_counts=np.zeros(1, dtype=np.int64),
        ego_pose=tuple(pose.tolist()),
        ego_velocity=_velocity(frame),
        context=_context(frame),
    )


def map_of(payload: bytes) -> tuple[str, list[Any]]:
    """Segment name and ``MapFeature`` messages, which only the first frame of a segment has.

    Raises:
        RecordError: no protobuf or no segment name.
    """
    frame = _parsed(FrameMap, payload)
    return _segment(frame), list(frame.map_features)


def images_of(payload: bytes) -> tuple[str, int, list[Any]]:
    """Segment name, timestamp in microseconds and ``CameraImage`` messages.

    Raises:
        RecordError: no protobuf or no segment name.
    """
    frame = _parsed(FrameImages, payload)
    return _segment(frame), frame.timestamp_micros, list(frame.images)


def track_id_of(label_id: str) -> int:
    """A 63-bit hash (xxh3) of a label's id, so that all record types have whole numbers for ids."""
    return xxhash.xxh3_64_intdigest(label_id.encode()) & _TRACK_ID_MASK


def _parsed(kind: Any, payload: bytes) -> Any:
    try:
        return kind.FromString(payload)
    except DecodeError as error:
        raise RecordError(f"Frame cannot be decoded: {error}") from None


def _segment(frame: Any) -> str:
    if not frame.context.name:
        raise RecordError("Frame without a segment name.")
    return str(frame.context.name)


def _agents(labels: list[Any], pose: np.ndarray) -> dict[str, Any]:
    boxes = [label.box for label in labels]
    centres = np.array([(b.center_x, b.center_y, b.center_z) for b in boxes], dtype=np.float64).reshape(-1, 3)
    x, y, z = pose[:3, :3] @ centres.T + pose[:3, 3:]
    yaw = np.arctan2(pose[1, 0], pose[0, 0])
    columns: dict[str, Any] = {
        "track_id": np.array([track_id_of(label.id) for label in labels], dtype=np.int64),
        "label_id": [label.id for label in labels],
        "object_type": np.array([label.type for label in labels], dtype=np.int64),
        "valid": np.ones(len(labels), dtype=np.bool_),
        "x": x,
        "y": y,
        "z": z,
        "heading": np.array([b.heading for b in boxes], dtype=np.float64) + yaw,
        "velocity_x": np.array([label.metadata.speed_x for label in labels], dtype=np.float64),
        "velocity_y": np.array([label.metadata.speed_y for label in labels], dtype=np.float64),
    }
    for name in _SIZES:
        columns[name] = np.array([getattr(b, name) for b in boxes], dtype=np.float64)
    return columns


def _velocity(frame: FrameState) -> tuple[float, ...] | None:
    """The ego's velocity as the front camera's image states it, else the first image that states one."""
    stated = [image for image in frame.images if image.HasField("velocity")]
    if not stated:
        return None
    v = min(stated, key=lambda image: image.name != _FRONT).velocity
    return (v.v_x, v.v_y, v.v_z)


def _context(frame: FrameState) -> str:
    """Calibrations, weather, camera labels and the map's offset, under the published names."""
    said: dict[str, Any] = MessageToDict(frame.context, preserving_proto_field_name=True)
    said.pop("name", None)
    if frame.camera_labels:
        said["camera_labels"] = [MessageToDict(c, preserving_proto_field_name=True) for c in frame.camera_labels]
    if frame.HasField("map_pose_offset"):
        said["map_pose_offset"] = MessageToDict(frame.map_pose_offset, preserving_proto_field_name=True)
    return json.dumps(said, sort_keys=True, separators=(",", ":"))
