"""Lane matching: against brute force over all segments, and in the cases that make it a choice."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataset_platform.kernels.driving.geometry import nearest_on_polyline
from dataset_platform.kernels.driving.lanes import MAX_OFFSET_M, LaneMatch, LaneNetwork
from dataset_platform.kernels.driving.scene import MapFeature, RoadMap
from dataset_platform_tests.kernels.driving.road_scenes import arc_lane, lane

STRAIGHT = lane(1, [(0, 0), (100, 0)])
LEFT_NEIGHBOUR = lane(2, [(0, 3.6), (100, 3.6)])
AGAINST = lane(3, [(100, 7.2), (0, 7.2)])


def _match(
    features: list[MapFeature],
    x: list[float],
    y: list[float],
    heading: list[float],
    sampled: bool = False,
    **more: Any,
) -> tuple[LaneNetwork, LaneMatch, list[int | None]]:
    network = LaneNetwork(RoadMap(tuple(features), sampled))
    found = network.match(np.array(x, float), np.array(y, float), np.array(heading, float), **more)
    return network, found, [int(network.ids[i]) if i >= 0 else None for i in found.lane]


def test_nearest_lane_that_runs_the_same_way() -> None:
    features = [STRAIGHT, LEFT_NEIGHBOUR, AGAINST]
    _, found, ids = _match(features, [50, 50, 50, 50, 50], [0.5, 3.0, 7.2, 7.2, -2.6], [0, 0, 0, np.pi, 0])
    assert ids == [1, 2, None, 3, None]
    np.testing.assert_allclose(found.offset_m[:2], [0.5, 0.6], atol=1e-9)
    np.testing.assert_allclose(found.along_m[[0, 3]], [50, 50], atol=1e-6)
    assert found.confidence[2] == 0 and np.isnan(found.offset_m[2])


def test_segments_not_samples_are_measured() -> None:
    few = MapFeature(9, "lane", "freeway", np.array([[0.0, 0.0, 0.0], [40.0, 0.0, 0.0]]))
    _, found, ids = _match([few], [19.0], [1.0], [0.0])
    assert ids == [9]
    np.testing.assert_allclose([found.offset_m[0], found.along_m[0], found.direction_dot[0]], [1.0, 19.0, 1.0])


def test_every_lane_within_reach_is_found_as_brute_force_finds_it() -> None:
    rng = np.random.default_rng(2)
    features = [lane(i, np.cumsum(rng.normal(0, 15, (4, 2)), axis=0).tolist()) for i in range(12)]
    x, y = rng.uniform(-40, 40, (2, 600))
    network = LaneNetwork(RoadMap(tuple(features)))
    matched = np.zeros(600, bool)
    # any heading will do: each position is tried with twelve
    for heading in np.arange(12) * np.pi / 6:
        matched |= network.match(x, y, np.full(600, heading)).lane >= 0
    brute = np.min([nearest_on_polyline(x, y, f.points[:, :2])[2] for f in features], axis=0)
    np.testing.assert_array_equal(matched, brute <= MAX_OFFSET_M)


def test_of_two_lanes_as_near_the_surveyed_one_is_taken() -> None:
    drawn = lane(5, [(0, 0), (100, 0)], interpolating=True)
    assert _match([drawn, STRAIGHT], [50], [0.2], [0])[2] == [1]
    assert _match([drawn], [50], [0.2], [0])[2] == [5]


def test_of_lanes_on_top_of_each_other_the_one_that_bends_as_driven_is_taken() -> None:
    features = [arc_lane(10, (0, 0), 12.0, 90), arc_lane(11, (0, 0), 12.0, -90), lane(12, [(0, 0), (20, 0)])]
    curvature = np.array([0.08, -0.08, 0.0])
    _, found, ids = _match(features, [1.0] * 3, [0.0] * 3, [0.0] * 3, curvature_per_m=curvature)
    assert ids == [10, 11, 12]
    assert (found.confidence < 0.8).all()


def test_confidence_falls_with_distance_direction_rivals_and_a_cut_off_map() -> None:
    _, near, _ = _match([STRAIGHT], [50], [0.3], [0.0])
    _, far, _ = _match([STRAIGHT], [50], [2.0], [0.0])
    _, skew, _ = _match([STRAIGHT], [50], [0.3], [0.6])
    _, rival, _ = _match([STRAIGHT, lane(4, [(0, 0.6), (100, 0.6)])], [50], [0.3], [0.0])
    _, cut, _ = _match([STRAIGHT], [50], [0.3], [0.0], sampled=True)
    assert near.confidence[0] == 1
    for less in (far, skew, rival, cut):
        assert 0 < less.confidence[0] < near.confidence[0]


def test_bike_lanes_points_and_empty_maps_match_nobody() -> None:
    bike = lane(6, [(0, 0), (100, 0)], type="bike_lane")
    point = lane(7, [(5, 0), (5, 0)])
    assert _match([bike, point], [5, np.nan], [0, 0], [0, 0])[2] == [None, None]
    assert _match([], [5], [0], [0])[2] == [None]


def test_samples_of_a_cut_off_map_are_not_joined_over_a_gap() -> None:
    points = STRAIGHT.points[np.r_[0:40, 160:200]]
    gap = MapFeature(1, "lane", "surface_street", points)
    assert _match([gap], [10, 50, 90], [0, 0, 0], [0, 0, 0], sampled=True)[2] == [1, None, 1]
    assert _match([gap], [50], [0], [0], sampled=False)[2] == [1]


def test_shape_of_the_positions_is_kept() -> None:
    network = LaneNetwork(RoadMap((STRAIGHT,)))
    found = network.match(np.full((3, 4), 50.0), np.zeros((3, 4)), np.zeros((3, 4)))
    assert found.lane.shape == found.confidence.shape == (3, 4)


def test_one_stray_point_far_away_costs_nothing() -> None:
    stray = MapFeature(9, "lane", "surface_street", np.array([[0, 30, 0], [50, 30, 0], [1e9, 1e9, 0], [60, 30, 0.0]]))
    network, found, ids = _match([STRAIGHT, stray], [50, 25], [0.5, 30.2], [0, 0])
    assert ids == [1, 9]
    held = sum(a.nbytes for a in vars(network).values() if isinstance(a, np.ndarray))
    assert held < 1e6
