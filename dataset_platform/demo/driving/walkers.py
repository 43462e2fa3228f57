"""Pedestrians: along the pavement to the kerb, over the crosswalk when they may, and on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataset_platform.demo.driving.lights import Cycle
from dataset_platform.demo.driving.roads import Crossing

Floats = NDArray[np.float64]

STARTING_MPS2 = 1.2
STEPS_OUT_BEFORE_S = 5.0
"""With a signal nobody sets out later than this after green began."""
PASSED_M = 2.0
AHEAD_S = 5.0
KERB_M = 0.4


@dataclass(eq=False)
class Walker:
    """A pedestrian on the way over a crosswalk.

    Attributes:
        way: [4, 2]: pavement, kerb, kerb, pavement.
        speed_mps: wanted. along_m: metres walked. now_mps: walking speed now.
    """

    crossing: Crossing
    way: Floats
    speed_mps: float
    along_m: float
    now_mps: float = 0.0

    @property
    def kerb_m(self) -> float:
        """Metres along the way to the first kerb."""
        return float(np.hypot(*(self.way[1] - self.way[0])))

    @property
    def width_m(self) -> float:
        """Metres from kerb to kerb."""
        return float(np.hypot(*(self.way[2] - self.way[1])))

    @property
    def waits(self) -> bool:
        """Whether it is at the first kerb, or nearly."""
        return -2.5 < self.along_m - self.kerb_m <= 0.0

    @property
    def crosses(self) -> bool:
        """Whether it is on the road."""
        return 0.0 < self.along_m - self.kerb_m < self.width_m

    def pose(self) -> tuple[float, float, float]:
        """x, y and heading now."""
        left = self.along_m
        for a, b in zip(self.way[:-1], self.way[1:], strict=True):
            length = float(np.hypot(*(b - a)))
            if left <= length or b is self.way[-1]:
                break
            left -= length
        heading = float(np.arctan2(b[1] - a[1], b[0] - a[0]))
        x, y = a + left / length * (b - a)
        return float(x), float(y), heading

    def may_step_out(self, cycle: Cycle, time_s: float, cars_yield: bool) -> bool:
        """Whether it leaves the kerb now."""
        group = self.crossing.group
        if group is None:
            return cars_yield
        return cycle.light(group, time_s) == "green" and cycle.since_green_s(group, time_s) < STEPS_OUT_BEFORE_S

    def walk(self, dt: float, may_step_out: bool) -> None:
        """One step of time."""
        to_kerb = self.kerb_m - KERB_M - self.along_m
        halted = not may_step_out and to_kerb + KERB_M >= 0.0
        wanted = min(self.speed_mps, max(0.0, to_kerb) / 0.5) if halted else self.speed_mps
        change = STARTING_MPS2 * dt if wanted > self.now_mps else 3.0 * dt
        self.now_mps = float(np.clip(wanted, self.now_mps - change, self.now_mps + change))
        self.along_m += self.now_mps * dt

    def blocks(self, point: Floats) -> bool:
        """Whether a vehicle that crosses the crosswalk at a point [2] must wait for this walker."""
        if not (self.crosses or (self.crossing.group is None and self.waits)):
            return False
        direction = (self.way[2] - self.way[1]) / self.width_m
        to_go = float((point - self.way[1]) @ direction) - (self.along_m - self.kerb_m)
        return -PASSED_M < to_go < AHEAD_S * self.speed_mps


def walker(crossing: Crossing, *, backwards: bool, speed_mps: float, to_kerb_m: float, side: float) -> Walker:
    """A walker who is ``to_kerb_m`` from the kerb; ``side`` -1 to 1 is where in the crosswalk's width it walks."""
    a, b = crossing.way[::-1] if backwards else crossing.way
    along = (b - a) / np.hypot(*(b - a))
    across = np.array([-along[1], along[0]])
    a, b = a + side * 1.2 * across, b + side * 1.2 * across
    approach = 3.0 * along + np.sign(side or 1.0) * 14.0 * across
    way = np.stack([a - approach, a - 0.2 * along, b + 0.2 * along, b + approach])
    kerb = float(np.hypot(*(way[1] - way[0])))
    return Walker(crossing, way, speed_mps, max(0.0, kerb - to_kerb_m), speed_mps if to_kerb_m > 1 else 0.0)
