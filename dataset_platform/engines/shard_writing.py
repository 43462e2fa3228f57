"""What a day's shards are made with, and how one of them is written and verified, on whatever engine."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pyarrow as pa

from dataset_platform.errors import ContractError
from dataset_platform.kernels.tokens import bpe, encode, manifest, shards
from dataset_platform.lake import storage
from dataset_platform.settings import join


@dataclass(frozen=True)
class ShardJob:
    """What a day's shards are made with.

    Attributes:
        artifacts: folder or URL that manifest paths are relative to, or a staging copy of it.
        vocab_json, merges_txt: the tokenizer's files.
    """

    day: str
    artifacts: str
    shards: encode.ShardConfig
    tokenizer: bpe.TokenizerConfig
    vocab_json: bytes
    merges_txt: bytes

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the tokenizer's files."""
        return bpe.fingerprint(self.vocab_json, self.merges_txt)


@dataclass(frozen=True)
class WrittenShard:
    """A shard below ``ShardJob.artifacts``, and why its files are not what they should be (None: they are)."""

    entry: manifest.ShardEntry
    problem: str | None

    def to_json(self) -> str:
        """Both as one line, for the way from a worker."""
        return json.dumps({"entry": self.entry.model_dump(), "problem": self.problem})

    @classmethod
    def from_json(cls, line: str) -> WrittenShard:
        """What ``to_json`` gave."""
        content = json.loads(line)
        return cls(manifest.ShardEntry.model_validate(content["entry"]), content["problem"])


def write_and_verify(rows: pa.Table, job: ShardJob, source: str, bucket: int, index: int) -> WrittenShard:
    """Write a shard and its TSV, then read both back from where they lie and hold them against the entry.

    Args:
        rows: the shard's rows, of ``ENCODED_SCHEMA``, in any order.

    Raises:
        ContractError: the rows cannot be a shard.
    """
    shard = shards.write_shard(rows, job.day, job.tokenizer)
    entry = manifest.shard_entry(
        shard,
        ingestion_date=job.day,
        source=source,
        bucket=bucket,
        index=index,
        seed=job.shards.seed,
        tokenizer_fingerprint=job.fingerprint,
    )
    storage.write_bytes(join(job.artifacts, entry.path), shard.parquet)
    storage.write_bytes(join(job.artifacts, entry.tsv_path), shard.tsv)
    return WrittenShard(entry, problem_of(job.artifacts, entry))


def problem_of(root: str, entry: manifest.ShardEntry) -> str | None:
    """Why the files of a shard below ``root`` are not what its entry says; None when they are."""
    try:
        parquet, tsv = (storage.read_bytes(join(root, path)) for path in (entry.path, entry.tsv_path))
        manifest.verify_entry(entry, parquet, tsv)
    except (ContractError, OSError) as error:
        return str(error)
    return None
