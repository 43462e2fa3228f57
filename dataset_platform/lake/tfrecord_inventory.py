"""What lies in raw storage on a day: TFRecord files with what one pass over their framing finds."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyarrow as pa

from dataset_platform.contracts.driving import RawTfrecords
from dataset_platform.kernels.driving.record_types import record_type_of
from dataset_platform.kernels.driving.settings import BronzeConfig
from dataset_platform.kernels.driving.tfrecord import Framing, scan
from dataset_platform.lake import storage
from dataset_platform.settings import Settings

LANE = "waymo/tfrecords"
# name.tfrecord, name.tfrecords, name.tfrecord.gz, and shards as Waymo names them: name.tfrecord-00000-of-01000
TFRECORD_NAME = re.compile(r"\.tfrecords?(-\d+-of-\d+)?(\.gz)?$", re.IGNORECASE)


def tfrecord_inventory(settings: Settings, day: str, max_record_bytes: int | None = None) -> tuple[pa.Table, list[str]]:
    """The day's TFRecord files as rows of ``RawTfrecords`` (without the partition), and other files passed over.

    Args:
        settings: where raw storage is.
        day: ``yyyy-mm-dd``.
        max_record_bytes: largest record that is believed; bronze's default when not given.

    Raises:
        InputError: the store cannot be listed.
    """
    files, ignored = tfrecord_files(settings, day)
    return inventory_of(settings, files, max_record_bytes), ignored


def tfrecord_files(settings: Settings, day: str) -> tuple[list[storage.FileEntry], list[str]]:
    """The day's TFRecord files, none of them opened, and the paths of other files; folders below the day count too.

    Raises:
        InputError: the store cannot be listed.
    """
    root = settings.raw_day(LANE, day)
    found, ignored = [], []
    for entry in storage.list_files(root):
        below = entry.path[len(root.rstrip("/")) + 1 :]
        if any(part.startswith(".") for part in below.split("/")) or not TFRECORD_NAME.search(below):
            ignored.append(_relative(settings, entry))
        else:
            found.append(entry)
    return found, ignored


def inventory_of(
    settings: Settings, files: Iterable[storage.FileEntry], max_record_bytes: int | None = None
) -> pa.Table:
    """Rows of ``RawTfrecords`` (without the partition); one pass over the framing of every file.

    ``path`` is relative to the raw root. A file whose framing breaks, or that cannot be read at all, is a row with
    ``break_error``: bronze accounts for its records.
    """
    limit = BronzeConfig().max_record_bytes if max_record_bytes is None else max_record_bytes
    rows = []
    for entry in files:
        framing = _framing(entry.path, limit)
        rows.append(
            {
                "path": _relative(settings, entry),
                "size_bytes": entry.size_bytes,
                "etag": entry.etag,
                "compression": framing.compression,
                "record_count": framing.records,
                "record_type": "unknown" if framing.first_payload is None else record_type_of(framing.first_payload),
                "break_error": framing.break_error,
            }
        )
    schema = pa.schema([f.remove_metadata() for f in RawTfrecords.data_schema()])
    return pa.Table.from_pylist(rows, schema=schema)


def _relative(settings: Settings, entry: storage.FileEntry) -> str:
    return entry.path[len(settings.raw.rstrip("/")) + 1 :]


def _framing(path: str, max_record_bytes: int) -> Framing:
    try:
        stream, size = storage.open_input(path)
        with stream:
            return scan(stream, size, max_record_bytes)
    except OSError as error:
        return Framing(0, "none", f"file cannot be read: {type(error).__name__}: {error}", None)
