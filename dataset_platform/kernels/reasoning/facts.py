"""The facts of a keyframe: everything a trace may state, with subject, unit and uncertainty, at or before now.

A claim that no fact supports is not grounded; what is not among the facts does not exist ("not mentioned = does not
exist", the rule of WOMD-Reasoning). Facts are made from a row of ``driving/gold_features`` by ``keyframe_facts``.

| subject | quantities |
|---|---|
| ``ego`` | speed (mps), acceleration (mps2), length (m), lane_id (word), lane_type (word), lane_offset (m), speed_limit (mps) |
| ``scene`` | vehicle_count, pedestrian_count, cyclist_count (count), risk (word), complexity (word) |
| ``agent:ID`` | type (word), distance (m), bearing (deg), sector (word), longitudinal (m), lateral (m), speed (mps), relative_heading (deg), relation (word), lane_id (word), gap (m), closing_speed (mps), ttc (s), thw (s), drac (mps2), risk (word); conflict_distance (m, along the path to where it crosses at constant velocity), conflict_time, conflict_until (s, when it is there) |
| ``signal:LANE`` | state (word), distance (m) |
| ``crosswalk:ID`` | distance (m, along the path), occupied_by (word: comma separated ids) |
| ``stop_sign:ID`` | distance (m, along the path) |
| ``path`` | length (m; 0 off lanes), heading_change (deg, over its next 60 m), curve_radius, curve_distance, curve_until (m, of its next bend; with _2 to _4 of those after it), left_turn_from, left_turn_until and the like (m, distances between which a drive along it amounts to a turn or a change of lane) |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is known. ``value`` for numbers, ``word`` for words; ``uncertainty`` is a half width."""

    subject: str
    quantity: str
    value: float | None = None
    word: str | None = None
    unit: str = ""
    uncertainty: float | None = None


class Facts:
    """The facts of one keyframe, by subject and quantity."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self.all = tuple(facts)

    @cached_property
    def _by_key(self) -> dict[tuple[str, str], Fact]:
        return {(f.subject, f.quantity): f for f in self.all}

    @cached_property
    def subjects(self) -> tuple[str, ...]:
        """All subjects, in order of first mention."""
        return tuple(dict.fromkeys(f.subject for f in self.all))

    @cached_property
    def agent_ids(self) -> tuple[int, ...]:
        """Agents that facts are known of, nearest first."""
        return tuple(int(s[6:]) for s in self.subjects if s.startswith("agent:"))

    def value(self, subject: str, quantity: str) -> float | None:
        """The number known, or None."""
        fact = self._by_key.get((subject, quantity))
        return None if fact is None else fact.value

    def word(self, subject: str, quantity: str) -> str | None:
        """The word known, or None."""
        fact = self._by_key.get((subject, quantity))
        return None if fact is None else fact.word

    def without(self, *subjects: str) -> Facts:
        """The same facts as if some subjects were not there; counts and bands of the scene are left as they are."""
        return Facts(f for f in self.all if f.subject not in subjects)

    def rows(self) -> list[dict[str, Any]]:
        """Rows of the contract's ``FACT`` type."""
        return [asdict(f) for f in self.all]

    @classmethod
    def of_rows(cls, rows: Iterable[Mapping[str, Any]]) -> Facts:
        """Facts read back from a table."""
        return cls(Fact(**row) for row in rows)
