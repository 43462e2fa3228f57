"""Defects in what a trace expects, decides and gives as reasons."""

from __future__ import annotations

import numpy as np

from dataset_platform.kernels.reasoning.mutants.rewriting import replaced, with_level
from dataset_platform.kernels.reasoning.mutations import Case, Mutation
from dataset_platform.kernels.reasoning.quality.consistency import likeliest
from dataset_platform.kernels.reasoning.quality.justification import AGENT_CAUSES, SLOWING
from dataset_platform.kernels.reasoning.quality.ledger import shown
from dataset_platform.kernels.reasoning.quality.wording import PROBABILITY
from dataset_platform.kernels.reasoning.trace import AgentPrediction, Cause, CauseKind, CoTTrace

UNKNOWN_ID = 987_654
THINGS = ("signal", "stop_sign")


def _stated(case: Case) -> tuple[str, str]:
    return case.trace.trajectory_plan.longitudinal, case.trace.trajectory_plan.lateral


def _replace_causes(case: Case, kinds: tuple[str, ...]) -> CoTTrace | None:
    """A slowing plan whose causes are all of some kinds is given a free road as its only cause."""
    causes = case.trace.justification.causes
    if _stated(case)[0] not in SLOWING or not causes or any(c.kind not in kinds for c in causes):
        return None
    return with_level(case.trace, "justification", causes=(Cause(kind="free_road"),))


def _remove_cause(case: Case) -> CoTTrace | None:
    return _replace_causes(case, THINGS)


def _remove_agent_cause(case: Case) -> CoTTrace | None:
    """Only where the agent alone changes the decision: of several that each suffice, none does."""
    from dataset_platform.kernels.reasoning.planner import decide, subject_of

    causes = case.trace.justification.causes
    subject = subject_of(causes[0]) if len(causes) == 1 else None
    if subject is None or decide(case.facts, without=frozenset({subject})).actions == decide(case.facts).actions:
        return None
    return _replace_causes(case, tuple(AGENT_CAUSES))


def _no_causes(case: Case) -> CoTTrace | None:
    """The only cause, a free road or the posted limit, is left out: the level is not complete any more."""
    causes = case.trace.justification.causes
    if not causes or any(c.kind not in ("free_road",) for c in causes):
        return None
    return with_level(case.trace, "justification", causes=())


def _ghost_cause(case: Case) -> CoTTrace | None:
    """A stop sign that is not there, as one cause more."""
    ghost = Cause(kind="stop_sign", feature_id=UNKNOWN_ID)
    return with_level(case.trace, "justification", causes=(*case.trace.justification.causes, ghost))


def _idle_cause(case: Case) -> CoTTrace | None:
    """An agent that limits nothing is cited as one cause more, as what it is; beside true causes too."""
    from dataset_platform.kernels.reasoning.planner import decide

    causes = case.trace.justification.causes
    base = decide(case.facts)
    limiting = {limit.subject for limit in base.limits} | {f"agent:{c.agent_id}" for c in causes}
    for agent_id in case.facts.agent_ids:
        subject = f"agent:{agent_id}"
        kind = _cause_kind(case, subject)
        if kind is None or subject in limiting:
            continue
        idle = Cause(kind=kind, agent_id=agent_id)
        return with_level(case.trace, "justification", causes=(*causes, idle))
    return None


def _cause_kind(case: Case, subject: str) -> CauseKind | None:
    """As what an agent could be cited."""
    kind, relation = case.facts.word(subject, "type"), case.facts.word(subject, "relation")
    if kind == "pedestrian":
        return "pedestrian"
    if kind == "cyclist":
        return "cyclist"
    if kind != "vehicle":
        return None
    return "lead_vehicle" if relation == "lead" else "crossing_traffic" if relation == "crossing" else None


def _flip_action(case: Case) -> CoTTrace | None:
    """A change of lane that the waypoints do not make."""
    if case.trace.trajectory_plan.lateral != "keep":
        return None
    return with_level(case.trace, "trajectory_plan", lateral="left_lane_change")


def _other_maneuver(case: Case) -> CoTTrace | None:
    """The same, where the log's driver did what the trace said."""
    from dataset_platform.kernels.reasoning.meta_actions import agrees, meta_actions_of

    future = case.future
    if future is None or len(future.times_s) < 2:
        return None
    done = meta_actions_of(future.times_s, future.x_m, future.y_m, future.heading_rad, future.speed_mps)
    return _flip_action(case) if agrees(_stated(case), done) else None


def _drop_alternatives(case: Case) -> CoTTrace | None:
    return with_level(case.trace, "justification", alternatives=())


def _false_alternative(case: Case) -> CoTTrace | None:
    """The first alternative is rejected for a reason that its motion does not give."""
    from dataset_platform.kernels.reasoning.rollout import holds

    alternatives = case.trace.justification.alternatives
    for kind in ("wrong_way", "overspeed", "off_road", "red_light", "comfort"):
        if not alternatives:
            return None
        false = alternatives[0].model_copy(update={"rejected_because": kind})
        if not holds(false, case.facts, case.view):
            return with_level(case.trace, "justification", alternatives=(false, *alternatives[1:]))
    return None


def _break_probabilities(case: Case) -> CoTTrace | None:
    """A second, less likely hypothesis for an agent, so that its probabilities do not sum to one."""
    best = likeliest(case.trace)
    if not best:
        return None
    first = best[0]
    share = max(0.0, min(1.1 - first.probability, first.probability - 0.01))
    other = first.model_copy(update={"probability": share, "behavior": "turn_left", "x_3s_m": first.x_3s_m + 1.0})
    predictions = (*case.trace.behavior_prediction.predictions, other)
    return with_level(case.trace, "behavior_prediction", predictions=predictions)


def _into_the_plan(case: Case) -> CoTTrace | None:
    """An agent is expected where the plan will be in three seconds, and comes from elsewhere."""
    waypoints = {w.t_s: w for w in case.trace.trajectory_plan.waypoints}
    end = waypoints.get(3.0)
    if end is None or end.speed_mps < 1.0:
        return None
    rows = {int(a): i for i, a in enumerate(case.view.agent_id)}
    for prediction in likeliest(case.trace):
        row = rows.get(prediction.agent_id)
        if row is None or case.view.x_m[row] < 8.0:
            continue
        return _predicted(case, prediction, end.x_m, end.y_m)
    return None


def _wrong_prediction(case: Case) -> CoTTrace | None:
    """An agent whose prediction held is expected forty metres behind and to turn, away from the ego's way."""
    future = case.future
    if future is None or not len(future.times_s) or future.times_s[-1] < 2.95:
        return None
    step = int(np.argmin(np.abs(future.times_s - 3.0)))
    rows = {int(a): i for i, a in enumerate(future.agent_id)}
    for prediction in likeliest(case.trace):
        row = rows.get(prediction.agent_id)
        if row is None or not np.isfinite(future.agents_x_m[row, step]):
            continue
        x, y = future.agents_x_m[row], future.agents_y_m[row]
        apart = np.hypot(x[step] - prediction.x_3s_m, y[step] - prediction.y_3s_m)
        turned = np.nanmax(np.abs(np.unwrap(np.nan_to_num(future.agents_heading_rad[row, : step + 1]))))
        if apart < 2.0 and x[0] < -8.0 and turned < 0.3:
            return _predicted(case, prediction, prediction.x_3s_m - 40.0, prediction.y_3s_m, "turn_left")
    return None


def _predicted(
    case: Case, prediction: AgentPrediction, x_m: float, y_m: float, behavior: str | None = None
) -> CoTTrace:
    changes = {"x_3s_m": x_m, "y_3s_m": y_m, **({} if behavior is None else {"behavior": behavior})}
    other = prediction.model_copy(update=changes)
    predictions = tuple(other if p is prediction else p for p in case.trace.behavior_prediction.predictions)
    return with_level(case.trace, "behavior_prediction", predictions=predictions)


def _misplaced_confidence(case: Case) -> CoTTrace | None:
    """Certain where the plan failed, without hope where it held."""
    from dataset_platform.kernels.reasoning.quality.evaluate import evaluate
    from dataset_platform.kernels.reasoning.quality.outcome import succeeded

    success = succeeded(evaluate(case.trace, case.facts, case.view, case.future).metrics)
    if success is None:
        return None
    confidence = 0.0 if success else 1.0
    text = case.trace.justification.text
    edits = [(match.span(1), shown(confidence)) for match in PROBABILITY.finditer(text)]
    return with_level(case.trace, "justification", confidence=confidence, text=replaced(text, edits))


CAUSED = ("cause_entails", "no_orphan_decision", "counterfactual_cause")
REASONS = (
    Mutation(
        "remove_cause", "the signal or sign behind a slow plan is not cited", CAUSED[:2], _remove_cause, (CAUSED[2],)
    ),
    Mutation(
        "remove_agent_cause",
        "the agent behind a slow plan is not cited",
        (*CAUSED[:2], "counterfactual_others"),
        _remove_agent_cause,
        (CAUSED[2],),
    ),
    Mutation("no_causes", "no cause at all", ("level_completeness",), _no_causes, ("cause_exists", *CAUSED)),
    Mutation("ghost_cause", "a stop sign that is not there is cited", ("cause_exists",), _ghost_cause),
    Mutation("idle_cause", "an agent that changes nothing is cited", ("counterfactual_cause",), _idle_cause, ("cause_entails", "no_orphan_decision")),
    Mutation(
        "flip_action",
        "a change of lane is stated that is not driven",
        ("meta_action_agreement", "cause_entails"),
        _flip_action,
        ("maneuver_accuracy", "no_orphan_decision", "contradiction_rate"),
    ),
    Mutation(
        "other_maneuver",
        "a change of lane is stated, and the log's driver made none",
        ("maneuver_accuracy", "meta_action_agreement", "cause_entails"),
        _other_maneuver,
        ("no_orphan_decision", "contradiction_rate"),
    ),
    Mutation(
        "drop_alternatives", "no alternative", ("alternative_present",), _drop_alternatives, ("alternative_rejection_true",)
    ),
    Mutation("false_alternative", "an alternative is rejected for no reason", ("alternative_rejection_true",), _false_alternative),
    Mutation("break_probabilities", "an agent's probabilities do not sum to one", ("probabilities_valid",), _break_probabilities),
    Mutation(
        "predict_into_plan",
        "an agent is expected in the plan's way",
        ("plan_respects_predictions",),
        _into_the_plan,
        ("prediction_accuracy_3s",),
    ),
    Mutation("wrong_prediction", "an agent is expected elsewhere", ("prediction_accuracy_3s",), _wrong_prediction),
    Mutation("misplaced_confidence", "certain of a failure, or the reverse", ("confidence_brier",), _misplaced_confidence),
)  # fmt: skip
