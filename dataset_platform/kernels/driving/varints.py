"""Base-128 numbers as protocol buffers store them, written by compiled code."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True)
def pack_ints(values, packed):  # type: ignore[no-untyped-def]
    """Write numbers as varints, negative ones as ten bytes; returns the bytes used.

    Args:
        values: [n] int64.
        packed: [10 n] uint8, room for the longest outcome.
    """
    at = 0
    for k in range(len(values)):
        left = np.uint64(values[k])
        while left >= np.uint64(128):
            packed[at] = np.uint8((left & np.uint64(127)) | np.uint64(128))
            left >>= np.uint64(7)
            at += 1
        packed[at] = np.uint8(left)
        at += 1
    return at
