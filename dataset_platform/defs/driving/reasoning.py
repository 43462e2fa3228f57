"""The reasoning half of the driving lane: keyframes → traces → their quality, and what people say of them."""

from __future__ import annotations

import dagster as dg

from dataset_platform.contracts import CotAnnotations, CotQuality, CotTraces, Keyframes
from dataset_platform.defs.driving import quality, traces
from dataset_platform.defs.driving.annotation_previews import agreement_report
from dataset_platform.defs.driving.annotations import VERSION as ANNOTATIONS_VERSION
from dataset_platform.defs.driving.annotations import compute_annotations
from dataset_platform.defs.driving.cards import show_card
from dataset_platform.defs.driving.previews import COT_TRACES_SHOWS, shares
from dataset_platform.defs.metadata import funnel, sample
from dataset_platform.defs.stages import table_asset

ANNOTATION_COLUMNS = ("annotation_id", "frame_id", "annotator", "status", "format", "agreement", "file", "offset")
QUALITY_COLUMNS = ("trace_id", "frame_id", "generator", "route", "complexity", "passed", "failed_metrics", "judge")

cot_traces = table_asset(
    CotTraces,
    reads=Keyframes,
    compute=traces.compute_traces,
    section=traces.section,
    version=traces.VERSION,
    deps=[dg.AssetDep(dg.AssetKey(["driving", "camera_images"]))],
    transient=traces.TRANSIENT,
    shows=[funnel(), *COT_TRACES_SHOWS],
    kinds=("python", "delta", "llm"),
    in_process=True,
)

cot_quality = table_asset(
    CotQuality,
    reads=CotTraces,
    compute=quality.compute_quality,
    section=quality.section,
    version=quality.VERSION,
    deps=[dg.AssetDep(dg.AssetKey(["driving", "keyframes"]))],
    shows=[funnel(), show_card, shares("generator"), sample(8, QUALITY_COLUMNS)],
    extra_checks=quality.CHECKS,
)

cot_annotations = table_asset(
    CotAnnotations,
    compute=compute_annotations,
    version=ANNOTATIONS_VERSION,
    deps=[dg.AssetDep(dg.AssetKey(["driving", "cot_traces"]))],
    shows=[funnel(), agreement_report, sample(8, ANNOTATION_COLUMNS)],
    kinds=("python", "delta"),
    in_process=True,
)

ASSETS = [cot_traces, cot_quality, cot_annotations]
