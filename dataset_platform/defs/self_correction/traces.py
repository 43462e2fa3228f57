"""``self_correction/traces``: questions answered turn by turn under yesterday's policy, graded, and exported."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from dataset_platform.contracts import Questions, Rejections, Traces
from dataset_platform.defs.days import Day, Staged
from dataset_platform.defs.self_correction.classifier import classifier_of
from dataset_platform.defs.self_correction.policy_chain import policy_of, state_before, version_of
from dataset_platform.lake import storage, trace_exports
from dataset_platform.lake.policy_states import PolicyState
from dataset_platform.llm.select import named_model
from dataset_platform.settings import join

if TYPE_CHECKING:
    import pyarrow as pa

    from dataset_platform.config import PlatformConfig
    from dataset_platform.engines.trace_runs import TraceJob
    from dataset_platform.kernels.self_correction.episodes import Question
    from dataset_platform.kernels.self_correction.templates import Template
    from dataset_platform.llm.progress import Stats

TABLE = Traces.table_name()
VERSION = "1"
REGRADE = "dataset_platform/regrade"
READ_ROWS = 256


def compute_traces(day: Day) -> Staged:
    """Answer the day's questions, or grade the stored answers again when the run asks for that.

    Raises:
        ConfigError: no model is named.
        StateError: the questions or an earlier day's policy are missing.
    """
    above = day.upstream(Questions)
    inputs = {Questions.table_name(): above.content_hash}
    if not above.rows_kept:
        after = lambda _: trace_exports.remove(day.settings.artifacts, day.key)  # noqa: E731
        return Staged(None, 0, inputs, note=f"{Questions.table_name()} has no rows", after_arrow=after)
    if day.tags.get(REGRADE) == "true":
        return _regraded(day, above.rows_kept)
    from dataset_platform.kernels.self_correction.templates import fingerprint

    state = state_before(day)
    classifier = classifier_of(day)
    inputs |= {
        "self_correction/error_classifier": classifier.fingerprint,
        "self_correction/rts_policy": version_of(state),
        "templates": fingerprint(templates_of(day).values()),
        "model": str(named_model()),
    }
    run = _Run(day, state, above.rows_kept)
    return Staged(run.write, above.rows_kept, inputs, after_arrow=run.export)


def templates_of(day: Day) -> dict[str, Template]:
    """The templates in force, by id."""
    from dataset_platform.kernels.self_correction.templates import load_templates

    policy = day.config.self_correction.policy
    return load_templates(policy.templates_file, policy.arms)


def section(config: PlatformConfig) -> Any:
    """The settings that decide the rows of a day."""
    return config.self_correction.model_copy(
        update={"sources": (), "evaluation": type(config.self_correction.evaluation)()}
    )


class _Run:
    """One day's run: writes the rows, then the exports."""

    def __init__(self, day: Day, state: PolicyState | None, total: int) -> None:
        self.day, self.state, self.total = day, state, total
        self.started = time.time()
        self.done = 0

    def write(self, path: str) -> None:
        """Answer the questions and write labelled rows below ``path``."""
        from dataset_platform.engines.trace_runs import run_traces
        from dataset_platform.llm import session

        self.started = time.time()
        job = self._job()
        config = self.day.config.llm
        engine, window = session.open_engine(config, call_log(self.day), self._progress, self._say)

        async def work() -> None:
            async with engine:
                questions = read_questions(self.day)
                await run_traces(questions, job, engine, min(window, self.total), path, self._count)
                session.require_answers(engine.stats)

        session.run(work())

    def _job(self) -> TraceJob:
        from dataset_platform import __version__
        from dataset_platform.config import fingerprint
        from dataset_platform.engines.trace_runs import TraceJob
        from dataset_platform.kernels.self_correction.prompts import PROMPT_VERSION

        lane = self.day.config.self_correction
        classifier = classifier_of(self.day)
        simulated = named_model().kind == "simulated"
        version = f"{__version__}+{VERSION}.{PROMPT_VERSION}.{fingerprint(section(self.day.config))[:8]}"
        constants = {
            # a record that leaves the platform has no other place to say it
            "pipeline_version": f"{version}.simulated" if simulated else version,
            "policy_version": version_of(self.state),
            "classifier": classifier.fingerprint,
            "seed": lane.traces.seed,
            "simulated": simulated,
        }
        return TraceJob(
            day=self.day.key,
            policy=policy_of(self.day, self.state),
            classifier=classifier,
            templates=templates_of(self.day),
            max_turns=lane.policy.max_turns,
            seed=lane.traces.seed,
            max_answer_tokens=lane.traces.max_answer_tokens,
            temperature=lane.traces.temperature,
            checkers=lane.checkers,
            constants=constants,
            reward=lane.policy.reward,
            online=lane.policy.update == "online",
        )

    def _say(self, text: str) -> None:
        from dataset_platform.engines.progress import report

        report(f"{TABLE} {self.day.key}: {text} · before this run")

    def _count(self, done: int) -> None:
        self.done = done

    def _progress(self, stats: Stats) -> None:
        from dataset_platform.engines.progress import report

        elapsed = max(1e-9, time.time() - self.started)
        left = (self.total - self.done) * elapsed / self.done if self.done else None
        eta = "" if left is None else f" · {int(left) // 60}:{int(left) % 60:02d} left"
        report(f"{TABLE} {self.day.key}: {self.done:,}/{self.total:,} traces · {stats.line()}{eta}")

    def export(self, kept: Callable[[], Iterator[pa.RecordBatch]]) -> None:
        """Write the day's traces as JSON lines and a summary of the run."""
        policy = policy_of(self.day, self.state)
        root, ended = self.day.settings.artifacts, time.time()
        figures = policy.parameters()
        trace_exports.write(root, self.day.key, kept, policy.algorithm, len(policy.arms), figures, self.started, ended)


def call_log(day: Day) -> str:
    """Where the answers of a day are kept, so that none is asked for twice."""
    return join(day.settings.lake, "_calls", TABLE, day.key)


def read_questions(day: Day) -> Iterator[Question]:
    """The day's questions, in their stored order, without holding more than a batch of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from dataset_platform.kernels.self_correction.episodes import Question

    names = list(Question.__dataclass_fields__)
    on_day = pc.field("ingestion_date") == pa.scalar(day.key).cast(pa.date32())
    table = day.table(Questions)
    for batch in table.dataset().to_batches(columns=names, filter=on_day, batch_size=READ_ROWS):
        for row in batch.to_pylist():
            yield Question(**row)


def _regraded(day: Day, rows_in: int) -> Staged:
    """The stored traces of a day, their answers graded by the checkers in force. No model is called.

    Raises:
        StateError: the day has no traces.
    """
    receipt = day.upstream(Traces)
    run = _Run(day, state_before(day), rows_in)

    def write(path: str) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        from dataset_platform.kernels.self_correction.regrading import regrade

        own = {
            r["question_id"]: r["checker"]
            for r in day.table(Questions).read(day.key, ["question_id", "checker"]).to_pylist()
        }
        schema = Traces.labelled_schema().remove_metadata()
        on_day = pc.field("ingestion_date") == pa.scalar(day.key).cast(pa.date32())
        stage = (pc.field("lane") == Traces.lane_name()) & (pc.field("stage") == Traces.artifact_name())
        rejected = day.table(Rejections).read(day.key, where=stage).to_pylist()
        with storage.open_output(join(path, "part-0.parquet")) as sink, pq.ParquetWriter(sink, schema) as writer:
            for batch in day.table(Traces).dataset().to_batches(filter=on_day, batch_size=READ_ROWS):
                rows = regrade(batch.to_pylist(), day.config.self_correction.checkers, own)
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            again = [{**row, "trace_id": row["doc_id"], "dataset_name": row["source"]} for row in rejected]
            writer.write_table(pa.Table.from_pylist(again, schema=schema))

    return Staged(write, rows_in, receipt.inputs, after_arrow=run.export)
