"""Bird's-eye pictures: roads, lights, road users with their ids, the logged future and the plan, the trace beside them.

Pictures are turned so that the ego looks up the page. Matplotlib is imported when a picture is drawn.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dataset_platform.kernels.driving.birds_eye_layers import Layers, layers_of_scene, layers_of_view
from dataset_platform.kernels.driving.birds_eye_users import (
    AGENTS,
    EGO,
    LOG,
    PLAN,
    draw_agents,
    draw_course,
    draw_ego,
    up,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dataset_platform.kernels.driving.scene import Scene
    from dataset_platform.kernels.reasoning.trace import CoTTrace
    from dataset_platform.kernels.reasoning.view import LoggedFuture, PlanView

Floats = NDArray[np.float64]

MAP_INCHES, TEXT_INCHES = 8.0, 5.6
LANE_WIDTH_M = 3.4
GROUND, ROAD, PATH, EDGE = "#f3f1ea", "#dcdcda", "#c6d8ee", "#6b6b6b"
LIGHTS = {
    "stop": "#d62728",
    "caution": "#f0b400",
    "go": "#2ca02c",
    "unknown": "#b8b8b8",
}


def draw(
    view: PlanView,
    future: LoggedFuture | None,
    trace: CoTTrace | None,
    title: str,
    *,
    scene: Scene | None = None,
    index: int = 0,
) -> Figure:
    """A keyframe as a picture.

    Args:
        future: the logged future, drawn where it is given.
        trace: its plan is drawn and its text stands beside the map; None leaves both out.
        scene, index: the scene and the position of the step in it, where they are at hand: paint, crosswalks and stop
            signs are drawn too.
    """
    layers = layers_of_view(view, future) if scene is None else layers_of_scene(scene, index)
    if scene is not None:
        layers = replace(layers, path=view.path)
    return _picture(layers, trace, title)


def draw_scene(scene: Scene, step: int, title: str | None = None) -> Figure:
    """A frame of a scene as a picture, with what the log has after it; for frames that are no keyframes.

    Args:
        step: the frame's ``step``.

    Raises:
        ValueError: the scene has no such step.
    """
    at = np.flatnonzero(scene.steps == step)
    if not len(at):
        raise ValueError(f"scene {scene.scenario_id} has no step {step}")
    return _picture(layers_of_scene(scene, int(at[0])), None, title or f"{scene.scenario_id}:{step}")


def _picture(layers: Layers, trace: CoTTrace | None, title: str) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from dataset_platform.kernels.driving.birds_eye_text import write_trace

    width = MAP_INCHES + (TEXT_INCHES if trace is not None else 0.0)
    height = MAP_INCHES + 0.9
    figure = Figure(figsize=(width, height), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.15 / width, 0.55 / height, (MAP_INCHES - 0.3) / width, (MAP_INCHES - 0.15) / height))
    plan = np.empty((0, 3))
    if trace is not None:
        plan = np.array([(w.x_m, w.y_m, w.t_s) for w in trace.trajectory_plan.waypoints])
        write_trace(figure, trace, (MAP_INCHES + 0.1) / width, 1 - 0.5 / height)
    pixels = _frame(axes, layers, plan)
    _roads(axes, layers, pixels)
    _signals(axes, layers)
    cited = {c.agent_id for c in trace.justification.causes} if trace is not None else set()
    draw_agents(axes, layers, cited)
    draw_course(axes, layers.future, LOG, "-", "logged future", zorder=7)
    draw_course(axes, plan, PLAN, "--", "plan", zorder=8)
    draw_ego(axes, layers)
    _legend(axes, layers, len(plan) > 0)
    figure.text(0.15 / width, 1 - 0.28 / height, title, fontsize=12, weight="bold", va="center")
    return figure


def _frame(axes: Axes, layers: Layers, plan: Floats) -> float:
    """The window: a square that holds the ego's courses and what is near; returns points per metre."""
    courses = np.concatenate([layers.future[:, :2], plan[:, :2]])
    ahead = float(np.clip(courses[:, 0].max(initial=0.0) + 12.0, 45.0, 130.0))
    behind = float(np.clip(0.35 * ahead, 20.0, 32.0))
    side = (ahead + behind) / 2
    aside = float(np.clip(courses[:, 1].mean() if len(courses) else 0.0, -0.4 * side, 0.4 * side))
    axes.set_xlim(-aside - side, -aside + side)
    axes.set_ylim(-behind, ahead)
    axes.set_aspect("equal", adjustable="box")
    axes.set_facecolor(GROUND)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#b0b0b0")
    left, bottom, bar = -aside - side + 0.03 * 2 * side, -behind + 0.03 * 2 * side, 10.0 if side < 60 else 20.0
    axes.plot([left, left + bar], [bottom, bottom], color="black", lw=3, solid_capstyle="butt", zorder=20)
    axes.text(
        left + bar / 2, bottom + 0.012 * 2 * side, f"{bar:.0f} m", ha="center", va="bottom", fontsize=9, zorder=20
    )
    return (MAP_INCHES - 0.3) * 72 / (2 * side)


def _roads(axes: Axes, layers: Layers, pixels: float) -> None:
    from matplotlib.collections import LineCollection, PolyCollection

    def lines(parts: Any, **style: Any) -> None:
        found = [up(p) for p in parts if len(p) > 1]
        if found:
            axes.add_collection(LineCollection(found, **style), autolim=False)

    lines(layers.lanes, colors=ROAD, linewidths=LANE_WIDTH_M * pixels, capstyle="round", zorder=1)
    lines([layers.path], colors=PATH, linewidths=0.8 * LANE_WIDTH_M * pixels, capstyle="butt", zorder=2)
    walks = [up(p) for p in layers.crosswalks if len(p) > 2]
    axes.add_collection(
        PolyCollection(walks, facecolors="white", edgecolors="#a8a8a8", hatch="////", linewidths=0.8, zorder=2.5),
        autolim=False,
    )
    bumps = [up(p) for p in layers.bumps if len(p) > 2]
    axes.add_collection(PolyCollection(bumps, facecolors="#c9b78f", edgecolors="#a08e64", zorder=2.5), autolim=False)
    lines(layers.lanes, colors="#a9a9a9", linewidths=0.5, linestyles=(0, (4, 4)), zorder=3)
    for yellow in (True, False):
        for broken in (True, False):
            wanted = [p for t, p in layers.lines if ("yellow" in t) == yellow and ("broken" in t) == broken]
            style = (0, (6, 6)) if broken else "solid"
            lines(wanted, colors="#d9a400" if yellow else "white", linewidths=1.3, linestyles=style, zorder=3.5)
    lines(layers.edges, colors=EDGE, linewidths=1.6, zorder=4)
    if len(layers.stop_signs):
        page = up(layers.stop_signs)
        axes.scatter(page[:, 0], page[:, 1], s=110, marker="8", color="#c1121f", edgecolors="white", zorder=6)


def _signals(axes: Axes, layers: Layers) -> None:
    """A mark at each stop point; where several lanes share one, the marks stand side by side."""
    at: dict[tuple[float, float], list[str]] = {}
    for x, y, state in layers.signals:
        at.setdefault((round(x, 1), round(y, 1)), []).append(state)
    for (x, y), states in at.items():
        distinct = sorted(set(states))
        for k, state in enumerate(distinct):
            base = state.removeprefix("arrow_").removeprefix("flashing_")
            axes.scatter(
                -y + 1.3 * (k - (len(distinct) - 1) / 2),
                x,
                s=62,
                marker="^" if state.startswith("arrow_") else "D" if state.startswith("flashing_") else "o",
                color=LIGHTS[base],
                edgecolors="black",
                linewidths=0.7,
                zorder=9,
            )


def _legend(axes: Axes, layers: Layers, has_plan: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: list[Any] = [Patch(facecolor=EGO, edgecolor="black", label="ego")]
    kinds = dict.fromkeys(k if k in AGENTS else "other" for k in sorted(layers.agent_type))
    entries += [Patch(facecolor=AGENTS[k], edgecolor="black", label=k) for k in kinds]
    if len(layers.future) > 1:
        entries.append(Line2D([], [], color=LOG, lw=2.6, label="logged future"))
    if has_plan:
        entries.append(Line2D([], [], color=PLAN, lw=2.6, ls="--", label="plan"))
    if len(layers.path) > 1:
        entries.append(Patch(facecolor=PATH, label="lane path"))
    for state in dict.fromkeys(state for _, _, state in layers.signals):
        base = state.removeprefix("arrow_").removeprefix("flashing_")
        marker = "^" if state.startswith("arrow_") else "D" if state.startswith("flashing_") else "o"
        entries.append(
            Line2D(
                [], [], ls="", marker=marker, color=LIGHTS[base], markeredgecolor="black", label=state.replace("_", " ")
            )
        )
    axes.legend(
        handles=entries,
        loc="upper left",
        bbox_to_anchor=(0.0, -0.005),
        ncols=min(len(entries), 8),
        fontsize=8,
        frameon=False,
        handletextpad=0.4,
        columnspacing=1.2,
        borderaxespad=0.2,
    )
