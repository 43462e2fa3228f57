"""From documents to token ids: the kernel that every engine runs over the corpus, and the sizes of what it makes.

What cuts a text into tokens is ``encoder.py``; here are the columns around it. Ids and offsets travel packed, as the
bytes of little-endian int32: an engine passes bytes on as they are, and takes lists of numbers apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, field_validator

from dataset_platform.errors import ContractError
from dataset_platform.kernels.tokens import bpe, draws

if TYPE_CHECKING:
    from dataset_platform.kernels.tokens.encoder import Encoder

ENCODED_SCHEMA = pa.schema(
    [
        pa.field("doc_id", pa.string(), metadata={"doc": "document the tokens are of"}),
        pa.field("source", pa.string(), metadata={"doc": "name of the data source, used in mixtures"}),
        pa.field("url", pa.string(), metadata={"doc": "target URI; null for sources without one"}),
        pa.field("language", pa.string(), metadata={"doc": "ISO 639 code"}),
        pa.field("file", pa.string(), metadata={"doc": "file the document came from"}),
        pa.field("offset", pa.int64(), metadata={"doc": "first byte of the record in the file"}),
        pa.field("length", pa.int64(), metadata={"doc": "bytes of the record in the file"}),
        pa.field("text", pa.string(), metadata={"doc": "the document's text"}),
        pa.field("tokens", pa.binary(), metadata={"doc": "token ids of the whole text, packed; no special tokens"}),
        pa.field("offsets", pa.binary(), metadata={"doc": "start and end of each token in characters, packed"}),
        pa.field("token_count", pa.int64(), metadata={"doc": "number of tokens"}),
        pa.field("bucket", pa.int32(), metadata={"doc": "index of the length bucket"}),
        pa.field("order_key", pa.int64(), metadata={"doc": "place in the shuffle of day, source and bucket"}),
    ]
)
_PASSED_ON = ("doc_id", "source", "url", "language", "file", "offset", "length")
_REQUIRED = ("doc_id", "source", "text")
_PIECE_BYTES = 4 * 2**20  # text encoded at a time: bounds the memory of ids and offsets, 12 bytes per byte of text


class ShardConfig(BaseModel):
    """How documents are sorted into shards.

    ``buckets`` are the upper bounds, in tokens, of the length buckets; one more bucket, without bound, follows.
    ``shard_bytes`` is the target size of a shard, counted at 4 bytes per token.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    buckets: tuple[int, ...] = (128, 256, 512, 1024, 2048, 4096, 8192)
    shard_bytes: int = Field(default=64 * 2**20, ge=4)
    min_tail_share: float = Field(default=0.25, ge=0.0, le=1.0)
    seed: int = Field(default=17, ge=0, lt=2**32)

    @field_validator("buckets")
    @classmethod
    def _bounds_rise(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(bound < 1 for bound in value) or list(value) != sorted(set(value)):
            raise ValueError("buckets must be positive and rise")
        return value


def bucket_of(token_counts: np.ndarray, config: ShardConfig) -> np.ndarray:
    """Bucket index (int32) for each token count; a count equal to an upper bound is inside it."""
    return np.searchsorted(np.asarray(config.buckets, dtype=np.int64), token_counts, side="left").astype(np.int32)


def order_keys(doc_ids: Iterable[str], buckets: np.ndarray, config: ShardConfig) -> np.ndarray:
    """Sort keys (int64, not negative) of the shuffle within a bucket, seeded by ``seed + bucket``."""
    return draws.keys("order", buckets.astype(np.int64) + config.seed, doc_ids)


def packed(bounds: np.ndarray, values: np.ndarray) -> pa.BinaryArray:
    """int32 values as one binary per row; row i has ``values[bounds[i] : bounds[i + 1]]``.

    Raises:
        ContractError: the values take more than the 2 GiB that a column of binaries can hold.
    """
    ends = bounds.astype(np.int64) * 4
    if ends[-1] > np.iinfo(np.int32).max:
        raise ContractError("A document has more tokens than a column can hold.", "Lower web.documents.max_html_bytes.")
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(values.astype("<i4", copy=False))]
    return pa.Array.from_buffers(pa.binary(), len(bounds) - 1, buffers)


def unpacked(column: pa.BinaryArray) -> pa.ListArray:
    """The lists of int32 behind a packed column without nulls."""
    _, offsets, content = column.buffers()
    ends = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    values = np.frombuffer((content or b"")[ends[0] : ends[-1]], "<i4")
    return pa.ListArray.from_arrays(pa.array((ends - ends[0]) // 4), pa.array(values))


def encode(config: ShardConfig, vocab_json: bytes, merges_txt: bytes) -> bpe.Kernel:
    """Kernel from documents (columns of ``DedupedCorpus``) to ``ENCODED_SCHEMA``, one row for each, in their order.

    Columns other than ``doc_id``, ``source`` and ``text`` may be missing and are then null. A row depends on nothing
    but itself, so neither batch size nor order shows in it.

    Raises:
        ContractError: a required column is missing or has nulls.
    """

    def kernel(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # imported here, since it brings numba, and the settings above are read by programs that encode nothing
        from dataset_platform.kernels.tokens.encoder import encoder_of

        encoder = encoder_of(vocab_json, merges_txt)
        for batch in batches:
            _require(batch)
            for piece in _pieces(batch):
                yield _encode_piece(piece, encoder, config)

    return kernel


def _require(batch: pa.RecordBatch) -> None:
    for name in _REQUIRED:
        if name not in batch.schema.names:
            raise ContractError(f"The documents to encode have no column {name}.")
        if batch.column(name).null_count:
            raise ContractError(f"The documents to encode have rows without {name}.")


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Slices of a batch that hold about ``_PIECE_BYTES`` of text, at least one row each."""
    if not batch.num_rows:
        return
    ends = np.cumsum(pc.binary_length(batch.column("text")).to_numpy(zero_copy_only=False).astype(np.int64))
    starts = np.concatenate([[0], np.flatnonzero(np.diff(ends // _PIECE_BYTES)) + 1, [batch.num_rows]]).tolist()
    for start, end in zip(starts, starts[1:], strict=False):
        yield batch.slice(start, end - start)


def _encode_piece(batch: pa.RecordBatch, encoder: Encoder, config: ShardConfig) -> pa.RecordBatch:
    text = batch.column("text").cast(pa.string())
    encoded = encoder(text)
    counts = np.diff(encoded.bounds).astype(np.int64)
    buckets = bucket_of(counts, config)
    columns: dict[str, pa.Array] = {"text": text, "tokens": packed(encoded.bounds, encoded.ids)}
    columns["offsets"] = packed(2 * encoded.bounds.astype(np.int64), encoded.spans)
    columns["token_count"] = pa.array(counts)
    columns["bucket"] = pa.array(buckets)
    columns["order_key"] = pa.array(order_keys(batch.column("doc_id").to_pylist(), buckets, config))
    for name in _PASSED_ON:
        field = ENCODED_SCHEMA.field(name)
        present = name in batch.schema.names
        columns[name] = batch.column(name).cast(field.type) if present else pa.nulls(batch.num_rows, field.type)
    return pa.RecordBatch.from_arrays([columns[name] for name in ENCODED_SCHEMA.names], schema=ENCODED_SCHEMA)
