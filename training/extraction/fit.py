"""Fits the model: vocabularies, the first stage of trees, and the second one on what the first said out of fold."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np

from dataset_platform.kernels.web.extraction import kinds, learned
from dataset_platform.kernels.web.extraction.model import Model
from dataset_platform.kernels.web.extraction.trees import from_lightgbm
from training.extraction import words
from training.extraction.corpus import Example

__all__ = ["Settings", "calibration", "fit", "fold_of"]

_KNOTS = 27  # of fifty pages each in WCXB
_MOST_BLOCKS = 300  # of one page: long listings would fill the training set with their like


@dataclass(frozen=True, slots=True)
class Settings:
    """What a fit depends on but for its pages."""

    folds: int = 3
    """Groups of domains for what must be computed out of fold."""
    seed: int = 1
    threads: int = 1
    kind_trees: int = 50
    first_trees: int = 180
    second_trees: int = 120
    leaves: int = 31
    learning_rate: float = 0.09

    def parameters(self) -> dict[str, Any]:
        """For LightGBM."""
        return {
            "objective": "cross_entropy",  # labels are shares
            "num_leaves": self.leaves,
            "learning_rate": self.learning_rate,
            "feature_fraction": 0.3,
            "bagging_fraction": 0.4,
            "bagging_freq": 1,
            "min_data_in_leaf": 60,
            "min_sum_hessian_in_leaf": 0.05,
            "lambda_l2": 5,
            "max_bin": 63,
            "num_threads": self.threads,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
        }

    def kind_parameters(self) -> dict[str, Any]:
        """For LightGBM, of the trees that tell kinds of pages: there are few pages."""
        return {
            **self.parameters(),
            "objective": "multiclass",
            "num_class": len(kinds.KINDS),
            "num_leaves": 12,
            "learning_rate": 0.1,
            "feature_fraction": 0.2,
            "bagging_fraction": 0.7,
            "min_data_in_leaf": 12,
            "min_sum_hessian_in_leaf": 1e-3,
            "max_bin": 31,
        }


def fold_of(domain: str, folds: int, salt: str) -> int:
    """A domain's fold, the same on every machine and whatever other domains there are."""
    return zlib.crc32(f"{salt} {domain}".encode()) % folds


def fit(pages: Sequence[Example], settings: Settings, say: Callable[[str], None] = lambda line: None) -> Model:
    """A model of these pages; nothing of other pages enters."""
    pages = [page for page in pages if len(page.share)]
    group = [fold_of(page.domain, settings.folds, f"inner {settings.seed}") for page in pages]
    found: list[learned.Rows] = [None] * len(pages)  # type: ignore[list-item]
    vocabulary = words.learn(pages)
    for number in range(settings.folds):
        known = words.learn([page for page, own in zip(pages, group, strict=True) if own != number], vocabulary)
        for place, page in enumerate(pages):
            if group[place] == number:
                found[place] = learned.features_of(page.read, known)
    say(f"features of {sum(len(page.share) for page in pages)} blocks of {len(pages)} pages")
    out_of_fold = [
        (
            [place for place, own in enumerate(group) if own != number],
            [place for place, own in enumerate(group) if own == number],
        )
        for number in range(settings.folds)
    ]
    everything = list(range(len(pages)))
    kind = _fit_kinds(pages, found, out_of_fold, settings)
    sample = [_sample(page) for page in pages]

    def boosted(places: list[int], columns: int, trees: int) -> lightgbm.Booster:
        rows = np.concatenate([found[place].rows[sample[place][0], :columns] for place in places])
        share = np.concatenate([pages[place].share[sample[place][0]] for place in places])
        weight = np.concatenate([pages[place].weights()[sample[place][0]] * sample[place][1] for place in places])
        data = lightgbm.Dataset(rows, share, weight=weight * (len(weight) / weight.sum()))
        return lightgbm.train(settings.parameters(), data, trees)

    for number, (others, own) in enumerate(out_of_fold):
        booster = boosted(others, learned.FIRST, settings.first_trees)
        for place in own:
            said = booster.predict(found[place].rows[:, : learned.FIRST], num_threads=settings.threads)
            learned.second_stage(pages[place].read, found[place], np.asarray(said, np.float32))
        say(f"first stage without group {number + 1} of {settings.folds}")
    first = boosted(everything, learned.FIRST, settings.first_trees)
    second = boosted(everything, learned.WIDTH, settings.second_trees)
    say("both stages on all groups")
    return Model(
        vocabulary,
        from_lightgbm(kind.dump_model()),
        from_lightgbm(first.dump_model()),
        from_lightgbm(second.dump_model()),
        np.array([[0.0, 1.0], [0.0, 1.0]], np.float32),
    )


def _fit_kinds(
    pages: Sequence[Example],
    found: Sequence[learned.Rows],
    out_of_fold: Sequence[tuple[list[int], list[int]]],
    settings: Settings,
) -> lightgbm.Booster:
    """Trees that tell a page's kind, fitted on all pages; the pages' rows get what trees without their group say."""
    vectors = np.array([learned.page_vector(rows) for rows in found])
    kind = np.array([kinds.KINDS.index(page.kind) for page in pages])

    def fitted(places: Sequence[int]) -> lightgbm.Booster:
        return lightgbm.train(
            settings.kind_parameters(), lightgbm.Dataset(vectors[places], kind[places]), settings.kind_trees
        )

    for others, own in out_of_fold:
        trees = from_lightgbm(fitted(others).dump_model())
        for place in own:
            kinds.add_kinds(found[place].rows, kinds.COLUMNS, vectors[place], *trees)
    return fitted(list(range(len(pages))))


def _sample(page: Example) -> tuple[np.ndarray, float]:
    """Blocks to train on and what each stands for."""
    blocks = len(page.share)
    if blocks <= _MOST_BLOCKS:
        return np.arange(blocks), 1.0
    chosen = np.random.default_rng(zlib.crc32(page.id.encode())).choice(blocks, _MOST_BLOCKS, replace=False)
    return np.sort(chosen), blocks / _MOST_BLOCKS


def calibration(expected: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Knots of a monotone line from expected to actual F1: means of equal parts of the pages, made to rise.

    Both are of pages that the model had not seen (isotonic regression by pool-adjacent-violators on bins).
    """
    order = np.argsort(expected, kind="stable")
    parts = [part for part in np.array_split(order, _KNOTS) if len(part)]
    x = np.array([expected[part].mean() for part in parts])
    y = [[actual[part].mean(), 1.0] for part in parts]
    merged: list[list[float]] = []
    for value, count in y:
        merged.append([value, count])
        while len(merged) > 1 and merged[-2][0] > merged[-1][0]:
            (low, low_count), (high, high_count) = merged[-2:]
            merged[-2:] = [[(low * low_count + high * high_count) / (low_count + high_count), low_count + high_count]]
    steps = np.repeat([value for value, _ in merged], [int(count) for _, count in merged])
    return np.array([x, steps], np.float32)
