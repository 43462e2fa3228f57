"""``driving/cot_annotations``: traces written or corrected by people that landed on the day."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from dataset_platform.contracts import CotAnnotations, CotTraces
from dataset_platform.defs.days import Day, Staged
from dataset_platform.defs.self_correction.questions import raw_files, write_batches
from dataset_platform.defs.web.assets import opener
from dataset_platform.lake import receipts

if TYPE_CHECKING:
    from dataset_platform.kernels.reasoning.annotations import Generated, Lookup

LANE = "cot_annotations"
VERSION = "1"


def compute_annotations(day: Day) -> Staged:
    """Read the day's files and hold them against the traces generated until then."""
    from dataset_platform.kernels.reasoning.annotations import SUFFIXES, read_annotations

    found, ignored, listing = raw_files(day, LANE, SUFFIXES)
    if not found:
        passed_over = f" ({len(ignored)} other files there, for example {ignored[0]})" if ignored else ""
        where = day.settings.raw_day(LANE, day.key)
        return Staged(None, 0, note=f"no .jsonl or .json files under {where}{passed_over}")

    def write(path: str) -> None:
        schema = CotAnnotations.labelled_schema().remove_metadata()
        files = [p for p, _ in found]
        write_batches(read_annotations(files, opener(day.settings.raw), lookup(day), schema), path)

    return Staged(write, None, {"raw": listing, CotTraces.table_name(): _traces_until(day)})


def _traces_until(day: Day) -> str:
    """What changes with the traces of this and all earlier days."""
    import xxhash

    lake = day.settings.lake
    done = [receipts.read(lake, CotTraces, d) for d in receipts.days(lake, CotTraces) if d <= day.key]
    lines = [f"{r.day} {r.content_hash}" for r in done if r is not None and r.rows_kept]
    return xxhash.xxh3_128_hexdigest("\n".join(lines).encode())


def lookup(day: Day) -> Lookup:
    """Finds generated traces of this and earlier days by their ids or frames, of a frame the latest first."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from dataset_platform.kernels.reasoning.annotations import Generated

    table = day.table(CotTraces)
    names = ["trace_id", "frame_id", "trace", "ingestion_date"]
    until = pc.field("ingestion_date") <= pa.scalar(day.key).cast(pa.date32())

    def find(traces: Collection[str], frames: Collection[str]) -> Iterator[Generated]:
        if not table.exists():
            return
        wanted = pc.field("trace_id").isin(sorted(traces)) | pc.field("frame_id").isin(sorted(frames))
        rows = table.dataset().to_table(columns=names, filter=until & wanted)
        for row in rows.sort_by([("ingestion_date", "descending"), ("trace_id", "ascending")]).to_pylist():
            yield Generated(row["trace_id"], row["frame_id"], row["trace"])

    return find
