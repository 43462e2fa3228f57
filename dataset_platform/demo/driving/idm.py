"""The Intelligent Driver Model (Treiber, Hennecke, Helbing 2000), in its improved form (Treiber, Kesting 2013, 11.3.7).

The improved form keeps its gap exactly and brakes no harder than is comfortable when only its speed is too high.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EXPONENT = 4.0


@dataclass(frozen=True, eq=False)
class Drivers:
    """Parameters of N drivers, [N] each.

    Attributes:
        headway_s: time gap kept to the leader (T).
        standstill_m: gap kept at standstill (s0).
        acceleration_mps2, braking_mps2: greatest acceleration (a) and comfortable deceleration (b).
    """

    headway_s: Floats
    standstill_m: Floats
    acceleration_mps2: Floats
    braking_mps2: Floats


def acceleration(drivers: Drivers, speed: Floats, wanted_speed: Floats, gap: Floats, leader_speed: Floats) -> Floats:
    """What each driver does now, [N], metres per second squared.

    Args:
        gap: bumper to bumper, metres; infinite without a leader.
        leader_speed: anything where there is no leader.
    """
    a, b = drivers.acceleration_mps2, drivers.braking_mps2
    wanted = np.maximum(wanted_speed, 0.1)
    slow = speed <= wanted
    ratio = np.where(slow, speed / wanted, wanted / np.maximum(speed, 0.1))
    free = np.where(slow, a * (1 - ratio**EXPONENT), -b * (1 - ratio ** (a * EXPONENT / b)))
    approach = speed * (speed - np.where(np.isfinite(gap), leader_speed, speed)) / (2 * np.sqrt(a * b))
    desired = drivers.standstill_m + np.maximum(0.0, speed * drivers.headway_s + approach)
    z = desired / np.maximum(gap, 0.1)
    near = z >= 1
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        below = np.where(near, a * (1 - z**2), free * (1 - z ** (2 * a / np.maximum(free, 1e-6))))
    above = np.where(near, free + a * (1 - z**2), free)
    result: Floats = np.where(slow, np.where((free > 1e-6) | near, below, 0.0), above)
    return result
