"""The checks that every table gets: its contract, conservation of rows, and drift against the trailing days.

Row rules run per Arrow batch on the executors, uniqueness and totals in Spark; only failures come to the driver.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from dataset_platform.contracts import PARTITION_COLUMN, Contract
from dataset_platform.engines.kernel import Kernel
from dataset_platform.engines.spark import map_in_arrow
from dataset_platform.lake.receipts import Receipt

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FAILURES = pa.schema([("column", pa.string()), ("check", pa.string()), ("example", pa.string()), ("rows", pa.int64())])
MIN_TRAILING_DAYS = 3
KEPT_SHARE_TOLERANCE = 0.2
ROWS_FACTOR = 3.0


@dataclass(frozen=True)
class Finding:
    """Result of one check: a name, pass or fail, its severity, one line for people and details for machines."""

    name: str
    passed: bool
    message: str
    severity: str = "ERROR"
    details: dict[str, Any] = field(default_factory=dict)


def validate_batches(contract: type[Contract], day: str) -> Kernel:
    """A kernel that turns rows (data columns) into rows of ``FAILURES``, one per broken column and rule."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from pandera.errors import SchemaErrors

        constants = {PARTITION_COLUMN: pa.scalar(day).cast(pa.date32())}
        constants |= dict.fromkeys(contract.partition_columns()[1:], pa.scalar("any"))
        names = contract.data_schema().names
        for batch in batches:
            table = pa.Table.from_batches([batch]).select(names)
            for name, value in constants.items():
                table = table.append_column(name, pa.repeat(value, table.num_rows))
            frame = table.select(contract.column_names()).to_pandas(types_mapper=pd.ArrowDtype)
            try:
                contract.validate(frame, lazy=True)
            except SchemaErrors as e:
                cases = e.failure_cases.astype({"failure_case": "object"})
                grouped = cases.groupby(["column", "check"], dropna=False)["failure_case"].agg(["first", "size"])
                rows = [(str(c), str(k), str(r["first"])[:200], int(r["size"])) for (c, k), r in grouped.iterrows()]
                yield pa.RecordBatch.from_arrays(
                    [pa.array(list(column)) for column in zip(*rows, strict=True)], schema=FAILURES
                )

    return run


def contract_finding(rows: DataFrame, contract: type[Contract], day: str) -> Finding:
    """Whether the rows (data columns) keep every rule of the contract, the uniqueness of the row key included."""
    from pyspark.sql import functions as F

    key = [k for k in contract.row_key() if k not in contract.partition_columns()]
    failures = map_in_arrow(rows, validate_batches(contract, day), FAILURES)
    found = failures.groupBy("column", "check").agg(F.first("example").alias("example"), F.sum("rows").alias("rows"))
    broken = [row.asDict() for row in found.limit(50).collect()]
    repeated = rows.groupBy(*key).count().where("count > 1")
    for row in repeated.limit(1).collect():
        value = ", ".join(str(row[k]) for k in key)
        broken.append({"column": "+".join(key), "check": "unique", "example": value, "rows": repeated.count()})
    return _contract_verdict(contract, broken)


def contract_finding_of(contract: type[Contract], failures: Iterable[pa.RecordBatch], repeated: int) -> Finding:
    """The same of failures already gathered by ``validate_batches``, and of ``repeated`` rows that share a row key."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for batch in failures:
        for row in batch.to_pylist():
            there = found.setdefault((row["column"], row["check"]), {**row, "rows": 0})
            there["rows"] += row["rows"]
    broken = list(found.values())
    if repeated:
        broken.append({"column": "+".join(contract.row_key()), "check": "unique", "example": "", "rows": repeated})
    return _contract_verdict(contract, broken)


def _contract_verdict(contract: type[Contract], broken: list[dict[str, Any]]) -> Finding:
    if not broken:
        return Finding("contract", True, f"every row keeps the contract of {contract.table_name()}")
    worst = max(broken, key=lambda b: b["rows"])
    line = f"{worst['rows']} rows break {worst['column']}: {worst['check']} (for example {worst['example']!r})"
    return Finding("contract", False, line, details={"failures": broken})


def conservation_finding(
    receipt: Receipt, rows_found: dict[str, int] | None = None, upstream: int | None = None
) -> Finding:
    """Whether in = kept + rejected + quarantined; ``rows_found`` are counts read back from the tables."""
    kept, rejected = receipt.rows_kept, receipt.rows_rejected
    total = kept + rejected + receipt.rows_quarantined
    line = f"{receipt.rows_in} in = {kept} kept + {rejected} rejected + {receipt.rows_quarantined} quarantined"
    problems = []
    if total != receipt.rows_in:
        problems.append(f"{receipt.rows_in} in ≠ {total} accounted for")
    if upstream is not None and upstream != receipt.rows_in:
        problems.append(f"the stage above has {upstream} rows now, this day was made from {receipt.rows_in}")
    declared = {"kept": kept, "rejected": rejected, "quarantined": receipt.rows_quarantined}
    for name, found in (rows_found or {}).items():
        if found != declared[name]:
            problems.append(f"{found} rows {name} in the lake, {declared[name]} in the receipt")
    details = {"rows_in": receipt.rows_in, **declared}
    return Finding("conservation", not problems, "; ".join(problems) or line, details=details)


def drift_finding(receipt: Receipt, trailing: list[Receipt]) -> Finding:
    """WARN when a day's size or share of kept rows departs from the median of the trailing days."""
    name, severity = "drift", "WARN"
    if receipt.rows_in == 0:
        return Finding(name, True, "no rows on this day", severity)
    if len(trailing) < MIN_TRAILING_DAYS:
        line = f"{len(trailing)} earlier days with data; needs {MIN_TRAILING_DAYS} to compare"
        return Finding(name, True, line, severity)
    usual_rows = median(r.rows_in for r in trailing)
    usual_share = median(r.rows_kept / r.rows_in for r in trailing)
    share = receipt.rows_kept / receipt.rows_in
    details = {"rows_in": receipt.rows_in, "usual_rows_in": usual_rows, "kept_share": share, "usual_share": usual_share}
    problems = []
    if not usual_rows / ROWS_FACTOR <= receipt.rows_in <= usual_rows * ROWS_FACTOR:
        problems.append(f"{receipt.rows_in} rows in, usually {usual_rows:.0f}")
    if abs(share - usual_share) > KEPT_SHARE_TOLERANCE:
        problems.append(f"{share:.0%} kept, usually {usual_share:.0%}")
    line = "; ".join(problems) or f"{receipt.rows_in} rows, {share:.0%} kept: as on the last {len(trailing)} days"
    return Finding(name, not problems, line, severity, details)
