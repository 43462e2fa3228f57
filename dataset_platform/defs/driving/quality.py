"""``driving/cot_quality``: every trace held against its keyframe, the day's card, floors and drift."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from dataset_platform.contracts import CotQuality, CotTraces, Keyframes
from dataset_platform.defs.stages import Day, ExtraCheck, Staged
from dataset_platform.lake import cot_cards, receipts, storage

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from dataset_platform.lake.audit import Finding

TRAILING_DAYS = 7
MIN_TRAILING_DAYS = 3
# figures whose move says that something changed; outcomes move with the scenes
WATCHED = (
    *("number_groundedness", "agent_reference_precision", "light_state_accuracy", "lane_accuracy", "comfort_pass"),
    *("no_collision_constant_velocity", "on_road", "risk_band_exact", "meta_action_agreement", "critical_agent_recall"),
    *("cause_entails", "counterfactual_cause", "ade_3s_m"),
)


def compute_quality(day: Day) -> Staged:
    """Measure the day's traces."""
    above, keyframes = day.upstream(CotTraces), day.upstream(Keyframes)
    inputs = {CotTraces.table_name(): above.content_hash, Keyframes.table_name(): keyframes.content_hash}
    card = lambda kept: cot_cards.write(day.settings, day.key, _rows_of(kept), day.config.driving.quality)  # noqa: E731
    if not above.rows_kept:
        after = lambda _: cot_cards.remove(day.settings, day.key)  # noqa: E731
        return Staged(None, 0, inputs, note=f"{CotTraces.table_name()} has no rows", after=after)

    def write(path: str) -> None:
        from pyspark.sql import functions as F

        from dataset_platform.defs.driving.judging import judged
        from dataset_platform.engines.spark import map_in_arrow
        from dataset_platform.kernels.reasoning.quality_rows import KEYFRAME_COLUMNS, TRACE_COLUMNS, quality_rows

        traces = day.table(CotTraces).read_spark(day.spark, day.key).select(*TRACE_COLUMNS)
        frames = day.table(Keyframes).read_spark(day.spark, day.key).select("frame_id", *KEYFRAME_COLUMNS)
        joined = traces.join(frames, "frame_id", "left").select(*TRACE_COLUMNS, *KEYFRAME_COLUMNS)
        figures = judged(day)
        if figures is None:
            joined = joined.withColumn("judge", F.lit(None).cast("string"))
        else:
            joined = joined.join(day.spark.createDataFrame(figures, "trace_id string, judge string"), "trace_id", "left")
        # evaluating is the work here: spread it, whatever the files' sizes
        spread = joined.repartition(max(2, day.spark.sparkContext.defaultParallelism), "trace_id")
        rows = map_in_arrow(spread, quality_rows(day.config.driving.quality), CotQuality.labelled_schema())
        rows.write.parquet(storage.spark_url(path))

    return Staged(write, above.rows_kept, inputs, after=card)


def _rows_of(kept: DataFrame | None) -> list[dict[str, Any]]:
    if kept is None:
        return []
    columns = ("trace_id", "frame_id", "generator", "route", "complexity", "metrics", "passed", "failed_metrics", "judge")
    return [row.asDict(recursive=True) for row in kept.select(*columns).toLocalIterator()]


def means_of(day: Day, key: str) -> dict[str, float]:
    """The mean of every metric over a published day's traces; metrics that judged nothing are left out."""
    rows = day.table(CotQuality).read(key, ["metrics"])
    return mean_metrics(rows)


def mean_metrics(rows: pa.Table) -> dict[str, float]:
    """The mean per metric of a table with ``metrics``."""
    import pyarrow.compute as pc

    flat = pc.list_flatten(rows.column("metrics").combine_chunks())
    found: dict[str, list[float]] = {}
    for name, value in zip(pc.struct_field(flat, "metric").to_pylist(), pc.struct_field(flat, "value").to_pylist(), strict=True):
        if value is not None:
            found.setdefault(name, []).append(value)
    return {name: fmean(values) for name, values in sorted(found.items())}


def floors_finding(day: Day) -> Finding:
    """Whether the day's means keep the floors and ceilings of ``driving.quality``."""
    from dataset_platform.lake.audit import Finding

    config = day.config.driving.quality
    means = means_of(day, day.key)
    if not means:
        return Finding("floors", True, "no traces on this day")
    broken = [f"{n} {means[n]:.3f} < {least:g}" for n, least in config.floors.items() if n in means and means[n] < least]
    broken += [f"{n} {means[n]:.3f} > {most:g}" for n, most in config.ceilings.items() if n in means and means[n] > most]
    kept = len(set(config.floors) & set(means)) + len(set(config.ceilings) & set(means))
    return Finding("floors", not broken, "; ".join(broken) or f"all {kept} floors and ceilings hold", details={"means": means})


def quality_drift_finding(day: Day) -> Finding:
    """WARN when a watched mean departs from the median of the trailing days with traces."""
    from dataset_platform.lake.audit import Finding

    name, severity = "quality_drift", "WARN"
    means = means_of(day, day.key)
    earlier = [
        found
        for r in receipts.trailing(day.settings.lake, CotQuality, day.key, TRAILING_DAYS)
        if (found := means_of(day, r.day))
    ]
    if not means or len(earlier) < MIN_TRAILING_DAYS:
        line = f"{len(earlier)} earlier days with traces; needs {MIN_TRAILING_DAYS} to compare" if means else "no traces"
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
    ExtraCheck("floors", "The day's mean figures keep the floors and ceilings of driving.quality.", True, floors_finding),
    ExtraCheck("quality_drift", "Watched figures are near the median of the trailing days.", False, quality_drift_finding),
)
