"""Facts of gold rows: units, what is left out, and what the path adds."""

from __future__ import annotations

import numpy as np
import pytest

from dataset_platform.contracts.driving_types import FACT
from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.keyframe_facts import sector_of
from dataset_platform_tests.kernels.reasoning.street import BEYOND, LANE, LENGTH_M, Agent, bend, facts

LEAD = Agent(3, 30.0, 0.0, 6.0)


def test_facts_carry_units_and_uncertainty_and_survive_a_table() -> None:
    known = facts(10.0, LEAD, signal=("stop", 40.0), crosswalk=(35.0, (3, 4)), stop_sign_m=60.0)
    assert known.value("ego", "speed") == 10.0 and known.word("ego", "lane_id") == str(LANE)
    assert known.word("agent:3", "sector") == "ahead" and known.value("agent:3", "gap") == 30.0 - LENGTH_M
    assert known.value("agent:3", "ttc") == pytest.approx((30 - LENGTH_M) / 4)
    assert known.word(f"signal:{BEYOND}", "state") == "stop" and known.value(f"signal:{BEYOND}", "distance") == 40.0
    assert known.word("crosswalk:80", "occupied_by") == "3,4" and known.value("stop_sign:70", "distance") == 60.0
    for fact in known.all:
        assert (fact.value is None) != (fact.word is None)
        assert fact.unit in ("m", "mps", "mps2", "s", "deg", "count", "")
        assert (fact.uncertainty is None) == (fact.unit in ("count", ""))
    assert set(known.rows()[0]) == {f.name for f in FACT}
    assert Facts.of_rows(known.rows()).all == known.all


def test_labels_of_the_future_are_no_facts() -> None:
    assert not [f for f in facts(10.0, LEAD).all if "pet" in f.quantity or f.value == 0.5]


@pytest.mark.parametrize(
    ("bearing", "sector"),
    [
        (0, "ahead"),
        (22, "ahead"),
        (23, "ahead_left"),
        (90, "left"),
        (180, "behind"),
        (-179, "behind"),
        (-45, "ahead_right"),
    ],
)
def test_sectors_are_centred_on_their_direction(bearing: float, sector: str) -> None:
    assert sector_of(bearing) == sector


def test_the_path_says_where_it_bends_and_turns() -> None:
    known = facts(8.0, path=bend(10.0, after=30.0, turn_deg=-90.0))
    assert known.value("path", "heading_change") == pytest.approx(-90, abs=2)
    assert known.value("path", "curve_radius") == pytest.approx(10.0, rel=0.1)
    assert known.value("path", "curve_distance") == pytest.approx(30.0, abs=3)
    assert known.value("path", "right_turn_from") == pytest.approx(30.0 + 10 * np.radians(30), abs=2.5)
    assert known.value("path", "left_turn_from") is None
    straight = facts(8.0)
    assert straight.value("path", "curve_radius") is None and straight.value("path", "length") > 100
    assert facts(8.0, path=np.empty((0, 2))).value("path", "length") == 0.0


def test_two_bends_are_two() -> None:
    first = bend(12.0, after=20.0, turn_deg=60.0)[:120]
    far = first[-1] + (bend(8.0, after=30.0, turn_deg=45.0) @ [[0.5, np.sqrt(0.75)], [-np.sqrt(0.75), 0.5]])
    known = facts(8.0, path=np.concatenate([first, far[1:]]))
    assert known.value("path", "curve_radius") == pytest.approx(12.0, rel=0.15)
    assert known.value("path", "curve_radius_2") == pytest.approx(8.0, rel=0.15)
    assert known.value("path", "curve_distance_2") > known.value("path", "curve_until")


def test_conflicts_are_where_and_when_ways_cross() -> None:
    walker = Agent(7, 20.0, -6.0, 1.5, np.pi / 2, "pedestrian", "crossing")
    known = facts(8.0, walker)
    assert known.value("agent:7", "conflict_distance") == pytest.approx(20.0, abs=0.6)
    assert 2.0 < known.value("agent:7", "conflict_time") < 4.0 <= known.value("agent:7", "conflict_until")
    away = Agent(7, 20.0, -6.0, 1.5, -np.pi / 2, "pedestrian", "crossing")
    assert facts(8.0, away).value("agent:7", "conflict_time") is None
    behind = Agent(7, -20.0, -6.0, 1.5, np.pi / 2, "pedestrian", "crossing")
    assert facts(8.0, behind).value("agent:7", "conflict_time") is None
    oncoming = Agent(9, 60.0, 3.5, 10.0, np.pi, "vehicle", "oncoming")
    assert facts(8.0, oncoming).value("agent:9", "conflict_time") is None
    across = facts(8.0, Agent(9, 50.0, 3.5, 10.0, np.pi, "vehicle", "oncoming"), path=bend(12.0, after=15.0))
    assert across.value("agent:9", "conflict_time") is not None, "a left turn crosses the way of who comes towards"
