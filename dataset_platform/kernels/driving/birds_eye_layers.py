"""What a bird's-eye picture shows, in the ego's frame: from a plan view, or from a step of a scene."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dataset_platform.contracts.driving_types import SIGNAL_STATES
from dataset_platform.kernels.driving.geometry import to_frame, wrap_angle

if TYPE_CHECKING:
    from dataset_platform.kernels.driving.scene import Scene
    from dataset_platform.kernels.reasoning.view import LoggedFuture, PlanView

Floats = NDArray[np.float64]

FAR_M = 150.0
"""Map features none of whose points is nearer are not drawn."""
DEFAULT_EGO_M = (5.0, 2.1)
GAP_M = 6.0
"""Samples of a cut-off map farther apart than this are not joined."""


@dataclass(frozen=True, eq=False)
class Layers:
    """Everything to be drawn; metres in the ego's frame (x ahead, y left), radians, metres per second.

    Attributes:
        lanes: [P, 2] each; edges, lines (painted), crosswalks (polygons), bumps (polygons): the same.
        stop_signs: [K, 2].
        signals: (x, y, state by name).
        agent_*: [A].
        future: [T, 3] of the ego: x, y, seconds. agent_futures: [T, 2] each.
        path: [P, 2] the lane path ahead; empty where none is known.
    """

    ego_size_m: tuple[float, float]
    ego_speed_mps: float
    agent_id: NDArray[np.int64]
    agent_type: tuple[str, ...]
    agent_x: Floats
    agent_y: Floats
    agent_heading: Floats
    agent_speed: Floats
    agent_length: Floats
    agent_width: Floats
    lanes: tuple[Floats, ...] = ()
    edges: tuple[Floats, ...] = ()
    lines: tuple[tuple[str, Floats], ...] = ()
    crosswalks: tuple[Floats, ...] = ()
    bumps: tuple[Floats, ...] = ()
    stop_signs: Floats = field(default_factory=lambda: np.empty((0, 2)))
    signals: tuple[tuple[float, float, str], ...] = ()
    path: Floats = field(default_factory=lambda: np.empty((0, 2)))
    future: Floats = field(default_factory=lambda: np.empty((0, 3)))
    agent_futures: tuple[Floats, ...] = ()


def layers_of_view(view: PlanView, future: LoggedFuture | None = None) -> Layers:
    """What a keyframe holds: its view and, where given, the logged future."""
    shown = set(view.agent_id.tolist())
    return Layers(
        ego_size_m=(view.ego_length_m, view.ego_width_m),
        ego_speed_mps=view.ego_speed_mps,
        agent_id=view.agent_id,
        agent_type=view.agent_type,
        agent_x=view.x_m,
        agent_y=view.y_m,
        agent_heading=view.heading_rad,
        agent_speed=np.hypot(view.velocity_x_mps, view.velocity_y_mps),
        agent_length=view.length_m,
        agent_width=view.width_m,
        lanes=tuple(lane.points for lane in view.lanes),
        edges=view.road_edges,
        signals=tuple((s.stop_x_m, s.stop_y_m, s.state) for s in view.signals),
        path=view.path,
        future=np.empty((0, 3)) if future is None else np.column_stack([future.x_m, future.y_m, future.times_s]),
        agent_futures=()
        if future is None
        else tuple(
            _known(np.column_stack([x, y]))
            for agent, x, y in zip(future.agent_id.tolist(), future.agents_x_m, future.agents_y_m, strict=True)
            if agent in shown
        ),
    )


def layers_of_scene(scene: Scene, index: int) -> Layers:
    """One step of a scene with its whole map, and what the log has after it.

    Args:
        index: position of the step in the scene's arrays.
    """
    x0, y0, heading = (float(v[index]) for v in (scene.ego_x, scene.ego_y, scene.ego_heading))

    def local(x: Floats, y: Floats) -> Floats:
        return np.stack(to_frame(x, y, x0, y0, heading), axis=-1)

    lines: dict[str, list[tuple[str, Floats]]] = {}
    for feature in scene.road_map.features:
        points = local(feature.points[:, 0], feature.points[:, 1])
        if np.hypot(points[:, 0], points[:, 1]).min(initial=np.inf) > FAR_M:
            continue
        joined = feature.kind in ("lane", "road_line", "road_edge") and scene.road_map.sampled
        for piece in _pieces(points) if joined else [points]:
            lines.setdefault(feature.kind, []).append((feature.type, piece))
    shown = np.flatnonzero(scene.valid[:, index])
    where = local(scene.x[shown, index], scene.y[shown, index])
    after = slice(index, None)
    ahead = local(scene.ego_x[after], scene.ego_y[after])
    signals = scene.signals
    known = np.flatnonzero((signals.state[:, index] >= 0) & np.isfinite(signals.stop_x[:, index]))
    stops = local(signals.stop_x[known, index], signals.stop_y[known, index])
    size = (scene.ego_length_m, scene.ego_width_m)

    def of(kind: str) -> tuple[Floats, ...]:
        return tuple(points for _, points in lines.get(kind, []))

    return Layers(
        ego_size_m=size if np.isfinite(size).all() else DEFAULT_EGO_M,
        ego_speed_mps=float(scene.ego_speed[index]),
        agent_id=scene.track_id[shown],
        agent_type=tuple(scene.object_type[k] for k in shown),
        agent_x=where[:, 0],
        agent_y=where[:, 1],
        agent_heading=wrap_angle(scene.heading[shown, index] - heading),
        agent_speed=scene.speed[shown, index],
        agent_length=scene.length[shown, index],
        agent_width=scene.width[shown, index],
        lanes=of("lane"),
        edges=of("road_edge"),
        lines=tuple(lines.get("road_line", [])),
        crosswalks=of("crosswalk"),
        bumps=of("speed_bump"),
        stop_signs=np.concatenate([p[:1] for p in of("stop_sign")]) if "stop_sign" in lines else np.empty((0, 2)),
        signals=tuple(
            (float(x), float(y), SIGNAL_STATES[int(s)])
            for (x, y), s in zip(stops, signals.state[known, index], strict=True)
        ),
        future=np.column_stack([ahead, scene.times_s[after] - scene.times_s[index]])[np.isfinite(ahead).all(axis=1)],
        agent_futures=tuple(_known(local(scene.x[k, after], scene.y[k, after])) for k in shown),
    )


def _known(points: Floats) -> Floats:
    known: Floats = points[np.isfinite(points).all(axis=1)]
    return known


def _pieces(points: Floats) -> list[Floats]:
    """A line cut where its points lie far apart."""
    breaks = np.flatnonzero(np.hypot(*np.diff(points, axis=0).T) > GAP_M) + 1
    return [piece for piece in np.split(points, breaks) if len(piece) > 1]
