"""A small corpus in several scripts and the whole lane over it, for the tests of this folder."""

from __future__ import annotations

import hashlib
import random
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataset_platform.kernels.tokens import bpe, encode, manifest, mixtures, shards

DAY = "2024-05-01"
TOKENIZER = bpe.TokenizerConfig(vocab_size=400)
SHARDS = encode.ShardConfig(buckets=(16, 64), shard_bytes=2_000)

_TEXT = (
    "the data of a web page is read by many, naïve façade Größe übermäßig день работа и мир "
    "日本語 の テキスト 한국어 문서 مرحبا بالعالم 😀 👩‍👩‍👧‍👦 e\u0301 \u00a0 \u3000 "
    "<s> </s> <pad> https://example.org/a?b=c 1234567 ==== \t \n\n -- don't"
)
_WORDS = _TEXT.split(" ")


def documents(count: int = 120, seed: int = 1, sources: tuple[str, ...] = ("web", "synthetic", "traces")) -> pa.Table:
    """Documents with the columns of ``DedupedCorpus`` that the tokens lane reads; a third is of each source."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        text = " ".join(draw.choices(_WORDS, k=draw.choice([1, 3, 10, 30, 90])))
        rows.append(
            {
                "doc_id": hashlib.md5(f"{seed}-{number}".encode()).hexdigest(),
                "source": sources[number % len(sources)],
                "url": f"https://site{number % 7}.example.org:8080/page/{number}" if number % 5 else None,
                "language": "en",
                "file": "raw/web/a.warc.gz",
                "offset": number * 100,
                "length": 100,
                "text": text,
                "word_count": 1,
            }
        )
    return pa.Table.from_pylist(rows)


@lru_cache
def tokenizer() -> bpe.TrainedTokenizer:
    """A small tokenizer trained on other documents than ``documents()`` gives by default."""
    return bpe.train(iter(documents(seed=2)["text"].to_pylist()), TOKENIZER)


def encoded(table: pa.Table, batch_size: int = 50, config: encode.ShardConfig = SHARDS) -> pa.Table:
    """The documents through the encode kernel."""
    trained = tokenizer()
    kernel = encode.encode(config, trained.vocab_json, trained.merges_txt)
    return pa.Table.from_batches(kernel(iter(table.to_batches(max_chunksize=batch_size))), encode.ENCODED_SCHEMA)


def unpacked(rows: pa.Table) -> list[dict[str, Any]]:
    """Encoded rows with ids as a list of int and offsets as a list of [start, end]."""
    ids = encode.unpacked(rows["tokens"].combine_chunks()).to_pylist()
    flat = encode.unpacked(rows["offsets"].combine_chunks()).to_pylist()
    pairs = [[list(pair) for pair in zip(halves[::2], halves[1::2], strict=True)] for halves in flat]
    return [
        row | {"tokens": tokens, "offsets": offsets}
        for row, tokens, offsets in zip(rows.to_pylist(), ids, pairs, strict=True)
    ]


def write_lane(
    artifacts: Path, table: pa.Table, config: mixtures.MixtureConfig | None = None, *, batch_size: int = 50
) -> list[manifest.ShardEntry]:
    """Shards, manifest and mixtures.json of ``documents`` under ``artifacts``; gives the entries in manifest order."""
    rows = encoded(table, batch_size).sort_by([("order_key", "ascending"), ("doc_id", "ascending")])
    entries = []
    for group in rows.group_by(["source", "bucket"], use_threads=False).aggregate([]).to_pylist():
        mask = pc.and_(pc.equal(rows["source"], group["source"]), pc.equal(rows["bucket"], group["bucket"]))
        part = rows.filter(mask)
        numbers = shards.assign(part["token_count"].to_numpy(), SHARDS)
        for index in range(numbers[-1] + 1):
            shard = shards.write_shard(part.filter(pa.array(numbers == index)), DAY, TOKENIZER)
            entry = manifest.shard_entry(
                shard, ingestion_date=DAY, index=index, seed=17, tokenizer_fingerprint=tokenizer().fingerprint, **group
            )
            write(artifacts / entry.path, shard.parquet)
            write(artifacts / entry.tsv_path, shard.tsv)
            entries.append(entry)
    built = manifest.build(entries, 17, tokenizer().fingerprint, tokenizer().vocab_size)
    write(artifacts / manifest.MANIFEST_PATH, built)
    ordered = manifest.parse(built).shards
    planned = mixtures.plan(ordered, lengths_in(artifacts), config or mixtures.MixtureConfig())
    write(artifacts / mixtures.MIXTURES_PATH, planned)
    return ordered


def lengths_in(artifacts: Path) -> mixtures.Lengths:
    """Record lengths of shards that lie under ``artifacts``."""
    return lambda entry: shards.record_lengths((artifacts / entry.tsv_path).read_bytes())


def write(path: Path, data: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
