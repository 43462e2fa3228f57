"""Whether the metrics of reasoning traces find what they should: rule traces of synthetic scenes, each with one defect.

``python -m benchmarks.driving_metrics``: the detection matrix of the mutation suite, how the scenes' own logged drives
fare under the feasibility metrics, and how many good traces the validators would escalate. With
``DATASET_PLATFORM_REAL_DATA`` the keyframes of Waymo's two motion records are among them.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa

from benchmarks.results import write_section
from dataset_platform.demo.driving.world import sample_scenes
from dataset_platform.kernels.driving.features import gold_rows
from dataset_platform.kernels.driving.scene import Scene
from dataset_platform.kernels.driving.scene_rows import read_scenes
from dataset_platform.kernels.driving.settings import FeatureConfig
from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.keyframes import keyframe_rows
from dataset_platform.kernels.reasoning.mutations import Case, detection_matrix
from dataset_platform.kernels.reasoning.quality.card import matrix_table
from dataset_platform.kernels.reasoning.quality.evaluate import failing_validators
from dataset_platform.kernels.reasoning.quality.feasibility import evaluate_log
from dataset_platform.kernels.reasoning.rule_traces import KeyframeInput, write
from dataset_platform.kernels.reasoning.settings import KeyframeConfig
from dataset_platform.kernels.reasoning.view import LoggedFuture, PlanView

SECTION = "Reasoning traces: what the metrics find"
RECORDS = ("motion_data_one_example.tfrecord", "motion_data_one_scenario.tfrecord")


def cases_of(scene: Scene) -> Iterator[Case]:
    """Rule traces of a scene's keyframes."""
    steps = len(scene.steps)
    provenance = pa.table(
        {
            "frame_id": [f"{scene.scenario_id}:{step}" for step in scene.steps],
            "record_checksum": ["0" * 32] * steps,
            "file": ["scene"] * steps,
            "offset": [0] * steps,
            "length": [1] * steps,
        }
    )
    gold = gold_rows(scene, FeatureConfig(), provenance)
    for number, row in enumerate(keyframe_rows(scene, gold, KeyframeConfig()).to_pylist()):
        facts, view = Facts.of_rows(row["facts"]), PlanView.of_json(row["view"])
        given = KeyframeInput(f"{number:032x}", row["frame_id"], row["scenario_id"], row["step"], facts, view)
        yield Case(write(given), facts, view, LoggedFuture.of_json(row["future"]))


def real_scenes() -> Iterator[Scene]:
    """Waymo's motion records, where they are."""
    folder = os.environ.get("DATASET_PLATFORM_REAL_DATA")
    for name in RECORDS if folder else ():
        with (Path(folder or "") / "womd" / name).open("rb") as stream:
            yield from read_scenes(stream)


def report(cases: list[Case], real: int) -> list[str]:
    """The section's lines."""
    logs = [evaluate_log(case.view, case.future).metrics for case in cases if case.future is not None]
    judged = sorted({name for log in logs for name, value in log.items() if value is not None})
    below = [n for n in judged if any(log.get(n) is not None and (log[n] or 0.0) < 1.0 for log in logs)]
    escalated = sum(bool(failing_validators(case.trace, case.facts, case.view)) for case in cases)
    return [
        f"{len(cases)} keyframes, {real} of them of Waymo's records. The validators would escalate {escalated} of the "
        f"{len(cases)} rule traces. The logged drives pass {len(judged) - len(below)} of {len(judged)} feasibility metrics "
        f"at every keyframe{'' if not below else '; below one somewhere: ' + ', '.join(below)}.",
        "",
        matrix_table(detection_matrix(cases)),
    ]


def main() -> None:
    """Measure and rewrite the section of RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--seed", type=int, default=101)
    options = parser.parse_args()
    real = [case for scene in real_scenes() for case in cases_of(scene)]
    made = chain.from_iterable(cases_of(scene) for scene in sample_scenes(options.scenes, options.seed))
    lines = report([*real, *made], len(real))
    print("\n".join(lines))
    write_section(SECTION, f"python -m benchmarks.driving_metrics --seed {options.seed}", lines)


if __name__ == "__main__":
    main()
