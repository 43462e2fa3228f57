"""What rounds are played on: two days of input, the command, and undisturbed runs to aim and to compare by."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmarks.kills.processes import Command
from benchmarks.kills.state import State, differences, read_state
from benchmarks.kills.timeline import Event, Recorder, phase
from dataset_platform.demo.sample import write_sample

DAYS = (date(2026, 1, 5), date(2026, 1, 6))
COMMAND = ("materialize", "web/*,tokens/*", "--partitions", f"{DAYS[0]}:{DAYS[1]}")
SETTINGS = "tokens:\n  tokenizer:\n    vocab_size: 1000\n"
EMPTY, OVER = "empty", "over"  # a first materialization, and one over days of other content
LOCAL, SPARK = "local", "spark"  # worker processes of the driver, or Spark's JVM and its workers
LIMIT_S = 900.0


class KillsError(Exception):
    """There is nothing to compare with, or no moment could be met."""


@dataclass(frozen=True)
class Moment:
    """When to kill: seconds after an event, or after the start where there is none."""

    after: Event | None
    offset_s: float

    def __str__(self) -> str:
        return f"{self.after or 'after the start'} + {self.offset_s:.2f} s"


@dataclass(frozen=True)
class Undisturbed:
    """A run that nobody kills: what it leaves, when its files came and went, and how long it took."""

    state: State
    timeline: list[tuple[float, Event]]
    seconds: float

    def moment(self, draw: random.Random, delicate: bool) -> Moment:
        """A moment of this run: at one of its events, kinds of events alike; or any, uniform in time.

        A uniform moment is told as seconds after the event before it, so that it is met on a slower machine too.
        """
        if delicate:
            kinds: dict[str, list[Event]] = {}
            for at, (_, event) in enumerate(self.timeline):
                kinds.setdefault(phase([e for _, e in self.timeline[: at + 1]]), []).append(event)
            return Moment(draw.choice(kinds[draw.choice(sorted(kinds))]), draw.choice((0.0, 0.0, 0.02)))
        at_s = draw.uniform(0, self.seconds)
        before = [(s, e) for s, e in self.timeline if s <= at_s]
        return Moment(before[-1][1], at_s - before[-1][0]) if before else Moment(None, at_s)


class Scenario:
    """Input, settings and logs below ``work``; each round gets a home of its own there."""

    def __init__(self, work: Path, inputs: Sequence[Path] = (), pages_per_file: int = 12) -> None:
        self.work = work
        self.raw, self.older_raw = work / "raw", work / "older"
        write_sample(self.raw, DAYS, pages_per_file)
        write_sample(self.older_raw, DAYS, max(2, pages_per_file - 4))
        link_inputs(self.raw, inputs)
        (work / "settings.yaml").write_text(SETTINGS)
        self._logs = 0
        self._undisturbed: dict[tuple[str, str], Undisturbed] = {}

    def undisturbed(self, start: str, engine: str) -> Undisturbed:
        """The run on a home that begins so, on this engine; run once.

        Raises:
            KillsError: it fails, or it leaves other rows or files than the one with the other start.
        """
        if (start, engine) not in self._undisturbed:
            home = self.fresh(start, f"undisturbed-{engine}-{start}")
            recorder = Recorder(home)
            recorder.start()
            began = time.monotonic()
            try:
                self._finish(home, self.raw, engine)
            finally:
                timeline = recorder.stop()
            found = Undisturbed(read_state(home), timeline, time.monotonic() - began)
            for (_, of), other in self._undisturbed.items():
                apart = differences(other.state, found.state) if of == engine else []
                if apart:
                    raise KillsError(f"what lay there before shows in an undisturbed run: {'; '.join(apart[:5])}")
            self._undisturbed[start, engine] = found
        return self._undisturbed[start, engine]

    def _finish(self, home: Path, raw: Path, engine: str) -> None:
        with self.command(home, engine, raw) as command:
            code = command.wait(LIMIT_S)
        if code != 0:
            raise KillsError(f"an undisturbed run ended with {code}:\n{command.output()[-2000:]}")

    def fresh(self, start: str, name: str) -> Path:
        """A home as a round begins with it."""
        home, older = self.work / "homes" / name, self.work / "homes" / "older"
        if start == OVER and not older.exists():
            older.mkdir(parents=True)
            self._finish(older, self.older_raw, LOCAL)
        home.mkdir(parents=True)
        if start == OVER:
            for part in ("lake", "artifacts"):
                shutil.copytree(older / part, home / part)
        return home

    def command(self, home: Path, engine: str, raw: Path | None = None, arguments: Sequence[str] = COMMAND) -> Command:
        """The command, started on a home."""
        self._logs += 1
        environment = {
            **os.environ,
            "DATASET_PLATFORM_HOME": str(home),
            "DAGSTER_HOME": str(home / "dagster"),
            "DATASET_PLATFORM_RAW": str(raw or self.raw),
            "DATASET_PLATFORM_LAKE": str(home / "lake"),
            "DATASET_PLATFORM_ARTIFACTS": str(home / "artifacts"),
            "DATASET_PLATFORM_CONFIG": str(self.work / "settings.yaml"),
            "DATASET_PLATFORM_FIRST_DAY": str(DAYS[0]),
            "DATASET_PLATFORM_LOCK_WAIT_S": "60",
            "DATASET_PLATFORM_LOCAL_WORKERS": "2",
            "DATASET_PLATFORM_SPARK_MASTER": "local[2]" if engine == SPARK else "",
            "DATASET_PLATFORM_SPARK_MEMORY": "1g",
            "DATASET_PLATFORM_SPARK_PARTITIONS": "2",
            # a JVM that lives for half a minute gains nothing from the second compiler
            "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        }
        return Command(arguments, environment, self.work / f"run-{self._logs:03}.log")


def link_inputs(raw: Path, inputs: Sequence[Path]) -> None:
    """Put WARC files of the user's own beside the sample, dealt to the two days; a single one lands on both."""
    files = sorted(inputs)
    for at, path in enumerate(files):
        for day in DAYS if len(files) == 1 else (DAYS[at % 2],):
            folder = raw / "web" / f"{day:%Y/%m/%d}" / "given"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / path.name).symlink_to(path.resolve())
