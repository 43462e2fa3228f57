"""A stratified sample of a day's traces for annotators, below ``artifacts/driving/annotation_tasks/{day}/``.

- ``tasks.jsonl``: the tasks, one a line;
- ``argilla/settings.json`` and ``argilla/records.json``: the form and its records;
- ``label_studio/config.xml`` and ``label_studio/tasks.json``: the same for Label Studio.

What comes back, in any of the three forms, is imported by ``driving/cot_annotations``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import orjson

from dataset_platform.contracts import Keyframes
from dataset_platform.defs.days import Day
from dataset_platform.lake import storage
from dataset_platform.settings import join

if TYPE_CHECKING:
    import pyarrow as pa

    from dataset_platform.kernels.reasoning.sampling import Sampled

_PLAIN = ("trace_id", "complexity", "generator", "failed_validators")


def folder(day: Day) -> str:
    """Where the day's tasks lie."""
    return join(day.settings.artifacts, "driving", "annotation_tasks", day.key)


def write(day: Day, kept: Callable[[], Iterator[pa.RecordBatch]]) -> None:
    """Draw the sample and write its tasks; without any the folder is removed.

    Args:
        kept: reads the day's traces, batch by batch.
    """
    from dataset_platform.kernels.reasoning import annotation_forms as forms

    tasks = _tasks(day, kept)
    if not tasks:
        remove(day)
        return
    root = folder(day)
    lines = b"".join(orjson.dumps(t, option=orjson.OPT_APPEND_NEWLINE) for t in tasks)
    storage.write_bytes(join(root, "tasks.jsonl"), lines)
    for name, value in (
        ("argilla/settings.json", forms.argilla_settings()),
        ("argilla/records.json", [forms.argilla_record(t) for t in tasks]),
        ("label_studio/tasks.json", [forms.label_studio_task(t) for t in tasks]),
    ):
        storage.write_bytes(join(root, name), orjson.dumps(value, option=orjson.OPT_INDENT_2))
    storage.write_bytes(join(root, "label_studio/config.xml"), forms.label_studio_config().encode())


def remove(day: Day) -> None:
    """Take a day's tasks away."""
    storage.delete(folder(day))


def _tasks(day: Day, kept: Callable[[], Iterator[pa.RecordBatch]]) -> list[dict[str, Any]]:
    from dataset_platform.kernels.reasoning.annotation_forms import task
    from dataset_platform.kernels.reasoning.sampling import Stratum, stratified
    from dataset_platform.kernels.reasoning.trace import CoTTrace

    strata = (
        (row["trace_id"], Stratum(row["complexity"], row["generator"], not row["failed_validators"]))
        for batch in kept()
        for row in batch.select(_PLAIN).to_pylist()
    )
    config = day.config.driving
    drawn = {s.trace_id: s for s in stratified(strata, config.quality.annotate_sample, config.reasoning.seed)}
    if not drawn:
        return []
    traces = _sampled_traces(kept, drawn)
    facts = _facts(day, [frame for frame, _ in traces.values()])
    made = []
    for trace_id, sampled in drawn.items():
        frame, text = traces[trace_id]
        made.append(task(sampled, CoTTrace.model_validate_json(text), facts.get(frame, [])))
    return made


def _sampled_traces(
    kept: Callable[[], Iterator[pa.RecordBatch]], drawn: dict[str, Sampled]
) -> dict[str, tuple[str, str]]:
    """Frame and trace of those that were drawn."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = pa.array(list(drawn))
    found: dict[str, tuple[str, str]] = {}
    for batch in kept():
        rows = batch.filter(pc.is_in(batch.column("trace_id"), wanted)).select(["trace_id", "frame_id", "trace"])
        found |= {row["trace_id"]: (row["frame_id"], row["trace"]) for row in rows.to_pylist()}
    return found


def _facts(day: Day, frames: list[str]) -> dict[str, list[dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    on_day = pc.field("ingestion_date") == pa.scalar(day.key).cast(pa.date32())
    wanted = on_day & pc.field("frame_id").isin(frames)
    found = day.table(Keyframes).dataset().to_table(columns=["frame_id", "facts"], filter=wanted)
    return {row["frame_id"]: row["facts"] for row in found.to_pylist()}
