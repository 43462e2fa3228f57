"""The chat completions format: bodies, answers and errors, for the HTTP backend and for the batch API alike.

Source: OpenAI's API reference, ``POST /v1/chat/completions``; servers that follow it (vLLM, transformers, llama.cpp and
many hosts) take subsets of it, so what one server refuses is learned from its refusal and kept in a ``Dialect``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from dataset_platform.llm.errors import CallError, FatalError, RetryableError
from dataset_platform.llm.request import Completion, FinishReason, Message, Request, Usage

RETRYABLE_STATUSES = frozenset({408, 409, 425, 429})
_MAYBE_ANSWERED = frozenset({408, 504, 524})  # a gateway gave up; the model behind it may not have
_NEVER_RETRIED_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_DROPPABLE = ("temperature", "top_p", "seed", "stop")
_LENGTHS = ("max_tokens", "max_completion_tokens")
_UNSUPPORTED = re.compile(
    r"unsupported|not support|n't support|unrecogni[sz]ed|unexpected|unknown|not permitted|not allowed|deprecated|"
    r"no longer|extra_forbidden|only the default",
    re.IGNORECASE,
)
_SHOWN = 300


@dataclass
class Dialect:
    """What a server takes, beginning with what the format says and narrowed by its refusals.

    Attributes:
        length: the name of the bound on the answer's tokens; OpenAI's newer models refuse ``max_tokens``, plain servers
            do not know ``max_completion_tokens``.
        dropped: parameters that this model refused; they are not sent again.
        schema_format: whether ``response_format`` is taken.
        schema_in_prompt: whether the prompt asks for JSON as well; plain servers may take ``response_format`` and not
            heed it (``transformers serve`` does so). Without ``schema_format`` the prompt always asks.
    """

    length: str = "max_tokens"
    dropped: set[str] = field(default_factory=set)
    schema_format: bool = True
    schema_in_prompt: bool = True
    refused_lengths: set[str] = field(default_factory=set)

    @classmethod
    def of_openai(cls) -> Dialect:
        """What OpenAI itself takes, until a model says otherwise."""
        return cls("max_completion_tokens", schema_in_prompt=False)

    def learn(self, body: Mapping[str, Any], error: ServerError) -> bool:
        """Whether another body is worth a try after the server refused this one for a parameter it names."""
        named = error.parameters(body)
        changed = False
        if "response_format" in named:
            self.schema_format, changed = False, True
        if dropped := named.intersection(_DROPPABLE):
            self.dropped |= dropped
            changed = True
        for refused in named.intersection(_LENGTHS):  # one at most: a body has one
            other = next(n for n in _LENGTHS if n != refused)
            self.refused_lengths.add(refused)
            if other not in self.refused_lengths:  # a server that refuses both would be asked for ever
                self.length, changed = other, True
        return changed


def chat_body(request: Request, model: str, dialect: Dialect) -> dict[str, Any]:
    """The JSON body of one call."""
    messages = [_message(m) for m in request.messages]
    if request.schema is not None and (dialect.schema_in_prompt or not dialect.schema_format):
        _ask_for_json(messages, request.schema)
    body: dict[str, Any] = {"model": model, "messages": messages, dialect.length: request.max_tokens}
    optional = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "stop": list(request.stop) or None,
    }
    body |= {name: value for name, value in optional.items() if value is not None and name not in dialect.dropped}
    if request.schema is not None and dialect.schema_format:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": request.schema, "strict": is_strict(request.schema)},
        }
    return body


def is_strict(schema: Any) -> bool:
    """Whether every object in the schema names all its properties as required and allows no others.

    OpenAI's strict mode takes such schemas only (structured outputs guide, "supported schemas").
    """
    if isinstance(schema, list | tuple):
        return all(is_strict(part) for part in schema)
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(properties):
            return False
        if not all(is_strict(part) for part in properties.values()):
            return False
    return all(is_strict(part) for name, part in schema.items() if name not in ("properties", "enum", "const"))


def read_completion(data: Any, request: Request, model: str) -> Completion:
    """The answer in a parsed body.

    Raises:
        RetryableError: the body holds no choices. The call may have been charged for.
    """
    try:
        choice = data["choices"][0]
        message = choice["message"]
        text = _text(message.get("content"))
        refusal = message.get("refusal")
    except (KeyError, IndexError, TypeError, AttributeError):
        shown = one_line(orjson.dumps(data, default=str))
        raise RetryableError(f"The answer of {model} has no choices: {shown}", billed=True) from None
    reason: FinishReason = "stop"
    if refusal or choice.get("finish_reason") == "content_filter":
        reason, text = "refusal", text or refusal or ""
    elif choice.get("finish_reason") == "length":
        reason = "length"
    # some servers take stop strings and do not heed them, or hand the string over with the text
    text, cut = cut_at_stop(text, request.stop)
    reason = "stop" if cut and reason == "length" else reason
    return Completion(text, reason, _usage(data.get("usage"), text), data.get("model") or model)


def cut_at_stop(text: str, stop: tuple[str, ...]) -> tuple[str, bool]:
    """The text before the first stop string, and whether there was one."""
    ends = [at for s in stop if s and (at := text.find(s)) >= 0]
    return (text[: min(ends)], True) if ends else (text, False)


@dataclass(frozen=True, slots=True)
class ServerError:
    """What a server said when it did not answer."""

    status: int
    message: str
    code: str = ""
    named: tuple[str, ...] = ()

    @classmethod
    def from_body(cls, status: int, body: bytes) -> ServerError:
        """Read OpenAI's ``{"error": {message, code, param}}``, FastAPI's ``{"detail": …}`` or plain text."""
        try:
            data = orjson.loads(body)
        except orjson.JSONDecodeError:
            return cls(status, one_line(body) or "no reason given")
        error = data.get("error", data) if isinstance(data, dict) else data
        if isinstance(error, dict) and (said := error.get("message") or error.get("detail")):
            named = (str(error["param"]),) if error.get("param") else _locations(said)
            message = said if isinstance(said, str) else orjson.dumps(said)
            return cls(status, one_line(message), str(error.get("code") or error.get("type") or ""), named)
        return cls(status, one_line(error if isinstance(error, str) else orjson.dumps(error)))

    @property
    def is_unsupported(self) -> bool:
        """Whether the server does not know the parameter, as against its value."""
        return self.code.startswith("unsupported") or _UNSUPPORTED.search(self.message) is not None

    def parameters(self, body: Mapping[str, Any]) -> set[str]:
        """The parameters of ``body`` that a 400 or 422 refuses as such."""
        if self.status not in (400, 422):
            return set()
        sent = [n for n in (*_DROPPABLE, *_LENGTHS, "response_format") if n in body]
        named = {n for n in sent if any(n == p or p.startswith(f"{n}.") for p in self.named)}
        if not named:
            named = {n for n in sent if re.search(rf"(?<![\w]){n}(?![\w])", self.message)}
        if "response_format" not in named and "response_format" in body and "json_schema" in self.message:
            named = {"response_format"}
        # any complaint about the format is met by doing without; other parameters are dropped only if unknown
        return named if self.is_unsupported else named & {"response_format"}

    def call_error(self, headers: Mapping[str, str], who: str) -> CallError:
        """The typed error: retryable or fatal, with the wait that the server asked for."""
        said = f"{who} answered {self.status}: {self.message}"
        exhausted = self.code in _NEVER_RETRIED_CODES
        if (self.status in RETRYABLE_STATUSES or self.status >= 500) and not exhausted:
            wait, maybe = retry_after_s(headers), self.status in _MAYBE_ANSWERED
            return RetryableError(said, retry_after_s=wait, status=self.status, billed=maybe)
        hint = _HINTS.get(self.status, "")
        if exhausted:
            hint = "The account has no quota left: add credit or raise its limit, then run again."
        return FatalError(said, hint, status=self.status)


_HINTS = {
    401: "Check the API key.",
    403: "Check the API key and that it may use this model.",
    404: "Check the base URL and the model's name in DATASET_PLATFORM_LLM.",
    413: "Send fewer or shorter messages.",
}


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The wait that the server asked for, in seconds: ``retry-after-ms``, or ``Retry-After`` as seconds or HTTP date.

    A date is read against the response's own ``Date``, so that clocks which differ do no harm (RFC 9110, 10.2.3).
    """
    for name, unit in (("retry-after-ms", 0.001), ("Retry-After", 1.0)):
        try:
            wait = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        if 0 <= wait < float("inf"):
            return wait
    try:
        at = _utc(parsedate_to_datetime(headers["Retry-After"]))
    except (KeyError, ValueError, TypeError):
        return None
    try:
        now = now or _utc(parsedate_to_datetime(headers["Date"]))
    except (KeyError, ValueError, TypeError):
        now = datetime.now(UTC)
    return max(0.0, (at - now).total_seconds())


def one_line(text: str | bytes) -> str:
    """A server's words without line breaks, cut at a readable length."""
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def data_url(media_type: str, data: bytes) -> str:
    """A picture as a URL that holds it."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def schema_instruction(schema: Mapping[str, Any]) -> str:
    """The words that ask for JSON where a model cannot be held to a schema."""
    return (
        "Write your answer as one JSON value and nothing else: no heading, no code fence. It must be valid under this "
        f"JSON schema: {orjson.dumps(schema).decode()}"
    )


def _message(message: Message) -> dict[str, Any]:
    if not message.images:
        return {"role": message.role, "content": message.content}
    parts: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": data_url(i.media_type, i.data)}} for i in message.images
    ]
    return {"role": message.role, "content": [{"type": "text", "text": message.content}, *parts]}


def _ask_for_json(messages: list[dict[str, Any]], schema: Mapping[str, Any]) -> None:
    # at the end of the last user message: what comes before stays the same for the server's prompt cache
    asked = schema_instruction(schema)
    last = next((m for m in reversed(messages) if m["role"] == "user"), None)
    if last is None:
        messages.append({"role": "user", "content": asked})
    elif isinstance(last["content"], str):
        last["content"] += f"\n\n{asked}"
    else:
        last["content"].append({"type": "text", "text": asked})


def _text(content: Any) -> str:
    if isinstance(content, list):  # some servers send parts, among them the model's thoughts
        return "".join(part.get("text") or "" for part in content if part.get("type", "text") == "text")
    return content or ""


def _usage(usage: Any, text: str) -> Usage | None:
    """The tokens charged for; None where the server does not say, or says that a text took none: that is no count."""
    try:
        prompt, completion = int(usage["prompt_tokens"]), int(usage["completion_tokens"])
        cached = int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
    except (TypeError, KeyError, ValueError, AttributeError):
        return None
    if prompt <= 0 or completion < 0 or (text and not completion):
        return None
    return Usage(prompt, completion, cached)


def _locations(detail: Any) -> tuple[str, ...]:
    """Field names in a FastAPI validation error."""
    if not isinstance(detail, list):
        return ()
    places = [d.get("loc") for d in detail if isinstance(d, dict)]
    return tuple(str(p[1]) for p in places if isinstance(p, list) and len(p) > 1 and p[0] == "body")


def _utc(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)
