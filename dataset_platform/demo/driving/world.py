"""Synthetic scenes in memory, as a log of a sensor vehicle would hold them.

The same count and seed give the same scenes; scene ``i`` does not depend on how many are asked for. ``write`` puts these
very scenes into TFRecords.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import xxhash
from numpy.typing import NDArray

from dataset_platform.demo.driving.curves import rotated
from dataset_platform.demo.driving.lights import Cycle, state_code
from dataset_platform.demo.driving.population import populate
from dataset_platform.demo.driving.roads import Network
from dataset_platform.demo.driving.stories import STORIES, WARM_UP_S, Story, draw
from dataset_platform.demo.driving.tracks import STEP_M, Track
from dataset_platform.demo.driving.traffic import Run, Simulation, Vehicles
from dataset_platform.kernels.driving.scene import MapFeature, RoadMap, Scene, Signals

Floats = NDArray[np.float64]

STEPS, CURRENT_STEP = 91, 10
STEP_MICROS = (99_940, 100_040)
"""Real logs step by about this much, never by exactly a tenth of a second."""
SEEN_M = 95.0
OCCLUDED_SHARE = 0.12
MAX_PREDICTED = 8
ID_PREFIX = "synthetic-"


def sample_scenes(count: int, seed: int) -> Iterator[Scene]:
    """Scenes of the stories in turn, each drawn anew; ids begin with ``synthetic-``."""
    for index in range(count):
        yield scene(story_of(index, seed), index, seed)


def story_of(index: int, seed: int) -> Story:
    """The story of a scene; the seed decides with which one it begins."""
    return STORIES[(seed + index) % len(STORIES)]


def scene(story: Story, index: int, seed: int) -> Scene:
    """One scene of a story."""
    rng = np.random.default_rng([seed, index])
    network = story.network()
    cycle = Cycle(network.phases)
    if network.phases:
        group, begins = story.green
        cycle = Cycle(network.phases, cycle.green_start_s(group) - draw(rng, begins))
    placed, vehicles, walkers = populate(story, network, cycle, rng)
    warm = round(WARM_UP_S / 0.1)
    micros = np.concatenate([[0], np.cumsum(rng.integers(*STEP_MICROS, warm + STEPS - 1))])
    run = Simulation(network, placed.tracks, vehicles, walkers, cycle).run(micros / 1e6)
    logged = Run(run.along_m[:, warm:], run.speed_mps[:, warm:], run.walkers[:, :, warm:])
    log = _Log(story, network, placed.tracks, vehicles, logged, [row[5] for row in placed.rows], rng)
    name = xxhash.xxh3_64_hexdigest(f"{seed}\0{index}".encode())
    return log.scene(f"{ID_PREFIX}{name}", micros[warm:], cycle)


class _Log:
    """What the ego saw of a run."""

    def __init__(
        self,
        story: Story,
        network: Network,
        tracks: list[Track],
        vehicles: Vehicles,
        run: Run,
        cyclists: list[bool],
        rng: np.random.Generator,
    ) -> None:
        self._network, self._rng = network, rng
        self._angle = float(rng.uniform(-np.pi, np.pi))
        self._shift = np.round(rng.uniform(-8000.0, 8000.0, 2), 2)
        self._ground = float(np.round(rng.uniform(-20.0, 120.0), 2))
        here = _vehicle_poses(tracks, vehicles, run)
        places = [p for p in network.kerb_parking if rng.random() < story.parked]
        parked = np.array(places).reshape(-1, 3)
        still = np.zeros((len(parked), 4, STEPS))
        still[:, :3] = parked[:, :, None]
        self._poses = np.concatenate([here, still, run.walkers])  # [K, (x, y, heading, speed), T]
        self._there = np.concatenate(
            [
                run.along_m < np.array([tracks[k].length_m for k in vehicles.track])[:, None],
                np.ones((len(parked) + len(run.walkers), STEPS), bool),
            ]
        )
        self._kinds = (
            ["cyclist" if c else "vehicle" for c in cyclists]
            + ["vehicle"] * len(parked)
            + ["pedestrian"] * len(run.walkers)
        )
        people = np.tile([0.85, 0.8], (len(run.walkers), 1))
        cars = np.column_stack([rng.uniform(4.2, 5.0, len(parked)), rng.uniform(1.8, 2.0, len(parked))])
        self._sizes = np.concatenate([np.column_stack([vehicles.length_m, vehicles.width_m]), cars, people])
        heights = {"vehicle": (1.45, 1.9), "cyclist": (1.7, 1.85), "pedestrian": (1.6, 1.9)}
        self._heights = np.array([rng.uniform(*heights[k]) for k in self._kinds])

    def scene(self, scenario_id: str, micros: NDArray[np.int64], cycle: Cycle) -> Scene:
        """The log's first agent is the ego; the others are sorted by track id, as a reader sorts them."""
        times = (micros - micros[0]) / 1e6
        x, y = np.moveaxis(self._global(self._poses[:, :2].transpose(0, 2, 1)), -1, 0)
        heading = _f32((self._poses[:, 2] + self._angle + np.pi) % (2 * np.pi) - np.pi)
        vx, vy = _f32(self._poses[:, 3] * np.cos(heading)), _f32(self._poses[:, 3] * np.sin(heading))
        valid = self._seen(x, y)
        ids = np.sort(self._rng.choice(np.arange(1, 4000), len(x), replace=False))
        self._rng.shuffle(ids)
        others = np.array([k for k in np.argsort(ids) if k and valid[k].any()], int)
        shown = valid[others]
        sizes = _f32(np.column_stack([self._sizes, self._heights]))

        def masked(values: Floats) -> Floats:
            return np.where(shown, np.broadcast_to(values, (len(x), STEPS))[others], np.nan)

        z = np.round(self._ground + self._heights / 2, 3)
        interest, predicted = self._marked(ids, x, y, others, shown)
        return Scene(
            scenario_id=scenario_id,
            record_type="scenario",
            steps=np.arange(STEPS),
            times_s=times,
            current_step=CURRENT_STEP,
            track_id=ids[others],
            object_type=tuple(self._kinds[k] for k in others),
            x=masked(x),
            y=masked(y),
            z=masked(z[:, None]),
            length=masked(sizes[:, :1]),
            width=masked(sizes[:, 1:2]),
            height=masked(sizes[:, 2:]),
            heading=masked(heading),
            velocity_x=masked(vx),
            velocity_y=masked(vy),
            valid=shown,
            ego_track_id=int(ids[0]),
            ego_x=x[0],
            ego_y=y[0],
            ego_heading=heading[0],
            ego_velocity_x=vx[0],
            ego_velocity_y=vy[0],
            ego_length_m=float(sizes[0, 0]),
            ego_width_m=float(sizes[0, 1]),
            signals=self._signals(cycle, times),
            road_map=RoadMap(tuple(self._feature(f) for f in self._network.features)),
            objects_of_interest=interest,
            tracks_to_predict=predicted,
        )

    def _global(self, points: Floats) -> Floats:
        moved: Floats = np.round(rotated(points, self._angle) + self._shift, 4)
        return moved

    def _feature(self, feature: MapFeature) -> MapFeature:
        points = np.column_stack([self._global(feature.points[:, :2]), np.full(len(feature.points), self._ground)])
        return replace(feature, points=points)

    def _signals(self, cycle: Cycle, times: Floats) -> Signals:
        heads = sorted(self._network.heads, key=lambda h: h.lane_id)
        shape = (len(heads), STEPS)
        stops = self._global(np.array([h.stop for h in heads]).reshape(-1, 2))
        states = [[state_code(cycle.light(h.group, WARM_UP_S + t), h.arrow) for t in times] for h in heads]
        return Signals(
            np.array([h.lane_id for h in heads], np.int64),
            np.array(states, np.int8).reshape(shape),
            np.broadcast_to(stops[:, :1], shape).copy(),
            np.broadcast_to(stops[:, 1:], shape).copy(),
        )

    def _seen(self, x: Floats, y: Floats) -> NDArray[np.bool_]:
        """[K, T]: near enough, and not hidden for a while behind something else, as some are."""
        seen = (np.hypot(x - x[0], y - y[0]) < SEEN_M) & self._there
        for k in range(1, len(x)):
            if self._rng.random() < OCCLUDED_SHARE:
                first = int(self._rng.integers(CURRENT_STEP + 1, STEPS))
                seen[k, first : first + int(self._rng.integers(3, 25))] = False
        return seen

    def _marked(
        self, ids: NDArray[np.int64], x: Floats, y: Floats, others: NDArray[np.int64], shown: NDArray[np.bool_]
    ) -> tuple[frozenset[int], frozenset[int]]:
        """Tracks of interest (those that come nearest to the ego while moving) and those to predict."""
        moved = np.nanmax(np.where(shown, self._poses[others, 3], 0.0), axis=1) > 0.5
        lasting = shown[:, CURRENT_STEP] & (shown[:, CURRENT_STEP:].mean(axis=1) > 0.7) & moved
        nearest = np.where(shown, np.hypot(x[others] - x[0], y[others] - y[0]), np.inf).min(axis=1)
        order = [int(k) for k in np.argsort(nearest) if lasting[k]][:MAX_PREDICTED]
        chosen = [int(ids[others[k]]) for k in order]
        return frozenset(chosen[:2]), frozenset(chosen)


def _vehicle_poses(tracks: list[Track], vehicles: Vehicles, run: Run) -> Floats:
    """[N, (x, y, heading, speed), T]."""
    poses = np.empty((len(vehicles.track), 4, run.along_m.shape[1]))
    for i, k in enumerate(vehicles.track):
        track = tracks[k]
        arc = np.arange(len(track.line)) * STEP_M
        for row, values in enumerate((track.line[:, 0], track.line[:, 1], track.heading)):
            poses[i, row] = np.interp(run.along_m[i], arc, values)
        poses[i, 3] = run.speed_mps[i]
    return poses


def _f32(values: Floats) -> Floats:
    """As a record holds it: float32 for headings, velocities and sizes."""
    return values.astype(np.float32).astype(np.float64)
