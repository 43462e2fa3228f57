"""Defects in what a trace says of the scene: numbers, units, agents, lights, lanes, what is left out."""

from __future__ import annotations

import numpy as np
import xxhash

from dataset_platform.contracts.driving_types import RISK_BANDS
from dataset_platform.kernels.reasoning.mutants.rewriting import (
    replaced,
    restated,
    statements,
    with_level,
    with_sentence,
    with_text,
)
from dataset_platform.kernels.reasoning.mutations import Case, Mutation
from dataset_platform.kernels.reasoning.quality.claims import Claim, resolve
from dataset_platform.kernels.reasoning.quality.consistency import risk_of
from dataset_platform.kernels.reasoning.quality.grounding import STATE_CLASS, fits, leaked
from dataset_platform.kernels.reasoning.quality.manners import ALONG, stated_actions, stated_directions
from dataset_platform.kernels.reasoning.quality.wording import (
    LIGHT_WORDS,
    NUMBER,
    agent_references,
    light_claims,
)
from dataset_platform.kernels.reasoning.trace import LEVELS, AgentMention, CoTTrace

UNKNOWN_ID = 987_654
OTHER_UNIT = {"mps": ("km/h", 1 / 3.6), "m": ("ft", 0.3048)}
OPPOSITE = {"ahead": "behind", "in front": "behind", "behind": "ahead", "left": "right", "right": "left"}
COLOURS = {state: word for word, state in LIGHT_WORDS.items() if word != "amber"}


def _number(case: Case, factor: float, quantities: tuple[str, ...]) -> CoTTrace | None:
    """The first agent's number whose every statement, scaled, is none of the agent's facts any more."""
    for (subject, quantity), claims in statements(case).items():
        if not subject.startswith("agent:") or quantity not in quantities or all(c.span for c in claims):
            continue
        scaled = [_scaled(c, factor) for c in claims]
        if all(resolve(c, case.facts) is None and not _by_chance(case, c) for c in scaled):
            return restated(case, claims, lambda v: v * factor)
    return None


def _by_chance(case: Case, claim: Claim) -> bool:
    """Whether a false number is by chance one that the log has later: that would be a leak too."""
    return case.future is not None and leaked(claim, case.future) is not None


def _scaled(claim: Claim, factor: float) -> Claim:
    return Claim(
        claim.level, claim.place, claim.subjects, claim.quantities, claim.value * factor, claim.unit, "", claim.span
    )


def _scale(case: Case) -> CoTTrace | None:
    return _number(case, 1.5, ("distance", "speed"))


def _wrong_unit(case: Case) -> CoTTrace | None:
    """A text gives an agent's metres per second as km/h, or its metres as feet, with the same figure."""
    for (subject, _), claims in statements(case).items():
        for claim in claims:
            other = OTHER_UNIT.get(claim.unit)
            if not subject.startswith("agent:") or claim.span is None or other is None:
                continue
            text = getattr(case.trace, claim.level).text
            words = text[slice(*claim.span)]
            match = NUMBER.match(words)
            unit, share = other
            false = _scaled(claim, share)
            if match is None or match[2] not in ("m", "m/s") or resolve(false, case.facts) or _by_chance(case, false):
                continue
            changed = words[: match.start(2)] + unit
            return with_text(case.trace, claim.level, replaced(text, [(claim.span, changed)]))
    return None


def _contradict(case: Case) -> CoTTrace | None:
    """The ego's speed, stated in level 1, is another in level 2, and one that it will not have in the log either."""
    speed = case.trace.scene_description.ego_speed_mps
    later = [] if case.future is None else case.future.speed_mps.tolist()
    return with_sentence(
        case.trace, "situation_assessment", f"The ego drives at {max(speed, *later, 0.0) * 1.5 + 4:.1f} m/s."
    )


def _swap_ids(case: Case) -> CoTTrace | None:
    """Two agents of level 1 change their ids, in its fields and its text; they differ in where they are and how far."""
    agents = case.trace.scene_description.agents
    for i, one in enumerate(agents):
        for j in range(i + 1, len(agents)):
            if _interchangeable(case, one, agents[j]):
                continue
            ids = {one.agent_id: agents[j].agent_id, agents[j].agent_id: one.agent_id}
            swapped = tuple(a.model_copy(update={"agent_id": ids.get(a.agent_id, a.agent_id)}) for a in agents)
            text = case.trace.scene_description.text
            edits = []
            for ref in agent_references(text):
                number = int(ref.subject[6:])
                if number in ids:
                    edits.append(((ref.end - len(str(number)), ref.end), str(ids[number])))
            return with_level(case.trace, "scene_description", agents=swapped, text=replaced(text, edits))
    return None


def _interchangeable(case: Case, a: AgentMention, b: AgentMention) -> bool:
    subjects = f"agent:{a.agent_id}", f"agent:{b.agent_id}"
    sectors = fits(case.facts, subjects[0], "sector", b.sector) or fits(case.facts, subjects[1], "sector", a.sector)
    near = abs(a.distance_m - b.distance_m) <= 1 + 0.1 * max(a.distance_m, b.distance_m)
    if sectors or near:
        return True
    swapped = [(subjects[1], a), (subjects[0], b)]
    stated = [(s, "distance", "m", m.distance_m) for s, m in swapped] + [
        (s, "speed", "mps", m.speed_mps) for s, m in swapped
    ]
    return any(_by_chance(case, Claim("scene_description", "", (s,), (q,), v, u, "")) for s, q, u, v in stated)


def _invent(case: Case) -> CoTTrace | None:
    agents = case.trace.scene_description.agents
    ghost = AgentMention(agent_id=UNKNOWN_ID, object_type="pedestrian", distance_m=9.3, sector="ahead", speed_mps=1.4)
    trace = with_level(case.trace, "scene_description", agents=(*agents, ghost))
    return with_sentence(trace, "scene_description", f"Pedestrian {UNKNOWN_ID} is 9.3 m ahead.")


def _flip_light(case: Case) -> CoTTrace | None:
    """Another light in all fields and texts."""
    signal = case.trace.scene_description.signal
    if signal is None:
        return None
    subject = f"signal:{signal.lane_id}"
    for state in ("go", "stop", "caution"):
        if state == STATE_CLASS[signal.state]:
            continue
        prefix = "arrow_" if signal.state.startswith("arrow") else ""
        trace = with_level(case.trace, "scene_description", signal=signal.model_copy(update={"state": prefix + state}))
        for level in LEVELS:
            text = getattr(trace, level).text
            edits = [
                (span, _recoloured(words, COLOURS[state]))
                for named, _, words, span in light_claims(text, case.facts)
                if named == subject
            ]
            trace = with_text(trace, level, replaced(text, edits))
        return trace
    return None


def _recoloured(words: str, colour: str) -> str:
    return " ".join(colour if w.lower() in LIGHT_WORDS else w for w in words.split(" "))


def _wrong_lane(case: Case) -> CoTTrace | None:
    if case.facts.word("ego", "lane_id") is None:
        return None
    return with_level(case.trace, "scene_description", lane_id=UNKNOWN_ID)


def _leak(case: Case) -> CoTTrace | None:
    """The speed that an agent will have at some instant of the log, told as if it were known.

    Of an agent of which no speed is stated; the instant is drawn by a hash of the trace's id.
    """
    if case.future is None or len(case.future.times_s) < 3:
        return None
    told = {subject for subject, _ in statements(case)}
    step = 1 + xxhash.xxh3_64_intdigest(case.trace.trace_id.encode()) % (len(case.future.times_s) - 1)
    for agent_id in case.facts.agent_ids:
        rows = np.flatnonzero(case.future.agent_id == agent_id)
        if not len(rows) or f"agent:{agent_id}" in told:
            continue
        x, y = case.future.agents_x_m[rows[0]], case.future.agents_y_m[rows[0]]
        speed = np.hypot(np.gradient(x, case.future.times_s), np.gradient(y, case.future.times_s))
        value, now = float(speed[step]), case.facts.value(f"agent:{agent_id}", "speed") or 0.0
        closing = case.facts.value(f"agent:{agent_id}", "closing_speed")
        if value > 0.5 and all(
            abs(value - v) > 0.6 + 0.12 * abs(v) for v in (now, now if closing is None else closing)
        ):
            return with_sentence(case.trace, "justification", f"Agent {agent_id} drives at {value:.2f} m/s.")
    return None


def _flip_direction(case: Case) -> CoTTrace | None:
    """The first agent of level 1's text that is placed somewhere is placed on the other side."""
    text = case.trace.scene_description.text
    for said in stated_directions(text):
        edits = [(span, OPPOSITE[text[slice(*span)].lower()]) for span in said.spans]
        return with_text(case.trace, "scene_description", replaced(text, edits))
    return None


def _contradict_action(case: Case) -> CoTTrace | None:
    """The text of level 4 or 5 says that the ego does something else along its path than level 4 states."""
    other = "slow down" if case.trace.trajectory_plan.longitudinal in ("accelerate", "maintain") else "speed up"
    for level in ("trajectory_plan", "justification"):
        text = getattr(case.trace, level).text
        for action in stated_actions(text):
            if action.name in dict(ALONG):
                return with_text(case.trace, level, replaced(text, [(action.span, other)]))
    return None


def _contradict_risk(case: Case) -> CoTTrace | None:
    level = case.trace.situation_assessment
    band = risk_of(case.facts, "scene")
    if band is None:
        return None
    other = RISK_BANDS[(RISK_BANDS.index(band) + 2) % len(RISK_BANDS)]
    return case.trace.model_copy(update={"situation_assessment": level.model_copy(update={"overall_risk": other})})


WORDS = (
    Mutation("scale_number", "an agent's distance or speed times 1.5", ("number_groundedness",), _scale),
    Mutation("wrong_unit", "m/s given as km/h, or metres as feet", ("number_groundedness",), _wrong_unit,
             follows=("contradiction_rate",)),
    Mutation("flip_direction_text", "level 1's text places an agent on the other side",
             ("agent_reference_precision", "hallucinated_agent_rate"), _flip_direction),
    Mutation("contradict_action_text", "a text says another action than the plan's", ("contradiction_rate",),
             _contradict_action),
    Mutation(
        "contradict_value", "the ego's speed is another in level 2", ("contradiction_rate", "number_groundedness"), _contradict
    ),
    Mutation(
        "swap_ids",
        "two agents of level 1 change ids",
        ("agent_reference_precision", "hallucinated_agent_rate", "number_groundedness"),
        _swap_ids,
        follows=("contradiction_rate",),
    ),
    Mutation(
        "invent_agent",
        "an agent that is not there",
        ("agent_reference_precision", "hallucinated_agent_rate", "number_groundedness"),
        _invent,
    ),
    Mutation("flip_light", "another colour of the signal", ("light_state_accuracy",), _flip_light),
    Mutation("wrong_lane", "another lane of the ego", ("lane_accuracy",), _wrong_lane),
    Mutation("leak_future", "a speed that only the log's future has", ("future_leak", "number_groundedness"), _leak),
    Mutation("contradict_risk", "the risk is two bands off", ("risk_band_exact", "risk_band_within_one"), _contradict_risk),
)  # fmt: skip
