"""64-bit hashes of Arrow rows, column by column and nested values included, without a Python object per row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

_NULL = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)


def row_hashes(batch: pa.RecordBatch) -> np.ndarray:
    """One hash per row, (rows,) uint64: equal rows have equal hashes, in any batch, file or process.

    The same value in another column, or at another place in a list, counts as another value.
    """
    total = np.zeros(batch.num_rows, np.uint64)
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        total += _mixed(_values(column) ^ np.uint64(xxhash.xxh3_64_intdigest(name.encode())))
    # once more, so that the sum over many rows changes when two rows swap the values of a column
    return _mixed(total)


def _mixed(values: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea & Flood 2014): sums of what it gives do not cancel."""
    values = (values ^ (values >> np.uint64(30))) * _MIX
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed


def _values(array: pa.Array) -> np.ndarray:
    kind = array.type
    if pa.types.is_struct(kind):
        found = np.zeros(len(array), np.uint64)
        for i, child in enumerate(array.flatten()):
            found += _mixed(_values(child) ^ np.uint64(i + 1))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        lengths = np.asarray(pc.fill_null(pc.list_value_length(array), 0)).astype(np.int64)
        items = _values(pc.list_flatten(array))
        starts = np.cumsum(lengths) - lengths
        place = np.arange(len(items)) - np.repeat(starts, lengths)
        found = _mixed(lengths.astype(np.uint64))
        np.add.at(found, np.repeat(np.arange(len(array)), lengths), _mixed(items ^ place.astype(np.uint64) * _NULL))
    else:
        found = _plain(array)
    missing = np.asarray(array.is_null())
    return np.where(missing, _NULL, found)


def _plain(array: pa.Array) -> np.ndarray:
    kind = array.type
    if pa.types.is_temporal(kind):
        array = array.cast(pa.int32() if pa.types.is_date32(kind) else pa.int64())
    if pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_string(kind):
        blank = b"" if pa.types.is_binary(kind) else ""
        texts = np.array(pc.fill_null(array, blank).to_pylist(), dtype=object)
        return pd.util.hash_array(texts, categorize=False) if len(texts) else np.empty(0, np.uint64)
    numbers = np.asarray(pc.fill_null(array, False if pa.types.is_boolean(kind) else 0))
    return pd.util.hash_array(numbers) if len(numbers) else np.empty(0, np.uint64)
