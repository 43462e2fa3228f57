"""What the UI shows of a table: column schema, sample rows, funnels and histograms."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import dagster as dg

from dataset_platform.contracts import Contract
from dataset_platform.lake.receipts import Receipt
from dataset_platform.lake.tables import LakeTable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Metadata = dict[str, Any]


@dataclass(frozen=True)
class Published:
    """A day that was just published, as previews and plots see it."""

    table: LakeTable
    day: str
    receipt: Receipt
    session: Callable[[], SparkSession] | None
    """None where plots read the day through Arrow."""

    @cached_property
    def frame(self) -> DataFrame:
        """The day's rows in Spark; starts a session where there is none."""
        assert self.session is not None, "this day is read through Arrow"
        return self.table.read_spark(self.session(), self.day)

    def counts(self, column: str) -> dict[Any, int]:
        """Rows by value of a column."""
        if self.session is not None:
            return {r[column]: r["count"] for r in self.frame.groupBy(column).count().collect()}
        import pyarrow.compute as pc

        counted = pc.value_counts(self.table.read(self.day, [column]).column(column)).to_pylist()
        return {c["values"]: c["counts"] for c in counted}

    def doublings(self, column: str) -> dict[int, int]:
        """Rows by the whole part of the base-2 logarithm of a column; what is under 1 counts as 1."""
        if self.session is not None:
            from pyspark.sql import functions as F

            binned = self.frame.select(F.floor(F.log2(F.greatest(F.col(column), F.lit(1)))).alias("bin"))
            rows = binned.groupBy("bin").count().collect()
            return {int(r["bin"]): r["count"] for r in rows if r["bin"] is not None}
        import numpy as np

        values = self.table.read(self.day, [column]).column(column).drop_null().to_numpy()
        bins, counts = np.unique(np.floor(np.log2(np.maximum(values, 1))).astype(int), return_counts=True)
        return dict(zip(bins.tolist(), counts.tolist(), strict=True))


Show = Callable[[Published], Metadata]

CELL_CHARS = 120
FIGURE_INCHES = (6.0, 2.6)


def column_schema(contract: type[Contract]) -> dg.TableSchema:
    """Columns with types, descriptions and nullability, as Dagster shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=field.name,
                type=str(field.type),
                description=(field.metadata or {}).get(b"doc", b"").decode(),
                constraints=dg.TableColumnConstraints(nullable=field.nullable),
            )
            for field in contract.arrow_schema()
        ]
    )


def sample(rows: int = 5, columns: Sequence[str] | None = None) -> Show:
    """Some rows of the day as a Markdown table, long cells cut."""

    def show(of: Published) -> Metadata:
        import pyarrow as pa
        import pyarrow.compute as pc

        if not of.receipt.rows_kept:
            return {}
        names = list(columns or of.table.contract.column_names())
        on_day = pc.field("ingestion_date") == pa.scalar(of.day).cast(pa.date32())
        head = of.table.dataset().head(rows, columns=names, filter=on_day)
        return {"preview": dg.MetadataValue.md(markdown_table(names, head.to_pylist()))}

    return show


def markdown_table(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table; cells are one line of at most ``CELL_CHARS`` characters."""
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(row[n]) for n in names) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = " ".join(f"{value:.4g}".split() if isinstance(value, float) else str(value).split())
    text = text.replace("|", "\\|").replace("<", "&lt;")
    return text if len(text) <= CELL_CHARS else text[: CELL_CHARS - 1] + "…"


def funnel() -> Show:
    """Rows kept, rejected by reason and quarantined, as bars."""

    def show(of: Published) -> Metadata:
        receipt = of.receipt
        if not receipt.rows_in:
            return {}
        counts = {"kept": receipt.rows_kept}
        counts |= dict(sorted(receipt.reasons.items(), key=lambda kv: -kv[1]))
        if receipt.rows_quarantined:
            counts["quarantined"] = receipt.rows_quarantined
        return {"funnel": bars(counts, f"{receipt.rows_in} rows in, {of.day}")}

    return show


def counts_of(column: str, top: int = 15) -> Show:
    """The most frequent values of a column, as bars."""

    def show(of: Published) -> Metadata:
        counts = sorted(((str(value), n) for value, n in of.counts(column).items()), key=lambda c: (-c[1], c[0]))
        return {f"by_{column}": bars(dict(counts[:top]), f"rows by {column}")} if counts else {}

    return show


def histogram(column: str) -> Show:
    """How a count or length is distributed, in bins that double."""

    def show(of: Published) -> Metadata:
        rows = sorted(of.doublings(column).items())
        if not rows:
            return {}
        counts = dict.fromkeys(range(rows[0][0], rows[-1][0] + 1), 0) | dict(rows)
        return {f"{column}_histogram": bars({f"{2**b:,}+": n for b, n in counts.items()}, column)}

    return show


def bars(counts: Mapping[str, float], title: str) -> dg.MarkdownMetadataValue:
    """A bar chart as an inline PNG, with its numbers as text below."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = max(1.2, 0.24 * len(counts) + 0.8)
    figure = Figure(figsize=(FIGURE_INCHES[0], height), dpi=80)
    FigureCanvasAgg(figure)
    names = list(counts)[::-1]
    # margins from the labels' lengths: Matplotlib's own layouts measure every text, which takes longer than drawing it
    left = min(0.45, 0.03 + 0.014 * max(len(name) for name in names))
    axes = figure.add_axes((left, 0.32 / height, 0.97 - left, 1 - 0.64 / height))
    drawn = axes.barh(names, [counts[n] for n in names], color=["#2f6f4f" if n == "kept" else "#4c72b0" for n in names])
    axes.bar_label(drawn, fmt="{:,.0f}" if all(float(v).is_integer() for v in counts.values()) else "{:.3f}", padding=3)
    axes.margins(x=0.15)
    axes.set_title(title, fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return picture(figure, title)


def picture(figure: Any, title: str) -> dg.MarkdownMetadataValue:
    """A Matplotlib figure as an inline PNG."""
    sink = io.BytesIO()
    figure.savefig(sink, format="png")
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(sink.getvalue()).decode()})")


def receipt_metadata(table_url: str, receipt: Receipt) -> Metadata:
    """The numbers of a published day."""
    return {
        "dagster/partition_row_count": receipt.rows_kept,
        "dagster/uri": dg.MetadataValue.path(table_url),
        "rows_in": receipt.rows_in,
        "rows_kept": receipt.rows_kept,
        "rows_rejected": receipt.rows_rejected,
        "rows_quarantined": receipt.rows_quarantined,
        "kept_share": receipt.rows_kept / receipt.rows_in if receipt.rows_in else 0.0,
        "delta_version": receipt.version if receipt.version is not None else -1,
        "content_hash": receipt.content_hash,
        "seconds": receipt.seconds,
        "reasons": dg.MetadataValue.json(receipt.reasons),
        "made_from": dg.MetadataValue.json(receipt.inputs),
    }
