"""Quality rows: one row per trace, whatever the trace is."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from dataset_platform.contracts.reasoning import CotQuality, CotTraces, Keyframes
from dataset_platform.demo.driving.world import sample_scenes
from dataset_platform.kernels.reasoning.quality import evaluate as evaluating
from dataset_platform.kernels.reasoning.quality_rows import KEYFRAME_COLUMNS, TRACE_COLUMNS, quality_rows
from dataset_platform.kernels.reasoning.rule_traces import write
from dataset_platform.kernels.reasoning.settings import QualityConfig
from dataset_platform_tests.kernels.reasoning.real_keyframes import input_of, keyframes_of


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """Rows as the kernel takes them, of rule traces and their keyframes."""
    found = []
    for keyframe in (row for scene in sample_scenes(3, 4) for row in keyframes_of(scene)):
        trace = write(input_of(keyframe))
        own = {n: keyframe.get(n) for n in TRACE_COLUMNS} | {
            "trace_id": trace.trace_id,
            "trace": trace.model_dump_json(),
        }
        found.append(own | {"generator": "rules", "route": "simple"} | {n: keyframe[n] for n in KEYFRAME_COLUMNS})
    return found


def judged(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    traces, keyframes = CotTraces.data_schema(), Keyframes.data_schema()
    fields = [traces.field(n) for n in TRACE_COLUMNS] + [
        keyframes.field(n).with_nullable(True) for n in KEYFRAME_COLUMNS
    ]
    schema = pa.schema([*fields, pa.field("judge", pa.string())]).remove_metadata()
    batch = pa.RecordBatch.from_pylist([row | {"judge": None} for row in rows], schema=schema)
    [out] = quality_rows(QualityConfig())(iter([batch]))
    assert out.schema == CotQuality.labelled_schema().remove_metadata()
    return out.to_pylist()


def test_good_traces_are_measured_and_others_say_why_not(rows: list[dict[str, Any]]) -> None:
    gone, broken = rows[0] | dict.fromkeys(KEYFRAME_COLUMNS), rows[0] | {"trace": "{}"}
    out = judged([rows[0], gone, broken])
    assert [r["reason"] for r in out] == [None, "keyframe_gone", "trace_not_valid"]
    assert {m["metric"]: m["value"] for m in out[0]["metrics"]}["number_groundedness"] == 1.0
    assert out[0]["passed"] is True and out[0]["judge"] == "not run"


def test_a_trace_on_which_a_metric_fails_does_not_cost_the_others(
    rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = evaluating.evaluate

    def failing(trace: Any, *rest: Any) -> Any:
        if trace.frame_id == rows[1]["frame_id"]:
            raise OverflowError("the plan is too long to count")
        return measure(trace, *rest)

    monkeypatch.setattr(evaluating, "evaluate", failing)
    out = judged(rows[:3])
    assert [r["reason"] for r in out] == [None, "not_measured", None]
    assert out[1]["detail"] == "OverflowError: the plan is too long to count"
    assert (out[1]["trace_id"], out[1]["metrics"]) == (rows[1]["trace_id"], None)
