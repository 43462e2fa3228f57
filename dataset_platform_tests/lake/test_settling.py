"""Who stays of rows that share a key: as SQL's ORDER BY says, whatever the batches."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from dataset_platform.contracts import Documents
from dataset_platform.lake import settling
from dataset_platform_tests.contracts.rows import document, labelled

ORDER = ("warc_date DESC NULLS LAST", "file", "offset")


def rows(seed: int) -> list[dict[str, object]]:
    draw = random.Random(seed)
    dates = [None, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)]
    found = [
        document(number % 6, warc_date=draw.choice(dates), file=draw.choice("ab"), offset=number)
        for number in range(40)
    ]
    for row in found[::7]:
        row |= {"reason": "not_html", "text": None, "text_length": None}
    return found


def expected(found: list[dict[str, object]]) -> list[int]:
    def place(number: int) -> tuple[object, ...]:
        row = found[number]
        at = row["warc_date"]
        return (at is None, -at.timestamp() if isinstance(at, datetime) else 0, row["file"], row["offset"])

    ranks = [0] * len(found)
    kept = [n for n, row in enumerate(found) if not row.get("reason")]
    for doc_id in {found[n]["doc_id"] for n in kept}:
        mine = sorted((n for n in kept if found[n]["doc_id"] == doc_id), key=place)
        for rank, number in enumerate(mine[1:], 2):
            ranks[number] = rank
    return ranks


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [1, 9, 100])
def test_all_but_the_first_by_the_order_are_labelled(seed: int, size: int) -> None:
    found = rows(seed)
    table = labelled(Documents, found)
    batches = table.to_batches(max_chunksize=size)
    ranks = settling.losers(batches, ("doc_id",), ORDER)
    assert ranks.tolist() == expected(found)
    after = [row for batch in settling.labelled(batches, ranks) for row in batch.to_pylist()]
    for number, (before, now) in enumerate(zip(table.to_pylist(), after, strict=True)):
        if ranks[number]:
            labels = {"reason": "duplicate_record", "measure": float(ranks[number]), "detail": settling.DETAIL}
            assert now == before | labels
        else:
            assert now == before


def test_a_day_without_rows_has_no_losers() -> None:
    assert settling.losers([], ("doc_id",), ORDER).tolist() == []


@pytest.mark.parametrize("term", ["warc_date SIDEWAYS", "a b c", "x DESC NULLS NEVER"])
def test_an_order_that_is_none_is_refused(term: str) -> None:
    with pytest.raises(ValueError, match=r"no column with ASC or DESC"):
        settling.losers([], ("doc_id",), (term,))
