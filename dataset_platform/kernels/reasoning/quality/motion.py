"""Trajectories at 10 Hz: plans resampled by a smooth spline, logs as they are, with smoothed derivatives.

Smoothing is part of the limits: nuPlan and NAVSIM fit a Savitzky-Golay polynomial of order 2 over 8 samples for
accelerations and 15 for jerks; without it a real human log breaks the jerk limit by differencing noise alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dataset_platform.kernels.driving.smoothing import ACCELERATION_WINDOW, JERK_WINDOW, savgol
from dataset_platform.kernels.reasoning.trace import Waypoint
from dataset_platform.kernels.reasoning.view import LoggedFuture, PlanView

Floats = NDArray[np.float64]
STEP_S = 0.1
HELD_SPEED_MPS = 0.3
"""Below this the direction of motion says nothing and the heading is held."""
REVERSED_RAD = np.deg2rad(120.0)
"""A motion that turns by more than this between two samples goes backwards."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Positions of the ego at 10 Hz in the frame of the keyframe, [T] each; t = 0 first.

    Velocity and heading (continuous, not wrapped) are those of the motion for plans, of the log for logs.
    """

    times_s: Floats
    x_m: Floats
    y_m: Floats
    heading_rad: Floats
    velocity_x_mps: Floats
    velocity_y_mps: Floats

    @cached_property
    def speed_mps(self) -> Floats:
        """[T], metres per second."""
        return np.hypot(self.velocity_x_mps, self.velocity_y_mps)

    @property
    def length(self) -> int:
        """Samples."""
        return len(self.times_s)

    def until(self, seconds: float) -> Trajectory:
        """The part up to a time."""
        keep = self.times_s <= seconds + 1e-9
        return Trajectory(*(getattr(self, f.name)[keep] for f in fields(self)))


def of_waypoints(waypoints: Sequence[Waypoint], view: PlanView) -> Trajectory | None:
    """A plan as a trajectory that starts at the ego: a cubic spline through the waypoints in time, clamped to the
    ego's velocity at the start. None when fewer than two times are left, or none beyond now.

    Waypoints out of order are sorted, of equal times the first is taken: that they are out of order is for the
    timing metric to say.
    """
    t = np.array([w.t_s for w in waypoints])
    x, y = np.array([w.x_m for w in waypoints]), np.array([w.y_m for w in waypoints])
    t, first = np.unique(t, return_index=True)
    x, y = x[first], y[first]
    if not len(t) or t[0] > STEP_S / 2:
        t, x, y = np.r_[0.0, t], np.r_[0.0, x], np.r_[0.0, y]
    if len(t) < 2 or t[-1] - t[0] < STEP_S:
        return None
    times = np.arange(round((t[-1] - t[0]) / STEP_S + 1e-9) + 1) * STEP_S + t[0]
    times = times[times <= t[-1] + 1e-9]
    px, vx = _clamped_spline(t, x, view.ego_speed_mps, times)
    py, vy = _clamped_spline(t, y, 0.0, times)
    return Trajectory(times, px, py, _headings(vx, vy), vx, vy)


def of_log(future: LoggedFuture) -> Trajectory | None:
    """The logged future of the ego, put on an even 10 Hz grid; None when it has fewer than two samples."""
    if len(future.times_s) < 2:
        return None
    t = future.times_s
    times = np.arange(int((t[-1] - t[0]) / STEP_S + 1e-6) + 1) * STEP_S + t[0]
    heading = np.unwrap(future.heading_rad)
    x, y, turned, speed = (np.interp(times, t, v) for v in (future.x_m, future.y_m, heading, future.speed_mps))
    return Trajectory(times, x, y, turned, speed * np.cos(turned), speed * np.sin(turned))


@dataclass(frozen=True, eq=False)
class Dynamics:
    """Smoothed derivatives along a trajectory, [T] each: m/s², m/s³, rad/s, rad/s²."""

    longitudinal_acceleration: Floats
    lateral_acceleration: Floats
    longitudinal_jerk: Floats
    jerk: Floats
    yaw_rate: Floats
    yaw_acceleration: Floats


def dynamics(trajectory: Trajectory) -> Dynamics:
    """Derivatives after Savitzky-Golay fits of order 2, window 8 for accelerations and yaw, 15 for jerks."""
    velocities = trajectory.velocity_x_mps, trajectory.velocity_y_mps
    ax, ay = (_derivative(v, ACCELERATION_WINDOW) for v in velocities)
    c, s = np.cos(trajectory.heading_rad), np.sin(trajectory.heading_rad)
    lon, lat = c * ax + s * ay, c * ay - s * ax
    yaw_rate = _derivative(trajectory.heading_rad, ACCELERATION_WINDOW)
    return Dynamics(
        longitudinal_acceleration=lon,
        lateral_acceleration=lat,
        longitudinal_jerk=_derivative(lon, JERK_WINDOW),
        jerk=np.hypot(_derivative(ax, JERK_WINDOW), _derivative(ay, JERK_WINDOW)),
        yaw_rate=yaw_rate,
        yaw_acceleration=_derivative(yaw_rate, JERK_WINDOW),
    )


def _headings(vx: Floats, vy: Floats) -> Floats:
    """Directions of motion, the other way round where it reverses; held, from the ego's own heading 0 on, while it
    hardly moves."""
    speed, heading, out = np.hypot(vx, vy), 0.0, np.zeros(len(vx))
    for i, direction in enumerate(np.arctan2(vy, vx)):
        if speed[i] >= HELD_SPEED_MPS:
            turn = (direction - heading + np.pi) % (2 * np.pi) - np.pi
            if abs(turn) > REVERSED_RAD:
                turn -= np.copysign(np.pi, turn)
            heading += turn
        out[i] = heading
    return out


def _derivative(values: Floats, window: int) -> Floats:
    return savgol(values, window, order=2, derivative=1, delta=STEP_S)


def _clamped_spline(t: Floats, v: Floats, start_slope: float, at: Floats) -> tuple[Floats, Floats]:
    """Values and slopes of the cubic spline with a given slope at the start and no curvature at the end."""
    h, d = np.diff(t), np.diff(v) / np.diff(t)
    n = len(t)
    a, b = np.zeros((n, n)), np.zeros(n)
    a[0, 0], a[0, 1], b[0] = 2 * h[0], h[0], 6 * (d[0] - start_slope)
    inner = np.arange(1, n - 1)
    a[inner, inner - 1], a[inner, inner], a[inner, inner + 1] = h[:-1], 2 * (h[:-1] + h[1:]), h[1:]
    b[inner] = 6 * (d[1:] - d[:-1])
    # the last span has the curvature of the one before: a plan need not end at constant speed
    a[-1, -1], a[-1, -2] = 1.0, -1.0
    m = np.linalg.solve(a, b)
    i = np.clip(np.searchsorted(t, at, side="right") - 1, 0, n - 2)
    u = at - t[i]
    slope = d[i] - h[i] * (2 * m[i] + m[i + 1]) / 6
    third = (m[i + 1] - m[i]) / h[i]
    return v[i] + slope * u + m[i] * u**2 / 2 + third * u**3 / 6, slope + m[i] * u + third * u**2 / 2
