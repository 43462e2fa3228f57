"""The lines of a response log: one JSON object each, sealed with a checksum of what goes before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import xxhash

from dataset_platform.llm.request import FinishReason, Usage

_SEAL = len(b',"xxh":"0123456789abcdef"}\n')


@dataclass(frozen=True, slots=True)
class Answer:
    """One call's answer as it came, before anybody judged it.

    Attributes:
        usage: what the call was charged for; its worst case where ``usage_known`` is false.
        received_at: UTC.
        latency_s: of the attempt that was answered.
        cost_usd: None where no price was known.
    """

    text: str
    finish_reason: FinishReason
    usage: Usage
    model: str
    received_at: datetime
    latency_s: float
    attempts: int
    cost_usd: float | None
    usage_known: bool = True


def sent_body(key: str) -> bytes:
    """An attempt is about to leave; without its seal, as the other bodies."""
    return b'{"sent":"%b","at":"%b"' % (key.encode(), datetime.now(UTC).isoformat().encode())


def failed_body(key: str, kind: str) -> bytes:
    """An attempt ended without an answer."""
    return orjson.dumps({"failed": key, "kind": kind, "at": datetime.now(UTC)})[:-1]


def answer_body(key: str, answer: Answer) -> bytes:
    """An answer."""
    usage = answer.usage
    record = {
        "answered": key,
        "text": answer.text,
        "finish": answer.finish_reason,
        "usage": (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens),
        "model": answer.model,
        "received_at": answer.received_at,
        "latency_s": answer.latency_s,
        "attempts": answer.attempts,
        "cost_usd": answer.cost_usd,
        "usage_known": answer.usage_known,
    }
    return _dumps(record)[:-1]


def read_answer(line: bytes, key: str) -> Answer | None:
    """The answer in a line, or None where the line is damaged or of another call."""
    record = unseal(line)
    if record is None or record.get("answered") != key:
        return None
    prompt, completion, cached = record["usage"]
    return Answer(
        text=record["text"],
        finish_reason=record["finish"],
        usage=Usage(prompt, completion, cached),
        model=record["model"],
        received_at=datetime.fromisoformat(record["received_at"]),
        latency_s=record["latency_s"],
        attempts=record["attempts"],
        cost_usd=record["cost_usd"],
        usage_known=record["usage_known"],
    )


def seal(body: bytes) -> bytes:
    """The whole line."""
    return b'%b,"xxh":"%b"}\n' % (body, xxhash.xxh3_64_hexdigest(body).encode())


def _dumps(record: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(record)
    except TypeError:  # a lone surrogate in the text: a server's broken escape
        return orjson.dumps(record | {"text": record["text"].encode(errors="replace").decode()})


def unseal(line: bytes) -> dict[str, Any] | None:
    """A line's object, or None where it is cut or damaged."""
    body = line[:-_SEAL]
    if line[-_SEAL:] != b',"xxh":"%b"}\n' % xxhash.xxh3_64_hexdigest(body).encode():
        return None
    try:
        record = orjson.loads(body + b"}")
    except orjson.JSONDecodeError:
        return None
    return record if isinstance(record, dict) else None
