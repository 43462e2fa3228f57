"""Marks: that a finished day of a table waits to be made again, because another day that it was judged on has changed.

One small file per pair of days, so that marking needs no reading. A day's marks go when it is made again; they stay
where that run is killed before it publishes anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from dataset_platform.lake import storage
from dataset_platform.settings import join


def _folder(lake_root: str, table: str) -> str:
    return join(lake_root, "_outdated", table)


def mark(lake_root: str, table: str, days: Iterable[str], by: str) -> None:
    """Mark days as outdated by the day ``by``."""
    for day in days:
        body = json.dumps({"table": table, "day": day, "outdated_by": by}).encode()
        storage.write_bytes(join(_folder(lake_root, table), day, f"{by}.json"), body)


def marks(lake_root: str, table: str) -> dict[str, list[str]]:
    """Outdated days, each with the days that outdated it; both sorted."""
    found: dict[str, list[str]] = {}
    for entry in storage.list_files(_folder(lake_root, table)):
        if entry.path.endswith(".json"):
            day, by = entry.path.removesuffix(".json").split("/")[-2:]
            found.setdefault(day, []).append(by)
    return {day: sorted(found[day]) for day in sorted(found)}


def clear(lake_root: str, table: str, day: str) -> None:
    """Take the marks of a day away."""
    storage.delete(join(_folder(lake_root, table), day))
