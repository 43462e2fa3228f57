"""Who is in a scene when its simulation starts: the ego, its companions, traffic on all lanes, parked cars, walkers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dataset_platform.demo.driving import idm
from dataset_platform.demo.driving.lights import Cycle
from dataset_platform.demo.driving.roads import Network
from dataset_platform.demo.driving.stories import Companion, Story, draw
from dataset_platform.demo.driving.tracks import STEP_M, Meetings, Track, Way, track_of
from dataset_platform.demo.driving.traffic import Vehicles
from dataset_platform.demo.driving.walkers import Walker, walker

CYCLIST_TOP_MPS = 5.5
MIN_APART_M = 10.0
BOX_RADIUS_M = 34.0
TRUCK_SHARE = 0.08
STARTING_BRAKING_MPS2 = 1.4

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(eq=False)
class Placed:
    """Road users as they are put in; the ego is the first."""

    tracks: list[Track] = field(default_factory=list)
    ways: dict[tuple[Way, bool], int] = field(default_factory=dict)
    rows: list[tuple[int, float, float, float, float, bool, float]] = field(default_factory=list)
    """Track, metres along, speed, length, width, cyclist, eagerness."""

    def track(self, network: Network, way: Way, cyclist: bool = False) -> int:
        """Number of the track of a way, made when it is new."""
        if (way, cyclist) not in self.ways:
            self.ways[way, cyclist] = len(self.tracks)
            self.tracks.append(track_of(network, way, CYCLIST_TOP_MPS if cyclist else None))
        return self.ways[way, cyclist]

    def position(self, track: int, along: float) -> Floats:
        """[2], metres."""
        line = self.tracks[track].line
        return np.asarray(line[int(np.clip(along / STEP_M, 0, len(line) - 1))])

    def apart(self, track: int, along: float) -> float:
        """Metres to the nearest of those that are there."""
        here = self.position(track, along)
        return min((float(np.hypot(*(here - self.position(r[0], r[1])))) for r in self.rows), default=np.inf)

    def add(
        self, track: int, along: float, speed_share: float, size: tuple[float, float], cyclist: bool, eager: float
    ) -> None:
        """Put a road user on a track."""
        allowed = self.tracks[track].speed_mps
        speed = speed_share * eager * float(allowed[int(np.clip(along / STEP_M, 0, len(allowed) - 1))])
        self.rows.append((track, along, speed, *size, cyclist, eager))


def populate(
    story: Story, network: Network, cycle: Cycle, rng: np.random.Generator
) -> tuple[Placed, Vehicles, list[Walker]]:
    """The road users of a story, drawn by a generator; who comes up to a red light has begun to brake."""
    placed = Placed()
    ego_at = draw(rng, story.ego_at_m)
    placed.add(placed.track(network, story.way), ego_at, draw(rng, story.speed_share), (5.28, 2.33), False, 1.0)
    for companion in story.companions:
        _accompany(placed, network, companion, ego_at, rng)
    _fill_lanes(placed, story, network, ego_at, rng)
    walkers = [
        walker(
            network.crossings[p.crossing],
            backwards=p.backwards,
            speed_mps=float(rng.uniform(1.2, 1.6)),
            to_kerb_m=draw(rng, p.to_kerb_m),
            side=float(rng.uniform(-1.0, -0.3)),  # to the right of the way: who comes the other way passes
        )
        for p in story.pedestrians
    ]
    rows = placed.rows
    track, along, speed, length, width, cyclist, eager = (np.array(c) for c in zip(*rows, strict=True))
    speed = np.minimum(speed, _stoppable(placed, network, cycle, track, along + length / 2))
    _keep_apart(Meetings(placed.tracks), track, along, speed, length)
    ego = np.arange(len(rows)) == 0
    drivers = idm.Drivers(
        headway_s=np.where(ego, 1.6, rng.uniform(1.1, 1.9, len(rows))),
        standstill_m=np.where(ego, 2.5, rng.uniform(1.8, 3.0, len(rows))),
        acceleration_mps2=np.where(cyclist, 0.8, np.where(ego, 1.4, rng.uniform(1.1, 1.7, len(rows)))),
        braking_mps2=np.where(ego, 1.6, rng.uniform(1.4, 2.0, len(rows))),
    )
    return placed, Vehicles(track, along, speed, length, width, drivers, eager), walkers


def _stoppable(placed: Placed, network: Network, cycle: Cycle, track: Ints, front: Floats) -> Floats:
    """[N], the speed from which each vehicle can stop at what is closed ahead of it, without haste."""
    groups = {h.lane_id: h.group for h in network.heads}
    most = np.full(len(track), np.inf)
    for i, k in enumerate(track):
        for gate in placed.tracks[k].gates:
            open_ = gate.kind == "crosswalk" or (
                gate.kind == "signal" and cycle.light(groups[gate.ref], 0.0) == "green"
            )
            if gate.at_m > front[i] and not open_:
                most[i] = min(most[i], np.sqrt(2 * STARTING_BRAKING_MPS2 * max(0.0, gate.at_m - front[i] - 2.0)))
    return most


def _keep_apart(meetings: Meetings, track: Ints, along: Floats, speed: Floats, length: Floats) -> None:
    """Lower speeds, in place, to those from which one can brake behind one's leader, from the foremost back."""
    gap, leader = meetings.leaders(track, along, length)
    for _ in range(len(track)):
        most = np.sqrt(speed[leader] ** 2 + 2 * STARTING_BRAKING_MPS2 * np.maximum(gap - 2.0, 0.0))
        if (speed <= most).all():
            return
        np.minimum(speed, most, out=speed)


def _accompany(placed: Placed, network: Network, who: Companion, ego_at: float, rng: np.random.Generator) -> None:
    size = (1.8, 0.7) if who.cyclist else _size(rng)
    track = placed.track(network, who.way, who.cyclist)
    placed.add(track, ego_at + draw(rng, who.ahead_m), 1.0, size, who.cyclist, who.eagerness)


def _fill_lanes(placed: Placed, story: Story, network: Network, ego_at: float, rng: np.random.Generator) -> None:
    """Vehicles on every lane that enters the scene, each bound for one of the routes that begin there."""
    by_entry: dict[int, list[str]] = defaultdict(list)
    for route, lanes in network.routes.items():
        if not route.endswith("bike"):
            by_entry[lanes[0]].append(route)
    ego_entry = network.routes[story.way.route][0]
    for entry, routes in by_entry.items():
        along = float(rng.uniform(0.0, 40.0))
        while True:
            track = placed.track(network, Way(routes[int(rng.integers(len(routes)))]))
            if along > placed.tracks[track].length_m - 10.0:
                break
            clear = entry != ego_entry or not -12.0 < along - ego_at < story.clear_m
            in_box = bool(network.heads or network.stops) and np.hypot(*placed.position(track, along)) < BOX_RADIUS_M
            size = _size(rng)
            eager = float(rng.uniform(0.82, 1.0))
            if clear and not in_box and placed.apart(track, along) > MIN_APART_M + size[0] / 2:
                placed.add(track, along, 0.9, size, False, eager)
            along += size[0] + MIN_APART_M + float(rng.exponential(max(1.0, 1000.0 / story.vehicles_per_km - 15.0)))


def _size(rng: np.random.Generator) -> tuple[float, float]:
    if rng.random() < TRUCK_SHARE:
        return float(rng.uniform(7.0, 10.5)), float(rng.uniform(2.3, 2.55))
    return float(rng.uniform(4.2, 5.3)), float(rng.uniform(1.8, 2.1))
