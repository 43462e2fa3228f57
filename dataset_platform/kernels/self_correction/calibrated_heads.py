"""The parts of the error classifier that are learned: logistic heads and calibrations, and their form in JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dataset_platform.errors import StateError

_LEAST = 1e-3  # no confidence is nearer to 0 or 1 than this


@dataclass(frozen=True, slots=True)
class Calibration:
    """Maps a raw probability to a calibrated one: sigmoid(slope · logit + shift), then linear between rising knots.

    Attributes:
        slope, shift: Platt's two numbers; the slope is an inverse temperature.
        knots_x, knots_y: knots of the second step; none where too few rows were there to place any.
    """

    slope: float
    shift: float
    knots_x: tuple[float, ...] = ()
    knots_y: tuple[float, ...] = ()

    def __call__(self, raw: float) -> float:
        """The calibrated probability, kept off 0 and 1."""
        value = self.platt(raw)
        if self.knots_x:
            value = float(np.interp(value, self.knots_x, self.knots_y))
        return min(max(value, _LEAST), 1 - _LEAST)

    def platt(self, raw: float) -> float:
        """The first step alone."""
        raw = min(max(raw, 1e-9), 1 - 1e-9)
        z = self.slope * math.log(raw / (1 - raw)) + self.shift
        return 1 / (1 + math.exp(-z)) if z > -700 else 0.0


@dataclass(frozen=True, slots=True)
class Head:
    """Logistic regression of k classes on f features.

    Attributes:
        weights: (f, k), of the raw features.
        bias: (k,).
        calibration: of the probability that the current answer is right.
    """

    weights: np.ndarray
    bias: np.ndarray
    calibration: Calibration

    def __call__(self, features: np.ndarray) -> list[float]:
        """Raw probabilities of the k classes for features (f,)."""
        scores = (features @ self.weights + self.bias).tolist()
        top = max(scores)
        parts = [math.exp(s - top) for s in scores]
        total = sum(parts)
        return [p / total for p in parts]


def calibration_to_dict(calibration: Calibration) -> dict[str, Any]:
    """JSON-safe fields."""
    return {
        "slope": _short(calibration.slope),
        "shift": _short(calibration.shift),
        "knots_x": [_short(x) for x in calibration.knots_x],
        "knots_y": [_short(y) for y in calibration.knots_y],
    }


def calibration_of_dict(found: Any, where: str) -> Calibration:
    """The calibration of a file.

    Raises:
        StateError: missing or non-finite numbers, or knots that do not rise.
    """
    if not isinstance(found, dict):
        raise unreadable(f"{where} has no calibration")
    x, y = (numbers_of(found.get(name), f"{where}: {name}", 1) for name in ("knots_x", "knots_y"))
    ends = numbers_of([found.get("slope"), found.get("shift")], f"{where}: slope and shift", 1)
    if len(x) != len(y) or np.any(np.diff(x) <= 0) or np.any(np.diff(y) < 0) or np.any((y < 0) | (y > 1)):
        raise unreadable(f"{where}: its calibration knots do not rise within [0, 1]")
    return Calibration(float(ends[0]), float(ends[1]), tuple(x.tolist()), tuple(y.tolist()))


def head_to_dict(head: Head, features: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    """JSON-safe fields, weights by feature name."""
    weights = {name: [_short(w) for w in row] for name, row in zip(features, head.weights.tolist(), strict=True)}
    return {
        "classes": list(classes),
        "features": list(features),
        "weights": weights,
        "bias": [_short(b) for b in head.bias.tolist()],
        "calibration": calibration_to_dict(head.calibration),
    }


def head_of_dict(found: Any, where: str, features: Sequence[str], classes: Sequence[str]) -> Head:
    """The head of a file.

    Raises:
        StateError: other features or classes than the ones named, or weights that do not fit them.
    """
    if not isinstance(found, dict):
        raise unreadable(f"it has no {where}")
    if found.get("features") != list(features) or found.get("classes") != list(classes):
        raise unreadable(f"{where} was trained on other features or classes than this version computes")
    rows = found.get("weights")
    if not isinstance(rows, dict) or set(rows) != set(features):
        raise unreadable(f"{where}: weights do not fit its features")
    weights = numbers_of([rows[name] for name in features], f"{where}: weights", 2)
    bias = numbers_of(found.get("bias"), f"{where}: bias", 1)
    if weights.shape != (len(features), len(classes)) or bias.shape != (len(classes),):
        raise unreadable(f"{where}: weights of shape {weights.shape} for {len(classes)} classes")
    return Head(weights, bias, calibration_of_dict(found.get("calibration"), where))


def numbers_of(found: Any, where: str, dimensions: int) -> np.ndarray:
    """A finite array of a file."""
    try:
        values = np.array(found, dtype=np.float64)
    except (TypeError, ValueError):
        raise unreadable(f"{where}: not numbers") from None
    if values.ndim != dimensions or not np.all(np.isfinite(values)):
        raise unreadable(f"{where}: not finite numbers, or of another shape")
    return values


def _short(value: float) -> float:
    return float(f"{value:.9g}")


def unreadable(cause: str) -> StateError:
    """The error of a classifier's file that cannot be used."""
    return StateError(
        f"This error classifier cannot be used: {cause}.",
        "Train it again (dataset-platform materialize self_correction/error_classifier), or remove its file to use the "
        "embedded default.",
    )
