"""Against what the log says came after: displacement, maneuver, calibration, predictions. For measuring only."""

from __future__ import annotations

import numpy as np

from dataset_platform.kernels.reasoning.quality.consistency import PREDICTED_S, likeliest
from dataset_platform.kernels.reasoning.quality.feasibility import FEASIBILITY
from dataset_platform.kernels.reasoning.quality.ledger import Ledger
from dataset_platform.kernels.reasoning.quality.motion import STEP_S, Trajectory
from dataset_platform.kernels.reasoning.trace import AgentPrediction, CoTTrace
from dataset_platform.kernels.reasoning.view import LoggedFuture, PlanView

HORIZONS_S = (3, 5, 8)
SUCCESS_ADE_M = 3.0
"""Alpamayo-R1's gate of the average displacement."""
PREDICTED_M = 2.0
STOPPED_MPS, CHANGED_MPS, TURNED_RAD = 0.5, 1.0, np.deg2rad(20.0)
OUTCOME = (
    *(f"{kind}_{h}s_m" for h in HORIZONS_S for kind in ("ade", "fde")),
    *("maneuver_accuracy", "confidence_brier", "prediction_accuracy_3s"),
)


def judge_outcome(
    ledger: Ledger, trace: CoTTrace, view: PlanView, plan: Trajectory | None, future: LoggedFuture | None
) -> None:
    """Judge a trace by the logged future; needs the feasibility metrics in the ledger. Without a future all are None."""
    if future is not None:
        if plan is not None:
            _displacement(ledger, plan, future)
        _maneuver(ledger, trace, future)
        _brier(ledger, trace)
        _predictions(ledger, trace, view, future)
    ledger.none(OUTCOME)


def succeeded(metrics: dict[str, float | None]) -> bool | None:
    """Whether the plan stayed within 3 m of the log on average, as far as there is log, and passed every feasibility
    metric that was judged; None without a displacement."""
    ade = next((v for h in reversed(HORIZONS_S) if (v := metrics.get(f"ade_{h}s_m")) is not None), None)
    if ade is None:
        return None
    feasible = all(v is None or v >= 1 for v in (metrics.get(m) for m in FEASIBILITY))
    return ade < SUCCESS_ADE_M and feasible


def _displacement(ledger: Ledger, plan: Trajectory, future: LoggedFuture) -> None:
    last = min(plan.times_s[-1], future.times_s[-1])
    times = plan.times_s[plan.times_s <= last + STEP_S / 2]
    n = len(times)
    x, y = (np.interp(times, future.times_s, v) for v in (future.x_m, future.y_m))
    apart = np.hypot(plan.x_m[:n] - x, plan.y_m[:n] - y)
    for horizon in HORIZONS_S:
        if last < horizon - STEP_S / 2:
            continue
        within = (times > STEP_S / 2) & (times <= horizon + 1e-6)
        ledger.metrics[f"ade_{horizon}s_m"] = float(apart[within].mean())
        ledger.metrics[f"fde_{horizon}s_m"] = float(apart[within][-1])


def _maneuver(ledger: Ledger, trace: CoTTrace, future: LoggedFuture) -> None:
    from dataset_platform.kernels.reasoning.meta_actions import agrees, meta_actions_of

    metric = "maneuver_accuracy"
    done = meta_actions_of(future.times_s, future.x_m, future.y_m, future.heading_rad, future.speed_mps)
    stated = (trace.trajectory_plan.longitudinal, trace.trajectory_plan.lateral)
    ledger.judge(
        metric,
        "trajectory_plan",
        "the log's driver did the same",
        " ".join(stated),
        " ".join(done),
        agrees(stated, done),
    )
    ledger.all_passed(metric)


def _brier(ledger: Ledger, trace: CoTTrace) -> None:
    success = succeeded(ledger.metrics)
    if success is None:
        return
    confidence = trace.justification.confidence
    found = "within 3 m of the log and feasible" if success else "not within 3 m of the log, or not feasible"
    ledger.judge(
        "confidence_brier", "justification", "confidence of the plan", confidence, found, (confidence >= 0.5) == success
    )
    ledger.metrics["confidence_brier"] = (confidence - float(success)) ** 2


def _predictions(ledger: Ledger, trace: CoTTrace, view: PlanView, future: LoggedFuture) -> None:
    """A prediction holds when the agent is within 2 m of it three seconds on, or behaved as named."""
    metric = "prediction_accuracy_3s"
    step = int(np.argmin(np.abs(future.times_s - PREDICTED_S)))
    if abs(future.times_s[step] - PREDICTED_S) > STEP_S:
        return
    rows = {int(a): i for i, a in enumerate(future.agent_id)}
    for prediction in likeliest(trace):
        row = rows.get(prediction.agent_id)
        if row is None or not np.isfinite(future.agents_x_m[row, step]):
            continue
        apart = float(
            np.hypot(future.agents_x_m[row, step] - prediction.x_3s_m, future.agents_y_m[row, step] - prediction.y_3s_m)
        )
        done = _behaved(prediction, row, step, view, future)
        found = f"{apart:.2f} m away, {' or '.join(sorted(done)) or 'not seen'}"
        claim = f"agent {prediction.agent_id} in {PREDICTED_S:g} s"
        passed = apart < PREDICTED_M or prediction.behavior in done
        ledger.judge(metric, "behavior_prediction", claim, prediction.behavior, found, passed)
    ledger.share(metric)


def _behaved(prediction: AgentPrediction, row: int, step: int, view: PlanView, future: LoggedFuture) -> set[str]:
    """Names of behaviour that are true of an agent's logged next three seconds."""
    x, y = future.agents_x_m[row, : step + 1], future.agents_y_m[row, : step + 1]
    seen = np.flatnonzero(np.isfinite(x))
    if len(seen) < 4:
        return set()
    tail = seen[-min(6, len(seen)) :]
    span = future.times_s[tail[-1]] - future.times_s[tail[0]]
    last = float(np.hypot(x[tail[-1]] - x[tail[0]], y[tail[-1]] - y[tail[0]]) / max(span, STEP_S))
    own = np.flatnonzero(view.agent_id == prediction.agent_id)
    if not len(own):
        return set()
    first = float(np.hypot(view.velocity_x_mps[own[0]], view.velocity_y_mps[own[0]]))
    heading = future.agents_heading_rad[row, : step + 1][seen]
    turn = float(np.angle(np.exp(1j * (heading[-1] - heading[0]))))
    names = {"stopped"} if last < STOPPED_MPS else set()
    names.add(
        "accelerate" if last - first > CHANGED_MPS else "decelerate" if first - last > CHANGED_MPS else "keep_speed"
    )
    if last >= STOPPED_MPS:
        names |= {"turn_left"} if turn > TURNED_RAD else {"turn_right"} if turn < -TURNED_RAD else set()
        before, after = y[seen[0]], y[seen[-1]]
        names |= {"cross"} if np.sign(before) != np.sign(after) else set()
    return names
