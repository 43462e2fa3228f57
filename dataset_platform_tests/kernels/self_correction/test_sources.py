"""Named data sets dealt out by day."""

import gzip
import json
import sys
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dataset_platform.contracts.self_correction import Questions
from dataset_platform.errors import ConfigError, InputError
from dataset_platform.kernels.self_correction.arithmetic import generate
from dataset_platform.kernels.self_correction.sources import SourceConfig, deal, read_source

SCHEMA = Questions.labelled_schema()
START = date(2026, 1, 1)
OWN = """
class Squares:
    def __init__(self, top=100):
        self.top = top
    def rows(self, start, count):
        for i in range(start, min(self.top, start + count)):
            yield {"id": i, "question": f"{i} squared?", "reference_answer": i * i, "context": "whole numbers"}

class Endless:
    def rows(self, start, count):
        i = start
        while True:
            yield {"id": i, "question": "?"}
            i += 1

class Failing:
    def rows(self, start, count):
        raise OSError("the disk is gone")

class Wrong:
    def rows(self, start, count):
        return [None]

class Nothing:
    pass
"""


def config(**given):
    return SourceConfig(**({"dataset": "sums", "source": "arithmetic", "per_day": 7, "start": START} | given))


def rows_of(source, day):
    rows = [row for batch in read_source(source, day, SCHEMA) for row in batch.to_pylist()]
    tallies = [row["tally"] for row in rows if row["tally"] is not None]
    assert tallies == ([len(rows) - 1] if rows else [])
    return [row for row in rows if row["tally"] is None]


def days(count):
    return [START + timedelta(days=k) for k in range(count)]


@given(st.integers(1, 500), st.integers(-400, 4000))
@settings(max_examples=100, deadline=None)
def test_days_tile_the_data_set(per_day, k):
    source = config(per_day=per_day)
    today, tomorrow = (deal(source, START + timedelta(days=k + i)) for i in (0, 1))
    if k < 0:
        assert today is None
    else:
        assert (today.start, len(today), tomorrow.start) == (k * per_day, per_day, today.stop)
        assert deal(source, (START + timedelta(days=k)).isoformat()) == today


def test_generated_problems():
    source = config(seed=5)
    rows = [row for day in days(4) for row in rows_of(source, day)]
    problems = list(generate(5, 0, 28))
    assert [row["question"] for row in rows] == [problem.question for problem in problems]
    assert [row["reference_answer"] for row in rows] == [problem.reference_answer for problem in problems]
    assert rows[9]["question_id"] == "sums/5-000009"
    assert {row["checker"] for row in rows} == {"gsm8k"}
    assert [row["offset"] for row in rows] == list(range(28))
    assert list(read_source(source, START - timedelta(days=1), SCHEMA)) == []


def test_the_checker_can_be_named():
    assert {row["checker"] for row in rows_of(config(checker="math"), START)} == {"math"}


@pytest.fixture
def gsm8k_file(tmp_path):
    lines = [json.dumps({"question": f"{i} + 1?", "answer": f"so\n#### {i + 1}"}) for i in range(23)]
    lines[4] = "{broken"
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_file_is_dealt_out_in_its_order_and_ends(gsm8k_file):
    source = config(dataset="train", source="gsm8k", path=str(gsm8k_file), per_day=5)
    by_day = [rows_of(source, day) for day in days(7)]
    assert [len(rows) for rows in by_day] == [5, 5, 5, 5, 3, 0, 0]
    assert by_day[0][4]["error"].startswith("not JSON")
    flat = [row for rows in by_day for row in rows if row["error"] is None]
    assert [row["question"] for row in flat] == [f"{i} + 1?" for i in range(23) if i != 4]
    assert by_day[1][0]["question_id"] == "train/000005"
    content = gsm8k_file.read_bytes()
    for row in flat:
        assert json.loads(content[row["offset"] :][: row["length"]])["question"] == row["question"]


def test_a_url_is_opened(gsm8k_file):
    plain = config(source="gsm8k", path=str(gsm8k_file))
    url = config(source="gsm8k", path=f"file://{gsm8k_file}")
    drop = [{k: v for k, v in row.items() if k != "file"} for row in rows_of(plain, START)]
    assert [{k: v for k, v in row.items() if k != "file"} for row in rows_of(url, START)] == drop


def test_the_callers_opener_is_used(gsm8k_file):
    compressed = gzip.compress(gsm8k_file.read_bytes())

    def open_input(path):
        import io

        assert path == "bucket/train.jsonl.gz"
        return io.BytesIO(compressed), len(compressed)

    source = config(source="gsm8k", path="bucket/train.jsonl.gz")
    rows = [row for batch in read_source(source, START, SCHEMA, open_input) for row in batch.to_pylist()]
    assert len(rows) == 8


@pytest.mark.parametrize("path", ["/nowhere/train.jsonl", "file:///nowhere/train.jsonl"])
def test_a_missing_file_is_an_error_that_says_what_to_do(path):
    with pytest.raises(InputError, match="cannot be opened.*correct the source's path"):
        rows_of(config(source="gsm8k", path=path), START)


def test_streaming_deals_out_what_the_file_deals_out(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps({"question": f"{i}?", "answer": f"#### {i}"}) + "\n" for i in range(12)))
    streamed = config(source="gsm8k", split="train", per_day=5, options={"repository": "json", "data_files": str(path)})
    local = config(source="gsm8k", path=str(path), per_day=5)
    for day in days(4):
        pick = ("question_id", "dataset_name", "question", "reference_answer", "checker", "reason", "error")
        found, expected = ([[row[name] for name in pick] for row in rows_of(s, day)] for s in (streamed, local))
        assert found == expected
    assert [row["file"] for row in rows_of(streamed, START)] == ["json:train"] * 5
    assert [row["offset"] for row in rows_of(streamed, days(2)[1])] == list(range(5, 10))


def test_without_the_hub_the_error_says_what_to_do(monkeypatch):
    import datasets
    import huggingface_hub.constants

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for name in ("gsm8k", "hotpotqa", "boolq"):
        with pytest.raises(InputError, match="cannot be streamed.*Check the network.*set path of source sums"):
            rows_of(config(source=name), START)


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_question_source.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "own_question_source"
    sys.modules.pop("own_question_source", None)


def test_a_users_own_source(own):
    source = config(source=f"{own}:Squares", options={"top": 10}, checker="math")
    rows = [row for day in days(3) for row in rows_of(source, day)]
    assert [row["reference_answer"] for row in rows] == [str(i * i) for i in range(10)]
    assert {(row["context"], row["file"], row["checker"]) for row in rows} == {
        ("whole numbers", "own_question_source:Squares", "math")
    }
    assert len(rows_of(config(source=f"{own}:Endless"), START)) == 7


@pytest.mark.parametrize(
    ("name", "options", "kind", "message"),
    [
        ("Failing", {}, InputError, "failed at rows 0 to 6: OSError: the disk is gone"),
        ("Wrong", {}, InputError, "a row is of type NoneType"),
        ("Nothing", {}, ConfigError, "has no method rows"),
        ("Squares", {"bottom": 1}, ConfigError, "cannot be made"),
        ("Missing", {}, ConfigError, "cannot be loaded"),
    ],
)
def test_what_is_wrong_with_a_source_is_said(own, name, options, kind, message):
    with pytest.raises(kind, match=message):
        rows_of(config(source=f"{own}:{name}", options=options), START)


@pytest.mark.parametrize(
    "given",
    [
        {"source": "gsm9k"},
        {"per_day": 0},
        {"dataset": "a/b"},
        {"dataset": ""},
        {"path": "x.jsonl"},
        {"options": {"x": 1}},
        {"source": "gsm8k", "path": "x.jsonl", "split": "test"},
        {"source": "a.b:C", "path": "x.jsonl"},
        {"speed": 3},
    ],
)
def test_settings_that_do_not_fit_are_refused(given):
    with pytest.raises(ValidationError):
        config(**given)
