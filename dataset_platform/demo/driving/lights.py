"""Signals with fixed phases: one group has green at a time, then amber, then red for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dataset_platform.contracts.driving_types import SIGNAL_STATES

AMBER_S = 3.5
ALL_RED_S = 2.0
Light = Literal["green", "amber", "red"]
_NAMES = {"green": "go", "amber": "caution", "red": "stop"}


@dataclass(frozen=True)
class Cycle:
    """The cycle of a crossing's signals: ``phases`` are (group, seconds of green) in order, at time 0 at ``start_s``."""

    phases: tuple[tuple[str, float], ...]
    start_s: float = 0.0

    def green_start_s(self, group: str) -> float:
        """When in the cycle a group's green begins."""
        begun = 0.0
        for name, green in self.phases:
            if name == group:
                return begun
            begun += green + AMBER_S + ALL_RED_S
        raise KeyError(group)

    def light(self, group: str, time_s: float) -> Light:
        """What a group sees."""
        since = self.since_green_s(group, time_s)
        green = dict(self.phases)[group]
        if since < green:
            return "green"
        return "amber" if since < green + AMBER_S else "red"

    def since_green_s(self, group: str, time_s: float) -> float:
        """Seconds since a group's green last began."""
        length = sum(green + AMBER_S + ALL_RED_S for _, green in self.phases)
        return (self.start_s + time_s - self.green_start_s(group)) % length


def state_code(light: Light, arrow: bool) -> int:
    """Index into ``contracts.driving_types.SIGNAL_STATES``."""
    return SIGNAL_STATES.index(("arrow_" if arrow else "") + _NAMES[light])
