"""Exports of a day's traces below ``artifacts/self_correction/traces/``: JSON lines and a summary of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from dataset_platform.contracts.self_correction import TRACE_RECORD, TURN_RECORD
from dataset_platform.lake import storage
from dataset_platform.settings import join

if TYPE_CHECKING:
    import pyarrow as pa

TURN_FIELDS = tuple(field.name for field in TURN_RECORD)


def folder(artifacts: str) -> str:
    """Where the exports lie."""
    return join(artifacts, "self_correction", "traces")


def path_of(artifacts: str, day: str) -> str:
    """The JSON lines of a day: one trace record a line, with exactly its fields, turns nested."""
    return join(folder(artifacts), f"traces_{day.replace('-', '')}.jsonl")


def trace_record(row: Mapping[str, Any]) -> dict[str, Any]:
    """A table row as the trace record that leaves the platform."""
    record = {name: row[name] for name in TRACE_RECORD}
    record["turns"] = [{name: turn[name] for name in TURN_FIELDS} for turn in row["turns"]]
    return record


def write(
    artifacts: str,
    day: str,
    kept: Callable[[], Iterator[pa.RecordBatch]],
    algorithm: str,
    actions: int,
    parameters: Mapping[str, Any],
    started: float,
    ended: float,
) -> None:
    """Write the day's traces, in the table's order, then the summary of the run that made them.

    Args:
        kept: reads the day's rows, batch by batch.
        actions: number of actions that the policy chooses from, to stop included.
        started, ended: seconds since the epoch.
    """
    traces = turns = updates = 0
    with storage.open_output(path_of(artifacts, day)) as sink:
        for batch in kept():
            for row in batch.to_pylist():
                sink.write(orjson.dumps(trace_record(row), option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z))
                traces, turns = traces + 1, turns + row["total_turns"]
                updates += row["total_turns"] - 1  # every answer after the first rewards the decision that asked for it
    if not traces:
        storage.delete(path_of(artifacts, day))
        return
    seconds = ended - started
    summary = {
        "pipeline_stats": {
            "traces_processed": traces,
            "total_turns": turns,
            "policy_updates": updates,
            "start_time": _iso(started),
        },
        "policy_stats": {"algorithm": algorithm, **parameters, "total_actions": actions},
        "duration_seconds": round(seconds, 3),
        "traces_per_second": round(traces / seconds, 3) if seconds > 0 else 0.0,
        "avg_turns_per_trace": round(turns / traces, 4),
        "completed_at": _iso(ended),
    }
    clock = datetime.fromtimestamp(ended, UTC).strftime("%H%M%S")
    name = f"summary_{day.replace('-', '')}_{clock}.json"
    storage.write_bytes(join(folder(artifacts), name), orjson.dumps(summary, option=orjson.OPT_INDENT_2))


def remove(artifacts: str, day: str) -> None:
    """Take a day's traces away; summaries of earlier runs stay, they are a record of what ran."""
    storage.delete(path_of(artifacts, day))


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
