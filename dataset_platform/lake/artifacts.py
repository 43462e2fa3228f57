"""Files below ``artifacts/``: the tokenizer, a day's shards, the manifest and the mixtures."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from dataset_platform.errors import StateError
from dataset_platform.kernels.tokens import bpe
from dataset_platform.kernels.tokens.manifest import SHARDS_FOLDER, ShardEntry
from dataset_platform.lake import storage
from dataset_platform.settings import join

VOCAB = "tokenizer-vocab.json"
MERGES = "tokenizer-merges.txt"
TRAINING = "training.json"
PENDING = "pending.json"  # a tokenizer on its way into the three files above
ENTRIES = "shards.json"


def folder(artifacts: str, artifact: str) -> str:
    """Where an artifact of the tokens lane lies."""
    return join(artifacts, "tokens", artifact)


@dataclass(frozen=True)
class TokenizerFiles:
    """The frozen tokenizer and how it came to be (None: it was put there by hand)."""

    vocab_json: bytes
    merges_txt: bytes
    training: dict[str, object] | None

    @property
    def fingerprint(self) -> str:
        """SHA-256 over both files."""
        return bpe.fingerprint(self.vocab_json, self.merges_txt)

    @property
    def vocab_size(self) -> int:
        """Entries of the vocabulary."""
        return len(json.loads(self.vocab_json))


def read_tokenizer(artifacts: str) -> TokenizerFiles | None:
    """The tokenizer, or None when there is none yet; one that a killed run had begun to put in place counts whole."""
    root = folder(artifacts, "tokenizer")
    pending = _pending_tokenizer(root)
    if pending is not None:
        return pending
    try:
        vocab, merges = storage.read_bytes(join(root, VOCAB)), storage.read_bytes(join(root, MERGES))
    except FileNotFoundError:
        return None
    try:
        training = json.loads(storage.read_bytes(join(root, TRAINING)))
    except FileNotFoundError:
        training = None
    return TokenizerFiles(vocab, merges, training)


def require_tokenizer(artifacts: str) -> TokenizerFiles:
    """The tokenizer.

    Raises:
        StateError: there is none yet.
    """
    files = read_tokenizer(artifacts)
    if files is None:
        raise StateError("There is no tokenizer yet.", "Run: dataset-platform materialize tokens/tokenizer")
    return files


def write_tokenizer(artifacts: str, trained: bpe.TrainedTokenizer, training: dict[str, object]) -> None:
    """Put a trained tokenizer in place: all three files or, for whoever reads it here, none.

    They are noted down together first. From then on the new tokenizer counts, and ``finish_tokenizer`` writes what a
    killed run has not: vocabulary and merges of two trainings never meet, and a trained tokenizer whose note on its
    training is not written yet is not taken for one that was put there by hand.
    """
    content = {"vocab": trained.vocab_json.decode(), "merges": trained.merges_txt.decode(), "training": training}
    storage.write_bytes(join(folder(artifacts, "tokenizer"), PENDING), json.dumps(content).encode())
    finish_tokenizer(artifacts)


def finish_tokenizer(artifacts: str) -> None:
    """Write the files of a tokenizer that a killed run had begun to put in place; nothing happens where there is none."""
    root = folder(artifacts, "tokenizer")
    files = _pending_tokenizer(root)
    if files is None:
        return
    storage.write_bytes(join(root, VOCAB), files.vocab_json)
    storage.write_bytes(join(root, MERGES), files.merges_txt)
    storage.write_bytes(join(root, TRAINING), json.dumps(files.training, indent=1, sort_keys=True).encode())
    storage.delete(join(root, PENDING))


def _pending_tokenizer(root: str) -> TokenizerFiles | None:
    try:
        content = json.loads(storage.read_bytes(join(root, PENDING)))
    except FileNotFoundError:
        return None
    return TokenizerFiles(content["vocab"].encode(), content["merges"].encode(), content["training"])


def shards_folder(artifacts: str, day: str) -> str:
    """Where a day's shards lie."""
    return join(artifacts, SHARDS_FOLDER, day)


def read_entries(artifacts: str, day: str) -> list[ShardEntry]:
    """The entries of a day's shards; empty when the day has none."""
    try:
        content = json.loads(storage.read_bytes(join(shards_folder(artifacts, day), ENTRIES)))
    except FileNotFoundError:
        return []
    return [ShardEntry.model_validate(e) for e in content]


def publish_shards(artifacts: str, staging: str, day: str, entries: list[ShardEntry]) -> None:
    """Put a day's staged shards in place of what was there, its list of entries last."""
    target = shards_folder(artifacts, day)
    storage.delete(join(target, ENTRIES))
    wanted = {join(artifacts, path) for e in entries for path in (e.path, e.tsv_path)}
    for entry in entries:
        for path in (entry.path, entry.tsv_path):
            storage.move(join(staging, path), join(artifacts, path))
    for there in storage.list_files(target):
        if there.path not in wanted:
            storage.delete(there.path)
    content = json.dumps([e.model_dump() for e in entries], indent=1, sort_keys=True).encode()
    storage.write_bytes(join(target, ENTRIES), content)


def entries_hash(entries: list[ShardEntry]) -> str:
    """Hash of a day's shards: names and file hashes, in order."""
    lines = "".join(f"{e.shard_id}\t{e.file_sha256}\n" for e in sorted(entries, key=lambda e: e.shard_id))
    return f"{sum(e.records for e in entries)}:{hashlib.sha256(lines.encode()).hexdigest()[:16]}"
