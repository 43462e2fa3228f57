"""Contexts: 54 keys, the bins' borders, no way to see the reference."""

from __future__ import annotations

import dataclasses

import pytest

from dataset_platform.kernels.self_correction.contexts import CONTEXT_KEYS, FAILURE_MODES, Context, mode_of


def test_every_key_is_reached_and_there_are_54() -> None:
    reached = {
        Context(mode, step / 100, turn).key for mode in FAILURE_MODES for step in range(101) for turn in range(8)
    }
    assert reached == set(CONTEXT_KEYS)
    assert len(CONTEXT_KEYS) == 54


@pytest.mark.parametrize(
    ("confidence", "turn", "ending"),
    [
        (0.0, 0, "low_early"),
        (0.3999, 1, "low_early"),
        (0.4, 2, "medium_mid"),
        (0.6999, 3, "medium_mid"),
        (0.7, 4, "high_late"),
        (1.0, 99, "high_late"),
    ],
)
def test_borders(confidence: float, turn: int, ending: str) -> None:
    assert Context("unchanged_correct", confidence, turn).key == f"unchanged_correct_{ending}"


def test_the_mode_is_read_back_from_the_key() -> None:
    assert {k: mode_of(k) for k in CONTEXT_KEYS} == {
        k: next(m for m in FAILURE_MODES if k.startswith(m)) for k in CONTEXT_KEYS
    }


def test_a_context_holds_nothing_that_needs_the_reference() -> None:
    assert [f.name for f in dataclasses.fields(Context)] == ["error_mode", "confidence", "turn"]
