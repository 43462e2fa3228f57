"""A trace in words beside its picture, wrapped, in letters as large as fit."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from dataset_platform.kernels.reasoning.trace import LEVELS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dataset_platform.kernels.reasoning.trace import CoTTrace

COLUMN_INCHES = 5.0
"""Half an inch less than there is: drawn at small sizes letters are a few percent wider than they are designed."""
FONT_SIZES = (9.0, 8.5, 8.0, 7.5, 7.0, 6.5)
LINE_HEIGHT = 1.38


def write_trace(figure: Figure, trace: CoTTrace, left: float, top: float) -> None:
    """Write a trace's decision and its five levels into a column.

    Args:
        left, top: upper left corner of the column, as shares of the figure.
    """
    height_points = top * figure.get_figheight() * 72 - 12
    for size in FONT_SIZES:
        lines = _lines(trace, COLUMN_INCHES * 72 / size)
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


def _lines(trace: CoTTrace, room: float) -> list[tuple[str, bool]]:
    """Lines with whether they are headings; ``room`` is the width of the column in sizes of the font."""
    plan, why = trace.trajectory_plan, trace.justification
    decision = f"Decision: {plan.longitudinal}, {plan.lateral.replace('_', ' ')} · confidence {why.confidence:.2f}"
    lines: list[tuple[str, bool]] = [(decision, True), ("", False)]
    for level in LEVELS:
        lines.append((level.replace("_", " ").capitalize(), True))
        text = getattr(trace, level).text
        lines += [(line, False) for part in text.splitlines() for line in _wrapped(part, room)]
        lines.append(("", False))
    return lines[:-1]


def _wrapped(text: str, room: float) -> list[str]:
    """Lines no wider than the room, by the widths of their words; a word wider than that stands alone."""
    lines: list[list[str]] = [[]]
    left = room
    for word in text.split():
        width = _width(word)
        if lines[-1] and width > left:
            lines.append([])
            left = room
        lines[-1].append(word)
        left -= width + _width(" ")
    return [" ".join(words) for words in lines]


@lru_cache(maxsize=4096)
def _width(word: str) -> float:
    """Width of a word in the standard font, as a multiple of the font's size."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    width, _, _ = text_to_path.get_text_width_height_descent(word, FontProperties(size=100), ismath=False)
    return float(width) / 100
