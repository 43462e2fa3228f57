"""Figures of a day, its floors and its card."""

from __future__ import annotations

from typing import Any

import pytest

from dataset_platform.kernels.reasoning.quality.card import card, sample_ids
from dataset_platform.kernels.reasoning.quality.dataset import (
    dataset_figures,
    entropy_bits,
    floors,
    near_duplicate_share,
)
from dataset_platform.kernels.reasoning.settings import QualityConfig

WORDS = "the ego waits at the red arrow of its lane while a cyclist crosses and two cars stand beside it in the rain"


def trace(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "trace_id": f"{number:032x}", "frame_id": f"s:{number}", "text": f"Plan {number}.", "longitudinal": "stop",
        "lateral": "keep", "confidence": 0.9, "complexity": "SIMPLE", "generator": "rules", "route": "simple",
        "prompt_tokens": 0, "completion_tokens": 0, "cost_usd": None,
    }  # fmt: skip
    return row | changes


def judged(number: int, passed: bool = True, generator: str = "rules", **metrics: float | None) -> dict[str, Any]:
    claim = {
        "metric": "on_road",
        "level": "trajectory_plan",
        "claim": "stays",
        "stated": "off",
        "found": None,
        "passed": False,
    }
    return {
        "trace_id": f"{number:032x}", "generator": generator, "passed": passed, "judge": "not run", "claims": [claim],
        "failed_metrics": [] if passed else ["on_road"],
        "metrics": [{"metric": n, "value": v} for n, v in metrics.items()],
    }  # fmt: skip


def test_figures_of_a_day() -> None:
    traces = [
        trace(1, prompt_tokens=100, completion_tokens=20, cost_usd=0.02, generator="llm", route="escalated"),
        trace(2, longitudinal="accelerate", complexity="COMPLEX"),
        trace(3),
        trace(4, text="Plan 3."),
    ]
    quality = [judged(1, False, "llm", ade_3s_m=9.0), judged(2, ade_3s_m=1.0), judged(3, ade_3s_m=None), judged(4)]
    figures = dataset_figures(traces, quality)
    assert figures is not None
    assert figures.decision_entropy_bits == pytest.approx(0.8113, abs=1e-4)
    assert figures.complexity_shares == {"SIMPLE": 0.75, "MODERATE": 0.0, "COMPLEX": 0.25}
    assert figures.escalation_rate == 0.25 and figures.unique_trace_ratio == 0.75
    assert figures.cost_per_trace_usd == 0.02 and figures.tokens_per_trace == 30
    assert figures.pass_rates == {"llm": 0.0, "rules": 1.0}
    assert figures.means == {"ade_3s_m": 5.0}
    assert figures.confidence is not None
    assert (figures.confidence.count, figures.confidence.success_rate) == (2, 0.5)
    assert figures.confidence.brier == pytest.approx((0.81 + 0.01) / 2)
    assert figures.confidence.calibration_error == pytest.approx(0.4)
    assert dataset_figures(list(reversed(traces)), quality) == figures
    assert dataset_figures([], []) is None


def test_entropy_is_that_of_the_shares() -> None:
    assert entropy_bits({"a": 1.0}) == 0.0
    assert entropy_bits(dict.fromkeys("abcd", 0.25)) == 2.0


def test_texts_that_nearly_repeat_others_are_counted() -> None:
    other = " ".join(reversed(WORDS.split()))
    assert near_duplicate_share([WORDS, other, WORDS + " today"]) == pytest.approx(1 / 3)
    assert near_duplicate_share([WORDS, other]) == 0.0
    assert near_duplicate_share([WORDS]) == 0.0


def test_floors_and_ceilings_are_held_against_means() -> None:
    config = QualityConfig(floors={"on_road": 0.9, "lane_accuracy": 1.0}, ceilings={"future_leak": 0.0})
    rows = [judged(1, on_road=1.0, future_leak=0.0), judged(2, on_road=0.0, future_leak=0.1, lane_accuracy=None)]
    assert [str(b) for b in floors(rows, config)] == ["on_road 0.500 < 0.9", "future_leak 0.050 > 0"]
    assert floors(rows[:1], config) == []


def test_the_card_shows_figures_samples_and_pictures() -> None:
    traces = [trace(n) for n in range(1, 8)] + [trace(8, longitudinal="yield", text="Line one.\n\nLine two.")]
    quality = [judged(n, n != 5, on_road=float(n != 5), ade_3s_m=0.5) for n in range(1, 9)]
    shown = sample_ids(traces, quality)
    assert len(shown) == 5 and f"{5:032x}" in shown and f"{8:032x}" in shown
    text = card("2026-01-01", traces, quality, QualityConfig(floors={"on_road": 0.9}), {shown[0]: "scene_a.png"})
    assert "on_road | 0.875 | ≥ 0.9 **broken**" in text and "Language model as judge: not run." in text
    assert "](scene_a.png)" in text and "> Line one.\n>\n> Line two." in text
    assert card("2026-01-01", [], [], QualityConfig()) == "# Reasoning traces of 2026-01-01\n\nNo traces on this day.\n"
