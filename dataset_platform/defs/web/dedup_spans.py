"""The option ``web.dedup.spans``: what earlier texts of the corpus hold is taken out of the kept ones.

A pass over the day's staged rows, whichever way they were judged. Its state is ``web/span_index``: the spans that each
day met, and which of them it was the first to have. A day depends on earlier ones through the first-seen spans only, so
a change of these affects the later days that met one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from dataset_platform.contracts import DedupedCorpus, SpanIndex
from dataset_platform.defs.days import Day
from dataset_platform.defs.web.dedup_state import Version, before, date_of
from dataset_platform.lake import storage
from dataset_platform.settings import join

if TYPE_CHECKING:
    from datetime import date

SPANS = ("span_hash", "first_seen")
RANK = [("text_length", "descending"), ("language_score", "descending"), ("doc_id", "ascending")]


def edit_staged(day: Day, path: str) -> pa.Table:
    """Take repeated spans out of the kept rows staged below ``path``; rows of ``web/span_index`` for the day.

    The day's kept texts and the hashes of all spans seen before are held in memory.
    """
    from dataset_platform.kernels.web.filters import text_hash
    from dataset_platform.kernels.web.line_duplicates import remove_repeats
    from dataset_platform.kernels.web.spans import spans_of

    config = day.config.web.dedup.spans
    assert config is not None, "there is nothing to compare"
    rows = _staged(path)
    is_kept = rows["reason"].is_null()
    kept = rows.filter(is_kept)
    order = pc.sort_indices(kept, sort_keys=RANK).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    texts = kept["text"].to_pylist()
    seen = Version.now(day, SpanIndex).read(["span_hash"], before(day) & pc.field("first_seen"))
    known = np.unique(seen["span_hash"].to_numpy().view(np.uint64))
    edited = remove_repeats(texts, rank, known, config)
    spans = spans_of(texts, config.unit, config.min_characters)
    met = np.unique(spans.hashes[spans.compared])
    text = edited.rows["text"]
    lost = np.asarray(pc.greater(edited.rows["units_removed"], 0))
    rejected = edited.rows["reason"].is_valid()
    hashes = [
        text_hash(t) if changed else h
        for t, changed, h in zip(text.to_pylist(), lost, kept["text_hash"].to_pylist(), strict=True)
    ]
    left = pc.if_else(pa.array(lost), edited.rows["words_left"].cast(pa.int64()), kept["word_count"])
    changes = {
        "text": text,
        "text_length": pc.utf8_length(text).cast(pa.int64()),
        "text_hash": pa.array(hashes, pa.string()),
        "word_count": left,
        "reason": edited.rows["reason"],
        "measure": pc.if_else(rejected, left.cast(pa.float64()), pa.scalar(None, pa.float64())),
        "detail": edited.rows["detail"],
    }
    columns = [changes.get(name, kept[name]) for name in kept.column_names]
    others = rows.filter(pc.invert(is_kept))
    _write(path, pa.concat_tables([pa.Table.from_arrays(columns, schema=rows.schema), others]))
    return pa.table({"span_hash": met.view(np.int64), "first_seen": np.isin(met, edited.fresh)})


def days_affected(day: Day, spans: pa.Table) -> set[date]:
    """Later days that met a span of which this day will be, or will no more be, the first to have it."""
    state = Version.now(day, SpanIndex)
    column, this = pc.field("ingestion_date"), date_of(day.key)
    had = state.read(["span_hash"], (column == this) & pc.field("first_seen"))["span_hash"]
    has = spans.filter(spans["first_seen"])["span_hash"]
    changed = np.setxor1d(had.to_numpy(), has.to_numpy())
    if not len(changed):
        return set()
    met = state.read(["ingestion_date"], (column > this) & pc.field("span_hash").isin(pa.array(changed, pa.int64())))
    return set(met["ingestion_date"].unique().to_pylist())


def publish(day: Day, spans: pa.Table) -> None:
    """Replace the day's spans; there may be none."""
    partition = {"ingestion_date": day.key}
    if spans.num_rows:
        day.table(SpanIndex).replace_partition(spans, partition)
    else:
        day.table(SpanIndex).clear_partition(partition)


def none() -> pa.Table:
    """No spans."""
    return pa.table({"span_hash": pa.array([], pa.int64()), "first_seen": pa.array([], pa.bool_())})


def _staged(path: str) -> pa.Table:
    fs, inner = storage.filesystem(path)
    schema = DedupedCorpus.labelled_schema().remove_metadata()
    return ds.dataset(inner, schema=schema, format="parquet", filesystem=fs).to_table()


def _write(path: str, rows: pa.Table) -> None:
    storage.delete(path)
    with storage.open_output(join(path, "part-0.parquet")) as sink:
        pq.write_table(rows, sink)
