"""``driving/cot_traces``: the day's keyframes explained, by rules, by a language model or by both, and exported."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from dataset_platform.contracts import CameraImages, CotTraces, Keyframes
from dataset_platform.defs.days import Day, Staged
from dataset_platform.defs.driving import annotation_tasks
from dataset_platform.defs.driving.front_pictures import FrontPictures
from dataset_platform.errors import ConfigError
from dataset_platform.lake import cot_exports, receipts
from dataset_platform.llm.select import named_model
from dataset_platform.settings import join

if TYPE_CHECKING:
    import pyarrow as pa

    from dataset_platform.config import PlatformConfig
    from dataset_platform.engines.cot_runs import CotJob
    from dataset_platform.engines.cot_writer import Keyframe
    from dataset_platform.kernels.reasoning.settings import ReasoningConfig
    from dataset_platform.llm.engine import Engine
    from dataset_platform.llm.progress import Stats

TABLE = CotTraces.table_name()
VERSION = "1"
TRANSIENT = ("retries_exhausted", "call_refused_by_server")
READ_ROWS = 64
REPORT_EVERY = 50
_COLUMNS = ("frame_id", "scenario_id", "step", "complexity", "facts", "view", "file", "offset", "length")


def section(config: PlatformConfig) -> ReasoningConfig:
    """The settings that decide the rows of a day."""
    return config.driving.reasoning


def compute_traces(day: Day) -> Staged:
    """Explain the day's keyframes.

    Raises:
        ConfigError: the settings ask for a model and none is named.
        StateError: the keyframes are missing.
    """
    from dataset_platform.kernels.reasoning.level_checks import checks_version
    from dataset_platform.kernels.reasoning.quality.evaluate import LEAST, MOST
    from dataset_platform.kernels.reasoning.rule_traces import RULES_VERSION

    above = day.upstream(Keyframes)
    validators = repr([*LEAST.items(), *MOST.items(), checks_version()]).encode()
    inputs = {
        Keyframes.table_name(): above.content_hash,
        "rules": RULES_VERSION,
        "validators": hashlib.sha256(validators).hexdigest()[:16],
        "annotate_sample": str(day.config.driving.quality.annotate_sample),  # of the export that goes with the rows
    }
    if not above.rows_kept:
        return Staged(
            None, 0, inputs, note=f"{Keyframes.table_name()} has no rows", after_arrow=lambda _: _remove_exports(day)
        )
    run = _Run(day, above.rows_kept)
    return Staged(run.write, above.rows_kept, inputs | _model_inputs(day), after_arrow=run.export)


def _model_inputs(day: Day) -> dict[str, str]:
    """What else decides the rows where a model writes.

    Raises:
        ConfigError: no model is named.
    """
    from dataset_platform.kernels.reasoning.prompts import prompt_version

    config = section(day.config)
    if config.generator == "rules":
        return {}
    inputs = {"prompts": prompt_version(), "model": str(named_model())}
    if config.generator == "hybrid" and config.cheap == "llm":
        if config.cheap_model is None:
            raise ConfigError(
                "driving.reasoning.cheap is llm, but driving.reasoning.cheap_model names no model.",
                "Name one in the form of DATASET_PLATFORM_LLM, or set cheap to rules.",
            )
        inputs["cheap_model"] = str(named_model(config.cheap_model))
    if config.images and (pictures := receipts.read(day.settings.lake, CameraImages, day.key)) is not None:
        inputs[CameraImages.table_name()] = pictures.content_hash
    return inputs


class _Run:
    """One day's run: writes the rows, then the exports."""

    def __init__(self, day: Day, total: int) -> None:
        self.day, self.total = day, total
        self.config = section(day.config)
        self.started = time.monotonic()
        self.done = 0

    def write(self, path: str) -> None:
        """Write labelled rows below ``path``."""
        from dataset_platform.engines.cot_runs import RULES_WINDOW, run_cot, standard_job
        from dataset_platform.llm import session

        self.started = time.monotonic()
        job = standard_job(self.config, self.total)
        if self.config.generator == "rules":
            session.run(run_cot(read_keyframes(self.day), job, None, RULES_WINDOW, path, self._count))
            return
        engine, window = session.open_engine(self.day.config.llm, call_log(self.day), self._progress, self._say)
        session.run(self._with_model(job, engine, window, path))

    async def _with_model(self, job: CotJob, engine: Engine, window: int, path: str) -> None:
        from dataset_platform.engines.cot_runs import run_cot
        from dataset_platform.llm import session

        pictures = self.config.images
        window = min(window, self.total)
        async with engine:
            if job.config.generator == "hybrid" and job.config.cheap == "llm":
                log = join(call_log(self.day), "cheap")
                cheap, _ = session.open_engine(self.day.config.llm, log, say=self._say, named=job.config.cheap_model)
                async with cheap:
                    frames = read_keyframes(self.day, pictures)
                    await run_cot(frames, job, engine, window, path, self._count, cheap)
                    session.require_answers(cheap.stats, job.config.cheap_model)
            else:
                await run_cot(read_keyframes(self.day, pictures), job, engine, window, path, self._count)
            session.require_answers(engine.stats)

    def _say(self, text: str) -> None:
        from dataset_platform.engines.progress import report

        report(f"{TABLE} {self.day.key}: {text} · before this run")

    def _count(self, done: int) -> None:
        from dataset_platform.engines.progress import report

        self.done = done
        if self.config.generator == "rules" and done % REPORT_EVERY == 0:
            report(f"{TABLE} {self.day.key}: {done:,}/{self.total:,} traces{self._left()}")

    def _progress(self, stats: Stats) -> None:
        from dataset_platform.engines.progress import report

        report(f"{TABLE} {self.day.key}: {self.done:,}/{self.total:,} traces · {stats.line()}{self._left()}")

    def _left(self) -> str:
        if not self.done:
            return ""
        left = int((self.total - self.done) * (time.monotonic() - self.started) / self.done)
        return f" · {left // 60}:{left % 60:02d} left"

    def export(self, kept: Callable[[], Iterator[pa.RecordBatch]]) -> None:
        """Write the day's traces as Parquet, and a sample of them for annotators."""
        cot_exports.write(self.day.settings, self.day.key, kept)
        annotation_tasks.write(self.day, kept)


def _remove_exports(day: Day) -> None:
    cot_exports.remove(day.settings, day.key)
    annotation_tasks.remove(day)


def call_log(day: Day) -> str:
    """Where the answers of a day are kept, so that none is asked for twice."""
    return join(day.settings.lake, "_calls", TABLE, day.key)


def read_keyframes(day: Day, pictures: bool = False) -> Iterator[Keyframe]:
    """The day's keyframes, in their stored order, without holding more than a batch of them.

    Args:
        pictures: with the front camera's picture where there is one.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from dataset_platform.engines.cot_writer import Keyframe
    from dataset_platform.kernels.reasoning.facts import Facts
    from dataset_platform.kernels.reasoning.keyframes import trace_id_of
    from dataset_platform.kernels.reasoning.view import PlanView

    on_day = pc.field("ingestion_date") == pa.scalar(day.key).cast(pa.date32())
    front = FrontPictures.of_day(day) if pictures else None
    batches = day.table(Keyframes).dataset().to_batches(columns=list(_COLUMNS), filter=on_day, batch_size=READ_ROWS)
    for batch in batches:
        rows = batch.to_pylist()
        shown = {} if front is None else front.of([row["frame_id"] for row in rows])
        for row in rows:
            facts, view = Facts.of_rows(row.pop("facts")), PlanView.of_json(row.pop("view"))
            identity = trace_id_of(row["frame_id"], day.key)
            yield Keyframe(identity, **row, facts=facts, view=view, picture=shown.get(row["frame_id"]))
