"""A road network: map features with their topology, and what a simulation must know beside them.

Coordinates are local, metres; traffic keeps to the right. A scene moves and turns the whole network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dataset_platform.kernels.driving.scene import MapFeature

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Head:
    """A traffic signal: the lane it controls, the phase group it follows, whether it shows arrows, its stop point [2]."""

    lane_id: int
    group: str
    arrow: bool
    stop: Floats


@dataclass(frozen=True, eq=False)
class Crossing:
    """A crosswalk: its polygon [4, 2], the way over it from kerb to kerb [2, 2], and the group that walkers go with.

    ``group`` None: walkers step out without a signal and vehicles yield.
    """

    feature_id: int
    polygon: Floats
    way: Floats
    group: str | None


@dataclass(frozen=True, eq=False)
class Network:
    """Roads of a scene.

    Attributes:
        routes: lanes in order, by name such as ``W.through.1`` (arm it comes from, movement, lane).
        heads: traffic signals; stops: first lane after a stop line, by stop sign.
        phases: (group, seconds of green), in order, of the signals' cycle.
        kerb_parking: places for parked cars, (x, y, heading).
        speed_limit_mps: of all lanes.
    """

    features: tuple[MapFeature, ...]
    routes: dict[str, tuple[int, ...]]
    heads: tuple[Head, ...]
    stops: dict[int, tuple[int, ...]]
    crossings: tuple[Crossing, ...]
    phases: tuple[tuple[str, float], ...]
    kerb_parking: tuple[tuple[float, float, float], ...]
    speed_limit_mps: float


MPS_PER_MPH = 0.44704


class Builder:
    """Collects features; ids count up from 100 in the order of adding."""

    def __init__(self, limit_mph: float, lane_type: str = "surface_street") -> None:
        self._limit, self._type = limit_mph, lane_type
        self._features: list[MapFeature] = []
        self._place: dict[int, int] = {}
        self.routes: dict[str, tuple[int, ...]] = {}
        self.heads: list[Head] = []
        self.stops: dict[int, tuple[int, ...]] = {}
        self.crossings: list[Crossing] = []
        self.parking: list[tuple[float, float, float]] = []

    def add(self, kind: str, type_: str, line: Floats, **rest: object) -> int:
        """A feature from points [P, 2]; returns its id."""
        feature_id = 100 + len(self._features)
        points = np.column_stack([line, np.zeros(len(line))])
        self._place[feature_id] = len(self._features)
        self._features.append(MapFeature(feature_id, kind, type_, points, **rest))  # type: ignore[arg-type]
        return feature_id

    def lane(self, line: Floats, *after: int, interpolating: bool = False, type_: str | None = None) -> int:
        """A lane that follows other lanes."""
        lane = self.add(
            "lane",
            type_ or self._type,
            line,
            speed_limit_mph=self._limit,
            interpolating=interpolating,
            entry_lanes=after,
        )
        for entry in after:
            self._change(entry, exit_lanes=(*self._get(entry).exit_lanes, lane))
        return lane

    def follow(self, entry: int, lane: int) -> None:
        """Let a lane that is there already follow another one too."""
        self._change(entry, exit_lanes=(*self._get(entry).exit_lanes, lane))
        self._change(lane, entry_lanes=(*self._get(lane).entry_lanes, entry))

    def beside(self, right: int, left: int) -> None:
        """Two lanes of one direction between which one may change."""
        self._change(right, left_neighbors=(*self._get(right).left_neighbors, left))
        self._change(left, right_neighbors=(*self._get(left).right_neighbors, right))

    def stop_sign(self, position: Floats, lanes: tuple[int, ...]) -> None:
        """A stop sign for the lanes that begin at its line."""
        self.stops[self.add("stop_sign", "", position[None, :], controlled_lanes=lanes)] = lanes

    def crosswalk(self, polygon: Floats, way: Floats, group: str | None) -> None:
        """A crosswalk from its polygon [4, 2] and the way over it [2, 2]."""
        self.crossings.append(Crossing(self.add("crosswalk", "", polygon), polygon, way, group))

    def line_of(self, lane: int) -> Floats:
        """Points [P, 2] of a lane."""
        return self._get(lane).points[:, :2]

    def network(self, phases: tuple[tuple[str, float], ...] = ()) -> Network:
        """The finished network."""
        return Network(
            tuple(self._features),
            self.routes,
            tuple(self.heads),
            self.stops,
            tuple(self.crossings),
            phases,
            tuple(self.parking),
            self._limit * MPS_PER_MPH,
        )

    def _get(self, feature_id: int) -> MapFeature:
        return self._features[self._place[feature_id]]

    def _change(self, feature_id: int, **values: object) -> None:
        self._features[self._place[feature_id]] = replace(self._get(feature_id), **values)  # type: ignore[arg-type]
