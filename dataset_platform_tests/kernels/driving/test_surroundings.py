"""Signals, crosswalks, stop signs and lines, on drawn roads where the answer is known."""

from __future__ import annotations

import numpy as np

from dataset_platform.contracts.driving_types import SIGNAL_STATES
from dataset_platform.kernels.driving.lanes import LaneNetwork
from dataset_platform.kernels.driving.path import Routes, ego_routes
from dataset_platform.kernels.driving.scene import MapFeature, Scene
from dataset_platform.kernels.driving.settings import FeatureConfig
from dataset_platform.kernels.driving.signals import EgoSignal, ego_signal
from dataset_platform.kernels.driving.surroundings import crosswalks, lane_lines, stop_signs
from dataset_platform_tests.kernels.driving.road_scenes import Mover, furniture, lane, scene

CONFIG = FeatureConfig()
ROAD = [
    lane(1, [(-50, 0), (40, 0)], exit_lanes=(2,)),
    lane(2, [(40, 0), (60, 0)], exit_lanes=(3,)),
    lane(3, [(60, 0), (300, 0)]),
    lane(4, [(40, 3.6), (60, 3.6)]),
]
FRONT_M = 4.5 / 2


def _routes(drawn: Scene) -> Routes:
    return ego_routes(drawn, CONFIG, LaneNetwork(drawn.road_map))


def _signal(drawn: Scene) -> EgoSignal:
    return ego_signal(drawn, _routes(drawn), CONFIG.path_m, FRONT_M)


def test_signal_is_that_of_the_path_measured_from_the_bumper() -> None:
    signals = [(4, "go", 40, 3.6), (2, "stop", 40, 0), (3, "go", 60, 0)]
    found = _signal(scene(Mover(0, 0, 0.5, speed=10), features=ROAD, signals=signals))
    assert found.signal[0] == 1
    assert SIGNAL_STATES[found.state[0]] == "stop"
    np.testing.assert_allclose(found.distance_m[:3], [40 - FRONT_M, 39 - FRONT_M, 38 - FRONT_M], atol=0.01)


def test_a_signal_whose_stop_point_is_passed_gives_way_to_the_next() -> None:
    signals = [(2, "stop", 40, 0), (3, "caution", 90, 0)]
    over_the_line = _signal(scene(Mover(0, 40 - FRONT_M + 1.5, 0), features=ROAD, signals=signals))
    assert over_the_line.signal[0] == 0 and -2 < over_the_line.distance_m[0] < 0
    passed = _signal(scene(Mover(0, 41, 0), features=ROAD, signals=signals))
    assert passed.signal[0] == 1


def test_signal_not_shown_at_a_step_or_on_another_lane_or_off_lanes_does_not_matter() -> None:
    drawn = scene(Mover(0, 0, 0), features=ROAD, signals=[(2, "stop", 40, 0)])
    drawn.signals.state[0, 3] = -1
    assert _signal(drawn).signal[[2, 3, 4]].tolist() == [0, -1, 0]
    for other in (
        scene(Mover(0, 0, 0), features=ROAD, signals=[(4, "stop", 40, 3.6)]),
        scene(Mover(0, 0, 20), features=ROAD, signals=[(2, "stop", 40, 0)]),
        scene(Mover(0, 0, 0), features=ROAD),
    ):
        assert (_signal(other).signal == -1).all() and np.isnan(_signal(other).distance_m).all()


def test_signal_without_a_stop_point_holds_where_its_lane_begins() -> None:
    found = _signal(scene(Mover(0, 0, 0), features=ROAD, signals=[(2, "stop", np.nan, np.nan)]))
    np.testing.assert_allclose(found.distance_m[0], 40 - FRONT_M)


def _zebra(feature_id: int, x: float) -> MapFeature:
    return furniture(feature_id, "crosswalk", [(x, -8), (x + 3, -8), (x + 3, 8), (x, 8)])


def test_crosswalks_on_the_path_with_who_is_on_them_or_about_to_be() -> None:
    agents = [
        Mover(1, 21, 1, heading_deg=90, speed=1.4, kind="pedestrian"),
        Mover(2, 21, -9.5, heading_deg=90, speed=1.4, kind="pedestrian"),
        Mover(3, 21, -9.5, heading_deg=-90, speed=1.4, kind="pedestrian"),
        Mover(4, 21, 4, speed=0, kind="vehicle"),
    ]
    off = furniture(11, "crosswalk", [(20, 20), (23, 20), (23, 30), (20, 30)])
    drawn = scene(Mover(0, 0, 0, speed=0), agents, [*ROAD, _zebra(10, 20), off, _zebra(12, 200)])
    found = crosswalks(drawn, _routes(drawn), 60.0, CONFIG.path_m, 4.5)
    assert [w.feature_id for w in found] == [10, 11]
    np.testing.assert_allclose(found[0].along_m[0], 20 - FRONT_M)
    np.testing.assert_allclose([found[0].longitudinal_m[0], found[0].lateral_m[0]], [20, 0], atol=1e-6)
    assert found[0].occupied[:, 0].tolist() == [True, True, False, False]
    assert np.isnan(found[1].along_m).all()


def test_a_crosswalk_is_left_only_when_the_rear_is_over_it() -> None:
    drawn = scene(Mover(0, 10, 0, speed=10), features=[*ROAD, _zebra(10, 20)])
    along = crosswalks(drawn, _routes(drawn), 60.0, CONFIG.path_m, 4.5)[0].along_m
    on_it = (drawn.ego_x >= 20 - FRONT_M + 0.5) & (drawn.ego_x <= 23 + FRONT_M - 0.5)
    assert (along[on_it] == 0).all() and on_it.any()
    assert np.isnan(along[drawn.ego_x > 23 + FRONT_M + 0.5]).all()
    assert (along[drawn.ego_x < 17] > 0).all()


def test_stop_signs_control_the_path_only_by_its_lanes() -> None:
    signs = [
        furniture(20, "stop_sign", [(41, -5)], controlled_lanes=(2,)),
        furniture(21, "stop_sign", [(38, 8)], controlled_lanes=(4,)),
    ]
    drawn = scene(Mover(0, 0, 0, speed=10), features=[*ROAD, *signs], steps=61)
    found = stop_signs(drawn, _routes(drawn), 60.0, CONFIG.path_m, 4.5)
    assert [s.feature_id for s in found] == [20, 21]
    np.testing.assert_allclose(found[0].along_m[0], 40 - FRONT_M, atol=0.01)
    assert np.isnan(found[0].along_m[drawn.ego_x > 40]).all()
    assert np.isnan(found[1].along_m).all()
    assert (found[1].longitudinal_m[0], found[1].lateral_m[0]) == (38, 8)


def test_nearest_line_on_each_side_that_runs_along_the_road() -> None:
    lines = [
        furniture(30, "road_line", [(-50, 1.8), (300, 1.8)], type="broken_single_white"),
        furniture(31, "road_edge", [(300, -2.2), (-50, -2.2)], type="edge_boundary"),
        furniture(32, "road_line", [(-50, 5.4), (300, 5.4)], type="solid_single_yellow"),
        furniture(33, "road_line", [(0.1, -1.0), (0.2, 1.0)], type="solid_single_white"),
        furniture(34, "road_edge", [(-50, -40), (300, -40)], type="edge_boundary"),
    ]
    found = lane_lines(scene(Mover(0, 0, 0.3, speed=10), features=[*ROAD, *lines]))
    assert [found.features[i].feature_id for i in found.which[:, 0]] == [30, 31]
    np.testing.assert_allclose(found.distance_m[:, 0], [1.5, 2.5])
    assert (lane_lines(scene(Mover(0, 0, 0))).which == -1).all()


def test_lines_of_a_sampled_map_are_not_joined_over_a_gap() -> None:
    line = furniture(30, "road_line", [(-50, 1.8), (-40, 1.8), (40, 1.8), (50, 1.8)], type="solid_single_white")
    assert lane_lines(scene(Mover(0, 0, 0), features=[line])).which[0, 0] == 0
    assert lane_lines(scene(Mover(0, 0, 0), features=[line], sampled=True)).which[0, 0] == -1
