"""How staged rows are told apart by their labels, and what their content hashes to, in Spark's terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataset_platform.contracts import Contract

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

KEPT = "tally IS NULL AND reason IS NULL AND error IS NULL"
REJECTED = "tally IS NULL AND reason IS NOT NULL AND error IS NULL"
QUARANTINED = "tally IS NULL AND error IS NOT NULL"


def row_hash(contract: type[Contract]) -> Column:
    """A hash of a row's data columns whose sum over many rows does not overflow."""
    from pyspark.sql import functions as F

    return F.xxhash64(*contract.data_schema().names).cast("decimal(20,0)")


def content_hash(rows: int, total: int) -> str:
    """The content hash of rows whose hashes add up to ``total``; their order does not matter."""
    return f"{rows}:{total % 2**64:016x}"


def content_of(frame: DataFrame, contract: type[Contract]) -> tuple[int, str]:
    """Rows of a frame and their content hash."""
    from pyspark.sql import functions as F

    found = frame.agg(F.count("*").alias("rows"), F.sum(row_hash(contract)).alias("total")).collect()[0]
    return found["rows"], content_hash(found["rows"], int(found["total"] or 0))
