"""The five prompts of a trace. The wording is a version: other words are another ``prompt_version``.

Every prompt of a keyframe begins with the same words, the facts and the path among them, and each level's prompt repeats
the levels above in order, so a server that caches prefixes reads the facts once. What is asked stands at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
import xxhash

from dataset_platform.kernels.reasoning.facts import Fact, Facts
from dataset_platform.kernels.reasoning.levels import schema_of
from dataset_platform.kernels.reasoning.trace import LEVELS
from dataset_platform.kernels.reasoning.view import PlanView

PROMPT_VERSION = "1"
FULL_AGENTS = 16  # agents whose facts are given in full; of the others what tells that they are there
PATH_STEP_M, PATH_M = 5.0, 120.0
LANES_NEAR_M, LANES_AHEAD_M, LANE_STEP_M, MOST_LANES = 10.0, 50.0, 10.0, 6
_BRIEF = ("type", "distance", "bearing", "sector", "longitudinal", "lateral", "speed", "relative_heading", "risk")
_RISKS = ("critical", "high", "medium", "low")
FACTS, PATH, ABOVE, TASK = "FACTS", "PATH", "LEVELS ABOVE", "TASK"

SYSTEM = (
    "You explain what an automated car sees and does, in five levels, one at a time: scene description, situation "
    "assessment, behaviour prediction, trajectory plan, justification.\n"
    "You are given facts about one moment. A fact is a word, or [value, unit] or [value, unit, plus or minus]. What is "
    "not among the facts does not exist: invent no agent, lane, signal or number, and speak of nothing later than now as "
    "if it were known.\n"
    "Positions are metres in the car's frame: x ahead, y to the left, the car at (0, 0). Bearings are degrees, left "
    "positive. Speeds are metres per second. Name agents by their id, for example 'vehicle 123'. Risk bands: critical "
    "when ttc < 1.5 s or drac > 5; high when ttc < 3 or drac > 3.4; medium when ttc < 5 or thw < 1.8; else low.\n"
    "Answer with one JSON value of the schema that is asked for. Its field 'text' says the same in plain sentences, with "
    "the numbers of the facts, rounded to one decimal at most."
)

TASKS = {
    "scene_description": (
        "Write level 1, the scene: the car's speed, lane, speed limit and the signal of its lane or path; how many "
        "vehicles, pedestrians and cyclists there are; every agent that may matter, with its distance, sector and speed; "
        "the crosswalks and stop signs that the facts know. Give null for what no fact states."
    ),
    "situation_assessment": (
        "Write level 2, the situation: for each agent that matters its relation to the car, its ttc, thw and drac as the "
        "facts have them (null where they have none) and its risk band; the overall risk, which is the highest band of "
        "the scene; and what limits the car now: signals, stop signs, a lead, people, crossing traffic, the speed limit, "
        "a curve."
    ),
    "behavior_prediction": (
        "Write level 3, what the others will do over the next three seconds: for each agent that matters one or more "
        "behaviours whose probabilities add up to 1, each with the position at which it leaves the agent three seconds "
        "from now."
    ),
    "trajectory_plan": (
        "Write level 4, the plan: what the car shall do along its path and across it, and 17 waypoints, one every half "
        "second from 0 to 8 s. The first is (0, 0) at the car's speed now. Follow the path's points, keep speeds and "
        "positions in step, accelerate by no more than 2.4 and brake by no more than 4 m/s² with little jerk, stop before "
        "the stop line of a red signal or stop sign, keep clear of every agent where you expect it to be, and keep the "
        "speed limit."
    ),
    "justification": (
        "Write level 5, why this plan: its causes, each with the id of the agent or feature it rests on; at least one "
        "other action and what would be wrong with it; and how likely it is that the plan stays within 3 m of what a good "
        "driver does, between 0 and 1."
    ),
}
PICTURE = " The picture is from the car's front camera: it may add to the text, never to the fields."
REPAIR = "Your answer does not agree with the facts:"
REPAIRED = "Write the whole level again, mended, as JSON of the same schema."
MOST_PROBLEMS = 20


def fingerprint() -> str:
    """Hash of all words and schemas that a model is given, and of what shapes the text of a scene."""
    parts = [
        SYSTEM,
        *(TASKS[level] for level in LEVELS),
        *(schema_of(level) for level in LEVELS),
        *(PICTURE, REPAIR, REPAIRED, MOST_PROBLEMS, FACTS, PATH, ABOVE, TASK),
        *(FULL_AGENTS, _BRIEF, _RISKS, PATH_STEP_M, PATH_M),
        *(LANES_NEAR_M, LANES_AHEAD_M, LANE_STEP_M, MOST_LANES),
    ]
    return xxhash.xxh3_64_hexdigest(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS))[:8]


@lru_cache(maxsize=1)
def prompt_version() -> str:
    """What rows carry: the version and the fingerprint."""
    return f"{PROMPT_VERSION}-{fingerprint()}"


def scene_text(facts: Facts, view: PlanView) -> str:
    """Facts and path as the prompts give them; the same for all levels of a keyframe."""
    return f"{FACTS}\n{_dumps(facts_json(facts))}\n\n{PATH}\n{_dumps(path_json(view))}"


def level_prompt(level: str, scene: str, above: Mapping[str, Any], picture: bool = False) -> str:
    """The user message that asks for a level.

    Args:
        scene: ``scene_text`` of the keyframe.
        above: accepted levels above as JSON values, in their order.
        picture: whether the front camera's picture goes with the message.
    """
    return f"{scene}\n\n{ABOVE}\n{_dumps(dict(above))}\n\n{TASK}\n{TASKS[level]}{PICTURE if picture else ''}"


def repair_prompt(problems: list[str]) -> str:
    """The user message after a level that does not hold."""
    listed = "\n".join(f"- {p}" for p in problems[:MOST_PROBLEMS])
    return f"{REPAIR}\n{listed}\n{REPAIRED}"


def facts_json(facts: Facts) -> dict[str, dict[str, Any]]:
    """Facts by subject and quantity: words as they are, numbers as [value, unit] or [value, unit, uncertainty].

    Agents that matter least are given briefly, so that a crowd does not fill the prompt.
    """
    full = set(_matter_most(facts))
    shown: dict[str, dict[str, Any]] = {}
    for fact in facts.all:
        if fact.subject.startswith("agent:") and fact.subject not in full and fact.quantity not in _BRIEF:
            continue
        shown.setdefault(fact.subject, {})[fact.quantity] = _fact(fact)
    return shown


def facts_of_json(shown: Mapping[str, Mapping[str, Any]]) -> Facts:
    """Facts read back from a prompt."""
    found = []
    for subject, quantities in shown.items():
        for quantity, given in quantities.items():
            if isinstance(given, str):
                found.append(Fact(subject, quantity, word=given))
            else:
                value, unit, *rest = given
                found.append(Fact(subject, quantity, value, unit=unit, uncertainty=rest[0] if rest else None))
    return Facts(found)


def path_json(view: PlanView) -> dict[str, Any]:
    """The ego's path every five metres, with its lanes, the ego's own size and motion, and the lanes beside it."""
    return {
        "points_m": resampled(view.path),
        "lanes": list(view.path_lanes),
        "ego_length_m": round(view.ego_length_m, 2),
        "ego_width_m": round(view.ego_width_m, 2),
        "ego_speed_mps": round(view.ego_speed_mps, 3),
        "ego_acceleration_mps2": round(view.ego_acceleration_mps2, 3),
        "ego_yaw_rate_radps": round(view.ego_yaw_rate_radps, 4),
        "lanes_near": _lanes_near(view),
        "map_is_cut_off": "yes" if view.sampled_map else "no",
    }


def resampled(path: np.ndarray, step_m: float = PATH_STEP_M, most_m: float = PATH_M) -> list[list[float]]:
    """Points [P, 2] at equal steps along a polyline, its end included, to the centimetre."""
    if len(path) < 2:
        return [[round(float(x), 2), round(float(y), 2)] for x, y in path]
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    at = np.append(np.arange(0.0, min(along[-1], most_m), step_m), min(along[-1], most_m))
    x, y = (np.interp(at, along, path[:, i]).round(2) for i in (0, 1))
    return np.stack([x, y], axis=1).tolist()


def _lanes_near(view: PlanView) -> list[dict[str, Any]]:
    """Lanes beside the ego, nearest first, their points in the direction of travel every ten metres."""
    found = []
    for lane in view.lanes:
        shown = lane.points[np.hypot(*lane.points.T) <= LANES_AHEAD_M] if len(lane.points) else lane.points
        if len(shown) >= 2 and (away := float(np.hypot(*shown.T).min())) <= LANES_NEAR_M:
            found.append((away, lane.lane_id, lane.type, resampled(shown, LANE_STEP_M)))
    nearest = sorted(found, key=lambda f: f[:2])[:MOST_LANES]
    return [{"lane_id": lane_id, "type": kind, "points_m": points} for _, lane_id, kind, points in nearest]


def _matter_most(facts: Facts) -> list[str]:
    """Agents by risk, then relation to the ego's path, then distance."""

    def order(agent: int) -> tuple[int, bool, float]:
        subject = f"agent:{agent}"
        risk = facts.word(subject, "risk")
        apart = facts.word(subject, "relation") in ("parked", "other", "oncoming", "following", None)
        return (_RISKS.index(risk) if risk in _RISKS else 3, apart, facts.value(subject, "distance") or 0.0)

    ranked = sorted(facts.agent_ids, key=order)
    return [f"agent:{agent}" for agent in ranked[:FULL_AGENTS]]


def _fact(fact: Fact) -> Any:
    if fact.word is not None or fact.value is None:
        return fact.word or ""
    shown: list[Any] = [round(fact.value, 3), fact.unit]
    return shown if fact.uncertainty is None else [*shown, round(fact.uncertainty, 3)]


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()
