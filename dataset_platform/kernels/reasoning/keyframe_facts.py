"""Facts of a keyframe: a row of ``driving/gold_features``, and the ego's path, as things that a trace may state.

Everything is as of now. What the gold row carries as a label (PET) is left out: it rests on the logged future.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_platform.kernels.reasoning.facts import Fact, Facts
from dataset_platform.kernels.reasoning.meta_actions import LATERAL, lateral_of
from dataset_platform.kernels.reasoning.path_track import faded_turn, headings_of, smooth_line

Floats = NDArray[np.float64]

UNCERTAINTY = {"m": 0.2, "mps": 0.3, "mps2": 0.5, "deg": 2.0, "s": 0.3, "count": None, "": None}
"""Half widths, by unit. Positions and speeds: what the labels of the Waymo data sets scatter by between steps; times and
decelerations follow from those at usual gaps. Counts and words are exact."""
SECTORS = ("ahead", "ahead_left", "left", "behind_left", "behind", "behind_right", "right", "ahead_right")
PATH_LOOK_M = 60.0
SWING_STEP = 2
CURVE_RADIUS_M = 150.0
"""Bends wider than this are straight road to the planner."""
BEND_APART_M, MOST_BENDS = 8.0, 4
CONFLICT_STEP_S, CONFLICT_SPAN_S = 0.2, 5.0
EGO_HALF_WIDTH_M, BODY_GAP_M = 1.1, 0.4
TURNING_DEG = 30.0
ON_FOOT = ("pedestrian", "cyclist")


def facts_of(gold_row: Mapping[str, Any], path: Floats | None = None) -> Facts:
    """Facts of one frame.

    Args:
        gold_row: a row of ``driving/gold_features`` as Python values.
        path: [P, 2], the ego's lane path in the ego's frame, from abreast of it on (``PlanView.path``); empty off
            lanes, where the ego is taken to go straight on after its present turn. When None, no facts about the path
            are made.
    """
    facts = [*_ego(gold_row), *_scene(gold_row)]
    line = None
    if path is not None:
        on_lanes = len(path) > 1
        line = (
            smooth_line(path)
            if on_lanes
            else faded_turn(gold_row["ego_yaw_rate_radps"] or 0.0, gold_row["ego_speed_mps"])
        )
        facts += _path(line, on_lanes)
    for agent in gold_row["agents"]:
        facts += _agent(agent)
        facts += _conflict(agent, line)
    return Facts([*facts, *_controls(gold_row)])


def sector_of(bearing_deg: float) -> str:
    """The sector of 45 degrees, centred on its direction, that a bearing lies in."""
    return SECTORS[round(bearing_deg / 45.0) % 8]


def _number(subject: str, quantity: str, value: float | None, unit: str) -> Iterator[Fact]:
    if value is not None and np.isfinite(value):
        yield Fact(subject, quantity, float(value), None, unit, UNCERTAINTY[unit])


def _word(subject: str, quantity: str, word: object) -> Iterator[Fact]:
    if word is not None:
        yield Fact(subject, quantity, None, str(word))


def _ego(row: Mapping[str, Any]) -> Iterator[Fact]:
    yield from _number("ego", "speed", row["ego_speed_mps"], "mps")
    yield from _number("ego", "acceleration", row["ego_acceleration_mps2"], "mps2")
    yield from _number("ego", "length", row["ego_length_m"], "m")
    yield from _word("ego", "lane_id", row["lane_id"])
    yield from _word("ego", "lane_type", row["lane_type"])
    yield from _number("ego", "lane_offset", row["lane_offset_m"], "m")
    yield from _number("ego", "speed_limit", row["speed_limit_mps"], "mps")


def _scene(row: Mapping[str, Any]) -> Iterator[Fact]:
    for kind in ("vehicle", "pedestrian", "cyclist"):
        yield from _number("scene", f"{kind}_count", row[f"{kind}_count"], "count")
    yield from _word("scene", "risk", row["risk"])
    yield from _word("scene", "complexity", row["complexity"])


def _agent(agent: Mapping[str, Any]) -> Iterator[Fact]:
    subject = f"agent:{agent['track_id']}"
    yield from _word(subject, "type", agent["object_type"])
    yield from _number(subject, "distance", agent["distance_m"], "m")
    yield from _number(subject, "bearing", agent["bearing_deg"], "deg")
    yield from _word(subject, "sector", sector_of(agent["bearing_deg"]))
    yield from _number(subject, "longitudinal", agent["longitudinal_m"], "m")
    yield from _number(subject, "lateral", agent["lateral_m"], "m")
    yield from _number(subject, "speed", agent["speed_mps"], "mps")
    yield from _number(subject, "relative_heading", np.degrees(agent["relative_heading_rad"]), "deg")
    yield from _word(subject, "relation", agent["relation"])
    yield from _word(subject, "lane_id", agent["lane_id"])
    yield from _number(subject, "gap", agent["gap_m"], "m")
    yield from _number(subject, "closing_speed", agent["closing_speed_mps"], "mps")
    yield from _number(subject, "ttc", agent["ttc_s"], "s")
    yield from _number(subject, "thw", agent["thw_s"], "s")
    yield from _number(subject, "drac", agent["drac_mps2"], "mps2")
    yield from _word(subject, "risk", agent["risk"])


def _controls(row: Mapping[str, Any]) -> Iterator[Fact]:
    if row["signal_lane_id"] is not None:
        subject = f"signal:{row['signal_lane_id']}"
        yield from _word(subject, "state", row["signal_state"])
        yield from _number(subject, "distance", row["signal_distance_m"], "m")
    for crosswalk in row["crosswalks"]:
        if crosswalk["on_path"]:
            subject = f"crosswalk:{crosswalk['feature_id']}"
            yield from _number(subject, "distance", crosswalk["distance_along_path_m"], "m")
            yield from _word(subject, "occupied_by", ",".join(map(str, crosswalk["occupied_by"])) or None)
    for sign in row["stop_signs"]:
        if sign["controls_ego"]:
            yield from _number(f"stop_sign:{sign['feature_id']}", "distance", sign["distance_along_path_m"], "m")


def _path(line: Floats, on_lanes: bool) -> Iterator[Fact]:
    along, heading = _arc(line), headings_of(line)
    yield from _number("path", "length", along[-1] if on_lanes else 0.0, "m")
    near = along <= PATH_LOOK_M
    yield from _number("path", "heading_change", np.degrees(heading[near][-1] - heading[0]), "deg")
    for number, (radius, first, last) in enumerate(_bends(along, heading)[:MOST_BENDS]):
        nth = f"_{number + 1}" if number else ""
        yield from _number("path", f"curve_radius{nth}", radius, "m")
        yield from _number("path", f"curve_distance{nth}", first, "m")
        yield from _number("path", f"curve_until{nth}", last, "m")
    yield from _swings(line, along, heading)


def _bends(along: Floats, heading: Floats) -> list[tuple[float, float, float]]:
    """Bends of a line, nearest first: least radius, and the distances between which it is about that tight."""
    curvature = np.abs(np.gradient(heading, along))
    bent = np.flatnonzero(curvature > 1 / CURVE_RADIUS_M)
    found = []
    for run in np.split(bent, np.flatnonzero(np.diff(along[bent]) > BEND_APART_M) + 1):
        if len(run):
            tightest = float(curvature[run].max())
            tight = run[curvature[run] > 0.8 * tightest]
            found.append((1 / tightest, float(along[tight[0]]), float(along[tight[-1]])))
    return found


def _swings(line: Floats, along: Floats, heading: Floats) -> Iterator[Fact]:
    """Between which distances a drive along the path amounts to a turn or a change of lane."""
    ends = np.arange(SWING_STEP, len(line), SWING_STEP)
    # the drive begins at the ego's own heading, which is 0 here, whatever the path's
    driven = np.concatenate([[0.0], heading[1:]])
    actions = [lateral_of(line[: e + 1, 0], line[: e + 1, 1], driven[: e + 1]) for e in ends]
    for action in LATERAL:
        shown = [k for k, a in enumerate(actions) if a == action]
        if action == "keep" or not shown:
            continue
        last = shown[-1]
        first = max((k + 1 for k in range(last) if actions[k] != action), default=0)
        yield from _number("path", f"{action}_from", along[ends[first]], "m")
        if last + 1 < len(actions):
            yield from _number("path", f"{action}_until", along[ends[last + 1]], "m")


def _conflict(agent: Mapping[str, Any], line: Floats | None) -> Iterator[Fact]:
    """Where and when an agent that keeps its velocity is on the ego's path: first and last second, metres along it."""
    if line is None or agent["relation"] in ("lead", "following", "parked", "adjacent"):
        return
    on_foot = agent["object_type"] in ON_FOOT
    if not on_foot and agent["speed_mps"] < 0.5:
        return
    if agent["relation"] == "oncoming" and abs(np.degrees(headings_of(line)[-1])) < TURNING_DEG:
        return
    times = np.arange(0.0, CONFLICT_SPAN_S + CONFLICT_STEP_S / 2, CONFLICT_STEP_S)
    heading, speed = agent["relative_heading_rad"], agent["speed_mps"]
    x = agent["longitudinal_m"] + speed * np.cos(heading) * times
    y = agent["lateral_m"] + speed * np.sin(heading) * times
    apart = np.hypot(x[:, None] - line[:, 0], y[:, None] - line[:, 1])
    nearest = apart.argmin(axis=1)
    across = np.abs(np.sin(heading - headings_of(line)[nearest]))
    reach = EGO_HALF_WIDTH_M + BODY_GAP_M + (agent["width_m"] + across * (agent["length_m"] - agent["width_m"])) / 2
    on_path = (apart.min(axis=1) < reach) & (nearest > 0) & (nearest < len(line) - 1)
    if not on_path.any():
        return
    subject, first = f"agent:{agent['track_id']}", int(np.argmax(on_path))
    last = first + int(np.argmin(np.append(on_path[first:], False))) - 1
    along = _arc(line)[nearest[first : last + 1]]
    yield from _number(subject, "conflict_distance", along.min(), "m")
    yield from _number(subject, "conflict_time", times[first], "s")
    yield from _number(subject, "conflict_until", times[last], "s")


def _arc(line: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
