"""What is asked of a model, and what comes back."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import orjson
import xxhash

Role = Literal["system", "user", "assistant"]
MESSAGE_OVERHEAD_TOKENS = 16  # role markers of a message; ChatML takes 5
PROMPT_OVERHEAD_TOKENS = 96  # what chat templates add by themselves: a default system prompt, the date, tool headers
IMAGE_TOKENS = 3_000  # upper bound over the vendors' published image costs at their largest size


@dataclass(frozen=True, slots=True)
class Image:
    """A picture inside a message; ``media_type`` as in ``image/jpeg``."""

    data: bytes
    media_type: str = "image/jpeg"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation."""

    role: Role
    content: str
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One call: the conversation and how to sample its continuation.

    Attributes:
        max_tokens: upper bound of the completion; the budget reserves it in full.
        seed: asked of backends that take one.
        schema: JSON schema that the answer must satisfy; the answer is then parsed and checked.
        sample: number of the sample; equal requests with other numbers are other calls.
        label: what the call is for, in logs; no part of its identity.
    """

    messages: tuple[Message, ...]
    max_tokens: int = 1024
    temperature: float = 0.0
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    sample: int = 0
    label: str = ""

    def key(self, model: str) -> str:
        """128-bit hash of model and payload, as 32 hex digits: equal for equal calls, in any process."""
        messages = [
            (m.role, m.content, *((i.media_type, base64.b64encode(i.data).decode()) for i in m.images))
            for m in self.messages
        ]
        payload = (
            model,
            messages,
            self.max_tokens,
            self.temperature,
            self.top_p,
            self.seed,
            self.stop,
            self.schema,
            self.sample,
        )
        return xxhash.xxh3_128_hexdigest(orjson.dumps(payload, option=orjson.OPT_SORT_KEYS))

    def prompt_tokens_bound(self) -> int:
        """An upper bound of the prompt's tokens: no byte-level vocabulary makes more tokens than there are bytes."""
        text = sum(len(m.content.encode()) for m in self.messages)
        images = sum(len(m.images) for m in self.messages)
        schema = len(orjson.dumps(self.schema)) if self.schema is not None else 0
        overhead = PROMPT_OVERHEAD_TOKENS + MESSAGE_OVERHEAD_TOKENS * len(self.messages)
        return text + schema + IMAGE_TOKENS * images + overhead


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a call was charged for; ``cached_tokens`` of the prompt were read from the vendor's cache."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Prompt and completion."""
        return self.prompt_tokens + self.completion_tokens


FinishReason = Literal["stop", "length", "refusal"]


@dataclass(frozen=True, slots=True)
class Completion:
    """What a backend gives back for one request; ``usage`` is None where the server did not say."""

    text: str
    finish_reason: FinishReason
    usage: Usage | None
    model: str


@dataclass(frozen=True, slots=True)
class Response:
    """What the engine gives back: an answer that is whole, not refused and, where a schema was set, valid.

    Attributes:
        parsed: the answer as JSON where the request had a schema.
        model: as the server named it.
        cost_usd: None where no price is known.
        attempts: calls it took; 0 when it came from the response log.
        received_at: UTC time at which the answer first came, also when it is read from the log later.
        simulated: no model answered; a rule did.
    """

    text: str
    usage: Usage
    model: str
    received_at: datetime
    parsed: Any = None
    cost_usd: float | None = None
    attempts: int = 1
    from_log: bool = False
    latency_s: float = 0.0
    simulated: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)
