"""A driving scene out of the lake, by the id of a scenario, a frame or a trace: its keyframe, its trace, its scene.

Reads through delta-rs, so it starts no JVM.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from dataset_platform.contracts import BronzeMaps, CotTraces, Keyframes, SilverFrames
from dataset_platform.errors import InputError
from dataset_platform.lake.tables import LakeTable
from dataset_platform.settings import Settings

if TYPE_CHECKING:
    from dataset_platform.kernels.driving.scene import Scene

NEAR_IDS = 5
LISTED_STEPS = 12
CURRENT = "current_step"
_TRACE = ("trace_id", "frame_id", "trace", "text", "generator", "route", "model", "simulated", "ingestion_date")


@dataclass(frozen=True)
class Shown:
    """A frame and what the lake holds of it.

    Attributes:
        keyframe: its row of driving/keyframes; None when it is no keyframe.
        trace: its newest row of driving/cot_traces, or the one asked for; None when there is none.
    """

    frame_id: str
    scenario_id: str
    step: int
    keyframe: dict[str, Any] | None = None
    trace: dict[str, Any] | None = field(default=None, repr=False)


def find_shown(settings: Settings, target: str, step: int | None = None) -> Shown:
    """The frame that an id means.

    Args:
        target: a trace_id, a frame_id, or a scenario_id. Of a scenario the keyframe at its current step is taken, else
            its first keyframe, else its current step.
        step: another step of the same scenario.

    Raises:
        InputError: the lake holds no such frame; names ids that are near.
    """
    traces = LakeTable(CotTraces, settings.lake)
    trace_id = None
    if re.fullmatch(r"[0-9a-f]{32}", target):
        found = traces.read(columns=["frame_id"], where=pc.field("trace_id") == target)
        if found.num_rows:
            trace_id, target = target, found.column("frame_id")[0].as_py()
    scenario_id, _, last = target.rpartition(":")
    if not (scenario_id and last.isdigit()):
        scenario_id, last = target, ""
    if step is not None and last != str(step):
        last, trace_id = str(step), None
    keyframes = LakeTable(Keyframes, settings.lake).read(where=pc.field("scenario_id") == scenario_id).to_pylist()
    chosen = int(last) if last else _step_of(settings, scenario_id, keyframes)
    frame_id = f"{scenario_id}:{chosen}"
    # of a frame that was corrected the newest version, until the older day is made again
    versions = [row for row in keyframes if row["frame_id"] == frame_id]
    keyframe = max(versions, key=lambda r: r["ingestion_date"], default=None)
    if keyframe is None and not _steps(settings, scenario_id, pc.field("frame_id") == frame_id):
        raise _unknown(settings, target, scenario_id, chosen if last else None, keyframes)
    wanted = pc.field("trace_id") == trace_id if trace_id else pc.field("frame_id") == frame_id
    rows = traces.read(columns=list(_TRACE), where=wanted).to_pylist()
    return Shown(frame_id, scenario_id, chosen, keyframe, max(rows, key=lambda r: r["ingestion_date"], default=None))


def scene_in_lake(lake_root: str, scenario_id: str) -> Scene | None:
    """The scene of a scenario from its silver frames and its map; None when silver has none of its frames."""
    from dataset_platform.kernels.driving.scene_rows import scene_of

    frames = LakeTable(SilverFrames, lake_root).read(where=pc.field("scenario_id") == scenario_id)
    if not frames.num_rows:
        return None
    columns = ["features", "sampled", "file", "offset"]
    maps = LakeTable(BronzeMaps, lake_root).read(columns=columns, where=pc.field("scenario_id") == scenario_id)
    source = frames.column("file")[0].as_py(), frames.column("offset")[0].as_py()
    rows = maps.to_pylist()
    # of a perception segment only the first record has the map
    own = next((r for r in rows if (r["file"], r["offset"]) == source), rows[0] if rows else None)
    return scene_of(frames, own["features"] if own else None, bool(own and own["sampled"]))


def _step_of(settings: Settings, scenario_id: str, keyframes: list[dict[str, Any]]) -> int:
    ranked = sorted(keyframes, key=lambda r: (r["keyframe_reason"] != CURRENT, r["step"]))
    if ranked:
        return int(ranked[0]["step"])
    frames = LakeTable(SilverFrames, settings.lake)
    found = frames.read(columns=["step", "current_step"], where=pc.field("scenario_id") == scenario_id)
    if not found.num_rows:
        return -1
    steps, now = found.column("step").to_pylist(), found.column("current_step")[0].as_py()
    return int(now if now in steps else min(steps))


def _steps(settings: Settings, scenario_id: str, where: Any = None) -> list[int]:
    condition = pc.field("scenario_id") == scenario_id
    condition = condition if where is None else condition & where
    found = LakeTable(SilverFrames, settings.lake).read(columns=["step"], where=condition)
    return sorted(found.column("step").to_pylist())


def _unknown(
    settings: Settings, target: str, scenario_id: str, step: int | None, keyframes: list[dict[str, Any]]
) -> InputError:
    """Says what is known instead."""
    steps = _steps(settings, scenario_id)
    if steps:
        of_keyframes = ", ".join(str(row["step"]) for row in sorted(keyframes, key=lambda r: r["step"])[:LISTED_STEPS])
        return InputError(
            f"Scenario {scenario_id} has no frame at step {step}.",
            f"Its frames are steps {steps[0]} to {steps[-1]}"
            + (f"; keyframes: {of_keyframes}." if of_keyframes else "."),
        )
    frames = LakeTable(SilverFrames, settings.lake)
    if not frames.exists():
        return InputError(
            "The lake holds no driving frames yet.", "Run: dataset-platform materialize 'driving/*' -p <day>"
        )
    known = sorted(pc.unique(frames.read(columns=["scenario_id"]).column("scenario_id")).to_pylist())
    near = difflib.get_close_matches(scenario_id, known, NEAR_IDS, cutoff=0.5) or known[:NEAR_IDS]
    what = "trace or scenario" if re.fullmatch(r"[0-9a-f]{32}", target) else "scenario"
    return InputError(
        f"The lake holds no {what} {scenario_id}.",
        f"It holds {len(known)} scenarios" + (f", for example: {', '.join(near)}." if near else "."),
    )
