"""Receipts: the account of a finished day, on disks and in object stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataset_platform.contracts import Documents
from dataset_platform.lake import receipts
from dataset_platform.lake.receipts import Receipt

TABLE = Documents.table_name()


@pytest.fixture(params=["local", "s3"])
def lake_root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("bucket") + "/lake"


def receipt(day: str, rows_in: int = 5, table: str = TABLE) -> Receipt:
    return Receipt(table, day, rows_in, rows_in, 0, 0)


def test_a_receipt_reads_back_as_it_was_written(lake_root: str) -> None:
    full = Receipt(
        table=TABLE,
        day="2026-01-05",
        rows_in=10,
        rows_kept=6,
        rows_rejected=3,
        rows_quarantined=1,
        reasons={"too_short": 2, "ünïcode": 1},
        version=7,
        content_hash="6:00000000000000ff",
        inputs={"web/raw_warcs": "2:ab"},
        code_version="1",
        config_hash="c",
        seconds=1.25,
        extra={"tokens": 5, "share": 0.5, "note": "n"},
    )
    receipts.write(lake_root, full)
    assert receipts.read(lake_root, TABLE, "2026-01-05") == receipts.read(lake_root, Documents, "2026-01-05") == full
    assert full.balanced
    receipts.write(lake_root, receipt("2026-01-05"))
    assert receipts.read(lake_root, TABLE, "2026-01-05") == receipt("2026-01-05")


def test_a_day_without_a_receipt_is_none_and_removing_twice_is_fine(lake_root: str) -> None:
    assert receipts.read(lake_root, TABLE, "2026-01-05") is None
    receipts.write(lake_root, receipt("2026-01-05"))
    receipts.write(lake_root, receipt("2026-01-06"))
    for _ in range(2):
        receipts.remove(lake_root, TABLE, "2026-01-05")
        assert receipts.read(lake_root, TABLE, "2026-01-05") is None
        assert receipts.days(lake_root, Documents) == ["2026-01-06"]


def test_days_are_those_of_the_table_alone_in_order(lake_root: str) -> None:
    assert receipts.days(lake_root, TABLE) == []
    for day in ("2026-01-10", "2025-12-31", "2026-01-02"):
        receipts.write(lake_root, receipt(day))
    receipts.write(lake_root, receipt("2026-01-03", table="web/documents_other"))
    assert receipts.days(lake_root, TABLE) == ["2025-12-31", "2026-01-02", "2026-01-10"]


def test_trailing_days_are_the_newest_before_with_input(lake_root: str) -> None:
    sizes = {f"2026-01-{d:02d}": (0 if d in (8, 9) else d) for d in range(1, 13)}
    for day, rows in sizes.items():
        receipts.write(lake_root, receipt(day, rows))
    found = receipts.trailing(lake_root, TABLE, "2026-01-11", count=4)
    assert [r.day for r in found] == ["2026-01-10", "2026-01-07", "2026-01-06", "2026-01-05"]
    assert len(receipts.trailing(lake_root, TABLE, "2026-01-12")) == 7
    assert receipts.trailing(lake_root, TABLE, "2026-01-01") == []


@pytest.mark.parametrize(("rows", "balanced"), [((6, 3, 2, 1), True), ((6, 3, 2, 0), False), ((6, 3, 2, 2), False)])
def test_a_receipt_is_balanced_when_every_row_is_accounted_for(rows: tuple[int, ...], balanced: bool) -> None:
    assert Receipt(TABLE, "2026-01-05", *rows).balanced is balanced
