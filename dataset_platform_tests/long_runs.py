"""Tests that take many minutes on two cores and have not been seen to finish there: run by hand, not in CI."""

from __future__ import annotations

import os

import pytest

by_hand = pytest.mark.skipif(
    os.environ.get("DATASET_PLATFORM_LONG_TESTS") != "1",
    reason="takes many minutes on two cores: set DATASET_PLATFORM_LONG_TESTS=1",
)
