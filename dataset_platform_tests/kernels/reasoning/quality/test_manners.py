"""Where texts place agents, and what they say the ego does."""

from __future__ import annotations

import pytest

from dataset_platform.kernels.reasoning.quality.manners import agrees, beside, stated_actions, stated_directions


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Vehicle 12 is 25.3 m away ahead to the left, at 6.0 m/s.", [("agent:12", "ahead_left")]),
        (
            "Vehicles 3, 5 and 8 wait behind the ego.",
            [("agent:3", "behind"), ("agent:5", "behind"), ("agent:8", "behind")],
        ),
        ("Pedestrian 7 stands 80° to the right.", [("agent:7", "right")]),
        ("Vehicle 2 waits behind vehicle 3, which stands ahead of it.", [("agent:3", "ahead")]),
        ("Vehicle 6 drives in the lane on the left and turns to the right.", []),
        ("Behind the ego there is nothing.", []),
    ],
)
def test_directions_are_those_beside_an_agents_name(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(d.subject, d.sector) for d in stated_directions(text)] == expected


def test_spans_of_directions_are_those_of_the_text() -> None:
    text = "It rains. Vehicle 12 is ahead to the left."
    assert [text[slice(*s)] for d in stated_directions(text) for s in d.spans] == ["ahead", "left"]


def test_sectors_next_to_each_other_are_one() -> None:
    assert beside("ahead", "ahead_right") and beside("ahead_right", "ahead") and beside("left", "left")
    assert not beside("ahead", "left") and not beside("ahead", "behind")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Plan: the ego shall slow down and keep to its lane.", ["decelerate", "keep"]),
        ("The ego shall keep its speed and change to the next lane on the left.", ["maintain", "left_lane_change"]),
        ("We brake and turn left.", ["decelerate", "left_turn"]),
        ("The ego shall stop, because vehicle 12 speeds up.", ["stop"]),
        ("To speed up and keep to the lane is ruled out: the ego would hit vehicle 12.", []),
        ("Vehicle 12 slows down. The ego waits at the stop line.", []),
        ("At the end of the plan the ego stops.", []),
        ("The ego gives way to pedestrian 7 who stops.", ["yield"]),
    ],
)
def test_actions_are_those_of_the_ego_now(text: str, expected: list[str]) -> None:
    assert [a.name for a in stated_actions(text)] == expected


def test_ways_to_slow_down_agree_and_opposites_do_not() -> None:
    assert agrees("decelerate", "stop", "keep") and agrees("stop", "yield", "keep")
    assert not agrees("accelerate", "stop", "keep") and not agrees("maintain", "accelerate", "keep")
    assert agrees("keep", "maintain", "left_turn") and not agrees("keep", "maintain", "left_lane_change")
    assert not agrees("left_turn", "maintain", "right_turn")
