"""How far a stated confidence can be believed: calibration error, Brier score, reliability table and confusion.

Bins are of equal mass, not of equal width: a classifier that is nearly always sure would otherwise be judged by one
bin (Nixon et al. 2019, "Measuring Calibration in Deep Learning", arXiv:1904.01685). Rows of one confidence always
share a bin, so no figure depends on the order of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dataset_platform.errors import InputError


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin of a reliability table: the confidences it holds (``low`` to ``high``, both seen) and what came true."""

    low: float
    high: float
    mean_confidence: float
    accuracy: float
    count: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe fields."""
        return asdict(self)


def reliability_table(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> list[Bin]:
    """Bins of about equal numbers of rows, by rising confidence.

    A confidence goes, with all rows that share it, to the bin in which the middle of those rows falls. Without ties
    the bins differ by one row at most; with heavy ties there are fewer than ``bins`` of them, none empty.

    Args:
        confidence: (n,) probabilities in [0, 1].
        correct: (n,) 0/1 or boolean; values between are taken as shares.
        bins: most bins, at least 1.

    Raises:
        InputError: no rows, shapes that differ, values out of [0, 1] or not finite, ``bins`` under 1.
    """
    confidence, correct = _checked(confidence, correct)
    if bins < 1:
        raise InputError(f"a reliability table of {bins} bins was asked for.", "Ask for one bin or more.")
    values, inverse, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    which = np.minimum((middle * bins / len(confidence)).astype(np.int64), bins - 1)
    hits = np.bincount(inverse, weights=correct, minlength=len(values))
    table = []
    for name in np.unique(which):
        held = which == name
        count = int(counts[held].sum())
        table.append(
            Bin(
                low=float(values[held][0]),
                high=float(values[held][-1]),
                mean_confidence=float(values[held] @ counts[held]) / count,
                accuracy=float(hits[held].sum()) / count,
                count=count,
            )
        )
    return table


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> float:
    """Mean over rows of |accuracy − mean confidence| of the row's bin (Naeini et al. 2015), in [0, 1].

    With n rows a perfectly calibrated classifier still measures about ``sqrt(2 p (1 − p) bins / (π n))``, where p is
    a typical confidence: 0.035 for 2,000 rows, 15 bins and p = .5. Arguments and errors as `reliability_table`.
    """
    table = reliability_table(confidence, correct, bins)
    return sum(row.count * abs(row.accuracy - row.mean_confidence) for row in table) / sum(row.count for row in table)


def brier(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Mean squared distance of confidence and what came true (Brier 1950).

    Args:
        confidence: (n,) probability that the row is right, or (n, k) probabilities of k classes.
        correct: (n,) 0/1 for the first form; (n,) class numbers in 0..k−1 for the second, whose score is the sum over
            classes and lies in [0, 2].

    Raises:
        InputError: as `reliability_table`; class numbers that are not integers in 0..k−1.
    """
    probabilities = np.asarray(confidence, dtype=np.float64)
    if probabilities.ndim == 1:
        probabilities, right = _checked(probabilities, correct)
        return float(np.mean((probabilities - right) ** 2))
    labels = np.asarray(correct)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not len(labels):
        raise InputError(
            f"probabilities of shape {probabilities.shape} do not match labels of shape {labels.shape}.",
            "Pass (n, k) probabilities and (n,) class numbers, n at least 1.",
        )
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= probabilities.shape[1]:
        raise InputError("class numbers are not integers in 0..k−1.", "Number the classes as the columns are.")
    _within_unit(probabilities, "a probability")
    truth = np.zeros_like(probabilities)
    truth[np.arange(len(labels)), labels] = 1.0
    return float(np.mean(np.sum((probabilities - truth) ** 2, axis=1)))


def confusion(true: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """Counts (k, k) int64 of rows by true label (row) and predicted label (column), in the order of ``labels``.

    Raises:
        InputError: lists of different lengths, a repeated label, or a label that ``labels`` does not name.
    """
    if len(true) != len(predicted):
        raise InputError(
            f"{len(true)} true labels do not match {len(predicted)} predicted ones.", "Pass one of each per row."
        )
    place = {label: number for number, label in enumerate(labels)}
    if len(place) != len(labels):
        raise InputError("a label is named twice.", "Name each label once.")
    unknown = (set(true) | set(predicted)) - set(place)
    if unknown:
        raise InputError(f"labels that are not among those named: {', '.join(sorted(map(str, unknown)))}.", "Name all.")
    size = len(labels)
    cells = np.fromiter((place[t] * size + place[p] for t, p in zip(true, predicted, strict=True)), np.int64, len(true))
    return np.bincount(cells, minlength=size * size).reshape(size, size)


def _checked(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    confidence = np.asarray(confidence, dtype=np.float64)
    correct = np.asarray(correct, dtype=np.float64)
    if confidence.ndim != 1 or confidence.shape != correct.shape or not len(confidence):
        raise InputError(
            f"confidences of shape {confidence.shape} do not match outcomes of shape {correct.shape}.",
            "Pass two arrays of one dimension, of equal length, of one row or more.",
        )
    _within_unit(confidence, "a confidence")
    _within_unit(correct, "an outcome")
    return confidence, correct


def _within_unit(values: np.ndarray, what: str) -> None:
    # written so that NaN fails too
    if not np.all((values >= 0) & (values <= 1)):
        raise InputError(f"{what} is not a number in [0, 1].", "Pass probabilities and 0/1 outcomes.")
