"""Post-encroachment time on the log: how closely in time two road users used the same ground.

It needs the paths that were really driven, so it is a label of what came after a step and never an input.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dataset_platform.kernels.driving.geometry import boxes_contact_time, to_frame, wrap_angle
from dataset_platform.kernels.driving.scene import Scene

Floats = NDArray[np.float64]

MIN_ANGLE_RAD = np.pi / 6
"""Users whose courses cross at less than this follow one another: that is what headways measure."""


def post_encroachment_time(scene: Scene, ego_length_m: float, ego_width_m: float) -> Floats:
    """Least time between the footprints of the ego and of each agent on shared ground, from each step on.

    For all pairs of times (i, j) from the step on at which the ego's box at i and the agent's box at j overlap, the
    least |t_i − t_j|: the time from the first user's leaving to the second one's arrival, at the log's resolution.

    Returns:
        [N, T], seconds; 0 for boxes that overlap at one time, NaN where no ground is shared.
    """
    agents, steps = scene.x.shape
    out = np.full((agents, steps), np.nan)
    reach = (np.hypot(ego_length_m, ego_width_m) + np.hypot(scene.length, scene.width)) / 2
    near = np.flatnonzero(_comes_near(scene, reach))
    x, y, reach = scene.x[near], scene.y[near], np.where(scene.valid[near], reach[near], 0.0)
    dx = x[:, None, :] - scene.ego_x[None, :, None]
    dy = y[:, None, :] - scene.ego_y[None, :, None]
    who, i, j = np.nonzero(dx * dx + dy * dy < (reach * reach)[:, None, :])
    angle = wrap_angle(scene.heading[near[who], j] - scene.ego_heading[i])
    crossing = np.abs(angle) >= MIN_ANGLE_RAD
    who, i, j, angle = who[crossing], i[crossing], j[crossing], angle[crossing]
    ahead, left = to_frame(x[who, j], y[who, j], scene.ego_x[i], scene.ego_y[i], scene.ego_heading[i])
    still = np.zeros(len(who))
    size = (scene.length[near[who], j], scene.width[near[who], j])
    overlap = boxes_contact_time(ahead, left, still, still, angle, ego_length_m, ego_width_m, *size) == 0
    who, i, j = who[overlap], i[overlap], j[overlap]
    met, place = np.unique(who, return_inverse=True)
    apart = np.full((len(met), steps, steps), np.inf)
    apart[place, i, j] = np.abs(scene.times_s[i] - scene.times_s[j])
    # least over all later pairs: a running minimum from the end along both times
    best = np.minimum.accumulate(np.minimum.accumulate(apart[:, ::-1], 1)[:, :, ::-1], 2)[:, ::-1, ::-1]
    least = np.diagonal(best, axis1=1, axis2=2)
    out[near[met]] = np.where(np.isfinite(least), least, np.nan)
    return out


def _comes_near(scene: Scene, reach: Floats) -> NDArray[np.bool_]:
    """[N]: whether the rectangle around an agent's track touches that around the ego's."""
    within = np.nanmax(np.where(scene.valid, reach, 0.0), axis=1, initial=0.0)
    near = np.any(scene.valid, axis=1)
    for agent, ego in ((scene.x, scene.ego_x), (scene.y, scene.ego_y)):
        low = np.where(scene.valid, agent, np.inf).min(1, initial=np.inf) - within
        high = np.where(scene.valid, agent, -np.inf).max(1, initial=-np.inf) + within
        near = near & (low <= ego.max(initial=-np.inf)) & (high >= ego.min(initial=np.inf))
    return near
