"""Shards: which document goes into which file, what the bytes of the file and of its index are, and whether they agree.

A shard holds documents of one day, one source and one length bucket, in the order of ``order_key, doc_id``.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataset_platform.errors import ContractError
from dataset_platform.kernels.tokens import bpe
from dataset_platform.kernels.tokens.encode import ShardConfig, unpacked

TOKEN_BYTES = 4
TSV_HEADER = "index\tlength\ttoken_sum\tsha256"

# list<list>, not list<fixed_size_list>: Spark's readers know only the former
OFFSETS_TYPE = pa.list_(pa.list_(pa.int32()))
META_TYPE = pa.struct(
    [
        pa.field("doc_id", pa.string()),
        pa.field("source", pa.string()),
        pa.field("ingestion_date", pa.string()),
        pa.field("url", pa.string()),
        pa.field("language", pa.string()),
        pa.field("split", pa.string()),
        pa.field("file", pa.string()),
        pa.field("offset", pa.int64()),
        pa.field("length", pa.int64()),
    ]
)
SHARD_SCHEMA = pa.schema(
    [
        pa.field("text", pa.string(), nullable=False),
        pa.field("tokens", pa.list_(pa.int32()), nullable=False),
        pa.field("offsets", OFFSETS_TYPE, nullable=False),
        pa.field("meta", META_TYPE, nullable=False),
    ]
)
# One row group is what a reader holds at a time; the number is part of the format, since it shows in the bytes
_ROWS_PER_GROUP = 1024
_COMPRESSION_LEVEL = 3


@dataclass(frozen=True, slots=True)
class ShardBytes:
    """A shard's two files and what the manifest says of them; ``file_sha256`` is of the Parquet file."""

    parquet: bytes
    tsv: bytes
    records: int
    tokens: int
    file_sha256: str


def shard_stem(bucket: int, index: int) -> str:
    """File name of a shard without its ending."""
    return f"shard_b{bucket}_s{index}"


def shard_index(cumulative_tokens_before: np.ndarray, config: ShardConfig) -> np.ndarray:
    """Provisional shard (int64) of each record, from the tokens of all records before it in its bucket.

    A shard takes records until it reaches ``shard_bytes`` at 4 bytes per token, so it is larger than the target by
    less than one document. ``merge_tail`` turns the provisional numbers into final ones. In SQL:
    ``(sum(token_count) over (… rows between unbounded preceding and 1 preceding)) * 4 div shard_bytes``.
    """
    return np.asarray(cumulative_tokens_before, dtype=np.int64) * TOKEN_BYTES // config.shard_bytes


def merge_tail(tokens_per_shard: Mapping[int, int], config: ShardConfig) -> dict[int, int]:
    """Final shard number for each provisional one: gapless from 0, a small last shard joined to the one before it.

    Joining goes on until the last shard is not small: only documents longer than a shard make that take two steps.

    Args:
        tokens_per_shard: tokens of each provisional shard of one (day, source, bucket). A document longer than a
            shard leaves provisional numbers out, which is why they are not final.
    """
    provisional = sorted(tokens_per_shard)
    last, tail = len(provisional) - 1, 0
    while last > 0:
        tail += tokens_per_shard[provisional[last]]
        if tail * TOKEN_BYTES >= config.min_tail_share * config.shard_bytes:
            break
        last -= 1
    return {name: min(number, last) for number, name in enumerate(provisional)}


def shard_of(order_keys: np.ndarray, doc_ids: pa.Array, starts: Sequence[tuple[int, str]]) -> np.ndarray:
    """Shard number (int64) of records of one bucket, in any order.

    Args:
        starts: ``order_key, doc_id`` of the first record of each shard, in the order of the shards.
    """
    keys = np.array([key for key, _ in starts], dtype=np.int64)
    numbers = np.searchsorted(keys, order_keys, side="right") - 1
    for row in np.flatnonzero(keys[numbers] == order_keys).tolist():  # the first record of a shard, or of an equal key
        numbers[row] = bisect_right(starts, (int(order_keys[row]), doc_ids[row].as_py())) - 1
    return numbers


def assign(token_counts: np.ndarray, config: ShardConfig) -> np.ndarray:
    """Shard number (int64) of each record, given the records' token counts in shuffled order."""
    counts = np.asarray(token_counts, dtype=np.int64)
    provisional = shard_index(np.cumsum(counts) - counts, config)
    names, places = np.unique(provisional, return_inverse=True)
    sizes = np.bincount(places, weights=counts, minlength=len(names)).astype(np.int64)
    final = merge_tail(dict(zip(names.tolist(), sizes.tolist(), strict=True)), config)
    return np.array([final[name] for name in names.tolist()], dtype=np.int64)[places]


def write_shard(table: pa.Table, ingestion_date: str, tokenizer: bpe.TokenizerConfig) -> ShardBytes:
    """The bytes of one shard, the same for any order and chunking of its rows.

    Args:
        table: rows of one shard with the columns of ``ENCODED_SCHEMA``.
        ingestion_date: the shard's day, ``YYYY-MM-DD``.
        tokenizer: its seed and ``validation_share`` decide each record's ``split``.

    Raises:
        ContractError: the shard is empty or holds a document twice.
    """
    if not table.num_rows:
        raise ContractError("A shard without records was to be written.")
    table = table.sort_by([("order_key", "ascending"), ("doc_id", "ascending")])
    doc_ids = table["doc_id"].to_pylist()
    if len(set(doc_ids)) < len(doc_ids):
        raise ContractError("A shard holds the same doc_id twice.", "Materialize the day's corpus again.")
    made = {
        "ingestion_date": pa.array([ingestion_date] * table.num_rows, pa.string()),
        "split": pa.array(bpe.split_names(doc_ids, tokenizer), pa.string()),
    }
    meta = [made.get(field.name) or _whole(table[field.name]).cast(field.type) for field in META_TYPE]
    tokens, offsets = unpacked(_whole(table["tokens"])), _pairs(unpacked(_whole(table["offsets"])))
    columns = [_whole(table["text"]), tokens, offsets]
    rows = pa.table([*columns, pa.StructArray.from_arrays(meta, fields=list(META_TYPE))], schema=SHARD_SCHEMA)
    sink = pa.BufferOutputStream()
    pq.write_table(
        rows,
        sink,
        row_group_size=_ROWS_PER_GROUP,
        version="2.6",
        data_page_version="1.0",
        compression="zstd",
        compression_level=_COMPRESSION_LEVEL,
        use_dictionary=False,
    )
    parquet = sink.getvalue().to_pybytes()
    return ShardBytes(parquet, _tsv(rows), rows.num_rows, len(tokens.values), hashlib.sha256(parquet).hexdigest())


def _pairs(flat: pa.ListArray) -> pa.ListArray:
    """Lists of start, end, start, end … as lists of [start, end]."""
    halves = np.arange(0, len(flat.values) + 1, 2, dtype=np.int32)
    pairs = pa.ListArray.from_arrays(pa.array(halves), flat.values)
    return pa.ListArray.from_arrays(pa.array(flat.offsets.to_numpy() // 2), pairs)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """One contiguous array: where a column was cut must not show in the file."""
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _tsv(rows: pa.Table) -> bytes:
    """One line per record: index, length in tokens, sum of the token ids, SHA-256 of the text's UTF-8 bytes."""
    return "\n".join([TSV_HEADER, *_tsv_lines(rows), ""]).encode()


def _tsv_lines(rows: pa.Table, first: int = 0) -> list[str]:
    """The lines of consecutive records, the first of which has the index ``first``."""
    tokens = _whole(rows["tokens"])
    lengths = pc.list_value_length(tokens).to_numpy(zero_copy_only=False).astype(np.int64)
    running = np.concatenate([[0], np.cumsum(tokens.flatten().to_numpy(zero_copy_only=False).astype(np.int64))])
    ends = np.cumsum(lengths)
    sums = running[ends] - running[ends - lengths]
    digests = (hashlib.sha256(text.as_buffer()).hexdigest() for text in _whole(rows["text"]).cast(pa.binary()))
    columns = enumerate(zip(lengths.tolist(), sums.tolist(), digests, strict=True), first)
    return [f"{index}\t{length}\t{token_sum}\t{digest}" for index, (length, token_sum, digest) in columns]


def record_lengths(tsv: bytes) -> np.ndarray:
    """Tokens of each record (int64), in the shard's order, from its TSV.

    Raises:
        ContractError: the bytes are not a shard's TSV.
    """
    header, *lines = tsv.decode().splitlines() or [""]
    try:
        fields = [line.split("\t", 2)[:2] for line in lines]
        if header != TSV_HEADER or [int(index) for index, _ in fields] != list(range(len(lines))):
            raise ValueError("header or index column is not as expected")
        return np.array([int(length) for _, length in fields], dtype=np.int64)
    except ValueError as error:
        raise ContractError(f"A shard's TSV cannot be read: {error}.", "Materialize the shards of its day.") from error


def verify_shard(parquet: bytes, tsv: bytes) -> None:
    """Hold a shard's Parquet file against its TSV and its own columns against each other, a row group at a time.

    Raises:
        ContractError: schema, count, token sums, hashes or offsets disagree; says which record is the first.
    """
    hint = "Materialize the shards of its day again."
    header, *said = tsv.decode().splitlines() or [""]
    if header != TSV_HEADER:
        raise ContractError(f"A shard's TSV begins with {header!r}.", hint)
    first = 0
    for rows in _row_groups(parquet, hint):
        for line, (left, right) in enumerate(zip(said[first:], _tsv_lines(rows, first), strict=False), first):
            if left != right:
                raise ContractError(f"Record {line}: the TSV says {left!r}, the shard {right!r}.", hint)
        wrong = _first_wrong_offset(rows)
        if wrong is not None:
            raise ContractError(
                f"Record {first + wrong}: the offsets do not lie in the text, one pair to a token.", hint
            )
        first += rows.num_rows
    if len(said) != first:
        raise ContractError(f"The TSV lists {len(said)} records, the shard holds {first}.", hint)


def _row_groups(parquet: bytes, hint: str) -> Iterator[pa.Table]:
    try:
        file = pq.ParquetFile(pa.BufferReader(parquet))
        if not file.schema_arrow.equals(SHARD_SCHEMA):
            names = file.schema_arrow.names
            raise ContractError(f"A shard's columns are {names} or have other types than they should.", hint)
        for number in range(file.num_row_groups):
            yield file.read_row_group(number)
    except pa.ArrowException as error:
        raise ContractError(f"A shard's Parquet file cannot be read: {error}", hint) from error


def _first_wrong_offset(rows: pa.Table) -> int | None:
    tokens, offsets = _whole(rows["tokens"]), _whole(rows["offsets"])
    counts: Any = pc.list_value_length(tokens).to_numpy(zero_copy_only=False)
    unpaired = counts != pc.list_value_length(offsets).to_numpy(zero_copy_only=False)
    if unpaired.any():
        return int(np.argmax(unpaired))
    pairs = offsets.flatten()
    if not bool(pc.all(pc.equal(pc.list_value_length(pairs), 2)).as_py()):
        return int(np.repeat(np.arange(len(counts)), counts)[np.argmax(pc.list_value_length(pairs).to_numpy() != 2)])
    spans = pairs.flatten().to_numpy(zero_copy_only=False).reshape(-1, 2)
    record = np.repeat(np.arange(len(counts)), counts)
    characters = pc.utf8_length(_whole(rows["text"])).to_numpy(zero_copy_only=False)
    bad = (spans[:, 0] < 0) | (spans[:, 0] >= spans[:, 1]) | (spans[:, 1] > characters[record])
    return int(record[np.argmax(bad)]) if bad.any() else None
