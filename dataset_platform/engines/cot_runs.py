"""Many traces at once, by rules, by a language model or by both, written as labelled rows block by block.

Keyframes are taken in their order, a window of them at a time; a block of rows is written as soon as all of its keyframes
have ended. Memory holds the window and the open blocks, however long the day is, and the rows lie in the keyframes'
order, whatever the order in which answers came.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_platform.contracts.reasoning import CotTraces
from dataset_platform.engines.cot_rows import Draft, kept, rejected
from dataset_platform.engines.cot_writer import InvalidLevel, Keyframe, Spent, TraceWriter
from dataset_platform.errors import InputError
from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.level_checks import FIELD_VALIDATORS, failing_levels
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

    A keyframe whose calls fail for good, and which has no cheap trace either, is a rejected row that says why, with the
    tokens and the price of its answers so far; they are in the response log too. An escalation that fails, or whose trace
    fails more validators than the cheap one, leaves the cheap trace: its route stays ``simple``, ``escalated_because``
    says why the model was asked, ``failed_validators`` what is still wrong, and tokens, price and calls count both.

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
        spent = Spent()
        try:
            if chosen.may_escalate:
                return position, await self._cheap_first(position, keyframe, chosen.writer)
            self._allowance.pass_by(position)
            draft = await self._draft(chosen.writer, keyframe, spent)
            return position, self._kept(keyframe, draft, chosen.reason, [])
        except CallError as e:
            return position, rejected(keyframe, e, spent)
        except InputError as e:
            return position, rejected(keyframe, CallError(e.message), spent, "rules_failed")

    async def _cheap_first(self, position: int, keyframe: Keyframe, writer: str) -> dict[str, Any]:
        """The cheap trace, or the model's where the cheap one fails its validators and there is room to escalate."""
        config, spent = self._job.config, Spent()
        claimed = False
        cheap: Draft | None = None
        try:
            try:
                cheap = await self._draft(writer, keyframe, spent)
                failed, wanted = cheap.failed, not keeps(cheap.failed, self._job.validators, config)
            except CallError as e:
                if not config.route.escalate or not isinstance(e, _UNUSABLE):
                    return rejected(keyframe, e, spent)
                failed, wanted, unusable = [e.kind], True, e
            if wanted and config.route.escalate:
                claimed = True
                wanted = await self._allowance.claim(position)
            else:
                wanted = False
        finally:
            if not claimed:
                self._allowance.pass_by(position)
        if wanted:
            return await self._escalated(keyframe, cheap, spent, failed)
        return rejected(keyframe, unusable, spent) if cheap is None else self._kept(keyframe, cheap, "simple", [])

    async def _escalated(
        self, keyframe: Keyframe, cheap: Draft | None, cheap_spent: Spent, because: list[str]
    ) -> dict[str, Any]:
        """The model's trace; the cheap one, where there is one, when the model gives none or one that fails more."""
        spent = Spent()
        try:
            draft = await self._draft("llm", keyframe, spent)
        except CallError as e:
            if cheap is None:
                return rejected(keyframe, e, spent.and_also(cheap_spent))
        else:
            if cheap is None or len(draft.failed) <= len(cheap.failed):
                draft = replace(draft, spent=spent.and_also(cheap_spent))
                return self._kept(keyframe, draft, "escalated", because)
        cheap = replace(cheap, spent=cheap_spent.and_also(spent))
        return self._kept(keyframe, cheap, "simple", because)

    async def _draft(self, writer: str, keyframe: Keyframe, spent: Spent) -> Draft:
        if writer == "rules":
            trace = await asyncio.to_thread(self._job.rules, keyframe)
            spent.model = "rules"
        else:
            model = self._cheap if writer == "cheap_llm" else self._llm
            assert model is not None, "a route to a model needs its engine"
            trace = await model.write(keyframe, spent)
        failed = await asyncio.to_thread(self._job.failing, trace, keyframe.facts, keyframe.view)
        return Draft(trace, writer, spent, failed)

    def _kept(self, keyframe: Keyframe, draft: Draft, reason: str, because: list[str]) -> dict[str, Any]:
        return kept(keyframe, draft, reason, because, self._job.rules_version)


def _part(path: str, number: int) -> str:
    return join(path, f"part-{number:06d}.parquet")


def _write_block(block: _Block, path: str) -> None:
    schema = CotTraces.labelled_schema().remove_metadata()
    table = pa.Table.from_pylist([block.rows[p] for p in sorted(block.rows)], schema=schema)
    with storage.open_output(path) as sink:
        pq.write_table(table, sink)
