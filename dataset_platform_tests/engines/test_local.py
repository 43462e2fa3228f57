"""Local worker processes: the same rows as Spark in any number of tasks, a dead worker told, no worker left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataset_platform.engines import local
from dataset_platform.engines.kernel import Kernel
from dataset_platform.engines.stage_writer import write_kernel_output
from dataset_platform.errors import ConfigError, EngineError
from dataset_platform.lake.tables import LakeTable
from dataset_platform_tests.engines.test_ray import DAY, SCHEMA, RawWarcs, kernel
from dataset_platform_tests.engines.test_ray import source as source  # the fixture


@pytest.fixture(autouse=True, scope="module")
def _no_workers_after() -> Iterator[None]:
    yield
    local.stop()


def rows_below(path: Path) -> list[dict[str, Any]]:
    rows = [row for file in sorted(path.glob("*.parquet")) for row in pq.read_table(file).to_pylist()]
    return sorted(rows, key=lambda r: r["path"])


def test_it_writes_what_spark_writes(source: LakeTable, tmp_path: Path, spark: Any) -> None:
    found = {}
    for engine in ("local", "spark"):
        write_kernel_output(engine, source, DAY, kernel(), RawWarcs, str(tmp_path / engine), lambda: spark)
        found[engine] = rows_below(tmp_path / engine)
    assert len(found["local"]) == 40
    assert found["local"] == found["spark"]


def test_rows_that_name_files_are_a_task_each(source: LakeTable, tmp_path: Path) -> None:
    local.write_rows(source, DAY, kernel(), SCHEMA, str(tmp_path / "out"), per_row=True)
    assert len(list((tmp_path / "out").glob("*.parquet"))) == 40


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_the_size_of_a_task_does_not_show(rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "TASK_ROWS", rows)
    table = pa.table(
        {"path": [f"{n:03d}" for n in range(50)], "size_bytes": range(50), "etag": ["e"] * 50, "source": ["s"] * 50}
    )
    batches = local._pieces(table.to_batches(max_chunksize=13))
    local.write_batches(batches, kernel(), SCHEMA, str(tmp_path / "out"), "test")
    found = rows_below(tmp_path / "out")
    assert [r["size_bytes"] for r in found] == list(range(50))
    assert [r["reason"] for r in found] == [None, "odd_size"] * 25


def failing(how: str) -> Kernel:
    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if how == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if how == "raise":
                raise ConfigError("The kernel says no.", "Try another.")
            yield batch

    return run


@pytest.mark.parametrize(
    ("how", "kind", "words"), [("die", EngineError, "worker process"), ("raise", ConfigError, "says no")]
)
def test_a_worker_that_fails_is_told_and_the_next_command_works(
    how: str, kind: type[Exception], words: str, source: LakeTable, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=words):
        local.write_rows(source, DAY, failing(how), SCHEMA, str(tmp_path / "broken"))
    local.write_rows(source, DAY, kernel(), SCHEMA, str(tmp_path / "next"))
    assert len(rows_below(tmp_path / "next")) == 40


def wait_or_fail(folder: str, fails: bool) -> None:
    """A task that works on for ever, or one that fails once another has begun."""
    if fails:
        while not list(Path(folder).iterdir()):
            time.sleep(0.05)
        raise ConfigError("The task says no.", "Try another.")
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)


def test_no_worker_works_on_behind_a_stage_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASET_PLATFORM_LOCAL_WORKERS", "2")
    with pytest.raises(ConfigError, match="says no"):
        list(local.map_tasks(wait_or_fail, [(str(tmp_path), fails) for fails in (True, False, False)], "test"))
    begun = [int(path.name) for path in tmp_path.iterdir()]
    assert begun and not any(alive(pid) for pid in begun)


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead may wait for a reaper that this container does not have."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(pid: int) -> list[int]:
    return [int(c) for path in Path(f"/proc/{pid}/task").glob("*/children") for c in path.read_text().split()]


SLOW = """
import sys, time
from dataset_platform.engines import local

def slow():
    for number, _ in enumerate(local.map_tasks(time.sleep, [(0,), (600,), (600,)], "slow")):
        print(number, flush=True)
"""
IN_DAGSTER = """
import dagster as dg
dg.materialize([dg.asset(slow)], raise_on_error=False)
"""


@pytest.mark.parametrize(
    ("where", "how"),
    [("slow()", signal.SIGKILL), ("slow()", signal.SIGTERM), (IN_DAGSTER, signal.SIGINT), (IN_DAGSTER, signal.SIGTERM)],
    ids=["killed", "terminated", "interrupted in Dagster", "terminated in Dagster"],
)
def test_a_process_that_is_killed_or_interrupted_leaves_none_behind(where: str, how: signal.Signals) -> None:
    env = {**os.environ, "DATASET_PLATFORM_LOCAL_WORKERS": "2", "DAGSTER_HOME": ""}
    parent = subprocess.Popen(
        [sys.executable, "-c", SLOW + where], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env
    )
    try:
        assert parent.stdout is not None and parent.stdout.readline() == "0\n"
        below = children(parent.pid)
        assert len(below) >= 2
        parent.send_signal(how)
        parent.wait(timeout=60)
        until = time.monotonic() + 60
        while any(alive(pid) for pid in below) and time.monotonic() < until:
            time.sleep(0.2)
        assert not [pid for pid in below if alive(pid)]
    finally:
        parent.kill()
        parent.wait()


def test_a_process_that_ends_takes_its_idle_workers_along() -> None:
    script = "import os\nfrom dataset_platform.engines import local\nprint(local.pool().submit(os.getpid).result())\n"
    ended = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env={**os.environ}, timeout=120
    )
    assert ended.returncode == 0 and not alive(int(ended.stdout))


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_number_of_workers_that_is_none_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASET_PLATFORM_LOCAL_WORKERS", value)
    with pytest.raises(ConfigError, match="LOCAL_WORKERS"):
        local.workers()
