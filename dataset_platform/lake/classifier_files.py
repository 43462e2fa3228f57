"""The frozen error classifier below ``artifacts/self_correction/error_classifier/``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from dataset_platform.lake import storage
from dataset_platform.settings import join

MODEL = "classifier.json"
TRAINING = "training.json"


@dataclass(frozen=True)
class ClassifierFiles:
    """The classifier and how it came to be (None: it was put there by hand)."""

    model: bytes
    training: dict[str, Any] | None


def folder(artifacts: str) -> str:
    """Where the classifier lies."""
    return join(artifacts, "self_correction", "error_classifier")


def read(artifacts: str) -> ClassifierFiles | None:
    """The classifier, or None when there is none yet."""
    root = folder(artifacts)
    try:
        model = storage.read_bytes(join(root, MODEL))
    except FileNotFoundError:
        return None
    try:
        training = json.loads(storage.read_bytes(join(root, TRAINING)))
    except FileNotFoundError:
        training = None
    return ClassifierFiles(model, training)


def write(artifacts: str, model: bytes, training: dict[str, Any]) -> None:
    """Put a classifier in place; the note on its training last, so that a killed run trains again.

    Until then a note without a key stands there: a classifier without any note is one that was put there by hand.
    """
    root = folder(artifacts)
    storage.write_bytes(join(root, TRAINING), b'{"pending": true}')
    storage.write_bytes(join(root, MODEL), model)
    storage.write_bytes(join(root, TRAINING), json.dumps(training, indent=1, sort_keys=True).encode())
