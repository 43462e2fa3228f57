"""Which days are being worked on: locks whose names end with a day are those of runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from dataset_platform.lake import locks, storage
from dataset_platform.settings import is_url, join

DAY_LOCK = re.compile(r" of \d{4}-\d{2}-\d{2}$")


def lock_names(lake_root: str) -> list[str]:
    """Names of the locks that lie in the lake, held or not, as ``locks.lock`` takes them."""
    ending = ".json" if is_url(lake_root) else ".lock"
    files = (f.path.rsplit("/", 1)[1] for f in storage.list_files(join(lake_root, "_locks")))
    return sorted(name.removesuffix(ending) for name in files if name.endswith(ending))


def live_runs(lake_root: str) -> list[str]:
    """Tables and days that runs hold now, sorted: ``web/documents of 2026-01-05``."""
    names = [name for name in lock_names(lake_root) if DAY_LOCK.search(name)]
    return [name.replace("__", "/") for name in names if locks.held(lake_root, name)]


@contextmanager
def holding_day(lake_root: str, table: str, day: str) -> Iterator[None]:
    """Hold everything that a run of this day would hold, so that none begins inside the block.

    Raises:
        LockedError: a run of the day is going on.
    """
    names = {f"{table} of {day}".replace("/", "__"), f"run of {day}"}
    names |= {name for name in lock_names(lake_root) if name.endswith(f" of {day}")}
    with ExitStack() as stack:
        for name in sorted(names):
            stack.enter_context(locks.lock(lake_root, name, wait_s=0))
        yield
