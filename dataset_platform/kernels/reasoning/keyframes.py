"""Which frames are reasoned about, and what may be known there: rows of ``driving/keyframes``.

Keyframes lie where the log's ego changes what it does (as Alpamayo-R1 takes them, arXiv 2511.00088), and at the step that
the data set calls now. The logged future only chooses frames and labels them: facts and view of a keyframe hold nothing
later than its step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from dataset_platform.contracts.reasoning import Keyframes
from dataset_platform.kernels.driving.lanes import LaneNetwork
from dataset_platform.kernels.driving.path import path_ahead
from dataset_platform.kernels.driving.scene import Scene
from dataset_platform.kernels.driving.settings import FeatureConfig
from dataset_platform.kernels.reasoning.keyframe_facts import facts_of
from dataset_platform.kernels.reasoning.meta_actions import meta_actions_of
from dataset_platform.kernels.reasoning.settings import KeyframeConfig
from dataset_platform.kernels.reasoning.trace import HORIZON_S
from dataset_platform.kernels.reasoning.view_builder import MapLines, future_of, reach_m, view_of

Actions = tuple[str, str]

HELD_STEPS = 5
"""Steps in a row that show an action before it counts as a change: half a second at 10 Hz."""


def trace_id_of(frame_id: str, day: str) -> str:
    """Id of the trace that is written of a frame on a day: a 128-bit hash of both."""
    return xxhash.xxh3_128_hexdigest(f"{frame_id}\0{day}".encode())


def logged_actions(scene: Scene, index: int) -> Actions | None:
    """What the log's ego does from a step on, up to the horizon; None when less than two steps of it are known."""
    ahead = scene.times_s - scene.times_s[index]
    steps = np.flatnonzero((ahead >= 0) & (ahead <= HORIZON_S + 0.05) & np.isfinite(scene.ego_x))
    if len(steps) < 2:
        return None
    return meta_actions_of(
        scene.times_s[steps], scene.ego_x[steps], scene.ego_y[steps], scene.ego_heading[steps], scene.ego_speed[steps]
    )


def keyframe_steps(scene: Scene, config: KeyframeConfig) -> list[tuple[int, str]]:
    """Positions of keyframes in the scene's arrays, ascending, each with its reason.

    The current step comes first, then changes of action in the order of time, as far as they lie ``min_gap_s`` from all
    others taken, up to ``max_per_scenario``.
    """
    times = scene.times_s
    known = np.isfinite(scene.ego_x)
    # real steps are a little shorter than nominal ones: ten of them make 0.997 s, which are meant as one second
    slack = 0.5 * float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    enough = (
        known & (times - times[0] >= config.min_past_s - slack) & (times[-1] - times >= config.min_future_s - slack)
    )
    chosen: list[tuple[int, str]] = []
    now = np.flatnonzero(scene.steps == scene.current_step)
    wanted = [(int(i), "current_step") for i in now[:1] if enough[i]]
    for index, reason in [*wanted, *_changes(scene, enough)]:
        if len(chosen) < config.max_per_scenario and all(
            abs(times[index] - times[i]) >= config.min_gap_s - 1e-3 for i, _ in chosen
        ):
            chosen.append((index, reason))
    return sorted(chosen)


def _changes(scene: Scene, enough: np.ndarray[Any, np.dtype[np.bool_]]) -> list[tuple[int, str]]:
    steps = np.flatnonzero(enough)
    actions = [logged_actions(scene, int(i)) for i in steps]
    found, held = [], actions[0] if actions else None
    for k in range(1, len(actions)):
        new = actions[k]
        if new is None or held is None or new == held:
            held = held or new
            continue
        if all(a == new for a in actions[k : k + HELD_STEPS]):
            changed = [f"{a} to {b}" for a, b in zip(held, new, strict=True) if a != b]
            found.append((int(steps[k]), f"action changes: {', '.join(changed)}"))
            held = new
    return found


def keyframe_rows(
    scene: Scene, gold: pa.Table, config: KeyframeConfig, features: FeatureConfig | None = None
) -> pa.Table:
    """Keyframes of a scene in the order of their steps; columns of ``Keyframes.data_schema()``.

    Args:
        scene: one scenario.
        gold: its rows of ``driving/gold_features``, in any order. A keyframe without a gold row is not taken.
        features: settings that gold was made with, its defaults when not given.
    """
    at = {step: row for row, step in enumerate(gold.column("step").to_pylist())}
    network, lines, features = LaneNetwork(scene.road_map), MapLines(scene), features or FeatureConfig()
    rows = []
    for index, reason in keyframe_steps(scene, config):
        step = int(scene.steps[index])
        if step not in at:
            continue
        row = gold.slice(at[step], 1).to_pylist()[0]
        reach = reach_m(float(scene.ego_speed[index]))
        far = features.model_copy(update={"path_m": max(features.path_m, reach)})
        path = path_ahead(scene, index, far, network)
        view = view_of(
            scene,
            index,
            path,
            radius_m=config.view_radius_m,
            acceleration_mps2=_or_zero(row["ego_acceleration_mps2"]),
            yaw_rate_radps=_or_zero(row["ego_yaw_rate_radps"]),
            lines=lines,
        )
        actions = logged_actions(scene, index) or (None, None)
        rows.append(
            {
                **{name: row[name] for name in ("frame_id", "scenario_id", "step", "complexity", "complexity_reasons")},
                **{name: row[name] for name in ("record_checksum", "file", "offset", "length")},
                "keyframe_reason": reason,
                "logged_longitudinal": actions[0],
                "logged_lateral": actions[1],
                "facts": facts_of(row, view.path).rows(),
                "view": view.to_json(),
                "future": future_of(scene, index).to_json(),
                "past_s": float(scene.times_s[index] - scene.times_s[0]),
                "future_s": float(scene.times_s[-1] - scene.times_s[index]),
            }
        )
    return pa.Table.from_pylist(rows, schema=Keyframes.data_schema())


def _or_zero(value: float | None) -> float:
    return 0.0 if value is None else value
