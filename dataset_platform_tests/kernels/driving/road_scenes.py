"""Small scenes made by hand for the tests of features: agents at constant velocity on drawn roads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataset_platform.contracts.driving_types import SIGNAL_STATES
from dataset_platform.kernels.driving.geometry import wrap_angle
from dataset_platform.kernels.driving.scene import MapFeature, RoadMap, Scene, Signals

STEP_S = 0.1
AGENT_GRIDS = ("x", "y", "z", "length", "width", "height", "heading", "velocity_x", "velocity_y", "valid")
EGO_SERIES = ("ego_x", "ego_y", "ego_heading", "ego_velocity_x", "ego_velocity_y")


@dataclass(frozen=True)
class Mover:
    """Someone who keeps a velocity: position at step 0 in metres, heading in degrees."""

    track_id: int
    x: float
    y: float
    heading_deg: float = 0.0
    speed: float = 0.0
    kind: str = "vehicle"
    length: float = 4.5
    width: float = 2.0
    turn_deg_per_s: float = 0.0


def lane(feature_id: int, points: Sequence[tuple[float, float]], **more: Any) -> MapFeature:
    """A lane through points, resampled to half a metre."""
    corner = np.array(points, float)
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(corner, axis=0).T))])
    at = np.linspace(0.0, arc[-1], max(int(arc[-1] / 0.5) + 1, 2))
    xyz = np.column_stack([np.interp(at, arc, corner[:, 0]), np.interp(at, arc, corner[:, 1]), np.zeros_like(at)])
    return MapFeature(feature_id, "lane", more.pop("type", "surface_street"), xyz, **more)


def arc_lane(feature_id: int, start: tuple[float, float], radius: float, degrees: float, **more: Any) -> MapFeature:
    """A lane that leaves a point along x and turns left (positive degrees) or right with a radius."""
    angle = np.radians(np.linspace(0.0, abs(degrees), 60))
    x, y = start[0] + radius * np.sin(angle), start[1] + np.sign(degrees) * radius * (1 - np.cos(angle))
    return MapFeature(feature_id, "lane", "surface_street", np.column_stack([x, y, 0 * x]), **more)


def furniture(feature_id: int, kind: str, points: Sequence[tuple[float, float]], **more: Any) -> MapFeature:
    """Anything of the map that is no lane."""
    return MapFeature(feature_id, kind, more.pop("type", ""), np.array([(*p, 0.0) for p in points]), **more)


def scene(
    ego: Mover,
    agents: Sequence[Mover] = (),
    features: Sequence[MapFeature] = (),
    signals: Sequence[tuple[int, str, float, float]] = (),
    steps: int = 31,
    sampled: bool = False,
) -> Scene:
    """A scene of ``steps`` at 10 Hz; signals are (lane, state, stop x, stop y)."""
    times = np.arange(steps) * STEP_S
    tracks = [_track(m, times) for m in (ego, *agents)]
    x, y, heading, vx, vy = (np.array([t[i] for t in tracks]) for i in range(5))
    grid = np.ones((len(agents), steps))
    size = [np.array([getattr(m, name) for m in agents]).reshape(-1, 1) * grid for name in ("length", "width")]
    signal_grid = np.ones((len(signals), steps))
    stop = [np.array([s[i] for s in signals], float).reshape(-1, 1) * signal_grid for i in (2, 3)]
    state = np.array([SIGNAL_STATES.index(s[1]) for s in signals], np.int8).reshape(-1, 1)
    return Scene(
        scenario_id="drawn", record_type="scenario", steps=np.arange(steps), times_s=times, current_step=10,
        track_id=np.array([m.track_id for m in agents], np.int64), object_type=tuple(m.kind for m in agents),
        x=x[1:], y=y[1:], z=0 * grid, length=size[0], width=size[1], height=1.5 * grid, heading=heading[1:],
        velocity_x=vx[1:], velocity_y=vy[1:], valid=grid > 0,
        ego_track_id=ego.track_id, ego_x=x[0], ego_y=y[0], ego_heading=heading[0], ego_velocity_x=vx[0],
        ego_velocity_y=vy[0], ego_length_m=ego.length, ego_width_m=ego.width,
        signals=Signals(
            np.array([s[0] for s in signals], np.int64), (state * signal_grid).astype(np.int8), stop[0], stop[1]
        ),
        road_map=RoadMap(tuple(features), sampled),
    )  # fmt: skip


def _track(mover: Mover, times: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    heading = np.radians(mover.heading_deg + mover.turn_deg_per_s * times)
    vx, vy = mover.speed * np.cos(heading), mover.speed * np.sin(heading)
    step = np.diff(times, prepend=times[0])
    return mover.x + np.cumsum(vx * step), mover.y + np.cumsum(vy * step), wrap_angle(heading), vx, vy


def provenance(of: Scene) -> pa.Table:
    """What ``gold_rows`` wants to know of the silver rows."""
    steps = len(of.steps)
    return pa.table(
        {
            "frame_id": [f"{of.scenario_id}:{step}" for step in of.steps],
            "record_checksum": ["0" * 32] * steps,
            "file": ["a.tfrecord"] * steps,
            "offset": pa.array([0] * steps, pa.int64()),
            "length": pa.array([1] * steps, pa.int64()),
        }
    )


def until(of: Scene, index: int) -> Scene:
    """The scene as it was known at a step: nothing later is in it."""
    cut: dict[str, Any] = {name: getattr(of, name)[..., : index + 1] for name in (*AGENT_GRIDS, *EGO_SERIES)}
    signals = {f.name: getattr(of.signals, f.name) for f in fields(of.signals)}
    signals = {name: value if name == "lane_id" else value[:, : index + 1] for name, value in signals.items()}
    return replace(of, **cut, steps=of.steps[: index + 1], times_s=of.times_s[: index + 1], signals=Signals(**signals))


def moved(of: Scene, angle: float, dx: float, dy: float) -> Scene:
    """The same scene elsewhere: turned about the origin and shifted."""
    cos, sin = np.cos(angle), np.sin(angle)

    def shift(x: Any, y: Any) -> tuple[Any, Any]:
        return x * cos - y * sin + dx, x * sin + y * cos + dy

    def turn(x: Any, y: Any) -> tuple[Any, Any]:
        return x * cos - y * sin, x * sin + y * cos

    features = []
    for f in of.road_map.features:
        x, y = shift(f.points[:, 0], f.points[:, 1])
        features.append(replace(f, points=np.column_stack([x, y, f.points[:, 2]])))
    changed: dict[str, Any] = {}
    for prefix in ("", "ego_"):
        changed[f"{prefix}x"], changed[f"{prefix}y"] = shift(getattr(of, f"{prefix}x"), getattr(of, f"{prefix}y"))
        names = f"{prefix}velocity_x", f"{prefix}velocity_y"
        changed[names[0]], changed[names[1]] = turn(*(getattr(of, n) for n in names))
        changed[f"{prefix}heading"] = wrap_angle(getattr(of, f"{prefix}heading") + angle)
    stop_x, stop_y = shift(of.signals.stop_x, of.signals.stop_y)
    signals = replace(of.signals, stop_x=stop_x, stop_y=stop_y)
    return replace(of, **changed, signals=signals, road_map=RoadMap(tuple(features), of.road_map.sampled))
