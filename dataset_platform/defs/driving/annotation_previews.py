"""What the UI shows of a day's annotations: how far people agree with the generated traces and with each other."""

from __future__ import annotations

import dagster as dg

from dataset_platform.contracts import CotTraces
from dataset_platform.defs.metadata import Metadata, Published
from dataset_platform.lake.tables import LakeTable

MOST_ROWS = 20_000


def agreement_report(of: Published) -> Metadata:
    """Agreement per field, and of the decisions beyond chance."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from dataset_platform.kernels.reasoning.annotation_report import Annotated, report
    from dataset_platform.kernels.reasoning.trace import CoTTrace

    on_day = pc.field("ingestion_date") == pa.scalar(of.day).cast(pa.date32())
    names = ["frame_id", "annotator", "status", "trace_id", "trace", "agreement"]
    rows = of.table.dataset().head(MOST_ROWS, columns=names, filter=on_day).to_pylist()
    ids = sorted({row["trace_id"] for row in rows} - {None})
    traces = LakeTable(CotTraces, of.table.lake_root)
    known: dict[str, CoTTrace] = {}
    if ids and traces.exists():
        found = traces.dataset().to_table(columns=["trace_id", "trace"], filter=pc.field("trace_id").isin(ids))
        known = {r["trace_id"]: CoTTrace.model_validate_json(r["trace"]) for r in found.to_pylist()}
    annotated = [
        Annotated(
            row["frame_id"],
            row["annotator"],
            row["status"],
            CoTTrace.model_validate_json(row["trace"]),
            known.get(row["trace_id"]),
            {m["metric"]: m["value"] for m in row["agreement"]},
        )
        for row in rows
    ]
    return {"agreement": dg.MetadataValue.md(report(annotated))} if annotated else {}
