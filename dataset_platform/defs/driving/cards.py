"""The day's quality card: Markdown and pictures below ``artifacts/driving/cot_quality/{day}/``, and the same in the UI."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from dataset_platform.contracts import CotQuality, CotTraces, Keyframes
from dataset_platform.defs.days import Day
from dataset_platform.defs.metadata import Metadata, Published
from dataset_platform.lake import storage
from dataset_platform.settings import Settings, join

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MOST_TRACES = 20_000  # a card is of the first so many by trace id, a hash: an even sample of larger days
DPI = 70
_TRACES = (
    *("trace_id", "frame_id", "text", "longitudinal", "lateral", "confidence", "complexity", "generator", "route"),
    *("prompt_tokens", "completion_tokens", "cost_usd", "model", "simulated"),
)
_QUALITY = ("trace_id", "generator", "metrics", "passed", "failed_metrics", "judge")
_LINK = re.compile(r"\]\((scene_\w+\.png)\)")


def folder(settings: Settings, day: str) -> str:
    """Where the day's card lies."""
    return join(settings.artifacts, *CotQuality.table_name().split("/"), day)


def write_card(day: Day, kept: DataFrame | None) -> None:
    """Write the day's card from its quality rows; without any, take it away.

    Args:
        kept: the day's rows of ``driving/cot_quality``, before they are published.
    """
    root = folder(day.settings, day.key)
    storage.delete(root)
    if kept is None:
        return
    import pyarrow.compute as pc

    from dataset_platform.kernels.reasoning.quality.card import card, sample_ids

    sampled = kept.orderBy("trace_id").limit(MOST_TRACES)
    quality = [row.asDict(recursive=True) for row in sampled.select(*_QUALITY).toLocalIterator()]
    if not quality:
        return
    table = day.table(CotTraces)
    last = max(row["trace_id"] for row in quality)
    traces = table.read(day.key, list(_TRACES), pc.field("trace_id") <= last).to_pylist()
    shown = sample_ids(traces, quality)
    claims = {r["trace_id"]: r["claims"] for r in _claims(kept, shown)}
    quality = [row | {"claims": claims.get(row["trace_id"], [])} for row in quality]
    pictures = {trace_id: f"scene_{trace_id[:12]}.png" for trace_id in shown}
    for trace_id, content in _pictures(day, shown).items():
        storage.write_bytes(join(root, pictures[trace_id]), content)
    text = card(day.key, traces, quality, day.config.driving.quality, pictures, _judged(quality))
    if any(row["simulated"] for row in traces):
        text = text.replace("\n", "\n\n**Some traces are by the simulated model: a rule answered, no model.**\n", 1)
    if len(quality) == MOST_TRACES:
        text = text.replace("\n", f"\n\nOf the first {MOST_TRACES:,} traces by id.\n", 1)
    storage.write_bytes(join(root, "card.md"), text.encode())


def _claims(kept: DataFrame, shown: Sequence[str]) -> list[dict[str, Any]]:
    from pyspark.sql import functions as F

    rows = kept.where(F.col("trace_id").isin(list(shown))).select("trace_id", "claims").collect()
    return [row.asDict(recursive=True) for row in rows]


def _pictures(day: Day, shown: Sequence[str]) -> Mapping[str, bytes]:
    import pyarrow.compute as pc

    from dataset_platform.kernels.driving.birds_eye import draw
    from dataset_platform.kernels.reasoning.trace import CoTTrace
    from dataset_platform.kernels.reasoning.view import LoggedFuture, PlanView

    traces = day.table(CotTraces).read(day.key, ["trace_id", "frame_id", "trace"], pc.field("trace_id").isin(shown))
    frames = {row["frame_id"]: row for row in traces.to_pylist()}
    keyframes = day.table(Keyframes).read(
        day.key, ["frame_id", "view", "future"], pc.field("frame_id").isin(sorted(frames))
    )
    drawn = {}
    for row in keyframes.to_pylist():
        trace = CoTTrace.model_validate_json(frames[row["frame_id"]]["trace"])
        view, future = PlanView.of_json(row["view"]), LoggedFuture.of_json(row["future"])
        sink = io.BytesIO()
        draw(view, future, trace, row["frame_id"]).savefig(sink, format="png", dpi=DPI)
        drawn[trace.trace_id] = sink.getvalue()
    return drawn


def _judged(quality: Sequence[Mapping[str, Any]]) -> str:
    """What the judge said, in one line."""
    import orjson

    said = [row["judge"] for row in quality if not row["judge"].startswith("not run")]
    if not said:
        return quality[0]["judge"] if quality else "not run"
    scores = [orjson.loads(text)["score"] for text in said]
    return f"mean score {sum(scores) / len(scores):.2f} of 5 over {len(said):,} of {len(quality):,} traces"


def show_card(of: Published) -> Metadata:
    """The card in the UI, its pictures inside it."""
    root = folder(Settings.from_env(), of.day)
    try:
        text = storage.read_bytes(join(root, "card.md")).decode()
    except FileNotFoundError:
        return {}

    def inline(link: re.Match[str]) -> str:
        content = storage.read_bytes(join(root, link.group(1)))
        return f"](data:image/png;base64,{base64.b64encode(content).decode()})"

    return {
        "card": dg.MetadataValue.md(_LINK.sub(inline, text)),
        "card_path": dg.MetadataValue.path(join(root, "card.md")),
    }
