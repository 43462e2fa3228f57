"""Band keys as the signature index holds them: 48 bits each, all bands of a document in one binary value.

Two documents that share a key are only candidates, which are verified on their texts, so a chance meeting costs one
comparison and decides nothing. At 48 bits and 14 bands, a document meets one of a billion others by chance about once in
1,400 times (14² · 10⁹ / 2⁴⁸).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataset_platform.kernels.web import minhash

KEY_BYTES = 6
Keys = npt.NDArray[np.uint64]
_LOW_BITS = np.uint64(2 ** (8 * KEY_BYTES) - 1)


def of_signatures(minhashes: pa.Array | pa.ChunkedArray, bands: int, rows: int) -> Keys:
    """Keys of shape (n, bands) from a column of MinHash values (uint32, little endian), none of them null."""
    raw = b"".join(minhashes.to_pylist())
    if not raw:
        return np.empty((0, bands), np.uint64)
    signatures = np.frombuffer(raw, dtype="<u4").reshape(len(minhashes), -1)
    keys: Keys = minhash.band_keys(signatures, bands, rows) & _LOW_BITS
    return keys


def pack(keys: Keys) -> pa.Array:
    """One binary value per document, ``KEY_BYTES`` per band, little endian."""
    count, bands = keys.shape
    low = np.ascontiguousarray(keys, "<u8").view(np.uint8).reshape(count, bands, 8)[:, :, :KEY_BYTES]
    width = bands * KEY_BYTES
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), count, [None, pa.py_buffer(low.tobytes())])
    return fixed.cast(pa.binary())


def unpack(packed: pa.Array | pa.ChunkedArray, bands: int) -> Keys:
    """Keys of shape (n, bands) from a column of packed ones, none of them null.

    Raises:
        ValueError: the values do not hold that many bands.
    """
    raw = np.frombuffer(b"".join(packed.to_pylist()), np.uint8)
    if raw.size != len(packed) * bands * KEY_BYTES:
        raise ValueError(
            f"{len(packed)} documents of {bands} bands take {len(packed) * bands * KEY_BYTES} bytes, not {raw.size}"
        )
    padded = np.zeros((len(packed), bands, 8), np.uint8)
    padded[:, :, :KEY_BYTES] = raw.reshape(len(packed), bands, KEY_BYTES)
    keys: Keys = padded.view("<u8").reshape(len(packed), bands)
    return keys
