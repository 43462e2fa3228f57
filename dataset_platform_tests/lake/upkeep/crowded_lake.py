"""Tables with many small files, a content hash over their rows, and commits that lie in the past."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from dataset_platform.contracts import Contract, RawWarcs
from dataset_platform.lake import storage
from dataset_platform.lake.row_hashes import row_hashes
from dataset_platform.lake.tables import LakeTable
from dataset_platform_tests.contracts.rows import good_row
from dataset_platform_tests.contracts.rows import table as arrow_table

DAYS = ("2026-01-05", "2026-01-06", "2026-01-07")
HOUR = 3600.0


def warc(name: str, size: int = 1) -> dict[str, Any]:
    return {"path": name, "size_bytes": size}


def partition_of(contract: type[Contract], day: str) -> dict[str, str]:
    row = good_row(contract) | {"ingestion_date": day}
    return {name: str(row[name]) for name in contract.partition_columns()}


def data(contract: type[Contract], rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows as a data file holds them; what a row does not name is that of the contract's good row."""
    whole = arrow_table(contract, [good_row(contract, **row) for row in rows])
    schema = pa.schema([f.with_nullable(True).remove_metadata() for f in contract.data_schema()])
    return whole.select(schema.names).cast(schema)


def add_files(table: LakeTable, day: str, parts: Sequence[Sequence[dict[str, Any]]]) -> int:
    """Add one file per part to a day, in one commit like the platform's own; the version."""
    table.ensure()
    partition = partition_of(table.contract, day)
    folder = "/".join(f"{k}={v}" for k, v in partition.items())
    actions = []
    for rows in parts:
        sink = pa.BufferOutputStream()
        pq.write_table(data(table.contract, rows), sink)
        content = sink.getvalue().to_pybytes()
        path = f"{folder}/part-{uuid.uuid4().hex}.parquet"
        storage.write_bytes(f"{table.url}/{path}", content)
        stats = json.dumps({"numRecords": len(rows)})
        actions.append(AddAction(path, len(content), partition, int(time.time() * 1000), True, stats))
    delta = table.delta()
    delta.create_write_transaction(
        actions, mode="append", schema=delta.schema(), partition_by=list(table.contract.partition_columns())
    )
    return table.delta().version()


def crowded(lake_root: str, days: Sequence[str] = DAYS, files: int = 4) -> LakeTable:
    """``raw_warcs`` with ``files`` small files on each day."""
    table = LakeTable(RawWarcs, lake_root)
    for day in days:
        add_files(table, day, [[warc(f"{day}/{i}"), warc(f"{day}/{i}b", i)] for i in range(files)])
    return table


def content(table: LakeTable, version: int | None = None, day: str | None = None) -> tuple[int, int]:
    """Rows and the sum of their hashes, all columns included: equal for equal rows in any order and any files."""
    whole = table.read(day) if version is None else table.dataset(version).to_table()
    columns = whole.select(table.contract.column_names())
    return whole.num_rows, sum(int(row_hashes(b).sum(dtype=np.uint64)) for b in columns.to_batches()) % 2**64


def files_on_disk(table: LakeTable) -> set[str]:
    """Data files in the table's folder, named or not by its log."""
    names = (f.path[len(table.url) + 1 :] for f in storage.list_files(table.url))
    return {name for name in names if not name.startswith("_delta_log/")}


def files_named(table: LakeTable, version: int | None = None) -> set[str]:
    """Data files that a version names."""
    return {uri.split(table.url.split("://")[-1] + "/")[-1] for uri in table.delta(version).file_uris()}


def set_back(table: LakeTable, hours_of: dict[int, float]) -> None:
    """Let commits of a local table have happened so many hours ago, their files' and removals' times included."""
    log = Path(table.url) / "_delta_log"
    for version, hours in hours_of.items():
        moment = time.time() - hours * HOUR
        path = log / f"{version:020d}.json"
        actions = [json.loads(line) for line in path.read_text().splitlines()]
        for action in actions:
            if "commitInfo" in action:
                action["commitInfo"]["timestamp"] = int(moment * 1000)
            if "remove" in action:
                action["remove"]["deletionTimestamp"] = int(moment * 1000)
            if "add" in action:
                action["add"]["modificationTime"] = int(moment * 1000)
                added = Path(table.url) / action["add"]["path"]
                if added.exists():
                    os.utime(added, (moment, moment))
        path.write_text("".join(json.dumps(action) + "\n" for action in actions))
        os.utime(path, (moment, moment))


def set_back_file(path: Path, hours: float) -> None:
    """Let a file have been written so many hours ago."""
    moment = time.time() - hours * HOUR
    os.utime(path, (moment, moment))
