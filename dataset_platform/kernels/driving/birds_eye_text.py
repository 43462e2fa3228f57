"""A trace in words beside its picture, wrapped, in letters as large as fit."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from dataset_platform.kernels.reasoning.trace import LEVELS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dataset_platform.kernels.reasoning.trace import CoTTrace

COLUMN_INCHES = 5.3
FONT_SIZES = (9.0, 8.5, 8.0, 7.5, 7.0, 6.5)
LINE_HEIGHT = 1.38
MEAN_LETTER = 0.505
"""Mean width of a letter of the font as a share of its size."""


def write_trace(figure: Figure, trace: CoTTrace, left: float, top: float) -> None:
    """Write a trace's decision and its five levels into a column.

    Args:
        left, top: upper left corner of the column, as shares of the figure.
    """
    height_points = top * figure.get_figheight() * 72 - 12
    for size in FONT_SIZES:
        lines = _lines(trace, int(COLUMN_INCHES * 72 / (size * MEAN_LETTER)))
        most = int(height_points / (size * LINE_HEIGHT))
        if len(lines) <= most:
            break
    else:
        lines = [*lines[: most - 1], ("… cut here, the table holds the rest", False)]
    step = size * LINE_HEIGHT / 72 / figure.get_figheight()
    for k, (line, heading) in enumerate(lines):
        figure.text(
            left,
            top - k * step,
            line,
            fontsize=size,
            va="top",
            weight="bold" if heading else "normal",
            color="#1a3d6d" if heading else "#202020",
            parse_math=False,
        )


def _lines(trace: CoTTrace, letters: int) -> list[tuple[str, bool]]:
    """Lines with whether they are headings."""
    plan, why = trace.trajectory_plan, trace.justification
    decision = f"Decision: {plan.longitudinal}, {plan.lateral.replace('_', ' ')} · confidence {why.confidence:.2f}"
    lines: list[tuple[str, bool]] = [(decision, True), ("", False)]
    for level in LEVELS:
        lines.append((level.replace("_", " ").capitalize(), True))
        text = getattr(trace, level).text
        lines += [(line, False) for part in text.splitlines() for line in textwrap.wrap(part, letters) or [""]]
        lines.append(("", False))
    return lines[:-1]
