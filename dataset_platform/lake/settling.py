"""Rows of a day that share a row key: one stays, the others are labelled. In Arrow; ``publishing`` does it in Spark.

The order that says who stays is written as SQL's ORDER BY terms, so that both read the same declaration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dataset_platform.lake.labelled_rows import kinds

REASON = "duplicate_record"
DETAIL = "the same record id was met before on this day"
_TERM = re.compile(r"(\w+)(?:\s+(ASC|DESC))?(?:\s+NULLS\s+(FIRST|LAST))?", re.IGNORECASE)


def losers(batches: Iterable[pa.RecordBatch], key: Sequence[str], order: Sequence[str]) -> np.ndarray:
    """Rank, among the kept rows of its key, of every row that does not come first; 0 for all others.

    Args:
        batches: labelled rows, with the columns of ``key`` and ``order`` and the labels.
        order: terms such as ``warc_date DESC NULLS LAST``; nulls come first in ascending order, last in descending.

    Returns:
        int64, one per row in the order given; 2 for the second of its key, and so on.
    """
    terms = [_parsed(term) for term in order]
    names = list(dict.fromkeys([*key, *(name for name, _, _ in terms)]))
    tables, places, rows = [], [], 0
    for batch in batches:
        kept, _, _ = kinds(batch)
        places.append(rows + np.flatnonzero(np.asarray(kept)))
        tables.append(pa.Table.from_batches([batch.select(names)]).filter(kept))
        rows += batch.num_rows
    ranks = np.zeros(rows, np.int64)
    if not tables:
        return ranks
    frame = pa.concat_tables(tables).to_pandas(types_mapper=pd.ArrowDtype)
    frame["_place"] = np.concatenate(places)
    frame = frame[frame.duplicated(list(key), keep=False)]
    # stable sorts from the last term to the first give the whole order
    for name, ascending, nulls_first in reversed(terms):
        frame = frame.sort_values(
            name, ascending=ascending, na_position="first" if nulls_first else "last", kind="stable"
        )
    rank = frame.groupby(list(key), sort=False).cumcount().to_numpy() + 1
    later = rank > 1
    ranks[frame["_place"].to_numpy()[later]] = rank[later]
    return ranks


def labelled(batches: Iterable[pa.RecordBatch], ranks: np.ndarray) -> Iterator[pa.RecordBatch]:
    """The same rows, those with a rank rejected as ``duplicate_record`` with the rank as the measure."""
    at = 0
    for batch in batches:
        mine = ranks[at : at + batch.num_rows]
        at += batch.num_rows
        if mine.any():
            lost = pa.array(mine > 0)
            new: dict[str, Any] = {"reason": REASON, "measure": pa.array(mine.astype(np.float64)), "detail": DETAIL}
            columns = [
                pc.if_else(lost, new[f.name], batch.column(f.name)).cast(f.type)
                if f.name in new
                else batch.column(f.name)
                for f in batch.schema
            ]
            batch = pa.RecordBatch.from_arrays(columns, schema=batch.schema)
        yield batch


def _parsed(term: str) -> tuple[str, bool, bool]:
    """Column, ascending?, nulls first? of an ORDER BY term."""
    found = _TERM.fullmatch(term.strip())
    if found is None:
        raise ValueError(f"'{term}' is no column with ASC or DESC and NULLS FIRST or LAST")
    name, direction, nulls = found.groups()
    ascending = (direction or "ASC").upper() == "ASC"
    return name, ascending, ascending if nulls is None else nulls.upper() == "FIRST"
