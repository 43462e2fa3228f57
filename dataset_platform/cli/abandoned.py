"""Runs of commands that were killed: in Dagster's eyes they would go on for ever, and with ``max_concurrent_runs`` a run
started from the UI would wait for them.

Each command holds a file lock below DAGSTER_HOME while it lives and names it in a tag of its runs. The operating system
drops the lock with the process, so the next command can tell; a run whose lock file is not here is another machine's.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from dataset_platform.settings import Settings

TAG = "dataset_platform/alive"


@contextmanager
def alive(settings: Settings) -> Iterator[dict[str, str]]:
    """While the block runs this process counts as alive to others; the tags for its runs."""
    import filelock

    name = uuid.uuid4().hex
    path = _lock_path(settings, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path):
        yield {TAG: name}
    path.unlink(missing_ok=True)


def close_abandoned_runs(instance: dg.DagsterInstance, settings: Settings) -> list[str]:
    """Report runs of this machine's killed commands as failed; their ids."""
    import filelock

    going_on = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    closed = []
    for run in instance.get_runs(dg.RunsFilter(statuses=going_on)):
        path = _lock_path(settings, run.tags.get(TAG) or "-")
        if not path.exists():
            continue
        try:
            with filelock.FileLock(path, timeout=0):
                instance.report_run_failed(
                    run, "Its process was killed. Run the command again: finished days are kept."
                )
        except filelock.Timeout:
            continue
        closed.append(run.run_id)
    _remove_free(settings)
    return closed


def _remove_free(settings: Settings) -> None:
    """Take away the lock files that nobody holds."""
    import filelock

    for path in _lock_path(settings, "-").parent.glob("*.lock"):
        try:
            with filelock.FileLock(path, timeout=0):
                path.unlink(missing_ok=True)
        except filelock.Timeout:
            continue


def _lock_path(settings: Settings, name: str) -> Path:
    return Path(settings.dagster_home) / "commands" / f"{name}.lock"
