"""What happens to the ego in a scene: the roads it is on, its way, the lights, and who else matters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dataset_platform.demo.driving.crossings import signal_crossing, stop_crossing
from dataset_platform.demo.driving.roads import Network
from dataset_platform.demo.driving.streets import street
from dataset_platform.demo.driving.tracks import Way

Range = tuple[float, float]
WARM_UP_S = 4.0
"""The simulation runs this long before the log begins, so that traffic has found its gaps."""


@dataclass(frozen=True)
class Pedestrian:
    """Someone who crosses: number of the crosswalk, direction, and metres to the kerb when the simulation starts."""

    crossing: int
    to_kerb_m: Range
    backwards: bool = False


@dataclass(frozen=True)
class Companion:
    """A vehicle or cyclist placed near the ego: its way, metres ahead of the ego, and its wanted share of the limit."""

    way: Way
    ahead_m: Range
    eagerness: float
    cyclist: bool = False


@dataclass(frozen=True)
class Story:
    """One kind of scene; ranges are drawn from.

    Attributes:
        ego_at_m: metres along its way when the simulation starts; speed_share: of what is allowed there.
        green: group and seconds from the start of the simulation at which its green begins; negative: it has begun.
        clear_m: no other vehicle is put this near ahead of the ego on its lane.
        vehicles_per_km: on each lane.
        parked: share of the kerb's places taken.
    """

    name: str
    network: Callable[[], Network]
    way: Way
    ego_at_m: Range
    speed_share: Range = (0.9, 1.0)
    green: tuple[str, Range] = ("EW", (0.0, 0.0))
    clear_m: float = 60.0
    vehicles_per_km: float = 32.0
    parked: float = 0.0
    pedestrians: tuple[Pedestrian, ...] = ()
    companions: tuple[Companion, ...] = ()


@lru_cache(maxsize=1)
def crossing() -> Network:
    """Signals, 40 mph."""
    return signal_crossing(40.0)


@lru_cache(maxsize=1)
def stops() -> Network:
    """Stop signs, 25 mph."""
    return stop_crossing(25.0)


@lru_cache(maxsize=1)
def avenue() -> Network:
    """Two lanes a side, bike lanes, 35 mph."""
    return street(35.0, 2, bend_rad=0.25, bike_lane=True)


@lru_cache(maxsize=1)
def midblock() -> Network:
    """One lane a side, a crosswalk without a signal, 30 mph."""
    return street(30.0, 1, crosswalk_m=230.0)


@lru_cache(maxsize=1)
def winding() -> Network:
    """One lane a side that winds, 35 mph."""
    return street(35.0, 1, bend_rad=1.1)


@lru_cache(maxsize=1)
def freeway() -> Network:
    """Three lanes a side, 65 mph."""
    return street(65.0, 3, freeway=True)


_THROUGH = "W.through.inner"

STORIES: tuple[Story, ...] = (
    Story("stop_at_red", crossing, Way(_THROUGH), (35.0, 60.0), green=("EW", (28.0, 38.0)), clear_m=200.0,
          pedestrians=(Pedestrian(0, (2.0, 12.0)),)),
    Story("start_on_green", crossing, Way("W.through.outer"), (136.0, 138.5), (0.0, 0.0), ("EW", (5.5, 8.0)),
          vehicles_per_km=36.0, pedestrians=(Pedestrian(1, (0.0, 3.0)), Pedestrian(3, (0.0, 6.0), True))),
    Story("follow_leader", avenue, Way("W.through.0"), (60.0, 90.0), clear_m=90.0,
          companions=(Companion(Way("W.through.0"), (26.0, 40.0), 0.65),)),
    Story("right_turn_for_pedestrian", crossing, Way("W.right"), (55.0, 75.0), green=("EW", (-1.0, 3.0)), clear_m=200.0,
          pedestrians=(Pedestrian(3, (1.0, 6.0), True), Pedestrian(3, (3.0, 9.0)))),
    Story("lane_change", avenue, Way("W.through.1", 3.6, 150.0, 205.0), (70.0, 85.0), clear_m=120.0, vehicles_per_km=12.0,
          companions=(Companion(Way("W.through.1"), (75.0, 85.0), 0.55),)),
    Story("all_way_stop", stops, Way("W.through"), (100.0, 116.0), clear_m=200.0, vehicles_per_km=7.0, parked=0.6,
          pedestrians=(Pedestrian(1, (3.0, 10.0)),)),
    Story("brake_for_pedestrian", midblock, Way("W.through.0"), (95.0, 125.0), clear_m=200.0,
          pedestrians=(Pedestrian(0, (4.0, 7.5)),)),
    Story("left_turn_on_arrow", crossing, Way("W.left"), (128.0, 136.0), (0.0, 0.0), ("EW_left", (5.0, 7.5)),
          pedestrians=(Pedestrian(2, (2.0, 8.0)),)),
    Story("free_road", winding, Way("W.through.0"), (40.0, 120.0), clear_m=400.0, vehicles_per_km=12.0),
    Story("freeway_following", freeway, Way("W.through.1"), (10.0, 30.0), clear_m=100.0, vehicles_per_km=20.0,
          companions=(Companion(Way("W.through.1"), (55.0, 75.0), 0.8),)),
    Story("through_on_green", crossing, Way(_THROUGH), (20.0, 60.0), green=("EW", (-6.0, -2.0)), clear_m=70.0,
          vehicles_per_km=28.0, pedestrians=(Pedestrian(1, (1.0, 5.0)),)),
    Story("behind_cyclist", winding, Way("W.through.0"), (60.0, 90.0), clear_m=150.0, vehicles_per_km=12.0,
          companions=(Companion(Way("W.through.0", -1.2), (30.0, 45.0), 1.0, cyclist=True),)),
    Story("amber", crossing, Way("W.through.outer"), (5.0, 35.0), green=("EW", (-17.5, -15.5)), clear_m=120.0),
    Story("turn_at_stop_sign", stops, Way("W.right"), (102.0, 118.0), clear_m=200.0, vehicles_per_km=6.0, parked=0.5,
          pedestrians=(Pedestrian(3, (6.0, 14.0)),)),
    Story("queue", avenue, Way("W.through.1"), (60.0, 90.0), (0.3, 0.4), clear_m=20.0, vehicles_per_km=60.0,
          companions=(Companion(Way("W.through.1"), (14.0, 18.0), 0.35), Companion(Way("W.bike"), (10.0, 30.0), 1.0, True))),
    Story("left_at_stop_sign", stops, Way("W.left"), (106.0, 124.0), clear_m=200.0, vehicles_per_km=8.0, parked=0.7),
    Story("busy_red", crossing, Way(_THROUGH), (40.0, 65.0), green=("EW", (34.0, 36.5)), clear_m=200.0,
          vehicles_per_km=55.0,
          pedestrians=(Pedestrian(2, (0.0, 1.0)), Pedestrian(2, (0.0, 2.0), True), Pedestrian(0, (0.0, 2.0)))),
    Story("busy_all_way_stop", stops, Way("W.through"), (100.0, 116.0), clear_m=200.0, vehicles_per_km=16.0, parked=0.8,
          pedestrians=(Pedestrian(2, (6.0, 9.0)), Pedestrian(2, (5.0, 10.0), True), Pedestrian(0, (2.0, 9.0)))),
)  # fmt: skip


def draw(rng: np.random.Generator, bounds: Range) -> float:
    """A number from a range."""
    return float(rng.uniform(*bounds))
