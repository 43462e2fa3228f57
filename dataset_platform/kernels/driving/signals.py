"""Which traffic signal matters to the ego: the next one on its path whose stop point it has not passed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataset_platform.kernels.driving.geometry import project
from dataset_platform.kernels.driving.path import Routes
from dataset_platform.kernels.driving.scene import Scene

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PASSED_M = 2.0
"""A front bumper farther than this beyond the stop point has passed the signal; less is stopping over the line."""


@dataclass(frozen=True, eq=False)
class EgoSignal:
    """The signal that matters at each step, [T].

    Attributes:
        signal: index into the scene's signals, -1 when none matters.
        state: index into ``contracts.driving_types.SIGNAL_STATES``, -1 when none matters.
        distance_m: along the path from the front bumper to its stop point, negative when that is passed a little.
    """

    signal: Ints
    state: Ints
    distance_m: Floats


def ego_signal(scene: Scene, routes: Routes, reach_m: float, front_m: float) -> EgoSignal:
    """The nearest signal ahead among those of the lanes of the ego's path.

    Args:
        reach_m: signals farther along the path are left out.
        front_m: from the ego's centre to its front bumper.
    """
    signals, steps = scene.signals, len(scene.times_s)
    chosen, state, distance = np.full(steps, -1), np.full(steps, -1), np.full(steps, np.nan)
    for number, path in enumerate(routes.paths):
        begin = dict(zip(path.lane_ids, path.lane_start_m, strict=True))
        on_path = np.array([int(lane) in begin for lane in signals.lane_id], bool)
        at = np.flatnonzero(routes.path_of == number)
        which = np.flatnonzero(on_path)
        if not len(which) or not len(at):
            continue
        grid = np.ix_(which, at)
        x, y = signals.stop_x[grid], signals.stop_y[grid]
        thin = path.thinned
        along, _, _ = project(x, y, thin.points, thin.arc)
        # a signal without a stop point holds where its lane begins
        lane_start = np.array([begin[int(lane)] for lane in signals.lane_id[which]])
        along = np.where(np.isfinite(x + y), along, lane_start[:, None])
        ahead = along - routes.match.along_m[at] - front_m
        shown = signals.state[grid]
        ahead = np.where((shown >= 0) & (ahead > -PASSED_M) & (ahead <= reach_m), ahead, np.inf)
        best = ahead.argmin(0)
        pick = (best, np.arange(len(at)))
        found = np.isfinite(ahead[pick])
        chosen[at] = np.where(found, which[best], -1)
        state[at] = np.where(found, shown[pick], -1)
        distance[at] = np.where(found, ahead[pick], np.nan)
    return EgoSignal(chosen, state, distance)
