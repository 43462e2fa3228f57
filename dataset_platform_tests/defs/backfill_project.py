"""A small graph a → b → c on the real machinery, for the backfill test: b breaks its contract on one day.

The day is bad while the file named by BAD_DAY_FILE holds its name.
"""

import os
from pathlib import Path
from typing import ClassVar

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from dataset_platform.contracts.base import Contract, Date, Int64, String, column
from dataset_platform.defs.days import Day, Staged
from dataset_platform.defs.resources import SparkResource
from dataset_platform.defs.stages import table_asset
from dataset_platform.lake import storage


class A(Contract, table="t/a"):
    """First."""

    _unused: ClassVar[int] = 0
    doc_id: String = column("id")
    value: Int64 = column("a value", ge=0)
    ingestion_date: Date = column("day")


class B(Contract, table="t/b"):
    """Second."""

    doc_id: String = column("id")
    value: Int64 = column("a value", ge=0)
    ingestion_date: Date = column("day")


class C(Contract, table="t/c"):
    """Third."""

    doc_id: String = column("id")
    value: Int64 = column("a value", ge=0)
    ingestion_date: Date = column("day")


def bad_day() -> str:
    return Path(os.environ["BAD_DAY_FILE"]).read_text().strip()


def produce(contract: type[Contract], reads: type[Contract] | None):
    def compute(day: Day) -> Staged:
        if reads is not None:
            day.upstream(reads)
        value = -1 if contract is B and day.key == bad_day() else 1
        rows = [{"doc_id": f"{day.key}-{i}", "value": value if i == 1 else 1} for i in range(3)]

        def write(path: str) -> None:
            sink = pa.BufferOutputStream()
            pq.write_table(pa.Table.from_pylist(rows, schema=contract.labelled_schema()), sink)
            storage.write_bytes(f"{path}/part-0.parquet", sink.getvalue().to_pybytes())

        return Staged(write, len(rows))

    return compute


defs = dg.Definitions(
    assets=[
        table_asset(A, compute=produce(A, None)),
        table_asset(B, reads=A, compute=produce(B, A)),
        table_asset(C, reads=B, compute=produce(C, B)),
    ],
    resources={"spark": SparkResource(spark_config={})},
    executor=dg.in_process_executor,
)
