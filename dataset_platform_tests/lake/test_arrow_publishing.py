"""Publishing without a JVM: every row accounted for, the same ledgers and receipts, nothing visible of a day that fails."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataset_platform.contracts import Quarantine, Questions, Rejections
from dataset_platform.lake import receipts, storage, tables
from dataset_platform.lake.arrow_publishing import BATCH_ROWS, contract_of_published, run_arrow_stage
from dataset_platform.lake.publishing import StageRun
from dataset_platform.lake.tables import LakeTable
from dataset_platform.settings import is_url

DAY = "2026-01-05"
SCHEMA = Questions.labelled_schema().remove_metadata()


def row(i: int, **changes: object) -> dict[str, object]:
    return {
        "question_id": f"set/{i}",
        "dataset_name": "set",
        "question": f"What is {i}?",
        "checker": "exact",
        "file": "questions/x.jsonl",
        "offset": i * 10,
        "length": 10,
        **changes,
    }


def staged(rows: list[dict[str, object]], files: int = 1) -> Callable[[str], None]:
    def write(path: str) -> None:
        if not is_url(path):
            os.makedirs(path)
        for n in range(files):
            pq.write_table(pa.Table.from_pylist(rows[n::files], schema=SCHEMA), f"{path}/part-{n}.parquet")

    return write


ROWS = [
    *(row(i) for i in range(7)),
    *(row(i, reason="empty_question", measure=0.0) for i in range(7, 10)),
    {"file": "questions/x.jsonl", "offset": 500, "length": 3, "error": "line is no JSON"},
    {"tally": 11},
]


@pytest.fixture(params=["local", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("bucket") + "/lake"


def test_every_row_lands_in_the_table_or_in_a_ledger(tmp_path):
    lake = str(tmp_path)
    outcome = run_arrow_stage(StageRun(Questions, lake, DAY), staged(ROWS), None)
    r = outcome.receipt
    assert outcome.published
    assert (r.rows_in, r.rows_kept, r.rows_rejected, r.rows_quarantined) == (11, 7, 3, 1)
    assert r.reasons == {"empty_question": 3}
    assert sorted(LakeTable(Questions, lake).read(DAY).column("question_id").to_pylist()) == [
        f"set/{i}" for i in range(7)
    ]
    rejected = LakeTable(Rejections, lake).read(DAY).to_pylist()
    assert {(x["doc_id"], x["source"], x["stage"], x["reason"]) for x in rejected} == {
        (f"set/{i}", "set", "questions", "empty_question") for i in range(7, 10)
    }
    [broken] = LakeTable(Quarantine, lake).read(DAY).to_pylist()
    assert (broken["file"], broken["offset"], broken["error"]) == ("questions/x.jsonl", 500, "line is no JSON")
    assert receipts.read(lake, Questions, DAY) == r
    assert not storage.exists(outcome.staging)


def test_the_same_rows_in_other_files_and_order_give_the_same_content(tmp_path):
    hashes = set()
    for n, rows in enumerate((ROWS, ROWS[::-1])):
        for files in (1, 3):
            lake = str(tmp_path / f"{n}{files}")
            hashes.add(run_arrow_stage(StageRun(Questions, lake, DAY), staged(rows, files), None).receipt.content_hash)
    assert len(hashes) == 1
    other = [row(0, question="What else?"), *ROWS[1:]]
    changed = run_arrow_stage(StageRun(Questions, str(tmp_path / "o"), DAY), staged(other), None).receipt.content_hash
    assert changed not in hashes


@pytest.mark.parametrize(
    ("rows", "name", "word"),
    [
        ([*ROWS, row(0), {"tally": 1}], "contract", "unique"),
        ([*ROWS, row(20, question=""), {"tally": 1}], "contract", "question"),
        ([*ROWS, row(20)], "conservation", "11 in"),
    ],
    ids=["repeated key", "rule broken", "row too many"],
)
def test_a_day_that_fails_its_audit_stays_invisible(tmp_path, rows, name, word):
    lake = str(tmp_path)
    before = run_arrow_stage(StageRun(Questions, lake, DAY), staged(ROWS), None).receipt
    outcome = run_arrow_stage(StageRun(Questions, lake, DAY), staged(rows), None)
    assert not outcome.published
    [failed] = [f for f in outcome.findings if not f.passed]
    assert failed.name == name and word in failed.message
    assert receipts.read(lake, Questions, DAY) == before
    assert LakeTable(Questions, lake).read(DAY).num_rows == 7
    assert storage.exists(outcome.staging)


def test_publishing_again_replaces_and_empties(lake):
    run = StageRun(Questions, lake, DAY)

    def write(rows: list[dict[str, object]]) -> Callable[[str], None]:
        def put(path: str) -> None:
            with storage.open_output(f"{path}/part-0.parquet") as sink:
                pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), sink)

        return put

    assert run_arrow_stage(run, write(ROWS), None).published
    assert run_arrow_stage(run, write(ROWS[:3]), 3).published
    assert LakeTable(Questions, lake).read(DAY).num_rows == 3
    assert LakeTable(Rejections, lake).read(DAY).num_rows == 0
    assert contract_of_published(LakeTable(Questions, lake), DAY).passed
    assert run_arrow_stage(run, write([row(1, reason="x")]), 1).published
    assert LakeTable(Questions, lake).read(DAY).num_rows == 0


def test_what_runs_before_publishing_sees_the_kept_rows_only(tmp_path):
    seen: list[str] = []

    def after(kept) -> None:
        seen.extend(i for batch in kept() for i in batch.column("question_id").to_pylist())

    run_arrow_stage(StageRun(Questions, str(tmp_path), DAY), staged(ROWS), None, after)
    assert sorted(seen) == [f"set/{i}" for i in range(7)]


def test_an_output_that_fails_half_way_leaves_no_file(tmp_path):
    path = tmp_path / "folder" / "file"
    with pytest.raises(RuntimeError), storage.open_output(str(path)) as sink:
        sink.write(b"half")
        raise RuntimeError
    assert not path.exists() and not list(path.parent.iterdir())
    with storage.open_output(str(path)) as sink:
        sink.write(b"whole")
    assert path.read_bytes() == b"whole"


def test_a_day_larger_than_a_file_is_several(lake, monkeypatch):
    monkeypatch.setattr(tables, "FILE_BYTES", 1)
    rows = [row(i) for i in range(3 * BATCH_ROWS)]
    run = StageRun(Questions, lake, DAY)
    assert run_arrow_stage(run, staged(rows), len(rows)).published
    table = LakeTable(Questions, lake)
    assert len(table.delta().file_uris()) == 3
    assert sorted(table.read(DAY)["question_id"].to_pylist()) == sorted(r["question_id"] for r in rows)
    assert run_arrow_stage(run, staged(rows[:5]), 5).published
    assert table.read(DAY).num_rows == 5
