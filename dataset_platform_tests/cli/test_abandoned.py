"""Runs of commands that were killed: closed by the next command, and nobody else's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from dataset_platform.cli.abandoned import TAG, alive, close_abandoned_runs
from dataset_platform.settings import Settings

COMMAND = """
import sys
from dataset_platform.cli.abandoned import alive
from dataset_platform.settings import Settings
with alive(Settings.from_env()) as tags:
    print(*tags.values(), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def started(instance: dg.DagsterInstance, tags: dict[str, str]) -> str:
    """The id of a run that is going on."""

    @dg.job
    def nothing() -> None: ...

    run = instance.create_run_for_job(nothing, tags=tags)
    instance.report_engine_event("started", run)
    instance.handle_run_event(
        run.run_id,
        dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name),
    )
    return run.run_id


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def test_the_run_of_a_killed_command_is_closed_once_and_that_of_a_living_one_is_not(
    instance: dg.DagsterInstance,
) -> None:
    settings = Settings.from_env()
    command = subprocess.Popen(
        [sys.executable, "-c", COMMAND], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert command.stdout is not None
    theirs = started(instance, {TAG: command.stdout.readline().strip()})
    with alive(settings) as tags:
        own = started(instance, tags)
        elsewhere, of_the_ui = started(instance, {TAG: "0" * 32}), started(instance, {})
        assert close_abandoned_runs(instance, settings) == []
        command.kill()
        command.wait()
        assert close_abandoned_runs(instance, settings) == [theirs]
        assert close_abandoned_runs(instance, settings) == []
        assert status(instance, theirs) == dg.DagsterRunStatus.FAILURE
        for run in (own, elsewhere, of_the_ui):
            assert status(instance, run) == dg.DagsterRunStatus.STARTED
    assert list((Path(settings.dagster_home) / "commands").iterdir()) == []


def test_a_command_that_was_interrupted_leaves_nothing_behind_once_another_has_looked(
    instance: dg.DagsterInstance,
) -> None:
    settings = Settings.from_env()
    with pytest.raises(KeyboardInterrupt), alive(settings):
        raise KeyboardInterrupt
    assert close_abandoned_runs(instance, settings) == []
    assert list((Path(settings.dagster_home) / "commands").iterdir()) == []
