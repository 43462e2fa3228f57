"""Hashes of rows: a function of the row's values alone, nested values, nulls and places included."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from dataset_platform.lake.row_hashes import row_hashes

TURN = pa.struct([("text", pa.string()), ("score", pa.float64()), ("arms", pa.list_(pa.string()))])
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("n", pa.int64()),
        ("flag", pa.bool_()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("raw", pa.binary()),
        ("turns", pa.list_(TURN)),
    ]
)
BASE = {
    "id": "a",
    "n": 1,
    "flag": True,
    "at": datetime(2026, 1, 5, tzinfo=UTC),
    "raw": b"\x00\x01",
    "turns": [{"text": "x", "score": 0.5, "arms": ["p", "q"]}, {"text": "y", "score": None, "arms": []}],
}


def hashes(rows: list[dict]) -> list[int]:
    return row_hashes(pa.RecordBatch.from_pylist(rows, schema=SCHEMA)).tolist()


CHANGES = {
    "other text": {"id": "b"},
    "empty text": {"id": ""},
    "null text": {"id": None},
    "other number": {"n": 2},
    "null number": {"n": None},
    "zero": {"n": 0},
    "other flag": {"flag": False},
    "null flag": {"flag": None},
    "other bytes": {"raw": b"\x01\x00"},
    "no turns": {"turns": []},
    "null turns": {"turns": None},
    "turns swapped": {"turns": BASE["turns"][::-1]},
    "arms swapped": {"turns": [{**BASE["turns"][0], "arms": ["q", "p"]}, BASE["turns"][1]]},
    "arm moved": {"turns": [{**BASE["turns"][0], "arms": ["p"]}, {**BASE["turns"][1], "arms": ["q"]}]},
    "null score for zero": {"turns": [BASE["turns"][0], {**BASE["turns"][1], "score": 0.0}]},
    "null turn": {"turns": [BASE["turns"][0], None]},
}


def test_every_change_gives_another_hash():
    found = hashes([BASE, *({**BASE, **change} for change in CHANGES.values())])
    assert len(set(found)) == len(found)


def test_equal_rows_have_equal_hashes_wherever_they_lie():
    rows = [{**BASE, "n": i, "turns": BASE["turns"] * (i % 4)} for i in range(50)]
    alone = [hashes([row])[0] for row in rows]
    assert hashes(rows) == alone
    shuffled = random.Random(1).sample(rows, len(rows))
    assert sorted(hashes(shuffled)) == sorted(alone)
    sliced = pa.RecordBatch.from_pylist(rows, schema=SCHEMA).slice(7, 20)
    assert row_hashes(sliced).tolist() == alone[7:27]


def test_a_value_in_another_column_is_another_row():
    schema = pa.schema([("a", pa.string()), ("b", pa.string())])
    one, other = (
        row_hashes(pa.RecordBatch.from_pylist([row], schema=schema))[0]
        for row in ({"a": "x", "b": "y"}, {"a": "y", "b": "x"})
    )
    assert one != other


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows(rows):
    assert len(hashes([BASE] * rows)) == rows
