"""Arrow columns of lists and structs from flat numpy arrays, and whole labelled batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def struct_array(kind: pa.StructType, columns: Mapping[str, Any], count: int) -> pa.StructArray:
    """Structs of ``kind`` from one sequence or array per field; a field without one is null."""
    arrays = [_array(columns.get(field.name), field.type, count) for field in kind]
    return pa.StructArray.from_arrays(arrays, fields=list(kind))


def list_array(kind: pa.ListType, values: pa.Array, lengths: NDArray[np.int64] | Sequence[int]) -> pa.ListArray:
    """Lists of the given lengths over ``values``."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=kind)


def number_lists(kind: pa.ListType, lists: Sequence[Sequence[Any]]) -> pa.ListArray:
    """Lists of numbers."""
    lengths = np.fromiter((len(one) for one in lists), dtype=np.int64, count=len(lists))
    flat = [value for one in lists for value in one]
    return list_array(kind, pa.array(flat, type=kind.value_type), lengths)


def repeated(value: Any, kind: pa.DataType, count: int) -> pa.Array:
    """``value`` in every row."""
    return pa.nulls(count, kind) if value is None else pa.repeat(pa.scalar(value, type=kind), count)


def labelled_batch(schema: pa.Schema, columns: Mapping[str, Any], count: int) -> pa.RecordBatch:
    """A batch of ``schema``: columns that are arrays as they are, single values in every row, missing ones null.

    Raises:
        KeyError: a column that the schema does not have.
    """
    if unknown := set(columns) - set(schema.names):
        raise KeyError(f"not in the schema: {sorted(unknown)}")
    arrays = [_column(columns.get(f.name), f.type, count) for f in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _column(value: Any, kind: pa.DataType, count: int) -> pa.Array:
    return _array(value, kind, count) if isinstance(value, pa.Array | np.ndarray) else repeated(value, kind, count)


def _array(value: Any, kind: pa.DataType, count: int) -> pa.Array:
    if value is None:
        return pa.nulls(count, kind)
    array = value if isinstance(value, pa.Array) else pa.array(value)
    return array if array.type == kind else array.cast(kind)
