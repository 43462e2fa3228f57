"""Every line of a file of labelled turns comes out once: kept with its label, rejected with a reason, or quarantined."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from dataset_platform.contracts import LabelledTurns
from dataset_platform.kernels.self_correction.labelled_turns import REASONS, read_labelled_turns, turns_of_rows
from dataset_platform.kernels.self_correction.labels import label_conversation
from dataset_platform.kernels.self_correction.simulated_turns import simulate_turns

SCHEMA = LabelledTurns.labelled_schema().remove_metadata()
WRONG, RIGHT, OTHER = "2 * 3 = 6\n#### 6", "2 + 3 = 5\n#### 5", "#### 7"

Row = dict[str, Any]


def opener(root: Path) -> Callable[[str], tuple[BinaryIO, int]]:
    def open_input(path: str) -> tuple[BinaryIO, int]:
        found = root / path
        return found.open("rb"), found.stat().st_size

    return open_input


def read(root: Path, *files: str) -> list[Row]:
    batches = list(read_labelled_turns(files, opener(root), SCHEMA))
    assert all(batch.schema == SCHEMA for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()]


def read_lines(root: Path, *records: Any) -> list[Row]:
    lines = [r if isinstance(r, bytes) else json.dumps(r).encode() for r in records]
    (root / "turns.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    return check_tally(read(root, "turns.jsonl"))


def check_tally(rows: list[Row]) -> list[Row]:
    """The rows of data, once they are as many as the tallies say."""
    data = [r for r in rows if r["tally"] is None]
    assert len(data) == sum(r["tally"] for r in rows if r["tally"] is not None)
    return data


def trace(answers: list[str], accuracy: list[float | None], **more: Any) -> Row:
    """A trace record as the export writes it."""
    turns = []
    for i, (answer, now) in enumerate(zip(answers, accuracy, strict=True)):
        before = accuracy[max(0, i - 1)]
        turns.append(
            {
                "turn_id": f"t1:{i}",
                "question": "How many?",
                "answer": answer,
                "prompt_id": "p_try_again" if i else None,
                "prompt_text": "Again, please." if i else None,
                "error_mode": "wavering",
                "confidence_score": 0.5,
                "delta_accuracy": None if now is None or before is None else now - before,
                "token_count": 9,
                "timestamp": "2026-01-01T00:00:00Z",
            }
        )
    record = {"trace_id": "t1", "dataset_name": "gsm8k", "question_id": "gsm8k/1", "reference_answer": "5"}
    return record | {"turns": turns, "final_accuracy": accuracy[-1], "total_tokens": 18, "total_turns": 2} | more


def test_a_row_with_its_mode_is_kept(tmp_path: Path) -> None:
    record = {"question_id": "q1", "first_answer": WRONG, "answer": RIGHT, "prompt": "Sure?", "error_mode": "corrected"}
    (row,) = read_lines(tmp_path, record)
    assert (row["reason"], row["error"]) == (None, None)
    assert {k: row[k] for k in ("question_id", "first_answer", "answer", "prompt_text", "turn", "error_mode")} == {
        "question_id": "q1",
        "first_answer": WRONG,
        "answer": RIGHT,
        "prompt_text": "Sure?",
        "turn": 1,
        "error_mode": "corrected",
    }
    assert (row["correct"], row["source"], row["file"], row["offset"]) == (True, "imported", "turns.jsonl", 0)
    assert set(LabelledTurns.data_schema().names) <= row.keys()


@pytest.mark.parametrize("correct", [[False, True, False], [False, False]])
def test_a_row_with_the_sequence_of_right_and_wrong_gets_its_mode(tmp_path: Path, correct: list[bool]) -> None:
    rows = read_lines(
        tmp_path,
        {"first_answer": WRONG, "current_answer": OTHER, "prompt_text": "?", "correct": correct},
        {"first_answer": WRONG, "current_answer": WRONG, "prompt_text": "?", "correct": correct},
        {"first_answer": WRONG, "answer": RIGHT, "prompt": "?", "first_correct": False, "correct": True},
        {"answer": RIGHT, "correct": True},
    )
    assert [r["error_mode"] for r in rows] == ["wavering", "anchored", "corrected", "unchanged_correct"]
    assert [r["turn"] for r in rows] == [len(correct) - 1, len(correct) - 1, 1, 0]
    assert [r["prompt_text"] for r in rows] == ["?", "?", "?", None]


def test_without_ids_a_question_is_told_by_its_words_and_a_turn_by_its_content(tmp_path: Path) -> None:
    base = {"question": "How many?", "first_answer": WRONG, "prompt": "?", "error_mode": "corrected"}
    a, b, c = read_lines(tmp_path, base | {"answer": RIGHT}, base | {"answer": RIGHT + "."}, base | {"answer": RIGHT})
    assert a["question_id"] == b["question_id"] and a["turn_id"] != b["turn_id"] and a["turn_id"] == c["turn_id"]


@pytest.mark.parametrize("accuracy", [[0, 1, 0, 0], [1, 1, 0, 1], [0], [1, 0]])
def test_a_trace_gives_each_of_its_turns_by_what_was_right(tmp_path: Path, accuracy: list[float]) -> None:
    answers = [RIGHT if a else WRONG for a in accuracy]
    rows = read_lines(tmp_path, trace(answers, [float(a) for a in accuracy]))
    assert [r["error_mode"] for r in rows] == label_conversation(answers, [bool(a) for a in accuracy])
    assert [r["correct"] for r in rows] == [bool(a) for a in accuracy]
    assert [r["turn_id"] for r in rows] == [f"t1:{i}" for i in range(len(accuracy))]
    assert {r["source"] for r in rows} == {"run"} and {r["offset"] for r in rows} == {0}


REJECTED = [
    ({"first_answer": WRONG, "answer": RIGHT, "prompt": "?"}, "no_label"),
    ({"first_answer": WRONG, "answer": RIGHT, "prompt": "?", "correct": True}, "no_label"),
    ({"first_answer": WRONG, "answer": RIGHT, "prompt": "?", "error_mode": "sleepy"}, "no_label"),
    ({"first_answer": WRONG, "prompt": "?", "error_mode": "corrected"}, "no_answer"),
    ({"answer": RIGHT, "prompt": "?", "error_mode": "corrected"}, "no_answer"),
    ({"first_answer": WRONG, "answer": RIGHT, "turn": 0, "error_mode": "corrected"}, "contradiction"),
    ({"first_answer": WRONG, "answer": RIGHT, "turn": 1, "error_mode": "corrected", "correct": False}, "contradiction"),
    (
        {"first_answer": WRONG, "answer": OTHER, "turn": 1, "error_mode": "wavering", "first_correct": True},
        "contradiction",
    ),
    ({"first_answer": WRONG, "answer": ["5"], "error_mode": "corrected"}, "wrong_type"),
    ({"first_answer": WRONG, "answer": RIGHT, "error_mode": "corrected", "turn": -1}, "wrong_type"),
    ({"first_answer": WRONG, "answer": RIGHT, "correct": ["yes", "no"]}, "wrong_type"),
    (trace([WRONG], [None]), "no_gold"),
    (trace([WRONG], [0.4]), "not_binary"),
    (trace([WRONG], [0.0], turns=[]), "no_answer"),
    (trace([WRONG], [0.0], turns=[3]), "wrong_type"),
    (trace([WRONG], [0.0], final_accuracy="none"), "wrong_type"),
]


@pytest.mark.parametrize(("record", "reason"), REJECTED)
def test_what_cannot_be_used_is_rejected_with_its_reason(tmp_path: Path, record: Row, reason: str) -> None:
    (row,) = read_lines(tmp_path, record)
    assert (row["reason"], row["error"]) == (reason, None)
    assert row["detail"] and (row["file"], row["offset"]) == ("turns.jsonl", 0)


def test_every_reason_occurs() -> None:
    assert {reason for _, reason in REJECTED} == set(REASONS)


def test_what_is_no_json_object_is_quarantined_with_its_place_and_the_rest_is_read(tmp_path: Path) -> None:
    good = json.dumps({"answer": RIGHT, "correct": True}).encode()
    rows = read_lines(tmp_path, good, b'{"answer": ', b"[1, 2]", b"", b"\xff\xfe", good)
    content = (tmp_path / "turns.jsonl").read_bytes()
    assert [r["error"] is not None for r in rows] == [False, True, True, True, False]
    for row, start in zip(rows, (good, b'{"answer": \n', b"[1", b"\xff", good), strict=True):
        assert content[row["offset"] :].startswith(start)


def test_gzipped_files_read_alike_and_a_torn_one_says_so(tmp_path: Path) -> None:
    records = [{"answer": f"{RIGHT} {i}", "correct": True} for i in range(2000)]
    plain = "".join(json.dumps(r) + "\n" for r in records).encode()
    (tmp_path / "a.jsonl").write_bytes(plain)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(plain))
    (tmp_path / "torn.jsonl.gz").write_bytes(gzip.compress(plain)[:-3000])
    whole = check_tally(read(tmp_path, "a.jsonl"))
    packed = check_tally(read(tmp_path, "a.jsonl.gz"))
    assert [r | {"file": ""} for r in whole] == [r | {"file": ""} for r in packed]
    torn = check_tally(read(tmp_path, "torn.jsonl.gz"))
    assert torn[-1]["error"] and 0 < len(torn) - 1 < len(whole)
    assert [r["turn_id"] for r in torn[:-1]] == [r["turn_id"] for r in whole[: len(torn) - 1]]


def test_a_file_that_is_not_there_is_quarantined_and_the_next_one_read(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text(json.dumps({"answer": RIGHT, "correct": True}) + "\n")
    missing, kept = check_tally(read(tmp_path, "a.jsonl", "b.jsonl"))
    assert missing["file"] == "a.jsonl" and missing["error"]
    assert kept["file"] == "b.jsonl" and kept["reason"] is None


def test_rows_become_turns_again(tmp_path: Path) -> None:
    made = simulate_turns(2, 300)
    lines = [
        {
            "turn_id": t.turn_id,
            "question_id": t.question_id,
            "dataset_name": t.dataset_name,
            "first_answer": t.first_answer,
            "answer": t.answer,
            "prompt_text": t.prompt_text,
            "turn": t.turn,
            "error_mode": t.error_mode,
            "correct": t.correct,
        }
        for t in made
    ]
    rows = read_lines(tmp_path, *lines)
    assert not any(r["reason"] or r["error"] for r in rows)
    again = turns_of_rows(rows)
    assert [(t.turn_id, t.asked, t.error_mode, t.correct, t.turn) for t in again] == [
        (t.turn_id, t.asked, t.error_mode, t.correct, t.turn) for t in made
    ]
