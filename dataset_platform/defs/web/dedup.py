"""How ``web/deduped_corpus`` computes a day: links against all earlier days, clusters, keepers; and what it leaves.

State is two tables written just before the corpus itself: the signature index (what later days compare with) and the
links found on the day. A day is judged on both of earlier days only, so materializing a day again changes nothing unless
something above it has changed; then the later days that this affects are marked (``dedup_staleness``).
"""

from __future__ import annotations

import pyarrow as pa

from dataset_platform.contracts import DuplicateLinks, FilteredDocuments, SignatureIndex
from dataset_platform.defs.days import Day, Staged
from dataset_platform.defs.web import dedup_spans
from dataset_platform.defs.web.dedup_days import inputs_of, require_earlier_days, wait_for_earlier_days
from dataset_platform.defs.web.dedup_judging import Left, judge_in_memory, judge_in_spark
from dataset_platform.defs.web.dedup_staleness import is_outdated, mark, mark_affected, settle
from dataset_platform.defs.web.dedup_state import Snapshot, publishing


def compute_deduped(day: Day) -> Staged:
    """Clusters of the day against itself and all earlier days.

    Raises:
        StateError: an earlier day with data is not finished or not current, so this one cannot be judged; or the state
            was written by an earlier version of this program.
    """
    above = day.upstream(FilteredDocuments)
    judged_on = wait_for_earlier_days(day)
    state = Snapshot.now(day)
    require_earlier_days(day, judged_on, state.index.rows)
    inputs, stale = inputs_of(day, above), is_outdated(day)
    if not above.rows_kept:
        note = f"{FilteredDocuments.table_name()} has no rows"
        return Staged(None, 0, inputs, lambda _: clear_state(day), note, stale=stale)
    in_memory = above.rows_kept + state.earlier_rows <= day.config.web.dedup.in_memory_documents
    left, spans = list[Left](), list[pa.Table]()

    def write(path: str) -> None:
        left.append(judge_in_memory(day, state, path) if in_memory else judge_in_spark(day, path))
        spans.append(dedup_spans.edit_staged(day, path) if day.config.web.dedup.spans else dedup_spans.none())

    def leave() -> None:
        with publishing(day, judged_on):
            left[-1].mark()
            mark(day, dedup_spans.days_affected(day, spans[-1]))
            settle(day)
            left[-1].publish()
            dedup_spans.publish(day, spans[-1])

    return Staged(
        write,
        above.rows_kept,
        inputs,
        after=lambda _: leave(),
        after_arrow=lambda _: leave(),
        in_process=in_memory,
        stale=stale,
    )


def clear_state(day: Day) -> None:
    """Take a day without documents out of the index and the links."""
    from dataset_platform.kernels.web.duplicates import INDEX, LINKS

    schema = pa.schema([f.with_nullable(True).remove_metadata() for f in SignatureIndex.data_schema()])
    with publishing(day):
        mark_affected(day, schema.empty_table().select(INDEX), LINKS.empty_table())
        mark(day, dedup_spans.days_affected(day, dedup_spans.none()))
        settle(day)
        dedup_spans.publish(day, dedup_spans.none())
        for contract in (SignatureIndex, DuplicateLinks):
            day.table(contract).clear_partition({"ingestion_date": day.key})
