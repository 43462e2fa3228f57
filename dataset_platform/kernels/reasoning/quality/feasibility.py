"""Feasibility of plans, and of logged futures by the same rules: F1 to F9 of the metrics.

Limits are those of nuPlan's simulation metrics and NAVSIM's scorer; the hard ones of motion are Waymax's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dataset_platform.kernels.reasoning.quality import collisions, roads
from dataset_platform.kernels.reasoning.quality.ledger import Ledger
from dataset_platform.kernels.reasoning.quality.motion import STEP_S, Trajectory, dynamics, of_log, of_waypoints
from dataset_platform.kernels.reasoning.trace import HORIZON_S, Waypoint
from dataset_platform.kernels.reasoning.view import LoggedFuture, PlanView

LEVEL = "trajectory_plan"
HARD_ACCELERATION_MPS2, HARD_CURVATURE_PER_M = 10.4, 0.3
CURVATURE_FROM_MPS = 0.6
"""Waymax's speed below which steering is not judged."""
LONGITUDINAL_MPS2 = (-4.05, 2.40)
COMFORT = {
    "lateral_acceleration": (4.89, "m/s²"),
    "yaw_acceleration": (1.93, "rad/s²"),
    "yaw_rate": (0.95, "rad/s"),
    "longitudinal_jerk": (4.13, "m/s³"),
    "jerk": (8.37, "m/s³"),
}
START_M, START_MPS = 0.5, 1.0
STATED_SPEED_MPS, STATED_SPEED_SHARE = 1.0, 0.15
FEASIBILITY = (
    *("kinematic_pass", "comfort_pass", "no_collision_constant_velocity", "no_collision_logged", "min_ttc_pass"),
    *("on_road", "wrong_way_pass", "overspeed_pass", "red_light_pass"),
)


def judge_plan(
    ledger: Ledger, waypoints: Sequence[Waypoint], view: PlanView, future: LoggedFuture | None
) -> Trajectory | None:
    """Judge a plan by all feasibility metrics and its timing; returns it as a trajectory."""
    judge_timing(ledger, waypoints, view)
    trajectory = of_waypoints(waypoints, view)
    if trajectory is None:
        for metric in ("kinematic_pass", "comfort_pass"):
            ledger.judge(metric, LEVEL, "the plan is a motion", "fewer than two times", None, False)
            ledger.all_passed(metric)
        ledger.none(FEASIBILITY)
        return None
    judge_trajectory(ledger, trajectory, view, future)
    return trajectory


def evaluate_plan(plan: Sequence[Waypoint] | Trajectory, view: PlanView, future: LoggedFuture | None = None) -> Ledger:
    """Feasibility of waypoints, or of a trajectory such as ``of_log(future)``: the human's own future held to the
    same limits."""
    ledger = Ledger()
    if isinstance(plan, Trajectory):
        judge_trajectory(ledger, plan, view, future)
    else:
        judge_plan(ledger, plan, view, future)
    return ledger


def evaluate_log(view: PlanView, future: LoggedFuture) -> Ledger:
    """Feasibility of what the log's driver did; an empty ledger where the log ends here."""
    trajectory = of_log(future)
    return Ledger() if trajectory is None else evaluate_plan(trajectory, view, future)


def judge_trajectory(ledger: Ledger, trajectory: Trajectory, view: PlanView, future: LoggedFuture | None) -> None:
    """F1 to F8 of a trajectory."""
    _kinematic(ledger, trajectory)
    _comfort(ledger, trajectory)
    fit = roads.lane_fit(trajectory, view)
    off = roads.off_road(trajectory, view, fit)
    near = trajectory.until(collisions.CONSTANT_VELOCITY_S)
    simple = collisions.constant_velocity(view, near.times_s)
    off_lanes = off is not None and off[0]
    _no_collision(ledger, "no_collision_constant_velocity", near, view, simple, off_lanes)
    timed, others = near, simple
    if future is not None and len(future.times_s) > 1:
        timed = trajectory.until(float(future.times_s[-1]) + STEP_S / 2)
        others = collisions.logged(future, timed.times_s)
        _no_collision(ledger, "no_collision_logged", timed, view, others, off_lanes)
    least, agent = collisions.least_ttc(timed, view, others)
    what = "time to collision" if agent is None else f"time to collision with agent {agent}"
    ledger.judge(
        "min_ttc_pass",
        LEVEL,
        what,
        f"{collisions.LEAST_TTC_S} s or more" if agent is None else least,
        collisions.LEAST_TTC_S,
        agent is None,
    )
    if off is not None:
        ledger.judge("on_road", LEVEL, "the plan stays on the road", off[1], f"{roads.OFF_LANES_M} m", not off[0])
    for metric in ("min_ttc_pass", "on_road"):
        ledger.all_passed(metric)
    _lanes(ledger, trajectory, view, fit)
    for crossing in roads.signal_crossings(trajectory, view, future):
        ledger.judge(
            "red_light_pass", LEVEL, f"passes the stop point of lane {crossing.lane_id} at {crossing.time_s:.1f} s", "not red",
            crossing.state, crossing.state not in roads.RED,
        )  # fmt: skip
    if view.signals and not ledger.records("red_light_pass"):
        ledger.judge("red_light_pass", LEVEL, "passes no stop point", "none", "none", True)
    ledger.all_passed("red_light_pass")
    ledger.none(FEASIBILITY)


def judge_timing(ledger: Ledger, waypoints: Sequence[Waypoint], view: PlanView) -> None:
    """F9: times grow up to the horizon, the first waypoint is where the ego is, stated speeds are those of the motion."""
    metric = "waypoint_timing_pass"
    t = np.array([w.t_s for w in waypoints])
    xy = np.array([(w.x_m, w.y_m) for w in waypoints])
    speed = np.array([w.speed_mps for w in waypoints])
    ledger.judge(metric, LEVEL, "times grow", " ".join(f"{v:g}" for v in t), None, bool((np.diff(t) > 0).all()))
    ledger.judge(
        metric, LEVEL, "the plan reaches its horizon", float(t[-1]), HORIZON_S, abs(t[-1] - HORIZON_S) <= STEP_S
    )
    apart = float(np.hypot(xy[0, 0] - view.ego_speed_mps * t[0], xy[0, 1]))
    reach = START_M + 0.5 * HARD_ACCELERATION_MPS2 / 2 * float(t[0]) ** 2
    ledger.judge(metric, LEVEL, "first waypoint to the ego, metres", apart, reach, apart <= reach)
    change = float(abs(speed[0] - view.ego_speed_mps))
    reach = START_MPS + HARD_ACCELERATION_MPS2 / 2 * float(t[0])
    ledger.judge(metric, LEVEL, "first speed to the ego's, metres per second", change, reach, change <= reach)
    spans = np.diff(t)
    if (spans > 0).all():
        moved = np.hypot(*np.diff(xy, axis=0).T) / spans
        mean = (speed[1:] + speed[:-1]) / 2
        excess = np.abs(moved - mean) - np.maximum(STATED_SPEED_MPS, STATED_SPEED_SHARE * mean)
        worst = int(np.argmax(excess))
        claim = f"stated speed from {t[worst]:g} to {t[worst + 1]:g} s is that of the motion"
        ledger.judge(metric, LEVEL, claim, float(mean[worst]), float(moved[worst]), bool(excess[worst] <= 0))
    ledger.all_passed(metric)


def _kinematic(ledger: Ledger, trajectory: Trajectory) -> None:
    acceleration = np.abs(np.diff(trajectory.speed_mps)) / STEP_S
    worst = float(acceleration.max())
    metric = "kinematic_pass"
    ledger.judge(
        metric, LEVEL, "greatest change of speed, m/s²", worst, HARD_ACCELERATION_MPS2, worst <= HARD_ACCELERATION_MPS2
    )
    travelled = np.hypot(np.diff(trajectory.x_m), np.diff(trajectory.y_m))
    moving = travelled > CURVATURE_FROM_MPS * STEP_S
    curvature = np.abs(np.diff(trajectory.heading_rad))[moving] / travelled[moving]
    worst = float(curvature.max()) if len(curvature) else 0.0
    ledger.judge(metric, LEVEL, "greatest curvature, 1/m", worst, HARD_CURVATURE_PER_M, worst <= HARD_CURVATURE_PER_M)
    ledger.all_passed(metric)


def _comfort(ledger: Ledger, trajectory: Trajectory) -> None:
    motion = dynamics(trajectory)
    metric = "comfort_pass"
    low, high = LONGITUDINAL_MPS2
    least, most = float(motion.longitudinal_acceleration.min()), float(motion.longitudinal_acceleration.max())
    ledger.judge(metric, LEVEL, "hardest braking, m/s²", least, low, least >= low)
    ledger.judge(metric, LEVEL, "hardest acceleration, m/s²", most, high, most <= high)
    for name, (limit, unit) in COMFORT.items():
        worst = float(np.abs(getattr(motion, name)).max())
        ledger.judge(metric, LEVEL, f"greatest {name.replace('_', ' ')}, {unit}", worst, limit, worst <= limit)
    ledger.all_passed(metric)


def _no_collision(
    ledger: Ledger, metric: str, trajectory: Trajectory, view: PlanView, others: collisions.Others, off_lanes: bool
) -> None:
    for contact in collisions.contacts(trajectory, view, others):
        at_fault = contact.kind in ("front", "parked") or (contact.kind == "side" and off_lanes)
        what = f"touches agent {contact.agent_id} at {contact.time_s:.1f} s"
        ledger.judge(
            metric, LEVEL, what, f"{contact.kind}, {'its' if at_fault else 'not its'} fault", "no fault", not at_fault
        )
    if not ledger.records(metric):
        ledger.judge(metric, LEVEL, "touches no agent", "none", "none", True)
    ledger.all_passed(metric)


def _lanes(ledger: Ledger, trajectory: Trajectory, view: PlanView, fit: roads.LaneFit | None) -> None:
    if fit is None:
        return
    if not view.sampled_map:  # where lanes may be missing, the one that goes the ego's way may be
        against = roads.wrong_way_m(trajectory, fit)
        ok = against <= roads.WRONG_WAY_OK_M
        ledger.judge(
            "wrong_way_pass", LEVEL, "most metres in a second against the lanes", against, roads.WRONG_WAY_OK_M, ok
        )
        ledger.metrics["wrong_way_pass"] = 1.0 if ok else 0.5 if against <= roads.WRONG_WAY_FAIL_M else 0.0
    if np.isfinite(fit.over_limit_mps).any():
        over = float(np.nanmax(fit.over_limit_mps))
        ok = over <= roads.OVERSPEED_MPS
        ledger.judge("overspeed_pass", LEVEL, "most above the limit, m/s", over, roads.OVERSPEED_MPS, ok)
        ledger.all_passed("overspeed_pass")
