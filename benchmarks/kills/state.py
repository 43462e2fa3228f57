"""What lies in a home after a run, in a form that two runs can be compared by."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

LEDGERS = ("rejections", "quarantine")
OF_RUNS = ("_receipts", "_locks", "_staging", "_incoming")  # compared as receipts, or looked at on their own
OF_THE_RUN = ("version", "seconds")
"""Fields of a receipt that say how it was made, not what: the Delta version counts commits, seconds are for people."""


@dataclass(frozen=True)
class State:
    """Tables by name as counted rows, receipts by table and day, files of artifacts and marks of the lake by path."""

    tables: dict[str, Counter[str]]
    receipts: dict[str, dict[str, Any]]
    files: dict[str, bytes]


def read_state(home: Path, ignored: Collection[str] = ()) -> State:
    """The state of a home; whatever Delta tables, receipts and artifacts there are, by no list of names.

    Args:
        ignored: paths below the home that do not count.
    """
    lake, artifacts = home / "lake", home / "artifacts"
    return State(
        {name: counted(rows) for name, rows in delta_tables(lake)},
        {name: {k: v for k, v in content.items() if k not in OF_THE_RUN} for name, content in read_receipts(lake)},
        {
            str(f.relative_to(home)): f.read_bytes()
            for root in (artifacts, *(r for r in sorted(lake.glob("_*")) if r.name not in OF_RUNS))
            for f in sorted(root.rglob("*"))
            if f.is_file() and str(f.relative_to(home)) not in ignored
        },
    )


def delta_tables(lake: Path) -> Iterator[tuple[str, pa.Table]]:
    """Every Delta table below a lake with its rows, by its path."""
    from deltalake import DeltaTable

    for log in sorted(lake.rglob("_delta_log")):
        if any(log.glob("*.json")):
            yield str(log.parent.relative_to(lake)), DeltaTable(str(log.parent)).to_pyarrow_table()


def counted(rows: pa.Table) -> Counter[str]:
    """How often each row is there, in whatever order and files."""
    return Counter(repr(sorted(row.items())) for batch in rows.to_batches() for row in batch.to_pylist())


def read_receipts(lake: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Receipts as ``lane/artifact/day`` and content."""
    root = lake / "_receipts"
    for path in sorted(root.rglob("*.json")):
        yield str(path.relative_to(root).with_suffix("")), json.loads(path.read_bytes())


def differences(expected: State, found: State) -> list[str]:
    """What is not as in the other run, one line each; empty when the two are equal."""
    lines = []
    for name in sorted(expected.tables.keys() | found.tables.keys()):
        wanted, there = expected.tables.get(name, Counter()), found.tables.get(name, Counter())
        missing, surplus = (wanted - there).total(), (there - wanted).total()
        if missing or surplus:
            lines.append(f"{name}: {missing} rows missing, {surplus} rows too many")
    pairs: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
        ("receipt", expected.receipts, found.receipts),
        ("file", expected.files, found.files),
    )
    for kind, a, b in pairs:
        for name in sorted(a.keys() | b.keys()):
            if name not in b:
                lines.append(f"{kind} {name} is missing")
            elif name not in a:
                lines.append(f"{kind} {name} should not be there")
            elif a[name] != b[name]:
                lines.append(f"{kind} {name} differs{_where(a[name], b[name])}")
    return lines


def _where(a: Any, b: Any) -> str:
    """The fields that are not the same in two receipts; nothing for files."""
    if not isinstance(a, dict):
        return ""
    return f" in {', '.join(sorted(k for k in a.keys() | b.keys() if a.get(k) != b.get(k)))}"


def doubled_rows(expected: State, found: State) -> int:
    """Rows that stand there more often than in the other run, of those that it has at all."""
    return sum(
        max(0, count - expected.tables[name][row])
        for name, rows in found.tables.items()
        for row, count in rows.items()
        if expected.tables.get(name, Counter())[row]
    )


def orphans(lake: Path) -> list[str]:
    """Rows that no receipt accounts for and receipts whose rows are not there, one line per table and day.

    A row of a ledger belongs to the receipt of its lane, stage and day; a row of a stage's table to the receipt of that
    table and day; a row of state beside a table (an index) to a day that its lane has a receipt of.
    """
    receipts = dict(read_receipts(lake))
    stages = {name.rpartition("/")[0] for name in receipts}
    lane_days = {(name.split("/")[0], name.rpartition("/")[2]) for name in receipts}
    lines = []
    there: dict[str, Counter[str]] = {"rows_rejected": Counter(), "rows_quarantined": Counter(), "rows_kept": Counter()}
    for table, rows in delta_tables(lake):
        days = [str(d) for d in rows.column("ingestion_date").to_pylist()]
        if table in LEDGERS:
            field = "rows_rejected" if table == "rejections" else "rows_quarantined"
            lanes, names = rows.column("lane").to_pylist(), rows.column("stage").to_pylist()
            there[field].update(f"{lane}/{stage}/{day}" for lane, stage, day in zip(lanes, names, days, strict=True))
        elif table in stages:
            there["rows_kept"].update(f"{table}/{day}" for day in days)
        else:
            lone = sorted({d for d in days if (table.split("/")[0], d) not in lane_days})
            lines += [f"{table} has rows of {day}, which has no receipt" for day in lone]
    for field, counts in there.items():
        lines += [f"{n} {field} of {name}, which has no receipt" for name, n in counts.items() if name not in receipts]
        for name, receipt in receipts.items():
            if name.rpartition("/")[0].startswith("tokens/"):  # their rows are records of shards, which are files
                continue
            if receipt[field] != counts[name]:
                lines.append(f"the receipt of {name} says {receipt[field]} {field}, there are {counts[name]}")
    return lines


def held_locks(lake: Path) -> list[str]:
    """Names of locks that are held though nothing runs."""
    import filelock

    held = []
    for path in sorted((lake / "_locks").glob("*.lock")):
        probe = filelock.FileLock(path)
        try:
            probe.acquire(timeout=0)
        except filelock.Timeout:
            held.append(path.stem)
        else:
            probe.release()
    return held


def runs_going_on(home: Path) -> int:
    """Runs that Dagster shows as going on; with ``max_concurrent_runs`` a run started from the UI would wait for them."""
    import dagster as dg

    going_on = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        return len(instance.get_runs(dg.RunsFilter(statuses=going_on)))


def leftovers(home: Path) -> list[str]:
    """Files of runs that were cut short, by path below the home: staging, incoming and half-written files."""
    found = []
    for root in (home / "lake", home / "artifacts"):
        for folder, _, names in os.walk(root):
            inside = Path(folder).relative_to(root).parts
            for name in names:
                if inside[:1] in (("_staging",), ("_incoming",)) or name.endswith(".partial"):
                    found.append(str((Path(folder) / name).relative_to(home)))
    return sorted(found)


def uncommitted_files(lake: Path) -> list[str]:
    """Parquet files in tables' folders that no commit names: moved there by a run that was killed before its commit."""
    found = []
    for log in sorted(lake.rglob("_delta_log")):
        entries = (json.loads(line) for commit in log.glob("*.json") for line in commit.read_text().splitlines())
        named = {unquote(entry["add"]["path"]) for entry in entries if "add" in entry}
        files = {f.relative_to(log.parent) for f in log.parent.rglob("*.parquet") if "_delta_log" not in f.parts}
        found += [str(log.parent.relative_to(lake) / f) for f in sorted(files) if str(f) not in named]
    return found
