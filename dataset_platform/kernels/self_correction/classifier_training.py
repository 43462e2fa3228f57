"""Training of the error classifier on labelled turns: split by question, fit, calibrate, measure on held-out questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
import xxhash
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dataset_platform.errors import InputError
from dataset_platform.kernels.self_correction.answer_features import AnswerFacts, answer_facts, pair_features
from dataset_platform.kernels.self_correction.calibrated_heads import Calibration, Head
from dataset_platform.kernels.self_correction.calibration import calibrate
from dataset_platform.kernels.self_correction.classifier import (
    FIRST_TURN_CLASSES,
    ErrorClassifier,
    Judgement,
    dump_classifier,
    load_classifier,
)
from dataset_platform.kernels.self_correction.contexts import FAILURE_MODES
from dataset_platform.kernels.self_correction.labelled_records import LabelledTurn
from dataset_platform.kernels.self_correction.labels import TRANSITION_OF_MODE, TRANSITIONS
from dataset_platform.kernels.self_correction.reliability import (
    brier,
    confusion,
    expected_calibration_error,
    reliability_table,
)

BINS = 15
_FEWEST_PER_SIDE = 5  # right and wrong answers of either kind of turn, in each split


class ClassifierConfig(BaseModel):
    """How the error classifier is trained.

    The default needs no model. ``sentence`` reads answers with a sentence encoder (extra ``models``).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["linear", "sentence"] = Field("linear", description="sentence: an encoder and a small torch head")
    days: str | None = Field(None, description="days of labelled turns, FROM:TO; all that are there when first trained")
    min_rows: int = Field(400, ge=100, description="fewest labelled turns to train on")
    calibration_share: float = Field(0.2, gt=0, lt=1, description="share of questions the confidence is calibrated on")
    held_out_share: float = Field(0.2, gt=0, lt=1, description="share of questions that only measure")
    inverse_penalty: float = Field(0.1, gt=0, description="C of the logistic regressions, smaller is smoother")
    seed: int = Field(0, description="of the split and of the torch head")
    encoder: str = Field("sentence-transformers/all-MiniLM-L6-v2", description="hub id or folder of a sentence encoder")
    epochs: int = Field(8, ge=1, description="passes of the torch head over the turns")

    @model_validator(mode="after")
    def _leaves_rows_to_train_on(self) -> ClassifierConfig:
        if self.calibration_share + self.held_out_share > 0.8:
            raise ValueError(
                "calibration_share and held_out_share leave less than a fifth of the questions to train on"
            )
        return self


@dataclass(frozen=True, slots=True)
class Trained:
    """A classifier as `load_classifier` reads it, and its scores.

    Attributes:
        model_bytes: the JSON document.
        metrics: on held-out questions: ``ece``, ``brier``, ``auc``, ``accuracy``, ``base_rate``, ``mode_accuracy`` and
            the same under ``turn_0`` and ``later``; ``recall`` by mode; ``confusion`` (label by prediction, in the
            order of ``FAILURE_MODES``); ``reliability`` (bins); rows of each split.
    """

    model_bytes: bytes
    metrics: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Split:
    """Labelled turns by what they are used for; no question is in two of them."""

    training: list[LabelledTurn]
    calibration: list[LabelledTurn]
    held_out: list[LabelledTurn]


def train(turns: Sequence[LabelledTurn], config: ClassifierConfig, data: str = "labelled turns") -> Trained:
    """A classifier from labelled turns. Neither the order of the turns nor the process changes the result.

    Args:
        turns: rows of ``self_correction/labelled_turns``.
        config: kind, split and seed.
        data: what the turns are, for the provenance.

    Raises:
        InputError: too few turns, or turns that are all right or all wrong.
    """
    split = split_by_question(turns, config)
    if config.kind == "sentence":
        from dataset_platform.kernels.self_correction.sentence_classifier import train_sentence_classifier

        make: Callable[[dict[str, Any]], bytes] = train_sentence_classifier(split, config)
    else:
        make = _train_linear(split, config)
    measured = measure(load_classifier(make({})), split.held_out)
    rows = {name: len(getattr(split, name)) for name in ("training", "calibration", "held_out")}
    metrics = measured | {f"rows_{name}": n for name, n in rows.items()}
    provenance = {
        "data": data,
        "rows": rows,
        "questions": len({t.question_id for t in turns}),
        "datasets": sorted({t.dataset_name for t in turns}),
        "sources": sorted({t.source for t in turns}),
        "settings": config.model_dump(exclude={"days"} if config.kind == "sentence" else {"days", "encoder", "epochs"}),
        "scores_on_held_out_questions": _rounded({k: v for k, v in measured.items() if k != "reliability"}),
        "scikit_learn": version("scikit-learn"),
    }
    return Trained(make(provenance), metrics)


def split_by_question(turns: Sequence[LabelledTurn], config: ClassifierConfig) -> Split:
    """Turns by use, after a hash of their question, each in the order of their ids.

    Raises:
        InputError: too few turns, or too few right or wrong ones for a use.
    """
    if len(turns) < config.min_rows:
        raise InputError(
            f"The error classifier needs at least {config.min_rows} labelled turns, and there are {len(turns)}.",
            "Land more under raw/labelled_turns, or take them away to use the embedded default.",
        )
    split = Split([], [], [])
    for turn in sorted(turns, key=lambda t: (t.turn_id, t.question_id, t.turn)):
        share = (xxhash.xxh3_64_intdigest(f"{config.seed}\0{turn.question_id}".encode()) >> 11) / 2**53
        if share < config.held_out_share:
            split.held_out.append(turn)
        elif share < config.held_out_share + config.calibration_share:
            split.calibration.append(turn)
        else:
            split.training.append(turn)
    for name in ("training", "calibration", "held_out"):
        for kind, of_kind in (("first answers", first_turns), ("later turns", later_turns)):
            right = [t.correct for t in of_kind(getattr(split, name))]
            fewest = min(sum(right), len(right) - sum(right))
            if fewest < _FEWEST_PER_SIDE:
                raise InputError(
                    f"Of the {len(right)} {kind} in the {name.replace('_', '-')} split {sum(right)} are right: at least "
                    f"{_FEWEST_PER_SIDE} right and {_FEWEST_PER_SIDE} wrong ones are needed.",
                    "Land labelled turns of more questions, of both kinds, right and wrong.",
                )
    return split


def later_turns(turns: Sequence[LabelledTurn]) -> list[LabelledTurn]:
    """The turns after turn 0."""
    return [t for t in turns if t.turn > 0]


def first_turns(turns: Sequence[LabelledTurn]) -> list[LabelledTurn]:
    """The turns 0, those included that are only known as the first answer of a later turn; each text once a question."""
    found: dict[tuple[str, str], LabelledTurn] = {}
    for t in sorted(turns, key=lambda t: t.turn):
        if (key := (t.question_id, t.first_answer)) in found:
            continue
        right = t.correct if t.turn == 0 else TRANSITION_OF_MODE[t.error_mode] in ("broken", "stayed_right")
        mode = "unchanged_correct" if right else "anchored"
        origin = (t.dataset_name, t.first_answer, t.first_answer)
        found[key] = LabelledTurn(t.turn_id, t.question_id, *origin, None, 0, mode, right, t.source, t.file, t.offset)
    return list(found.values())


def transitions_of(turns: Sequence[LabelledTurn]) -> np.ndarray:
    """(n,) places of the turns' transitions in ``TRANSITIONS``."""
    return np.array([TRANSITIONS.index(TRANSITION_OF_MODE[t.error_mode]) for t in turns], dtype=np.int64)


def measure(classifier: ErrorClassifier, turns: Sequence[LabelledTurn]) -> dict[str, Any]:
    """Scores of a classifier on labelled turns it was not trained on; the keys are those of `Trained`.

    Raises:
        InputError: there are no turns.
    """
    judged = classifier.judge_many([(t.first_answer, t.answer, t.asked) for t in turns])
    by_mode = confusion([t.error_mode for t in turns], [j.error_mode for j in judged], FAILURE_MODES)
    scores = _scores(turns, judged)
    for name, chosen in (("turn_0", [t.turn == 0 for t in turns]), ("later", [t.turn > 0 for t in turns])):
        if any(chosen):
            some = [(t, j) for t, j, c in zip(turns, judged, chosen, strict=True) if c]
            scores[name] = _scores([t for t, _ in some], [j for _, j in some])
    confidence = np.array([j.confidence for j in judged])
    correct = np.array([t.correct for t in turns], dtype=np.float64)
    counts = by_mode.sum(axis=1)
    return scores | {
        "recall": {m: float(by_mode[i, i] / counts[i]) for i, m in enumerate(FAILURE_MODES) if counts[i]},
        "confusion": by_mode.tolist(),
        "reliability": [b.to_dict() for b in reliability_table(confidence, correct, BINS)],
    }


def _scores(turns: Sequence[LabelledTurn], judged: Sequence[Judgement]) -> dict[str, Any]:
    from sklearn.metrics import roc_auc_score

    confidence = np.array([j.confidence for j in judged])
    correct = np.array([t.correct for t in turns], dtype=np.float64)
    of_one_kind = correct.min() == correct.max()
    return {
        "rows": len(turns),
        "base_rate": float(correct.mean()),
        "ece": expected_calibration_error(confidence, correct, BINS),
        "brier": brier(confidence, correct),
        "auc": None if of_one_kind else float(roc_auc_score(correct, confidence)),
        "accuracy": float(np.mean((confidence >= 0.5) == (correct > 0.5))),
        "mode_accuracy": float(np.mean([t.error_mode == j.error_mode for t, j in zip(turns, judged, strict=True)])),
    }


def _train_linear(split: Split, config: ClassifierConfig) -> Callable[[dict[str, Any]], bytes]:
    """Both heads, ready to be written down with their provenance."""
    facts: dict[str, AnswerFacts] = {}

    def facts_of(text: str) -> AnswerFacts:
        if text not in facts:
            facts[text] = answer_facts(text)
        return facts[text]

    def first(turns: Sequence[LabelledTurn]) -> np.ndarray:
        return np.array([facts_of(t.answer).features for t in turns])

    def later(turns: Sequence[LabelledTurn]) -> np.ndarray:
        pairs = ((facts_of(t.first_answer), facts_of(t.answer), t.asked or "") for t in turns)
        return np.array([pair_features(*pair) for pair in pairs])

    heads = []
    for features, of_kind, classes, target in (
        (first, first_turns, len(FIRST_TURN_CLASSES), lambda turns: np.array([int(t.correct) for t in turns])),
        (later, later_turns, len(TRANSITIONS), transitions_of),
    ):
        fitted, calibrated = of_kind(split.training), of_kind(split.calibration)
        weights, bias = _fit(features(fitted), target(fitted), classes, config.inverse_penalty)
        head = Head(weights, bias, Calibration(1.0, 0.0))
        raw = np.array([right_share(head(x)) for x in features(calibrated)])
        right = np.array([t.correct for t in calibrated], dtype=np.float64)
        heads.append(Head(weights, bias, calibrate(raw, right)))
    return lambda provenance: dump_classifier(heads[0], heads[1], provenance)


def right_share(probabilities: Sequence[float]) -> float:
    """Probability of a right answer from those of a head's classes: every second class is one."""
    return float(sum(probabilities[1::2]) / sum(probabilities))


def _fit(x: np.ndarray, y: np.ndarray, classes: int, inverse_penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights (f, classes) and bias (classes,) of a multinomial logistic regression, for the raw features.

    A class that has no rows gets the probability that half a row would give it.
    """
    from sklearn.linear_model import LogisticRegression

    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale < 1e-9] = 1.0
    model = LogisticRegression(C=inverse_penalty, max_iter=5000, tol=1e-6).fit((x - mean) / scale, y)
    coefficients, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
        intercepts = np.concatenate([np.zeros_like(intercepts), intercepts])
    weights, bias = np.zeros((x.shape[1], classes)), np.zeros(classes)
    weights[:, model.classes_] = (coefficients / scale).T
    bias[model.classes_] = intercepts - coefficients @ (mean / scale)
    absent = np.setdiff1d(np.arange(classes), model.classes_)
    if len(absent):
        scores = (x @ weights + bias)[:, model.classes_]
        top = scores.max(axis=1)
        whole = top + np.log(np.exp(scores - top[:, None]).sum(axis=1))
        bias[absent] = whole.mean() + np.log(0.5 / len(x))
    return weights, bias


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return round(value, 5) if isinstance(value, float) else value
