"""How labelled rows are told apart, how many there are of each kind and what the kept ones hash to, on every engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataset_platform.contracts import LABELS, Contract
from dataset_platform.engines.kernel import Kernel
from dataset_platform.lake.row_hashes import row_hashes

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# the three kinds in Spark's terms; ``kinds`` says the same of an Arrow batch
KEPT = "tally IS NULL AND reason IS NULL AND error IS NULL"
REJECTED = "tally IS NULL AND reason IS NOT NULL AND error IS NULL"
QUARANTINED = "tally IS NULL AND error IS NOT NULL"

OUTCOMES = pa.schema(
    [
        ("kind", pa.string()),
        ("reason", pa.string()),
        ("rows", pa.int64()),
        ("tally", pa.int64()),
        # halves of a 64-bit sum, so that engines can add them up without overflow
        ("hash_low", pa.int64()),
        ("hash_high", pa.int64()),
    ]
)
_HALF = 2**32


@dataclass
class Outcomes:
    """Rows by kind and reason, records tallied, and the sum of the kept rows' hashes."""

    kept: int = 0
    quarantined: int = 0
    tallied: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    content: int = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a row of ``OUTCOMES``, or a sum of several."""
        if row["kind"] == "tally":
            self.tallied += row["tally"]
        elif row["kind"] == "quarantined":
            self.quarantined += row["rows"]
        elif row["kind"] == "rejected":
            self.reasons[row["reason"]] += row["rows"]
        else:
            self.kept += row["rows"]
            self.content = (self.content + row["hash_low"] + row["hash_high"] * _HALF) % 2**64

    @property
    def content_hash(self) -> str:
        """What the kept rows hash to; neither their order, their files nor the engine matter."""
        return f"{self.kept}:{self.content:016x}"


def kinds(batch: pa.RecordBatch) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Masks (bool, one per row) of the kept, rejected and quarantined rows of a labelled batch."""
    data = batch.column("tally").is_null()
    sound = pc.and_(data, batch.column("error").is_null())
    rejected = pc.and_(sound, batch.column("reason").is_valid())
    return pc.and_not(sound, rejected), rejected, pc.and_not(data, sound)


def count_outcomes(contract: type[Contract]) -> Kernel:
    """A kernel that turns labelled rows into rows of ``OUTCOMES``, one per kind and reason."""
    names = contract.data_schema().names

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        total = Outcomes()
        for batch in batches:
            kept, rejected, quarantined = kinds(batch)
            total.tallied += pc.sum(batch.column("tally")).as_py() or 0
            total.quarantined += pc.sum(quarantined).as_py() or 0
            total.reasons.update(batch.column("reason").filter(rejected).to_pylist())
            data = batch.filter(kept).select(names)
            total.kept += data.num_rows
            total.content = (total.content + hash_sum(data)) % 2**64
        yield _as_batch(total)

    return run


def hash_sum(rows: pa.RecordBatch) -> int:
    """Sum of the rows' hashes, modulo 2^64."""
    return int(row_hashes(rows).sum(dtype=np.uint64)) if rows.num_rows else 0


def outcomes_of(frame: DataFrame, contract: type[Contract]) -> Outcomes:
    """Outcomes of a Spark frame of labelled rows, in one pass on the executors."""
    from pyspark.sql import functions as F

    from dataset_platform.engines.spark import map_in_arrow

    counted = map_in_arrow(frame.select(*contract.labelled_schema().names), count_outcomes(contract), OUTCOMES)
    sums = [F.sum(name).alias(name) for name in ("rows", "tally", "hash_low", "hash_high")]
    return gathered(row.asDict() for row in counted.groupBy("kind", "reason").agg(*sums).collect())


def gathered(rows: Iterable[Mapping[str, Any]]) -> Outcomes:
    """Rows of ``OUTCOMES`` added up."""
    total = Outcomes()
    for row in rows:
        total.add(row)
    return total


def content_of(frame: DataFrame, contract: type[Contract]) -> tuple[int, str]:
    """Rows of a frame (data columns) and their content hash."""
    from pyspark.sql import functions as F

    from dataset_platform.engines.spark import spark_schema

    unlabelled = [F.lit(None).cast(f.dataType).alias(f.name) for f in spark_schema(LABELS)]
    found = outcomes_of(frame.select(*contract.data_schema().names, *unlabelled), contract)
    return found.kept, found.content_hash


def _as_batch(total: Outcomes) -> pa.RecordBatch:
    rows = [
        ("tally", None, 0, total.tallied, 0, 0),
        ("quarantined", None, total.quarantined, 0, 0, 0),
        ("kept", None, total.kept, 0, total.content % _HALF, total.content // _HALF),
        *(("rejected", reason, count, 0, 0, 0) for reason, count in total.reasons.items()),
    ]
    columns = zip(*rows, strict=True)
    return pa.RecordBatch.from_arrays(
        [pa.array(list(column), f.type) for column, f in zip(columns, OUTCOMES, strict=True)], schema=OUTCOMES
    )
