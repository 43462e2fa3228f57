"""CPU seconds that datatrove's ``MinhashDedupCluster`` takes for a file of edges: ``dedup_components.py FILE ROUNDS``.

FILE holds one edge per 16 bytes, as datatrove's second stage writes them: file and document of either end, uint32. Two
times are given: ``stage`` is the step as it runs, ``bare`` is the same without what it writes and counts.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from datatrove.pipeline.dedup import MinhashDedupCluster
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.utils.logging import logger


class Nowhere:
    """In place of the output folder: takes what is written and keeps the number of removed documents."""

    removed = 0

    @contextlib.contextmanager
    def get_output_file_manager(self, mode: str) -> Iterator[Nowhere]:
        """Itself, as the manager of files."""
        yield self

    def write(self, name: str, data: bytes) -> None:
        """One more document that goes."""
        self.removed += 1


def seconds(source: Path, bare: bool) -> tuple[float, int]:
    """Time of one run and the documents it removes."""
    with tempfile.TemporaryDirectory() as target:
        step: Any = MinhashDedupCluster(str(source), target, MinhashConfig(num_buckets=1))
        nowhere = Nowhere()
        if bare:
            step.output_folder = nowhere
            step.stat_update = lambda *names, **values: None
        started = time.process_time()
        step.run()
        took = time.process_time() - started
        written = sum(f.stat().st_size // 4 for f in Path(target).glob("*.remove"))
    return took, nowhere.removed if bare else written


def main() -> None:
    """Print one JSON line: the best of some rounds each way, and how many documents are removed."""
    sys.setrecursionlimit(1_000_000)
    logger.remove()
    rounds = int(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(sys.argv[1], Path(folder) / "0.dups")
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            found = {way: [seconds(Path(folder), way == "bare") for _ in range(rounds)] for way in ("stage", "bare")}
    answer: dict[str, Any] = {way: min(s for s, _ in runs) for way, runs in found.items()}
    answer["removed"] = found["bare"][0][1]
    assert {removed for runs in found.values() for _, removed in runs} == {answer["removed"]}
    print(json.dumps({**answer, "version": version("datatrove")}))


if __name__ == "__main__":
    main()
