"""The simulated model: no model answers, and every answer says so. For the demo, for tests and for offline use."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Any

import orjson

from dataset_platform.llm.backends.openai_wire import cut_at_stop
from dataset_platform.llm.backends.schema_example import example
from dataset_platform.llm.backends.simulated_answers import answer
from dataset_platform.llm.errors import FatalError
from dataset_platform.llm.request import Completion, FinishReason, Request, Usage

_TOKENS_PER_WORD = 1.3


class SimulatedModel:
    """Answers by rule: see ``simulated_answers``, and ``kernels/reasoning/simulated`` for levels of driving traces.

    The answer is a function of the request alone: of the messages and, above temperature 0, of ``seed`` and ``sample``.

    Args:
        latency_s: seconds that a call takes.
    """

    name = "simulated"
    model = "simulated"
    simulated = True

    def __init__(self, latency_s: float = 0.0) -> None:
        self.latency_s = latency_s

    async def complete(self, request: Request) -> Completion:
        """One answer; see ``Backend``.

        Raises:
            FatalError: the request's schema is one that the rule finds no value for.
        """
        if self.latency_s > 0:
            await asyncio.sleep(self.latency_s)
        return respond(request)

    async def close(self) -> None:
        """Nothing to let go of."""


def respond(request: Request) -> Completion:
    """The completion of a request.

    Raises:
        FatalError: as ``complete``.
    """
    if request.schema is not None:
        text = orjson.dumps(_value(request, request.schema)).decode()
    else:
        drawn = f"{request.seed}/{request.sample}" if request.temperature > 0 else ""
        text = answer(request.messages, drawn)
    text, _ = cut_at_stop(text, request.stop)
    words = text.split(" ")
    reason: FinishReason = "stop"
    if _tokens(text) > request.max_tokens:
        reason = "length"
        while words and _tokens(" ".join(words)) > request.max_tokens:
            words.pop()
        text = " ".join(words)
    prompt = sum(_tokens(m.content) for m in request.messages)
    return Completion(text, reason, Usage(prompt, _tokens(text)), "simulated")


def _value(request: Request, schema: Mapping[str, Any]) -> Any:
    # imported late: the lanes' rules are no light import, and most uses of this model need none of them
    from dataset_platform.kernels.reasoning import simulated as reasoning

    asked = [m.content for m in request.messages if m.role == "user"]
    if (level := reasoning.answer(schema, asked)) is not None:
        return level
    try:
        return example(schema)
    except ValueError as e:
        raise FatalError(f"The simulated model finds no value for the schema: {e}", "Name a real model.") from None


def _tokens(text: str) -> int:
    return math.ceil(_TOKENS_PER_WORD * len(text.split()))
