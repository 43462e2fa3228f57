"""Complexity: each reason holds for what it says, and the points make the bands by the settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from dataset_platform.kernels.driving.features import gold_rows
from dataset_platform.kernels.driving.scene import MapFeature
from dataset_platform.kernels.driving.settings import FeatureConfig
from dataset_platform_tests.kernels.driving.road_scenes import Mover, arc_lane, furniture, lane, provenance, scene

STRAIGHT = [lane(1, [(-100, 0), (30, 0)], exit_lanes=(2,)), lane(2, [(30, 0), (300, 0)])]
BEND = [lane(1, [(-100, 0), (30, 0)], exit_lanes=(2,)), arc_lane(2, (30, 0), 20, 60)]
EGO = Mover(0, 0, 0, speed=8)
SIGN = furniture(20, "stop_sign", [(30, -5)], controlled_lanes=(2,))


def _judge(
    agents: Sequence[Mover] = (),
    road: Sequence[MapFeature] = STRAIGHT,
    signals: Sequence[tuple[int, str, float, float]] = (),
    ego: Mover = EGO,
    **config: Any,
) -> tuple[str, list[str]]:
    drawn = scene(ego, agents, road, signals, steps=3)
    row = gold_rows(drawn, FeatureConfig(**config), provenance(drawn)).slice(0, 1).to_pylist()[0]
    return row["complexity"], row["complexity_reasons"]


def test_a_free_road_is_simple_without_a_reason() -> None:
    assert _judge() == ("SIMPLE", [])
    assert _judge([Mover(1, 60, 0, speed=9)], signals=[(2, "go", 30, 0)]) == ("SIMPLE", [])


@pytest.mark.parametrize(
    ("scenery", "reason"),
    [
        ({"agents": [Mover(1, 22, 0, speed=1)]}, "high_risk_agent"),
        ({"agents": [Mover(1, 16, 0, speed=8)]}, "medium_risk_agent"),
        ({"agents": [Mover(1, 25, -3, kind="pedestrian")]}, "vulnerable_near_path"),
        ({"agents": [Mover(1, 40, -25, heading_deg=90, speed=9)]}, "crossing_traffic"),
        ({"signals": [(2, "stop", 30, 0)]}, "signal_not_go"),
        ({"signals": [(2, "flashing_caution", 30, 0)]}, "signal_not_go"),
        ({"road": [*STRAIGHT, SIGN]}, "stop_sign"),
        ({"road": BEND}, "turn_ahead"),
        ({"agents": [Mover(i, -60 + 4 * i, 20, speed=5) for i in range(1, 27)]}, "dense_traffic"),
        ({"ego": Mover(0, 0, 10, speed=8)}, "lane_unsure"),
    ],
)
def test_each_reason_alone(scenery: dict[str, Any], reason: str) -> None:
    assert _judge(**scenery)[1] == [reason]


def test_a_pedestrian_far_off_or_behind_is_no_reason() -> None:
    far = [Mover(1, 25, -9, kind="pedestrian"), Mover(2, -5, 2, kind="pedestrian"), Mover(3, 45, 2, kind="pedestrian")]
    assert _judge(far) == ("SIMPLE", [])


def test_points_make_the_bands_by_the_settings() -> None:
    red = [(2, "stop", 30, 0)]
    walker = Mover(1, 25, -3, kind="pedestrian")
    close = Mover(2, 22, 0, speed=1)
    assert _judge(signals=red)[0] == "SIMPLE"
    assert _judge([walker])[0] == "MODERATE"
    assert _judge([walker], signals=red)[0] == "MODERATE"
    assert _judge([walker, close], signals=red) == (
        "COMPLEX",
        ["high_risk_agent", "vulnerable_near_path", "signal_not_go"],
    )
    assert _judge(signals=red, moderate_score=1)[0] == "MODERATE"
    assert _judge([walker, close], signals=red, complex_score=6)[0] == "MODERATE"


def test_many_agents_at_risk_alone_make_a_frame_moderate() -> None:
    queue = [Mover(i, 8 + 6 * i, 0, speed=8, length=4) for i in range(1, 5)]
    assert "many_risky_agents" not in _judge(queue)[1]
    complexity, reasons = _judge(queue, moderate_agents=1)
    assert complexity == "MODERATE" and reasons == ["many_risky_agents", "medium_risk_agent"]
