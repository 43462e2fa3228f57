"""The simulation: vehicles on tracks under the IDM, held by leaders, lights, stop signs and people on crosswalks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dataset_platform.demo.driving import idm
from dataset_platform.demo.driving.lights import Cycle
from dataset_platform.demo.driving.roads import Network
from dataset_platform.demo.driving.tracks import STEP_M, Meetings, Track
from dataset_platform.demo.driving.walkers import Walker

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MAX_BRAKING_MPS2 = 3.8
MAX_JERK_MPS3 = 2.0
"""Well inside nuPlan's comfort limit of 4.13, which is measured on smoothed logs that overshoot at kinks."""
AMBER_BRAKING_MPS2 = 2.5
YIELD_BRAKING_MPS2 = 2.6
WALK_BRAKING_MPS2 = 1.6
"""Walkers step out only when no vehicle must brake harder than this for them."""
LINE_GAP_M = 0.8
"""The IDM's standstill gap less this is where vehicles stand before a line."""
LINE_HEADWAY_S = 0.8
LOOK_AHEAD_S = 1.0
STANDING_MPS = 0.3
STOP_S = 1.2
BOX_M = 30.0
"""A vehicle that left its stop line holds the crossing for this far."""


@dataclass(frozen=True, eq=False)
class Vehicles:
    """N vehicles (cyclists too). ``along_m`` is of the centre, metres along the track; sizes in metres."""

    track: Ints
    along_m: Floats
    speed_mps: Floats
    length_m: Floats
    width_m: Floats
    drivers: idm.Drivers
    eagerness: Floats
    """Wanted speed as a share of what the road allows."""


@dataclass(frozen=True, eq=False)
class Run:
    """What happened: vehicles ``along_m``, ``speed_mps`` [N, T], walkers ``x, y, heading, speed`` [W, 4, T]."""

    along_m: Floats
    speed_mps: Floats
    walkers: Floats


class Simulation:
    """One run of a network's traffic."""

    def __init__(
        self, network: Network, tracks: list[Track], vehicles: Vehicles, walkers: list[Walker], cycle: Cycle
    ) -> None:
        self._tracks, self._cycle = tracks, cycle
        self._walkers = [replace(w) for w in walkers]
        self._meetings = Meetings(tracks)
        self._v = vehicles
        self._along, self._speed = vehicles.along_m.copy(), vehicles.speed_mps.copy()
        self._acceleration = np.zeros(len(self._along))
        # nobody keeps a time gap to a line
        self._at_lines = replace(vehicles.drivers, headway_s=np.full(len(self._along), LINE_HEADWAY_S))
        self._groups = {h.lane_id: h.group for h in network.heads}
        most = max((len(t.gates) for t in tracks), default=0)
        self._gate_at = np.full((len(self._along), most), -np.inf)
        for i, track in enumerate(vehicles.track):
            for k, gate in enumerate(tracks[track].gates):
                self._gate_at[i, k] = gate.at_m
        self._goes = np.zeros(self._gate_at.shape, bool)
        """Lights that a vehicle passes on amber, and stop signs at which it has stopped."""
        self._stopped_s = np.zeros(len(self._along))
        longest = max(len(t.line) for t in tracks)
        self._allowed = np.zeros((len(tracks), longest))
        for k, track in enumerate(tracks):
            self._allowed[k, : len(track.line)] = track.speed_mps
            self._allowed[k, len(track.line) :] = track.speed_mps[-1]
        self._gone_m = np.array([tracks[k].length_m for k in vehicles.track])

    def run(self, times_s: Floats) -> Run:
        """Run over the times; the state at each of them is kept."""
        shape = (len(self._along), len(times_s))
        along, speed = np.empty(shape), np.empty(shape)
        walkers = np.empty((len(self._walkers), 4, len(times_s)))
        for k, now in enumerate(times_s):
            along[:, k], speed[:, k] = self._along, self._speed
            for w, who in enumerate(self._walkers):
                walkers[w, :, k] = (*who.pose(), who.now_mps)
            if k + 1 < len(times_s):
                self._step(float(now), float(times_s[k + 1] - now))
        return Run(along, speed, walkers)

    def _step(self, now: float, dt: float) -> None:
        allowed = self._allowed_speed(self._along) * self._v.eagerness
        # who has left the scene leads nobody
        along = np.where(self._along < self._gone_m, self._along, -np.inf)
        gap, leader = self._meetings.leaders(self._v.track, along, self._v.length_m)
        wanted = idm.acceleration(self._v.drivers, self._speed, allowed, gap, self._speed[leader])
        to_line = self._gap_to_gates(now, dt)
        at_line = idm.acceleration(self._at_lines, self._speed, allowed, to_line, np.zeros(len(to_line)))
        target = np.clip(np.minimum(np.minimum(wanted, at_line), self._slowing_ahead()), -MAX_BRAKING_MPS2, None)
        change = MAX_JERK_MPS3 * dt
        before = self._acceleration
        after = np.clip(target, before - change, before + change)
        speed = np.maximum(0.0, self._speed + after * dt)
        self._acceleration = np.where(speed > 0.0, after, np.maximum(after, 0.0))
        self._along += (self._speed + speed) / 2 * dt
        self._speed = speed
        for who in self._walkers:
            who.walk(dt, who.may_step_out(self._cycle, now, self._cars_yield(who)))

    def _slowing_ahead(self) -> Floats:
        """Acceleration that brings each vehicle to the speed allowed a little ahead; infinite where it may go on."""
        ahead = np.maximum(LOOK_AHEAD_S * self._speed, 1.0)
        allowed = self._allowed_speed(self._along + ahead) * self._v.eagerness
        return np.where(allowed < self._speed, (allowed**2 - self._speed**2) / (2 * ahead), np.inf)

    def _allowed_speed(self, along: Floats) -> Floats:
        place = np.clip(along / STEP_M, 0, self._allowed.shape[1] - 1)
        low = np.minimum(place.astype(int), self._allowed.shape[1] - 2)
        share = place - low
        row = self._v.track
        here: Floats = (1 - share) * self._allowed[row, low] + share * self._allowed[row, low + 1]
        return here

    def _gap_to_gates(self, now: float, dt: float) -> Floats:
        """Metres from the front bumper to the next gate that is closed; infinite where none is."""
        front = self._along + self._v.length_m / 2
        to_gate = self._gate_at - front[:, None]
        needed = self._speed[:, None] ** 2 / (2 * np.maximum(to_gate, 0.1))
        closed = np.zeros(self._gate_at.shape, bool)
        signs: list[tuple[int, int]] = []
        for i, k in zip(*np.nonzero(to_gate > -1.5), strict=True):
            gate = self._tracks[self._v.track[i]].gates[k]
            if gate.kind == "signal":
                light = self._cycle.light(self._groups[gate.ref], now)
                if light == "green":
                    self._goes[i, k] = False
                elif light == "amber" and needed[i, k] > AMBER_BRAKING_MPS2 and self._acceleration[i] > -1.0:
                    self._goes[i, k] = True
                closed[i, k] = light != "green" and not self._goes[i, k]
            elif gate.kind == "stop_sign":
                signs.append((int(i), int(k)))
                closed[i, k] = not self._goes[i, k]
            else:
                line = self._tracks[self._v.track[i]].line
                point = line[min(int(gate.at_m / STEP_M) + 4, len(line) - 1)]
                held = any(w.crossing.feature_id == gate.ref and w.blocks(point) for w in self._walkers)
                closed[i, k] = held and (needed[i, k] < YIELD_BRAKING_MPS2 or self._speed[i] < STANDING_MPS)
        self._take_turns(signs, to_gate, dt)
        closed &= (to_gate > -1.5) & (self._along < self._gone_m)[:, None]
        gaps = np.where(closed, np.maximum(to_gate, 0.0) + LINE_GAP_M, np.inf)
        return gaps.min(axis=1) if gaps.shape[1] else np.full(len(gaps), np.inf)

    def _take_turns(self, signs: list[tuple[int, int]], to_gate: Floats, dt: float) -> None:
        """At stop signs: who stood longest goes first, when the crossing is empty."""
        if not signs:
            return
        first = [(i, k) for i, k in signs if not self._goes[i, k]]
        for i, k in first:
            at_line = self._speed[i] < STANDING_MPS and to_gate[i, k] < 3.0
            self._stopped_s[i] = self._stopped_s[i] + dt if at_line else 0.0
        busy = self._goes & (to_gate < 2.0) & (to_gate > -BOX_M)
        ready = [(self._stopped_s[i], -i, k) for i, k in first if self._stopped_s[i] >= STOP_S]
        if ready and not busy.any():
            _, i, k = max(ready)
            self._goes[-i, k] = True

    def _cars_yield(self, who: Walker) -> bool:
        """Whether every vehicle that comes near a crosswalk can stop for a walker without haste."""
        for i, track in enumerate(self._v.track):
            for gate in self._tracks[track].gates:
                if gate.kind != "crosswalk" or gate.ref != who.crossing.feature_id:
                    continue
                distance = gate.at_m - self._along[i] - self._v.length_m[i] / 2
                comes = -8.0 < distance < 60.0 and self._speed[i] > STANDING_MPS
                if comes and (distance < 0.5 or self._speed[i] ** 2 / (2 * distance) > WALK_BRAKING_MPS2):
                    return False
        return True
