"""A second, slow reader of TFRecord files, written from the format's description, to judge the real one by."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from dataset_platform.kernels.driving.tfrecord import compression_of


def _table() -> list[int]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE = _table()


def masked_crc(content: bytes) -> int:
    """Bytewise CRC-32C (reflected polynomial 0x82F63B78), masked."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 255]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) % (1 << 32)


def frame(payload: bytes, length: int | None = None) -> bytes:
    """A record; with ``length`` one that lies about its length under a right checksum."""
    head = struct.pack("<Q", len(payload) if length is None else length)
    return head + struct.pack("<I", masked_crc(head)) + payload + struct.pack("<I", masked_crc(payload))


class Seen(NamedTuple):
    """A record (its kind is ``good``) or a break."""

    offset: int
    kind: str
    payload: bytes | None


def plain_bytes(content: bytes) -> tuple[bytes, str | None]:
    """What can be decompressed, byte by byte, and the kind of break at its end."""
    kind = compression_of(content[:12])
    if kind == "none":
        return content, None
    plain = bytearray()
    at = 0
    while True:
        inflater = zlib.decompressobj(31 if kind == "gzip" else 15)
        while not inflater.eof:
            if at == len(content):
                return bytes(plain), "truncated"
            try:
                plain += inflater.decompress(content[at : at + 1])
            except zlib.error:
                return bytes(plain), "compression"
            at += 1
        while kind == "gzip" and at < len(content) and content[at] == 0:
            at += 1
        if at == len(content):
            return bytes(plain), None
        if kind == "zlib":
            return bytes(plain), "compression"


def records(content: bytes, max_record_bytes: int) -> list[Seen]:
    """Every record and break of a file, in order."""
    plain, damage = plain_bytes(content)
    seen: list[Seen] = []
    at = 0
    while at < len(plain) or damage:
        if len(plain) - at < 12:
            return [*seen, Seen(at, damage or "truncated", None)]
        length, crc = struct.unpack_from("<QI", plain, at)
        if masked_crc(plain[at : at + 8]) != crc:
            return [*seen, Seen(at, "length_crc", None)]
        if length > max_record_bytes:
            return [*seen, Seen(at, "too_long", None)]
        if len(plain) - at < length + 16:
            return [*seen, Seen(at, damage or "truncated", None)]
        payload = plain[at + 12 : at + 12 + length]
        good = masked_crc(payload) == struct.unpack_from("<I", plain, at + 12 + length)[0]
        seen.append(Seen(at, "good", payload) if good else Seen(at, "data_crc", None))
        at += length + 16
    return seen
