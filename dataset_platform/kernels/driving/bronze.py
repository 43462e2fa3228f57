"""TFRecord files to bronze rows: frames, maps and camera images, one kernel each.

Rows are labelled, never dropped: kept, rejected with a reason, or quarantined with an error where bytes cannot be
decoded. A tally row per file, the last one of the file, says how many rows must have come out of it. Files are read as
streams, one record at a time, and each kernel decodes only what its table holds.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import xxhash

from dataset_platform.contracts.driving import BronzeMaps
from dataset_platform.errors import InputError
from dataset_platform.kernels.driving import example_rows, perception_rows, scenario_rows
from dataset_platform.kernels.driving.arrow_columns import labelled_batch, list_array
from dataset_platform.kernels.driving.map_rows import features_of, features_of_samples
from dataset_platform.kernels.driving.record_frames import SCHEMA as FRAMES_SCHEMA
from dataset_platform.kernels.driving.record_types import RecordError, RecordType, record_type_of
from dataset_platform.kernels.driving.settings import BronzeConfig
from dataset_platform.kernels.driving.tfrecord import BrokenRecord, Record, read_records

OpenInput = Callable[[str], tuple[BinaryIO, int]]
Kernel = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]

MAPS_SCHEMA = BronzeMaps.labelled_schema()
FRAME_READERS = {
    "example": example_rows.frames_of,
    "scenario": scenario_rows.frames_of,
    "frame": perception_rows.frames_of,
}
BATCH_BYTES = 32 << 20  # gathered rows are handed on from here, however few they are


class Rows(NamedTuple):
    """What a record gives: its rows, how many the record says there are, and what else the file's tally names."""

    batch: pa.RecordBatch | None
    expected: int
    also: Mapping[str, int] = {}


BuildRows = Callable[[bytes, RecordType, Mapping[str, Any]], Rows]


def bronze_frames(config: BronzeConfig, open_input: OpenInput) -> Kernel:
    """The kernel of driving/bronze_frames: one row per scenario and timestep.

    Args:
        config: limits.
        open_input: gives a stream and its size in bytes for a ``path`` of driving/raw_tfrecords.

    Returns:
        a kernel that takes batches with ``path`` and yields batches of ``BronzeFrames.labelled_schema()``.
    """
    return tfrecord_kernel(FRAMES_SCHEMA, frame_rows, config, open_input)


def bronze_maps(config: BronzeConfig, open_input: OpenInput) -> Kernel:
    """The kernel of driving/bronze_maps: one row per record, rejected as ``no_map`` where the record has none.

    Arguments and result as of ``bronze_frames``, with ``BronzeMaps.labelled_schema()``.
    """
    return tfrecord_kernel(MAPS_SCHEMA, map_rows, config, open_input)


def frame_rows(payload: bytes, record_type: RecordType, source: Mapping[str, Any]) -> Rows:
    """The timesteps of a record as rows of bronze_frames.

    Raises:
        InputError: the record does not hold what its type must hold.
    """
    frames = FRAME_READERS[record_type](payload)
    return Rows(frames.batch(source), len(frames.steps))


def map_rows(payload: bytes, record_type: RecordType, source: Mapping[str, Any]) -> Rows:
    """The map of a record as one row of bronze_maps.

    Raises:
        InputError: the record does not hold what its type must hold.
    """
    if record_type == "example":
        scenario_id, samples = example_rows.samples_of(payload)
        features, unknown = features_of_samples(samples)
    else:
        reader = scenario_rows.map_of if record_type == "scenario" else perception_rows.map_of
        scenario_id, messages = reader(payload)
        features, unknown = features_of(messages)
    columns = {"scenario_id": scenario_id, "record_type": record_type, **source}
    if len(features):
        columns |= {
            "features": list_array(MAPS_SCHEMA.field("features").type, features, [len(features)]),
            "feature_count": len(features),
            "sampled": record_type == "example",
        }
    else:
        columns |= {"reason": "no_map", "detail": f"the {record_type} record holds no map features"}
    return Rows(labelled_batch(MAPS_SCHEMA, columns, 1), 1, {"unknown_map_features": unknown} if unknown else {})


def tfrecord_kernel(schema: pa.Schema, build: BuildRows, config: BronzeConfig, open_input: OpenInput) -> Kernel:
    """A kernel that reads the files named in ``path`` and has ``build`` make rows of ``schema`` out of each record."""

    def kernel(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        gathered = _Gathered(schema, config.batch_rows)
        for batch in batches:
            for path in batch.column("path").to_pylist():
                for rows in _file_rows(path, schema, build, config, open_input):
                    yield from gathered.add(rows)
        yield from gathered.rest()

    return kernel


def _file_rows(
    path: str, schema: pa.Schema, build: BuildRows, config: BronzeConfig, open_input: OpenInput
) -> Iterator[pa.RecordBatch]:
    """All rows of one file, the tally row last."""
    tally = 0
    met: Counter[str] = Counter()
    try:
        stream, size = open_input(path)
    except OSError as error:
        tally += 1
        met["broken"] += 1
        yield _quarantined(schema, path, 0, None, f"file cannot be opened: {type(error).__name__}: {error}")
    else:
        # a connection that breaks in mid-file is the task's error: Spark tries again, and nothing is lost for good
        with stream:
            for item in read_records(stream, size, max_record_bytes=config.max_record_bytes):
                if isinstance(item, BrokenRecord):
                    met["broken"] += 1
                    tally += 1
                    yield _quarantined(schema, path, item.offset, item.length, item.error)
                    continue
                rows = _record_rows(item, path, schema, build, met)
                tally += rows.expected
                met.update(rows.also)
                if rows.batch is not None:
                    yield rows.batch
    detail = json.dumps(dict(sorted(met.items())))
    yield labelled_batch(schema, {"file": path, "tally": tally, "detail": detail}, 1)


def _record_rows(record: Record, path: str, schema: pa.Schema, build: BuildRows, met: Counter[str]) -> Rows:
    """Rows of one record, whatever happens: nothing a record holds may end the stage."""
    payload = bytes(record.payload)
    source = {
        "file": path,
        "offset": record.offset,
        "length": record.length,
        "record_checksum": xxhash.xxh3_128_hexdigest(payload),
    }
    record_type = record_type_of(payload)
    met[record_type] += 1
    try:
        if record_type == "unknown":
            raise RecordError("record is no tf.Example, Scenario or Frame")
        return build(payload, record_type, source)
    except InputError as error:
        failure = error.message
    except (MemoryError, ImportError, OSError):
        raise  # the machine's trouble, not the record's
    except Exception as error:  # a crash on one record is that record's error, not the file's
        failure = f"record cannot be decoded: {type(error).__name__}: {error}"
    return Rows(_quarantined(schema, path, record.offset, record.length, failure), 1)


def _quarantined(schema: pa.Schema, path: str, offset: int, length: int | None, error: str) -> pa.RecordBatch:
    storable = error.encode("utf-8", "replace").decode("utf-8").replace("\0", "")
    return labelled_batch(schema, {"file": path, "offset": offset, "length": length, "error": storable}, 1)


class _Gathered:
    """Rows of several records as batches of at most ``batch_rows``."""

    def __init__(self, schema: pa.Schema, batch_rows: int) -> None:
        self._schema, self._batch_rows = schema, batch_rows
        self._parts: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def add(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Take rows; gives batches when there are enough."""
        self._parts.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= self._batch_rows or self._bytes >= BATCH_BYTES:
            yield from self.rest()

    def rest(self) -> Iterator[pa.RecordBatch]:
        """What has been gathered so far."""
        if self._parts:
            whole = pa.concat_batches(self._parts)
            self._parts, self._rows, self._bytes = [], 0, 0
            for start in range(0, whole.num_rows, self._batch_rows):
                yield whole.slice(start, self._batch_rows)
