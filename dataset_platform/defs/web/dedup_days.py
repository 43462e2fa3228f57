"""Which days a day of the corpus is judged on, and whether they are fit for it: finished, current, of the same settings."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from dataset_platform.contracts import DedupedCorpus, FilteredDocuments, SignatureIndex
from dataset_platform.defs.days import Day
from dataset_platform.errors import StateError
from dataset_platform.lake import locks, receipts
from dataset_platform.lake.inventory import days_with_files
from dataset_platform.lake.receipts import Receipt

CORPUS = DedupedCorpus.table_name()
SIGNATURES = "signatures"
LEFT_OUT = "days left out"
GRACE_SECONDS = 3.0


def judged_from(day: Day) -> str:
    """The first day that this one is judged on: the first of the axis, or of the window where that is later."""
    first = day.settings.first_day
    window = day.config.web.dedup.window_days
    if window is None:
        return first.isoformat()
    return max(first, date.fromisoformat(day.key) - timedelta(days=window)).isoformat()


def signatures(day: Day) -> str:
    """What days must have in common so that what they leave can be compared."""
    made, used = day.config.web.filters.minhash, day.config.web.dedup
    scheme = f"{used.bands} bands of {used.rows}, {made.ngram}-grams, seed {made.seed}"
    scheme += "" if used.window_days is None else ", keys on every day"
    return scheme if used.spans is None else f"{scheme}, spans: {used.spans.model_dump_json()}"


def inputs_of(day: Day, filtered: Receipt) -> dict[str, str]:
    """What the day is made from, in a receipt that does not grow with the days.

    Earlier days are not among them: one that changes marks the later days that it affects. Days before the first of the
    axis cannot do that, so the last of them that would count is named.
    """
    found = {FilteredDocuments.table_name(): filtered.content_hash, SIGNATURES: signatures(day)}
    window = day.config.web.dedup.window_days
    oldest = "" if window is None else (date.fromisoformat(day.key) - timedelta(days=window)).isoformat()
    left_out = [d for d in receipts.days(day.settings.lake, CORPUS) if oldest <= d < judged_from(day)]
    return found | {LEFT_OUT: f"to {left_out[-1]}"} if left_out else found


def require_earlier_days(day: Day, earlier_days: Iterable[str], index_rows: Mapping[str, int]) -> None:
    """Refuse to judge on earlier days that are not what they should be.

    Args:
        earlier_days: the finished days that this one is judged on.
        index_rows: rows of the signature index per day.

    Raises:
        StateError: a day was made from other filtered documents than lie there now, under other settings of the
            signatures, or has no full index; names it and the command that makes it again.
    """
    lake, scheme = day.settings.lake, signatures(day)
    for earlier in earlier_days:
        receipt = receipts.read(lake, CORPUS, earlier)
        if receipt is None:
            continue  # it is being made again: what is judged now is refused when it is published
        filtered = receipts.read(lake, FilteredDocuments, earlier)
        if filtered and receipt.inputs.get(FilteredDocuments.table_name()) != filtered.content_hash:
            _refuse(day, earlier, "was made from other filtered documents than lie there now")
        if not receipt.rows_in:
            continue
        if receipt.inputs.get(SIGNATURES) != scheme:
            made = receipt.inputs.get(SIGNATURES, "an earlier version of this program")
            _refuse(day, earlier, f"was made with other signatures ({made}; now {scheme})")
        indexed = receipt.rows_in - receipt.reasons.get("duplicate_record", 0)
        if index_rows.get(earlier, 0) != indexed:
            if earlier not in index_rows and day.config.web.dedup.window_days is not None:
                raise StateError(
                    f"{CORPUS} of {earlier} was taken out of {SignatureIndex.table_name()} by upkeep, outside of "
                    "web.dedup.window_days.",
                    f"Run: dataset-platform materialize {CORPUS} --partitions {day.settings.first_day}:{day.key}",
                )
            has = f"{index_rows.get(earlier, 0)} of its {indexed} documents"
            _refuse(day, earlier, f"has {has} in {SignatureIndex.table_name()}")


def _refuse(day: Day, earlier: str, what: str) -> None:
    raise StateError(
        f"{CORPUS} of {earlier} {what}.",
        f"Run: dataset-platform materialize {CORPUS} --partitions {earlier}:{day.key}",
    )


def wait_for_earlier_days(day: Day) -> dict[str, str]:
    """The days that this one is judged on, with the tags of their receipts, once all that have data have their corpus.

    Waits for those that another run is working on.

    Raises:
        StateError: an earlier day is unfinished and nobody works on it; names it and the command that runs it.
    """
    lake = day.settings.lake
    deadline = time.monotonic() + locks.wait_seconds()
    idle_since: float | None = None
    while True:
        found = finished_days(day)
        missing = unfinished_days(day, found)
        if not missing:
            return found
        now = time.monotonic()
        if any(locks.held_elsewhere(lake, f"run of {m}") for m in missing) and now < deadline:
            idle_since = None
        elif idle_since is None:
            idle_since = now
        elif now - idle_since > GRACE_SECONDS:
            some = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
            raise StateError(
                f"{CORPUS} of {day.key} is judged on all earlier days, and these have data but no corpus yet: {some}.",
                f"Run: dataset-platform materialize 'web/*' --partitions {missing[0]}:{day.key} "
                f"(or set DATASET_PLATFORM_FIRST_DAY={day.key} to leave earlier days out).",
            )
        time.sleep(0.5)


def finished_days(day: Day) -> dict[str, str]:
    """The finished days that this one is judged on, with the tags of their receipts."""
    first = judged_from(day)
    return {d: tag for d, tag in receipts.tags(day.settings.lake, CORPUS).items() if first <= d < day.key}


def unfinished_days(day: Day, finished: Iterable[str]) -> list[str]:
    """Days to judge on that have raw files or filtered rows but are not among the finished ones."""
    first = judged_from(day)
    candidates = set(days_with_files(day.settings, day.key))
    candidates |= set(day.table(FilteredDocuments).days())
    return sorted(d for d in candidates - set(finished) if first <= d < day.key)
