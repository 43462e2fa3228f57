"""Following a driving frame, a scenario or a reasoning trace through the lake, back to the bytes of its record.

Reads through delta-rs, so it starts no JVM.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pyarrow.compute as pc
import xxhash

from dataset_platform.contracts import (
    BronzeFrames,
    Contract,
    CotQuality,
    CotTraces,
    GoldFeatures,
    Keyframes,
    Rejections,
    SilverFrames,
)
from dataset_platform.errors import InputError
from dataset_platform.lake import storage
from dataset_platform.lake.tables import LakeTable
from dataset_platform.lake.tracing import Step, Trace
from dataset_platform.settings import Settings, is_url, join

LATER: tuple[type[Contract], ...] = (SilverFrames, GoldFeatures, Keyframes, CotTraces, CotQuality)
POINTER = ("file", "offset", "length")


def find_frames(settings: Settings, target: str) -> list[Trace]:
    """Everything known of a frame_id, a scenario_id or a trace_id of this lane, one per record that landed, oldest first.

    Empty when the lane never met it. A scenario's steps count its frames.
    """
    bronze = LakeTable(BronzeFrames, settings.lake)
    if not bronze.exists():
        return []
    if re.fullmatch(r"[0-9a-f]{32}", target):
        named = LakeTable(CotTraces, settings.lake).read(columns=["frame_id"], where=pc.field("trace_id") == target)
        target = named.column("frame_id")[0].as_py() if named.num_rows else target
    column = "frame_id" if re.fullmatch(r".+:\d+", target) else "scenario_id"
    columns = ["frame_id", "scenario_id", "record_checksum", "ingestion_date", *POINTER]
    found: dict[tuple[str, str, int], Trace] = {}
    for row in bronze.read(columns=columns, where=pc.field(column) == target).to_pylist():
        day = row["ingestion_date"].isoformat()
        key = (day, row["file"], row["offset"])
        one = found.setdefault(key, Trace(target, None, day, row["file"], row["offset"], row["length"]))
        one.record_id = row["record_checksum"]
    frames = bronze.read(columns=["frame_id"], where=pc.field(column) == target).column("frame_id").unique().to_pylist()
    traces = [found[key] for key in sorted(found)]
    for one in traces:
        _add_steps(settings, one, frames, column == "frame_id")
        _verify(settings, one)
    return traces


def _add_steps(settings: Settings, one: Trace, frames: list[str], single: bool) -> None:
    """What each stage made of the record's frames."""
    here = (pc.field("file") == one.file) & (pc.field("offset") == one.offset)
    one.steps.append(Step(BronzeFrames.table_name(), "kept", detail=None if single else f"{len(frames)} frames"))
    rejected = LakeTable(Rejections, settings.lake).read(
        one.day,
        ["doc_id", "stage", "reason", "measure", "detail"],
        (pc.field("lane") == BronzeFrames.lane_name()) & here & pc.field("doc_id").isin(frames),
    )
    reasons: Counter[tuple[Any, ...]] = Counter()
    for row in rejected.to_pylist():
        measure = row["measure"] if single else None
        reasons[(row["stage"], row["reason"], measure, row["detail"])] += 1
    for contract in LATER:
        kept = LakeTable(contract, settings.lake).read(one.day, ["frame_id"], here & pc.field("frame_id").isin(frames))
        if kept.num_rows:
            detail = None if single else f"{kept.num_rows} frames"
            one.steps.append(Step(contract.table_name(), "kept", detail=detail))
        for (stage, reason, measure, detail), count in reasons.items():
            if stage == contract.artifact_name():
                words = detail if single else f"{count} frames, for example: {detail}"
                one.steps.append(Step(contract.table_name(), "rejected", reason, measure, words))


def _verify(settings: Settings, one: Trace) -> None:
    """Read the record back from the raw file and hold its hash against the row's."""
    from dataset_platform.kernels.driving.tfrecord_lookup import read_record_at

    assert one.file is not None
    assert one.offset is not None
    path = one.file if is_url(one.file) else join(settings.raw, one.file)
    try:
        stream, size = storage.open_input(path)
        with stream:
            payload = read_record_at(stream, size, one.offset)
    except (OSError, InputError) as e:
        one.bytes_note = f"the raw bytes cannot be read back: {e}"
        return
    one.head = bytes(payload[:400])
    one.bytes_verified = xxhash.xxh3_128_hexdigest(payload) == one.record_id
    one.bytes_note = "read back, same record" if one.bytes_verified else "read back, but it is another record"
