"""Byte-level BPE: its sample, its training, its files and how well it does on text it has not seen.

Everything here is a function of the documents' ids and texts and of ``TokenizerConfig``. Which tables the documents
come from and where the files go is decided in ``defs/tokens``.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, field_validator
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from dataset_platform.errors import ConfigError, ContractError, InputError
from dataset_platform.kernels.tokens import draws

VOCAB_FILE = "tokenizer-vocab.json"
MERGES_FILE = "tokenizer-merges.txt"
SPECIALS = ("<s>", "</s>", "<pad>", "<unk>", "<mask>")
UNKNOWN = "<unk>"
TRAIN, VALIDATION = "train", "validation"

Kernel = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]

SAMPLE_SCHEMA = pa.schema(
    [
        pa.field("sample_key", pa.int64(), nullable=False, metadata={"doc": "place in the sample's order, by hash"}),
        pa.field("doc_id", pa.string(), nullable=False, metadata={"doc": "document the text is from"}),
        pa.field("text", pa.string(), nullable=False, metadata={"doc": "the document's text"}),
    ]
)

_MERGES_HEADER = "#version: 0.2"  # the first line of every merges.txt since GPT-2; readers skip it
_ROWS_PER_BATCH = 1024
_HINT = "Train it again."


class TokenizerConfig(BaseModel):
    """What a tokenizer is trained on and how large it becomes.

    ``days`` is a range ``YYYY-MM-DD:YYYY-MM-DD``, both ends included; None means all days there are. ``sample_bytes``
    counts the UTF-8 bytes of training text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    vocab_size: int = Field(default=32_000, ge=256 + len(SPECIALS))
    min_frequency: int = Field(default=2, ge=1)
    sample_bytes: int = Field(default=256 * 2**20, ge=1)
    validation_share: float = Field(default=0.1, ge=0.0, lt=1.0)
    seed: int = Field(default=17, ge=0, lt=2**32)
    specials: tuple[str, ...] = SPECIALS
    days: str | None = None

    @field_validator("specials")
    @classmethod
    def _specials_are_distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value) or UNKNOWN not in value:
            raise ValueError(f"specials must be distinct and contain {UNKNOWN}")
        return value

    @field_validator("days")
    @classmethod
    def _days_are_a_range(cls, value: str | None) -> str | None:
        if value is not None:
            parts = value.split(":")
            if len(parts) != 2 or not all(re.fullmatch(r"\d{4}-\d{2}-\d{2}", part) for part in parts):
                raise ValueError("days must be of the form YYYY-MM-DD:YYYY-MM-DD")
            if date.fromisoformat(parts[0]) > date.fromisoformat(parts[1]):
                raise ValueError("days must not end before they begin")
        return value


@dataclass(frozen=True, slots=True)
class TrainedTokenizer:
    """The two files of a tokenizer, as bytes, and the fingerprint over both."""

    vocab_json: bytes
    merges_txt: bytes
    fingerprint: str
    vocab_size: int


def sample_order(doc_ids: Iterable[str], seed: int) -> np.ndarray:
    """Sort keys of the sample (int64, one per document): the sample is the first documents in their order."""
    return draws.keys("sample", seed, doc_ids)


def is_validation(doc_ids: Iterable[str], config: TokenizerConfig) -> np.ndarray:
    """Boolean mask of the ``validation_share`` of documents that no tokenizer is trained on, by hash of the id."""
    return draws.below(draws.keys("split", config.seed, doc_ids), config.validation_share)


def split_names(doc_ids: Iterable[str], config: TokenizerConfig) -> np.ndarray:
    """``train`` or ``validation`` for each document, as an array of strings."""
    return np.where(is_validation(doc_ids, config), VALIDATION, TRAIN)


def sample(config: TokenizerConfig, *, validation: bool = False) -> Kernel:
    """Kernel that keeps the fewest documents, in sample order, whose text reaches ``sample_bytes``.

    The kernel may run on every partition and then once more on what those runs kept: the result is the same as one
    run over everything. It holds about ``sample_bytes`` of text at a time.

    Args:
        validation: sample the held-out documents instead of the training documents.

    Returns:
        Kernel from batches with ``doc_id`` and ``text`` to ``SAMPLE_SCHEMA``, sorted by ``sample_key, doc_id``.
    """

    def kernel(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        heap: list[tuple[int, str, str, int]] = []  # (-key, doc_id, text, bytes): the last in order is on top
        held = 0
        for batch in batches:
            doc_ids = batch.column("doc_id").to_pylist()
            wanted = is_validation(doc_ids, config) == validation
            order = sample_order(doc_ids, config.seed)
            if held >= config.sample_bytes:  # full: only what sorts before the last document can still enter
                wanted &= order <= -heap[0][0]
            texts = batch.column("text")
            for row in np.flatnonzero(wanted).tolist():
                text = texts[row].as_py()
                size = len(text.encode())
                heapq.heappush(heap, (-int(order[row]), doc_ids[row], text, size))
                held += size
                while held - heap[0][3] >= config.sample_bytes:
                    held -= heapq.heappop(heap)[3]
        rows = sorted((-key, doc_id, text) for key, doc_id, text, _ in heap)
        for start in range(0, len(rows), _ROWS_PER_BATCH):
            columns = [list(values) for values in zip(*rows[start : start + _ROWS_PER_BATCH], strict=True)]
            yield pa.RecordBatch.from_arrays(
                [pa.array(values, field.type) for values, field in zip(columns, SAMPLE_SCHEMA, strict=True)],
                schema=SAMPLE_SCHEMA,
            )

    return kernel


def train(texts: Iterator[str], config: TokenizerConfig) -> TrainedTokenizer:
    """Train on ``texts``; the result depends on which texts there are, not on their order or the number of threads.

    The trainer counts words over all texts before it merges anything and breaks ties between pairs by id, so their
    order cannot show (tested).

    Raises:
        InputError: there is no text at all.
        ConfigError: a special token came out of the merges, so that plain text could produce it.
    """
    seen = 0

    def counted() -> Iterator[str]:
        nonlocal seen
        for text in texts:
            seen += 1
            yield text

    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab_size,
        min_frequency=config.min_frequency,
        special_tokens=list(config.specials),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(counted(), trainer)
    if not seen:
        raise InputError("There is no text to train a tokenizer on.", "Materialize the corpus for the configured days.")
    model = json.loads(tokenizer.to_str())["model"]
    merges = [tuple(merge) if not isinstance(merge, str) else tuple(merge.split(" ")) for merge in model["merges"]]
    clash = {"".join(merge) for merge in merges} & set(config.specials)
    if clash:
        raise ConfigError(
            f"The special tokens {sorted(clash)} also occur as words of the corpus.",
            "Choose specials that mix letters and punctuation, such as <s>.",
        )
    vocab = dict(sorted(model["vocab"].items(), key=lambda item: item[1]))
    vocab_json = json.dumps(vocab, ensure_ascii=False, separators=(",", ":")).encode()
    merges_txt = "\n".join([_MERGES_HEADER, *(" ".join(merge) for merge in merges), ""]).encode()
    return TrainedTokenizer(vocab_json, merges_txt, fingerprint(vocab_json, merges_txt), len(vocab))


def fingerprint(vocab_json: bytes, merges_txt: bytes) -> str:
    """SHA-256 (64 hex digits) of both files, one after the other: ``cat vocab merges | sha256sum`` says the same."""
    return hashlib.sha256(vocab_json + merges_txt).hexdigest()


def byte_characters() -> list[str]:
    """The character that stands for each byte 0 to 255 in a vocabulary (GPT-2, ``bytes_to_unicode``).

    Printable characters of Latin-1 stand for themselves; the other bytes take the code points from 256 on.
    """
    shown = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = iter(range(256, 512))
    return [chr(byte if byte in shown else next(hidden)) for byte in range(256)]


def read_files(vocab_json: bytes, merges_txt: bytes) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """The ids of a vocabulary and its merges, lowest rank first.

    Raises:
        ContractError: the files are not that, or an entry that a byte or a merge needs is missing.
    """
    try:
        vocab: dict[str, int] = json.loads(vocab_json)
        pairs = [line.split(" ") for line in merges_txt.decode().split("\n")[1:] if line]
        merges = [(left, right) for left, right in pairs]
    except ValueError as error:
        raise ContractError(f"The tokenizer's files cannot be read: {error}", _HINT) from error
    needed = [UNKNOWN, *byte_characters(), *(name for left, right in merges for name in (left, right, left + right))]
    missing = [name for name in needed if name not in vocab]
    if missing:
        raise ContractError(f"The vocabulary lacks {len(missing)} entries, such as {missing[0]!r}.", _HINT)
    return vocab, merges


def load(vocab_json: bytes, merges_txt: bytes) -> Tokenizer:
    """A tokenizer that encodes any text without loss, does not truncate and adds nothing of its own.

    The special tokens are the entries before the byte alphabet, which is where ``train`` puts them. A special token's
    name in a text is read as plain characters, so no document can smuggle ``</s>`` in.
    ``tokenizers.ByteLevelBPETokenizer`` over the same two files gives the same ids.

    Raises:
        ContractError: the files are not a vocabulary and its merges.
    """
    vocab, merges = read_files(vocab_json, merges_txt)
    try:
        tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token=UNKNOWN))
    except Exception as error:  # the Rust side raises bare Exception
        raise ContractError(f"The tokenizer's files cannot be read: {error}", _HINT) from error
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    first = min(vocab[character] for character in byte_characters())
    specials = [name for name, token_id in vocab.items() if token_id < first]
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in specials])
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    return tokenizer


def held_out_metrics(tokenizer: Tokenizer, texts: Iterable[str]) -> dict[str, Any]:
    """How well a tokenizer does on texts it was not trained on.

    Returns:
        documents, bytes, tokens, ``bytes_per_token`` (higher is better), ``tokens_per_word`` over words split at
        whitespace (fertility: lower is better), ``unknown_tokens`` (a count, 0 for byte-level) and
        ``lossless_share`` of the documents that decode to exactly themselves. Ratios are None without any text.
    """
    unknown = tokenizer.token_to_id(UNKNOWN)
    documents = size = tokens = words = unknowns = lossless = 0
    texts = iter(texts)
    while group := list(islice(texts, 256)):
        ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(group, add_special_tokens=False)]
        documents += len(group)
        size += sum(len(text.encode()) for text in group)
        words += sum(len(text.split()) for text in group)
        tokens += sum(map(len, ids))
        unknowns += sum(int(np.count_nonzero(np.asarray(row) == unknown)) for row in ids)
        decoded = tokenizer.decode_batch(ids, skip_special_tokens=False)
        lossless += sum(text == back for text, back in zip(group, decoded, strict=True))
    return {
        "documents": documents,
        "bytes": size,
        "tokens": tokens,
        "bytes_per_token": size / tokens if tokens else None,
        "tokens_per_word": tokens / words if words else None,
        "unknown_tokens": unknowns,
        "lossless_share": lossless / documents if documents else None,
    }
