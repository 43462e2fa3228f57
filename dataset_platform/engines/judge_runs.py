"""Many traces before a judge at once, over the language model engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.judge import judge_prompts, judgement_schema, not_run, verdict
from dataset_platform.kernels.reasoning.trace import CoTTrace
from dataset_platform.llm.errors import CallError
from dataset_platform.llm.request import Message, Request, Response

if TYPE_CHECKING:
    from dataset_platform.llm.engine import Engine

MAX_TOKENS = 800


@dataclass(frozen=True)
class ToJudge:
    """A trace for the judge; ``model`` wrote it."""

    trace: CoTTrace
    facts: Facts
    model: str


async def run_judge(items: Iterable[ToJudge], engine: Engine, window: int) -> AsyncGenerator[tuple[str, str], None]:
    """Trace id and ``judge`` column of each trace, as they are completed.

    A trace whose questions are not all answered has no figure, nor has one that a simulated model answered for.

    Raises:
        BudgetReached, TooManyErrors: no further call can be made.
    """

    async def work(item: ToJudge) -> tuple[str, str]:
        calls = [engine.complete(r) for r in _requests(item)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        return item.trace.trace_id, _column(item, answers)

    async with aclosing(engine.map(items, work, window)) as results:
        async for result in results:
            yield result


def _requests(item: ToJudge) -> list[Request]:
    return [
        Request(
            (Message("system", system), Message("user", user)),
            max_tokens=MAX_TOKENS,
            schema=judgement_schema(),
            label=f"{item.trace.trace_id}:judge",
        )
        for system, user in judge_prompts(item.trace, item.facts)
    ]


def _column(item: ToJudge, answers: list[Response | BaseException]) -> str:
    responses: list[Any] = []
    for answer in answers:
        if isinstance(answer, CallError):
            return not_run(f"{answer.kind}: {answer.message}"[:300])
        if isinstance(answer, BaseException):
            raise answer
        responses.append(answer)
    if any(r.simulated for r in responses):
        return not_run("the model is simulated")
    return verdict([r.parsed for r in responses], responses[0].model, item.model)
