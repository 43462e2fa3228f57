"""Many traces at once, by rules, by a language model or by both, written as labelled rows block by block.

Keyframes are taken in their order, a window of them at a time; a block of rows is written as soon as all of its keyframes
have ended. Memory holds the window and the open blocks, however long the day is, and the rows lie in the keyframes'
order, whatever the order in which answers came.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_platform.contracts.reasoning import CotTraces
from dataset_platform.engines.cot_writer import InvalidLevel, Keyframe, Spent, TraceWriter
from dataset_platform.errors import InputError
from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.levels import FIELD_VALIDATORS, failing_levels
from dataset_platform.kernels.reasoning.prompts import prompt_version
from dataset_platform.kernels.reasoning.routing import Allowance, keeps, route
from dataset_platform.kernels.reasoning.settings import ReasoningConfig
from dataset_platform.kernels.reasoning.trace import CoTTrace
from dataset_platform.kernels.reasoning.view import PlanView
from dataset_platform.lake import storage
from dataset_platform.llm.errors import CallError, InvalidOutputError, LengthError, RefusalError
from dataset_platform.llm.pool import run_pool
from dataset_platform.settings import join

if TYPE_CHECKING:
    from dataset_platform.llm.engine import Engine

BLOCK_KEYFRAMES = 256
RULES_WINDOW = 4
_UNUSABLE = (InvalidLevel, InvalidOutputError, LengthError, RefusalError)  # the model answered, and not well enough
_KEPT = ("trace_id", "frame_id", "scenario_id", "step", "file", "offset", "length")


@dataclass(frozen=True)
class CotJob:
    """What all traces of a day share.

    Attributes:
        total: keyframes of the day.
        rules: writes a trace by rule; its ``rules_version`` goes into the rows.
        failing: names of the validators that a trace fails; they need no future.
        validators: how many validators there are.
    """

    config: ReasoningConfig
    total: int
    rules: Callable[[Keyframe], CoTTrace]
    rules_version: str
    failing: Callable[[CoTTrace, Facts, PlanView], list[str]]
    validators: int


def standard_job(config: ReasoningConfig, total: int) -> CotJob:
    """The job with the project's own rules and validators: the quality metrics that need no future, then every field."""
    from dataset_platform.kernels.reasoning.quality.evaluate import VALIDATORS, failing_validators
    from dataset_platform.kernels.reasoning.rule_traces import RULES_VERSION, KeyframeInput, write

    def rules(keyframe: Keyframe) -> CoTTrace:
        given = KeyframeInput(
            trace_id=keyframe.trace_id,
            frame_id=keyframe.frame_id,
            scenario_id=keyframe.scenario_id,
            step=keyframe.step,
            facts=keyframe.facts,
            view=keyframe.view,
        )
        return write(given)

    def failing(trace: CoTTrace, facts: Facts, view: PlanView) -> list[str]:
        return [*failing_validators(trace, facts, view), *failing_levels(trace, facts, view)]

    return CotJob(config, total, rules, RULES_VERSION, failing, len(VALIDATORS) + len(FIELD_VALIDATORS))


@dataclass
class _Block:
    """Keyframes whose rows are written together."""

    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    size: int = 0

    @property
    def complete(self) -> bool:
        return len(self.rows) == self.size


async def run_cot(
    keyframes: Iterable[Keyframe],
    job: CotJob,
    engine: Engine | None,
    window: int,
    path: str,
    on_done: Callable[[int], None] | None = None,
    cheap_engine: Engine | None = None,
) -> None:
    """Write the labelled rows of ``CotTraces`` as Parquet below ``path``.

    A keyframe whose calls fail for good is a rejected row that says why; its answers so far are in the response log.

    Args:
        engine: None when rules alone write.
        window: keyframes under way at once.
        cheap_engine: of a cheap model that writes first, where the settings say so.

    Raises:
        BudgetReached, TooManyErrors: no further call can be made; nothing that was answered is lost.
    """
    blocks: dict[int, _Block] = {}
    writers = _Writers(job, engine, cheap_engine)
    done = 0

    def numbered() -> Iterable[tuple[int, Keyframe]]:
        for position, keyframe in enumerate(keyframes):
            blocks.setdefault(position // BLOCK_KEYFRAMES, _Block()).size += 1
            yield position, keyframe

    writing: asyncio.Task[None] | None = None  # a block is written while the next one is asked
    async with aclosing(_pool(engine, numbered(), writers.row, window)) as results:
        async for position, row in results:
            number = position // BLOCK_KEYFRAMES
            block = blocks[number]
            block.rows[position] = row
            done += 1
            if on_done is not None:
                on_done(done)
            # the newest block may still grow; it is written below when there are no more keyframes
            if block.complete and block.size == BLOCK_KEYFRAMES:
                if writing is not None:
                    await writing
                writing = asyncio.create_task(asyncio.to_thread(_write_block, blocks.pop(number), _part(path, number)))
    if writing is not None:
        await writing
    for number in sorted(blocks):
        await asyncio.to_thread(_write_block, blocks[number], _part(path, number))


def _pool(
    engine: Engine | None,
    items: Iterable[tuple[int, Keyframe]],
    work: Callable[[tuple[int, Keyframe]], Awaitable[tuple[int, dict[str, Any]]]],
    window: int,
) -> AsyncGenerator[tuple[int, dict[str, Any]], None]:
    if engine is not None:
        return engine.map(items, work, window)
    return run_pool(items, work, min(window, RULES_WINDOW), set())


class _Writers:
    """Makes the row of one keyframe, by whoever writes it."""

    def __init__(self, job: CotJob, engine: Engine | None, cheap_engine: Engine | None) -> None:
        self._job = job
        self._llm = None if engine is None else TraceWriter(engine, job.config)
        self._cheap = None if cheap_engine is None else TraceWriter(cheap_engine, job.config)
        self._allowance = Allowance(job.config.route.max_escalated_share, job.total)

    async def row(self, item: tuple[int, Keyframe]) -> tuple[int, dict[str, Any]]:
        """The labelled row of a keyframe."""
        position, keyframe = item
        chosen = route(keyframe.trace_id, keyframe.complexity, self._job.config)
        try:
            if chosen.may_escalate:
                return position, await self._cheap_first(position, keyframe)
            self._allowance.pass_by(position)
            return position, await self._written(chosen.writer, chosen.reason, keyframe)
        except CallError as e:
            return position, _rejected(keyframe, e)
        except InputError as e:
            return position, _rejected(keyframe, CallError(e.message), "rules_failed")

    async def _cheap_first(self, position: int, keyframe: Keyframe) -> dict[str, Any]:
        """The cheap trace, or the model's where the cheap one fails its validators and there is room to escalate."""
        writer = "rules" if self._job.config.cheap == "rules" else "cheap_llm"
        claimed = False
        paid = Spent()
        failed: list[str] = []
        row: dict[str, Any] | None = None
        unusable: CallError | None = None
        try:
            try:
                trace, paid = await self._write(writer, keyframe)
                failed = await self._failing(trace, keyframe)
                row = self._row(keyframe, trace, paid, writer, "simple", failed, [])
            except _UNUSABLE as e:
                failed, unusable = [e.kind], e
            wanted = self._job.config.route.escalate and not keeps(failed, self._job.validators, self._job.config)
            if wanted:
                claimed = True
                wanted = await self._allowance.claim(position)
        finally:
            if not claimed:
                self._allowance.pass_by(position)
        if wanted:
            return await self._written("llm", "escalated", keyframe, paid, failed)
        if unusable is not None:
            raise unusable
        assert row is not None
        return row

    async def _written(
        self, writer: str, reason: str, keyframe: Keyframe, paid: Spent | None = None, because: list[str] | None = None
    ) -> dict[str, Any]:
        trace, spent = await self._write(writer, keyframe)
        if paid is not None:
            spent = spent.with_earlier(paid)
        failed = await self._failing(trace, keyframe)
        return self._row(keyframe, trace, spent, writer, reason, failed, because or [])

    async def _write(self, writer: str, keyframe: Keyframe) -> tuple[CoTTrace, Spent]:
        if writer == "rules":
            trace = await asyncio.to_thread(self._job.rules, keyframe)
            return trace, Spent(model="rules")
        model = self._cheap if writer == "cheap_llm" else self._llm
        assert model is not None, "a route to a model needs its engine"
        return await model.write(keyframe)

    async def _failing(self, trace: CoTTrace, keyframe: Keyframe) -> list[str]:
        return await asyncio.to_thread(self._job.failing, trace, keyframe.facts, keyframe.view)

    def _row(
        self,
        keyframe: Keyframe,
        trace: CoTTrace,
        spent: Spent,
        writer: str,
        reason: str,
        failed: list[str],
        because: list[str],
    ) -> dict[str, Any]:
        rules = writer == "rules"
        return {n: getattr(keyframe, n) for n in _KEPT} | {
            "trace": trace.model_dump_json(),
            "text": trace.text(),
            "longitudinal": trace.trajectory_plan.longitudinal,
            "lateral": trace.trajectory_plan.lateral,
            "overall_risk": trace.situation_assessment.overall_risk,
            "confidence": trace.justification.confidence,
            "complexity": keyframe.complexity,
            "generator": "rules" if rules else "llm",
            "route": reason,
            "failed_validators": failed,
            "escalated_because": because,
            "model": spent.model,
            "simulated": spent.simulated,
            "prompt_version": self._job.rules_version if rules else prompt_version(),
            "prompt_tokens": spent.prompt_tokens,
            "completion_tokens": spent.completion_tokens,
            "cost_usd": spent.cost_usd,
            "calls": spent.calls,
            "created_at": spent.created_at,
        }


def _rejected(keyframe: Keyframe, error: CallError, reason: str | None = None) -> dict[str, Any]:
    return {n: getattr(keyframe, n) for n in _KEPT} | {
        "reason": reason or error.kind,
        "measure": float(error.problems) if isinstance(error, InvalidLevel) else None,
        "detail": error.message[:500],
    }


def _part(path: str, number: int) -> str:
    return join(path, f"part-{number:06d}.parquet")


def _write_block(block: _Block, path: str) -> None:
    schema = CotTraces.labelled_schema().remove_metadata()
    table = pa.Table.from_pylist([block.rows[p] for p in sorted(block.rows)], schema=schema)
    with storage.open_output(path) as sink:
        pq.write_table(table, sink)
