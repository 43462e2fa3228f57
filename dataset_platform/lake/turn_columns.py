"""The turns of a day's traces as flat columns, read batch by batch and without the answers' texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataset_platform.lake.tables import LakeTable

BATCH_ROWS = 512


def turn_columns(
    table: LakeTable, day: str, fields: Sequence[str], of_trace: Sequence[str] = ()
) -> Iterator[dict[str, list[Any]]]:
    """Per batch: ``fields`` of each turn and ``of_trace`` of its trace, and ``turns``: how many turns each trace has.

    Lists of ``fields`` have one value per turn, those of ``of_trace`` and ``turns`` one per trace, in the table's order.
    """
    on_day = pc.field("ingestion_date") == pa.scalar(day).cast(pa.date32())
    names = ["turns", *of_trace]
    for batch in table.dataset().to_batches(columns=names, filter=on_day, batch_size=BATCH_ROWS):
        if not batch.num_rows:
            continue
        turns = batch.column("turns")
        flat = pc.list_flatten(turns)
        found = {name: pc.struct_field(flat, name).to_pylist() for name in fields}
        found |= {name: batch.column(name).to_pylist() for name in of_trace}
        found["turns"] = pc.list_value_length(turns).to_pylist()
        yield found


def turns_by_trace(
    table: LakeTable, day: str, fields: Sequence[str], of_trace: Sequence[str] = ()
) -> Iterator[tuple[dict[str, Any], dict[str, list[Any]]]]:
    """Per trace, in the table's order: its ``of_trace`` values, and its turns as one list per field."""
    for batch in turn_columns(table, day, fields, of_trace):
        start = 0
        for i, length in enumerate(batch["turns"]):
            turns = {name: batch[name][start : start + length] for name in fields}
            start += length
            yield {name: batch[name][i] for name in of_trace}, turns
