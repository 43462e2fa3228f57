"""Collisions and time to collision of a trajectory, against agents at constant velocity or as the log has them.

Collisions are the ego's fault as in nuPlan: not when it stands, not when it is hit from behind; when its front hits
something, when what it hits stands, and when it is touched at the side while it is off its lanes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataset_platform.kernels.reasoning.quality.boxes import Boxes, overlap
from dataset_platform.kernels.reasoning.quality.motion import STEP_S, Trajectory
from dataset_platform.kernels.reasoning.view import LoggedFuture, PlanView

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CONSTANT_VELOCITY_S = 3.0
"""How far agents are believed to keep their velocity: nuPlan's horizon of time to collision."""
LEAST_TTC_S = 0.95
STANDING_MPS = 0.05
STOPPED_MPS = 5e-3
REAR_RAD = np.deg2rad(150.0)
FRONT_DEPTH_M = 0.4


@dataclass(frozen=True, eq=False)
class Others:
    """Agents beside a trajectory: [A, T] positions and headings, NaN where there is none; [A] sizes."""

    agent_id: Ints
    x_m: Floats
    y_m: Floats
    heading_rad: Floats
    length_m: Floats
    width_m: Floats

    def boxes(self, steps: slice = slice(None)) -> Boxes:
        """Boxes of some steps, [A, t]."""
        size = self.length_m[:, None], self.width_m[:, None]
        return Boxes(self.x_m[:, steps], self.y_m[:, steps], self.heading_rad[:, steps], *size)


@dataclass(frozen=True)
class Contact:
    """The first touch of an agent: ``kind`` is front, side, rear, standing (the ego stands) or parked (the agent)."""

    agent_id: int
    time_s: float
    kind: str


def constant_velocity(view: PlanView, times_s: Floats) -> Others:
    """Agents of the view going on as they are."""
    return Others(
        view.agent_id,
        view.x_m[:, None] + view.velocity_x_mps[:, None] * times_s,
        view.y_m[:, None] + view.velocity_y_mps[:, None] * times_s,
        np.broadcast_to(view.heading_rad[:, None], (len(view.agent_id), len(times_s))),
        view.length_m,
        view.width_m,
    )


def logged(future: LoggedFuture, times_s: Floats) -> Others:
    """Agents as the log has them, put on the trajectory's times; nothing where the log has no valid state beside."""
    after = np.clip(np.searchsorted(future.times_s, times_s, side="left"), 0, len(future.times_s) - 1)
    before = np.maximum(after - 1, 0)
    span = future.times_s[after] - future.times_s[before]
    weight = np.where(span > 0, (times_s - future.times_s[before]) / np.where(span > 0, span, 1), 1.0)
    weight = np.where(times_s > future.times_s[-1] + STEP_S / 2, np.nan, np.clip(weight, 0, 1))

    def at(values: Floats) -> Floats:
        if not values.size:
            return np.zeros((0, len(times_s)))
        # a whole sample needs no neighbour, so that an agent just seen is not lost
        mixed = values[:, before] + weight * (values[:, after] - values[:, before])
        return np.where(weight >= 1 - 1e-6, values[:, after], mixed)

    known = future.agents_heading_rad
    turns: Floats = np.asarray(np.unwrap(np.nan_to_num(known), axis=1), dtype=np.float64) if known.size else known
    x, y = at(future.agents_x_m), at(future.agents_y_m)
    return Others(future.agent_id, x, y, at(turns), future.agents_length_m, future.agents_width_m)


def ego_boxes(trajectory: Trajectory, view: PlanView) -> Boxes:
    """The ego along a trajectory, [T]."""
    size = np.array(view.ego_length_m), np.array(view.ego_width_m)
    return Boxes(trajectory.x_m, trajectory.y_m, trajectory.heading_rad, *size)


def contacts(trajectory: Trajectory, view: PlanView, others: Others) -> list[Contact]:
    """First touches of agents that did not touch the ego at the start, by time."""
    if not len(others.agent_id):
        return []
    ego = ego_boxes(trajectory, view)
    hit = overlap(ego, others.boxes())
    rows = np.flatnonzero(hit.any(axis=1) & ~hit[:, 0])
    found = []
    for row in rows:
        step = int(np.argmax(hit[row]))
        found.append(
            Contact(
                int(others.agent_id[row]), float(trajectory.times_s[step]), _kind(trajectory, view, others, row, step)
            )
        )
    return sorted(found, key=lambda c: (c.time_s, c.agent_id))


def _kind(trajectory: Trajectory, view: PlanView, others: Others, row: int, step: int) -> str:
    if trajectory.speed_mps[step] <= STANDING_MPS:
        return "standing"
    x, y, h = trajectory.x_m[step], trajectory.y_m[step], trajectory.heading_rad[step]
    dx, dy = others.x_m[row, step] - x, others.y_m[row, step] - y
    if abs(np.angle(np.exp(1j * (np.arctan2(dy, dx) - h)))) > REAR_RAD:
        return "rear"
    if _speed(others, row, step) <= STANDING_MPS:
        return "parked"
    ahead = (view.ego_length_m - FRONT_DEPTH_M) / 2
    front = Boxes(x + ahead * np.cos(h), y + ahead * np.sin(h), h, np.array(FRONT_DEPTH_M), np.array(view.ego_width_m))
    agent = Boxes(
        others.x_m[row, step],
        others.y_m[row, step],
        others.heading_rad[row, step],
        others.length_m[row],
        others.width_m[row],
    )
    return "front" if bool(overlap(front, agent)) else "side"


def _speed(others: Others, row: int, step: int) -> float:
    """From the step before, or to the next one where the agent is first seen here; NaN where it is seen only once."""
    x, y = others.x_m[row], others.y_m[row]
    for a, b in ((step - 1, step), (step, step + 1)):
        if a >= 0 and b < len(x) and np.isfinite(x[[a, b]]).all():
            return float(np.hypot(x[b] - x[a], y[b] - y[a]) / STEP_S)
    return float("nan")


def least_ttc(trajectory: Trajectory, view: PlanView, others: Others) -> tuple[float, int | None]:
    """The least time to collision below ``LEAST_TTC_S`` and its agent; infinity and None when it never falls below.

    At each step the ego and the agents that are not behind it are carried on at constant velocity, as nuPlan does;
    a standing ego, and agents from when they touch it on, are left out.
    """
    if trajectory.length < 2 or not len(others.agent_id):
        return float("inf"), None
    vx, vy = (np.gradient(v, STEP_S) for v in (trajectory.x_m, trajectory.y_m))
    ux, uy = (np.gradient(v, STEP_S, axis=1) for v in (others.x_m, others.y_m))
    ego = ego_boxes(trajectory, view)
    c, s = np.cos(trajectory.heading_rad), np.sin(trajectory.heading_rad)
    dx, dy = others.x_m - trajectory.x_m, others.y_m - trajectory.y_m
    reach = (np.hypot(ux, uy) + trajectory.speed_mps) * LEAST_TTC_S + others.length_m[:, None] + view.ego_length_m
    with np.errstate(invalid="ignore"):
        near = (dx * c + dy * s > 0) & (np.hypot(dx, dy) < reach) & (trajectory.speed_mps > STOPPED_MPS)
    near &= ~np.maximum.accumulate(overlap(ego, others.boxes()), axis=1)
    rows, steps = np.nonzero(near)
    if not len(rows):
        return float("inf"), None
    ahead = np.arange(0.0, LEAST_TTC_S, STEP_S)[:, None]
    mine = Boxes(
        trajectory.x_m[steps] + vx[steps] * ahead,
        trajectory.y_m[steps] + vy[steps] * ahead,
        trajectory.heading_rad[steps],
        ego.length_m,
        ego.width_m,
    )
    theirs = Boxes(
        others.x_m[rows, steps] + ux[rows, steps] * ahead,
        others.y_m[rows, steps] + uy[rows, steps] * ahead,
        others.heading_rad[rows, steps],
        others.length_m[rows],
        others.width_m[rows],
    )
    hit = overlap(mine, theirs)
    if not hit.any():
        return float("inf"), None
    first = np.where(hit.any(axis=0), np.argmax(hit, axis=0), len(ahead))
    worst = int(np.argmin(first))
    return float(ahead[first[worst], 0]), int(others.agent_id[rows[worst]])
