"""How far the confidence that traces state can be believed: did the plan stay within 3 m of the log, and was it feasible?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dataset_platform.kernels.reasoning.quality.outcome import succeeded
from dataset_platform.kernels.self_correction.reliability import (
    Bin,
    brier,
    expected_calibration_error,
    reliability_table,
)

BINS = 10


@dataclass(frozen=True)
class ConfidenceReport:
    """Expected calibration error over bins of equal mass, Brier score, share of plans that succeeded, and the bins."""

    count: int
    calibration_error: float
    brier: float
    success_rate: float
    bins: tuple[Bin, ...]


def confidence_report(
    confidence: Mapping[str, float], metrics: Mapping[str, Mapping[str, float | None]]
) -> ConfidenceReport | None:
    """The report over traces; None when no trace has both a confidence and an outcome.

    Args:
        confidence: stated confidence by trace id.
        metrics: figures by trace id, named as in ``contracts.driving.METRICS``.
    """
    judged = [
        (confidence[i], s)
        for i in sorted(confidence)
        if i in metrics and (s := succeeded(dict(metrics[i]))) is not None
    ]
    if not judged:
        return None
    stated, came = np.array([c for c, _ in judged]), np.array([float(s) for _, s in judged])
    return ConfidenceReport(
        len(judged),
        expected_calibration_error(stated, came, BINS),
        brier(stated, came),
        float(came.mean()),
        tuple(reliability_table(stated, came, BINS)),
    )


def metrics_of(row: Mapping[str, Any]) -> dict[str, float | None]:
    """Figures of a row of ``driving/cot_quality`` by name."""
    return {item["metric"]: item["value"] for item in row["metrics"]}


def by_trace(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Figures of rows of ``driving/cot_quality`` by trace id."""
    return {row["trace_id"]: metrics_of(row) for row in rows}
