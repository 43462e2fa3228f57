"""Synthetic scenes: reproducible, plausible, and each telling its story."""

from __future__ import annotations

import numpy as np
import pytest

from dataset_platform.contracts.driving_types import SIGNAL_STATES
from dataset_platform.demo.driving.stories import STORIES
from dataset_platform.demo.driving.world import CURRENT_STEP, ID_PREFIX, STEPS, sample_scenes, story_of
from dataset_platform.kernels.driving.geometry import to_frame, wrap_angle
from dataset_platform.kernels.driving.lanes import LaneNetwork
from dataset_platform.kernels.driving.scene import Scene
from dataset_platform.kernels.reasoning.quality.boxes import Boxes, overlap
from dataset_platform.kernels.reasoning.quality.motion import dynamics, of_log
from dataset_platform.kernels.reasoning.view_builder import future_of

SEED = 36
ARRAYS = ("times_s", "track_id", "x", "y", "heading", "velocity_x", "valid", "ego_x", "ego_y", "ego_heading")


@pytest.fixture(scope="module")
def told() -> dict[str, Scene]:
    """A scene of every story."""
    scenes = sample_scenes(len(STORIES), SEED)
    return {story_of(index, SEED).name: scene for index, scene in enumerate(scenes)}


def alike(a: Scene, b: Scene) -> bool:
    return a.scenario_id == b.scenario_id and all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True) for name in ARRAYS
    )


def test_scenes_depend_on_seed_and_number_alone() -> None:
    few, more = list(sample_scenes(2, 5)), list(sample_scenes(3, 5))
    assert all(map(alike, few, more[:2]))
    other = next(sample_scenes(1, 6))
    assert not alike(few[0], other)
    assert len({s.scenario_id for s in [*more, other]}) == 4


def test_every_story_is_told_and_marked_synthetic(told: dict[str, Scene]) -> None:
    assert set(told) == {s.name for s in STORIES}
    for scene in told.values():
        assert scene.scenario_id.startswith(ID_PREFIX)
        assert (len(scene.steps), scene.current_step) == (STEPS, CURRENT_STEP)
        assert np.isfinite(scene.ego_x).all()
        assert (np.diff(scene.track_id) > 0).all()
        assert scene.valid.any(axis=1).all()
        steps = np.diff(scene.times_s)
        assert ((steps > 0.099) & (steps < 0.101)).all()
        assert len(set(steps.round(6))) > 5
        assert scene.ego_track_id not in scene.track_id
        assert scene.tracks_to_predict <= set(scene.track_id.tolist())
    kinds = {kind for scene in told.values() for kind in scene.object_type}
    assert kinds == {"vehicle", "pedestrian", "cyclist"}


def test_nobody_drives_through_anybody(told: dict[str, Scene]) -> None:
    for name, s in told.items():
        ego = Boxes(s.ego_x, s.ego_y, s.ego_heading, s.ego_length_m, s.ego_width_m)
        others = [s.x, s.y, s.heading, s.length, s.width]
        assert not overlap(ego, Boxes(*others)).any(), name
        cars = np.flatnonzero(np.array(s.object_type) != "pedestrian")
        a, b = Boxes(*(v[cars, None] for v in others)), Boxes(*(v[None, cars] for v in others))
        touching = overlap(a, b).any(axis=2) & ~np.eye(len(cars), dtype=bool)
        assert not touching.any(), name


def test_the_ego_drives_within_comfort_limits(told: dict[str, Scene]) -> None:
    # nuPlan's six, smoothed as there
    for name, s in told.items():
        log = of_log(future_of(s, CURRENT_STEP))
        assert log is not None
        d = dynamics(log)
        assert -4.05 < d.longitudinal_acceleration.min() <= d.longitudinal_acceleration.max() < 2.4, name
        bounds = (d.lateral_acceleration, 4.89), (d.longitudinal_jerk, 4.13), (d.jerk, 8.37)
        for values, most in (*bounds, (d.yaw_rate, 0.95), (d.yaw_acceleration, 1.93)):
            assert np.abs(values).max() < most, name


def test_velocity_is_what_positions_show(told: dict[str, Scene]) -> None:
    for s in told.values():
        moved = np.hypot(np.diff(s.ego_x), np.diff(s.ego_y)) / np.diff(s.times_s)
        assert np.abs(moved - (s.ego_speed[1:] + s.ego_speed[:-1]) / 2).max() < 0.1
        course = np.arctan2(s.ego_velocity_y, s.ego_velocity_x)[s.ego_speed > 0.1]
        assert np.abs(wrap_angle(course - s.ego_heading[s.ego_speed > 0.1])).max(initial=0.0) < 1e-3


def test_the_ego_passes_no_red_light(told: dict[str, Scene]) -> None:
    met = 0
    for s in told.values():
        red = np.isin(s.signals.state, [SIGNAL_STATES.index("stop"), SIGNAL_STATES.index("arrow_stop")])
        ahead, aside = to_frame(s.signals.stop_x, s.signals.stop_y, s.ego_x, s.ego_y, s.ego_heading)
        beyond = ahead - s.ego_length_m / 2
        crosses = (beyond[:, :-1] > 0) & (beyond[:, 1:] <= 0) & (np.abs(aside[:, 1:]) < 1.0)
        # the lanes of one stop line show different lights: passing is right if one of them is not red
        crossing_steps = np.flatnonzero(crosses.any(axis=0))
        for step in crossing_steps:
            met += 1
            assert not red[crosses[:, step], step + 1].all()
    assert met > 0


def test_stories_end_as_their_names_say(told: dict[str, Scene]) -> None:
    for name in ("stop_at_red", "busy_red"):
        assert told[name].ego_speed[0] > 5.0
        assert told[name].ego_speed[-1] < 0.5
    assert told["start_on_green"].ego_speed[0] < 0.5
    assert told["start_on_green"].ego_speed[-1] > 4.0
    for name, turned in (("left_turn_on_arrow", 1.0), ("right_turn_for_pedestrian", -1.0)):
        change = np.unwrap(told[name].ego_heading)
        assert turned * (change[-1] - change[0]) > 0.3, name
    changed = told["lane_change"]
    network = LaneNetwork(changed.road_map)
    first, last = (
        network.lanes[k] for k in network.match(changed.ego_x, changed.ego_y, changed.ego_heading).lane[[0, -1]]
    )
    ahead = {first.feature_id}
    for lane in network.lanes:  # lanes come in the order in which they are driven
        if set(lane.entry_lanes) & ahead:
            ahead.add(lane.feature_id)
    assert last.feature_id not in ahead
    assert set(last.right_neighbors) & ahead
    assert told["follow_leader"].ego_speed[-1] < 0.85 * 35 * 0.44704
    assert told["brake_for_pedestrian"].ego_speed.min() < 0.7 * told["brake_for_pedestrian"].ego_speed[0]
    assert told["all_way_stop"].ego_speed.min() < 0.3
