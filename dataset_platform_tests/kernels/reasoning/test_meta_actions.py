"""Meta-actions of trajectories: what is named for which motion, whatever the frame and the sampling."""

from __future__ import annotations

import numpy as np
import pytest

from dataset_platform.kernels.reasoning.meta_actions import agrees, lateral_of, longitudinal_of, meta_actions_of


def _drive(speed, curvature=lambda s: 0 * s, seconds: float = 8.0, step: float = 0.1):
    t = np.arange(0.0, seconds + step / 2, step)
    v = np.broadcast_to(np.asarray(speed(t), float), t.shape)
    s = np.concatenate([[0.0], np.cumsum((v[1:] + v[:-1]) / 2 * step)])
    k = curvature(s)
    heading = np.concatenate([[0.0], np.cumsum((k[1:] + k[:-1]) / 2 * np.diff(s))])
    x = np.concatenate([[0.0], np.cumsum(np.diff(s) * np.cos(heading[:-1]))])
    y = np.concatenate([[0.0], np.cumsum(np.diff(s) * np.sin(heading[:-1]))])
    return t, x, y, heading, v


@pytest.mark.parametrize(
    ("speed", "named"),
    [
        (lambda t: 10 + 0 * t, "maintain"),
        (lambda t: 10 + 0.5 * t, "accelerate"),
        (lambda t: 10 - 0.5 * t, "decelerate"),
        (lambda t: np.maximum(10 - 2 * t, 0), "stop"),
        (lambda t: 0 * t, "stop"),
        (lambda t: np.maximum(t - 5, 0), "stop"),  # waits, then goes
        (lambda t: 1.5 * t, "accelerate"),  # goes at once
    ],
)
def test_motion_along_the_road(speed, named: str) -> None:
    t, *_, v = _drive(speed)
    assert longitudinal_of(t, v) == named


@pytest.mark.parametrize("sign", [1, -1])
def test_motion_across_the_road(sign: int) -> None:
    side = "left" if sign > 0 else "right"
    _, x, y, heading, _ = _drive(lambda t: 8 + 0 * t, lambda s: sign * np.where((s > 15) & (s < 30), 0.1, 0))
    assert lateral_of(x, y, heading) == f"{side}_turn"
    swing = lambda s: sign * 0.01 * np.sin(s / 40 * 2 * np.pi) * (s < 40)  # noqa: E731
    _, x, y, heading, _ = _drive(lambda t: 8 + 0 * t, swing)
    assert abs(heading[-1]) < 0.02 and abs(y[-1]) > 2
    assert lateral_of(x, y, heading) == f"{side}_lane_change"


@pytest.mark.parametrize("after", [0.0, 40.0, 60.0])
def test_a_gentle_bend_is_no_change_of_lane(after: float) -> None:
    _, x, y, heading, _ = _drive(lambda t: 12 + 0 * t, lambda s: np.where(s > after, 0.005, 0))
    assert abs(y[-1]) > 2 and lateral_of(x, y, heading) == "keep"


def test_headings_of_a_standing_vehicle_say_nothing() -> None:
    t = np.arange(0, 8.05, 0.1)
    noise = np.random.default_rng(0).normal(0, 1.0, len(t))
    assert meta_actions_of(t, 1e-4 * noise, 1e-4 * noise, noise, np.abs(noise) * 1e-3) == ("stop", "keep")


def test_the_frame_and_the_sampling_do_not_matter() -> None:
    t, x, y, heading, v = _drive(lambda t: np.maximum(9 - 1.5 * t, 0), lambda s: np.where(s > 10, 0.05, 0))
    named = meta_actions_of(t, x, y, heading, v)
    assert named == ("stop", "left_turn")
    c, s, a = np.cos(2.5), np.sin(2.5), 2.5
    turned = (heading + a + np.pi) % (2 * np.pi) - np.pi
    assert meta_actions_of(t + 7, c * x - s * y + 900, s * x + c * y - 50, turned, v) == named
    assert meta_actions_of(t[::5], x[::5], y[::5], heading[::5], v[::5]) == named


def test_to_yield_is_to_slow_down() -> None:
    assert agrees(("yield", "keep"), ("stop", "keep")) and agrees(("yield", "keep"), ("decelerate", "keep"))
    assert not agrees(("yield", "keep"), ("maintain", "keep"))
    assert not agrees(("yield", "keep"), ("stop", "left_turn"))
    assert not agrees(("stop", "keep"), ("decelerate", "keep"))
