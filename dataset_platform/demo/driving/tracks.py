"""Tracks that road users follow: a line with heading and a speed that its curves allow, and where tracks meet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dataset_platform.demo.driving.curves import headings, lengths, ramp, resampled, shifted
from dataset_platform.demo.driving.roads import Crossing, Network

Floats = NDArray[np.float64]

STEP_M = 0.5
MEET_STEP_M = 2.0
LATERAL_MPS2 = 1.8
"""Lateral acceleration at which curves are driven: well inside nuPlan's 4.89."""
SLOWING_MPS2 = 1.3
"""Deceleration ahead of curves."""
SAME_LANE_M = 2.0
"""A vehicle whose centre is nearer than this to a track is in the way of it."""
ALONG_COS = 0.5


@dataclass(frozen=True)
class Gate:
    """A place on a track where one may have to stop: metres along it, and what decides.

    ``kind``: signal (``ref`` is the controlled lane), stop_sign (its first lane), crosswalk (its feature).
    """

    at_m: float
    kind: str
    ref: int


@dataclass(frozen=True, eq=False)
class Track:
    """A way through the network, evenly sampled.

    Attributes:
        line: [P, 2], metres, every ``STEP_M``.
        speed_mps: [P], greatest speed, with room to slow down for curves ahead.
        gates: in order.
    """

    line: Floats
    speed_mps: Floats
    gates: tuple[Gate, ...]

    @cached_property
    def heading(self) -> Floats:
        """[P], radians, not wrapped."""
        return headings(self.line)

    @property
    def length_m(self) -> float:
        """Metres."""
        return (len(self.line) - 1) * STEP_M


@dataclass(frozen=True)
class Way:
    """Which way a road user goes: a route, a distance to its left, and a change to that side between two points.

    ``shift_m`` is reached between ``shift_from_m`` and ``shift_to_m``; equal bounds mean that it holds all along.
    """

    route: str
    shift_m: float = 0.0
    shift_from_m: float = 0.0
    shift_to_m: float = 0.0


def track_of(network: Network, way: Way, top_speed_mps: float | None = None) -> Track:
    """The track of a way.

    Args:
        top_speed_mps: of the road user, where it is below the limit.
    """
    features = {f.feature_id: f for f in network.features}
    lanes = network.routes[way.route]
    pieces = [features[lane].points[:, :2] for lane in lanes]
    starts = np.cumsum([0.0, *(float(lengths(p)[-1]) for p in pieces)])
    line = resampled(np.concatenate(pieces), STEP_M)
    if way.shift_m:
        along: Floats = np.arange(len(line), dtype=np.float64) * STEP_M
        moved = way.shift_m * (
            ramp(along, way.shift_from_m, way.shift_to_m) if way.shift_to_m > way.shift_from_m else np.ones(len(line))
        )
        line = resampled(shifted(line, moved), STEP_M)
    gates = [
        Gate(float(s), "signal", h.lane_id)
        for h in network.heads
        for lane, s in zip(lanes, starts, strict=False)
        if lane == h.lane_id
    ]
    gates += [
        Gate(float(s), "stop_sign", lane)
        for controlled in network.stops.values()
        for lane, s in zip(lanes, starts, strict=False)
        if lane in controlled
    ]
    gates += [g for c in network.crossings if (g := _crosswalk_gate(line, c)) is not None]
    limit = min(network.speed_limit_mps, top_speed_mps or np.inf)
    return Track(line, _allowed_speed(line, limit), tuple(sorted(gates, key=lambda g: g.at_m)))


def _crosswalk_gate(line: Floats, crossing: Crossing) -> Gate | None:
    """Where a track enters a crosswalk, a metre before; None where it does not."""
    a, b, _, d = crossing.polygon
    u, v = b - a, d - a
    along, across = (line - a) @ u / (u @ u), (line - a) @ v / (v @ v)
    inside = (along >= 0) & (along <= 1) & (across >= 0) & (across <= 1)
    if not inside.any():
        return None
    return Gate(max(0.0, float(inside.argmax()) * STEP_M - 1.0), "crosswalk", crossing.feature_id)


def _allowed_speed(line: Floats, limit_mps: float) -> Floats:
    curvature = np.abs(np.gradient(headings(line), STEP_M))
    allowed = np.minimum(limit_mps, np.sqrt(LATERAL_MPS2 / np.maximum(curvature, 1e-6)))
    # from the end backwards no faster than what can still be slowed down from; kinetic energy falls linearly
    energy = allowed**2
    for i in range(len(energy) - 2, -1, -1):
        energy[i] = min(energy[i], energy[i + 1] + 2 * SLOWING_MPS2 * STEP_M)
    return np.sqrt(energy)


class Meetings:
    """Where along one track a vehicle on another one is: ``[P, P, M]`` for every ``MEET_STEP_M`` of the other."""

    def __init__(self, tracks: list[Track]) -> None:
        lines = [t.line[:: int(MEET_STEP_M / STEP_M)] for t in tracks]
        turns = [t.heading[:: int(MEET_STEP_M / STEP_M)] for t in tracks]
        longest = max(len(line) for line in lines)
        self._table = np.full((len(tracks), len(tracks), longest), np.nan)
        squares = np.full((len(lines), longest), np.inf)
        for i, line in enumerate(lines):
            squares[i, : len(line)] = (line**2).sum(axis=1)
        for i, (line, turned) in enumerate(zip(lines, turns, strict=True)):
            tangent = np.stack([np.cos(turned), np.sin(turned)], axis=-1)
            for j, (other, other_turned) in enumerate(zip(lines, turns, strict=True)):
                if i == j:
                    self._table[i, j, : len(line)] = np.arange(len(line)) * MEET_STEP_M
                    continue
                near = (squares[None, i, : len(line)] - 2 * other @ line.T).argmin(axis=1)
                offset = other - line[near]
                ahead = np.einsum("ij,ij->i", offset, tangent[near])
                aside = np.abs(offset[:, 1] * tangent[near, 0] - offset[:, 0] * tangent[near, 1])
                fits = (aside < SAME_LANE_M) & (np.abs(ahead) <= MEET_STEP_M)
                fits &= np.cos(turned[near] - other_turned) > ALONG_COS
                self._table[i, j, : len(other)] = np.where(fits, near * MEET_STEP_M + ahead, np.nan)

    def positions(self, track: NDArray[np.int64], along: Floats) -> Floats:
        """[N, N]: metres along the track of i at which j is; NaN where j is not on it."""
        at = np.clip(along / MEET_STEP_M, 0, self._table.shape[2] - 1)
        low = np.minimum(at.astype(int), self._table.shape[2] - 2)
        share = at - low
        pair = (track[:, None], track[None, :])
        before, after = self._table[(*pair, low[None, :])], self._table[(*pair, low[None, :] + 1)]
        return np.where(np.isnan(after), before, before + share * (after - before))

    def leaders(self, track: NDArray[np.int64], along: Floats, length: Floats) -> tuple[Floats, NDArray[np.int64]]:
        """[N]: bumper to bumper gap to the next vehicle on the own track, infinite without one, and which it is."""
        ahead = self.positions(track, along) - along[:, None]
        np.fill_diagonal(ahead, np.nan)
        ahead = np.where(ahead > 0.0, ahead, np.inf)
        nearest = ahead.argmin(axis=1)
        return ahead[np.arange(len(ahead)), nearest] - (length + length[nearest]) / 2, nearest
