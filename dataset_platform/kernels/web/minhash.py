"""MinHash over word 5-grams: shingles, signatures, band keys and the exact Jaccard similarity that verifies a pair.

A document's shingles are the runs of ``ngram`` consecutive words of the shared split, in lower case, punctuation left
out: two copies that differ in case, in quotes or in commas are the same set. What is done with signatures (joins,
clusters) belongs to the engines.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numba
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from dataset_platform.kernels.web import words as w
from dataset_platform.kernels.web.jaccard import Bounds, Hashes, checked_bounds, jaccard, jaccard_of_pairs, sets_of

__all__ = [
    "BANDS",
    "DEFAULT",
    "ROWS",
    "MinHashConfig",
    "band_keys",
    "candidate_probability",
    "jaccard",
    "jaccard_of_pairs",
    "lsh_parameters",
    "shingle_hashes",
    "shingle_sets",
    "shingles",
    "signature",
    "signature_of_shingles",
    "signatures_of",
    "word_hashes",
    "word_hashes_of",
]

Signatures = npt.NDArray[np.uint32]

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)


class MinHashConfig(BaseModel):
    """Parameters of a signature; 112 values over word 5-grams are FineWeb's (arXiv:2406.17557)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ngram: int = Field(default=5, ge=1, description="words per shingle")
    num_perm: int = Field(default=112, ge=1, description="hash values per signature: bands times rows of dedup")
    seed: int = Field(
        default=1, ge=0, description="seed of the hash functions; signatures of different seeds do not compare"
    )


DEFAULT = MinHashConfig()
BANDS, ROWS = 14, 8


@lru_cache(maxsize=8)
def _permutations(num_perm: int, seed: int) -> tuple[Hashes, Hashes]:
    draws = np.random.Generator(np.random.PCG64(seed)).integers(0, 2**64, (2, num_perm), np.uint64, endpoint=False)
    return draws[0] | np.uint64(1), draws[1]


@numba.njit(cache=True, inline="always")
def _mix(value):  # type: ignore[no-untyped-def]
    value ^= value >> np.uint64(33)
    value *= _MIX_1
    value ^= value >> np.uint64(33)
    value *= _MIX_2
    return value ^ (value >> np.uint64(33))


@numba.njit(cache=True)
def _combine(hashes, size, shingles):  # type: ignore[no-untyped-def]
    size = min(size, len(hashes))
    shingles[:] = np.uint64(size)
    # one word of every shingle at a time: a loop over neighbours, which the compiler turns into vector code
    for k in range(size):
        for i in range(len(shingles)):
            shingles[i] = shingles[i] * _MULTIPLIER + hashes[i + k]
    for i in range(len(shingles)):
        shingles[i] = _mix(shingles[i])


@numba.njit(cache=True)
def _combine_all(hashes, bounds, size):  # type: ignore[no-untyped-def]
    starts = np.zeros(len(bounds), np.int64)
    for d in range(len(bounds) - 1):
        starts[d + 1] = starts[d] + max(bounds[d + 1] - bounds[d] - size + 1, 1)
    shingles = np.empty(starts[-1], np.uint64)
    for d in range(len(bounds) - 1):
        _combine(hashes[bounds[d] : bounds[d + 1]], size, shingles[starts[d] : starts[d + 1]])
    return shingles, starts


@numba.njit(cache=True)
def _lower(shingles, multiply, add, lowest):  # type: ignore[no-untyped-def]
    # multiply-shift: the high half of a 64-bit product is a good 32-bit hash, and needs no modulo
    shift, i = np.uint64(32), 0
    # four shingles per pass over the functions: a quarter of the loads and stores of what is lowest so far
    while i + 4 <= len(shingles):
        a, b, c, d = shingles[i], shingles[i + 1], shingles[i + 2], shingles[i + 3]
        for p in range(len(multiply)):
            m, s = multiply[p], add[p]
            hashed = min(min(a * m + s, b * m + s), min(c * m + s, d * m + s))
            lowest[p] = min(lowest[p], np.uint32(hashed >> shift))
        i += 4
    while i < len(shingles):
        for p in range(len(multiply)):
            lowest[p] = min(lowest[p], np.uint32((shingles[i] * multiply[p] + add[p]) >> shift))
        i += 1


@numba.njit(cache=True)
def _signature(shingles, multiply, add):  # type: ignore[no-untyped-def]
    lowest = np.full(len(multiply), 0xFFFFFFFF, np.uint32)
    _lower(shingles, multiply, add, lowest)
    return lowest


@numba.njit(cache=True)
def _signatures(hashes, bounds, size, multiply, add):  # type: ignore[no-untyped-def]
    lowest = np.full((len(bounds) - 1, len(multiply)), 0xFFFFFFFF, np.uint32)
    longest = 0
    for d in range(len(bounds) - 1):
        longest = max(longest, bounds[d + 1] - bounds[d])
    space = np.empty(max(longest, 1), np.uint64)
    for d in range(len(bounds) - 1):
        document = hashes[bounds[d] : bounds[d + 1]]
        shingles = space[: max(len(document) - size + 1, 1)]
        _combine(document, size, shingles)
        _lower(shingles, multiply, add, lowest[d])
    return lowest


@numba.njit(cache=True)
def _band_keys(signatures, bands, rows):  # type: ignore[no-untyped-def]
    keys = np.empty((len(signatures), bands), np.uint64)
    for i in range(len(signatures)):
        for band in range(bands):
            key = _mix(np.uint64(band + 1) * _MULTIPLIER)
            for row in range(rows):
                key = _mix(key ^ np.uint64(signatures[i, band * rows + row])) + _MULTIPLIER
            keys[i, band] = key
    return keys


def word_hashes(words: w.Words) -> Hashes:
    """Hashes of the lower-case words of a split, pure punctuation left out, in order."""
    return words.folded


def shingle_hashes(hashes: Hashes, ngram: int = DEFAULT.ngram) -> Hashes:
    """64-bit hash of every run of ``ngram`` words, in order, repeats included.

    Fewer words than ``ngram`` make one shingle of all of them; so does no word at all.
    """
    shingles = np.empty(max(len(hashes) - ngram + 1, 1), np.uint64)
    _combine(hashes, ngram, shingles)
    return shingles


def shingles(text: str, config: MinHashConfig = DEFAULT) -> Hashes:
    """The text's shingle set as a sorted array without repeats."""
    return shingle_sets([text], config)[0]


def word_hashes_of(texts: Iterable[str]) -> tuple[Hashes, Bounds]:
    """``word_hashes`` of many texts: all of them in one array, and where each text's begin and end.

    Returns:
        hashes: of all texts, in their order.
        bounds: of shape (texts + 1,); those of text ``i`` are ``hashes[bounds[i]:bounds[i + 1]]``.
    """
    parts = [word_hashes(w.split(text)) for text in texts]
    bounds = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=bounds[1:])
    return np.concatenate([*parts, np.empty(0, np.uint64)]), bounds


def shingle_sets(texts: Iterable[str], config: MinHashConfig = DEFAULT) -> tuple[Hashes, Bounds]:
    """Shingle sets of many texts, each sorted and without repeats, in one array with bounds (see ``word_hashes_of``)."""
    return sets_of(*_combine_all(*word_hashes_of(texts), config.ngram))


def signature_of_shingles(shingle_set: Hashes, config: MinHashConfig = DEFAULT) -> Signatures:
    """MinHash values, uint32 of shape (num_perm,), of shingles in any order, repeats allowed.

    Raises:
        ValueError: there is no shingle; a set without members has no minimum.
    """
    if len(shingle_set) == 0:
        raise ValueError("a signature needs at least one shingle")
    return _signature(shingle_set, *_permutations(config.num_perm, config.seed))


def signature(hashes: Hashes, config: MinHashConfig = DEFAULT) -> Signatures:
    """MinHash values, uint32 of shape (num_perm,), of a document's word hashes (see ``word_hashes``)."""
    return signature_of_shingles(shingle_hashes(hashes, config.ngram), config)


def signatures_of(hashes: Hashes, bounds: Bounds, config: MinHashConfig = DEFAULT) -> Signatures:
    """Signatures of many documents in one call, uint32 of shape (documents, num_perm).

    Args:
        hashes: word hashes of all documents (see ``word_hashes``), one document after the other.
        bounds: of shape (documents + 1,); document ``i`` is ``hashes[bounds[i]:bounds[i + 1]]``.

    Raises:
        ValueError: the bounds are not ascending or go beyond the hashes.
    """
    bounds = checked_bounds(bounds, len(hashes))
    return _signatures(hashes, bounds, config.ngram, *_permutations(config.num_perm, config.seed))


def band_keys(signatures: Signatures, bands: int = BANDS, rows: int = ROWS) -> Hashes:
    """64-bit key of every band, shape (n, bands); keys of different bands never meet but by chance.

    Args:
        signatures: uint32 of shape (n, num_perm); columns beyond ``bands * rows`` are not used.

    Raises:
        ValueError: the signatures are no matrix, or too short for the bands.
    """
    if signatures.ndim != 2 or signatures.shape[1] < bands * rows:
        raise ValueError(f"signatures of shape {signatures.shape} hold no {bands} bands of {rows} rows")
    return _band_keys(np.ascontiguousarray(signatures, np.uint32), bands, rows)


def candidate_probability(similarity: float, bands: int = BANDS, rows: int = ROWS) -> float:
    """Chance that a pair of this Jaccard similarity shares a band: 1 - (1 - s^rows)^bands."""
    return float(1.0 - (1.0 - similarity**rows) ** bands)


def lsh_parameters(threshold: float, num_perm: int) -> tuple[int, int]:
    """Bands and rows that datasketch finds best for a threshold: least false positives plus false negatives."""
    from datasketch import MinHashLSH  # here, because it loads scipy, which loading the definitions need not wait for

    lsh = MinHashLSH(threshold=threshold, num_perm=num_perm)
    return lsh.b, lsh.r
