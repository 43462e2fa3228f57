"""What the UI shows of driving tables: scenes from above, who wrote the traces and why, some traces in words."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from dataset_platform.contracts import Keyframes
from dataset_platform.contracts.driving_types import COMPLEXITIES, RISK_BANDS
from dataset_platform.defs.metadata import Metadata, Published, Show, bars
from dataset_platform.lake.tables import LakeTable

if TYPE_CHECKING:
    import pyarrow as pa

MOST_SCENES = 3
SCAN_ROWS = 2_000
SMALL_DPI, TRACE_DPI = 60, 75
"""Pictures lie inside the metadata of each materialization: small ones will do."""


def scenes(of: Published) -> Metadata:
    """Up to three frames of ``driving/gold_features`` from above: the busiest step of a scene of each complexity."""
    from dataset_platform.kernels.driving.birds_eye import draw_scene
    from dataset_platform.lake.scene_lookup import scene_in_lake

    columns = ["frame_id", "scenario_id", "step", "complexity", "complexity_reasons"]
    drawn = []
    for row in _spread(_head(of, columns), "scenario_id"):
        scene = scene_in_lake(of.table.lake_root, row["scenario_id"])
        if scene is not None and row["step"] in scene.steps:
            figure = draw_scene(scene, row["step"], f"{row['frame_id']} · {row['complexity']}")
            drawn.append(_inline(figure, row["frame_id"], SMALL_DPI))
    return {"scenes": dg.MetadataValue.md("\n\n".join(drawn))} if drawn else {}


def keyframe_scenes(of: Published) -> Metadata:
    """Up to three keyframes from above, with the logged future."""
    from dataset_platform.kernels.driving.birds_eye import draw
    from dataset_platform.kernels.reasoning.view import LoggedFuture, PlanView

    columns = ["frame_id", "scenario_id", "complexity", "keyframe_reason", "logged_longitudinal", "logged_lateral"]
    drawn = []
    for row in _spread(_head(of, columns), "scenario_id"):
        held = _rows(of.table, of.day, ["view", "future"], row["frame_id"])[0]
        view, future = PlanView.of_json(held["view"]), LoggedFuture.of_json(held["future"])
        what = f"{row['keyframe_reason']}: {row['logged_longitudinal']}, {row['logged_lateral']}"
        drawn.append(_inline(draw(view, future, None, f"{row['frame_id']} · {what}"), row["frame_id"], SMALL_DPI))
    return {"scenes": dg.MetadataValue.md("\n\n".join(drawn))} if drawn else {}


def trace_scenes(of: Published) -> Metadata:
    """Up to three traces beside the plan and the logged future that they belong to."""
    from dataset_platform.kernels.driving.birds_eye import draw
    from dataset_platform.kernels.reasoning.trace import CoTTrace
    from dataset_platform.kernels.reasoning.view import LoggedFuture, PlanView

    keyframes = LakeTable(Keyframes, of.table.lake_root)
    drawn = []
    for row in _spread(_head(of, ["frame_id", "scenario_id", "complexity", "model", "route"]), "scenario_id"):
        held = _rows(keyframes, None, ["view", "future"], row["frame_id"])
        if held:
            trace = CoTTrace.model_validate_json(_rows(of.table, of.day, ["trace"], row["frame_id"])[0]["trace"])
            view, future = PlanView.of_json(held[0]["view"]), LoggedFuture.of_json(held[0]["future"])
            title = f"{row['frame_id']} · {row['complexity']} · {row['model']} ({row['route']})"
            drawn.append(_inline(draw(view, future, trace, title), row["frame_id"], TRACE_DPI))
    return {"scenes": dg.MetadataValue.md("\n\n".join(drawn))} if drawn else {}


def routes(of: Published) -> Metadata:
    """Traces by who wrote them and why, by decision and by stated risk, with cost."""
    import pyarrow.compute as pc

    columns = [
        "generator",
        "route",
        "longitudinal",
        "lateral",
        "overall_risk",
        "cost_usd",
        "simulated",
        "failed_validators",
    ]
    rows = of.table.read(of.day, columns)
    if not rows.num_rows:
        return {}
    counted = _counts(rows, "longitudinal", "lateral")
    decisions = Counter({actions.replace("_", " "): count for actions, count in counted.items()})
    return {
        "routes": _ordered(_counts(rows, "generator", "route"), "traces by writer and route", ()),
        "decisions": _ordered(decisions, "decisions", ()),
        "stated_risk": _ordered(_counts(rows, "overall_risk"), "stated risk", RISK_BANDS),
        "escalated_share": pc.sum(pc.equal(rows["route"], "escalated")).as_py() / rows.num_rows,
        "validated_share": pc.sum(pc.equal(pc.list_value_length(rows["failed_validators"]), 0)).as_py() / rows.num_rows,
        "cost_usd": pc.sum(rows["cost_usd"], min_count=0).as_py(),
        "simulated": pc.any(rows["simulated"]).as_py(),
    }


def trace_texts(of: Published) -> Metadata:
    """One trace of each complexity in words."""
    chosen = _spread(_head(of, ["frame_id", "trace_id", "complexity", "model", "simulated"]), "trace_id")
    parts = []
    for row in chosen:
        text = _rows(of.table, of.day, ["text"], row["frame_id"])[0]["text"].replace("<", "&lt;")
        quoted = "\n".join(f"> {line}" if line else ">" for line in text.splitlines())
        made = " · **simulated, no model answered**" if row["simulated"] else ""
        parts.append(f"`{row['frame_id']}` · {row['complexity']} · {row['model']}{made}\n\n{quoted}")
    return {"traces": dg.MetadataValue.md("\n\n---\n\n".join(parts))} if parts else {}


def shares(column: str, order: Sequence[str] = ()) -> Show:
    """Rows by the values of a column as bars, those that are named first, in their order."""

    def show(of: Published) -> Metadata:
        counts = _counts(of.table.read(of.day, [column]), column)
        return {f"by_{column}": _ordered(counts, f"rows by {column}, {of.day}", order)} if counts else {}

    return show


GOLD_SHOWS: Sequence[Show] = (shares("complexity", COMPLEXITIES), shares("risk", RISK_BANDS), scenes)
KEYFRAME_SHOWS: Sequence[Show] = (shares("complexity", COMPLEXITIES), keyframe_scenes)
COT_TRACES_SHOWS: Sequence[Show] = (routes, shares("complexity", COMPLEXITIES), trace_texts, trace_scenes)


def _counts(rows: pa.Table, *columns: str) -> Counter[str]:
    """How often values of columns occur together, joined by commas; counted in Arrow, a day may have many rows."""
    counted = rows.group_by(list(columns)).aggregate([([], "count_all")]).to_pylist()
    ordered = sorted(counted, key=lambda row: [str(row[c]) for c in columns])
    return Counter({", ".join(str(row[c]) for c in columns): row["count_all"] for row in ordered})


def _ordered(counts: Counter[str], title: str, order: Sequence[str]) -> dg.MarkdownMetadataValue:
    named = {value: counts[value] for value in order if value in counts}
    return bars(named | {v: n for v, n in counts.most_common() if v not in named}, title)


def _head(of: Published, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Columns of the day's first rows, sorted by frame: which files come first is chance."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not of.receipt.rows_kept:
        return []
    on_day = pc.field("ingestion_date") == pa.scalar(of.day).cast(pa.date32())
    rows: list[dict[str, Any]] = of.table.dataset().head(SCAN_ROWS, columns=list(columns), filter=on_day).to_pylist()
    return sorted(rows, key=lambda r: r["frame_id"])


def _spread(rows: list[dict[str, Any]], apart: str) -> list[dict[str, Any]]:
    """Up to three rows that differ in a column: one of each complexity, the most complex first, then the next ones."""
    chosen: list[dict[str, Any]] = []
    for complexity in tuple(reversed(COMPLEXITIES)) * MOST_SCENES:
        taken = {r[apart] for r in chosen}
        found = next((r for r in rows if r["complexity"] == complexity and r[apart] not in taken), None)
        if found is not None and len(chosen) < MOST_SCENES:
            chosen.append(found)
    return chosen


def _rows(table: LakeTable, day: str | None, columns: Sequence[str], frame_id: str) -> list[dict[str, Any]]:
    import pyarrow.compute as pc

    found: list[dict[str, Any]] = table.read(day, list(columns), pc.field("frame_id") == frame_id).to_pylist()
    return found


def _inline(figure: Any, name: str, dpi: int) -> str:
    sink = io.BytesIO()
    figure.savefig(sink, format="png", dpi=dpi)
    return f"![{name}](data:image/png;base64,{base64.b64encode(sink.getvalue()).decode()})"
