"""``show``: a driving scene as a picture from above, with the trace's plan and text where there is a trace."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dataset_platform.cli import output
from dataset_platform.errors import InputError
from dataset_platform.lake.scene_lookup import Shown, find_shown, scene_in_lake
from dataset_platform.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def run_show(target: str, destination: str, step: int | None, open_it: bool, as_json: bool) -> int:
    """The ``show`` command; its exit code.

    Raises:
        InputError: the lake holds no such frame, or the picture cannot be written there.
    """
    settings = Settings.from_env()
    shown = find_shown(settings, target, step)
    path = Path(destination or f"{_file_name(target if step is None else shown.frame_id)}.png")
    figure = _figure(settings, shown)
    try:
        figure.savefig(path, format="png")
    except OSError as e:
        raise InputError(f"The picture cannot be written to {path}: {e.strerror}.", "Name a file with --output.") from e
    _say(shown, path)
    if as_json:
        trace = shown.trace or {}
        found = {"frame_id": shown.frame_id, "keyframe": shown.keyframe is not None}
        print(json.dumps({"picture": str(path), **found, "trace_id": trace.get("trace_id"), "text": trace.get("text")}))
    if open_it:
        typer.launch(str(path))
    return 0


def _figure(settings: Settings, shown: Shown) -> Figure:
    from dataset_platform.kernels.driving.birds_eye import draw, draw_scene
    from dataset_platform.kernels.reasoning.trace import CoTTrace
    from dataset_platform.kernels.reasoning.view import LoggedFuture, PlanView

    scene = scene_in_lake(settings.lake, shown.scenario_id)
    row = shown.keyframe
    if row is None:
        if scene is None:
            raise InputError(f"The lake holds no frames of scenario {shown.scenario_id} any more.")
        return draw_scene(scene, shown.step, f"{shown.frame_id} · no keyframe")
    trace = CoTTrace.model_validate_json(shown.trace["trace"]) if shown.trace else None
    title = f"{shown.frame_id} · {row['complexity']}"
    if shown.trace:
        title += f" · {shown.trace['model']}" + (" (simulated)" if shown.trace["simulated"] else "")
    index = None if scene is None else next((k for k, s in enumerate(scene.steps) if s == shown.step), None)
    view, future = PlanView.of_json(row["view"]), LoggedFuture.of_json(row["future"])
    if index is None:
        return draw(view, future, trace, title)
    return draw(view, future, trace, title, scene=scene, index=index)


def _say(shown: Shown, path: Path) -> None:
    say = output.out.print
    say(f"[bold]{shown.frame_id}[/bold]", soft_wrap=True)
    say(f"  picture    {path}", soft_wrap=True, markup=False)
    row, trace = shown.keyframe, shown.trace
    if row is None:
        say("  no keyframe: nothing reasons about this frame; scenes are explained where the ego's action changes")
        return
    why = "; ".join(row["complexity_reasons"])
    say(f"  keyframe   {row['keyframe_reason']}; {row['complexity']}" + (f" ({why})" if why else ""), markup=False)
    say(f"  logged     {row['logged_longitudinal']}, {row['logged_lateral']}", soft_wrap=True, markup=False)
    if trace is None:
        say("  no trace yet; run: dataset-platform materialize driving/cot_traces -p <day>", markup=False)
        return
    by = f"{trace['model']}{', SIMULATED: no model answered' if trace['simulated'] else ''}"
    say(f"  trace      {trace['trace_id']} by {by} ({trace['route']})", soft_wrap=True, markup=False)
    for paragraph in trace["text"].split("\n"):
        say(f"  {paragraph}" if paragraph else "", soft_wrap=True, markup=False)


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name)
