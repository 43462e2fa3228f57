"""Leftovers of killed and failed runs: staged days, files on their way into a table, half-written files, old locks.

What is younger than the grace period stays, and so does what belongs to a day that a run holds. Files that reached a
table's folder without a commit are vacuum's.
"""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from dataset_platform.errors import LockedError
from dataset_platform.lake import locks, storage
from dataset_platform.lake.upkeep.held_days import DAY_LOCK, holding_day, lock_names
from dataset_platform.settings import Settings, is_url, join

STAGED, INCOMING, PARTIAL, LOCKS = "staged day", "incoming files", "half-written file", "locks of past days"
PARTIAL_NAME = re.compile(r"^\..+\.partial$")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Leftover:
    """Files that belong together, all older than the grace period.

    Attributes:
        path: their folder or, of one file, the file.
        kind: what it is, for people.
        paths: the files.
        age_hours: of the newest of them.
    """

    path: str
    kind: str
    paths: tuple[str, ...]
    bytes: int
    age_hours: float


@dataclass(frozen=True)
class Removed:
    """What was removed (in a dry run: would be), and leftovers that stay because a run holds their day."""

    removed: list[Leftover]
    held: list[Leftover]


@dataclass(frozen=True)
class _File:
    path: str
    bytes: int
    modified_s: float


def remove_leftovers(settings: Settings, grace_hours: float, dry_run: bool = False) -> Removed:
    """Remove leftovers whose newest file is older than ``grace_hours``."""
    removed, held = [], []
    for leftover in find_leftovers(settings, grace_hours):
        try:
            if not dry_run:
                _remove(settings, leftover, grace_hours)
            elif _is_held(settings, leftover):
                raise LockedError(f"{leftover.path} is in use.")
            removed.append(leftover)
        except LockedError:
            held.append(leftover)
    return Removed(removed + _old_locks(settings.lake, grace_hours, dry_run), held)


def find_leftovers(settings: Settings, grace_hours: float) -> list[Leftover]:
    """Staged days, incoming files and half-written files whose newest file is older than ``grace_hours``."""
    groups: dict[tuple[str, str], list[_File]] = defaultdict(list)
    for root in dict.fromkeys((settings.lake, settings.artifacts)):
        for file in _files(join(root, "_staging")):
            groups[_staged_folder(join(root, "_staging"), file.path), STAGED].append(file)
    incoming = join(settings.lake, "_incoming")
    for file in _files(incoming):
        groups[join(incoming, file.path[len(incoming) + 1 :].split("/", 1)[0]), INCOMING].append(file)
    for file in _half_written(settings):
        groups[file.path, PARTIAL].append(file)
    now = time.time()
    found = []
    for (path, kind), files in sorted(groups.items()):
        age = (now - max(f.modified_s for f in files)) / 3600
        if age > grace_hours:
            found.append(Leftover(path, kind, tuple(f.path for f in files), sum(f.bytes for f in files), round(age, 1)))
    return found


def _staged_folder(root: str, path: str) -> str:
    """The folder of a staged day, ``{root}/{lane}/{artifact}/{day}``; of anything else the one directly below."""
    parts = path[len(root) + 1 :].split("/")
    depth = next((n for n, part in enumerate(parts[:-1], 1) if DAY.fullmatch(part)), 1)
    return join(root, *parts[:depth])


def _half_written(settings: Settings) -> list[_File]:
    """Temporary files beside receipts, artifacts and logs; object stores have none. Those in tables are vacuum's."""
    if is_url(settings.lake):
        roots = []
    else:
        roots = [join(settings.lake, name) for name in storage.list_folders(settings.lake) if name.startswith("_")]
    if not is_url(settings.artifacts):
        roots.append(settings.artifacts)
    skipped = ("/_staging/", "/_incoming/")
    return [
        file
        for root in roots
        for file in _files(root)
        if PARTIAL_NAME.match(os.path.basename(file.path)) and not any(s in file.path for s in skipped)
    ]


def _files(root: str) -> list[_File]:
    from pyarrow.fs import FileSelector, FileType

    fs, inner = storage.filesystem(root)
    scheme = root.split("://", 1)[0] + "://" if is_url(root) else ""
    infos = fs.get_file_info(FileSelector(inner, recursive=True, allow_not_found=True))
    return [_File(scheme + i.path, i.size, i.mtime_ns / 1e9) for i in infos if i.type == FileType.File]


def _table_and_day(settings: Settings, leftover: Leftover) -> tuple[str, str] | None:
    root = settings.artifacts if leftover.path.startswith(join(settings.artifacts, "_staging") + "/") else settings.lake
    table, _, day = leftover.path[len(join(root, "_staging")) + 1 :].rpartition("/")
    return (table, day) if leftover.kind == STAGED and DAY.fullmatch(day) else None


def _is_held(settings: Settings, leftover: Leftover) -> bool:
    place = _table_and_day(settings, leftover)
    if place is None:
        return False
    names = [n for n in lock_names(settings.lake) if n.endswith(f" of {place[1]}")]
    return any(locks.held(settings.lake, name) for name in names)


def _remove(settings: Settings, leftover: Leftover, grace_hours: float) -> None:
    place = _table_and_day(settings, leftover)
    if place is None:
        _delete_files(leftover, grace_hours)
        return
    with holding_day(settings.lake, *place):
        _delete_files(leftover, grace_hours)


def _delete_files(leftover: Leftover, grace_hours: float) -> None:
    """Delete the files that were found and are still as old; then the folders that this empties, where there are any."""
    paths = set(leftover.paths)
    if leftover.kind != PARTIAL:
        limit = time.time() - grace_hours * 3600
        paths &= {f.path for f in _files(leftover.path) if f.modified_s < limit}
    for path in sorted(paths):
        storage.delete(path)
    if is_url(leftover.path):
        return
    for folder, _, _ in sorted(os.walk(leftover.path), reverse=True):
        if not os.listdir(folder):
            os.rmdir(folder)


def _old_locks(lake_root: str, grace_hours: float, dry_run: bool) -> list[Leftover]:
    """Lock files of days that nobody took for the grace period, as one leftover; a lake has two for every stage and day.

    A local lock file is unlinked by whoever holds it: a waiter that had opened it finds the inode gone and starts anew
    (filelock does). In object stores only leases of killed runs lie there.
    """
    limit = time.time() - grace_hours * 3600
    old: dict[str, list[_File]] = defaultdict(list)
    newest: dict[str, float] = defaultdict(float)
    for file in _files(join(lake_root, "_locks")):
        name, _, ending = file.path.rsplit("/", 1)[1].rpartition(".")
        if DAY_LOCK.search(name) and ending in ("lock", "holder", "json"):
            old[name].append(file)
            newest[name] = max(newest[name], file.modified_s)
    gone: list[_File] = []
    for name, files in old.items():
        if newest[name] > limit or locks.held(lake_root, name):
            continue
        if not dry_run:
            try:
                with locks.lock(lake_root, name, wait_s=0):
                    for file in files:
                        if not is_url(lake_root):
                            Path(file.path).unlink(missing_ok=True)
            except LockedError:
                continue
        gone += files
    if not gone:
        return []
    age = (time.time() - max(f.modified_s for f in gone)) / 3600
    paths = tuple(sorted(f.path for f in gone))
    return [Leftover(join(lake_root, "_locks"), LOCKS, paths, sum(f.bytes for f in gone), round(age, 1))]
