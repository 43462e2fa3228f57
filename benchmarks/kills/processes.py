"""One command as a process group, the processes below it, and SIGKILL for all of them or for one."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

RUN, DRIVER, JVM, WORKER = "run", "driver", "jvm", "worker"
WHATS = (RUN, DRIVER, JVM, WORKER)


@dataclass(frozen=True)
class Process:
    """A line of the process table."""

    pid: int
    parent: int
    command: str


def processes() -> list[Process]:
    """All living processes that may be looked at."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            stat = (folder / "stat").read_text()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        except OSError:  # it has ended meanwhile
            continue
        state, parent = stat.rpartition(")")[2].split()[:2]
        if state != "Z":
            found.append(Process(int(folder.name), int(parent), command))
    return found


def below(pid: int) -> list[Process]:
    """The living processes that descend from ``pid``."""
    everyone = processes()
    found: list[Process] = []
    parents = {pid}
    while parents:
        children = [p for p in everyone if p.parent in parents]
        found += children
        parents = {p.pid for p in children}
    return found


def is_jvm(process: Process) -> bool:
    """Whether it is Spark's JVM."""
    return "org.apache.spark.deploy.SparkSubmit" in process.command


def workers(found: Sequence[Process]) -> list[Process]:
    """Python workers: those of the local pool, and what Spark's daemon has forked (not the daemon itself)."""
    daemons = {p.pid for p in found if "pyspark.daemon" in p.command}
    return [p for p in found if p.parent in daemons or "popen_loky" in p.command]


class Command:
    """``dataset-platform ARGS`` in a process group of its own, its output in a file."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        self._sink = log.open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dataset_platform", *arguments],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=self._sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.started = time.monotonic()
        self.orphaned: list[int] = []

    def is_running(self) -> bool:
        """Whether the command itself still runs."""
        return self.process.poll() is None

    def kill(self, what: str, draw: random.Random) -> bool:
        """SIGKILL the group, the driver, the JVM or a worker; False when there is no such process (yet, or any more)."""
        family = below(self.process.pid)
        chosen: list[Process] = []
        if what == JVM:
            chosen = [p for p in family if is_jvm(p)]
        elif what == WORKER:
            chosen = workers(family)
            chosen = [draw.choice(chosen)] if chosen else []
        if not self.is_running() or (what in (JVM, WORKER) and not chosen):
            return False
        try:
            if what == RUN:
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                os.kill(chosen[0].pid if chosen else self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        if what in (RUN, DRIVER):
            # Spark's Python daemon has a group of its own and ends when its JVM does
            self.orphaned = [p.pid for p in family]
            self.process.wait()
        return True

    def wait(self, limit_s: float) -> int | None:
        """The exit code, or None for one that did not end within the limit; its group is killed then."""
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self.close()

    def close(self) -> None:
        """End what is left of it and close the log."""
        family = [self.process.pid, *(p.pid for p in below(self.process.pid))]
        if self.is_running():
            for pid in family:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self.process.wait()
        self._sink.close()

    def survivors(self) -> list[int]:
        """Processes of a killed run that live on."""
        alive = {p.pid: p.command for p in processes()}
        return [pid for pid in self.orphaned if re.search("spark|loky", alive.get(pid, ""))]

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *of_an_error: object) -> None:
        self.close()

    def output(self) -> str:
        """What it printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")
