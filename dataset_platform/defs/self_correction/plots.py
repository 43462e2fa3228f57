"""Plots of the self-correction lane, as inline pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from dataset_platform.contracts.self_correction import FAILURE_MODES
from dataset_platform.defs.metadata import picture


def _axes(width: float = 5.0, height: float = 3.4) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def reliability_plot(bins: Sequence[Mapping[str, float]], title: str) -> dg.MarkdownMetadataValue:
    """Accuracy over confidence: on the diagonal a confidence means what it says; dots grow with their count.

    Args:
        bins: ``mean_confidence``, ``accuracy`` and ``count`` each.
    """
    figure, axes = _axes(3.8, 3.4)
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--")
    confidence, accuracy = [b["mean_confidence"] for b in bins], [b["accuracy"] for b in bins]
    largest = max((b["count"] for b in bins), default=1) or 1
    axes.plot(confidence, accuracy, color="#4c72b0", linewidth=1)
    axes.scatter(confidence, accuracy, s=[10 + 50 * b["count"] / largest for b in bins], color="#4c72b0")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_xlabel("confidence", fontsize=8)
    axes.set_ylabel("accuracy", fontsize=8)
    axes.set_title(title, fontsize=9, loc="left")
    return picture(figure, title)


def confusion_plot(counts: Sequence[Sequence[int]], labels: Sequence[str] = FAILURE_MODES) -> dg.MarkdownMetadataValue:
    """Label (rows) against prediction (columns), shaded by share of the row."""
    figure, axes = _axes(5.4, 4.2)
    shares = [[n / max(1, sum(row)) for n in row] for row in counts]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, row in enumerate(counts):
        for j, n in enumerate(row):
            axes.text(
                j, i, f"{n:,}", ha="center", va="center", fontsize=7, color="white" if shares[i][j] > 0.6 else "black"
            )
    axes.set_xticks(range(len(labels)), labels, rotation=35, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("predicted", fontsize=8)
    axes.set_ylabel("label", fontsize=8)
    return picture(figure, "confusion of failure modes")


def curves(lines: Mapping[str, Sequence[float]], title: str, x: str, y: str) -> dg.MarkdownMetadataValue:
    """One line per name over 1, 2, 3 …; for regret and the like."""
    figure, axes = _axes(5.6, 3.2)
    for name, values in lines.items():
        axes.plot(range(1, len(values) + 1), values, linewidth=1.3, label=name)
    axes.axhline(0, color="#999999", linewidth=0.8)
    axes.set_xlabel(x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)
    axes.set_title(title, fontsize=9, loc="left")
    axes.legend(fontsize=7, frameon=False)
    return picture(figure, title)


def intervals(rows: Sequence[tuple[str, float, float, float]], title: str) -> dg.MarkdownMetadataValue:
    """Values with their intervals, one line each: (name, value, low, high)."""
    figure, axes = _axes(5.6, max(1.4, 0.32 * len(rows) + 0.8))
    names = [r[0] for r in rows][::-1]
    values = [r[1] for r in rows][::-1]
    low, high = [r[2] for r in rows][::-1], [r[3] for r in rows][::-1]
    spread = [[v - a for v, a in zip(values, low, strict=True)], [b - v for v, b in zip(values, high, strict=True)]]
    axes.errorbar(values, range(len(values)), xerr=spread, fmt="o", markersize=4, capsize=3, color="#4c72b0")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_title(title, fontsize=9, loc="left")
    return picture(figure, title)
