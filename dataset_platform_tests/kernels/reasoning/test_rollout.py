"""Alternatives: each is driven out, and rejected only for what its own rollout shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dataset_platform.kernels.reasoning.planner import decide
from dataset_platform.kernels.reasoning.rollout import alternatives, holds, roll_out, violations_of
from dataset_platform.kernels.reasoning.trace import Alternative
from dataset_platform_tests.kernels.reasoning.street import BEYOND, Agent, bend, street

WALKER = Agent(7, 25.0, -3.0, 1.4, np.pi / 2, "pedestrian", "crossing")


def test_going_on_at_red_is_rejected_as_running_it() -> None:
    keyframe = street(10.0, signal=("stop", 40.0))
    first = alternatives(decide(keyframe.facts), keyframe.facts, keyframe.view)[0]
    assert (first.longitudinal, first.rejected_because, first.feature_id) == ("maintain", "red_light", BEYOND)


def test_going_on_into_someone_is_rejected_as_a_collision_with_them() -> None:
    keyframe = street(9.0, WALKER)
    first = alternatives(decide(keyframe.facts), keyframe.facts, keyframe.view)[0]
    assert first.agent_id == 7 and first.rejected_because == "collision"


@pytest.mark.parametrize(
    "keyframe",
    [
        street(0.0),
        street(0.0, signal=("stop", -1.0)),
        street(10.0, signal=("stop", 40.0)),
        street(12.0, Agent(3, 30.0, 0.0, 5.0)),
        street(13.0),
        street(9.0, WALKER),
        street(8.0, path=bend(9.0)),
        street(6.0, path=np.empty((0, 2)), limit=None),
    ],
)
def test_there_is_an_alternative_and_all_hold(keyframe) -> None:
    decision = decide(keyframe.facts)
    others = alternatives(decision, keyframe.facts, keyframe.view)
    assert others and all(holds(o, keyframe.facts, keyframe.view) for o in others)
    assert decision.actions not in [(o.longitudinal, o.lateral) for o in others]


def test_a_false_rejection_does_not_hold() -> None:
    keyframe = street(8.0, signal=("go", 40.0))
    for violation in ("collision", "red_light", "overspeed", "no_progress"):
        false = Alternative(longitudinal="maintain", lateral="keep", rejected_because=violation)
        assert not holds(false, keyframe.facts, keyframe.view)
    red = street(10.0, signal=("stop", 40.0))
    other = Alternative(longitudinal="maintain", lateral="keep", rejected_because="red_light", feature_id=999)
    assert not holds(other, red.facts, red.view)


def test_no_progress_is_to_stand_where_one_may_drive() -> None:
    free, blocked = street(10.0), street(10.0, signal=("stop", 30.0))
    standing = roll_out("stop", "keep", free.view)
    assert standing[-1].speed_mps < 0.5
    assert [s.violation for s in violations_of(standing, free.facts, free.view)] == ["no_progress"]
    assert not violations_of(roll_out("stop", "keep", blocked.view), blocked.facts, blocked.view)


def test_rollouts_begin_at_the_ego_and_do_as_named() -> None:
    view = street(10.0).view
    left = roll_out("maintain", "left_lane_change", view)
    assert (left[0].x_m, left[0].y_m) == (0.0, 0.0) and left[-1].y_m == pytest.approx(3.5, abs=0.1)
    assert roll_out("maintain", "right_turn", view)[-1].y_m < -10
    assert roll_out("accelerate", "keep", view)[-1].speed_mps > 14
    standing = replace(view, ego_speed_mps=0.0)
    assert roll_out("maintain", "keep", standing)[-1].x_m == 0.0
