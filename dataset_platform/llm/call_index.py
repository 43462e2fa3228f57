"""Where each answered call lies in the log, held in about 30 bytes a call instead of a dictionary's 200."""

from __future__ import annotations

from array import array

_OFFSET_BITS, _LENGTH_BITS, _FILE_BITS = 40, 32, 24
MAX_FILES = 1 << _FILE_BITS
_EMPTY = 0


class CallIndex:
    """An open-addressing hash table from 64 bits of a call's key to (file, offset, length).

    Keys are hashes already. Two calls that agree in 64 of their 128 bits would share a place, so whoever reads an answer
    compares the whole key, which the log holds. The last entry of a key wins.
    """

    def __init__(self) -> None:
        self._size = 0
        self._allocate(1 << 10)

    def _allocate(self, slots: int) -> None:
        self._mask = slots - 1
        self._keys = array("Q", bytes(8 * slots))
        self._places = array("Q", bytes(8 * slots))  # file and offset
        self._lengths = array("I", bytes(4 * slots))

    def __len__(self) -> int:
        return self._size

    def get(self, key: str) -> tuple[int, int, int] | None:
        """File, offset and length in bytes of the answer to the call with this key of 32 hex digits."""
        short = _short(key)
        keys, mask = self._keys, self._mask
        slot = short & mask
        while keys[slot] != short:
            if keys[slot] == _EMPTY:
                return None
            slot = (slot + 1) & mask
        place = self._places[slot]
        return place >> _OFFSET_BITS, place & ((1 << _OFFSET_BITS) - 1), self._lengths[slot]

    def put(self, key: str, file: int, offset: int, length: int) -> None:
        """Note where an answer lies."""
        if 3 * (self._size + 1) > 2 * (self._mask + 1):
            self._grow()
        self._size += self._insert(_short(key), file << _OFFSET_BITS | offset, length)

    def _insert(self, short: int, place: int, length: int) -> bool:
        keys, mask = self._keys, self._mask
        slot = short & mask
        while keys[slot] not in (_EMPTY, short):
            slot = (slot + 1) & mask
        new = keys[slot] == _EMPTY
        keys[slot], self._places[slot], self._lengths[slot] = short, place, length
        return new

    def _grow(self) -> None:
        keys, places, lengths = self._keys, self._places, self._lengths
        self._allocate(2 * len(keys))
        for short, place, length in zip(keys, places, lengths, strict=True):
            if short != _EMPTY:
                self._insert(short, place, length)


def _short(key: str) -> int:
    return int(key[:16], 16) or 1  # 0 marks an empty slot
