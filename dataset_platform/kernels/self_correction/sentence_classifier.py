"""The error classifier with a sentence encoder: embeddings of both answers and the prompt beside the plain features.

A small torch network is the head of each kind of turn; the failure modes, the calibration and the file's form are those
of `classifier`. The encoder (Reimers & Gurevych 2019, arXiv:1908.10084) stays frozen, and the file names it instead of
holding it. Extra ``models``; the head's numbers are a NumPy archive, in which nothing can be executed.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from dataset_platform.errors import ConfigError, StateError
from dataset_platform.kernels.self_correction.answer_features import (
    FIRST_TURN_NAMES,
    LATER_TURN_NAMES,
    AnswerFacts,
    answer_facts,
    pair_features,
    same_answer,
    same_text,
)
from dataset_platform.kernels.self_correction.calibrated_heads import (
    Calibration,
    calibration_of_dict,
    calibration_to_dict,
    unreadable,
)
from dataset_platform.kernels.self_correction.calibration import calibrate
from dataset_platform.kernels.self_correction.classifier import (
    FIRST_TURN_CLASSES,
    FORMAT,
    ErrorClassifier,
    Judgement,
    judgement_of_first,
    judgement_of_later,
)
from dataset_platform.kernels.self_correction.labels import TRANSITIONS

if TYPE_CHECKING:
    from dataset_platform.kernels.self_correction.classifier_training import ClassifierConfig, Split

Row = tuple[str, str, str | None]
Arrays = dict[str, np.ndarray]

_HIDDEN = 64
_DROPOUT = 0.3
_BATCH = 64
_EMBEDDING_WEIGHT = 4.0
_KINDS = {"first_turn": len(FIRST_TURN_CLASSES), "later_turns": len(TRANSITIONS)}
_ARRAYS = ("mean", "scale", "hidden_weights", "hidden_bias", "weights", "bias")


class SentenceClassifier(ErrorClassifier):
    """A trained classifier whose features include embeddings.

    Args:
        encoder: hub id or folder of the sentence encoder.
        dimension: of its embeddings.
        arrays: of each head; ``hidden_weights`` (f, h), ``weights`` (h, k) and their biases, ``mean`` and ``scale`` (f,).
        calibrations: of each head.
    """

    def __init__(
        self,
        encoder: str,
        dimension: int,
        arrays: Mapping[str, Arrays],
        calibrations: Mapping[str, Calibration],
        provenance: Mapping[str, Any],
        fingerprint: str,
    ) -> None:
        self.encoder = encoder
        self.dimension = dimension
        self.arrays = dict(arrays)
        self.calibrations = dict(calibrations)
        self.provenance = dict(provenance)
        self.fingerprint = fingerprint

    def judge(self, first: str, current: str, prompt: str | None) -> Judgement:
        """As `ErrorClassifier.judge`; milliseconds, those of the encoder."""
        return self.judge_many([(first, current, prompt)])[0]

    def judge_facts(self, first: AnswerFacts, current: AnswerFacts, prompt: str | None) -> Judgement:
        """As `judge`, from facts that the caller has computed."""
        return self.judge(first.text, current.text, prompt)

    def judge_many(self, rows: Sequence[Row]) -> list[Judgement]:
        """Judgements of (first, current, prompt) rows, in their order; texts are encoded together.

        Raises:
            StateError: the encoder gives embeddings of another dimension than in training.
            ConfigError: the encoder cannot be loaded.
        """
        judged: dict[int, Judgement] = {}
        for kind in _KINDS:
            places = [i for i, row in enumerate(rows) if (row[2] is None) == (kind == "first_turn")]
            if not places:
                continue
            inputs, facts = _inputs(self.encoder, [rows[i] for i in places], kind)
            if inputs.shape[1] != len(self.arrays[kind]["mean"]):
                raise unreadable(f"{self.encoder} gives embeddings of another dimension than {self.dimension}")
            for i, raw, (a, b) in zip(places, _probabilities(self.arrays[kind], inputs).tolist(), facts, strict=True):
                calibration = self.calibrations[kind]
                if kind == "first_turn":
                    judged[i] = judgement_of_first(calibration(raw[1]))
                else:
                    judged[i] = judgement_of_later(raw, calibration, same_answer(a, b), same_text(a, b))
        return [judged[i] for i in range(len(rows))]


def train_sentence_classifier(split: Split, config: ClassifierConfig) -> Callable[[dict[str, Any]], bytes]:
    """Both heads, trained and calibrated, ready to be written down with their provenance.

    Raises:
        ConfigError: the extra is not installed, or the encoder cannot be loaded.
    """
    from dataset_platform.kernels.self_correction import classifier_training as training

    arrays: dict[str, Arrays] = {}
    calibrations: dict[str, Calibration] = {}
    for kind, classes in _KINDS.items():
        of_kind = training.first_turns if kind == "first_turn" else training.later_turns
        fitted, kept_back = of_kind(split.training), of_kind(split.calibration)
        right = np.array([int(t.correct) for t in fitted])
        target = right if kind == "first_turn" else training.transitions_of(fitted)
        inputs, _ = _inputs(config.encoder, [(t.first_answer, t.answer, t.asked) for t in fitted], kind)
        arrays[kind] = _fit(inputs, target, classes, config)
        inputs, _ = _inputs(config.encoder, [(t.first_answer, t.answer, t.asked) for t in kept_back], kind)
        raw = np.array([training.right_share(p) for p in _probabilities(arrays[kind], inputs).tolist()])
        calibrations[kind] = calibrate(raw, np.array([float(t.correct) for t in kept_back]))
    dimension = len(arrays["first_turn"]["mean"]) - len(FIRST_TURN_NAMES)
    return lambda provenance: _dump(config.encoder, dimension, arrays, calibrations, provenance)


def load_sentence_classifier(document: Mapping[str, Any], fingerprint: str) -> SentenceClassifier:
    """The classifier of a parsed file; its encoder is loaded at the first judgement.

    Raises:
        StateError: the document is damaged or of other features, or sentence-transformers is not installed.
    """
    encoder, dimension = document.get("encoder"), document.get("dimension")
    if not isinstance(encoder, str) or not isinstance(dimension, int):
        raise unreadable("it does not name its encoder and the dimension of its embeddings")
    if document.get("features") != {"first_turn": list(FIRST_TURN_NAMES), "later_turns": list(LATER_TURN_NAMES)}:
        raise unreadable("it was trained on other features than this version computes")
    try:
        packed = base64.b64decode(document.get("arrays", ""), validate=True)
        with np.load(io.BytesIO(packed), allow_pickle=False) as archive:
            found = {name: archive[name].astype(np.float64) for name in archive.files}
    except (binascii.Error, zipfile.BadZipFile, ValueError, TypeError, OSError, EOFError, KeyError):
        raise unreadable("its arrays are damaged") from None
    arrays: dict[str, Arrays] = {}
    for kind, classes in _KINDS.items():
        if any(f"{kind}.{name}" not in found for name in _ARRAYS):
            raise unreadable(f"arrays of {kind} are missing")
        of_kind = {name: found[f"{kind}.{name}"] for name in _ARRAYS}
        shapes = {name: a.shape for name, a in of_kind.items()}
        wide = _width(kind, dimension)
        hidden = of_kind["hidden_bias"].shape
        wanted = {
            "mean": (wide,),
            "scale": (wide,),
            "hidden_weights": (wide, *hidden),
            "hidden_bias": hidden,
            "weights": (*hidden, classes),
            "bias": (classes,),
        }
        if shapes != wanted or not all(np.all(np.isfinite(a)) for a in of_kind.values()):
            raise unreadable(f"arrays of {kind} do not fit each other")
        arrays[kind] = of_kind
    stored = document.get("calibrations")
    calibrations = {k: calibration_of_dict(stored.get(k) if isinstance(stored, dict) else None, k) for k in _KINDS}
    if find_spec("sentence_transformers") is None:
        raise StateError(
            f"This error classifier reads answers with {encoder}, and sentence-transformers is not installed.",
            "Install it: pip install 'dataset-platform[models]'; or train a classifier of kind linear.",
        )
    return SentenceClassifier(encoder, dimension, arrays, calibrations, document["provenance"], fingerprint)


def _dump(
    encoder: str,
    dimension: int,
    arrays: Mapping[str, Arrays],
    calibrations: Mapping[str, Calibration],
    provenance: Mapping[str, Any],
) -> bytes:
    packed = io.BytesIO()
    flat = {f"{kind}.{name}": array.astype(np.float32) for kind, a in arrays.items() for name, array in a.items()}
    np.savez(packed, **flat)  # type: ignore[arg-type]
    document = {
        "format": FORMAT,
        "kind": "sentence",
        "encoder": encoder,
        "dimension": dimension,
        "features": {"first_turn": list(FIRST_TURN_NAMES), "later_turns": list(LATER_TURN_NAMES)},
        "arrays": base64.b64encode(packed.getvalue()).decode(),
        "calibrations": {kind: calibration_to_dict(c) for kind, c in calibrations.items()},
        "provenance": dict(provenance),
    }
    return (json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _width(kind: str, dimension: int) -> int:
    """Inputs of a head: one embedding and features, or four embeddings and features."""
    return dimension + len(FIRST_TURN_NAMES) if kind == "first_turn" else 4 * dimension + len(LATER_TURN_NAMES)


def _inputs(encoder: str, rows: Sequence[Row], kind: str) -> tuple[np.ndarray, list[tuple[AnswerFacts, AnswerFacts]]]:
    """Inputs (n, f) of a head: the current answer, how it differs from the first, what they share, the prompt, features."""
    facts = {text: answer_facts(text) for first, current, _ in rows for text in (first, current)}
    pairs = [(facts[first], facts[current]) for first, current, _ in rows]
    if kind == "first_turn":
        now = _embed(encoder, [current for _, current, _ in rows])
        return np.hstack([now, np.array([b.features for _, b in pairs])]), pairs
    prompts = [prompt or "" for _, _, prompt in rows]
    texts = [*(first for first, _, _ in rows), *(current for _, current, _ in rows), *prompts]
    before, now, asked = np.split(_embed(encoder, texts), 3)
    plain = np.array([pair_features(a, b, prompt) for (a, b), prompt in zip(pairs, prompts, strict=True)])
    return np.hstack([now, np.abs(now - before), now * before * now.shape[1] ** 0.5, asked, plain]), pairs


def _embed(encoder: str, texts: Iterable[str]) -> np.ndarray:
    """Unit embeddings (n, d); each text is encoded once."""
    texts = list(texts)
    distinct = sorted(set(texts))
    place = {text: i for i, text in enumerate(distinct)}
    vectors = _encoder(encoder).encode(
        distinct, batch_size=_BATCH, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
    )
    return np.asarray(vectors, dtype=np.float64)[[place[text] for text in texts]]


@lru_cache(maxsize=2)
def _encoder(name: str) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise ConfigError(
            "A classifier of kind sentence needs sentence-transformers, which is not installed.",
            "Install it: pip install 'dataset-platform[models]'; or set kind to linear.",
        ) from None
    try:
        return SentenceTransformer(name)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"The sentence encoder {name} cannot be loaded: {str(error).splitlines()[0]}",
            "Name a folder with the model, or a hub id that this machine can reach.",
        ) from None


def _probabilities(arrays: Arrays, inputs: np.ndarray) -> np.ndarray:
    """Raw probabilities (n, k)."""
    scaled = (inputs - arrays["mean"]) / arrays["scale"]
    hidden = np.maximum(scaled @ arrays["hidden_weights"] + arrays["hidden_bias"], 0)
    scores = hidden @ arrays["weights"] + arrays["bias"]
    parts = np.exp(scores - scores.max(axis=1, keepdims=True))
    return parts / parts.sum(axis=1, keepdims=True)


def _fit(inputs: np.ndarray, target: np.ndarray, classes: int, config: ClassifierConfig) -> Arrays:
    """One hidden layer with dropout, by AdamW on cross-entropy; on the CPU, so that a seed gives one result."""
    import torch

    mean, scale = inputs.mean(axis=0), inputs.std(axis=0)
    scale[scale < 1e-9] = 1.0
    # all numbers of the embeddings together weigh as much as a few features, or turns would be learned by heart
    embedded = len(mean) - (len(FIRST_TURN_NAMES) if classes == len(FIRST_TURN_CLASSES) else len(LATER_TURN_NAMES))
    scale[:embedded] = np.sqrt(np.mean(scale[:embedded] ** 2) * embedded / _EMBEDDING_WEIGHT)
    x = torch.tensor((inputs - mean) / scale, dtype=torch.float32)
    y = torch.tensor(target)
    order = np.random.default_rng(config.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = torch.nn.Sequential(
            torch.nn.Linear(x.shape[1], _HIDDEN),
            torch.nn.ReLU(),
            torch.nn.Dropout(_DROPOUT),
            torch.nn.Linear(_HIDDEN, classes),
        )
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
        for _ in range(config.epochs):
            for part in np.array_split(order.permutation(len(y)), max(1, len(y) // _BATCH)):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(x[part]), y[part]).backward()
                optimizer.step()
    numbers = [p.detach().numpy().astype(np.float64) for p in model.parameters()]
    return dict(zip(_ARRAYS, (mean, scale, numbers[0].T, numbers[1], numbers[2].T, numbers[3]), strict=True))
