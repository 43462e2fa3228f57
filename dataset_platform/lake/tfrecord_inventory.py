"""What lies in raw storage on a day: TFRecord files with what one pass over their framing finds."""

from __future__ import annotations

import re

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

    ``path`` is relative to the raw root; files in folders below the day count too. A file whose framing breaks, or that
    cannot be read at all, is a row with ``break_error``: bronze accounts for its records.

    Args:
        settings: where raw storage is.
        day: ``yyyy-mm-dd``.
        max_record_bytes: largest record that is believed; bronze's default when not given.

    Raises:
        InputError: the store cannot be listed.
    """
    limit = BronzeConfig().max_record_bytes if max_record_bytes is None else max_record_bytes
    root = settings.raw_day(LANE, day)
    rows, ignored = [], []
    for entry in storage.list_files(root):
        relative = entry.path[len(settings.raw.rstrip("/")) + 1 :]
        below = entry.path[len(root.rstrip("/")) + 1 :]
        if any(part.startswith(".") for part in below.split("/")) or not TFRECORD_NAME.search(below):
            ignored.append(relative)
            continue
        framing = _framing(entry.path, limit)
        rows.append(
            {
                "path": relative,
                "size_bytes": entry.size_bytes,
                "etag": entry.etag,
                "compression": framing.compression,
                "record_count": framing.records,
                "record_type": "unknown" if framing.first_payload is None else record_type_of(framing.first_payload),
                "break_error": framing.break_error,
            }
        )
    schema = pa.schema([f.remove_metadata() for f in RawTfrecords.data_schema()])
    return pa.Table.from_pylist(rows, schema=schema), ignored


def _framing(path: str, max_record_bytes: int) -> Framing:
    try:
        stream, size = storage.open_input(path)
        with stream:
            return scan(stream, size, max_record_bytes)
    except OSError as error:
        return Framing(0, "none", f"file cannot be read: {type(error).__name__}: {error}", None)
