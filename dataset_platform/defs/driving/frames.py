"""From raw TFRecords to bronze and silver: the inventory of a day, and the kernels that read its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataset_platform.contracts import RawTfrecords
from dataset_platform.defs.days import Day, Staged
from dataset_platform.defs.web.assets import opener

if TYPE_CHECKING:
    from dataset_platform.config import PlatformConfig
    from dataset_platform.engines.kernel import Kernel
    from dataset_platform.kernels.driving.settings import BronzeConfig, SilverConfig


def bronze_section(config: PlatformConfig) -> BronzeConfig:
    """The settings that decide what is read out of files."""
    return config.driving.bronze


def silver_section(config: PlatformConfig) -> SilverConfig:
    """The settings that decide what is cleaned."""
    return config.driving.silver


def list_raw(day: Day) -> Staged:
    """The inventory of the day's raw folder."""
    import xxhash

    from dataset_platform.lake import storage
    from dataset_platform.lake.tfrecord_inventory import LANE, inventory_of, tfrecord_files

    files, ignored = tfrecord_files(day.settings, day.key)
    where = day.settings.raw_day(LANE, day.key)
    if not files:
        passed_over = f" ({len(ignored)} other files there, for example {ignored[0]})" if ignored else ""
        return Staged(None, 0, note=f"no .tfrecord or .tfrecord.gz files under {where}{passed_over}")

    def write(path: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = inventory_of(day.settings, files, bronze_section(day.config).max_record_bytes)
        labelled = RawTfrecords.labelled_schema()
        blanks = [pa.nulls(rows.num_rows, f.type) for f in labelled if f.name not in rows.column_names]
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_arrays([*rows.columns, *blanks], schema=labelled), sink)
        storage.write_bytes(f"{path}/part-0.parquet", sink.getvalue().to_pybytes())

    # below the raw root: a home that moves holds the same files
    below = len(day.settings.raw.rstrip("/")) + 1
    listing = xxhash.xxh3_128_hexdigest(repr([(f.path[below:], f.size_bytes, f.etag) for f in files]).encode())
    return Staged(write, len(files), {"raw": listing})


def frames_kernel(day: Day) -> Kernel:
    """The kernel that reads the frames of the day's files."""
    from dataset_platform.kernels.driving.bronze import bronze_frames

    return bronze_frames(bronze_section(day.config), opener(day.settings.raw))


def maps_kernel(day: Day) -> Kernel:
    """The kernel that reads the maps of the day's files."""
    from dataset_platform.kernels.driving.bronze import bronze_maps

    return bronze_maps(bronze_section(day.config), opener(day.settings.raw))


def images_kernel(day: Day) -> Kernel:
    """The kernel that reads the pictures of the day's files."""
    from dataset_platform.kernels.driving.images import camera_images

    return camera_images(bronze_section(day.config), opener(day.settings.raw))


def silver_kernel(day: Day) -> Kernel:
    """The kernel that cleans frames."""
    from dataset_platform.kernels.driving.silver import silver_frames

    return silver_frames(silver_section(day.config))
