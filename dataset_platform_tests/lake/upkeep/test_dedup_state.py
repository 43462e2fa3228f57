"""The state of dedup: its size per day, the warning, and days outside a window."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataset_platform.contracts import DedupedCorpus, DuplicateLinks, SignatureIndex
from dataset_platform.errors import LockedError
from dataset_platform.lake import receipts
from dataset_platform.lake.locks import lock
from dataset_platform.lake.receipts import Receipt
from dataset_platform.lake.tables import LakeTable
from dataset_platform.lake.upkeep.dedup_state import growth_warning, state_sizes, trim_state
from dataset_platform_tests.contracts.rows import doc_id
from dataset_platform_tests.lake.upkeep.crowded_lake import content, data

DAYS = [f"2026-01-{d:02d}" for d in range(5, 12)]


def state(lake_root: str) -> tuple[LakeTable, LakeTable]:
    """An index of two documents and a link a day, with finished days of the corpus."""
    index, links = LakeTable(SignatureIndex, lake_root), LakeTable(DuplicateLinks, lake_root)
    for n, day in enumerate(DAYS):
        rows = data(SignatureIndex, [{"doc_id": doc_id(2 * n)}, {"doc_id": doc_id(2 * n + 1)}])
        index.replace_partition(rows, {"ingestion_date": day})
        linked = {"doc_id": doc_id(2 * n + 1), "linked_doc_id": doc_id(2 * n)}
        links.replace_partition(data(DuplicateLinks, [linked]), {"ingestion_date": day})
        receipts.write(lake_root, Receipt(DedupedCorpus.table_name(), day, 2, 1, 1, 0))
    return index, links


def test_sizes_are_those_of_the_tables_in_total_and_per_day(tmp_path: Path) -> None:
    assert state_sizes(str(tmp_path)) == []
    index, links = state(str(tmp_path))
    found = {s.table: s for s in state_sizes(str(tmp_path))}
    assert set(found) == {"web/signature_index", "web/duplicate_links"}
    for table in (index, links):
        size = found[table.contract.table_name()]
        assert list(size.days) == DAYS
        assert size.rows == content(table)[0] == sum(rows for rows, _ in size.days.values())
        assert size.bytes == sum(n for _, n in size.days.values()) > 0


def test_the_warning_names_size_bound_and_ways_out(tmp_path: Path) -> None:
    state(str(tmp_path))
    sizes = state_sizes(str(tmp_path))
    total = sum(s.bytes for s in sizes) / 2**30
    assert growth_warning(sizes, total) == ""
    said = growth_warning(sizes, total / 2)
    for words in ("21 rows", "upkeep.dedup_state_warn_gib", "web.dedup.window_days", "DATASET_PLATFORM_FIRST_DAY"):
        assert words in said


def test_days_outside_the_window_go_and_the_rest_stays_as_it_was(tmp_path: Path) -> None:
    root = str(tmp_path)
    index, links = state(root)
    inside = [d for d in DAYS if d >= "2026-01-07"]  # two windows before the newest
    before = {(t.url, day): content(t, day=day) for t in (index, links) for day in inside}
    expected = trim_state(root, 2, wait_s=5, dry_run=True)
    assert index.days() == DAYS
    trimmed = trim_state(root, 2, wait_s=5)
    assert trimmed == expected
    assert {t.table: (t.days, t.rows) for t in trimmed} == {
        "web/signature_index": (2, 4),
        "web/duplicate_links": (2, 2),
    }
    assert index.days() == links.days() == inside
    assert {(t.url, day): content(t, day=day) for t in (index, links) for day in inside} == before
    versions = index.version(), links.version()
    assert trim_state(root, 2, wait_s=5) == []
    assert trim_state(root, 30, wait_s=5) == []
    assert (index.version(), links.version()) == versions


def test_the_state_is_not_touched_while_a_day_of_it_is_being_replaced(tmp_path: Path) -> None:
    index, _ = state(str(tmp_path))
    with lock(str(tmp_path), "web/deduped_corpus state"), pytest.raises(LockedError, match="deduped_corpus state"):
        trim_state(str(tmp_path), 1, wait_s=0)
    assert index.days() == DAYS


def test_a_lake_without_a_corpus_is_left_alone(tmp_path: Path) -> None:
    index = LakeTable(SignatureIndex, str(tmp_path))
    index.replace_partition(data(SignatureIndex, [{}]), {"ingestion_date": DAYS[0]})
    with lock(str(tmp_path), "web/signature_index"):
        assert trim_state(str(tmp_path), 1, wait_s=0) == []
