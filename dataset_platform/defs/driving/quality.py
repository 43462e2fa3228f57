"""``driving/cot_quality``: every trace held against its keyframe, the day's card, floors and drift."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from dataset_platform.contracts import CotQuality, CotTraces, Keyframes
from dataset_platform.defs.days import Day, ExtraCheck, Staged
from dataset_platform.defs.driving.cards import write_card
from dataset_platform.lake import receipts, storage
from dataset_platform.llm.select import named_model

if TYPE_CHECKING:
    from dataset_platform.config import PlatformConfig
    from dataset_platform.kernels.reasoning.settings import QualityConfig
    from dataset_platform.lake.audit import Finding

VERSION = "1"
TRAILING_DAYS = 7
MIN_TRAILING_DAYS = 3
# figures whose move says that something changed; outcomes move with the scenes
WATCHED = (
    *("number_groundedness", "agent_reference_precision", "light_state_accuracy", "lane_accuracy", "comfort_pass"),
    *("no_collision_constant_velocity", "on_road", "risk_band_exact", "meta_action_agreement", "critical_agent_recall"),
    *("cause_entails", "counterfactual_cause", "ade_3s_m"),
)


def section(config: PlatformConfig) -> QualityConfig:
    """The settings that decide the rows of a day."""
    return config.driving.quality


def compute_quality(day: Day) -> Staged:
    """Measure the day's traces.

    Raises:
        ConfigError: a judge is asked for and no model is named.
        StateError: traces or keyframes are missing.
    """
    above, keyframes = day.upstream(CotTraces), day.upstream(Keyframes)
    inputs = {CotTraces.table_name(): above.content_hash, Keyframes.table_name(): keyframes.content_hash}
    if section(day.config).judge:
        from dataset_platform.kernels.reasoning.judge import judge_version

        inputs |= {"judge": judge_version(), "model": str(named_model())}
    if not above.rows_kept:
        note = f"{CotTraces.table_name()} has no rows"
        return Staged(None, 0, inputs, note=note, after=lambda kept: write_card(day, kept))

    def write(path: str) -> None:
        from pyspark.sql import functions as F

        from dataset_platform.defs.driving.judging import judged
        from dataset_platform.engines.spark import map_in_arrow
        from dataset_platform.kernels.reasoning.quality_rows import KEYFRAME_COLUMNS, TRACE_COLUMNS, quality_rows

        traces = day.table(CotTraces).read_spark(day.spark, day.key).select(*TRACE_COLUMNS)
        frames = day.table(Keyframes).read_spark(day.spark, day.key).select("frame_id", *KEYFRAME_COLUMNS)
        joined = traces.join(frames, "frame_id", "left").select(*TRACE_COLUMNS, *KEYFRAME_COLUMNS)
        verdicts = f"{path}_judge"  # beside the rows in the staging folder, and gone with it
        if judged(day, verdicts):
            found = day.spark.read.schema("trace_id string, judge string").parquet(storage.spark_url(verdicts))
            joined = joined.join(found, "trace_id", "left")
        else:
            joined = joined.withColumn("judge", F.lit(None).cast("string"))
        # evaluating is the work here: spread it, whatever the files' sizes
        spread = joined.repartition(max(2, day.spark.sparkContext.defaultParallelism), "trace_id")
        rows = map_in_arrow(spread, quality_rows(day.config.driving.quality), CotQuality.labelled_schema())
        rows.write.parquet(storage.spark_url(path))

    return Staged(write, above.rows_kept, inputs, after=lambda kept: write_card(day, kept))


def _metrics(day: Day, key: str) -> list[dict[str, Any]]:
    return day.table(CotQuality).read(key, ["trace_id", "metrics"]).to_pylist()


def _means(rows: list[dict[str, Any]]) -> dict[str, float]:
    from dataset_platform.kernels.reasoning.quality.calibration import by_trace
    from dataset_platform.kernels.reasoning.quality.dataset import means_of

    return means_of(by_trace(rows).values())


def floors_finding(day: Day) -> Finding:
    """Whether the day's means keep the floors and ceilings of ``driving.quality``."""
    from dataset_platform.kernels.reasoning.quality.dataset import floors
    from dataset_platform.lake.audit import Finding

    config, rows = day.config.driving.quality, _metrics(day, day.key)
    if not rows:
        return Finding("floors", True, "no traces on this day")
    broken = floors(rows, config)
    held = f"all {len(config.floors) + len(config.ceilings)} floors and ceilings hold"
    line = "; ".join(map(str, broken)) or held
    return Finding("floors", not broken, line, details={"means": _means(rows)})


def quality_drift_finding(day: Day) -> Finding:
    """WARN when a watched mean departs from the median of the trailing days with traces."""
    from dataset_platform.lake.audit import Finding

    name, severity = "quality_drift", "WARN"
    means = _means(_metrics(day, day.key))
    earlier = [
        found
        for r in receipts.trailing(day.settings.lake, CotQuality, day.key, TRAILING_DAYS)
        if (found := _means(_metrics(day, r.day)))
    ]
    if not means or len(earlier) < MIN_TRAILING_DAYS:
        line = (
            f"{len(earlier)} earlier days with traces; needs {MIN_TRAILING_DAYS} to compare" if means else "no traces"
        )
        return Finding(name, True, line, severity)
    tolerance = day.config.driving.quality.drift_tolerance
    moved = []
    for metric in WATCHED:
        usual = [m[metric] for m in earlier if metric in m]
        if metric not in means or not usual:
            continue
        # shares move by points, distances by their own size
        allowed = tolerance * max(1.0, median(usual)) if metric.endswith("_m") else tolerance
        if abs(means[metric] - median(usual)) > allowed:
            moved.append(f"{metric} {means[metric]:.3f}, usually {median(usual):.3f}")
    line = "; ".join(moved) or f"{len(WATCHED)} figures are as on the last {len(earlier)} days"
    return Finding(name, not moved, line, severity)


CHECKS: Sequence[ExtraCheck] = (
    ExtraCheck(
        "floors", "The day's mean figures keep the floors and ceilings of driving.quality.", True, floors_finding
    ),
    ExtraCheck(
        "quality_drift", "Watched figures are near the median of the trailing days.", False, quality_drift_finding
    ),
)
