"""Traces to judge: rule traces of the real records at several steps, and of a small made-up street."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from dataset_platform.kernels.driving.features import gold_rows
from dataset_platform.kernels.driving.scene import Scene
from dataset_platform.kernels.driving.scene_rows import read_scenes
from dataset_platform.kernels.driving.settings import FeatureConfig
from dataset_platform.kernels.reasoning.facts import Fact, Facts
from dataset_platform.kernels.reasoning.keyframes import keyframe_rows
from dataset_platform.kernels.reasoning.mutations import Case
from dataset_platform.kernels.reasoning.rule_traces import KeyframeInput, write
from dataset_platform.kernels.reasoning.settings import KeyframeConfig
from dataset_platform.kernels.reasoning.view import LoggedFuture, PlanView, ViewLane, ViewSignal

RECORDS = ("motion_data_one_example.tfrecord", "motion_data_one_scenario.tfrecord")


def real_scenes(real_data: Path) -> list[Scene]:
    scenes = []
    for name in RECORDS:
        with (real_data / "womd" / name).open("rb") as stream:
            scenes += list(read_scenes(stream))
    return scenes


def cases_of(scene: Scene, steps: Iterable[int] | None = None) -> list[Case]:
    """Rule traces of a scene's keyframes, or of the steps that are named."""
    n = len(scene.steps)
    provenance = pa.table(
        {
            "frame_id": [f"{scene.scenario_id}:{step}" for step in scene.steps],
            "record_checksum": ["0" * 32] * n,
            "file": ["scene"] * n,
            "offset": [0] * n,
            "length": [1] * n,
        }
    )
    gold = gold_rows(scene, FeatureConfig(), provenance)
    if steps is None:
        rows = keyframe_rows(scene, gold, KeyframeConfig()).to_pylist()
    else:
        one = KeyframeConfig(max_per_scenario=1)
        rows = [r for k in steps for r in keyframe_rows(replace(scene, current_step=k), gold, one).to_pylist()]
    found = []
    for number, row in enumerate(rows):
        facts, view = Facts.of_rows(row["facts"]), PlanView.of_json(row["view"])
        given = KeyframeInput(f"{number:032x}", row["frame_id"], row["scenario_id"], row["step"], facts, view)
        found.append(Case(write(given), facts, view, LoggedFuture.of_json(row["future"])))
    return found


def street(speed: float = 10.0, signal: str = "go") -> PlanView:
    """A straight street: the ego's lane, one beside it, one that comes towards the ego, edges, a light 40 m ahead."""
    x = np.linspace(-60.0, 160.0, 45)
    line = lambda y: np.column_stack([x, np.full(len(x), y)])  # noqa: E731
    lanes = (
        ViewLane(1, "surface_street", 13.4, (), line(0.0)),
        ViewLane(2, "surface_street", 13.4, (), line(-3.5)),
        ViewLane(3, "surface_street", 13.4, (), line(3.5)[::-1].copy()),
    )
    nothing = np.zeros(0)
    return PlanView(
        speed, 0.0, 0.0, 4.8, 2.0, np.zeros(0, np.int64), (), *([nothing] * 7),
        lanes, (line(6.0), line(-6.0)), (ViewSignal(1, signal, 40.0, 0.0),), line(0.0)[12:], (1,),
    )  # fmt: skip


def with_agents(view: PlanView, *agents: tuple[int, float, float, float, float]) -> PlanView:
    """The view with vehicles: id, x, y, velocity along x, velocity along y."""
    ids, x, y, vx, vy = (np.array(v, dtype=float) for v in zip(*agents, strict=True))
    n = len(agents)
    heading = np.arctan2(vy, np.where(vx == 0, 1e-9, vx)) * (np.hypot(vx, vy) > 0)
    return replace(
        view, agent_id=ids.astype(np.int64), agent_type=("vehicle",) * n, x_m=x, y_m=y, heading_rad=heading,
        velocity_x_mps=vx, velocity_y_mps=vy, length_m=np.full(n, 4.8), width_m=np.full(n, 2.0),
    )  # fmt: skip


def small_facts() -> Facts:
    """An ego at 10 m/s behind vehicle 12, a pedestrian to the right, a red light."""
    numbers = (
        ("ego", "speed", 10.0, "mps"), ("ego", "speed_limit", 13.4, "mps"), ("scene", "vehicle_count", 1.0, "count"),
        ("scene", "pedestrian_count", 1.0, "count"), ("scene", "cyclist_count", 0.0, "count"),
        ("agent:12", "distance", 25.0, "m"), ("agent:12", "bearing", 0.0, "deg"), ("agent:12", "speed", 6.0, "mps"),
        ("agent:12", "gap", 20.2, "m"), ("agent:12", "ttc", 5.1, "s"), ("agent:12", "thw", 2.0, "s"),
        ("agent:12", "drac", 0.4, "mps2"), ("agent:7", "distance", 14.0, "m"), ("agent:7", "bearing", -80.0, "deg"),
        ("agent:7", "speed", 1.4, "mps"), ("signal:1", "distance", 37.6, "m"),
    )  # fmt: skip
    words = (
        ("ego", "lane_id", "1"), ("scene", "risk", "low"), ("agent:12", "type", "vehicle"), ("agent:12", "sector", "ahead"),
        ("agent:12", "relation", "lead"), ("agent:12", "risk", "low"), ("agent:7", "type", "pedestrian"),
        ("agent:7", "sector", "right"), ("agent:7", "relation", "other"), ("agent:7", "risk", "low"),
        ("signal:1", "state", "stop"),
    )  # fmt: skip
    return Facts([*(Fact(s, q, v, None, u) for s, q, v, u in numbers), *(Fact(s, q, None, w) for s, q, w in words)])
