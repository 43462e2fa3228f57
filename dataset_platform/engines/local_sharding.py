"""Shards of a day by the worker processes of one machine, without a JVM.

Each task leaves its encoded rows as a sorted run: an Arrow file in the order of the shards. Where a shard begins and ends
in every run is worked out here from 60 bytes or so per document; then the task that writes a shard reads no more of the
runs than the shard's own rows, which local files allow without a copy.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import lru_cache

import cloudpickle
import numpy as np
import pyarrow as pa
import pyarrow.fs as pa_fs

from dataset_platform.engines import local
from dataset_platform.engines.shard_writing import ShardJob, WrittenShard, write_and_verify
from dataset_platform.kernels.tokens import encode, shards
from dataset_platform.lake import storage
from dataset_platform.lake.tables import LakeTable
from dataset_platform.settings import join

_ORDER = [(name, "ascending") for name in ("source", "bucket", "order_key", "doc_id")]
_SLIM = [name for name, _ in _ORDER] + ["token_count"]

Slice = tuple[str, int, int]  # path of a run, first row, rows
Shard = tuple[str, int, int, list[Slice]]  # source, bucket, index, its rows


def shard_day(corpus: LakeTable, job: ShardJob, path: str) -> list[WrittenShard]:
    """Tokenize a day of the corpus and write its shards below ``job.artifacts``; runs lie below ``path``.

    Raises:
        EngineError: a worker process died.
    """
    label, packed = f"tokens/tokenized_shards {job.day}", cloudpickle.dumps(job)
    runs = (join(path, f"run-{number:06d}.arrow") for number in itertools.count())
    tasks = (
        (packed, local.message(rows), run) for rows, run in zip(local.day_rows(corpus, job.day), runs, strict=False)
    )
    slim = list(local.map_tasks(_encode_run, tasks, f"{label}: encoding"))
    return list(local.map_tasks(_write, ((packed, *shard) for shard in _plan(slim, job.shards)), f"{label}: shards"))


def _plan(runs: list[tuple[str, bytes]], config: encode.ShardConfig) -> Iterator[Shard]:
    """The shards of all runs, by the rule of ``kernels.tokens.shards``, and which rows of which run are theirs."""
    tables = [pa.ipc.open_stream(message).read_all() for _, message in runs]
    if not tables:
        return
    rows = pa.concat_tables(
        [
            table.append_column("run", pa.array(np.full(len(table), number, np.int32))).append_column(
                "row", pa.array(np.arange(len(table), dtype=np.int32))
            )
            for number, table in enumerate(tables)
        ]
    ).sort_by(_ORDER)
    sources = rows["source"].combine_chunks().dictionary_encode()
    codes, buckets, tokens, run, row = (
        column.to_numpy()
        for column in (sources.indices, *(rows[name] for name in ("bucket", "token_count", "run", "row")))
    )
    borders = np.flatnonzero((np.diff(codes) != 0) | (np.diff(buckets) != 0)) + 1
    for first, end in itertools.pairwise([0, *borders.tolist(), len(rows)]):
        numbers = shards.assign(tokens[first:end], config)
        cuts = np.flatnonzero(np.diff(numbers)) + 1
        for index, (a, b) in enumerate(itertools.pairwise([first, *(first + cuts).tolist(), end])):
            slices = _slices(run[a:b], row[a:b])
            yield (
                sources.dictionary[int(codes[a])].as_py(),
                int(buckets[a]),
                index,
                [(runs[number][0], begin, size) for number, begin, size in slices],
            )


def _slices(run: np.ndarray, row: np.ndarray) -> list[tuple[int, int, int]]:
    """Run, first row and number of rows for each run in a shard: a run is sorted, so its rows stand together."""
    names, counts = np.unique(run, return_counts=True)
    firsts = np.full(int(names[-1]) + 1, np.iinfo(np.int32).max, np.int32)
    np.minimum.at(firsts, run, row)
    return list(zip(names.tolist(), firsts[names].tolist(), counts.tolist(), strict=True))


@lru_cache(maxsize=1)
def _job(packed: bytes) -> ShardJob:
    job: ShardJob = cloudpickle.loads(packed)
    return job


def _encode_run(packed: bytes, message: bytes, path: str) -> tuple[str, bytes]:
    """In a worker: rows of the corpus to a sorted run; its path and the columns that decide where its rows go."""
    job = _job(packed)
    rows = pa.ipc.open_stream(message).read_next_batch()
    kernel = encode.encode(job.shards, job.vocab_json, job.merges_txt)
    encoded = pa.Table.from_batches(kernel(iter([rows])), encode.ENCODED_SCHEMA).sort_by(_ORDER).combine_chunks()
    with storage.open_output(path) as sink, pa.ipc.new_file(sink, encoded.schema) as writer:
        writer.write_table(encoded)
    (slim,) = encoded.select(_SLIM).to_batches()
    return path, local.message(slim)


def _write(packed: bytes, source: str, bucket: int, index: int, slices: list[Slice]) -> WrittenShard:
    """In a worker: the rows of one shard from the runs to its files."""
    rows = pa.concat_tables([_read(path).slice(first, count) for path, first, count in slices])
    return write_and_verify(rows, _job(packed), source, bucket, index)


def _read(path: str) -> pa.Table:
    fs, inner = storage.filesystem(path)
    file = pa.memory_map(inner) if isinstance(fs, pa_fs.LocalFileSystem) else fs.open_input_file(inner)
    return pa.ipc.open_file(file).read_all()
