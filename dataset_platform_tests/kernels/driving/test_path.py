"""The ego's lane path: over exits, at forks, off lanes, on maps without topology."""

from __future__ import annotations

import numpy as np
import pytest

from dataset_platform.kernels.driving.geometry import nearest_on_polyline
from dataset_platform.kernels.driving.lanes import LaneNetwork
from dataset_platform.kernels.driving.path import ego_routes, heading_change, path_ahead, path_coordinates
from dataset_platform.kernels.driving.scene import MapFeature
from dataset_platform.kernels.driving.settings import FeatureConfig
from dataset_platform_tests.kernels.driving.road_scenes import Mover, arc_lane, lane, scene, until

CONFIG = FeatureConfig()


def fork() -> list[MapFeature]:
    """A lane of 50 m with three exits: left (2), straight on (3), right (4), and what follows each."""
    return [
        lane(1, [(0, 0), (50, 0)], exit_lanes=(2, 3, 4, 99)),
        arc_lane(2, (50, 0), 12, 90, exit_lanes=(5,)),
        lane(3, [(50, 0), (80, 0)], exit_lanes=(6,)),
        arc_lane(4, (50, 0), 8, -90, exit_lanes=(7,)),
        lane(5, [(62, 12), (62, 80)]),
        lane(6, [(80, 0), (300, 0)]),
        lane(7, [(58, -8), (58, -80)]),
    ]


def test_path_follows_exits_and_begins_abreast_of_the_ego() -> None:
    path = path_ahead(scene(Mover(0, 10, 0.4, speed=10), features=fork()), 5, CONFIG)
    assert path.lane_ids == (1, 3, 6)
    np.testing.assert_allclose(path.points[0], [15, 0], atol=1e-6)
    np.testing.assert_allclose(path.points[-1], [15 + CONFIG.path_m, 0], atol=1e-6)
    steps = np.hypot(*np.diff(path.points, axis=0).T)
    assert (steps > 1e-4).all() and steps.max() < 0.6


@pytest.mark.parametrize(("turn", "lanes"), [(30, (1, 2, 5)), (0, (1, 3, 6)), (-45, (1, 4, 7))])
def test_close_to_a_fork_the_path_takes_the_exit_the_ego_turns_to(turn: float, lanes: tuple[int, ...]) -> None:
    ego = Mover(
        0, 44 - 8.0 * 0.9, -0.02 * turn / 45, heading_deg=-0.9 * turn * 0.5, speed=8.0, turn_deg_per_s=turn * 0.5
    )
    assert path_ahead(scene(ego, features=fork()), 9, CONFIG).lane_ids == lanes


def test_far_from_a_fork_a_swerve_does_not_choose_the_exit() -> None:
    ego = Mover(0, 5, 0, speed=8.0, turn_deg_per_s=15)
    assert path_ahead(scene(ego, features=fork()), 9, CONFIG).lane_ids == (1, 3, 6)


def test_path_does_not_look_at_what_comes_later() -> None:
    whole = scene(Mover(0, 20, 0, speed=12.0, turn_deg_per_s=10), features=fork(), steps=41)
    for index in (0, 10, 25):
        here, cut = path_ahead(whole, index, CONFIG), path_ahead(until(whole, index), index, CONFIG)
        assert here.lane_ids == cut.lane_ids
        np.testing.assert_array_equal(here.points, cut.points)


def test_off_lanes_there_is_no_path() -> None:
    path = path_ahead(scene(Mover(0, 20, 30, speed=5), features=fork()), 5, CONFIG)
    assert (path.lane_ids, path.points.shape, path.confidence) == ((), (0, 2), 0.0)


def test_circles_of_lanes_end() -> None:
    ring = [arc_lane(1, (0, 0), 20, 180, exit_lanes=(2,)), lane(2, [(0, 40), (-5, 20), (0, 0)], exit_lanes=(1,))]
    path = path_ahead(scene(Mover(0, 5, 0.6, speed=2), features=ring), 5, CONFIG)
    assert path.lane_ids == (1, 2)


def test_a_sampled_map_goes_on_in_lanes_that_begin_where_one_ends() -> None:
    pieces = [lane(1, [(0, 0), (40, 0)]), lane(2, [(42, 0.3), (90, 0.3)]), lane(3, [(41, 3.6), (90, 3.6)])]
    drawn = scene(Mover(0, 10, 0, speed=5), features=pieces, sampled=True)
    path = path_ahead(drawn, 5, CONFIG)
    assert path.lane_ids == (1, 2)
    assert 0 < path.confidence <= 0.5
    assert path_ahead(scene(Mover(0, 10, 0, speed=5), features=pieces), 5, CONFIG).lane_ids == (1,)


def test_road_coordinates_of_agents_follow_the_bend() -> None:
    features = [lane(1, [(0, 0), (50, 0)], exit_lanes=(2,)), arc_lane(2, (50, 0), 20, 90)]
    agents = [Mover(1, 20, 3.5), Mover(2, 70, 20, heading_deg=90), Mover(3, 68, 20, heading_deg=90)]
    drawn = scene(Mover(0, 10, 0), agents, features)
    routes = ego_routes(drawn, CONFIG, LaneNetwork(drawn.road_map))
    along, aside, turned = path_coordinates(routes, drawn, drawn.x, drawn.y, drawn.heading, drawn.valid)
    np.testing.assert_allclose(along[:, 0], [10, 40 + 10 * np.pi, 40 + 10 * np.pi], atol=0.1)
    np.testing.assert_allclose(aside[:, 0], [3.5, 0, 2], atol=0.05)
    np.testing.assert_allclose(turned[:, 0], 0, atol=0.06)


def test_thinned_paths_stay_within_centimetres() -> None:
    drawn = scene(Mover(0, 10, 0), features=[lane(1, [(0, 0), (50, 0)], exit_lanes=(2,)), arc_lane(2, (50, 0), 9, 90)])
    path = ego_routes(drawn, CONFIG, LaneNetwork(drawn.road_map)).path_at(0)
    assert path is not None
    thin = path.thinned
    assert len(thin.points) < len(path.points) / 2
    assert nearest_on_polyline(path.points[:, 0], path.points[:, 1], thin.points)[2].max() < 0.04


def test_heading_change_is_signed_and_limited_to_its_distance() -> None:
    bend = arc_lane(1, (0, 0), 20, -90).points[:, :2]
    assert heading_change(bend, 100) == pytest.approx(-np.pi / 2, abs=0.05)
    assert heading_change(bend, 10) == pytest.approx(-0.5, abs=0.05)
    assert heading_change(bend[:2], 10) == 0
