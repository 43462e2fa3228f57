"""What a contract is: a Pandera model that also knows its table.

One class per table declares columns (with units in names and descriptions), the row key, the partition column and the
lane. From it come the Arrow and Delta schema, the column documentation in Dagster and the blocking check.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa

# Column types. Arrow-backed, so that what Pandera sees is bit for bit what the engine hands over.
String = Annotated[pd.ArrowDtype, pa.string()]
Binary = Annotated[pd.ArrowDtype, pa.binary()]
Int32 = Annotated[pd.ArrowDtype, pa.int32()]
Int64 = Annotated[pd.ArrowDtype, pa.int64()]
Float64 = Annotated[pd.ArrowDtype, pa.float64()]
Bool = Annotated[pd.ArrowDtype, pa.bool_()]
Timestamp = Annotated[pd.ArrowDtype, pa.timestamp("us", tz="UTC")]
Date = Annotated[pd.ArrowDtype, pa.date32()]

PARTITION_COLUMN = "ingestion_date"

# How a kernel labels its rows. A kept row has neither reason nor error; a tally row is no data at all: it says how many
# records the reader met in one input, and must agree with the rows that came out (conservation).
LABELS = pa.schema(
    [
        pa.field("reason", pa.string(), metadata={"doc": "name of the rule that rejected the row; null when kept"}),
        pa.field("measure", pa.float64(), metadata={"doc": "the value the rule compared with its threshold"}),
        pa.field("detail", pa.string(), metadata={"doc": "the rule in words, with threshold or counterpart"}),
        pa.field("measures", pa.string(), metadata={"doc": "all measures of a rejected row as JSON; null elsewhere"}),
        pa.field("error", pa.string(), metadata={"doc": "why the bytes could not be decoded; null unless quarantined"}),
        pa.field("tally", pa.int64(), metadata={"doc": "records met in one input file; null on rows of data"}),
    ]
)


def column(description: str, *, nullable: bool = False, **checks: Any) -> Any:
    """A documented column; ``checks`` are Pandera's field checks (``ge``, ``isin``, ``str_length`` …)."""
    return pandera.Field(description=description, nullable=nullable, **checks)


class Contract(pandera.DataFrameModel):
    """Base of all table contracts: ``class Documents(Contract, table="web/documents", key=("doc_id",))``.

    Args:
        table: ``lane/artifact``, or the artifact alone for tables that all lanes share.
        key: columns that identify a row within a partition.
        partition_by: partition columns, in order; always begins with ``ingestion_date``.
    """

    # underscored, because Pandera takes every other class attribute for a column
    _table: ClassVar[str] = ""
    _key: ClassVar[tuple[str, ...]] = ()
    _partition_by: ClassVar[tuple[str, ...]] = (PARTITION_COLUMN,)

    def __init_subclass__(
        cls,
        *,
        table: str = "",
        key: tuple[str, ...] = ("doc_id",),
        partition_by: tuple[str, ...] = (PARTITION_COLUMN,),
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        cls._table, cls._key, cls._partition_by = table, key, partition_by

    class Config:
        strict = True
        ordered = False

    @classmethod
    def table_name(cls) -> str:
        """``lane/artifact``, as a user types it."""
        return cls._table

    @classmethod
    def lane_name(cls) -> str:
        """First part of the asset key and of the table's path; empty for tables that all lanes share."""
        return cls._table.rpartition("/")[0]

    @classmethod
    def artifact_name(cls) -> str:
        """Last part of the asset key and of the table's path."""
        return cls._table.rpartition("/")[2]

    @classmethod
    def row_key(cls) -> tuple[str, ...]:
        """Columns that identify a row within a partition."""
        return cls._key

    @classmethod
    def partition_columns(cls) -> tuple[str, ...]:
        """Partition columns, in order."""
        return cls._partition_by

    @classmethod
    def arrow_schema(cls) -> pa.Schema:
        """The table's Arrow schema, partition columns included, with descriptions as field metadata."""
        fields = []
        for name, col in cls.to_schema().columns.items():
            arrow_type = col.dtype.type.pyarrow_dtype
            fields.append(pa.field(name, arrow_type, nullable=col.nullable, metadata={"doc": col.description or ""}))
        return pa.schema(fields)

    @classmethod
    def data_schema(cls) -> pa.Schema:
        """The columns that a data file holds: all but the partition columns."""
        return pa.schema([f for f in cls.arrow_schema() if f.name not in cls._partition_by])

    @classmethod
    def labelled_schema(cls) -> pa.Schema:
        """What a kernel for this table emits: the data columns, all nullable, then ``LABELS``."""
        return pa.schema([f.with_nullable(True) for f in cls.data_schema()] + list(LABELS))

    @classmethod
    def column_names(cls) -> list[str]:
        """All column names, partition columns included."""
        return list(cls.to_schema().columns)
