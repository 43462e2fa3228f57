"""Each field of a level held against the facts of its keyframe, so that what is wrong can be said in words to the model
that wrote it, before the next level builds on it.

A level also has to be whole: text, and content wherever the facts have something to speak of, exactly as
level_completeness counts it, and probabilities as probabilities_valid has them. What texts state is left to the
validators of whole traces.

Tolerances are those of number_groundedness: distance 1 m, speed 0.5 m/s, time 0.3 s, deceleration 0.5 m/s², or a tenth.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from math import hypot
from typing import Any

import orjson
import xxhash
from pydantic import BaseModel

from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.levels import LevelError
from dataset_platform.kernels.reasoning.quality.consistency import PROBABILITY_SLACK
from dataset_platform.kernels.reasoning.quality.coverage import LEAST_WORDS, WORD
from dataset_platform.kernels.reasoning.trace import (
    HORIZON_S,
    LEVELS,
    WAYPOINT_STEP_S,
    AgentPrediction,
    BehaviorPrediction,
    CoTTrace,
    Justification,
    SceneDescription,
    SituationAssessment,
    TrajectoryPlan,
)
from dataset_platform.kernels.reasoning.view import PlanView

CHECKS_VERSION = "2"
FIELD_VALIDATORS = tuple(f"fields:{level}" for level in LEVELS)
TOLERANCE = {"m": 1.0, "mps": 0.5, "s": 0.3, "mps2": 0.5}
RELATIVE = 0.1
SECTORS = ("ahead", "ahead_left", "left", "behind_left", "behind", "behind_right", "right", "ahead_right")
SECTOR_SLACK_DEG = 5.0
PREDICTED_S = 3.0
MAX_AGENT_ACCELERATION_MPS2 = 8.0
MAX_ACCELERATION_MPS2 = 10.4  # Waymax's bound of what a vehicle can do
MAX_START_M, MAX_START_MPS = 0.5, 1.0
MAX_STEP_ERROR_M = 1.5
MIN_WAYPOINTS = int(HORIZON_S / WAYPOINT_STEP_S) + 1
_RED = ("stop", "arrow_stop", "flashing_stop")
_AMBER = ("caution", "arrow_caution", "flashing_caution")


def checks_version() -> str:
    """Version of these checks, with a fingerprint of their names and tolerances: it decides which traces are kept."""
    parts = [
        *(FIELD_VALIDATORS, TOLERANCE, RELATIVE, SECTOR_SLACK_DEG, PREDICTED_S, MAX_AGENT_ACCELERATION_MPS2),
        *(MAX_ACCELERATION_MPS2, MAX_START_M, MAX_START_MPS, MAX_STEP_ERROR_M, PROBABILITY_SLACK, LEAST_WORDS),
    ]
    return f"{CHECKS_VERSION}-{xxhash.xxh3_64_hexdigest(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS))[:8]}"


def validate_level(level: str, model: BaseModel, facts: Facts, view: PlanView, above: Mapping[str, Any]) -> list[str]:
    """What is wrong with a level, in words; empty when every field holds against the facts.

    Args:
        view: the plan view of the keyframe; the ego's speed and path are read from it.
        above: the levels above, as models by name.
    """
    found = list(_whole(model, facts))
    match model:
        case SceneDescription():
            return [*found, *_scene(model, facts)]
        case SituationAssessment():
            return [*found, *_situation(model, facts)]
        case BehaviorPrediction():
            return [*found, *_behaviour(model, facts)]
        case TrajectoryPlan():
            return [*found, *_plan(model, view)]
        case Justification():
            return [*found, *_justification(model, facts, above.get("trajectory_plan"))]
    raise LevelError(f"{level} is no level")


def _whole(model: BaseModel, facts: Facts) -> Iterator[str]:
    """What level_completeness would miss."""
    if len(WORD.findall(getattr(model, "text", ""))) < LEAST_WORDS:
        yield "text: say in whole sentences what the fields state"
    for field in ("agents", "risks", "predictions"):
        if facts.agent_ids and getattr(model, field, None) == ():
            yield f"{field} is empty, but the facts know {len(facts.agent_ids)} agents: give those that matter most"


def failing_levels(trace: CoTTrace, facts: Facts, view: PlanView) -> list[str]:
    """Names, of ``FIELD_VALIDATORS``, of the levels of a whole trace that do not hold field by field."""
    models = {level: getattr(trace, level) for level in LEVELS}
    return [f"fields:{n}" for n, model in models.items() if validate_level(n, model, facts, view, models)]


def close(stated: float, known: float, unit: str) -> bool:
    """Whether a stated number is a known one, within the unit's tolerance or a tenth."""
    return abs(stated - known) <= max(TOLERANCE.get(unit, 0.0), RELATIVE * abs(known)) + 1e-9


def _number(name: str, stated: float | None, known: float | None, unit: str) -> Iterator[str]:
    if stated is None and known is None:
        return
    if known is None:
        yield f"{name} is {stated:g}, but no such fact is known: give null"
    elif stated is None:
        yield f"{name} is null, but the facts say {known:.4g} {unit}"
    elif not close(stated, known, unit):
        yield f"{name} is {stated:g}, but the facts say {known:.4g} {unit}"


def _word(name: str, stated: str | None, known: str | None) -> Iterator[str]:
    if stated != known and (known is not None or stated is not None):
        yield f"{name} is {stated}, but the facts say {known}" if known else f"{name} is {stated}, but no fact says so"


def _ids(facts: Facts, kind: str) -> set[int]:
    return {int(s.partition(":")[2]) for s in facts.subjects if s.startswith(f"{kind}:")}


def _known(name: str, ids: Iterable[int], known: set[int], kind: str) -> Iterator[str]:
    counts = Counter(ids)
    for identity, count in counts.items():
        if identity not in known:
            yield f"{name}: there is no {kind} {identity} among the facts"
        elif count > 1:
            yield f"{name}: {kind} {identity} is given {count} times"


def _scene(model: SceneDescription, facts: Facts) -> Iterator[str]:
    yield from _number("ego_speed_mps", model.ego_speed_mps, facts.value("ego", "speed"), "mps")
    lane = facts.word("ego", "lane_id")
    yield from _word("lane_id", None if model.lane_id is None else str(model.lane_id), lane)
    yield from _word("lane_type", model.lane_type, facts.word("ego", "lane_type"))
    yield from _number("speed_limit_mps", model.speed_limit_mps, facts.value("ego", "speed_limit"), "mps")
    signals = _ids(facts, "signal")
    if model.signal is not None:
        lane_id = model.signal.lane_id
        if lane_id not in signals:
            yield f"signal: no signal of lane {lane_id} is among the facts"
        else:
            yield from _word("signal.state", model.signal.state, facts.word(f"signal:{lane_id}", "state"))
            if model.signal.distance_m is not None:
                known = facts.value(f"signal:{lane_id}", "distance")
                yield from _number("signal.distance_m", model.signal.distance_m, known, "m")
    elif signals:
        yield f"signal is null, but the facts know the signal of lane {min(signals)}"
    for kind in ("vehicle", "pedestrian", "cyclist"):
        stated, known = getattr(model, f"{kind}_count"), facts.value("scene", f"{kind}_count")
        if known is not None and stated != int(known):
            yield f"{kind}_count is {stated}, but the facts say {int(known)}"
    yield from _known("agents", (a.agent_id for a in model.agents), set(facts.agent_ids), "agent")
    for agent in model.agents:
        subject, name = f"agent:{agent.agent_id}", f"agent {agent.agent_id}"
        if agent.agent_id in facts.agent_ids:
            yield from _word(f"{name}: object_type", agent.object_type, facts.word(subject, "type"))
            yield from _number(f"{name}: distance_m", agent.distance_m, facts.value(subject, "distance"), "m")
            yield from _number(f"{name}: speed_mps", agent.speed_mps, facts.value(subject, "speed"), "mps")
            bearing = facts.value(subject, "bearing")
            if bearing is not None and not in_sector(agent.sector, bearing):
                yield f"{name}: sector is {agent.sector}, but its bearing is {bearing:.0f} degrees"
    for field, kind in (("crosswalk_ids", "crosswalk"), ("stop_sign_ids", "stop_sign")):
        known_ids = _ids(facts, kind)
        yield from _known(field, getattr(model, field), known_ids, kind)
        if missing := sorted(known_ids - set(getattr(model, field))):
            yield f"{field} leaves out {', '.join(map(str, missing))}"


def in_sector(sector: str, bearing_deg: float) -> bool:
    """Whether a bearing lies in one of the eight sectors, or so near its border that measuring decides."""
    off = (bearing_deg - 45.0 * SECTORS.index(sector) + 180.0) % 360.0 - 180.0
    return abs(off) <= 22.5 + SECTOR_SLACK_DEG


def _situation(model: SituationAssessment, facts: Facts) -> Iterator[str]:
    yield from _known("risks", (r.agent_id for r in model.risks), set(facts.agent_ids), "agent")
    for risk in model.risks:
        subject, name = f"agent:{risk.agent_id}", f"agent {risk.agent_id}"
        if risk.agent_id not in facts.agent_ids:
            continue
        for field, unit in (("ttc_s", "s"), ("thw_s", "s"), ("drac_mps2", "mps2")):
            stated = getattr(risk, field)
            if stated is not None:
                yield from _number(f"{name}: {field}", stated, facts.value(subject, field.split("_")[0]), unit)
        if known := facts.word(subject, "relation"):
            yield from _word(f"{name}: relation", risk.relation, known)
        if known := facts.word(subject, "risk"):
            yield from _word(f"{name}: risk", risk.risk, known)
    if known := facts.word("scene", "risk"):
        yield from _word("overall_risk", model.overall_risk, known)
    states = {facts.word(s, "state") for s in facts.subjects if s.startswith("signal:")}
    types = {facts.word(f"agent:{i}", "type") for i in facts.agent_ids}
    holds = {
        "red_signal": bool(states & set(_RED)),
        "caution_signal": bool(states & set(_AMBER)),
        "stop_sign": bool(_ids(facts, "stop_sign")),
        "lead_vehicle": any(facts.word(f"agent:{i}", "relation") == "lead" for i in facts.agent_ids),
        "pedestrian": "pedestrian" in types,
        "cyclist": "cyclist" in types,
        "speed_limit": facts.value("ego", "speed_limit") is not None,
    }
    for constraint in model.constraints:
        if not holds.get(constraint, True):
            yield f"constraints: no fact speaks of a {constraint}"


def _behaviour(model: BehaviorPrediction, facts: Facts) -> Iterator[str]:
    by_agent: dict[int, list[AgentPrediction]] = defaultdict(list)
    for prediction in model.predictions:
        by_agent[prediction.agent_id].append(prediction)
    yield from _known("predictions", list(by_agent), set(facts.agent_ids), "agent")
    for agent_id, items in by_agent.items():
        total = sum(p.probability for p in items)
        # one behaviour alone may leave the rest unsaid; several are all there is
        if total > 1.0 + PROBABILITY_SLACK or (len(items) > 1 and total < 1.0 - PROBABILITY_SLACK):
            yield f"agent {agent_id}: its probabilities add up to {total:.2f}"
        if len({(p.behavior, p.x_3s_m, p.y_3s_m) for p in items}) < len(items):
            yield f"agent {agent_id}: one of its behaviours is given twice"
    for prediction in model.predictions:
        subject = f"agent:{prediction.agent_id}"
        x, y, speed = (facts.value(subject, n) for n in ("longitudinal", "lateral", "speed"))
        if x is None or y is None or speed is None:
            continue
        moved = hypot(prediction.x_3s_m - x, prediction.y_3s_m - y)
        reach = speed * PREDICTED_S + 0.5 * MAX_AGENT_ACCELERATION_MPS2 * PREDICTED_S**2
        if moved > reach:
            yield f"agent {prediction.agent_id}: moves {moved:.0f} m in 3 s, but cannot move more than {reach:.0f} m"


def _plan(model: TrajectoryPlan, view: PlanView) -> Iterator[str]:
    points = model.waypoints
    times = [round(p.t_s, 3) for p in points]
    wanted = [round(i * WAYPOINT_STEP_S, 3) for i in range(MIN_WAYPOINTS)]
    if times != wanted:
        yield f"waypoints: times must be 0, 0.5, 1.0 … 8.0 s ({MIN_WAYPOINTS} waypoints), not {len(times)} with {times[:4]} …"
        return
    start = hypot(points[0].x_m, points[0].y_m)
    if start > MAX_START_M:
        yield f"waypoints: the first lies {start:.1f} m from the ego, which is at (0, 0)"
    if abs(points[0].speed_mps - view.ego_speed_mps) > MAX_START_MPS:
        yield f"waypoints: the first has {points[0].speed_mps:g} m/s, but the ego has {view.ego_speed_mps:.2f} m/s"
    for a, b in pairwise(points):
        span = b.t_s - a.t_s
        if abs(b.speed_mps - a.speed_mps) / span > MAX_ACCELERATION_MPS2:
            yield f"waypoints: the speed changes from {a.speed_mps:g} to {b.speed_mps:g} m/s within {span:g} s at {a.t_s:g} s"
        moved, driven = hypot(b.x_m - a.x_m, b.y_m - a.y_m), 0.5 * (a.speed_mps + b.speed_mps) * span
        if abs(moved - driven) > max(MAX_STEP_ERROR_M, 0.25 * driven):
            yield f"waypoints: {moved:.1f} m from {a.t_s:g} to {b.t_s:g} s, but the speeds make it {driven:.1f} m"


def _justification(model: Justification, facts: Facts, plan: Any) -> Iterator[str]:
    agents = set(facts.agent_ids)
    features = _ids(facts, "signal") | _ids(facts, "stop_sign") | _ids(facts, "crosswalk")
    for name, cited in (("causes", model.causes), ("alternatives", model.alternatives)):
        for one in cited:
            if one.agent_id is not None and one.agent_id not in agents:
                yield f"{name}: there is no agent {one.agent_id} among the facts"
            if one.feature_id is not None and one.feature_id not in features:
                yield f"{name}: there is no signal, stop sign or crosswalk {one.feature_id} among the facts"
    for cause in model.causes:
        if cause.kind in ("lead_vehicle", "pedestrian", "cyclist", "crossing_traffic") and cause.agent_id is None:
            yield f"causes: {cause.kind} must name its agent_id"
        if cause.kind in ("signal", "stop_sign") and cause.feature_id is None:
            yield f"causes: {cause.kind} must name its feature_id"
    if not model.causes:
        yield "causes: name what causes the plan; free_road where nothing limits it"
    if not model.alternatives:
        yield "alternatives: name at least one other action and what speaks against it"
    yield from _passed_over(model, facts)
    chosen = (plan.longitudinal, plan.lateral) if isinstance(plan, TrajectoryPlan) else None
    if any((a.longitudinal, a.lateral) == chosen for a in model.alternatives):
        yield "alternatives: one of them is the plan itself"


def _passed_over(model: Justification, facts: Facts) -> Iterator[str]:
    """A signal or stop sign that makes the rule planner decide as it does, where no cause of its decision is named."""
    from dataset_platform.kernels.reasoning.planner import decide

    binding = [c for c in decide(facts).causes if c.agent_id is not None or c.kind in ("signal", "stop_sign")]
    if not any(c in model.causes for c in binding):
        for cause in binding:
            if cause.feature_id is not None:
                yield f"causes: the {cause.kind} {cause.feature_id} limits the car, and nothing that does is named"
