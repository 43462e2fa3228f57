"""Moments of a run: the files that come and go below its lake and artifacts, in the order they do.

The undisturbed run's list is what kills are aimed by: just after the n-th coming or going of a file, or some time after
it. That reaches the narrow moments (a commit without its receipt, shards without their list) on a machine of any speed.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

RANDOM = re.compile(r"[0-9a-f]{32}")
TIGHT_S, LOOSE_S = 0.001, 0.02


@dataclass(frozen=True)
class Event:
    """The n-th time that a path came (``+``) or went (``-``)."""

    sign: str
    path: str
    number: int

    def __str__(self) -> str:
        named = re.sub(r"_delta_log/0*(\d+)\.json$", r"commit \1", self.path)
        again = f" for the {self.number}. time" if self.number > 1 else ""
        return f"{'after' if self.sign == '+' else 'removal of'} {named}{again}"


def watched(home: Path) -> set[str]:
    """Files and folders whose coming and going tells how far a run is.

    Data files of tables are left out: their names are random, and the commit that names them tells the same.
    """
    found: set[str] = set()
    stack = ["lake", "artifacts"]
    while stack:
        folder = stack.pop()
        try:
            entries = list(os.scandir(home / folder))
        except OSError:  # not there yet, or gone again
            continue
        for entry in entries:
            path = f"{folder}/{entry.name}"
            if entry.name.startswith((".", "_temporary", "_commit")) or entry.name.endswith((".lock", ".holder")):
                continue
            if entry.is_dir(follow_symlinks=False):
                if "=" in entry.name or path == "lake/_locks":
                    continue
                if "/_incoming/" in path or "/_staging/" in path:
                    found.add(RANDOM.sub("*", path))
                stack.append(path)
            elif "/_delta_log/" in path or path.startswith(("lake/_receipts/", "artifacts/")):
                found.add(path)
    return found


class Watch:
    """Looks at a home again and again, and keeps the events with the seconds at which they were seen."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.events: list[tuple[float, Event]] = []
        self.started = time.monotonic()
        self._there = watched(home)
        self._counts: Counter[tuple[str, str]] = Counter()

    def look(self) -> list[Event]:
        """What has come and gone since the last look."""
        now = watched(self.home)
        at = time.monotonic() - self.started
        changed = [("-", p) for p in sorted(self._there - now)] + [("+", p) for p in sorted(now - self._there)]
        self._there = now
        fresh = []
        for sign, path in changed:
            self._counts[sign, path] += 1
            fresh.append(Event(sign, path, self._counts[sign, path]))
        self.events += [(at, e) for e in fresh]
        return fresh

    def until(self, wanted: Event | None, offset_s: float, going_on: Callable[[], bool]) -> bool:
        """Return True ``offset_s`` after an event (or the start, for None), False when the run has ended before."""
        seen = wanted is None
        due = time.monotonic() + offset_s if seen else float("inf")
        before = self._there
        while going_on():
            if wanted is not None and not seen and wanted in self.look():
                seen, due = True, time.monotonic() + offset_s
            elif seen:
                self.look()
            if time.monotonic() >= due:
                return True
            # close looks only when things are moving: the run needs the cores
            quiet = self._there == before
            before = self._there
            time.sleep(min(LOOSE_S if quiet and offset_s else TIGHT_S * 3, max(0.0, due - time.monotonic())))
        return False

    @property
    def last(self) -> Event | None:
        """The newest event."""
        return self.events[-1][1] if self.events else None


class Recorder(threading.Thread):
    """A watch that runs beside an undisturbed run."""

    def __init__(self, home: Path) -> None:
        super().__init__(daemon=True, name="timeline")
        self.watch = Watch(home)
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Look until told to stop."""
        while not self._stop_asked.wait(TIGHT_S * 5):
            self.watch.look()

    def stop(self) -> list[tuple[float, Event]]:
        """The timeline: seconds since the start, and what happened then."""
        self._stop_asked.set()
        self.join()
        self.watch.look()
        return self.watch.events


def phase(events: Sequence[Event]) -> str:
    """What a run was doing after these events, in a few words; the newest that tells decides."""
    for event in reversed(events):
        found = _phase_of(event)
        if found:
            return found
    return "starting"


def _phase_of(event: Event) -> str:
    came, parts = event.sign == "+", event.path.split("/")
    if parts[:2] == ["artifacts", "_staging"]:
        return "writing shards" if came else "shards published, no receipt yet"
    if parts[0] == "artifacts":
        known = {"tokenizer": "writing the tokenizer", "tokenized_shards": "publishing shards"}
        if parts[2:3] and len(parts) > 3:
            return known.get(parts[2], f"writing the {parts[2]}")
        return ""
    if parts[1] == "_receipts":
        if came:
            return "after a receipt"
        return "receipt removed"
    if parts[1] == "_staging":
        return "computing a stage" if came else "after staging is gone, before the receipt"
    if parts[1] == "_incoming":
        return "writing a partition" if came else ""
    if "_delta_log" in parts:
        if re.search(r"/0+\.json$", event.path):
            return "making tables"
        table = "/".join(parts[1 : parts.index("_delta_log")])
        return f"after a commit to {table}"
    return ""
