"""What agents are to the ego and how close they come, on drawn roads where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from dataset_platform.contracts.driving_types import RELATIONS, RISK_BANDS
from dataset_platform.kernels.driving.agents import AgentFeatures, agent_features, ego_size
from dataset_platform.kernels.driving.lanes import LaneNetwork
from dataset_platform.kernels.driving.path import ego_routes
from dataset_platform.kernels.driving.pet import post_encroachment_time
from dataset_platform.kernels.driving.scene import Scene
from dataset_platform.kernels.driving.settings import FeatureConfig
from dataset_platform_tests.kernels.driving.road_scenes import Mover, arc_lane, lane, scene

CONFIG = FeatureConfig()
ROAD = [
    lane(1, [(-100, 0), (60, 0)], exit_lanes=(2,)),
    lane(2, [(60, 0), (200, 0)]),
    lane(3, [(-100, 3.6), (200, 3.6)]),
    lane(4, [(200, 7.2), (-100, 7.2)]),
    lane(5, [(30, -100), (30, 100)]),
]


def _features(drawn: Scene) -> AgentFeatures:
    network = LaneNetwork(drawn.road_map)
    return agent_features(drawn, ego_routes(drawn, CONFIG, network), network, CONFIG.radius_m, CONFIG.path_m)


def _relation(agent: Mover, ego: Mover | None = None, sampled: bool = False) -> str:
    drawn = scene(ego or Mover(0, 0, 0, speed=10), [agent], ROAD, steps=13, sampled=sampled)
    return RELATIONS[_features(drawn).relation[0, 12]]


@pytest.mark.parametrize(
    ("agent", "relation"),
    [
        (Mover(1, 25, 0.3, speed=8), "lead"),
        (Mover(1, 70, 0, speed=0), "lead"),
        (Mover(1, 25, 0.5, speed=5, kind="cyclist"), "lead"),
        (Mover(1, 30, 0.3, speed=0.0, kind="pedestrian"), "other"),
        (Mover(1, -20, 0, speed=8), "following"),
        (Mover(1, 10, 3.6, speed=9), "adjacent"),
        (Mover(1, 40, 7.2, heading_deg=180, speed=9), "oncoming"),
        (Mover(1, 30, -30, heading_deg=90, speed=10), "crossing"),
        (Mover(1, 30, -12, heading_deg=90, speed=10), "crossing"),
        (Mover(1, 30, 30, heading_deg=90, speed=10), "other"),
        (Mover(1, 30, -4, heading_deg=90, speed=1.4, kind="pedestrian"), "crossing"),
        (Mover(1, 30, -4, heading_deg=90, speed=0.0, kind="pedestrian"), "other"),
        (Mover(1, 30, -2.2), "parked"),
        (Mover(1, 30, 10.5, heading_deg=170), "parked"),
        (Mover(1, 30, 3.6), "adjacent"),
        (Mover(1, -30, -30, heading_deg=45, speed=0.0), "parked"),
    ],
)
def test_relation(agent: Mover, relation: str) -> None:
    assert _relation(agent) == relation


def test_crossing_traffic_in_the_corridor_is_no_lead_whatever_its_distance() -> None:
    for ahead in (8, 15, 23.75, 40):
        road = [*ROAD, lane(6, [(ahead, -100), (ahead, 100)])]
        drawn = scene(Mover(0, 0, 0), [Mover(1, ahead, -15, heading_deg=90, speed=13.6)], road, steps=25)
        assert (_features(drawn).lead == -1).all()


def test_traffic_across_that_enters_the_exit_far_round_the_corner_is_no_lead_but_a_car_turning_ahead_is() -> None:
    road = [
        lane(1, [(-50, 0), (20, 0)], exit_lanes=(2,)),
        arc_lane(2, (20, 0), 20, 90, exit_lanes=(3,)),
        lane(3, [(40, 20), (40, 200)], entry_lanes=(2, 4)),
        lane(4, [(40, -100), (40, 20)], exit_lanes=(3,)),
    ]
    across = scene(Mover(0, 12, 0), [Mover(1, 40, -10, heading_deg=90, speed=15)], road, steps=60)
    assert (_features(across).lead == -1).all()
    ahead = Mover(1, 20 + 20 * np.sin(0.9), 20 * (1 - np.cos(0.9)), np.degrees(0.9), 4, turn_deg_per_s=np.degrees(0.2))
    turning = scene(Mover(0, 12, 0, speed=3), [ahead], road)
    assert (_features(turning).lead[:8] == 0).all()


def test_a_standing_car_off_lanes_of_a_cut_off_map_is_not_called_parked() -> None:
    assert _relation(Mover(1, 30, 12)) == "parked"
    assert _relation(Mover(1, 30, 12), sampled=True) == "other"


def test_standing_needs_a_past_that_stood() -> None:
    braked = scene(Mover(0, 0, 0), [Mover(1, 30, -2.2, speed=3)], ROAD, steps=31)
    for grid in (braked.x, braked.velocity_x):
        grid[0, 15:] = 0 if grid is braked.velocity_x else grid[0, 15]
    relation = _features(braked).relation[0]
    parked = RELATIONS.index("parked")
    assert (relation[:25] != parked).all() and (relation[26:] == parked).all()


def test_measures_of_a_lead_are_those_of_the_gap_between_bumpers() -> None:
    drawn = scene(Mover(0, 0, 0, speed=10, length=5.0), [Mover(1, 34.5, 0, speed=4, length=4.0)], ROAD, steps=2)
    found = _features(drawn)
    gap = 34.5 - 4.5
    assert found.lead[0] == 0
    np.testing.assert_allclose(found.gap_m[0, 0], gap)
    np.testing.assert_allclose(found.ttc_s[0, 0], gap / 6)
    np.testing.assert_allclose(found.thw_s[0, 0], gap / 10)
    np.testing.assert_allclose(found.drac_mps2[0, 0], 36 / (2 * gap))
    np.testing.assert_allclose(found.closing_speed_mps[0, 0], 6)


def test_the_nearest_of_several_leads_is_the_lead_and_without_it_the_next() -> None:
    agents = [Mover(1, 60, 0, speed=9), Mover(2, 25, 0.4, speed=9), Mover(3, 12, 3.6, speed=9)]
    assert _features(scene(Mover(0, 0, 0, speed=9), agents, ROAD)).lead[0] == 1
    assert _features(scene(Mover(0, 0, 0, speed=9), agents[::2], ROAD)).lead[0] == 0


def test_gap_follows_a_bent_path_not_the_crow() -> None:
    road = [lane(1, [(0, 0), (20, 0)], exit_lanes=(2,)), arc_lane(2, (20, 0), 20, 90)]
    drawn = scene(Mover(0, 10, 0, speed=5), [Mover(1, 34.1, 5.9, heading_deg=45, speed=5)], road, steps=2)
    found = _features(drawn)
    assert RELATIONS[found.relation[0, 0]] == "lead"
    np.testing.assert_allclose(found.gap_m[0, 0], 10 + 20 * np.pi / 4 - 4.5, atol=0.2)


def test_a_collision_course_across_has_its_contact_time_and_band() -> None:
    # both reach (30, 0) after 3 s; boxes touch earlier by half their sizes
    drawn = scene(Mover(0, 0, 0, speed=10), [Mover(1, 30, -30, heading_deg=90, speed=10)], ROAD, steps=2)
    found = _features(drawn)
    assert 2.3 < found.ttc_s[0, 0] < 3.0
    assert RISK_BANDS[found.risk[0, 0]] == "high"
    assert np.isnan(found.gap_m[0, 0]) and np.isnan(found.thw_s[0, 0])
    later = scene(Mover(0, 0, 0, speed=10), [Mover(1, 30, -60, heading_deg=90, speed=10)], ROAD, steps=2)
    assert np.isnan(_features(later).ttc_s[0, 0])


def test_cars_beside_a_bend_are_no_obstacles_but_one_in_it_is() -> None:
    road = [arc_lane(1, (0, 0), 30, 120), lane(2, [(-50, 0), (0, 0)], exit_lanes=(1,))]
    ego = Mover(0, 0.5, 0, speed=9)
    beside = scene(ego, [Mover(1, 25, 3.0, heading_deg=20)], road, steps=2)
    angle = 0.9
    within = scene(ego, [Mover(1, 30 * np.sin(angle), 30 * (1 - np.cos(angle)), np.degrees(angle))], road, steps=2)
    oncoming_lane = Mover(1, 26.4 * np.sin(angle), 30 - 26.4 * np.cos(angle), np.degrees(angle) + 180, 9)
    assert np.isnan(_features(beside).ttc_s[0, 0])
    assert _features(within).ttc_s[0, 0] < 3
    assert np.isnan(_features(scene(ego, [oncoming_lane], road, steps=2)).ttc_s[0, 0])


def test_agents_outside_the_radius_or_not_valid_are_not_shown() -> None:
    drawn = scene(Mover(0, 0, 0), [Mover(1, 79, 0), Mover(2, 81, 0), Mover(3, 20, 0)], ROAD)
    drawn.valid[2, 5:] = False
    for grid in (drawn.x, drawn.y, drawn.heading, drawn.velocity_x, drawn.velocity_y, drawn.length, drawn.width):
        grid[2, 5:] = np.nan
    found = _features(drawn)
    assert found.placed.shown[:, 4].tolist() == [True, False, True]
    assert found.placed.shown[:, 5].tolist() == [True, False, False]
    assert (found.lead[4], found.lead[5]) == (2, 0)


def test_nobody_around_and_no_map() -> None:
    found = _features(scene(Mover(0, 0, 0, speed=3)))
    assert found.relation.shape == (0, 31) and (found.lead == -1).all()
    alone = scene(Mover(0, 0, 0, speed=10), [Mover(1, 30, 0.5, speed=2), Mover(2, 30, 4, speed=2)])
    assert _features(alone).lead[0] == 0


def test_post_encroachment_time_is_the_time_between_leaving_and_arriving() -> None:
    # the ego's box covers the crossing point from 1.775 s on, after the pedestrian's has left it at 1.4 s or so
    ego = Mover(0, -20, 0, speed=10, length=4.5, width=2.0)
    walker = Mover(1, 0, -1.5, heading_deg=90, speed=3.0, kind="pedestrian", length=0.6, width=0.6)
    drawn = scene(ego, [walker], steps=61)
    pet = post_encroachment_time(drawn, *ego_size(drawn))
    leaves, arrives = (1.5 + 1 + 0.3) / 3.0, (20 - 2.25 - 0.3) / 10
    assert pet[0, 0] == pytest.approx(arrives - leaves, abs=0.21)
    over = int(np.ceil(arrives / 0.1)) + 12
    assert np.isnan(pet[0, over:]).all()
    known = pet[0, : int(leaves / 0.1)]
    assert (np.diff(known) >= 0).all()


def test_post_encroachment_time_is_not_defined_for_followers_and_strangers() -> None:
    agents = [Mover(1, 12, 0, speed=10), Mover(2, 12, 3.6, speed=10), Mover(3, 500, 0, heading_deg=90, speed=10)]
    drawn = scene(Mover(0, 0, 0, speed=10), agents, steps=61)
    assert np.isnan(post_encroachment_time(drawn, *ego_size(drawn))).all()
