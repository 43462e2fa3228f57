"""What lies in raw storage on a day: WARC files with size, ETag and source."""

from __future__ import annotations

import re

import pyarrow as pa

from dataset_platform.contracts import RawWarcs
from dataset_platform.errors import InputError
from dataset_platform.lake import storage
from dataset_platform.settings import Settings, join

WARC_SUFFIXES = (".warc", ".warc.gz", ".warc.zst")
DEFAULT_SOURCE = "web"
LANE = "web"
SOURCE_NAME = re.compile(r"^\w[\w .-]*$")  # sources are folders of shards and names in mixtures


def warc_inventory(settings: Settings, day: str) -> tuple[pa.Table, list[str]]:
    """The day's WARC files as rows of ``RawWarcs`` (without the partition), and other files that were passed over.

    ``path`` is relative to the raw root. A folder below the day names the source; files right in the day's folder are of
    source ``web``.

    Raises:
        InputError: the store cannot be listed, or a folder's name cannot be a source.
    """
    root = settings.raw_day(LANE, day)
    rows, ignored = [], []
    for entry in storage.list_files(root):
        relative = entry.path[len(settings.raw.rstrip("/")) + 1 :]
        below = entry.path[len(root.rstrip("/")) + 1 :]
        hidden = any(part.startswith(".") for part in below.split("/"))
        if hidden or not below.lower().endswith(WARC_SUFFIXES):
            ignored.append(relative)
            continue
        source = below.split("/", 1)[0] if "/" in below else DEFAULT_SOURCE
        if not SOURCE_NAME.match(source):
            raise InputError(
                f"The folder {join(root, source)} cannot name a source.",
                "Use letters, digits, spaces and . _ - in its name, and begin with a letter or digit.",
            )
        rows.append({"path": relative, "size_bytes": entry.size_bytes, "etag": entry.etag, "source": source})
    schema = pa.schema([f.remove_metadata() for f in RawWarcs.data_schema()])
    return pa.Table.from_pylist(rows, schema=schema), ignored


def days_with_files(settings: Settings, before: str) -> list[str]:
    """Days earlier than ``before`` (and on the partition axis) that have WARC files in raw storage, sorted."""
    first = settings.first_day.isoformat()
    root = join(settings.raw, LANE)
    found = []
    for year in storage.list_folders(root):
        for month in storage.list_folders(join(root, year)):
            for day in storage.list_folders(join(root, year, month)):
                key = f"{year}-{month}-{day}"
                if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", key) or not first <= key < before:
                    continue
                files = storage.list_files(join(root, year, month, day))
                if any(f.path.lower().endswith(WARC_SUFFIXES) for f in files):
                    found.append(key)
    return sorted(found)
