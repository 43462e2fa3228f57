"""The checksum of TFRecords: CRC-32C (Castagnoli), rotated and shifted so that data which hold their own checksum stay safe.

Source: TensorFlow, "TFRecords format details": ``((crc >> 15) | (crc << 17)) + 0xa282ead8`` modulo 2^32.
"""

from __future__ import annotations

import google_crc32c

_MASK_DELTA = 0xA282EAD8
_LOW_32 = 0xFFFFFFFF


def masked_crc32c(content: bytes) -> int:
    """The masked CRC-32C of these bytes as an unsigned 32-bit number."""
    crc = google_crc32c.value(content)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & _LOW_32
