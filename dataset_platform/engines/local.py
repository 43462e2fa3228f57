"""Worker processes of this machine driving Arrow kernels: what a day needs that one machine holds, without a JVM.

| variable | what | default |
|---|---|---|
| ``DATASET_PLATFORM_LOCAL_WORKERS`` | worker processes | cores this process may use |
"""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataset_platform.engines.kernel import Kernel
from dataset_platform.engines.progress import report
from dataset_platform.errors import ConfigError, EngineError
from dataset_platform.lake import storage
from dataset_platform.lake.tables import LakeTable
from dataset_platform.settings import join

if TYPE_CHECKING:
    from concurrent.futures import Executor

T = TypeVar("T")
TASK_ROWS = 512
TASK_BYTES = 4 << 20  # of strings; a task is long enough to pay for its way to the worker, short enough to spread well
_started: Any = None
_IDLE_SECONDS = 300  # the next stage finds its workers warm
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS"), "1")


def workers() -> int:
    """Worker processes of the pool.

    Raises:
        ConfigError: the variable is no positive number.
    """
    named = os.environ.get("DATASET_PLATFORM_LOCAL_WORKERS")
    if not named:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not named.isdigit() or int(named) < 1:
        raise ConfigError(f"DATASET_PLATFORM_LOCAL_WORKERS is '{named}'.", "Give a number of processes, for example 4.")
    return int(named)


def pool() -> Executor:
    """The process's pool of workers, started on first use and kept warm between stages."""
    global _started
    from loky import get_reusable_executor

    _started = get_reusable_executor(
        max_workers=workers(),
        timeout=_IDLE_SECONDS,
        initializer=_begin,
        initargs=(os.getpid(),),
        env={**_THREADS, "TOKENIZERS_PARALLELISM": "false"},
    )
    return _started


def stop() -> None:
    """End the pool's workers; nothing happens when there are none."""
    global _started
    if _started is not None:
        _started.shutdown(wait=True, kill_workers=True)
        _started = None


def write_rows(
    table: LakeTable, day: str, kernel: Kernel, schema: pa.Schema, path: str, per_row: bool = False, label: str = ""
) -> None:
    """Run a kernel over a day of a table and write what it emits below ``path``, one Parquet file a task.

    Args:
        schema: what the kernel emits.
        per_row: each row is a task of its own (rows that name files).

    Raises:
        EngineError: a worker process died, for example for want of memory.
    """
    write_batches(day_rows(table, day, per_row), kernel, schema, path, label)


def day_rows(table: LakeTable, day: str, per_row: bool = False) -> Iterator[pa.RecordBatch]:
    """A day of a table (data columns) in pieces of the size of a task, or row by row; read as they are taken."""
    on_day = pc.field("ingestion_date") == pa.scalar(day).cast(pa.date32())
    names = table.contract.data_schema().names
    batches = table.dataset().to_batches(columns=names, filter=on_day, batch_size=TASK_ROWS, batch_readahead=2)
    return _one_by_one(batches) if per_row else _pieces(batches)


def write_batches(tasks: Iterable[pa.RecordBatch], kernel: Kernel, schema: pa.Schema, path: str, label: str) -> None:
    """Run a kernel over each task's rows and write what it emits below ``path``; tasks are read as workers take them.

    Raises:
        EngineError: a worker process died.
    """
    import cloudpickle

    packed = cloudpickle.dumps((kernel, schema))
    parts = (join(path, f"part-{number:06d}.parquet") for number in itertools.count())
    for _ in map_tasks(_run, ((packed, message(rows), part) for rows, part in zip(tasks, parts, strict=False)), label):
        pass


def map_tasks(function: Callable[..., T], tasks: Iterable[tuple[Any, ...]], label: str) -> Iterator[T]:
    """Call a function of a module in the workers, once for each task's arguments; results in the order of the tasks.

    Tasks are taken as workers take them, so that few are held at a time. Where it does not come to its end (a task
    fails, the caller is interrupted or gives up) the workers end first: none of them writes on below a path that the
    next try clears.

    Raises:
        EngineError: a worker process died.
    """
    from loky.process_executor import BrokenProcessPool

    executor = pool()
    waiting: deque[Any] = deque()
    done = given = 0
    try:
        for arguments in tasks:
            waiting.append(executor.submit(function, *arguments))
            given += 1
            if len(waiting) > 2 * workers():
                yield waiting.popleft().result()
                done += 1
                report(f"{label}: {done} parts")
        while waiting:
            yield waiting.popleft().result()
            done += 1
            report(f"{label}: {done}/{given} parts")
    except BrokenProcessPool as e:
        stop()
        raise EngineError(
            f"A worker process died during {label or 'a stage'}: {str(e).splitlines()[0]}",
            "If memory was short, lower DATASET_PLATFORM_LOCAL_WORKERS; then run the command again.",
        ) from e
    except BaseException:
        stop()
        raise


def _one_by_one(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for row in range(batch.num_rows):
            yield batch.slice(row, 1)


def _pieces(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Slices of at most ``TASK_ROWS`` rows and about ``TASK_BYTES``, the same for the same files."""
    for batch in batches:
        if not batch.num_rows:
            continue
        rows = max(1, min(TASK_ROWS, int(batch.num_rows * TASK_BYTES / max(batch.nbytes, 1))))
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)


@lru_cache(maxsize=4)
def _unpacked(packed: bytes) -> tuple[Kernel, pa.Schema]:
    import cloudpickle

    kernel, schema = cloudpickle.loads(packed)
    return kernel, schema


def message(rows: pa.RecordBatch) -> bytes:
    """Rows as an Arrow stream, which leaves out what lies beyond a slice."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_batch(rows)
    return sink.getvalue().to_pybytes()


def _run(packed: bytes, message: bytes, path: str) -> int:
    """In a worker: one task from its rows to its file; the number of rows written."""
    kernel, schema = _unpacked(packed)
    rows = pa.ipc.open_stream(message).read_next_batch()
    schema = pa.schema([f.with_nullable(True).remove_metadata() for f in schema])
    count = 0
    with storage.open_output(path) as sink, pq.ParquetWriter(sink, schema) as writer:
        for batch in kernel(iter([rows])):
            if batch.num_rows:
                writer.write_table(pa.Table.from_batches([batch]).select(schema.names).cast(schema))
                count += batch.num_rows
    return count


def _begin(parent: int) -> None:
    """In a worker: leave Ctrl-C to the process that started it, and end when that one is gone, however it went."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True, name="parent watch").start()
