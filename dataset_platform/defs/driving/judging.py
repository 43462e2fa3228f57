"""A language model's judgement of the day's traces, where the settings ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dataset_platform.contracts import CotTraces, Keyframes
from dataset_platform.defs.days import Day
from dataset_platform.lake import storage
from dataset_platform.settings import join

if TYPE_CHECKING:
    from dataset_platform.engines.judge_runs import ToJudge
    from dataset_platform.llm.engine import Engine
    from dataset_platform.llm.progress import Stats

READ_ROWS = 256
WRITE_ROWS = 1024


def judged(day: Day, path: str) -> bool:
    """Write trace id and ``judge`` column of every trace of the day as Parquet below ``path``, as the verdicts come.

    Memory holds ``WRITE_ROWS`` of them. Without a judge nothing is written, and the answer is False.

    Raises:
        ConfigError: a judge is asked for and no model is named.
    """
    if not day.config.driving.quality.judge:
        return False
    from dataset_platform.engines.progress import report
    from dataset_platform.llm import session

    def progress(stats: Stats) -> None:
        report(f"driving/cot_quality {day.key}: judging · {stats.line()}")

    engine, window = session.open_engine(
        day.config.llm, join(day.settings.lake, "_calls", "driving/cot_quality", day.key), progress
    )
    session.run(_write(day, engine, window, join(path, "verdicts.parquet")))
    return True


async def _write(day: Day, engine: Engine, window: int, path: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from dataset_platform.engines.judge_runs import run_judge

    schema = pa.schema([("trace_id", pa.string()), ("judge", pa.string())])
    with storage.open_output(path) as sink, pq.ParquetWriter(sink, schema) as writer:
        waiting: list[dict[str, str]] = []
        async with engine:
            async for trace_id, verdict in run_judge(_traces(day), engine, window):
                waiting.append({"trace_id": trace_id, "judge": verdict})
                if len(waiting) == WRITE_ROWS:
                    writer.write_table(pa.Table.from_pylist(waiting, schema))
                    waiting.clear()
        writer.write_table(pa.Table.from_pylist(waiting, schema))


def _traces(day: Day) -> Iterator[ToJudge]:
    """The day's traces with their facts; a trace that is no record any more is left to the quality stage to reject."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pydantic import ValidationError

    from dataset_platform.engines.judge_runs import ToJudge
    from dataset_platform.kernels.reasoning.facts import Facts
    from dataset_platform.kernels.reasoning.trace import CoTTrace

    on_day = pc.field("ingestion_date") == pa.scalar(day.key).cast(pa.date32())
    batches = (
        day.table(CotTraces)
        .dataset()
        .to_batches(columns=["frame_id", "trace", "model"], filter=on_day, batch_size=READ_ROWS)
    )
    for batch in batches:
        ids = batch.column("frame_id").to_pylist()
        keyframes = day.table(Keyframes).read(day.key, ["frame_id", "facts"], pc.field("frame_id").isin(ids))
        facts = {row["frame_id"]: Facts.of_rows(row["facts"]) for row in keyframes.to_pylist()}
        for row in batch.to_pylist():
            if row["frame_id"] not in facts:
                continue
            try:
                trace = CoTTrace.model_validate_json(row["trace"])
            except ValidationError:
                continue
            yield ToJudge(trace, facts[row["frame_id"]], row["model"])
