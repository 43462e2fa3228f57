"""How the embedded default classifier was made: ``python -m dataset_platform.kernels.self_correction.default_training``.

It is trained on simulated turns alone. A file of real answers may be named (``example_model_solutions.jsonl`` of
openai/grade-school-math, MIT): it is then scored on the ordered pairs of its models' answers, which says how well what
was learned from a simulation holds for real models. The answers are not learned from and not kept.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dataset_platform.kernels.self_correction.classifier import load_classifier
from dataset_platform.kernels.self_correction.classifier_training import ClassifierConfig, Trained, measure, train
from dataset_platform.kernels.self_correction.labelled_records import LabelledTurn
from dataset_platform.kernels.self_correction.labels import label_turn
from dataset_platform.kernels.self_correction.simulated_turns import simulate_turns

SEED = 20_261_121
CONVERSATIONS = 8_000
CONFIG = ClassifierConfig()


def train_default() -> Trained:
    """The classifier that is embedded, but for scores on real answers."""
    data = (
        f"{CONVERSATIONS} simulated conversations about generated arithmetic (simulated_turns, seed {SEED}); no model "
        "was run, and confidences are right for the simulated share of right answers only"
    )
    return train(simulate_turns(SEED, CONVERSATIONS), CONFIG, data)


def turns_of_solutions(lines: Iterable[str]) -> list[LabelledTurn]:
    """Turns of a file of several models' answers to each question, each with ``solution`` and ``is_correct``.

    Every answer is a turn 0, and every ordered pair of two models' answers is a first answer and the one that came
    when the question was put to somebody else; there is no prompt.
    """
    turns = []
    for number, line in enumerate(lines):
        row = json.loads(line)
        given = {k: v for k, v in row.items() if isinstance(v, dict) and "is_correct" in v}
        for first, a in given.items():
            for current, b in given.items():
                turn = int(first != current)
                mode = label_turn(a["solution"], b["solution"], a["is_correct"], b["is_correct"], turn)
                turns.append(
                    LabelledTurn(
                        turn_id=f"{number:06d}:{first}:{current}",
                        question_id=f"{number:06d}",
                        dataset_name="gsm8k",
                        first_answer=a["solution"],
                        answer=b["solution"],
                        prompt_text=None,
                        turn=turn,
                        error_mode=mode,
                        correct=b["is_correct"],
                        source="imported",
                        file="",
                        offset=0,
                    )
                )
    return turns


def main(arguments: list[str]) -> None:
    """Write ``default_classifier.json`` beside this module."""
    trained = train_default()
    document = json.loads(trained.model_bytes)
    if arguments:
        turns = turns_of_solutions(Path(arguments[0]).read_text(encoding="utf-8").splitlines())
        document["provenance"]["scores_on_real_answers"] = _scores(measure(load_classifier(trained.model_bytes), turns))
    path = Path(__file__).with_name("default_classifier.json")
    path.write_text(json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
    print(json.dumps(document["provenance"], indent=1, sort_keys=True))


def _scores(measured: dict[str, Any]) -> dict[str, Any]:
    kept = ("rows", "base_rate", "ece", "brier", "auc", "accuracy", "mode_accuracy")
    of_kinds: dict[str, Any] = {
        k: {name: _round(measured[k][name]) for name in kept} for k in ("turn_0", "later") if k in measured
    }
    return {
        "data": "GSM8K test questions, four models' published answers (Cobbe et al. 2021) as first and next answers",
        **{name: _round(measured[name]) for name in kept},
        **of_kinds,
    }


def _round(value: Any) -> Any:
    return round(value, 5) if isinstance(value, float) else value


if __name__ == "__main__":
    main(sys.argv[1:])
