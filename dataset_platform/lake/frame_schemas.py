"""Spark frames held against the contract of the table they are written to, before a byte is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from dataset_platform.contracts import Contract
from dataset_platform.engines.spark import spark_schema
from dataset_platform.errors import ContractError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SHOWN = 5


def refuse_drift(frame: DataFrame, contract: type[Contract], schema: pa.Schema) -> None:
    """Refuse a frame whose columns are not those of ``schema``; order and nullability do not matter.

    Raises:
        ContractError: columns are missing, not declared, or of another type; the message names them.
    """
    there = {f.name: f.dataType.simpleString() for f in frame.schema.fields}
    wanted = {f.name: f.dataType.simpleString() for f in spark_schema(schema).fields}
    drifted = [
        f"{name}: {_difference(there.get(name), kind)}" for name, kind in wanted.items() if there.get(name) != kind
    ]
    drifted += [f"{name}: not declared" for name in there if name not in wanted]
    if drifted:
        more = f" and {len(drifted) - SHOWN} more" if len(drifted) > SHOWN else ""
        raise ContractError(
            f"These rows do not have the columns of {contract.table_name()} ({'; '.join(drifted[:SHOWN])}{more}).",
            f"Nothing was written. Make the stage give the columns of {contract.__name__}, or change the contract.",
        )


def _difference(there: str | None, wanted: str) -> str:
    if there is None:
        return "missing"
    if len(there) + len(wanted) <= 80:
        return f"{there}, declared {wanted}"
    at = next((i for i, (a, b) in enumerate(zip(there, wanted, strict=False)) if a != b), min(len(there), len(wanted)))
    start = max(0, at - 30)
    return f"…{there[start : at + 20]}…, declared …{wanted[start : at + 20]}…"
