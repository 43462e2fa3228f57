"""How a Delta table lies in the lake: its files and bytes, as the log knows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dataset_platform import contracts
from dataset_platform.contracts import Contract
from dataset_platform.lake.tables import LakeTable

if TYPE_CHECKING:
    from deltalake import DeltaTable


@dataclass(frozen=True)
class Shape:
    """The newest version of a table: its number, and the data files that it names."""

    version: int
    files: int
    bytes: int


def contracts_of_tables() -> list[type[Contract]]:
    """The contracts of all tables, sorted by name."""
    found = [c for n in contracts.__all__ if isinstance(c := getattr(contracts, n), type) and issubclass(c, Contract)]
    return sorted((c for c in found if c.table_name()), key=lambda c: c.table_name())


def existing_tables(lake_root: str) -> list[LakeTable]:
    """The tables that were ever written, sorted by name."""
    tables = (LakeTable(contract, lake_root) for contract in contracts_of_tables())
    return [table for table in tables if table.exists()]


def files_of(delta: DeltaTable, partition_columns: tuple[str, ...]) -> pa.Table:
    """One row per data file: ``size_bytes``, ``num_records`` and the partition columns, these as strings."""
    actions = pa.table(delta.get_add_actions(flatten=True))
    columns = {name: actions.column(name).cast(pa.int64()) for name in ("size_bytes", "num_records")}
    return pa.table(columns | {n: actions.column(f"partition.{n}").cast(pa.string()) for n in partition_columns})


def shape_of(table: LakeTable) -> Shape:
    """The table's newest version.

    Raises:
        StateError: the table was never written.
    """
    delta = table.delta()
    sizes = files_of(delta, ()).column("size_bytes")
    return Shape(delta.version(), len(sizes), pc.sum(sizes).as_py() or 0)
