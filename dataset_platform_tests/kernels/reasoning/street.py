"""Keyframes on a hand-made street: a gold row and the view that goes with it, from a few numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_platform.kernels.driving.risk import (
    deceleration_to_avoid,
    risk_bands,
    time_headway,
    time_to_collision,
)
from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.keyframe_facts import facts_of
from dataset_platform.kernels.reasoning.rule_traces import KeyframeInput
from dataset_platform.kernels.reasoning.view import PlanView, ViewLane, ViewSignal

LANE, BEYOND = 10, 11
LIMIT_MPS = 13.4
LENGTH_M, WIDTH_M = 4.8, 2.0
BANDS = ("low", "medium", "high", "critical")


@dataclass(frozen=True)
class Agent:
    """Another road user in the ego's frame: metres ahead and to the left, heading in radians."""

    track_id: int
    x: float
    y: float = 0.0
    speed: float = 0.0
    heading: float = 0.0
    kind: str = "vehicle"
    relation: str = "lead"


def straight(length: float = 150.0) -> NDArray[np.float64]:
    """A path straight ahead."""
    x = np.arange(0.0, length, 0.5)
    return np.stack([x, np.zeros_like(x)], axis=1)


def bend(radius: float, after: float = 20.0, turn_deg: float = 90.0) -> NDArray[np.float64]:
    """A path that goes straight, turns with a radius (left when the angle is positive), and goes straight on."""
    turn = np.radians(turn_deg)
    s = np.arange(0.0, 150.0, 0.5)
    heading = np.sign(turn) * np.clip((s - after) / radius, 0.0, abs(turn))
    steps = np.stack([np.cos(heading), np.sin(heading)], axis=1) * 0.5
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)[:-1]])


def street(
    speed: float,
    *agents: Agent,
    acceleration: float = 0.0,
    limit: float | None = LIMIT_MPS,
    signal: tuple[str, float] | None = None,
    stop_sign_m: float | None = None,
    crosswalk: tuple[float, tuple[int, ...]] | None = None,
    path: NDArray[np.float64] | None = None,
) -> KeyframeInput:
    """A keyframe. ``signal``: state and metres from the bumper; ``crosswalk``: metres along the path and who is on it."""
    line = straight() if path is None else path
    row = _row(speed, agents, acceleration, limit)
    row["crosswalks"] = [_crosswalk(*crosswalk)] if crosswalk else []
    if stop_sign_m is not None:
        row["stop_signs"] = [{"feature_id": 70, "controls_ego": True, "distance_along_path_m": stop_sign_m}]
    signals: tuple[ViewSignal, ...] = ()
    if signal is not None:
        row |= {"signal_lane_id": BEYOND, "signal_state": signal[0], "signal_distance_m": signal[1]}
        signals = (ViewSignal(BEYOND, signal[0], signal[1] + LENGTH_M / 2, 0.0),)
    view = _view(speed, acceleration, agents, line, limit, signals)
    return KeyframeInput("0" * 32, "street:10", "street", 10, facts_of(row, view.path), view)


def facts(speed: float, *agents: Agent, **kwargs: Any) -> Facts:
    """Only the facts of a street."""
    return street(speed, *agents, **kwargs).facts


def _row(speed: float, agents: tuple[Agent, ...], acceleration: float, limit: float | None) -> dict[str, Any]:
    rows = [_agent(a, speed) for a in agents]
    return {
        "ego_speed_mps": speed,
        "ego_acceleration_mps2": acceleration,
        "ego_yaw_rate_radps": 0.0,
        "ego_length_m": LENGTH_M,
        "lane_id": LANE,
        "lane_type": "surface_street",
        "lane_offset_m": 0.0,
        "speed_limit_mps": limit,
        "signal_lane_id": None,
        "signal_state": None,
        "signal_distance_m": None,
        **{f"{k}_count": sum(a.kind == k for a in agents) for k in ("vehicle", "pedestrian", "cyclist")},
        "risk": max((r["risk"] for r in rows), key=BANDS.index, default="low"),
        "complexity": "SIMPLE",
        "agents": sorted(rows, key=lambda r: r["distance_m"]),
        "stop_signs": [],
    }


def _agent(agent: Agent, speed: float) -> dict[str, Any]:
    lead = agent.relation == "lead"
    gap = np.array(agent.x - LENGTH_M if lead else np.nan)
    closing = np.array(speed - agent.speed * np.cos(agent.heading))
    ttc, drac, thw = (
        time_to_collision(gap, closing),
        deceleration_to_avoid(gap, closing),
        time_headway(gap, np.array(speed)),
    )
    return {
        "track_id": agent.track_id,
        "object_type": agent.kind,
        "longitudinal_m": agent.x,
        "lateral_m": agent.y,
        "distance_m": float(np.hypot(agent.x, agent.y)),
        "bearing_deg": float(np.degrees(np.arctan2(agent.y, agent.x))),
        "relative_heading_rad": agent.heading,
        "speed_mps": agent.speed,
        "closing_speed_mps": float(closing),
        "length_m": 4.5 if agent.kind == "vehicle" else 0.8,
        "width_m": 1.9 if agent.kind == "vehicle" else 0.8,
        "relation": agent.relation,
        "lane_id": LANE if lead else None,
        "gap_m": float(gap) if lead else None,
        "ttc_s": float(ttc) if lead else None,
        "thw_s": float(thw) if lead else None,
        "drac_mps2": float(drac) if lead else None,
        "label_pet_s": 0.5,
        "risk": BANDS[int(risk_bands(ttc, drac, thw))],
        "is_object_of_interest": False,
        "is_track_to_predict": False,
    }


def _crosswalk(along: float, occupied_by: tuple[int, ...]) -> dict[str, Any]:
    return {"feature_id": 80, "on_path": True, "distance_along_path_m": along, "occupied_by": list(occupied_by)}


def _view(
    speed: float,
    acceleration: float,
    agents: tuple[Agent, ...],
    path: NDArray[np.float64],
    limit: float | None,
    signals: tuple[ViewSignal, ...],
) -> PlanView:
    def column(values: list[float]) -> NDArray[np.float64]:
        return np.array(values, dtype=np.float64)

    lanes = (ViewLane(LANE, "surface_street", limit, (BEYOND,), path),) if len(path) else ()
    return PlanView(
        ego_speed_mps=speed,
        ego_acceleration_mps2=acceleration,
        ego_yaw_rate_radps=0.0,
        ego_length_m=LENGTH_M,
        ego_width_m=WIDTH_M,
        agent_id=np.array([a.track_id for a in agents], dtype=np.int64),
        agent_type=tuple(a.kind for a in agents),
        x_m=column([a.x for a in agents]),
        y_m=column([a.y for a in agents]),
        heading_rad=column([a.heading for a in agents]),
        velocity_x_mps=column([a.speed * np.cos(a.heading) for a in agents]),
        velocity_y_mps=column([a.speed * np.sin(a.heading) for a in agents]),
        length_m=column([4.5 if a.kind == "vehicle" else 0.8 for a in agents]),
        width_m=column([1.9 if a.kind == "vehicle" else 0.8 for a in agents]),
        lanes=lanes,
        road_edges=(),
        signals=signals,
        path=path,
        path_lanes=(LANE, BEYOND) if len(path) else (),
    )
