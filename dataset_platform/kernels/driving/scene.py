"""A scene in memory: tracks, signals and map of one scenario as arrays, the same whatever record type it came from.

Shapes: N agents, T steps, L signals. Positions are metres in the log's global frame, headings radians in [−π, π),
velocities metres per second. What is not valid is NaN (or ``-1`` for states).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class MapFeature:
    """One feature of the map.

    Attributes:
        kind: one of ``contracts.driving_types.MAP_KINDS``.
        type: lane type or line type by its published name, for example ``surface_street`` or ``broken_single_white``.
        points: [P, 3], metres, global; a polygon for crosswalks, speed bumps and driveways.
        speed_limit_mph: NaN where the record has none.
    """

    feature_id: int
    kind: str
    type: str
    points: Floats
    speed_limit_mph: float = float("nan")
    interpolating: bool = False
    entry_lanes: tuple[int, ...] = ()
    exit_lanes: tuple[int, ...] = ()
    left_neighbors: tuple[int, ...] = ()
    right_neighbors: tuple[int, ...] = ()
    controlled_lanes: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class RoadMap:
    """All features of a scenario. ``sampled``: cut off at the record's cap of samples, without topology (tf.Example)."""

    features: tuple[MapFeature, ...] = ()
    sampled: bool = False

    @cached_property
    def by_id(self) -> dict[int, MapFeature]:
        """Features by their id."""
        return {f.feature_id: f for f in self.features}

    def of_kind(self, kind: str) -> list[MapFeature]:
        """Features of a kind, in the record's order."""
        return [f for f in self.features if f.kind == kind]


@dataclass(frozen=True, eq=False)
class Signals:
    """Traffic signals.

    Attributes:
        lane_id: [L], the lane that each controls.
        state: [L, T], index into ``contracts.driving_types.SIGNAL_STATES``, -1 where there is none.
        stop_x, stop_y: [L, T], stop point, metres.
    """

    lane_id: Ints
    state: NDArray[np.int8]
    stop_x: Floats
    stop_y: Floats


@dataclass(frozen=True, eq=False)
class Scene:
    """One scenario.

    Attributes:
        steps: [T], the frames' ``step``.
        times_s: [T], seconds, increasing; differences are real, not nominal.
        current_step: the step that the data set calls now.
        track_id: [N]; object_type: [N] names of ``contracts.driving_types.OBJECT_TYPES``.
        x, y, z, length, width, height, heading, velocity_x, velocity_y: [N, T], NaN where not valid.
        valid: [N, T].
        ego_*: [T], the ego vehicle, which is not among the agents.
        ego_length_m, ego_width_m: NaN where the record has none.
        objects_of_interest, tracks_to_predict: track ids.
    """

    scenario_id: str
    record_type: str
    steps: Ints
    times_s: Floats
    current_step: int
    track_id: Ints
    object_type: tuple[str, ...]
    x: Floats
    y: Floats
    z: Floats
    length: Floats
    width: Floats
    height: Floats
    heading: Floats
    velocity_x: Floats
    velocity_y: Floats
    valid: Bools
    ego_track_id: int | None
    ego_x: Floats
    ego_y: Floats
    ego_heading: Floats
    ego_velocity_x: Floats
    ego_velocity_y: Floats
    ego_length_m: float
    ego_width_m: float
    signals: Signals
    road_map: RoadMap = field(default_factory=RoadMap)
    objects_of_interest: frozenset[int] = frozenset()
    tracks_to_predict: frozenset[int] = frozenset()

    @cached_property
    def ego_speed(self) -> Floats:
        """[T], metres per second."""
        return np.hypot(self.ego_velocity_x, self.ego_velocity_y)

    @cached_property
    def speed(self) -> Floats:
        """[N, T], metres per second."""
        return np.hypot(self.velocity_x, self.velocity_y)
