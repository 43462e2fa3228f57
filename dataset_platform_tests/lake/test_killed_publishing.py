"""A publication that is killed after any of its steps, and made again: the same as one that nobody killed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.kills import state
from dataset_platform.contracts import Documents
from dataset_platform.lake import receipts, storage
from dataset_platform.lake.arrow_publishing import run_arrow_stage
from dataset_platform.lake.publishing import StageRun, publish_nothing
from dataset_platform_tests.contracts.rows import DAY, document, labelled
from dataset_platform_tests.lake.killed import killed_after

NEXT = "2026-01-06"
NO_PAGE = {"reason": "not_html", "measure": 1.0, "detail": "no page", "text": None, "text_length": None}
Rows = list[dict[str, Any]]


def rejected(number: int) -> dict[str, Any]:
    return document(number, **NO_PAGE)


def quarantined(number: int) -> dict[str, Any]:
    return {"file": f"f{number}", "offset": number, "error": "truncated gzip member"}


OLD = [document(1), document(2), rejected(3), quarantined(4)]
NEW = [document(2), document(5), document(6), rejected(7), rejected(8), quarantined(9)]


def publish(home: Path, rows: Rows, day: str = DAY, after: Callable[..., None] | None = None) -> None:
    def write(path: str) -> None:
        with storage.open_output(f"{path}/part-0.parquet") as sink:
            pq.write_table(labelled(Documents, rows), sink)

    run = StageRun(Documents, str(home / "lake"), day, "v1", "c1", {"web/raw_warcs": "1:ab"})
    assert run_arrow_stage(run, write, len(rows), after).published


def publish_none(home: Path) -> None:
    publish_nothing(StageRun(Documents, str(home / "lake"), DAY, "v1", "c1", {}), "no files")


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two published days."""
    home = tmp_path_factory.mktemp("before")
    publish(home, OLD)
    publish(home, [document(20), rejected(21)], NEXT)
    return home


def killed_homes(
    before: Path | None, folder: Path, monkeypatch: pytest.MonkeyPatch, again: Callable[[Path], None]
) -> Iterator[tuple[int, Path]]:
    """Homes in which ``again`` was killed after 0, 1, 2 … steps, until it needs no more."""
    for steps in count():
        home = folder / f"killed-{steps}"
        if before is not None:
            shutil.copytree(before, home)
        if not killed_after(steps, monkeypatch, lambda home=home: again(home)):
            return
        yield steps, home


@pytest.mark.parametrize("started_with", ["nothing", "other rows"])
@pytest.mark.parametrize("rows", [NEW, NEW[:3], NEW[3:]], ids=["all kinds", "kept only", "none kept"])
def test_a_day_killed_after_any_step_is_told_by_its_missing_receipt_and_the_next_run_mends_it(
    before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: Rows, started_with: str
) -> None:
    start = before if started_with == "other rows" else None
    clean = tmp_path / "clean"
    if start is not None:
        shutil.copytree(start, clean)
    publish(clean, rows)
    expected = state.read_state(clean)
    untouched = state.read_state(before)
    seen = 0
    for _, home in killed_homes(start, tmp_path, monkeypatch, lambda home: publish(home, rows)):
        lake = str(home / "lake")
        seen += 1
        if start is not None and receipts.read(lake, Documents, DAY) is not None:
            assert state.differences(untouched, state.read_state(home)) == [], "a finished day is whole"
        publish(home, rows)
        assert state.differences(expected, state.read_state(home)) == []
        assert state.orphans(home / "lake") == state.held_locks(home / "lake") == []
        assert [p for p in state.leftovers(home) if "_incoming" not in p] == []
    assert seen > 6


def test_a_day_without_rows_killed_after_any_step_is_mended_by_the_next_run(
    before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = tmp_path / "clean"
    shutil.copytree(before, clean)
    publish_none(clean)
    expected = state.read_state(clean)
    for steps, home in killed_homes(before, tmp_path, monkeypatch, publish_none):
        finished = receipts.read(str(home / "lake"), Documents, DAY)
        assert (finished is None) == (steps >= 2), "staging goes first, then the receipt"
        publish_none(home)
        assert state.differences(expected, state.read_state(home)) == []
        assert state.orphans(home / "lake") == []
    assert steps == 5


def test_state_beside_a_table_is_written_while_the_day_has_no_receipt(
    before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shutil.copytree(before, home)
    met: list[object] = []

    def after(rows: Callable[[], Iterator[pa.RecordBatch]]) -> None:
        met.append(receipts.read(str(home / "lake"), Documents, DAY))

    publish(home, NEW, after=after)
    assert met == [None]
