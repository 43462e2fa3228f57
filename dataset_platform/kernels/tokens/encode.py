"""From documents to token ids: the kernel that every engine runs over the corpus, and the sizes of what it makes.

The text is cut into tokens by HF tokenizers; the character offsets are worked out here from the tokens' byte lengths,
which gives the same numbers (tested) without building a Python tuple for each token.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, field_validator
from tokenizers import Tokenizer

from dataset_platform.errors import ContractError
from dataset_platform.kernels.tokens import bpe, draws

# list<list>, not list<fixed_size_list>: Spark's readers know only the former
OFFSETS_TYPE = pa.list_(pa.list_(pa.int32()))

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
        pa.field("tokens", pa.list_(pa.int32()), metadata={"doc": "token ids of the whole text, no special tokens"}),
        pa.field("offsets", OFFSETS_TYPE, metadata={"doc": "[start, end) of each token in characters of the text"}),
        pa.field("token_count", pa.int64(), metadata={"doc": "number of tokens"}),
        pa.field("bucket", pa.int32(), metadata={"doc": "index of the length bucket"}),
        pa.field("order_key", pa.int64(), metadata={"doc": "place in the shuffle of day, source and bucket"}),
    ]
)
_PASSED_ON = ("doc_id", "source", "url", "language", "file", "offset", "length")
_REQUIRED = ("doc_id", "source", "text")
_PIECE_BYTES = 4 * 2**20  # text encoded at a time: bounds the memory of HF's encodings, about 100 bytes per token


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


class Encoder:
    """Token ids and character offsets of whole Arrow columns of text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._byte_lengths = bpe.token_byte_lengths(tokenizer)

    def __call__(self, texts: pa.Array) -> tuple[pa.ListArray, pa.ListArray]:
        """Encode a string column without nulls.

        Returns:
            tokens as ``list<int32>`` and offsets as ``list<list<int32>>``, each inner list [start, end).

        Raises:
            ContractError: the tokens do not spell the text, so the tokenizer is not byte-level.
        """
        encodings = self._tokenizer.encode_batch_fast(texts.to_pylist(), add_special_tokens=False)
        counts = np.fromiter(map(len, encodings), dtype=np.int64, count=len(encodings))
        row_bounds = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        ids = np.empty(row_bounds[-1], dtype=np.int32)
        for row, encoding in enumerate(encodings):
            ids[row_bounds[row] : row_bounds[row + 1]] = encoding.ids
        del encodings
        spans = self._character_spans(texts, ids, counts)
        pair_bounds = np.arange(0, 2 * len(ids) + 1, 2, dtype=np.int32)
        pairs = pa.ListArray.from_arrays(pa.array(pair_bounds), pa.array(spans.reshape(-1)))
        bounds = pa.array(row_bounds)
        return pa.ListArray.from_arrays(bounds, pa.array(ids)), pa.ListArray.from_arrays(bounds, pairs)

    def _character_spans(self, texts: pa.Array, ids: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """[start, end) in characters of its own text for each token; int32, shape (tokens, 2)."""
        bounds = np.frombuffer(texts.buffers()[1], dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
        data = np.frombuffer(texts.buffers()[2] or b"", dtype=np.uint8)[bounds[0] : bounds[-1]]
        byte_bounds = bounds.astype(np.int64) - bounds[0]
        token_ends = np.cumsum(self._byte_lengths[ids])
        row_ends = np.concatenate([[0], token_ends])[np.cumsum(counts)]
        if not np.array_equal(row_ends, byte_bounds[1:]):
            raise ContractError("The tokens do not spell the text they were cut from.", "Train the tokenizer again.")
        # characters that begin before byte b; UTF-8 continuation bytes (10xxxxxx) begin none
        begun = np.concatenate([[0], np.cumsum((data & 0xC0) != 0x80)])
        first = np.repeat(begun[byte_bounds[:-1]], counts)
        # a token that holds only part of a character's bytes is given the whole character, as HF does
        starts = begun[token_ends - self._byte_lengths[ids] + 1] - 1
        return np.stack([starts - first, begun[token_ends] - first], axis=1).astype(np.int32)


def encode(config: ShardConfig, vocab_json: bytes, merges_txt: bytes) -> bpe.Kernel:
    """Kernel from documents (columns of ``DedupedCorpus``) to ``ENCODED_SCHEMA``, one row for each, in their order.

    Columns other than ``doc_id``, ``source`` and ``text`` may be missing and are then null. A row depends on nothing
    but itself, so neither batch size nor order shows in it.

    Raises:
        ContractError: a required column is missing or has nulls.
    """

    def kernel(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        encoder = Encoder(bpe.load(vocab_json, merges_txt))
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
    tokens, offsets = encoder(text)
    counts = pc.list_value_length(tokens).to_numpy(zero_copy_only=False).astype(np.int64)
    buckets = bucket_of(counts, config)
    columns: dict[str, pa.Array] = {"text": text, "tokens": tokens, "offsets": offsets}
    columns["token_count"] = pa.array(counts)
    columns["bucket"] = pa.array(buckets)
    columns["order_key"] = pa.array(order_keys(batch.column("doc_id").to_pylist(), buckets, config))
    for name in _PASSED_ON:
        field = ENCODED_SCHEMA.field(name)
        present = name in batch.schema.names
        columns[name] = batch.column(name).cast(field.type) if present else pa.nulls(batch.num_rows, field.type)
    return pa.RecordBatch.from_arrays([columns[name] for name in ENCODED_SCHEMA.names], schema=ENCODED_SCHEMA)
