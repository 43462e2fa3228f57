"""MinHash over word 5-grams: shingles, signatures, band keys and the exact Jaccard similarity that verifies a pair.

A document's shingles are the runs of ``ngram`` consecutive words of the shared split, in lower case, punctuation left
out: two copies that differ in case, in quotes or in commas are the same set. What is done with signatures (joins,
clusters) belongs to the engines.
"""

from __future__ import annotations

from functools import lru_cache

import numba
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from dataset_platform.kernels.web import words as w

Signatures = npt.NDArray[np.uint32]
Hashes = npt.NDArray[np.uint64]

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
def _combine(hashes, size):  # type: ignore[no-untyped-def]
    count = max(len(hashes) - size + 1, 1)
    size = min(size, len(hashes))
    shingles = np.empty(count, np.uint64)
    for i in range(count):
        value = np.uint64(size)
        for k in range(i, i + size):
            value = value * _MULTIPLIER + hashes[k]
        shingles[i] = _mix(value)
    return shingles


@numba.njit(cache=True)
def _signature(shingles, multiply, add):  # type: ignore[no-untyped-def]
    # multiply-shift: the high half of a 64-bit product is a good 32-bit hash, and needs no modulo
    lowest = np.full(len(multiply), 0xFFFFFFFF, np.uint32)
    for i in range(len(shingles)):
        value = shingles[i]
        for p in range(len(multiply)):
            hashed = np.uint32((value * multiply[p] + add[p]) >> np.uint64(32))
            lowest[p] = min(lowest[p], hashed)
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


@numba.njit(cache=True)
def _shared(a, b):  # type: ignore[no-untyped-def]
    i, j, shared = 0, 0, 0
    while i < len(a) and j < len(b):
        if a[i] == b[j]:
            shared += 1
            i += 1
            j += 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    return shared


def word_hashes(words: w.Words) -> Hashes:
    """Hashes of the lower-case words of a split, pure punctuation left out, in order."""
    return words.folded[(words.flags & w.PUNCTUATION) == 0]


def shingle_hashes(hashes: Hashes, ngram: int = DEFAULT.ngram) -> Hashes:
    """64-bit hash of every run of ``ngram`` words, in order, repeats included.

    Fewer words than ``ngram`` make one shingle of all of them; so does no word at all.
    """
    return _combine(hashes, ngram)


def shingles(text: str, config: MinHashConfig = DEFAULT) -> Hashes:
    """The text's shingle set as a sorted array without repeats."""
    return np.unique(shingle_hashes(word_hashes(w.split(text)), config.ngram))


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


def jaccard(shingles_a: Hashes, shingles_b: Hashes) -> float:
    """Shared over all members of two sets, given as sorted arrays without repeats; 1 for two empty sets."""
    shared = int(_shared(shingles_a, shingles_b))
    union = len(shingles_a) + len(shingles_b) - shared
    return shared / union if union else 1.0


def candidate_probability(similarity: float, bands: int = BANDS, rows: int = ROWS) -> float:
    """Chance that a pair of this Jaccard similarity shares a band: 1 - (1 - s^rows)^bands."""
    return float(1.0 - (1.0 - similarity**rows) ** bands)


def lsh_parameters(threshold: float, num_perm: int) -> tuple[int, int]:
    """Bands and rows that datasketch finds best for a threshold: least false positives plus false negatives."""
    from datasketch import MinHashLSH  # here, because it loads scipy, which loading the definitions need not wait for

    lsh = MinHashLSH(threshold=threshold, num_perm=num_perm)
    return lsh.b, lsh.r
