"""Defects in what a trace says of the scene: numbers, units, agents, lights, lanes, what is left out."""

from __future__ import annotations

import numpy as np

from dataset_platform.contracts.driving_types import RISK_BANDS, SIGNAL_STATES
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
from dataset_platform.kernels.reasoning.quality.coverage import critical_agents
from dataset_platform.kernels.reasoning.quality.grounding import LEAK_TIMES_S, STATE_CLASS, cited_agents, fits, leaked
from dataset_platform.kernels.reasoning.quality.wording import (
    LIGHT_WORDS,
    agent_references,
    light_claims,
    references,
    sentences,
)
from dataset_platform.kernels.reasoning.trace import LEVELS, AgentMention, CoTTrace

UNKNOWN_ID = 987_654
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
    """Metres per second given as if they were kilometres per hour; feet as if they were metres."""
    return _number(case, 3.6, ("speed",)) or _number(case, 1 / 0.3048, ("distance",))


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
    """Another light in all fields and texts; one that the log does not show later, for that would be a leak too."""
    signal = case.trace.scene_description.signal
    if signal is None:
        return None
    subject = f"signal:{signal.lane_id}"
    later: set[str] = set()
    if case.future is not None:
        rows = np.flatnonzero(case.future.signal_lane_id == signal.lane_id)
        later = {STATE_CLASS[SIGNAL_STATES[int(c)]] for c in case.future.signal_state[rows].ravel() if c >= 0}
    for state in ("go", "stop", "caution"):
        if state == STATE_CLASS[signal.state] or state in later:
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
    """The speed that an agent will have, told as if it were known; of an agent of which no speed is stated."""
    if case.future is None or len(case.future.times_s) < 2:
        return None
    told = {subject for subject, _ in statements(case)}
    for agent_id in case.facts.agent_ids:
        rows = np.flatnonzero(case.future.agent_id == agent_id)
        if not len(rows) or f"agent:{agent_id}" in told:
            continue
        x, y = case.future.agents_x_m[rows[0]], case.future.agents_y_m[rows[0]]
        speed = np.hypot(np.gradient(x, case.future.times_s), np.gradient(y, case.future.times_s))
        for time in LEAK_TIMES_S:
            if time > case.future.times_s[-1]:
                break
            value = float(speed[int(np.argmin(np.abs(case.future.times_s - time)))])
            claim = Claim(
                "justification", "text", (f"agent:{agent_id}",), ("speed", "closing_speed"), value, "mps", "", (0, 0)
            )
            if np.isfinite(value) and value > 0.5 and resolve(claim, case.facts) is None:
                return with_sentence(case.trace, "justification", f"Agent {agent_id} drives at {value:.2f} m/s.")
    return None


def _drop_critical(case: Case) -> CoTTrace | None:
    """A critical agent that no cause rests on is left out of all fields and sentences."""
    cited = set(cited_agents(case.trace))
    dropped = next((i for i in critical_agents(case.facts) if i not in cited), None)
    if dropped is None:
        return None
    trace = case.trace
    for level, name in (
        ("scene_description", "agents"),
        ("situation_assessment", "risks"),
        ("behavior_prediction", "predictions"),
    ):
        kept = tuple(v for v in getattr(getattr(trace, level), name) if v.agent_id != dropped)
        if not kept:
            return None
        trace = with_level(trace, level, **{name: kept})
    for level in LEVELS:
        text = getattr(trace, level).text
        kept_text = "".join(
            text[a:b]
            for a, b in sentences(text)
            if all(r.subject != f"agent:{dropped}" for r in agent_references(text[a:b]))
        )
        if len(kept_text.split()) < 3:
            return None
        trace = with_text(trace, level, kept_text)
    return trace


def _drop_control(case: Case) -> CoTTrace | None:
    """The signal is passed over in silence, where no cause rests on it."""
    signal = case.trace.scene_description.signal
    if signal is None or any(c.kind == "signal" for c in case.trace.justification.causes):
        return None
    trace = with_level(case.trace, "scene_description", signal=None)
    for level in LEVELS:
        text = getattr(trace, level).text
        spans = [
            (a, b) for a, b in sentences(text) if all(r.kind != "signal" for r in references(text[a:b], case.facts))
        ]
        kept = "".join(text[a:b] for a, b in spans)
        if len(kept.split()) < 3:
            return None
        trace = with_text(trace, level, kept)
    return trace


def _contradict_risk(case: Case) -> CoTTrace | None:
    level = case.trace.situation_assessment
    band = risk_of(case.facts, "scene")
    if band is None:
        return None
    other = RISK_BANDS[(RISK_BANDS.index(band) + 2) % len(RISK_BANDS)]
    return case.trace.model_copy(update={"situation_assessment": level.model_copy(update={"overall_risk": other})})


def _empty(case: Case) -> CoTTrace | None:
    return with_text(case.trace, "trajectory_plan", "-")


def _repeat(case: Case) -> CoTTrace | None:
    """A sentence of level 1 without numbers or names is said again in it."""
    text = case.trace.scene_description.text
    spans = [text[a:b].strip() for a, b in sentences(text)]
    longest = max(spans, key=len)
    return with_sentence(case.trace, "scene_description", longest) if len(longest.split()) >= 3 else None


WORDS = (
    Mutation("scale_number", "an agent's distance or speed times 1.5", ("number_groundedness",), _scale),
    Mutation("wrong_unit", "km/h given as m/s, or feet as metres", ("number_groundedness",), _wrong_unit),
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
    Mutation("drop_critical_agent", "a critical agent is not spoken of", ("critical_agent_recall",), _drop_critical,
             follows=("plan_respects_predictions", "prediction_accuracy_3s", "risk_band_exact", "risk_band_within_one")),
    Mutation("drop_signal", "the signal is not spoken of", ("road_control_recall",), _drop_control,
             follows=("light_state_accuracy", "contradiction_rate")),
    Mutation("contradict_risk", "the risk is two bands off", ("risk_band_exact", "risk_band_within_one"), _contradict_risk),
    Mutation("empty_level", "a level without text", ("level_completeness",), _empty),
    Mutation("repeat_sentence", "a sentence is said twice", ("redundancy",), _repeat),
)  # fmt: skip
