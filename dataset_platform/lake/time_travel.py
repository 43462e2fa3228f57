"""Reading a table as it was: by version, or by a moment in time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dataset_platform.contracts import PARTITION_COLUMN, Contract
from dataset_platform.errors import ConfigError, InputError, StateError
from dataset_platform.lake.tables import LakeTable

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMED_VERSIONS = 5


@dataclass(frozen=True)
class Version:
    """One commit of a table: its number, when it was made (UTC) and by what operation."""

    number: int
    time: datetime
    operation: str


def versions(table: LakeTable) -> list[Version]:
    """The versions of a table that its log still knows, oldest first.

    Raises:
        StateError: the table was never written.
    """
    found = []
    for commit in reversed(table.delta().history()):
        at = datetime.fromtimestamp(commit["timestamp"] / 1000, UTC)
        found.append(Version(int(commit["version"]), at, str(commit.get("operation", ""))))
    return found


def version_as_of(table: LakeTable, as_of: str) -> int:
    """The version that ``as_of`` names: its number, or the one that was the newest at an ISO time (UTC without offset).

    Raises:
        ConfigError: neither a number nor a time.
        InputError: the table has no such version; the message names those it has.
        StateError: the table was never written.
    """
    known = versions(table)
    if as_of.isdecimal():
        if int(as_of) in {v.number for v in known}:
            return int(as_of)
        raise InputError(f"{table.contract.table_name()} has no version {as_of}.", _named(known))
    try:
        moment = datetime.fromisoformat(as_of)
    except ValueError:
        raise ConfigError(
            f"'{as_of}' is neither a version nor a time.", "Write --as-of 3 or --as-of 2026-01-05T12:00:00."
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    before = [v.number for v in known if v.time <= moment]
    if not before:
        raise InputError(f"{table.contract.table_name()} was not there at {as_of}.", _named(known))
    return max(before)


def read_rows(
    table: LakeTable,
    *,
    version: int | None = None,
    day: str | None = None,
    where_id: str | None = None,
    columns: Sequence[str] | None = None,
    limit: int,
) -> pa.Table:
    """At most ``limit`` rows of a version, sorted by day and row key where all that match fit into the limit.

    Args:
        where_id: value of the first column of the row key or, where the table has one, of its scenario, frame or trace.

    Raises:
        StateError: the table was never written, or files of the version were vacuumed.
    """
    contract = table.contract
    conditions = []
    if day is not None:
        conditions.append(pc.field(PARTITION_COLUMN) == pa.scalar(day).cast(pa.date32()))
    if where_id is not None:
        named = pc.field(contract.row_key()[0]) == where_id
        for column in id_columns(contract):
            named = named | (pc.field(column) == where_id)
        conditions.append(named)
    condition: Any = None
    for one in conditions:
        condition = one if condition is None else condition & one
    wanted = list(columns or contract.column_names())
    order = [PARTITION_COLUMN, *(k for k in (*_ordered(contract), *contract.row_key()) if k != PARTITION_COLUMN)]
    order = list(dict.fromkeys(order))
    try:
        rows = table.dataset(version).head(limit, columns=list(dict.fromkeys([*wanted, *order])), filter=condition)
    except FileNotFoundError as error:
        if version is None or version == table.version():
            raise StateError(
                f"A file that the newest version of {contract.table_name()} names is gone: {error}.",
                "Materialize the days that it belongs to again.",
            ) from None
        kept = oldest_kept(table)
        raise StateError(
            f"Version {version} of {contract.table_name()} cannot be read any more: files of it were vacuumed.",
            f"Read version {kept.number} of {kept.time:%Y-%m-%dT%H:%M:%SZ} or a newer one "
            "(upkeep.retention_hours says how long replaced files are kept).",
        ) from None
    return rows.sort_by([(name, "ascending") for name in order]).select(wanted)


def oldest_kept(table: LakeTable) -> Version:
    """The oldest version whose files no vacuum may have deleted: the newest one at the latest vacuum's limit of age.

    Raises:
        StateError: the table was never written.
    """
    limit = None
    for commit in table.delta().history():
        if commit.get("operation") != "VACUUM START":
            continue
        parameters = commit.get("operationParameters", {})
        kept_ms = int(parameters.get("specifiedRetentionMillis") or parameters.get("defaultRetentionMillis") or 0)
        moment = datetime.fromtimestamp((commit["timestamp"] - kept_ms) / 1000, UTC)
        limit = moment if limit is None else max(limit, moment)
    known = versions(table)
    return max((v for v in known if limit and v.time <= limit), key=lambda v: v.number, default=known[0])


def id_columns(contract: type[Contract]) -> list[str]:
    """Columns other than the row key by which rows are asked for."""
    return [n for n in ("frame_id", "scenario_id", "trace_id", "url") if n in contract.column_names()]


def _ordered(contract: type[Contract]) -> list[str]:
    return [n for n in ("scenario_id", "step") if n in contract.column_names()]


def _named(known: list[Version]) -> str:
    shown = ", ".join(f"{v.number} ({v.time:%Y-%m-%dT%H:%M:%SZ})" for v in known[-NAMED_VERSIONS:])
    return f"It has versions {known[0].number} to {known[-1].number}, the latest: {shown}."
