"""``self_correction/questions``: what landed on the day, and what named data sets deal out on it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO

import xxhash

from dataset_platform.contracts import Questions
from dataset_platform.defs.days import Day, Staged
from dataset_platform.defs.web.assets import opener
from dataset_platform.lake import storage
from dataset_platform.settings import is_url, join

if TYPE_CHECKING:
    import pyarrow as pa

    from dataset_platform.config import PlatformConfig, SelfCorrectionConfig
    from dataset_platform.kernels.self_correction.questions import QuestionFile

SUFFIXES = tuple(s + z for s in (".jsonl", ".json", ".csv", ".tsv") for z in ("", ".gz"))
LANE = "questions"


def compute_questions(day: Day) -> Staged:
    """Read the day's files and sources."""
    from dataset_platform.config import fingerprint
    from dataset_platform.kernels.self_correction.sources import deal

    found, ignored, listing = question_files(day)
    dealt = [source for source in day.config.self_correction.sources if deal(source, day.key) is not None]
    if not found and not dealt:
        where = day.settings.raw_day(LANE, day.key)
        passed_over = f" ({len(ignored)} other files there, for example {ignored[0]})" if ignored else ""
        return Staged(
            None, 0, note=f"no {', '.join(SUFFIXES[::2])} files under {where}{passed_over}, no source deals today"
        )
    inputs = {"raw": listing} | {f"source:{s.dataset}": fingerprint(s) + _content_of(s.path) for s in dealt}
    return Staged(lambda path: write_batches(_labelled(day, found), path), None, inputs)


def questions_section(config: PlatformConfig) -> SelfCorrectionConfig:
    """The settings that decide the rows of a day: sources and checkers, whatever the policy is."""
    lane = config.self_correction
    return type(lane)(sources=lane.sources, checkers=lane.checkers)


def _labelled(day: Day, files: list[QuestionFile]) -> Iterator[pa.RecordBatch]:
    from dataset_platform.kernels.self_correction.questions import read_questions
    from dataset_platform.kernels.self_correction.sources import read_source

    schema = Questions.labelled_schema().remove_metadata()
    checkers = day.config.self_correction.checkers
    yield from read_questions(files, opener(day.settings.raw), checkers, schema)
    for source in day.config.self_correction.sources:
        yield from read_source(source, day.key, schema, _open_source)


def _open_source(path: str) -> tuple[BinaryIO, int]:
    return storage.open_input(os.path.expanduser(path))


def _content_of(path: str | None) -> str:
    """What changes with a source's file; empty for sources without one."""
    if path is None:
        return ""
    if is_url(path):
        return "".join(f":{e.etag}" for e in storage.list_files(path))
    try:
        found = os.stat(os.path.expanduser(path))
    except OSError:
        return ""  # reading it will say what is wrong
    return f":{found.st_size}:{found.st_mtime_ns}"


def question_files(day: Day) -> tuple[list[QuestionFile], list[str], str]:
    """The day's question files (paths below the raw root), others passed over, and a hash of the listing.

    A folder below the day names the data set; otherwise the rows tell it.
    """
    from dataset_platform.kernels.self_correction.questions import QuestionFile

    found, ignored, listed = raw_files(day, LANE, SUFFIXES)
    files = [QuestionFile(path, below.split("/", 1)[0] if "/" in below else None) for path, below in found]
    return files, ignored, listed


def raw_files(day: Day, lane: str, suffixes: tuple[str, ...]) -> tuple[list[tuple[str, str]], list[str], str]:
    """Files of a lane's day as (path below the raw root, path below the day), others passed over, a hash of the listing."""
    root = join(day.settings.raw_day(lane, day.key))
    found, ignored, lines = [], [], []
    for entry in storage.list_files(root):
        path = entry.path[len(day.settings.raw.rstrip("/")) + 1 :]
        below = entry.path[len(root.rstrip("/")) + 1 :]
        if any(part.startswith(".") for part in below.split("/")) or not below.lower().endswith(suffixes):
            ignored.append(path)
            continue
        found.append((path, below))
        lines.append(f"{path}\t{entry.size_bytes}\t{entry.etag}\n")
    return found, ignored, xxhash.xxh3_128_hexdigest("".join(lines).encode())


def write_batches(batches: Iterable[pa.RecordBatch], path: str) -> None:
    """Write labelled rows as one Parquet file below ``path``, a row whose id was met before on the day as rejected."""
    import pyarrow.parquet as pq

    rows = iter(batches)
    first = next(rows, None)
    if first is None:
        return
    with storage.open_output(join(path, "part-0.parquet")) as sink, pq.ParquetWriter(sink, first.schema) as writer:
        seen: set[int] = set()
        for batch in _chain(first, rows):
            writer.write_batch(reject_repeats(batch, seen))


def _chain(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest


def reject_repeats(batch: pa.RecordBatch, seen: set[int]) -> pa.RecordBatch:
    """Label rows whose id (the first column) was met before as ``duplicate_record``; ``seen`` holds 64-bit hashes."""
    import pyarrow as pa

    reasons, details = batch.column("reason").to_pylist(), batch.column("detail").to_pylist()
    kept = zip(
        batch.column(0).to_pylist(), batch.column("tally").to_pylist(), batch.column("error").to_pylist(), strict=True
    )
    changed = False
    for i, (identity, tally, error) in enumerate(kept):
        if tally is not None or error is not None or reasons[i] is not None:
            continue
        key = xxhash.xxh3_64_intdigest(identity.encode())
        if key in seen:
            reasons[i], details[i] = "duplicate_record", "the same id was met before on this day"
            changed = True
        seen.add(key)
    if not changed:
        return batch
    for name, values in (("reason", reasons), ("detail", details)):
        place = batch.schema.get_field_index(name)
        batch = batch.set_column(place, batch.schema.field(name), pa.array(values, pa.string()))
    return batch
