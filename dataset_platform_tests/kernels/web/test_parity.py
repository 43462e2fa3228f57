"""The split and every rule of English held against spaCy and datatrove.

``published_answers.json`` holds what those gave for the texts that ``odd_texts.py`` makes. Differences that remain, all
of them without effect on what is kept: where a page breaks both of C4's page rules, datatrove names the one whose line
comes first, here it is ``lorem_ipsum``; an emoticon made up of the marks of two neighbouring runs (``:) )``) does not
keep spaCy's from being one token here.
"""

import json
import os
import subprocess
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from dataset_platform.kernels.web import c4, words
from dataset_platform.kernels.web.filter_rules import MEASURES, FilterConfig, limits, rejection
from dataset_platform.kernels.web.filters import measure_vector
from dataset_platform_tests.kernels.web import odd_texts

ANSWERS = json.loads(Path(__file__).with_name("published_answers.json").read_text(encoding="utf-8"))
JOINED = {"gopher_too_many_ellipsis": "gopher_too_many_hashes"}
CONFIG = FilterConfig()


@lru_cache(maxsize=1)
def texts() -> list[str]:
    return odd_texts.texts(1, len(ANSWERS["pipeline"]))


@lru_cache(maxsize=1)
def vectors() -> np.ndarray:
    return np.array([measure_vector(text, "en", CONFIG)[0] for text in texts()])


def tokens(text: str) -> list[str]:
    split = words.split(text)
    return [text[start:end] for start, end in zip(split.starts, split.ends, strict=True)]


def test_runs_are_split_as_spacy_splits_them() -> None:
    runs = [run for run in odd_texts.runs(2, 400) if run]
    assert len(runs) == len(ANSWERS["tokens"])
    assert [" ".join(tokens(run)) for run in runs] == ANSWERS["tokens"]


@pytest.mark.parametrize("name", ANSWERS["measures"])
def test_measures_are_datatroves(name: str) -> None:
    theirs = [row[ANSWERS["measures"].index(name)] for row in ANSWERS["values"]]
    ours = vectors()[:, MEASURES.index(name)]
    expected = np.array([np.nan if value is None else value for value in theirs], float)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=2e-9)


def test_the_pipeline_decides_as_datatroves() -> None:
    asked = limits(CONFIG, "en")
    found = [rejection(vector, asked) for vector in vectors()]
    reasons = [one.reason if one else "" for one in found]
    either = dict.fromkeys(c4.PAGE_REASONS, "page rule")
    expected = [either.get(reason, reason) for reason in ANSWERS["pipeline"]]
    assert [either.get(reason, reason) for reason in reasons] == expected
    assert 20 < reasons.count("") < len(reasons)


def test_each_rule_decides_as_datatroves() -> None:
    asked = limits(CONFIG, "en")
    ours: dict[str, set[int]] = {}
    for rule, column, below, limit in zip(asked.rules, asked.columns, asked.below, asked.values, strict=True):
        values = vectors()[:, column]
        broken = np.flatnonzero(values < limit if below else values > limit)
        ours.setdefault(JOINED.get(rule.reason, rule.reason), set()).update(broken.tolist())
    ours.pop("empty")
    assert ours == {name: set(which) for name, which in ANSWERS["rules"].items()}


@pytest.mark.slow
def test_other_odd_texts_against_the_peers_themselves(tmp_path: Path) -> None:
    python = os.environ.get("DATASET_PLATFORM_PEERS_PYTHON")
    if not python:
        pytest.skip("DATASET_PLATFORM_PEERS_PYTHON names no interpreter with datatrove and spaCy (make peers)")
    made = odd_texts.texts(int.from_bytes(os.urandom(4), "little"), 60)
    file = tmp_path / "texts.jsonl"
    file.write_text("\n".join(map(json.dumps, made)) + "\n", encoding="utf-8")
    script = Path(__file__).parents[3] / "benchmarks" / "peers" / "filters_datatrove.py"
    done = subprocess.run([python, str(script), str(file), "--values"], capture_output=True, text=True, check=True)
    answers = json.loads(done.stdout.strip().splitlines()[-1])
    asked = limits(CONFIG, "en")
    for text, reason, values in zip(made, answers["pipeline"], answers["values"], strict=True):
        vector, _ = measure_vector(text, "en", CONFIG)
        for name, value in values.items():
            assert vector[MEASURES.index(name)] == pytest.approx(value, abs=1e-9), (name, text)
        found = rejection(vector, asked)
        assert bool(found) == bool(reason), text
