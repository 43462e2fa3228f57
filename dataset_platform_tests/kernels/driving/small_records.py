"""Small records of all three types, built field by field, and the files that hold them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataset_platform.contracts.base import Contract
from dataset_platform.kernels.driving.example import encode_example
from dataset_platform.kernels.driving.protos.frame_pb2 import Frame
from dataset_platform.kernels.driving.protos.map_pb2 import MapPoint
from dataset_platform.kernels.driving.protos.scenario_pb2 import Scenario
from dataset_platform.kernels.driving.tfrecord_writer import TFRecordWriter
from dataset_platform.lake.audit import validate_batches

Kernel = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
Rows = list[dict[str, Any]]
FILE = "waymo/tfrecords/2026/01/05/a.tfrecord"
AGENTS = 4
LENGTHS = {"past": 2, "current": 1, "future": 3}


def scenario(scenario_id: str = "5c", *, steps: int = 4, with_map: bool = True) -> Scenario:
    """Three tracks, the last one the ego; track 7 is not valid at step 1. One signal that is red at step 0 only."""
    message = Scenario(
        scenario_id=scenario_id,
        timestamps_seconds=[0.1 * step for step in range(steps)],
        current_time_index=1,
        sdc_track_index=2,
        objects_of_interest=[7],
        tracks_to_predict=[{"track_index": 1}],
    )
    for track_id, kind, speed in ((7, 1, 4.0), (8, 2, 1.0), (99, 1, 10.0)):
        track = message.tracks.add(id=track_id, object_type=kind)
        for step in range(steps):
            if track_id == 7 and step == 1:
                track.states.add()
                continue
            track.states.add(
                center_x=track_id + speed * 0.1 * step,
                center_y=2.0,
                center_z=0.5,
                length=4.5,
                width=2.0,
                height=1.5,
                heading=0.25,
                velocity_x=speed,
                velocity_y=0.0,
                valid=True,
            )
    for step in range(steps):
        state = message.dynamic_map_states.add()
        if step == 0:
            state.lane_states.add(lane=1, state=4, stop_point={"x": 30.0, "y": 2.0, "z": 0.0})
            state.lane_states.add(lane=2, state=77)
    if with_map:
        lane = message.map_features.add(id=1).lane
        lane.type, lane.speed_limit_mph = 2, 25.0
        lane.polyline.extend([MapPoint(x=0.0, y=2.0), MapPoint(x=50.0, y=2.0)])
        lane.exit_lanes.extend([2, 3])
        for start in (0, 1):  # one neighbour along two stretches
            lane.left_neighbors.add(feature_id=2, self_start_index=start)
        message.map_features.add(id=2).lane.interpolating = True
        message.map_features.add(id=3).stop_sign.lane.append(1)
        message.map_features.add(id=4).crosswalk.polygon.extend(
            [MapPoint(x=1.0), MapPoint(x=2.0), MapPoint(x=2.0, y=1.0)]
        )
        edge = message.map_features.add(id=5).road_edge
        edge.type = 2
        edge.polyline.add(x=1.0, y=1.0, z=1.0)
        message.map_features.add(id=6).road_line.type = 99
        message.map_features.add(id=7)  # of a kind that is not published yet
    return message


def example_features(scenario_id: str = "e1") -> dict[str, Any]:
    """Four agent rows: a car, the ego, a pedestrian and fill; two signal slots, the second one fill."""
    valid = np.array([1, 1, 1, 0])
    features: dict[str, Any] = {
        "scenario/id": [scenario_id.encode()],
        "state/id": np.array([5, 6, 7, -1], dtype=np.float32),
        "state/type": np.array([1, 1, 2, -1], dtype=np.float32),
        "state/is_sdc": np.array([0, 1, 0, -1]),
        "state/objects_of_interest": np.array([1, 0, 0, -1]),
        "state/tracks_to_predict": np.array([0, 0, 1, -1]),
    }
    clock = 1_000_000
    for part, steps in LENGTHS.items():
        there = np.repeat(valid[:, None], steps, axis=1)
        velocity = {"velocity_x": np.array([3.0, 6.0, 1.0, -1]), "velocity_y": np.array([4.0, 0.0, 0.0, -1])}
        values = velocity | {
            "x": np.array([10.0, 0.0, 5.0, -1]),
            "y": np.array([1.0, 0.0, 5.0, -1]),
            "z": np.array([0.0, 0.0, 0.0, -1]),
            "length": np.array([4.0, 5.0, 0.5, -1]),
            "width": np.array([2.0, 2.0, 0.5, -1]),
            "height": np.array([1.5, 1.5, 1.8, -1]),
            "bbox_yaw": np.array([4.0, 0.0, 0.0, -1]),
            "speed": np.array([5.0, 6.0, 1.0, -1]),
            "vel_yaw": np.array([np.arctan2(4.0, 3.0), 0.0, 0.0, -1]),
        }
        for name, column in values.items():
            features[f"state/{part}/{name}"] = np.repeat(column[:, None], steps, axis=1).astype(np.float32)
        features[f"state/{part}/valid"] = there
        times = clock + 100_000 * np.arange(steps)
        features[f"state/{part}/timestamp_micros"] = np.where(there > 0, times, -1)
        clock += 100_000 * steps
        for name, pair in {"id": (11, -1), "state": (6, -1), "valid": (1, 0)}.items():
            features[f"traffic_light_state/{part}/{name}"] = np.tile(np.array(pair), (steps, 1))
        for name in "xyz":
            features[f"traffic_light_state/{part}/{name}"] = np.tile(np.array([9, -1], dtype=np.float32), (steps, 1))
        features[f"traffic_light_state/{part}/timestamp_micros"] = times
    features |= {
        "roadgraph_samples/xyz": np.arange(18, dtype=np.float32).reshape(6, 3),
        "roadgraph_samples/id": np.array([40, 30, 40, 30, 50, -1]),
        "roadgraph_samples/type": np.array([2, 15, 2, 15, 4, -1]),
        "roadgraph_samples/valid": np.array([1, 1, 1, 1, 1, 0]),
    }
    return features


def example(scenario_id: str = "e1", **changed: Any) -> bytes:
    """The features above as a tf.Example; ``changed`` replaces some, ``None`` leaves them out. ``/`` is written ``__``."""
    features = example_features(scenario_id) | {name.replace("__", "/"): value for name, value in changed.items()}
    return encode_example({name: value for name, value in features.items() if value is not None})


def frame(name: str = "segment", timestamp_micros: int = 1_553_735_853_462_203) -> Frame:
    """The ego at (100, 200) heading along y; one car 10 m ahead of it, driving along y at 5 m/s; two cameras."""
    message = Frame(timestamp_micros=timestamp_micros)
    message.context.name = name
    message.context.stats.weather = "sunny"
    message.context.camera_calibrations.add(name="FRONT", width=1920)
    message.pose.transform.extend([0, -1, 0, 100, 1, 0, 0, 200, 0, 0, 1, 3, 0, 0, 0, 1])
    label = message.laser_labels.add(id="car-a", type=1)
    label.box.CopyFrom(type(label.box)(center_x=10, center_y=1, center_z=0.5, length=4, width=2, height=1.5))
    label.metadata.speed_y = 5.0
    message.laser_labels.add(id="sign-b", type=3)
    for camera, picture in ((2, b"left"), (1, b"not a picture")):
        image = message.images.add(name=camera, image=picture, pose_timestamp=1.5)
        image.velocity.v_x, image.velocity.v_y = float(camera), 2.0
    return message


def tfrecord(*payloads: bytes) -> bytes:
    """A TFRecord file."""
    sink = io.BytesIO()
    writer = TFRecordWriter(sink)
    for payload in payloads:
        writer.write(payload)
    return sink.getvalue()


def opener(files: dict[str, bytes]) -> Callable[[str], tuple[BinaryIO, int]]:
    """Opens files that lie in memory."""

    def open_input(path: str) -> tuple[BinaryIO, int]:
        if path not in files:
            raise FileNotFoundError(path)
        return io.BytesIO(files[path]), len(files[path])

    return open_input


def run(kernel: Kernel, paths: Iterable[str] = (FILE,)) -> list[dict[str, Any]]:
    """All rows that a kernel makes of files."""
    batches = list(kernel(iter([pa.record_batch({"path": list(paths)})])))
    return pa.Table.from_batches(batches).to_pylist() if batches else []


def broken_rules(contract: type[Contract], batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """What a contract finds wrong with the kept rows of a labelled batch."""
    rows = pa.Table.from_batches([batch])
    kept = rows.filter(pc.and_(pc.and_(*(pc.is_null(rows[n]) for n in ("reason", "error"))), pc.is_null(rows["tally"])))
    assert kept.num_rows
    failures = validate_batches(contract, "2026-01-05")(iter(kept.combine_chunks().to_batches()))
    return [row for found in failures for row in found.to_pylist()]


def parted(rows: Rows) -> tuple[Rows, Rows, Rows, Rows]:
    """Kept, rejected, quarantined and tally rows; every row is one of them and the tallies agree with the others."""
    tallies = [row for row in rows if row["tally"] is not None]
    data = [row for row in rows if row["tally"] is None]
    broken = [row for row in data if row["error"] is not None]
    rejected = [row for row in data if row["error"] is None and row["reason"] is not None]
    kept = [row for row in data if row["error"] is None and row["reason"] is None]
    assert sum(row["tally"] for row in tallies) == len(data)
    return kept, rejected, broken, tallies
