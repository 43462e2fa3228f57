"""Seeded draws by identity: every random order or split of the tokens lane is a hash of a name, never a generator.

A hash needs no state, so any worker can draw any row, in any order, and all agree.
"""

from collections.abc import Iterable

import numpy as np
import xxhash

_BITS = 63  # not 64: the keys are stored in signed columns and must sort there as they sort here


def keys(purpose: str, seed: int | np.ndarray, names: Iterable[str]) -> np.ndarray:
    """Uniform keys in [0, 2^63), one per name, by XXH3-64.

    Args:
        purpose: what is drawn ("split", "order" …); draws of different purposes are independent of each other.
        seed: one for all names, or an integer array with one for each.
        names: identities, for example ``doc_id``.

    Returns:
        int64 array, as long as ``names``.
    """
    names = list(names)
    prefix = f"{purpose}:".encode()
    digest = xxhash.xxh3_64_intdigest
    if isinstance(seed, np.ndarray):
        drawn = (digest(prefix + n.encode(), s) >> 1 for n, s in zip(names, seed.tolist(), strict=True))
    else:
        drawn = (digest(prefix + n.encode(), seed) >> 1 for n in names)
    return np.fromiter(drawn, dtype=np.int64, count=len(names))


def below(drawn: np.ndarray, share: float) -> np.ndarray:
    """Boolean mask that is true for ``share`` (0 to 1) of uniform ``keys``."""
    return drawn < int(share * 2**_BITS) if share < 1.0 else np.ones(len(drawn), dtype=bool)
