"""Many episodes at once over the language model engine, written as labelled rows block by block.

Questions are taken in their order, a window of them at a time. Blocks of rows are written as soon as all of their
questions have ended, so memory holds the window and the open blocks, however long the day is, and the rows lie in the
questions' order, whatever the order in which answers came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_platform.contracts import Traces
from dataset_platform.errors import InputError
from dataset_platform.kernels.self_correction.episodes import Answer, Episode, Question, trace_id, trace_row
from dataset_platform.kernels.self_correction.grading import checker_of, grade_episodes
from dataset_platform.kernels.self_correction.outcomes_of_rows import outcomes_of_row
from dataset_platform.lake import storage
from dataset_platform.llm.errors import CallError
from dataset_platform.llm.request import Message, Request
from dataset_platform.settings import join

if TYPE_CHECKING:
    from dataset_platform.kernels.self_correction.classifier import ErrorClassifier
    from dataset_platform.kernels.self_correction.policy import Policy
    from dataset_platform.kernels.self_correction.templates import Template
    from dataset_platform.llm.engine import Engine

BLOCK_QUESTIONS = 512


@dataclass(frozen=True)
class TraceJob:
    """What all traces of a day share."""

    day: str
    policy: Policy
    classifier: ErrorClassifier
    templates: Mapping[str, Template]
    max_turns: int
    seed: int
    max_answer_tokens: int
    temperature: float
    checkers: Mapping[str, str]
    constants: Mapping[str, Any]
    reward: str = "gold"
    online: bool = False


@dataclass
class _Block:
    """Questions whose rows are written together."""

    episodes: dict[int, Episode] = field(default_factory=dict)
    rejected: dict[int, dict[str, Any]] = field(default_factory=dict)
    size: int = 0

    @property
    def complete(self) -> bool:
        return len(self.episodes) + len(self.rejected) == self.size


@dataclass(frozen=True)
class _Ended:
    """An episode that came to its end, or the error that ended it."""

    position: int
    episode: Episode
    error: CallError | None


async def run_traces(
    questions: Iterable[Question],
    job: TraceJob,
    engine: Engine,
    window: int,
    path: str,
    on_done: Callable[[int], None] | None = None,
) -> None:
    """Answer all questions and write the labelled rows of ``Traces`` as Parquet below ``path``.

    A question whose call fails for good is a rejected row that names the turn and the cause; its answers so far are in
    the response log.

    Raises:
        BudgetReached, TooManyErrors: no further call can be made; nothing that was answered is lost.
    """
    blocks: dict[int, _Block] = {}
    done = 0

    def numbered() -> Iterable[tuple[int, Question]]:
        for position, question in enumerate(questions):
            blocks.setdefault(position // BLOCK_QUESTIONS, _Block()).size += 1
            yield position, question

    async def work(item: tuple[int, Question]) -> _Ended:
        return await _answer(*item, job, engine)

    online = _Online(job) if job.online else None
    writing: asyncio.Task[None] | None = None  # a block is graded and written while the next one is asked
    async for ended in engine.map(numbered(), work, window):
        number = ended.position // BLOCK_QUESTIONS
        block = blocks[number]
        if ended.error is not None:
            cause = f"turn {len(ended.episode.turns)}: {ended.error.message}"
            block.rejected[ended.position] = _rejected(ended.episode, ended.error.kind, cause)
        else:
            block.episodes[ended.position] = ended.episode
            if online is not None:
                await online.learn(ended.episode)
        done += 1
        if on_done is not None:
            on_done(done)
        # the newest block may still grow; it is written below when there are no more questions
        if block.complete and (block.size == BLOCK_QUESTIONS):
            if writing is not None:
                await writing
            part = join(path, f"part-{number:06d}.parquet")
            writing = asyncio.create_task(asyncio.to_thread(_write_block, job, blocks.pop(number), part))
    if writing is not None:
        await writing
    for number in sorted(blocks):
        await asyncio.to_thread(_write_block, job, blocks[number], join(path, f"part-{number:06d}.parquet"))


async def _answer(position: int, question: Question, job: TraceJob, engine: Engine) -> _Ended:
    identity = trace_id(question.dataset_name, question.question_id, job.day)
    episode = Episode(identity, question, job.policy, job.classifier, job.templates, job.max_turns, job.seed)
    while not episode.finished:
        messages = tuple(Message(role, text) for role, text in episode.messages())  # type: ignore[arg-type]
        request = Request(
            messages,
            max_tokens=job.max_answer_tokens,
            temperature=job.temperature,
            seed=job.seed,
            label=f"{identity}:{len(episode.turns)}",
        )
        try:
            response = await engine.complete(request)
        except CallError as e:
            return _Ended(position, episode, e)
        usage = response.usage
        episode.receive(
            Answer(
                response.text,
                usage.completion_tokens,
                usage.prompt_tokens,
                response.cost_usd,
                response.received_at,
                response.model,
            )
        )
    return _Ended(position, episode, None)


def _rejected(episode: Episode, reason: str, cause: str) -> dict[str, Any]:
    q = episode.question
    return {
        "trace_id": episode.trace_id,
        "dataset_name": q.dataset_name,
        "question_id": q.question_id,
        "file": q.file,
        "offset": q.offset,
        "length": q.length,
        "reason": reason,
        "measure": float(len(episode.turns)),
        "detail": cause[:500],
    }


def _write_block(job: TraceJob, block: _Block, path: str) -> None:
    positions = sorted(block.episodes)
    episodes = [block.episodes[p] for p in positions]
    rows = dict(block.rejected)
    for position, episode, grades in zip(positions, episodes, grade_episodes(episodes, job.checkers), strict=True):
        q = episode.question
        name = checker_of(q.dataset_name, q.checker, job.checkers)
        if isinstance(grades, InputError):
            rows[position] = _rejected(episode, "unreadable_reference", grades.message)
        else:
            rows[position] = trace_row(episode, grades, name, job.constants)
    schema = Traces.labelled_schema().remove_metadata()
    table = pa.Table.from_pylist([rows[p] for p in sorted(rows)], schema=schema)
    with storage.open_output(path) as sink:
        pq.write_table(table, sink)


class _Online:
    """Updates the policy while traces run: it decides better sooner, and what it decides depends on the order of answers."""

    def __init__(self, job: TraceJob) -> None:
        self._job = job

    async def learn(self, episode: Episode) -> None:
        """Fold a finished episode into the policy that the running ones decide with."""
        # a checker may take its time; the policy itself changes here, between two decisions
        [grades] = await asyncio.to_thread(grade_episodes, [episode], self._job.checkers)
        if isinstance(grades, InputError):
            return
        row = trace_row(episode, grades, "", self._job.constants)
        self._job.policy.update(outcomes_of_row(row, self._job.reward))
