"""Reading a mixture back: the one order in which a phase's records come, for any number of ranks and workers.

Sources are interleaved by deficit: the next record is of the source that lags furthest behind its share of the tokens
so far. Consumer k of n takes every n-th record of that one order, so together they read what one alone would read.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataset_platform.errors import ConfigError, InputError
from dataset_platform.kernels.tokens import draws, manifest, mixtures, shards

Open = Callable[[str], BinaryIO]
COLUMNS = ("text", "tokens", "offsets", "meta")


def read_mixture(
    artifacts_root: str | Path,
    phase: str,
    *,
    rank: int = 0,
    world_size: int = 1,
    worker: int = 0,
    workers: int = 1,
    verify: bool = False,
    columns: tuple[str, ...] = COLUMNS,
    open: Open | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield this consumer's records of a phase.

    Args:
        artifacts_root: the folder ``artifacts/``, or its URL when ``open`` can read URLs.
        phase: phase_1, phase_2 or final.
        rank, world_size: which of how many processes.
        worker, workers: which of how many loaders within the process.
        verify: check each shard against the manifest and its TSV before its first record is used.
        columns: what a record holds; leaving out ``text`` and ``offsets`` makes reading several times cheaper.
        open: opens a path below ``artifacts_root`` for reading bytes, for example an fsspec file system's ``open``.

    Yields:
        dict with ``text`` (str), ``tokens`` (int32 array), ``offsets`` (int32 array, shape (tokens, 2)) and ``meta``
        (dict; its ``split`` lets a trainer hold the validation documents out).

    Raises:
        ConfigError: no such phase, or a rank or worker out of range.
        InputError: a file is missing, or mixtures.json was planned for other shards than the manifest lists.
        ContractError: a shard is not what the manifest says (with ``verify``).
    """
    if not (0 <= rank < world_size and 0 <= worker < workers):
        raise ConfigError(f"Rank {rank} of {world_size} or worker {worker} of {workers} is out of range.")
    if unknown := set(columns) - set(COLUMNS):
        raise ConfigError(f"A record has no {', '.join(sorted(unknown))}.", f"Choose from {', '.join(COLUMNS)}.")
    files = _Files(str(artifacts_root), open, verify)
    listed = manifest.parse(files.read(manifest.MANIFEST_PATH)).shards
    planned = json.loads(files.read(mixtures.MIXTURES_PATH))
    if phase not in mixtures.PHASES:
        raise ConfigError(f"There is no phase {phase!r}.", f"Choose from {', '.join(mixtures.PHASES)}.")
    if planned["manifest"]["identity"] != mixtures.manifest_identity(listed):
        raise InputError(
            "mixtures.json was planned for other shards than the manifest lists.", "Materialize tokens/mixtures again."
        )
    streams = [
        _Stream([entry for entry in listed if entry.source == name], asked, files, columns)
        for name, asked in planned[phase]["sources"].items()
        if asked["records"]
    ]
    # ties go by a seeded draw, so that no source comes first because of its name
    streams.sort(key=lambda stream: (int(draws.keys("tie", planned["seed"], [stream.source])[0]), stream.source))
    consumer, consumers = rank * workers + worker, world_size * workers
    for number, stream in enumerate(_interleave(streams)):
        if number % consumers == consumer:
            yield stream.record()
        stream.advance()


def _interleave(streams: list[_Stream]) -> Iterator[_Stream]:
    """Whose record is next, until all are at their end. The caller advances a stream after each time it comes up."""
    phase_tokens = sum(stream.tokens for stream in streams)
    given = dict.fromkeys((stream.source for stream in streams), 0)
    total = 0
    while running := [stream for stream in streams if stream.remaining]:
        # in whole numbers, so that no rounding decides; max takes the first of equals
        stream = max(running, key=lambda one: one.tokens * total - given[one.source] * phase_tokens)
        length = stream.length()
        given[stream.source] += length
        total += length
        yield stream


class _Files:
    """Bytes below ``artifacts/``."""

    def __init__(self, root: str, opener: Open | None, verify: bool) -> None:
        self._root = root.rstrip("/")
        self._open = opener or (lambda path: Path(path).open("rb"))  # noqa: SIM115 - whoever reads closes
        self._verify = verify
        self._verified: set[str] = set()

    def open(self, path: str) -> BinaryIO:
        try:
            return self._open(f"{self._root}/{path}")
        except FileNotFoundError as error:
            asset = "/".join(path.split("/")[:2])
            raise InputError(f"There is no {self._root}/{path}.", f"Materialize {asset} first.") from error

    def read(self, path: str) -> bytes:
        with self.open(path) as file:
            return file.read()

    def shard(self, entry: manifest.ShardEntry) -> BinaryIO:
        if not self._verify or entry.shard_id in self._verified:
            return self.open(entry.path)
        data = self.read(entry.path)
        manifest.verify_entry(entry, data, self.read(entry.tsv_path))
        self._verified.add(entry.shard_id)
        return cast(BinaryIO, io.BytesIO(data))


class _Stream:
    """One source within a phase: a place in its shards that moves on record by record and wraps round.

    Lengths come from the small TSVs; of the Parquet files only the row groups with wanted records are read, and one
    is held at a time.
    """

    def __init__(
        self, entries: list[manifest.ShardEntry], asked: dict[str, Any], files: _Files, columns: tuple[str, ...]
    ) -> None:
        self.source = entries[0].source
        self.tokens: int = asked["tokens"]
        self.remaining: int = asked["records"]
        self._entries, self._files, self._columns = entries, files, columns
        ends = np.cumsum([entry.records for entry in entries])
        self._shard = int(np.searchsorted(ends, asked["start"]["record"], side="right"))
        self._row = asked["start"]["record"] - (int(ends[self._shard]) - entries[self._shard].records)
        self._lengths = self._read_lengths()
        self._file: pq.ParquetFile | None = None
        self._group = (0, 0)  # rows of the shard that ``_rows`` holds
        self._rows: pa.Table | None = None

    def length(self) -> int:
        """Tokens of the record at this place."""
        return int(self._lengths[self._row])

    def advance(self) -> None:
        """Go to the next record."""
        self.remaining -= 1
        self._row += 1
        if self._row == len(self._lengths) and self.remaining:
            self._close()
            self._shard = (self._shard + 1) % len(self._entries)
            self._row = 0
            self._lengths = self._read_lengths()
        elif not self.remaining:
            self._close()

    def record(self) -> dict[str, Any]:
        """The record at this place."""
        if self._rows is None or not self._group[0] <= self._row < self._group[1]:
            self._rows = self._read_group()
        row = self._row - self._group[0]
        made: dict[str, Any] = {}
        for name in self._columns:
            value = self._rows[name][row]
            if name == "tokens":
                made[name] = value.values.to_numpy(zero_copy_only=False).copy()
            elif name == "offsets":
                made[name] = value.values.flatten().to_numpy(zero_copy_only=False).reshape(-1, 2).copy()
            else:
                made[name] = value.as_py()
        return made

    def _read_lengths(self) -> np.ndarray:
        entry = self._entries[self._shard]
        return shards.record_lengths(self._files.read(entry.tsv_path))

    def _read_group(self) -> pa.Table:
        if self._file is None:
            self._file = pq.ParquetFile(self._files.shard(self._entries[self._shard]))
        start = 0
        for group in range(self._file.num_row_groups):
            end = start + self._file.metadata.row_group(group).num_rows
            if start <= self._row < end:
                self._group = (start, end)
                return self._file.read_row_group(group, columns=list(self._columns), use_threads=False)
            start = end
        raise InputError(
            f"Shard {self._entries[self._shard].shard_id} has fewer records than its TSV.",
            "Materialize the shards of its day again.",
        )

    def _close(self) -> None:
        if self._file is not None:
            self._file.close(force=True)
        self._file = self._rows = None
