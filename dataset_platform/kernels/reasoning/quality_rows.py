"""Traces with their keyframes in, quality rows out: the kernel of ``driving/cot_quality``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from dataset_platform.contracts.reasoning import CotQuality
from dataset_platform.kernels.reasoning.settings import QualityConfig

TRACE_COLUMNS = (
    *("trace_id", "frame_id", "scenario_id", "generator", "route", "complexity", "trace", "file", "offset", "length"),
)
KEYFRAME_COLUMNS = ("facts", "view", "future")
NOT_JUDGED = "not run"


def quality_rows(config: QualityConfig) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The kernel: each trace held against its keyframe.

    Rejected are traces without a keyframe (``keyframe_gone``), those that cannot be read (``trace_not_valid``) and those
    on which a metric failed (``not_measured``, with the cause).
    """
    schema = CotQuality.labelled_schema().remove_metadata()

    def kernel(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = [_row(row, config) for row in batch.to_pylist()]
            if rows:
                yield pa.RecordBatch.from_pylist(rows, schema=schema)

    return kernel


def _row(row: dict[str, Any], config: QualityConfig) -> dict[str, Any]:
    from dataset_platform.kernels.reasoning.facts import Facts
    from dataset_platform.kernels.reasoning.quality.evaluate import evaluate
    from dataset_platform.kernels.reasoning.trace import CoTTrace
    from dataset_platform.kernels.reasoning.view import LoggedFuture, PlanView

    own = {n: row[n] for n in TRACE_COLUMNS if n != "trace"}
    if row["view"] is None:
        return own | {"reason": "keyframe_gone", "detail": "its frame is no keyframe of the day any more"}
    try:
        trace = CoTTrace.model_validate_json(row["trace"])
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        return own | {"reason": "trace_not_valid", "detail": f"{where}: {first['msg']}"}
    facts, view, future = (
        Facts.of_rows(row["facts"]),
        PlanView.of_json(row["view"]),
        LoggedFuture.of_json(row["future"]),
    )
    try:
        quality = evaluate(trace, facts, view, future)
    except Exception as e:  # numbers of a trace are a model's or a person's: one trace must not cost the day
        return own | {"reason": "not_measured", "detail": f"{type(e).__name__}: {e}"[:500]}
    failed = failed_metrics(quality.metrics, config)
    return own | {
        "metrics": [{"metric": name, "value": value} for name, value in quality.metrics.items()],
        "claims": quality.claims,
        "passed": not failed,
        "failed_metrics": failed,
        "judge": row["judge"] or NOT_JUDGED,
    }


def failed_metrics(metrics: dict[str, float | None], config: QualityConfig) -> list[str]:
    """Metrics of one trace that lie below their floor or above their ceiling; what was not judged fails nothing."""
    below = [n for n, least in config.floors.items() if (v := metrics.get(n)) is not None and v < least]
    above = [n for n, most in config.ceilings.items() if (v := metrics.get(n)) is not None and v > most]
    return sorted({*below, *above})
