"""What a long command says while it works: a line per finished stage and a live line with the running one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Listener = Callable[[str], None]
_listener: Listener | None = None


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send what ``report`` is told to ``listener`` while the block runs."""
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before


def report(text: str) -> None:
    """Tell whoever listens what is going on now; nothing happens when nobody does."""
    if _listener is not None:
        _listener(text)


@contextmanager
def spark_tasks(spark: SparkSession, label: str, every_s: float = 0.5) -> Iterator[None]:
    """Report the tasks done of Spark's running jobs while the block runs."""
    if _listener is None or not hasattr(spark, "sparkContext"):
        yield
        return
    stop = threading.Event()

    def watch() -> None:
        tracker = spark.sparkContext.statusTracker()
        while not stop.wait(every_s):
            done = total = 0
            try:
                for stage_id in tracker.getActiveStageIds():
                    info = tracker.getStageInfo(stage_id)
                    if info is not None:
                        done, total = done + info.numCompletedTasks, total + info.numTasks
            except Exception:  # the JVM is gone: whoever waits for the stage says so
                return
            report(f"{label}: {done}/{total} tasks" if total else label)

    report(label)
    thread = threading.Thread(target=watch, daemon=True, name="spark progress")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=5)
