"""What the simulated model answers to the five prompts: the rules' trace of what the prompt says, marked as simulated.

It reads nothing but the prompt, as a model would: facts, path and the lanes beside it are taken back out of its text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import orjson

from dataset_platform.kernels.reasoning import prompts
from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.levels import TITLE
from dataset_platform.kernels.reasoning.trace import LEVELS, CoTTrace
from dataset_platform.kernels.reasoning.view import PlanView, ViewLane, ViewSignal

PREFIX = "[simulated] "
_SIZES = {"vehicle": (4.8, 2.0), "cyclist": (1.8, 0.7), "pedestrian": (0.6, 0.6)}
_OTHER_SIZE = (2.0, 1.5)
_OFF_PATH_M = 1e3
_PATH_ID = -1


def answer(schema: Mapping[str, Any], asked: Sequence[str]) -> dict[str, Any] | None:
    """The level that is asked for, as JSON; None when the schema or the words are not those of this lane's prompts.

    Args:
        asked: the user's messages, in order.
    """
    level = str(schema.get("title", "")).removeprefix(TITLE)
    if level not in LEVELS or not asked:
        return None
    sections = sections_of(asked[0])
    if prompts.FACTS not in sections or prompts.PATH not in sections:
        return None
    value = getattr(_trace(sections[prompts.FACTS], sections[prompts.PATH]), level).model_dump(mode="json")
    if level == "justification":
        # with few lanes in view, leaving the road is the one reason that may not be so
        sure = [a for a in value["alternatives"] if a["rejected_because"] != "off_road"]
        value["alternatives"] = sure or value["alternatives"]
    return value | {"text": PREFIX + value["text"]}


def sections_of(prompt: str) -> dict[str, str]:
    """The parts of a level's prompt by their heading."""
    names = (prompts.FACTS, prompts.PATH, prompts.ABOVE, prompts.TASK)
    parts = (part.partition("\n") for part in prompt.split("\n\n"))
    return {head: body for head, _, body in parts if head in names}


@lru_cache(maxsize=256)
def _trace(facts_text: str, path_text: str) -> CoTTrace:
    from dataset_platform.kernels.reasoning.rule_traces import KeyframeInput, write

    facts = prompts.facts_of_json(orjson.loads(facts_text))
    view = view_of(facts, orjson.loads(path_text))
    return write(KeyframeInput(trace_id="", frame_id="", scenario_id="", step=0, facts=facts, view=view))


def view_of(facts: Facts, shown: Mapping[str, Any]) -> PlanView:
    """The plan view that facts and path tell of."""
    path = np.array(shown["points_m"], dtype=np.float64).reshape(-1, 2)
    ids = [i for i in facts.agent_ids if facts.value(f"agent:{i}", "longitudinal") is not None]
    types = tuple(facts.word(f"agent:{i}", "type") or "other" for i in ids)
    sizes = np.array([_SIZES.get(t, _OTHER_SIZE) for t in types], dtype=np.float64).reshape(-1, 2)

    def of(quantity: str) -> np.ndarray:
        return np.array([facts.value(f"agent:{i}", quantity) or 0.0 for i in ids], dtype=np.float64)

    heading, speed = np.radians(of("relative_heading")), of("speed")
    return PlanView(
        ego_speed_mps=shown["ego_speed_mps"],
        ego_acceleration_mps2=shown["ego_acceleration_mps2"],
        ego_yaw_rate_radps=shown["ego_yaw_rate_radps"],
        ego_length_m=shown["ego_length_m"],
        ego_width_m=shown["ego_width_m"],
        agent_id=np.array(ids, dtype=np.int64),
        agent_type=types,
        x_m=of("longitudinal"),
        y_m=of("lateral"),
        heading_rad=heading,
        velocity_x_mps=speed * np.cos(heading),
        velocity_y_mps=speed * np.sin(heading),
        length_m=sizes[:, 0],
        width_m=sizes[:, 1],
        lanes=tuple(_lanes(shown, path)),
        road_edges=(),
        signals=tuple(_signals(facts, path, shown["ego_length_m"] / 2)),
        path=path,
        path_lanes=tuple(shown["lanes"]),
        sampled_map=shown["map_is_cut_off"] == "yes",
    )


def _lanes(shown: Mapping[str, Any], path: np.ndarray) -> list[ViewLane]:
    """The lanes beside the ego, and the path, which is a lane as far as it goes."""
    near = [(lane["lane_id"], lane["type"], np.array(lane["points_m"])) for lane in shown["lanes_near"]]
    if near and len(path) >= 2:
        near.append((_PATH_ID, "undefined", path))
    return [ViewLane(lane_id, kind, None, (), points) for lane_id, kind, points in near]


def _signals(facts: Facts, path: np.ndarray, front_m: float) -> list[ViewSignal]:
    found = []
    for subject in facts.subjects:
        if not subject.startswith("signal:"):
            continue
        distance = facts.value(subject, "distance")
        x, y = (_OFF_PATH_M, _OFF_PATH_M) if distance is None else _along(path, distance + front_m)
        found.append(ViewSignal(int(subject[7:]), facts.word(subject, "state") or "unknown", x, y))
    return found


def _along(path: np.ndarray, distance_m: float) -> tuple[float, float]:
    """The point so far along a path; straight ahead without one."""
    if len(path) < 2:
        return distance_m, 0.0
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    return float(np.interp(distance_m, along, path[:, 0])), float(np.interp(distance_m, along, path[:, 1]))
