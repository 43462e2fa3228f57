"""Finding a conversation of the self-correction lane by its trace_id or question_id, back to the bytes of its question."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pyarrow.compute as pc

from dataset_platform.contracts import Questions, Rejections, Traces
from dataset_platform.kernels.self_correction.episodes import trace_id
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
    for row in _rejections(settings, target, questions):
        key = (str(row["ingestion_date"]), row["question_id"])
        there = found.setdefault(key, Conversation(*key, row["file"], row["offset"], row["length"]))
        there.rejections.append({k: row[k] for k in ("stage", "reason", "measure", "detail")})
    for conversation in found.values():
        conversation.raw = _bytes(settings, conversation)
    return [found[k] for k in sorted(found)]


def _rejections(settings: Settings, target: str, questions: LakeTable) -> list[dict[str, Any]]:
    """Rejected rows of a question or of its trace, with the question's id: a trace is known there by its own."""
    lane = pc.field("lane") == Traces.lane_name()
    asked = questions.read(
        where=pc.field("question_id") == target, columns=["question_id", "dataset_name", "ingestion_date"]
    )
    ids = {
        trace_id(r["dataset_name"], r["question_id"], str(r["ingestion_date"])): r["question_id"]
        for r in asked.to_pylist()
    }
    wanted = pc.field("doc_id").isin([target, *ids])
    rows = LakeTable(Rejections, settings.lake).read(where=lane & wanted).to_pylist()
    for row in rows:
        row["question_id"] = ids.get(row["doc_id"]) or _question_at(questions, row) or row["doc_id"]
    return rows


def _question_at(questions: LakeTable, row: dict[str, Any]) -> str | None:
    """The question at the place that a rejected row points to."""
    if row["stage"] != Traces.artifact_name() or row["file"] is None:
        return None
    there = (pc.field("file") == row["file"]) & (pc.field("offset") == row["offset"])
    found: list[str] = questions.read(str(row["ingestion_date"]), ["question_id"], there).column(0).to_pylist()
    return found[0] if found else None


def _bytes(settings: Settings, of: Conversation) -> bytes | None:
    """The question's row as it lies in its file; None where rows have no bytes of their own, or the file is gone."""
    if of.length is None or of.offset is None or of.file.endswith(".gz"):
        return None
    try:
        whole = is_url(of.file) or of.file.startswith("/")
        stream, _ = storage.open_input(of.file if whole else join(settings.raw, of.file))
        with stream:
            stream.seek(of.offset)
            return stream.read(of.length)
    except OSError:
        return None
