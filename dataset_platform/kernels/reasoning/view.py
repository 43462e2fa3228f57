"""What plans are checked against: a plan view of the keyframe in the ego's frame, and the logged future beside it.

The view holds nothing later than now, so validators may use it while a trace is written. The future is for outcome
metrics and labels only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DECIMALS = 3


@dataclass(frozen=True, eq=False)
class ViewLane:
    """A lane near the ego: centre line ``points`` [P, 2], metres; ``speed_limit_mps`` None where not posted."""

    lane_id: int
    type: str
    speed_limit_mps: float | None
    exit_lanes: tuple[int, ...]
    points: Floats


@dataclass(frozen=True, eq=False)
class ViewSignal:
    """A signal that is known: its lane, state by name, and stop point, metres."""

    lane_id: int
    state: str
    stop_x_m: float
    stop_y_m: float


@dataclass(frozen=True, eq=False)
class PlanView:
    """The scene around the ego at the keyframe; x ahead, y left, metres.

    Attributes:
        ego_speed_mps, ego_acceleration_mps2, ego_yaw_rate_radps: now, smoothed over the past.
        agent_id: [A]; agent_type: names; x_m, y_m, heading_rad, velocity_x_mps, velocity_y_mps, length_m, width_m: [A].
        lanes: drivable lanes within the view's radius.
        road_edges: polylines [P, 2] of road edges within the radius.
        path: [P, 2], centre line of the ego's lane and what follows, from abreast of the ego onwards; empty off lanes.
        path_lanes: lanes of the path in order.
        sampled_map: the map is cut off: absence of a lane proves nothing.
    """

    ego_speed_mps: float
    ego_acceleration_mps2: float
    ego_yaw_rate_radps: float
    ego_length_m: float
    ego_width_m: float
    agent_id: Ints
    agent_type: tuple[str, ...]
    x_m: Floats
    y_m: Floats
    heading_rad: Floats
    velocity_x_mps: Floats
    velocity_y_mps: Floats
    length_m: Floats
    width_m: Floats
    lanes: tuple[ViewLane, ...]
    road_edges: tuple[Floats, ...]
    signals: tuple[ViewSignal, ...]
    path: Floats
    path_lanes: tuple[int, ...]
    sampled_map: bool = False

    def to_json(self) -> str:
        """JSON with coordinates to the millimetre."""
        return _dump(asdict(self))

    @classmethod
    def of_json(cls, text: str) -> PlanView:
        """The view read back."""
        raw = orjson.loads(text)
        raw["lanes"] = tuple(
            ViewLane(**{**lane, "exit_lanes": tuple(lane["exit_lanes"]), "points": _points(lane["points"])})
            for lane in raw["lanes"]
        )
        raw["road_edges"] = tuple(_points(edge) for edge in raw["road_edges"])
        raw["signals"] = tuple(ViewSignal(**signal) for signal in raw["signals"])
        raw["path"] = _points(raw["path"])
        raw["path_lanes"], raw["agent_type"] = tuple(raw["path_lanes"]), tuple(raw["agent_type"])
        return cls(**_arrays(cls, raw))


@dataclass(frozen=True, eq=False)
class LoggedFuture:
    """What the log says came after, in the ego's frame at the keyframe; T steps, t = 0 first.

    Attributes:
        times_s: [T]; x_m, y_m, heading_rad, speed_mps: [T], the ego.
        agent_id: [A]; agents_x_m, agents_y_m, agents_heading_rad: [A, T], NaN where not valid.
        agents_length_m, agents_width_m: [A].
        signal_lane_id: [L]; signal_state: [L, T] index into SIGNAL_STATES, -1 where unknown.
        marked_agents: those near ahead that the log marks as of interest or to be predicted; labels, as all else here.
    """

    times_s: Floats
    x_m: Floats
    y_m: Floats
    heading_rad: Floats
    speed_mps: Floats
    agent_id: Ints
    agents_x_m: Floats
    agents_y_m: Floats
    agents_heading_rad: Floats
    agents_length_m: Floats
    agents_width_m: Floats
    signal_lane_id: Ints
    signal_state: Ints
    marked_agents: tuple[int, ...] = ()

    def to_json(self) -> str:
        """JSON with coordinates to the millimetre."""
        return _dump(asdict(self))

    @classmethod
    def of_json(cls, text: str) -> LoggedFuture:
        """The future read back; one that was stored without marks has none."""
        raw = orjson.loads(text)
        raw["marked_agents"] = tuple(raw.get("marked_agents", ()))
        return cls(**_arrays(cls, raw))


_SHAPES = {"agents_x_m": 2, "agents_y_m": 2, "agents_heading_rad": 2, "signal_state": 2}


def _arrays(cls: type, raw: dict[str, Any]) -> dict[str, Any]:
    kinds = {f.name: f.type for f in fields(cls)}
    for name, kind in kinds.items():
        if kind in ("Floats", "Ints") and not isinstance(raw[name], np.ndarray):
            dtype = np.float64 if kind == "Floats" else np.int64
            array = np.array(raw[name], dtype=dtype)
            raw[name] = array.reshape(0, 0) if _SHAPES.get(name) == 2 and array.ndim != 2 else array
    return raw


def _points(values: Any) -> Floats:
    return np.array(values, dtype=np.float64).reshape(-1, 2)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(np.round(value, DECIMALS) if value.dtype.kind == "f" else value)
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return round(value, 6) if isinstance(value, float) else value


def _dump(value: Any) -> str:
    return orjson.dumps(_plain(value), option=orjson.OPT_SERIALIZE_NUMPY).decode()
