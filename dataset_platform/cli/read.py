"""``read``: rows of a table as it is, or as it was."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from rich.table import Table

from dataset_platform.cli import output
from dataset_platform.contracts import Contract
from dataset_platform.errors import ConfigError
from dataset_platform.lake.tables import LakeTable
from dataset_platform.lake.time_travel import read_rows, version_as_of, versions
from dataset_platform.lake.upkeep.shapes import contracts_of_tables
from dataset_platform.settings import Settings, parse_day

CELL_CHARS = 40
SHOWN_COLUMNS = 6


@dataclass(frozen=True)
class ReadOptions:
    """Flags of ``read``; see its help."""

    day: str = ""
    as_of: str = ""
    limit: int = 20
    columns: str = ""
    where_id: str = ""


def run_read(name: str, options: ReadOptions, as_json: bool) -> int:
    """The ``read`` command; its exit code."""
    contract = contract_of(name)
    table = LakeTable(contract, Settings.from_env().lake)
    columns = _columns(contract, options.columns)
    version = version_as_of(table, options.as_of) if options.as_of else versions(table)[-1].number
    rows = read_rows(
        table,
        version=version,
        day=parse_day(options.day).isoformat() if options.day else None,
        where_id=options.where_id or None,
        columns=columns,
        limit=options.limit,
    )
    when = next(v.time for v in versions(table) if v.number == version)
    output.announce(f"{name} version {version} of {when:%Y-%m-%dT%H:%M:%SZ}: {rows.num_rows} rows shown")
    if as_json:
        content = {"table": name, "version": version, "time": when.isoformat(), "rows": rows.to_pylist()}
        print(json.dumps(content, default=_plain), flush=True)
        return 0
    shown = rows.column_names if columns else _narrow(contract, rows.column_names)
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in shown:
        # an id that is cut cannot be asked for
        drawn.add_column(
            column, overflow="fold", min_width=_width(rows, column) if column in contract.row_key() else None
        )
    for row in rows.select(shown).to_pylist():
        drawn.add_row(*(str(row[c]) if c in contract.row_key() else _cell(row[c]) for c in shown))
    output.out.print(drawn, markup=False)
    if len(shown) < len(rows.column_names):
        left = [n for n in rows.column_names if n not in shown]
        output.announce(f"further columns, shown by --columns or --json: {', '.join(left)}")
    return 0


def contract_of(name: str) -> type[Contract]:
    """The contract of a table by its name.

    Raises:
        ConfigError: there is no such table; lists what there is.
    """
    found = {c.table_name(): c for c in contracts_of_tables()}
    if name not in found:
        raise ConfigError(f"'{name}' is no table.", f"There are: {', '.join(sorted(found))}.")
    return found[name]


def _columns(contract: type[Contract], text: str) -> list[str] | None:
    wanted = [c.strip() for c in text.split(",") if c.strip()]
    unknown = [c for c in wanted if c not in contract.column_names()]
    if unknown:
        raise ConfigError(
            f"{contract.table_name()} has no column {', '.join(unknown)}.",
            f"It has: {', '.join(contract.column_names())}.",
        )
    return wanted or None


def _narrow(contract: type[Contract], names: list[str]) -> list[str]:
    """Columns that fit on a line: the row key, the day, then the first plain ones."""
    first = [*contract.row_key(), "ingestion_date"]
    nested = {f.name for f in contract.arrow_schema() if str(f.type).startswith(("list", "struct"))}
    return [*first, *(n for n in names if n not in first and n not in nested)][:SHOWN_COLUMNS]


def _width(rows: pa.Table, column: str) -> int:
    return max((len(str(value)) for value in rows.column(column).to_pylist()), default=0)


def _cell(value: Any) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = " ".join((f"{value:.5g}" if isinstance(value, float) else str(value)).split())
    return text if len(text) <= CELL_CHARS else text[: CELL_CHARS - 1] + "…"


def _plain(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
