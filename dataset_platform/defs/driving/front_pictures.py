"""The front camera's pictures of a day, looked up by frame without reading those of other frames."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from dataset_platform.contracts import CameraImages
from dataset_platform.lake import receipts

if TYPE_CHECKING:
    import pyarrow.dataset

    from dataset_platform.defs.days import Day

FRONT = "front"


class FrontPictures:
    """Pictures by frame.

    The narrow columns are read once and tell which row group holds which frame; a row group's images are read only when
    one of its frames is wanted. Memory holds the frames' ids, and the pictures that are asked for at once.
    """

    def __init__(self, fragments: list[pyarrow.dataset.ParquetFileFragment]) -> None:
        import pyarrow.compute as pc

        self._front = pc.field("camera_name") == FRONT
        self._groups = [group for fragment in fragments for group in fragment.split_by_row_group()]
        self._group_of: dict[str, int] = {}
        for number, group in enumerate(self._groups):
            known = group.to_table(columns=["frame_id"], filter=self._front)
            self._group_of |= dict.fromkeys(known.column("frame_id").to_pylist(), number)

    @classmethod
    def of_day(cls, day: Day) -> FrontPictures:
        """The day's; without a finished day of pictures that has some, nothing is opened."""
        import pyarrow as pa
        import pyarrow.compute as pc

        receipt = receipts.read(day.settings.lake, CameraImages, day.key)
        if receipt is None or not receipt.rows_kept:
            return cls([])
        on_day = pc.field("ingestion_date") == pa.scalar(day.key).cast(pa.date32())
        return cls(list(day.table(CameraImages).dataset().get_fragments(filter=on_day)))

    def of(self, frames: Collection[str]) -> dict[str, bytes]:
        """The pictures of those of some frames that have one."""
        import pyarrow.compute as pc

        found: dict[str, bytes] = {}
        wanted = self._front & pc.field("frame_id").isin(list(frames))
        for number in sorted({self._group_of[f] for f in frames if f in self._group_of}):
            rows = self._groups[number].to_table(columns=["frame_id", "image"], filter=wanted)
            found |= dict(zip(rows.column("frame_id").to_pylist(), rows.column("image").to_pylist(), strict=True))
        return found
