"""The state of dedup (signature index, links and spans): how it grows, when that is too much, and its rows outside a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from dataset_platform.contracts import (
    PARTITION_COLUMN,
    Contract,
    DedupedCorpus,
    DuplicateLinks,
    SignatureIndex,
    SpanIndex,
)
from dataset_platform.lake import receipts
from dataset_platform.lake.locks import lock
from dataset_platform.lake.tables import LakeTable
from dataset_platform.lake.upkeep.shapes import files_of

STATE: tuple[type[Contract], ...] = (SignatureIndex, DuplicateLinks, SpanIndex)
GIB = 2**30


@dataclass(frozen=True)
class StateSize:
    """Rows and bytes of a state table, in total and per day."""

    table: str
    rows: int
    bytes: int
    days: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Trimmed:
    """Rows and days taken out of a state table because no later day is compared with them any more."""

    table: str
    days: int
    rows: int


def state_sizes(lake_root: str) -> list[StateSize]:
    """How large each state table is; from file statistics, nothing is read."""
    sizes = []
    for contract in STATE:
        table = LakeTable(contract, lake_root)
        if not table.exists():
            continue
        days = _days(table)
        rows, size = (sum(column) for column in zip((0, 0), *days.values(), strict=True))
        sizes.append(StateSize(contract.table_name(), rows, size, days))
    return sizes


def growth_warning(sizes: Sequence[StateSize], warn_gib: float) -> str:
    """One line when the state is larger than ``warn_gib``, naming the ways out; empty otherwise."""
    total = sum(s.bytes for s in sizes)
    if total <= warn_gib * GIB:
        return ""
    rows = sum(s.rows for s in sizes)
    return (
        f"The state of dedup has {total / GIB:.1f} GiB in {rows:,} rows, over upkeep.dedup_state_warn_gib "
        f"({warn_gib:g}). Every day is compared with all of it: set web.dedup.window_days to compare with recent days "
        "only, set DATASET_PLATFORM_FIRST_DAY later, or raise the bound."
    )


def trim_state(lake_root: str, window_days: int, wait_s: float, dry_run: bool = False) -> list[Trimmed]:
    """Take out the rows of days that lie two windows or more before the newest finished day of the corpus.

    A day is judged on one window before it; the second lets every day that the newest is judged on be judged again.
    Judging an older one is refused by name then, since its receipts and the index do not agree.

    Raises:
        LockedError: another run held the state for ``wait_s``.
    """
    finished = receipts.days(lake_root, DedupedCorpus)
    if not finished:
        return []
    first = (date.fromisoformat(finished[-1]) - timedelta(days=2 * window_days)).isoformat()
    trimmed = []
    for size in state_sizes(lake_root):
        outside = {day: rows for day, (rows, _) in size.days.items() if day < first}
        if outside:
            trimmed.append(Trimmed(size.table, len(outside), sum(outside.values())))
    if dry_run or not trimmed:
        return trimmed
    with lock(lake_root, f"{DedupedCorpus.table_name()} state", wait_s):  # held while a day's part of it is replaced
        for contract in STATE:
            if any(t.table == contract.table_name() for t in trimmed):
                with lock(lake_root, contract.table_name(), wait_s):
                    LakeTable(contract, lake_root).delta().delete(f"{PARTITION_COLUMN} < '{first}'")
    return trimmed


def _days(table: LakeTable) -> dict[str, tuple[int, int]]:
    """Rows and bytes per day, sorted."""
    days: dict[str, tuple[int, int]] = {}
    for row in files_of(table.delta(), (PARTITION_COLUMN,)).to_pylist():
        rows, size = days.get(row[PARTITION_COLUMN], (0, 0))
        days[row[PARTITION_COLUMN]] = rows + row["num_records"], size + row["size_bytes"]
    return dict(sorted(days.items()))
