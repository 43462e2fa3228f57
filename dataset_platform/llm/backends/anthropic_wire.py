"""The Messages format: bodies, answers and errors, for single calls and for message batches alike.

Source: Anthropic's API reference, ``POST /v1/messages``. Newer models refuse ``temperature`` and ``top_p`` (the SDK has
dropped them from its signature), so they are sent as extra fields until a model refuses them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from dataset_platform.llm.backends.openai_wire import ServerError, one_line, schema_instruction
from dataset_platform.llm.errors import CallError, RetryableError
from dataset_platform.llm.request import Completion, FinishReason, Message, Request, Usage

_OPTIONAL = ("temperature", "top_p", "stop_sequences")
_REASONS: dict[str, FinishReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}


@dataclass
class AnthropicDialect:
    """What a model takes; see ``openai_wire.Dialect``."""

    dropped: set[str] = field(default_factory=set)
    schema_format: bool = True

    def learn(self, body: Mapping[str, Any], error: ServerError) -> bool:
        """Whether another body is worth a try after the server refused this one for a parameter it names."""
        if error.status != 400:
            return False
        if "output_config" in body and any(w in error.message for w in ("output_config", "output_format", "schema")):
            self.schema_format = False
            return True
        named = {n for n in _OPTIONAL if n in body and n in error.message}
        if "both" in error.message and {"temperature", "top_p"} <= named:
            named = {"top_p"}  # some models take either, not the two together
        elif not error.is_unsupported:
            return False
        self.dropped |= named
        return bool(named)


def message_body(request: Request, model: str, dialect: AnthropicDialect) -> dict[str, Any]:
    """The JSON body of one call; there is no seed."""
    system = "\n\n".join(m.content for m in request.messages if m.role == "system")
    messages = [_message(m) for m in request.messages if m.role != "system"]
    if request.schema is not None and not dialect.schema_format:
        # at the end: what comes before stays the same for the prompt cache
        messages.append({"role": "user", "content": schema_instruction(request.schema)})
    body: dict[str, Any] = {"model": model, "max_tokens": request.max_tokens, "messages": messages}
    optional: dict[str, Any] = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop_sequences": list(request.stop) or None,
    }
    body |= {name: value for name, value in optional.items() if value is not None and name not in dialect.dropped}
    if system:
        body["system"] = system
    if request.schema is not None and dialect.schema_format:
        body["output_config"] = {"format": {"type": "json_schema", "schema": _supported(request.schema)}}
    return body


def read_message(data: Any, model: str) -> Completion:
    """The answer in a parsed body; ``prompt_tokens`` counts what was read from and written to the cache, too.

    Raises:
        RetryableError: the body is no message. The call may have been charged for.
    """
    try:
        text = "".join(block["text"] for block in data["content"] if block["type"] == "text")
        usage = data["usage"]
        cached = usage.get("cache_read_input_tokens") or 0
        prompt = usage["input_tokens"] + cached + (usage.get("cache_creation_input_tokens") or 0)
        counted = Usage(prompt, usage["output_tokens"], cached)
    except (KeyError, TypeError, AttributeError):
        shown = one_line(orjson.dumps(data, default=str))
        raise RetryableError(f"The answer of {model} is no message: {shown}", billed=True) from None
    return Completion(text, _REASONS.get(data.get("stop_reason") or "", "stop"), counted, data.get("model") or model)


def sdk_error(error: Exception, who: str) -> CallError:
    """Our error for one of the SDK's (``anthropic`` and ``openai`` raise the same families)."""
    status = getattr(error, "status_code", None)
    response = getattr(error, "response", None)
    if isinstance(status, int) and response is not None:
        return ServerError.from_body(status, response.content).call_error(response.headers, who)
    causes: list[str] = []
    cause = error.__cause__ or error.__context__
    while cause is not None and len(causes) < 8:
        causes.append(type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    unreached = any(n in ("ConnectError", "ConnectTimeout", "ClientConnectorError") for n in causes)
    if "Timeout" in type(error).__name__:
        return RetryableError(f"No answer of {who} in time.", billed=not unreached)
    why = one_line(str(error.__cause__ or error)) or type(error).__name__
    return RetryableError(f"The connection to {who} failed: {why}", billed=not unreached)


def _message(message: Message) -> dict[str, Any]:
    if not message.images:
        return {"role": message.role, "content": message.content}
    images = [
        {
            "type": "image",
            "source": {"type": "base64", "media_type": i.media_type, "data": base64.b64encode(i.data).decode()},
        }
        for i in message.images
    ]
    return {"role": message.role, "content": [*images, {"type": "text", "text": message.content}]}


def _supported(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema in the subset that structured outputs take; what does not fit goes into descriptions."""
    from anthropic import transform_schema

    try:
        return dict(transform_schema(dict(schema)))
    except (ValueError, TypeError, KeyError, AssertionError):
        return dict(schema)  # the server may take it; if not, the prompt asks
