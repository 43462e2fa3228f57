"""Roads and traffic of the synthetic scenes: topology holds together, drivers obey the IDM, nobody crashes."""

from __future__ import annotations

import numpy as np
import pytest

from dataset_platform.demo.driving import idm
from dataset_platform.demo.driving.curves import headings, lengths, turn
from dataset_platform.demo.driving.lights import ALL_RED_S, AMBER_S, Cycle
from dataset_platform.demo.driving.roads import Network
from dataset_platform.demo.driving.stories import STORIES
from dataset_platform.demo.driving.tracks import LATERAL_MPS2, STEP_M, Meetings, Way, track_of

NETWORKS = {story.network: story.network() for story in STORIES}


@pytest.fixture(params=list(NETWORKS), ids=lambda make: make.__name__)
def network(request: pytest.FixtureRequest) -> Network:
    return NETWORKS[request.param]


def one_driver(**values: float) -> idm.Drivers:
    given = {"headway_s": 1.5, "standstill_m": 2.0, "acceleration_mps2": 1.4, "braking_mps2": 1.6} | values
    return idm.Drivers(**{name: np.array([value]) for name, value in given.items()})


def test_lanes_join_where_they_say_they_do(network: Network) -> None:
    lanes = {f.feature_id: f for f in network.features if f.kind == "lane"}
    for lane in lanes.values():
        for after in lane.exit_lanes:
            assert lane.feature_id in lanes[after].entry_lanes
            assert np.allclose(lane.points[-1], lanes[after].points[0], atol=1e-6)
            turned = headings(lanes[after].points[:, :2])[0] - headings(lane.points[:, :2])[-1]
            assert abs((turned + np.pi) % (2 * np.pi) - np.pi) < 0.1
        assert all(lane.feature_id in lanes[left].right_neighbors for left in lane.left_neighbors)
    for route in network.routes.values():
        assert all(b in lanes[a].exit_lanes for a, b in zip(route, route[1:], strict=False))
    assert {h.lane_id for h in network.heads} <= set(lanes)
    assert len({f.feature_id for f in network.features}) == len(network.features)


def test_a_turn_ends_where_it_should_with_a_curvature_that_does_not_jump() -> None:
    line = turn(np.array([-20.0, -2.0]), 0.0, np.array([6.0, 25.0]), np.pi / 2)
    assert line[0] == pytest.approx([-20.0, -2.0])
    assert line[-1] == pytest.approx([6.0, 25.0])
    turned = headings(line)
    assert turned[0] == pytest.approx(0.0, abs=0.01)
    assert turned[-1] == pytest.approx(np.pi / 2, abs=0.01)
    curvature = np.gradient(turned, lengths(line))
    assert np.abs(np.diff(curvature)).max() < 0.02
    assert curvature.min() > -1e-3


def test_tracks_slow_down_for_their_curves() -> None:
    network = next(n for n in NETWORKS.values() if n.heads)
    track = track_of(network, Way("W.right"))
    curvature = np.abs(np.gradient(track.heading, STEP_M))
    assert (track.speed_mps**2 * curvature).max() < 1.05 * LATERAL_MPS2
    assert track.speed_mps[0] == pytest.approx(network.speed_limit_mps)
    assert [g.kind for g in track.gates] == ["signal", "crosswalk", "crosswalk"]


def test_a_driver_keeps_the_equilibrium_gap_and_the_speed_it_wants() -> None:
    driver, speed = one_driver(), np.array([12.0])
    keeping = idm.acceleration(driver, speed, np.array([16.0]), np.array([2.0 + 12.0 * 1.5]), speed)
    assert keeping == pytest.approx(0.0, abs=1e-9)
    alone = idm.acceleration(driver, np.array([16.0]), np.array([16.0]), np.array([np.inf]), np.array([0.0]))
    assert alone == pytest.approx(0.0)
    too_fast = idm.acceleration(driver, np.array([16.0]), np.array([8.0]), np.array([np.inf]), np.array([0.0]))
    assert -1.6 <= too_fast[0] < 0


def test_a_driver_stops_behind_what_stands_without_touching_it() -> None:
    driver = one_driver()
    gap, speed, hardest = 150.0, 17.0, 0.0
    for _ in range(600):
        a = idm.acceleration(driver, np.array([speed]), np.array([17.0]), np.array([gap]), np.array([0.0]))[0]
        hardest = min(hardest, a)
        after = max(0.0, speed + a * 0.1)
        gap, speed = gap - (speed + after) * 0.05, after
    assert speed < 0.05
    assert gap == pytest.approx(2.0, abs=0.4)
    assert hardest > -3.0


def test_one_group_at_a_time_has_green_or_amber() -> None:
    phases = (("a", 8.0), ("b", 20.0))
    cycle = Cycle(phases, start_s=3.0)
    shown = [(cycle.light("a", t), cycle.light("b", t)) for t in np.arange(0.0, 80.0, 0.1)]
    assert all("red" in pair for pair in shown)
    assert {light for pair in shown for light in pair} == {"green", "amber", "red"}
    assert cycle.light("a", 8.0 - 3.0 + AMBER_S - 0.01) == "amber"
    assert cycle.since_green_s("b", 8.0 - 3.0 + AMBER_S + ALL_RED_S) == pytest.approx(0.0)


def test_meetings_say_where_on_a_track_somebody_on_another_one_is() -> None:
    network = next(n for n in NETWORKS.values() if n.heads)
    tracks = [track_of(network, Way(route)) for route in ("W.through.outer", "W.right", "E.through.outer")]
    # both on the lane that the first two share, then the second one on its own way, then somebody who comes against
    positions = Meetings(tracks).positions(np.array([0, 1, 2]), np.array([40.0, 70.3, 100.0]))
    assert positions[0, 1] == pytest.approx(70.3, abs=0.1)
    assert positions[1, 0] == pytest.approx(40.0, abs=0.1)
    assert np.isnan(positions[0, 2])
    gone = Meetings(tracks).positions(np.array([0, 1, 2]), np.array([40.0, tracks[1].length_m - 20.0, 100.0]))
    assert np.isnan(gone[0, 1])
