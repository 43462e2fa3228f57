"""The stages around traces on their own: keyframes put into a lake by hand, traces made of them, without Dagster or JVM.

Run as a module it makes one day's traces in a process of its own, which tests kill.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_platform.config import PlatformConfig, load_config
from dataset_platform.contracts import CotAnnotations, CotTraces, Keyframes
from dataset_platform.contracts.base import Contract
from dataset_platform.defs.days import Day
from dataset_platform.defs.driving import annotations, traces
from dataset_platform.defs.stages import Stage, materialize_day
from dataset_platform.engines.cot_writer import Keyframe
from dataset_platform.lake.arrow_publishing import run_arrow_stage
from dataset_platform.lake.publishing import Outcome, StageRun
from dataset_platform.settings import Settings

TRACES = Stage(
    CotTraces,
    Keyframes,
    traces.compute_traces,
    traces.section,
    traces.VERSION,
    (),
    (),
    True,
    frozenset(traces.TRANSIENT),
)
ANNOTATIONS = Stage(
    CotAnnotations, None, annotations.compute_annotations, None, annotations.VERSION, (), (), True, frozenset()
)


def day_of(key: str, config: PlatformConfig | None = None) -> Day:
    """A day of the environment's home that has no Spark."""

    def no_session() -> Any:
        raise AssertionError("a stage that runs in process started a JVM")

    return Day(key, Settings.from_env(), config or load_config(), no_session)


def make(stage: Stage, day: Day) -> Outcome:
    """Compute, audit and publish; the outcome, which must have been published."""
    outcome, _ = materialize_day(stage, day)
    assert outcome.published, outcome.findings
    return outcome


def put(contract: type[Contract], day: str, rows: list[dict[str, Any]]) -> None:
    """Publish rows of a table as its stage would."""

    def write(path: str) -> None:
        Path(path).mkdir(parents=True)
        table = pa.Table.from_pylist(rows, schema=contract.labelled_schema().remove_metadata())
        pq.write_table(table, f"{path}/part-0.parquet")

    outcome = run_arrow_stage(StageRun(contract, Settings.from_env().lake, day, "1", "", {}), write, len(rows))
    assert outcome.published, outcome.findings


def keyframe_rows(frames: Iterable[Keyframe]) -> list[dict[str, Any]]:
    """Rows of ``driving/keyframes``."""
    return [
        {
            **{n: getattr(f, n) for n in ("frame_id", "scenario_id", "step", "complexity", "file", "offset", "length")},
            "keyframe_reason": "current_step",
            "complexity_reasons": [],
            "facts": f.facts.rows(),
            "view": f.view.to_json(),
            "future": "{}",
            "past_s": 1.0,
            "future_s": 8.0,
            "record_checksum": "a" * 32,
        }
        for f in frames
    ]


if __name__ == "__main__":
    make(TRACES, day_of(sys.argv[1]))
