"""The state of dedup as it lies in the lake: the signature index and the links, read for some days and replaced for one.

Both are written under one lock, with the marks of the later days that the change affects; a day that was judged on
something that has changed meanwhile is refused there, so that two runs never publish past each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dataset_platform.contracts import Contract, DuplicateLinks, SignatureIndex
from dataset_platform.defs.days import Day
from dataset_platform.defs.web.dedup_days import CORPUS, finished_days, judged_from
from dataset_platform.errors import StateError
from dataset_platform.lake import locks
from dataset_platform.lake.tables import LakeTable

if TYPE_CHECKING:
    from deltalake import DeltaTable

LINK_ENDS = ("doc_id", "linked_doc_id")


@dataclass(frozen=True)
class Version:
    """One version of a state table; reads of it see the same rows, whatever is written meanwhile."""

    table: LakeTable
    delta: DeltaTable | None

    @classmethod
    def now(cls, day: Day, contract: type[Contract]) -> Version:
        """The newest version; of a table that was never written, one without rows."""
        table = day.table(contract)
        return cls(table, table.delta() if table.exists() else None)

    @cached_property
    def files(self) -> list[dict[str, Any]]:
        """Path, day and rows of each data file."""
        if self.delta is None:
            return []
        actions = pa.table(self.delta.get_add_actions(flatten=True)).to_pylist()
        return [
            {"path": a["path"], "day": str(a["partition.ingestion_date"]), "rows": a["num_records"]} for a in actions
        ]

    @cached_property
    def rows(self) -> dict[str, int]:
        """Rows per day."""
        found: dict[str, int] = {}
        for file in self.files:
            found[file["day"]] = found.get(file["day"], 0) + file["rows"]
        return found

    def read(self, columns: Sequence[str], where: Any = None) -> pa.Table:
        """Columns of the rows that fulfil a condition."""
        if self.delta is None:
            return self.table.read(columns=columns)
        return self.delta.to_pyarrow_dataset().to_table(columns=list(columns), filter=where)


@dataclass(frozen=True)
class Snapshot:
    """Index and links at one moment, as a day sees them."""

    day: Day
    index: Version
    links: Version

    @classmethod
    def now(cls, day: Day) -> Snapshot:
        """The newest state.

        Raises:
            StateError: a table was written under another contract; the message says how to go on.
        """
        for contract in (SignatureIndex, DuplicateLinks):
            _require_contract(day, contract)
        return cls(day, Version.now(day, SignatureIndex), Version.now(day, DuplicateLinks))

    @property
    def earlier_rows(self) -> int:
        """Index rows that the day is judged on."""
        first = judged_from(self.day)
        return sum(rows for d, rows in self.index.rows.items() if first <= d < self.day.key)

    @property
    def rows_in_all(self) -> int:
        """Index rows of all days."""
        return sum(self.index.rows.values())

    def earlier(self, columns: Sequence[str]) -> pa.Table:
        """Columns of the index rows that the day is judged on."""
        return self.index.read(columns, before(self.day))

    def earlier_links(self) -> pa.Table:
        """doc_id, linked_doc_id of the links that the day is judged on."""
        return self.links.read(LINK_ENDS, before(self.day))


def date_of(day: str) -> pa.Scalar:
    """A day as Arrow compares it with ``ingestion_date``."""
    return pa.scalar(day).cast(pa.date32())


def before(day: Day) -> Any:
    """The condition that a row is of the days that this one is judged on."""
    date = pc.field("ingestion_date")
    return (date >= date_of(judged_from(day))) & (date < date_of(day.key))


def _require_contract(day: Day, contract: type[Contract]) -> None:
    table = day.table(contract)
    try:
        table.ensure()
    except StateError as e:
        raise StateError(
            e.message,
            f"Move it away (mv {table.url} {table.url}.old) and make all days of the corpus again, in order: "
            f"dataset-platform materialize {CORPUS} --partitions {day.settings.first_day}:{day.key}",
        ) from None


@contextmanager
def publishing(day: Day, judged_on: Mapping[str, str] | None = None) -> Iterator[None]:
    """Hold the state while a day's part of it is replaced.

    Args:
        judged_on: the days that this one was judged on, with the tags of their receipts; None where it was not judged.

    Raises:
        StateError: one of them was made again meanwhile.
    """
    with locks.lock(day.settings.lake, f"{CORPUS} state"):
        if judged_on is not None and finished_days(day) != judged_on:
            raise StateError(
                f"An earlier day of {CORPUS} was made again while {day.key} was judged on it.",
                f"Run: dataset-platform materialize {CORPUS} --partitions {day.key}",
            )
        yield
