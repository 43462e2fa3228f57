"""The road users of a bird's-eye picture: boxes with ids, the ego, and the courses it took or plans to take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dataset_platform.kernels.driving.birds_eye_layers import Layers

Floats = NDArray[np.float64]

ID_RADIUS_M, MOST_IDS = 45.0, 40
MOVING_MPS = 0.5
EGO, LOG, PLAN = "#1a7f37", "#1a7f37", "#c2185b"
AGENTS = {"vehicle": "#3f6fb5", "pedestrian": "#e8780c", "cyclist": "#7b3fb5", "sign": "#9a9a9a", "other": "#9a9a9a"}


def up(points: Floats) -> Floats:
    """Ego frame to page: ahead is up."""
    return np.column_stack([-points[:, 1], points[:, 0]])


def _box(x: Floats, y: Floats, heading: Floats, length: Floats, width: Floats) -> Floats:
    """Corners of boxes on the page, [A, 5, 2]: a box with a blunt arrow as its front."""
    shape = np.array([[-0.5, -0.5], [0.3, -0.5], [0.5, 0.0], [0.3, 0.5], [-0.5, 0.5]])
    u, v = shape[:, 0] * length[:, None], shape[:, 1] * width[:, None]
    c, s = np.cos(heading)[:, None], np.sin(heading)[:, None]
    px, py = x[:, None] + c * u - s * v, y[:, None] + s * u + c * v
    return np.stack([-py, px], axis=-1)


def draw_agents(axes: Axes, layers: Layers, cited: set[int | None]) -> None:
    """Agents as boxes with a blunt arrow as their front, ids beside them; those that are cited stand out."""
    from matplotlib.collections import LineCollection, PolyCollection

    tails = [up(p) for p in layers.agent_futures if len(p) > 1 and np.hypot(*(p[-1] - p[0])) > 2.0]
    axes.add_collection(LineCollection(tails, colors="#7f93b5", linewidths=0.8, alpha=0.6, zorder=4.5), autolim=False)
    small = np.isin(layers.agent_type, ["pedestrian", "cyclist"])
    length = np.where(small, np.maximum(layers.agent_length, 1.4), layers.agent_length)
    width = np.where(small, np.maximum(layers.agent_width, 1.1), layers.agent_width)
    boxes = _box(layers.agent_x, layers.agent_y, layers.agent_heading, length, width)
    colors = [AGENTS.get(kind, AGENTS["other"]) for kind in layers.agent_type]
    named = [agent in cited for agent in layers.agent_id.tolist()]
    axes.add_collection(
        PolyCollection(
            list(boxes),
            facecolors=colors,
            edgecolors=["#d00000" if n else "#202020" for n in named],
            linewidths=[2.2 if n else 0.5 for n in named],
            zorder=6,
        ),
        autolim=False,
    )
    _ids(axes, layers, named)


def _ids(axes: Axes, layers: Layers, named: list[bool]) -> None:
    from matplotlib.patheffects import withStroke

    distance = np.hypot(layers.agent_x, layers.agent_y)
    rank = np.argsort(np.where(named, -1.0, distance + 25.0 * (layers.agent_speed < MOVING_MPS)), kind="stable")
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    shown = 0
    for k in rank.tolist():
        x, y = -float(layers.agent_y[k]), float(layers.agent_x[k])
        if not (left + 1 < x < right - 3 and bottom + 1 < y < top - 1) or shown >= MOST_IDS:
            continue
        shown += 1
        speed = f" {layers.agent_speed[k]:.0f}" if layers.agent_speed[k] >= MOVING_MPS else ""
        axes.annotate(
            f"{layers.agent_id[k]}" + (f" ·{speed} m/s" if speed and (named[k] or distance[k] < ID_RADIUS_M) else ""),
            (x, y),
            xytext=(5, 4),
            textcoords="offset points",
            fontsize=8 if named[k] else 6.5,
            weight="bold" if named[k] else "normal",
            color="#b00000" if named[k] else "#202020",
            path_effects=[withStroke(linewidth=2, foreground="white", alpha=0.85)],
            zorder=11,
            annotation_clip=True,
        )


def draw_course(axes: Axes, course: Floats, color: str, style: str, label: str, zorder: float) -> None:
    """Where the ego goes, [T, 3] x, y, seconds, with a dot a second."""
    from matplotlib.patheffects import withStroke

    if len(course) < 2:
        return
    page = up(course[:, :2])
    axes.plot(page[:, 0], page[:, 1], style, color=color, lw=2.6, zorder=zorder, label=label)
    seconds = np.arange(1.0, course[-1, 2] + 1e-6)
    x, y = (np.interp(seconds, course[:, 2], page[:, k]) for k in (0, 1))
    axes.scatter(x, y, s=16, color=color, edgecolors="white", linewidths=0.5, zorder=zorder + 0.1)
    if np.hypot(*(page[-1] - page[0])) > 8.0:
        side = -1 if label == "plan" else 1
        axes.annotate(
            f"{course[-1, 2]:.0f} s",
            (x[-1], y[-1]),
            xytext=(9 * side, 0),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            fontsize=8,
            color=color,
            path_effects=[withStroke(linewidth=2, foreground="white")],
            zorder=zorder + 0.2,
        )


def draw_ego(axes: Axes, layers: Layers) -> None:
    """The ego and its speed."""
    from matplotlib.collections import PolyCollection

    zero = np.zeros(1)
    length, width = (np.array([v]) for v in layers.ego_size_m)
    box = _box(zero, zero, zero, length, width)
    axes.add_collection(
        PolyCollection(list(box), facecolors=EGO, edgecolors="black", linewidths=1.2, zorder=10), autolim=False
    )
    axes.annotate(
        f"ego {layers.ego_speed_mps:.1f} m/s",
        (0, -layers.ego_size_m[0] / 2),
        xytext=(0, -4),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=8.5,
        weight="bold",
        color=EGO,
        zorder=11,
    )
