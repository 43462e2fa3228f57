"""Token ids and character offsets of whole Arrow columns, as HF tokenizers gives them, without an object per token.

The rules are HF's: words by GPT-2's pattern (``pre_tokenizers.ByteLevel``), then merges by lowest rank, leftmost first
(``models.BPE``). What a code point is to the pattern (letter, number, space or neither) is asked of HF itself, 256 code
points at a time as they turn up, so that both always speak of the same Unicode version.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tokenizers import pre_tokenizers

from dataset_platform.errors import ContractError
from dataset_platform.kernels.tokens import bpe, scanning

_PRE_TOKENIZER = pre_tokenizers.ByteLevel(add_prefix_space=False)
_SAMPLES = {scanning.LETTER: "a", scanning.NUMBER: "1", scanning.OTHER: "!"}
_CODE_POINTS = 0x110000
_BLOCK = 256
_SURROGATES = range(0xD800, 0xE000)  # never in UTF-8
_CLASSES = np.zeros(_CODE_POINTS, np.uint8)  # what this process has found out so far
_CACHE_SLOTS = 2**17  # of 32 bytes; at most half are taken
_ARENA_BYTES = 2**22
_POOL_IDS = 2**20


@dataclass(frozen=True, slots=True)
class Encoded:
    """Tokens of a column of texts, all int32.

    Attributes:
        bounds: shape (texts + 1,); the tokens of text i are ``bounds[i]`` to ``bounds[i + 1]``.
        ids: shape (tokens,).
        spans: shape (tokens, 2); [start, end) of each token in characters of its own text.
    """

    bounds: npt.NDArray[np.int32]
    ids: npt.NDArray[np.int32]
    spans: npt.NDArray[np.int32]


class Encoder:
    """Byte-level BPE over string columns; holds about 15 MB, whatever it has encoded.

    Words it has met are remembered with their ids; what is remembered shows in the speed only.
    """

    def __init__(self, vocab_json: bytes, merges_txt: bytes) -> None:
        """Read the two files of a tokenizer.

        Raises:
            ContractError: the files are not a vocabulary with the byte alphabet and its merges.
        """
        vocab, merges = bpe.read_files(vocab_json, merges_txt)
        self._byte_ids = np.array([vocab[character] for character in bpe.byte_characters()], np.int32)
        self._lengths = np.zeros(max(vocab.values()) + 1, np.int64)
        self._lengths[np.fromiter(vocab.values(), np.int64, len(vocab))] = np.fromiter(map(len, vocab), np.int64)
        count = len(merges)
        lefts = np.fromiter((vocab[left] for left, _ in merges), np.int64, count)
        rights = np.fromiter((vocab[right] for _, right in merges), np.int64, count)
        made = np.fromiter((vocab[left + right] for left, right in merges), np.int64, count)
        self._made = made.astype(np.int32)  # by rank
        slots = 2 ** max(8, int(4 * count).bit_length())  # at most a quarter taken: most look-ups find nothing
        self._keys = np.full(slots, scanning.ABSENT, np.uint64)
        self._found = np.empty(slots, np.int64)
        self._maybe = np.zeros(2**scanning.FILTER_BITS // 64, np.uint64)
        scanning.fill_pairs(lefts, rights, np.arange(count) << 32 | made, self._keys, self._found, self._maybe)
        self._slots = np.zeros((_CACHE_SLOTS, 4), np.uint64)
        self._arena = np.empty(_ARENA_BYTES, np.uint8)
        self._pool = np.empty(_POOL_IDS, np.int32)
        self._used = np.zeros(3, np.int64)

    def __call__(self, texts: pa.Array) -> Encoded:
        """Encode a string column without nulls.

        Raises:
            ContractError: the column's bytes are not UTF-8.
        """
        data, text_bounds = _bytes_of(texts)
        bounds = np.zeros(len(text_bounds), np.int32)
        # a token has at least one byte; pages of these that are never written cost nothing
        ids, spans = np.empty(len(data), np.int32), np.empty(2 * len(data), np.int32)
        row = count = 0
        while True:
            row, count = scanning.encode_rows(
                data,
                text_bounds,
                row,
                count,
                _CLASSES,
                self._byte_ids,
                self._lengths,
                self._keys,
                self._found,
                self._maybe,
                self._made,
                self._slots,
                self._arena,
                self._pool,
                self._used,
                ids,
                spans,
                bounds[1:],
            )
            if row == len(texts):
                return Encoded(bounds, ids[:count].copy(), spans[: 2 * count].reshape(-1, 2).copy())
            _learn_classes(data)


def classes_of(points: range) -> npt.NDArray[np.uint8]:
    """The classes of ``scanning`` for code points other than surrogates, as HF's own pre-tokenizer has them.

    Python's Unicode tables say what to expect; HF is then asked once a class whether it parts no two of those points.
    Where it does (it may know another version of Unicode), it is asked point by point.
    """
    kinds = np.fromiter(map(_expected, points), np.uint8, len(points))
    runs = [(kind, "".join(chr(points[i]) for i in np.flatnonzero(kinds == kind))) for kind in _SAMPLES]
    if any(len(_PRE_TOKENIZER.pre_tokenize_str(_SAMPLES[kind] + run)) > 1 for kind, run in runs):
        return _asked(points)
    spaces = np.flatnonzero(kinds == scanning.SPACE)
    if len(spaces):
        kinds[spaces] = _asked([points[i] for i in spaces])
    return kinds


def _expected(point: int) -> int:
    category = unicodedata.category(chr(point))
    if category[0] == "L":
        return scanning.LETTER
    if category[0] == "N":
        return scanning.NUMBER
    return scanning.SPACE if chr(point).isspace() else scanning.OTHER


def _asked(points: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Each point stands after a letter, a digit and a mark.

    It is of the class of the one it is not parted from, and a space when it is parted from all three.
    """
    text = "".join(f"a{point}1{point}!{point}" for point in map(chr, points))
    starts = np.zeros(len(text) + 1, np.bool_)
    starts[[start for _, (start, _) in _PRE_TOKENIZER.pre_tokenize_str(text)]] = True
    parted = starts[:-1].reshape(-1, 6)[:, 1::2]
    joined_to = np.argmin(parted, axis=1)
    kinds = np.array(list(_SAMPLES), np.uint8)[joined_to]
    kinds[parted.all(axis=1)] = scanning.SPACE
    return kinds


def _learn_classes(data: npt.NDArray[np.uint8]) -> None:
    """Find out the classes of all code points of ``data`` whose block is new to this process."""
    seen = np.zeros(_CODE_POINTS // _BLOCK, np.bool_)
    scanning.mark_blocks(data, seen)
    known = _CLASSES[::_BLOCK] != 0
    for block in np.flatnonzero(seen & ~known).tolist():
        points = range(block * _BLOCK, (block + 1) * _BLOCK)
        if points[0] not in _SURROGATES:
            _CLASSES[points.start : points.stop] = classes_of(points)


@lru_cache(maxsize=2)
def encoder_of(vocab_json: bytes, merges_txt: bytes) -> Encoder:
    """The process's encoder for these files: tasks that follow each other on a worker share what it has learnt."""
    return Encoder(vocab_json, merges_txt)


def _bytes_of(texts: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """UTF-8 bytes of a string array without nulls, and where its rows begin and end in them."""
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid as error:
        raise ContractError(f"A text is not UTF-8: {error}", "Materialize the day's corpus again.") from error
    _, offsets, content = texts.buffers()
    bounds = np.zeros(1, np.int64)
    if len(texts):
        bounds = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    data = np.frombuffer(content or b"", np.uint8)[bounds[0] : bounds[-1]]
    data.flags.writeable = False  # whoever owns the buffer: numba compiles anew for each kind of array
    return data, bounds - bounds[0]
