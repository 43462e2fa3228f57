"""A small driving lake made by the kernels alone, without Spark: silver, maps, gold, keyframes and rule traces of a day."""

from __future__ import annotations

import pyarrow as pa

from dataset_platform.contracts import BronzeMaps, CotTraces, GoldFeatures, Keyframes, SilverFrames
from dataset_platform.demo.driving.records import scenario_record
from dataset_platform.kernels.driving.bronze import frame_rows, map_rows
from dataset_platform.kernels.driving.features import gold_rows
from dataset_platform.kernels.driving.scene import Scene
from dataset_platform.kernels.driving.scene_rows import scene_of
from dataset_platform.kernels.driving.settings import FeatureConfig, SilverConfig
from dataset_platform.kernels.driving.silver import silver_batch
from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.keyframes import keyframe_rows, trace_id_of
from dataset_platform.kernels.reasoning.rule_traces import KeyframeInput, write
from dataset_platform.kernels.reasoning.settings import KeyframeConfig
from dataset_platform.kernels.reasoning.view import PlanView
from dataset_platform.lake.tables import LakeTable

DAY = "2026-01-05"
_SOURCE = ("record_checksum", "file", "offset", "length")


def fill(lake_root: str, scenes: list[Scene]) -> dict[type, pa.Table]:
    """Write the tables of a day; returns their data columns."""
    parts: dict[type, list[pa.Table]] = {c: [] for c in (SilverFrames, BronzeMaps, GoldFeatures, Keyframes, CotTraces)}
    for number, scene in enumerate(scenes):
        payload = scenario_record(scene)
        source = {"file": "a.tfrecord", "offset": number, "length": len(payload), "record_checksum": "0" * 32}
        silver = _kept(silver_batch(frame_rows(payload, "scenario", source).batch, SilverConfig()), SilverFrames)
        road = _kept(map_rows(payload, "scenario", source).batch, BronzeMaps)
        whole = scene_of(silver, road.column("features")[0])
        gold = gold_rows(whole, FeatureConfig(), silver.select(["frame_id", *_SOURCE]))
        keyframes = keyframe_rows(whole, gold, KeyframeConfig())
        traces = pa.Table.from_pylist([_trace(k) for k in keyframes.to_pylist()], schema=CotTraces.data_schema())
        for contract, rows in zip(parts, (silver, road, gold, keyframes, traces), strict=True):
            parts[contract].append(rows)
    tables = {contract: pa.concat_tables(rows) for contract, rows in parts.items()}
    for contract, rows in tables.items():
        LakeTable(contract, lake_root).replace_partition(rows, {"ingestion_date": DAY})
    return tables


def _kept(batch: pa.RecordBatch, contract: type) -> pa.Table:
    kept = pa.Table.from_batches([batch.filter(batch.column("reason").is_null())])
    return kept.select(contract.data_schema().names).cast(contract.data_schema())


def _trace(row: dict) -> dict:
    frame, scenario, step = row["frame_id"], row["scenario_id"], row["step"]
    facts, view = Facts.of_rows(row["facts"]), PlanView.of_json(row["view"])
    trace = write(KeyframeInput(trace_id_of(frame, DAY), frame, scenario, step, facts, view))
    plan = trace.trajectory_plan
    return {
        **{name: row[name] for name in ("frame_id", "scenario_id", "step", "complexity", "file", "offset", "length")},
        "trace_id": trace.trace_id,
        "trace": trace.model_dump_json(),
        "text": trace.text(),
        "longitudinal": plan.longitudinal,
        "lateral": plan.lateral,
        "overall_risk": trace.situation_assessment.overall_risk,
        "confidence": trace.justification.confidence,
        "generator": "rules",
        "route": "configured",
        "failed_validators": [],
        "escalated_because": [],
        "model": "rules",
        "simulated": False,
        "prompt_version": "1",
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "cost_usd": 0.0,
        "calls": 0,
        "created_at": None,
    }
