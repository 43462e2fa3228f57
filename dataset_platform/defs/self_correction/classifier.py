"""``self_correction/error_classifier``: trained on labelled turns, then frozen; the embedded default where there are none."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import dagster as dg

from dataset_platform.contracts import LabelledTurns
from dataset_platform.defs.artifacts import Made
from dataset_platform.defs.days import Day
from dataset_platform.defs.metadata import markdown_table
from dataset_platform.defs.self_correction.plots import confusion_plot, reliability_plot
from dataset_platform.lake import classifier_files, receipts
from dataset_platform.lake.locks import lock
from dataset_platform.partitions import day_range

if TYPE_CHECKING:
    from dataset_platform.kernels.self_correction.classifier import ErrorClassifier
    from dataset_platform.lake.audit import Finding
    from dataset_platform.lake.classifier_files import ClassifierFiles

TABLE = LabelledTurns.table_name()
MAX_ECE = 0.05
CHECKS = {
    "loads": ("The classifier's file is whole and of a format that this version reads.", True),
    "calibrated": (f"Expected calibration error on held-out turns is at most {MAX_ECE} (15 equal-mass bins).", False),
    "frozen": ("The days and settings that the classifier was trained on are still the same.", False),
}


def make_classifier(day: Day, leave_unchanged: bool = False) -> Made:
    """Train, unless the classifier that is there was given or was made from the same turns and settings.

    Raises:
        InputError: there are labelled turns, but too few or of one kind only.
    """
    from dataset_platform.kernels.self_correction.classifier import default_classifier_bytes
    from dataset_platform.kernels.self_correction.classifier_training import train
    from dataset_platform.kernels.self_correction.labelled_turns import turns_of_rows

    with lock(day.settings.lake, "self_correction/error_classifier"):
        started = time.monotonic()
        root = day.settings.artifacts
        there = classifier_files.read(root)
        key = training_key(day, there)
        if there is not None and (there.training is None or there.training.get("key") == key):
            note = "unchanged: given by hand" if there.training is None else "unchanged: same turns and settings"
        elif not key["days"]:
            classifier_files.write(root, default_classifier_bytes(), {"key": key, "metrics": {}, "default": True})
            note = f"the embedded default: {TABLE} has no rows to train on"
        else:
            table = day.table(LabelledTurns)
            rows = [row for d in sorted(key["days"]) for row in table.read(d).to_pylist()]
            trained = train(turns_of_rows(rows), day.config.self_correction.classifier)
            training = {"key": key, "metrics": trained.metrics, "default": False}
            classifier_files.write(root, trained.model_bytes, training)
            note = f"trained on {len(rows):,} turns of {len(key['days'])} days"
        files = classifier_files.read(root)
        assert files is not None
        metadata = _metadata(root, files, note) | {"seconds": round(time.monotonic() - started, 3)}
        return Made(audit_classifier(day), metadata, True)


def training_key(day: Day, there: ClassifierFiles | None) -> dict[str, Any]:
    """What the classifier is made from: settings, and the content of each day of labelled turns.

    Without a configured range the days are those of the first training, so that a new day does not unfreeze it.
    """
    from dataset_platform.config import fingerprint

    config = day.config.self_correction.classifier
    lake = day.settings.lake
    trained_on = sorted(((there.training or {}).get("key") or {}).get("days") or {}) if there is not None else []
    days = day_range(config.days) if config.days else trained_on or receipts.days(lake, TABLE)
    found = {d: receipts.read(lake, TABLE, d) for d in days}
    return {
        "config": fingerprint(config),
        "days": {d: r.content_hash for d, r in found.items() if r is not None and r.rows_kept},
    }


def classifier_of(day: Day) -> ErrorClassifier:
    """The frozen classifier, or the embedded default where none was made yet.

    Raises:
        StateError: the file is no classifier.
    """
    from dataset_platform.kernels.self_correction.classifier import default_classifier, load_classifier

    files = classifier_files.read(day.settings.artifacts)
    return default_classifier() if files is None else load_classifier(files.model)


def audit_classifier(day: Day) -> list[Finding]:
    """The checks of the classifier that is there."""
    from dataset_platform.errors import StateError
    from dataset_platform.lake.audit import Finding

    files = classifier_files.read(day.settings.artifacts)
    if files is None:
        raise StateError(
            "There is no error classifier yet.", "Run: dataset-platform materialize self_correction/error_classifier"
        )
    try:
        loads = Finding("loads", True, f"fingerprint {classifier_of(day).fingerprint}")
    except StateError as e:
        loads = Finding("loads", False, e.message)
    training = files.training or {}
    ece = (training.get("metrics") or {}).get("ece")
    measured = "not measured on turns of this lake" if ece is None else f"ECE {ece:.4f} on held-out turns"
    same = files.training is None or training.get("key") == training_key(day, files)
    frozen = "made from the same turns and settings" if same else "turns or settings changed since training"
    return [
        loads,
        Finding("calibrated", ece is None or ece <= MAX_ECE, measured, "WARN"),
        Finding("frozen", same, frozen, "WARN"),
    ]


def _metadata(root: str, files: ClassifierFiles, note: str) -> dict[str, Any]:
    from dataset_platform.kernels.self_correction.classifier import load_classifier

    metrics = (files.training or {}).get("metrics") or {}
    metadata: dict[str, Any] = {
        "fingerprint": load_classifier(files.model).fingerprint,
        "dagster/uri": dg.MetadataValue.path(classifier_files.folder(root)),
        "note": note,
    }
    figures = [{"measure": k, "value": v} for k, v in metrics.items() if isinstance(v, int | float | str)]
    if figures:
        metadata["held_out"] = dg.MetadataValue.md(markdown_table(["measure", "value"], figures))
    if metrics.get("reliability"):
        metadata["calibration"] = reliability_plot(metrics["reliability"], "confidence on held-out turns")
    if metrics.get("confusion"):
        metadata["confusion"] = confusion_plot(metrics["confusion"])
    return metadata
