"""Keyframes of the real motion records, by the way that the lane takes: record, silver, gold, keyframes."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from dataset_platform.kernels.driving.features import gold_rows
from dataset_platform.kernels.driving.scene import Scene
from dataset_platform.kernels.driving.scene_rows import read_scenes
from dataset_platform.kernels.driving.settings import FeatureConfig
from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.keyframes import keyframe_rows, trace_id_of
from dataset_platform.kernels.reasoning.rule_traces import KeyframeInput
from dataset_platform.kernels.reasoning.settings import KeyframeConfig
from dataset_platform.kernels.reasoning.view import PlanView

SCENARIO = "motion_data_one_scenario.tfrecord"
DAY = "2026-01-05"


@lru_cache(maxsize=4)
def real_scene(real_data: Path, name: str) -> Scene:
    """The scene of a record that holds one."""
    with (real_data / "womd" / name).open("rb") as stream:
        return next(iter(read_scenes(stream)))


def keyframes_of(scene: Scene, config: KeyframeConfig | None = None) -> list[dict[str, Any]]:
    """Its keyframe rows as Python values."""
    steps = len(scene.steps)
    provenance = pa.table(
        {
            "frame_id": [f"{scene.scenario_id}:{s}" for s in scene.steps],
            "record_checksum": ["0" * 32] * steps,
            "file": ["file"] * steps,
            "offset": pa.array([0] * steps, pa.int64()),
            "length": pa.array([1] * steps, pa.int64()),
        }
    )
    return keyframe_rows(scene, gold_rows(scene, FeatureConfig(), provenance), config or KeyframeConfig()).to_pylist()


def input_of(row: dict[str, Any]) -> KeyframeInput:
    """A keyframe row as a writer of traces gets it."""
    return KeyframeInput(
        trace_id_of(row["frame_id"], DAY),
        row["frame_id"],
        row["scenario_id"],
        row["step"],
        Facts.of_rows(row["facts"]),
        PlanView.of_json(row["view"]),
    )
