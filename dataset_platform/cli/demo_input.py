"""What a demo is given: files of the user's own, told apart by what they are, dated, and put where raw data lies."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from dataset_platform.errors import InputError
from dataset_platform.lake import storage
from dataset_platform.lake.inventory import DEFAULT_SOURCE, WARC_SUFFIXES
from dataset_platform.lake.tfrecord_inventory import LANE, TFRECORD_NAME
from dataset_platform.settings import Settings, day_path, is_url, join

# yyyy/mm/dd, yyyy-mm-dd, yyyymmdd and the 14 digits of CommonCrawl's file names
DATES = re.compile(r"(?<!\d)(20\d{2})([-/]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?:\d{6})?(?!\d)")


@dataclass(frozen=True)
class Kind:
    """A kind of raw file: what people call it, where below the raw root it lies, and what a demo of it runs."""

    name: str
    folder: str
    selection: str
    suffixes: tuple[str, ...]


WARC = Kind("WARC", "web", "web/*,tokens/*", WARC_SUFFIXES)
TFRECORD = Kind("TFRecord", LANE, "driving/*", (".tfrecord", ".tfrecord.gz"))


def find_input(source: str) -> dict[str, Kind]:
    """Raw files of a folder, glob or URL, sorted, each with its kind.

    In folders files are known by their names; a file named by itself, or a glob, is looked into where its name says
    nothing, and taken for WARC when its bytes say nothing either.

    Raises:
        InputError: nothing is there; says what was looked for.
    """
    named = ", ".join(f"*{s}" for s in (*WARC.suffixes, *TFRECORD.suffixes))
    by_name = False
    if is_url(source):
        base = re.split(r"[*?\[]", source)[0]
        prefix = base if base == source else base.rsplit("/", 1)[0]
        files = [e.path for e in storage.list_files(prefix)]
        if base != source:
            files = [f for f in files if fnmatch.fnmatch(f, source)]
        elif files != [source]:
            by_name = True
    elif Path(source).is_file():
        files = [str(Path(source).resolve())]
    elif Path(source).is_dir():
        files, by_name = [e.path for e in storage.list_files(str(Path(source).resolve()))], True
    else:
        files = [str(Path(f).resolve()) for f in glob.glob(source, recursive=True) if Path(f).is_file()]
    found = {
        path: kind for path in sorted(files) if (kind := kind_of_name(path)) or not by_name and (kind := sniff(path))
    }
    if not found:
        gone = not is_url(source) and not glob.has_magic(source) and not Path(source).exists()
        what = "is not there" if gone else "has none"
        raise InputError(
            f"No WARC files and no TFRecords: {source} {what}.", f"Name a folder, glob or s3:// URL with {named} files."
        )
    return found


def kind_of_name(path: str) -> Kind | None:
    """The kind that a file's name tells, if it does."""
    name = path.rsplit("/", 1)[-1]
    if name.lower().endswith(WARC.suffixes):
        return WARC
    return TFRECORD if TFRECORD_NAME.search(name) else None


def sniff(path: str) -> Kind:
    """The kind that a file's first bytes tell; WARC when they tell nothing, whose reader then says what is wrong."""
    from dataset_platform.kernels.driving.tfrecord_lookup import begins_with_record

    with storage.open_input(path)[0] as stream:
        return TFRECORD if begins_with_record(stream) else WARC


def day_of(path: str, default: str) -> str:
    """The day that a path carries, the last one in it; ``default`` when it carries none that is a partition.

    Raises:
        ConfigError: ``default`` lies off the partition axis.
    """
    from dataset_platform.partitions import daily, day_range

    for year, _, month, day in reversed(DATES.findall(path)):
        try:
            found = date(int(year), int(month), int(day)).isoformat()
        except ValueError:
            continue
        if daily.has_partition_key(found):
            return found
    day_range(default)
    return default


def path_as_named(path: str, source: str) -> str:
    """The part of a found file's path that the user wrote or that lies below it."""
    if is_url(source):
        return path
    if Path(source).is_dir():
        return path[len(str(Path(source).resolve())) :]
    fixed = re.split(r"[*?\[]", source)[0]
    base = str(Path(fixed if fixed == source else os.path.dirname(fixed) or ".").resolve())
    return source if Path(source).is_file() else path.removeprefix(base)


def place(settings: Settings, source: str, dated: Mapping[str, str], kinds: Mapping[str, Kind]) -> list[str]:
    """Put the user's files where raw data lies: links to local files, copies of remote ones. Returns the days.

    A folder below the named one becomes the source's name, as it would in raw storage.
    """
    root = source if is_url(source) else str(Path(source).resolve()) if Path(source).is_dir() else ""
    taken: set[str] = set()
    for path, day in dated.items():
        kind = kinds[path]
        parts = (
            path[len(root.rstrip("/")) + 1 :].split("/") if root and path.startswith(root) else [path.rsplit("/", 1)[1]]
        )
        folders = [p for p in parts[:-1] if not DATES.fullmatch(p) and not re.fullmatch(r"\d{1,4}", p)]
        folders = [re.sub(r"[^\w .-]", "_", p).lstrip(" .-") or DEFAULT_SOURCE for p in folders]
        name, suffix = parts[-1], next((s for s in kind.suffixes if parts[-1].lower().endswith(s)), "")
        if not suffix and kind_of_name(name) is not kind:
            name, suffix = f"{name}{kind.suffixes[0]}", kind.suffixes[0]
        target = join(settings.raw, kind.folder, day_path(day), *folders[:1], name)
        number = 1
        while target in taken or (os.path.lexists(target) and (is_url(path) or os.path.realpath(target) != path)):
            number += 1
            stem = name[: len(name) - len(suffix)]
            numbered = f"{stem}-{number}{suffix}" if suffix else f"{number}-{name}"
            target = join(settings.raw, kind.folder, day_path(day), *folders[:1], numbered)
        taken.add(target)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if is_url(path):
            with storage.open_input(path)[0] as stream, open(target, "wb") as sink:
                shutil.copyfileobj(stream, sink, 1 << 20)
        elif not os.path.lexists(target):
            os.symlink(path, target)
    return sorted(set(dated.values()))


def counted(kinds: Iterable[Kind]) -> str:
    """How many of each kind, in words."""
    all_kinds = list(kinds)
    return " and ".join(f"{all_kinds.count(k)} {k.name} files" for k in (WARC, TFRECORD) if k in all_kinds)
