"""Band keys as the index holds them: what goes in comes out, 6 bytes a band, equal where the bands are."""

import numpy as np
import pyarrow as pa
import pytest

from dataset_platform.kernels.web import band_keys, minhash
from dataset_platform.kernels.web.duplicates import DedupConfig


def column(signatures: np.ndarray) -> pa.Array:
    return pa.array([row.astype("<u4").tobytes() for row in signatures], pa.binary())


@pytest.mark.parametrize("bands", [1, 10, 14, 56])
def test_keys_come_out_as_they_went_in(bands: int) -> None:
    keys = np.random.default_rng(bands).integers(0, 2**48, (9, bands), np.uint64)
    packed = band_keys.pack(keys)
    assert {len(value) for value in packed.to_pylist()} == {6 * bands}
    assert np.array_equal(band_keys.unpack(packed, bands), keys)
    assert np.array_equal(band_keys.unpack(pa.chunked_array([packed[:4], packed[4:]]), bands), keys)
    assert band_keys.unpack(band_keys.pack(keys[:0]), bands).shape == (0, bands)


def test_documents_share_a_key_where_they_share_a_band() -> None:
    config = DedupConfig()
    signatures = np.random.default_rng(1).integers(0, 2**32, (2, 112), np.uint64).astype(np.uint32)
    signatures[1, 16:24] = signatures[0, 16:24]
    signatures[1, 40:47] = signatures[0, 40:47]  # seven of eight are no band
    first, second = band_keys.of_signatures(column(signatures), config.bands, config.rows)
    assert np.flatnonzero(first == second).tolist() == [2]
    whole = minhash.band_keys(signatures)[0]
    assert np.array_equal(first, whole & np.uint64(2**48 - 1))
    assert band_keys.of_signatures(column(signatures[:0]), 14, 8).shape == (0, 14)


def test_keys_of_other_bands_are_refused() -> None:
    packed = band_keys.pack(np.zeros((3, 14), np.uint64))
    with pytest.raises(ValueError, match="3 documents of 10 bands take 180 bytes, not 252"):
        band_keys.unpack(packed, 10)
