"""Jobs besides materialization: upkeep of the lake."""

import dagster as dg

from dataset_platform.defs.upkeep import TABLES, dedup_state, leftovers, table_op


@dg.job(
    description="Merge small files of every table, write checkpoints, and measure the state of dedup.",
    tags={"dataset_platform/upkeep": "compaction"},
)
def compaction() -> None:
    """Every table's compaction, and the state of dedup."""
    for table in TABLES:
        table_op("compact", table)()
    dedup_state()


@dg.job(
    description="Delete replaced files past their retention in every table, and leftovers of killed runs.",
    tags={"dataset_platform/upkeep": "vacuum"},
)
def vacuum() -> None:
    """Every table's vacuum, and leftovers."""
    for table in TABLES:
        table_op("vacuum", table)()
    leftovers()


JOBS = [compaction, vacuum]
