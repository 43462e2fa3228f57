"""Cross-validation over domains: each page is scored by a model that saw no page of its domain, in any of its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np

from dataset_platform.kernels.web.extraction import learned
from dataset_platform.kernels.web.extraction.model import Model
from training.extraction.corpus import Example
from training.extraction.fit import Settings, fit, fold_of
from training.extraction.scores import word_f1

__all__ = ["Outcomes", "across_domains", "apply"]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """A cross-validation's outcome, page by page."""

    id: list[str]
    kind: list[str]
    f1: np.ndarray
    expected: np.ndarray
    """float64: the model's own estimate, uncalibrated; NaN where it gave none."""

    def mean(self) -> float:
        """Word F1, the mean over pages."""
        return float(self.f1.mean())

    def figures(self) -> dict[str, object]:
        """Mean word F1 over all pages and by kind."""
        kinds = np.array(self.kind)
        by_kind = {kind: round(float(self.f1[kinds == kind].mean()), 4) for kind in sorted(set(self.kind))}
        known = ~np.isnan(self.expected)
        correlation = float(np.corrcoef(self.expected[known], self.f1[known])[0, 1])
        return {
            "word_f1": round(self.mean(), 4),
            "by_kind": by_kind,
            "expected_f1_mean": round(float(self.expected[known].mean()), 4),
            "expected_f1_correlation": round(correlation, 3),
        }

    def confidence(self) -> tuple[np.ndarray, np.ndarray]:
        """Expected and actual F1 of the pages that have both."""
        known = ~np.isnan(self.expected)
        return self.expected[known], self.f1[known]


def apply(page: Example, model: Model) -> tuple[str, float | None]:
    """The text and the expected F1 that a model gives a page."""
    return learned.extracted(page.html, model)


def across_domains(
    web: Sequence[Example],
    also: Sequence[Example],
    folds: int,
    settings: Settings,
    processes: int,
    say: Callable[[str], None],
) -> Outcomes:
    """Word F1 of every page of ``web``; ``also`` joins the training pages where its domains allow."""
    rows: list[Row] = []
    task = partial(_fold, web, also, folds, settings)
    # forked, so that the pages need not be copied; nothing here has started a thread yet
    with ProcessPoolExecutor(processes, get_context("fork"), _share, (task,)) as pool:
        for number, found in enumerate(pool.map(_run, range(folds))):
            rows += found
            say(f"fold {number + 1} of {folds}: word F1 so far {np.mean([row[2] for row in rows]):.4f}")
    ids, kinds, f1, expected = zip(*rows, strict=True)
    return Outcomes(list(ids), list(kinds), np.array(f1), np.array(expected))


Row = tuple[str, str, float, float]
_task: Callable[[int], list[Row]] | None = None


def _share(task: Callable[[int], list[Row]]) -> None:
    global _task
    _task = task


def _run(number: int) -> list[Row]:
    assert _task is not None
    return _task(number)


def _fold(web: Sequence[Example], also: Sequence[Example], folds: int, settings: Settings, number: int) -> list[Row]:
    """Id, kind, word F1 and expected F1 of one fold's pages, by a model of the others."""
    model = fit([page for page in [*web, *also] if fold_of(page.domain, folds, "outer") != number], settings)
    rows: list[Row] = []
    for page in web:
        if fold_of(page.domain, folds, "outer") == number:
            text, expected = apply(page, model)
            rows.append((page.id, page.kind, word_f1(text, page.gold), np.nan if expected is None else expected))
    return rows
