"""The shipped block model: vocabularies and two stages of trees, read from ``model.npz`` once a process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dataset_platform.errors import ConfigError
from dataset_platform.kernels.web.extraction.trees import Trees
from dataset_platform.kernels.web.extraction.vocabulary import Vocabulary

__all__ = ["MODEL_FILE", "Model", "load", "save", "shipped"]

MODEL_FILE = Path(__file__).with_name("model.npz")
FORMAT = 1


class Model(NamedTuple):
    """All that is learned."""

    vocabulary: Vocabulary
    kinds: Trees
    """Of what kind the page is; trees take turns by kind."""
    first: Trees
    """Probability of a block from its own features."""
    second: Trees
    """The same, knowing also what the first stage said of the page's other blocks."""
    calibration: np.ndarray
    """float32 (2, knots): expected F1 as the choice computes it, and as it turned out on pages not trained on."""


def save(model: Model, path: Path) -> None:
    """Write a model as compressed arrays, the same bytes for the same model."""
    arrays = {f"{part}.{name}": value for part in ("vocabulary", "kinds", "first", "second")
              for name, value in getattr(model, part)._asdict().items()}  # fmt: skip
    np.savez_compressed(path, format=np.int64(FORMAT), calibration=model.calibration, **arrays)


def load(path: Path) -> Model:
    """Read a model that ``save`` wrote.

    Raises:
        ConfigError: the file is of another format.
    """
    with np.load(path, allow_pickle=False) as arrays:
        if int(arrays["format"]) != FORMAT:
            raise ConfigError(
                f"{path} has model format {int(arrays['format'])}, this version reads {FORMAT}; "
                "fit it again with python -m training.extraction"
            )
        parts = {
            part: kind(*(np.ascontiguousarray(arrays[f"{part}.{name}"]) for name in kind._fields))
            for part, kind in (("vocabulary", Vocabulary), ("kinds", Trees), ("first", Trees), ("second", Trees))
        }
        return Model(calibration=np.ascontiguousarray(arrays["calibration"]), **parts)  # type: ignore[arg-type]


@lru_cache(maxsize=1)
def shipped() -> Model:
    """The model that comes with the package."""
    return load(MODEL_FILE)
