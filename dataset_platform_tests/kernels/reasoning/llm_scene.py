"""Hand-made keyframes on a straight road: a lead, people beside it, a signal; every number follows from a few."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataset_platform.engines.cot_writer import Keyframe
from dataset_platform.kernels.reasoning.facts import Fact, Facts
from dataset_platform.kernels.reasoning.trace import CoTTrace
from dataset_platform.kernels.reasoning.view import PlanView, ViewLane, ViewSignal

DAY = "2026-01-05"
LANE, SIGNAL = 11, 12
LIMIT_MPS = 17.88
LENGTH_M, WIDTH_M = 5.0, 2.0


def _agent(agent_id: int, kind: str, x: float, y: float, speed: float, relation: str, ego_speed: float) -> list[Fact]:
    subject = f"agent:{agent_id}"
    bearing = float(np.degrees(np.arctan2(y, x)))
    sectors = ("ahead", "ahead_left", "left", "behind_left", "behind", "behind_right", "right", "ahead_right")
    facts = [
        Fact(subject, "type", word=kind),
        Fact(subject, "distance", float(np.hypot(x, y)), unit="m", uncertainty=0.2),
        Fact(subject, "bearing", bearing, unit="deg", uncertainty=1.0),
        Fact(subject, "sector", word=sectors[int(((bearing + 22.5) % 360) // 45)]),
        Fact(subject, "longitudinal", x, unit="m", uncertainty=0.2),
        Fact(subject, "lateral", y, unit="m", uncertainty=0.2),
        Fact(subject, "speed", speed, unit="mps", uncertainty=0.2),
        Fact(subject, "relative_heading", 0.0, unit="deg", uncertainty=2.0),
        Fact(subject, "relation", word=relation),
    ]
    risk = "low"
    if relation == "lead":
        gap, closing = x - LENGTH_M, ego_speed - speed
        facts += [
            Fact(subject, "lane_id", word=str(LANE)),
            Fact(subject, "gap", gap, unit="m", uncertainty=0.3),
            Fact(subject, "closing_speed", closing, unit="mps", uncertainty=0.3),
        ]
        thw = gap / ego_speed if ego_speed > 0.1 else None
        ttc = gap / closing if closing > 0.1 else None
        if thw is not None:
            facts.append(Fact(subject, "thw", thw, unit="s", uncertainty=0.1))
        if ttc is not None:
            drac = closing**2 / (2 * gap)
            facts += [Fact(subject, "ttc", ttc, unit="s", uncertainty=0.2), Fact(subject, "drac", drac, unit="mps2")]
            risk = "critical" if ttc < 1.5 or drac > 5 else "high" if ttc < 3 or drac > 3.4 else risk
            risk = "medium" if risk == "low" and ttc < 5 else risk
        if risk == "low" and thw is not None and thw < 1.8:
            risk = "medium"
    return [*facts, Fact(subject, "risk", word=risk)]


def keyframe(
    number: int = 0,
    *,
    ego_speed: float = 8.0,
    lead: tuple[float, float] | None = (40.0, 8.0),
    signal: tuple[str, float] | None = None,
    complexity: str = "SIMPLE",
    picture: bytes | None = None,
) -> Keyframe:
    """A keyframe.

    Args:
        lead: metres ahead and speed of a vehicle in the ego's lane, with id 7.
        signal: state, and metres from the front bumper to its stop line.
    """
    from dataset_platform.kernels.reasoning.keyframes import trace_id_of

    agents = [(21, "pedestrian", 25.0, -9.0, 1.2, "other")]
    if lead is not None:
        agents.append((7, "vehicle", lead[0], 0.0, lead[1], "lead"))
    facts = [f for a in sorted(agents, key=lambda a: a[2]) for f in _agent(*a, ego_speed=ego_speed)]
    risks = [f.word for f in facts if f.quantity == "risk"]
    order = ("low", "medium", "high", "critical")
    own = [
        Fact("ego", "speed", ego_speed, unit="mps", uncertainty=0.1),
        Fact("ego", "acceleration", 0.0, unit="mps2", uncertainty=0.3),
        Fact("ego", "lane_id", word=str(LANE)),
        Fact("ego", "lane_type", word="surface_street"),
        Fact("ego", "lane_offset", 0.0, unit="m", uncertainty=0.2),
        Fact("ego", "speed_limit", LIMIT_MPS, unit="mps"),
        Fact("scene", "vehicle_count", float(lead is not None), unit="count"),
        Fact("scene", "pedestrian_count", 1.0, unit="count"),
        Fact("scene", "cyclist_count", 0.0, unit="count"),
        Fact("scene", "risk", word=max(risks, key=lambda r: order.index(r or "low"))),
        Fact("scene", "complexity", word=complexity),
    ]
    ahead = [Fact("path", "heading_change", 0.0, unit="deg"), Fact("path", "length", 120.0, unit="m")]
    signals: tuple[ViewSignal, ...] = ()
    if signal is not None:
        ahead += [
            Fact(f"signal:{SIGNAL}", "state", word=signal[0]),
            Fact(f"signal:{SIGNAL}", "distance", signal[1], unit="m", uncertainty=0.3),
        ]
        signals = (ViewSignal(SIGNAL, signal[0], signal[1] + LENGTH_M / 2, 0.0),)
    path = np.stack([np.arange(0.0, 121.0, 2.0), np.zeros(61)], axis=1)
    behind = np.stack([np.arange(-20.0, 200.0, 2.0), np.zeros(110)], axis=1)
    frame_id = f"hand-{number}:10"
    return Keyframe(
        trace_id_of(frame_id, DAY),
        frame_id,
        f"hand-{number}",
        10,
        complexity,
        Facts([*own, *facts, *ahead]),
        _view(ego_speed, agents, path, behind, signals),
        "waymo/tfrecords/2026/01/05/hand.tfrecord",
        100 * number,
        100,
        picture,
    )


def _view(ego_speed, agents, path, behind, signals) -> PlanView:
    return PlanView(
        ego_speed_mps=ego_speed,
        ego_acceleration_mps2=0.0,
        ego_yaw_rate_radps=0.0,
        ego_length_m=LENGTH_M,
        ego_width_m=WIDTH_M,
        agent_id=np.array([a[0] for a in agents], dtype=np.int64),
        agent_type=tuple(a[1] for a in agents),
        x_m=np.array([a[2] for a in agents]),
        y_m=np.array([a[3] for a in agents]),
        heading_rad=np.zeros(len(agents)),
        velocity_x_mps=np.array([a[4] for a in agents]),
        velocity_y_mps=np.zeros(len(agents)),
        length_m=np.array([LENGTH_M if a[1] == "vehicle" else 0.6 for a in agents]),
        width_m=np.array([WIDTH_M if a[1] == "vehicle" else 0.6 for a in agents]),
        lanes=(
            ViewLane(LANE, "surface_street", LIMIT_MPS, (SIGNAL,), behind[:41]),
            ViewLane(SIGNAL, "surface_street", LIMIT_MPS, (), behind[40:]),
        ),
        road_edges=(behind + [0.0, 6.0], behind - [0.0, 6.0]),
        signals=signals,
        path=path,
        path_lanes=(LANE, SIGNAL),
    )


def keyframes(count: int, complexity: str = "SIMPLE") -> list[Keyframe]:
    """Different keyframes: free road, following, closing in, a red and a green signal, standstill."""
    frames = []
    for n in range(count):
        off = 0.01 * n  # no two are alike: equal prompts would be one call
        kinds: tuple[dict[str, Any], ...] = (
            {"lead": None},
            {"lead": (30.0 + off, 8.0)},
            {"lead": (45.0 + off, 4.0)},
            {"lead": None, "signal": ("stop", 45.0 + off)},
            {"lead": (60.0 + off, 9.0), "signal": ("go", 50.0)},
            {"ego_speed": 0.0, "lead": None, "signal": ("arrow_stop", 2.0 + off)},
        )
        given = {"ego_speed": 6.0 + n % 5 + 0.002 * n, **kinds[n % len(kinds)]}
        frames.append(keyframe(n, complexity=complexity, **given))
    return frames


def hand_trace(number: int = 0) -> CoTTrace:
    """A whole trace of a keyframe in which the ego follows vehicle 7, written without any rule."""
    frame_id = f"hand-{number}:10"
    speed = 6.0 + number % 5
    points = [{"t_s": t / 2, "x_m": speed * t / 2, "y_m": 0.0, "speed_mps": speed} for t in range(17)]
    ahead = {"agent_id": 7, "object_type": "vehicle", "distance_m": 30.0, "sector": "ahead", "speed_mps": 8.0}
    kept = {"agent_id": 7, "behavior": "keep_speed", "probability": 1.0, "x_3s_m": 54.0, "y_3s_m": 0.0}
    risk = {"agent_id": 7, "relation": "lead", "risk": "medium"}
    other = {"longitudinal": "accelerate", "lateral": "keep", "rejected_because": "time_to_collision", "agent_id": 7}
    return CoTTrace.model_validate(
        {
            "trace_id": f"{number:032x}",
            "frame_id": frame_id,
            "scenario_id": f"hand-{number}",
            "step": 10,
            "scene_description": {
                "text": f"The car drives {speed} m/s behind vehicle 7.",
                "ego_speed_mps": speed,
                "lane_id": LANE,
                "vehicle_count": 1,
                "pedestrian_count": 1,
                "cyclist_count": 0,
                "agents": [ahead],
            },
            "situation_assessment": {"text": "Vehicle 7 leads.", "risks": [risk], "overall_risk": "medium"},
            "behavior_prediction": {"text": "Vehicle 7 keeps its speed.", "predictions": [kept]},
            "trajectory_plan": {
                "text": "Keep the speed.",
                "longitudinal": "maintain",
                "lateral": "keep",
                "waypoints": points,
            },
            "justification": {
                "text": "Vehicle 7 drives as fast.",
                "causes": [{"kind": "lead_vehicle", "agent_id": 7}],
                "alternatives": [other],
                "confidence": 0.8,
            },
        }
    )
