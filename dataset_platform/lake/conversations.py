"""Finding a conversation of the self-correction lane by its trace_id or question_id, back to the bytes of its question."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pyarrow.compute as pc

from dataset_platform.contracts import Questions, Rejections, Traces
from dataset_platform.lake import storage
from dataset_platform.lake.tables import LakeTable
from dataset_platform.settings import Settings, is_url, join


@dataclass
class Conversation:
    """What the lake knows of one question on one day."""

    day: str
    question_id: str
    file: str
    offset: int | None
    length: int | None
    row: dict[str, Any] | None = None
    rejections: list[dict[str, Any]] = field(default_factory=list)
    raw: bytes | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        from dataset_platform.lake.trace_exports import trace_record

        return {
            "day": self.day,
            "question_id": self.question_id,
            "file": self.file,
            "offset": self.offset,
            "length": self.length,
            "bytes_verified": self.raw is not None,
            "trace": trace_record(self.row) if self.row else None,
            "rejections": self.rejections,
        }


def find_conversations(settings: Settings, target: str) -> list[Conversation]:
    """Everything known of a trace_id or question_id, one per day, oldest first; empty when it is neither."""
    traces, questions = LakeTable(Traces, settings.lake), LakeTable(Questions, settings.lake)
    if not questions.exists():
        return []
    found: dict[tuple[str, str], Conversation] = {}
    named = (pc.field("trace_id") == target) | (pc.field("question_id") == target)
    for row in traces.read(where=named).to_pylist():
        key = (str(row["ingestion_date"]), row["question_id"])
        found[key] = Conversation(*key, row["file"], row["offset"], row["length"], row)
    for row in questions.read(where=pc.field("question_id") == target).to_pylist():
        key = (str(row["ingestion_date"]), row["question_id"])
        found.setdefault(key, Conversation(*key, row["file"], row["offset"], row["length"]))
    lane = pc.field("lane") == Traces.lane_name()
    for row in LakeTable(Rejections, settings.lake).read(where=lane & (pc.field("doc_id") == target)).to_pylist():
        key = (str(row["ingestion_date"]), target)
        there = found.setdefault(key, Conversation(*key, row["file"], row["offset"], row["length"]))
        there.rejections.append({k: row[k] for k in ("stage", "reason", "measure", "detail")})
    for conversation in found.values():
        conversation.raw = _bytes(settings, conversation)
    return [found[k] for k in sorted(found)]


def _bytes(settings: Settings, of: Conversation) -> bytes | None:
    """The question's row as it lies in its file; None where rows have no bytes of their own, or the file is gone."""
    if of.length is None or of.offset is None or of.file.endswith(".gz"):
        return None
    try:
        stream, _ = storage.open_input(of.file if is_url(of.file) else join(settings.raw, of.file))
        with stream:
            stream.seek(of.offset)
            return stream.read(of.length)
    except OSError:
        return None
