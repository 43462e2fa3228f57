"""The manifest: one JSON object that lists all shards, in the order in which they are to be read.

Replacing the file is what publishes new shards, so it says enough to find, check and trace each one.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from dataset_platform.errors import ContractError
from dataset_platform.kernels.tokens import draws, shards

FORMAT_VERSION = 1
MANIFEST_PATH = "tokens/manifest/manifest.json"  # relative to artifacts/
SHARDS_FOLDER = "tokens/tokenized_shards"
_HINT = "Materialize tokens/manifest again."


class ShardEntry(BaseModel):
    """One shard, as the manifest lists it. ``path`` is relative to ``artifacts/``; sizes are of the Parquet file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shard_id: str
    path: str
    ingestion_date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    source: str = Field(pattern=r"^\w[\w .-]*$")  # it names a folder
    bucket: int = Field(ge=0)
    records: int = Field(ge=1)
    tokens: int = Field(ge=1)
    size_bytes: int = Field(ge=1)
    file_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    seed: int
    tokenizer_fingerprint: str

    @property
    def tsv_path(self) -> str:
        """Path of the shard's TSV, relative to ``artifacts/``."""
        return self.path.removesuffix(".parquet") + ".tsv"


class TokenizerFacts(BaseModel):
    """The tokenizer in force when the manifest was written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str
    vocab_size: int


class Totals(BaseModel):
    """Sums over all shards."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shards: int
    records: int
    tokens: int
    size_bytes: int


class Manifest(BaseModel):
    """The manifest's content; ``build`` writes it and ``parse`` reads it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = FORMAT_VERSION
    seed: int
    tokenizer: TokenizerFacts
    totals: Totals
    shards: list[ShardEntry]


def shard_id(ingestion_date: str, source: str, bucket: int, index: int) -> str:
    """Name of a shard: ``{ingestion_date}/{source}/shard_b{bucket}_s{index}``."""
    return f"{ingestion_date}/{source}/{shards.shard_stem(bucket, index)}"


def shard_path(name: str) -> str:
    """Path of a shard's Parquet file, relative to ``artifacts/``, from its ``shard_id``."""
    return f"{SHARDS_FOLDER}/{name}.parquet"


def shard_entry(
    shard: shards.ShardBytes,
    *,
    ingestion_date: str,
    source: str,
    bucket: int,
    index: int,
    seed: int,
    tokenizer_fingerprint: str,
) -> ShardEntry:
    """The manifest's entry for a shard that was just made; ``seed`` is the one its documents were shuffled with."""
    name = shard_id(ingestion_date, source, bucket, index)
    return ShardEntry(
        shard_id=name,
        path=shard_path(name),
        ingestion_date=ingestion_date,
        source=source,
        bucket=bucket,
        records=shard.records,
        tokens=shard.tokens,
        size_bytes=len(shard.parquet),
        file_sha256=shard.file_sha256,
        seed=seed,
        tokenizer_fingerprint=tokenizer_fingerprint,
    )


def build(entries: Iterable[ShardEntry], seed: int, tokenizer_fingerprint: str, vocab_size: int) -> bytes:
    """The manifest's bytes, the same for any order of ``entries``.

    Raises:
        ContractError: two entries have the same ``shard_id``.
    """
    ordered = _in_order(entries, seed)
    twice = [name for name, count in Counter(entry.shard_id for entry in ordered).items() if count > 1]
    if twice:
        raise ContractError(f"{len(twice)} shards are listed twice, such as {min(twice)}.", _HINT)
    manifest = Manifest(
        seed=seed,
        tokenizer=TokenizerFacts(fingerprint=tokenizer_fingerprint, vocab_size=vocab_size),
        totals=_totals(ordered),
        shards=ordered,
    )
    return canonical_json(manifest.model_dump())


def _in_order(entries: Iterable[ShardEntry], seed: int) -> list[ShardEntry]:
    entries = list(entries)
    names = [entry.shard_id for entry in entries]
    order = draws.keys("shard", seed, names).tolist()
    return [entry for _, _, entry in sorted(zip(order, names, entries, strict=True), key=lambda item: item[:2])]


def _totals(entries: Sequence[ShardEntry]) -> Totals:
    return Totals(
        shards=len(entries),
        records=sum(entry.records for entry in entries),
        tokens=sum(entry.tokens for entry in entries),
        size_bytes=sum(entry.size_bytes for entry in entries),
    )


def canonical_json(content: object) -> bytes:
    """JSON that is the same bytes for the same content: keys as given, two spaces, one line break at the end."""
    return (json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n").encode()


def parse(data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        ContractError: the bytes are not a manifest of this format.
    """
    try:
        manifest = Manifest.model_validate_json(data)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ContractError(f"The manifest cannot be read: {where}: {first['msg']}.", _HINT) from error
    if manifest.format_version != FORMAT_VERSION:
        raise ContractError(f"The manifest is of format {manifest.format_version}, not {FORMAT_VERSION}.", _HINT)
    return manifest


def verify(data: bytes, read: Callable[[str], bytes] | None = None) -> Manifest:
    """Check that a manifest is as ``build`` would write it and, where ``read`` is given, that its shards exist.

    Args:
        data: the manifest's bytes.
        read: gives the bytes of a path relative to ``artifacts/``; each shard and TSV is then read and verified.

    Returns:
        The manifest.

    Raises:
        ContractError: order, totals, names or bytes are off, or a shard is not the file the manifest means.
    """
    manifest = parse(data)
    facts = manifest.tokenizer
    if build(manifest.shards, manifest.seed, facts.fingerprint, facts.vocab_size) != data:
        raise ContractError("The manifest's order, totals or layout are not what its shards and its seed give.", _HINT)
    for entry in manifest.shards:
        if entry.path != shard_path(entry.shard_id) or not entry.shard_id.startswith(
            f"{entry.ingestion_date}/{entry.source}/{shards.shard_stem(entry.bucket, 0)[:-1]}"
        ):
            raise ContractError(f"Shard {entry.shard_id} does not lie where its name says.", _HINT)
        if read is not None:
            verify_entry(entry, read(entry.path), read(entry.tsv_path))
    return manifest


def verify_entry(entry: ShardEntry, parquet: bytes, tsv: bytes) -> None:
    """Check that a shard's two files are those the manifest means.

    Raises:
        ContractError: hash, size, records or tokens differ, or the files do not agree with each other.
    """
    if hashlib.sha256(parquet).hexdigest() != entry.file_sha256 or len(parquet) != entry.size_bytes:
        raise ContractError(f"Shard {entry.shard_id} is not the file that the manifest lists.", _HINT)
    shards.verify_shard(parquet, tsv)
    lengths = shards.record_lengths(tsv)
    if (len(lengths), int(lengths.sum())) != (entry.records, entry.tokens):
        raise ContractError(f"Shard {entry.shard_id} has other records or tokens than the manifest says.", _HINT)


def stale_shards(entries: Iterable[ShardEntry], fingerprint: str) -> list[str]:
    """Names of the shards that another tokenizer encoded, sorted; pass ``manifest.shards`` or any entries."""
    return sorted(entry.shard_id for entry in entries if entry.tokenizer_fingerprint != fingerprint)
