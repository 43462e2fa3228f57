"""Which language a text is in: fastText's lid.176, on the first 2,000 characters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import fasttext

MAX_CHARACTERS = 2_000
_LABEL = "__label__"
_LINE_BREAKS = re.compile(r"[\n\r\v\f\0\x85\u2028\u2029]+")


class LanguageIdentifier:
    """lid.176, loaded once per process and path.

    Args:
        model_path: the file lid.176.ftz or lid.176.bin.

    Raises:
        ValueError: the file is missing or no fastText model.
    """

    def __init__(self, model_path: str | Path) -> None:
        self.model_path = str(model_path)
        self._model = _load(self.model_path)

    def predict(self, texts: Sequence[str]) -> tuple[list[str], list[float]]:
        """The likeliest language of each text.

        Returns:
            ISO 639 codes and their probabilities (0 to 1), each as long as ``texts``. A text without any word is
            ``und`` with probability 0.
        """
        lines = [_LINE_BREAKS.sub(" ", text[:MAX_CHARACTERS]).strip() for text in texts]
        # the model's own Python wrapper breaks under NumPy 2; the compiled part beneath it does not
        labels, scores = self._model.f.multilinePredict([f"{line}\n" for line in lines], 1, 0.0, "replace")
        languages: list[str] = []
        probabilities: list[float] = []
        for line, label, score in zip(lines, labels, scores, strict=True):
            known = bool(line) and len(label) > 0
            languages.append(label[0].removeprefix(_LABEL) if known else "und")
            # softmax in single precision goes a hair above 1
            probabilities.append(min(max(float(score[0]), 0.0), 1.0) if known else 0.0)
        return languages, probabilities


@lru_cache(maxsize=2)
def _load(model_path: str) -> Any:
    # fastText prints a warning about its own return type on every load, unless told not to
    fasttext.FastText.eprint = lambda *args, **kwargs: None
    return fasttext.load_model(model_path)
