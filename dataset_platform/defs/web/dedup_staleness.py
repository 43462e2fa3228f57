"""Later days that a changed day affects: found as it is published, marked, named by a check until they are made again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from dataset_platform.contracts import DuplicateLinks, FilteredDocuments, SignatureIndex
from dataset_platform.defs.days import Day, ExtraCheck
from dataset_platform.defs.web.dedup_days import CORPUS
from dataset_platform.defs.web.dedup_state import LINK_ENDS, Snapshot, date_of
from dataset_platform.lake import outdated_days, receipts

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from dataset_platform.defs.metadata import Metadata, Published
    from dataset_platform.lake.audit import Finding

NAME = "later_days_current"
MEMBER = ("doc_id", "ingestion_date")
INDEXED = ("doc_id", "text_hash", "band_keys", "ingestion_date")


def later_days(day: Day) -> list[str]:
    """Days with documents that are or were judged on this one, sorted.

    One that is being made has no receipt, and maybe no index rows yet: then it finds this day changed as it publishes.
    """
    window = day.config.web.dedup.window_days
    last = None if window is None else (date.fromisoformat(day.key) + timedelta(days=window)).isoformat()
    days = {*receipts.days(day.settings.lake, CORPUS), *day.table(SignatureIndex).days()}
    return sorted(d for d in days if d > day.key and (last is None or d <= last))


def mark_affected(day: Day, index: pa.Table, links: pa.Table) -> None:
    """Mark the later days whose result can differ once the day leaves these index rows and these links.

    To be called before either is written, so that a run that is killed in between has marked too much, never too little.

    Args:
        index: columns ``duplicates.INDEX``.
        links: doc_id, linked_doc_id.
    """
    later = later_days(day)
    if not later:
        return
    state = Snapshot.now(day)
    if state.rows_in_all + index.num_rows > day.config.web.dedup.in_memory_documents:
        spark = day.spark
        mark_affected_in_spark(day, spark.createDataFrame(index), spark.createDataFrame(links.select(LINK_ENDS)))
        return
    import pyarrow.compute as pc

    from dataset_platform.kernels.web import affected_days as kernel
    from dataset_platform.kernels.web.duplicates import INDEX

    column = pc.field("ingestion_date")
    this, last = date_of(day.key), date_of(later[-1])
    found = kernel.affected_days(
        date.fromisoformat(day.key),
        before=kernel.State(state.index.read(INDEX, column == this), state.links.read(LINK_ENDS, column == this)),
        after=kernel.State(index, links.select(LINK_ENDS)),
        others=kernel.Others(
            documents=day.table(FilteredDocuments).read(columns=MEMBER, where=(column > this) & (column <= last)),
            index=state.index.read(INDEXED, (column > this) & (column <= last)),
            links=state.links.read([*LINK_ENDS, "ingestion_date"], (column != this) & (column <= last)),
        ),
        bands=day.config.web.dedup.bands,
        window_days=day.config.web.dedup.window_days,
    )
    mark(day, found)


def mark_affected_in_spark(day: Day, index: DataFrame, links: DataFrame) -> None:
    """The same for days and lakes that do not fit in memory."""
    later = later_days(day)
    if not later:
        return
    from pyspark.sql import functions as F

    from dataset_platform.engines import affected_days as engine

    column = F.col("ingestion_date")
    this, last = (F.lit(d).cast("date") for d in (day.key, later[-1]))
    there = {c: day.table(c).read_spark(day.spark) for c in (SignatureIndex, DuplicateLinks, FilteredDocuments)}
    change = engine.Change(
        index_before=there[SignatureIndex].where(column == this),
        index_after=index,
        links_before=there[DuplicateLinks].where(column == this),
        links_after=links,
        documents=there[FilteredDocuments].where((column > this) & (column <= last)).select(*MEMBER),
        index=there[SignatureIndex].where((column > this) & (column <= last)).select(*INDEXED),
        links=there[DuplicateLinks].where((column != this) & (column <= last)).select(*LINK_ENDS, "ingestion_date"),
    )
    mark(day, engine.affected_days(day.spark, date.fromisoformat(day.key), change, day.config.web.dedup))


def mark(day: Day, affected: Collection[date]) -> None:
    """Mark those of the affected days that were judged on this one."""
    if affected:
        days = {d.isoformat() for d in affected} & set(later_days(day))
        outdated_days.mark(day.settings.lake, CORPUS, sorted(days), day.key)


def is_outdated(day: Day) -> bool:
    """Whether a day that this one was judged on has changed since."""
    return day.key in outdated_days.marks(day.settings.lake, CORPUS)


def settle(day: Day) -> None:
    """Take the day's marks away, as it is made again."""
    outdated_days.clear(day.settings.lake, CORPUS, day.key)


def outdated_by(day: str, marks: Mapping[str, Sequence[str]]) -> list[str]:
    """Days to make again because of a day: later ones that it outdated, and the day itself where another one did."""
    return [d for d, by in marks.items() if day in by or d == day]


def command(days: Sequence[str]) -> str:
    """The command that makes outdated days again, and only them."""
    span = days[0] if len(days) == 1 else f"{days[0]}:{days[-1]}"
    return f"dataset-platform materialize {CORPUS} --partitions {span} --only-stale"


def find_outdated(day: Day) -> Finding:
    """WARN that names the days to make again, and the command."""
    from dataset_platform.lake.audit import Finding

    marks = outdated_days.marks(day.settings.lake, CORPUS)
    days = outdated_by(day.key, marks)
    if not days:
        return Finding(NAME, True, "no day waits to be judged again because of this one", "WARN")
    own = f" (this day because of {', '.join(marks[day.key])})" if day.key in days else ""
    named = (
        "was judged on documents or links that have"
        if len(days) == 1
        else "were judged on documents or links that have"
    )
    line = f"{', '.join(days)} {named} changed since{own}. Run: {command(days)}"
    return Finding(NAME, False, line, "WARN", {"outdated_days": days, "command": command(days)})


def outdated(of: Published) -> Metadata:
    """The days to make again because of the published one, and the command; nothing where there are none."""
    days = outdated_by(of.day, outdated_days.marks(of.table.lake_root, CORPUS))
    return {"outdated_days": days, "make_again": command(days)} if days else {}


LATER_DAYS_CURRENT = ExtraCheck(
    NAME, "Later days, and this one, were judged on what lies in the lake now.", blocking=False, find=find_outdated
)
