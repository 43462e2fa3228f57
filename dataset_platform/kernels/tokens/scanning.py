"""Compiled kernels of the encoder: words out of UTF-8 bytes, token ids out of words, and spans in characters.

They stand in one file because numba's cache notices changes of a kernel's own file only. The rules are those of GPT-2
as HF tokenizers applies them (``pre_tokenizers.ByteLevel`` and ``models.BPE``); what the arrays hold is written down in
``encoder.py``, which owns them.
"""

from __future__ import annotations

import numba
import numpy as np

# classes of code points; 0 means that the class has not been asked for yet
LETTER, NUMBER, SPACE, OTHER = 1, 2, 3, 4

ABSENT = np.uint64(0xFFFFFFFFFFFFFFFF)  # an empty slot of the pair table; no pair of ids has this key
NO_RANK = np.int64(0x7FFFFFFFFFFFFFFF)
PACKED_BYTES = 16  # words up to this length are their own key
CACHED_BYTES = 256  # longer words are merged anew each time, so that the cache's memory has a bound
SHORT_WORD = 40  # bytes up to which looking through all pairs for the lowest beats a tree (measured)
FILTER_BITS = 20  # 128 kB: most pairs that no merge has end there, in the core's own cache
FAN_BITS = 4
FAN = 1 << FAN_BITS  # children of a node of that tree: a few vectors
ENTRIES, ARENA, POOL = 0, 1, 2  # what ``used`` counts

_PRIME_1 = np.uint64(0x9E3779B97F4A7C15)
_PRIME_2 = np.uint64(0xC2B2AE3D27D4EB4F)
_LOW = np.int64(0xFFFFFFFF)


@numba.njit(cache=True, inline="always")
def _class_at(data, i, classes):  # type: ignore[no-untyped-def]
    """Class and width in bytes of the code point at byte i."""
    byte = np.int64(data[i])
    if byte < 0x80:
        return classes[byte], 1
    if byte < 0xE0:
        return classes[(byte & 0x1F) << 6 | (data[i + 1] & 0x3F)], 2
    if byte < 0xF0:
        return classes[(byte & 0x0F) << 12 | (np.int64(data[i + 1]) & 0x3F) << 6 | (data[i + 2] & 0x3F)], 3
    high = (byte & 0x07) << 18 | (np.int64(data[i + 1]) & 0x3F) << 12
    return classes[high | (np.int64(data[i + 2]) & 0x3F) << 6 | (data[i + 3] & 0x3F)], 4


@numba.njit(cache=True)
def _word_end(data, i, end, classes):  # type: ignore[no-untyped-def]
    """End of the word that begins at byte i: the first branch of GPT-2's pattern that matches there; -1 if unknown.

    's|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+
    """
    first = data[i]
    if first == 39 and i + 1 < end:
        second = data[i + 1]
        if second == 115 or second == 116 or second == 109 or second == 100:  # s t m d
            return i + 2
        if i + 2 < end:
            third = data[i + 2]
            if ((second == 114 or second == 118) and third == 101) or (second == 108 and third == 108):  # re ve ll
                return i + 3
    kind, width = _class_at(data, i, classes)
    j = i + width
    if first == 32 and j < end:
        after, width = _class_at(data, j, classes)
        if after == 0:
            return -1
        if after != SPACE:
            kind = after
            j += width
    if kind == 0:
        return -1
    last = i
    while j < end:
        after, width = _class_at(data, j, classes)
        if after == 0:
            return -1
        if after != kind:
            break
        last = j
        j += width
    # a run of spaces leaves its last one to the word that follows, unless it is the only one or nothing follows
    return last if kind == SPACE and j < end and last > i else j


@numba.njit(cache=True)
def mark_blocks(data, seen):  # type: ignore[no-untyped-def]
    """Mark the blocks of 256 code points that occur in valid UTF-8; ``seen`` is a boolean array of 0x1100."""
    for i in range(len(data)):
        byte = np.int64(data[i])
        if byte < 0x80:
            seen[0] = True
        elif byte < 0xC0:
            continue
        elif byte < 0xE0:
            seen[(byte & 0x1F) >> 2] = True
        elif byte < 0xF0:
            seen[(byte & 0x0F) << 4 | (data[i + 1] & 0x3F) >> 2] = True
        else:
            seen[(byte & 0x07) << 10 | (np.int64(data[i + 1]) & 0x3F) << 4 | (data[i + 2] & 0x3F) >> 2] = True


@numba.njit(cache=True, inline="always")
def _mixed(key):  # type: ignore[no-untyped-def]
    return (key ^ (key >> np.uint64(29))) * _PRIME_1


@numba.njit(cache=True, inline="always")
def _pair_slot(key, mask):  # type: ignore[no-untyped-def]
    key = _mixed(key)
    return np.int64((key ^ (key >> np.uint64(32))) & mask)


@numba.njit(cache=True)
def fill_pairs(lefts, rights, values, keys, found, maybe):  # type: ignore[no-untyped-def]
    """Put merges into the pair table and its filter; a pair that comes twice keeps its last value."""
    mask = np.uint64(len(keys) - 1)
    for n in range(len(lefts)):
        key = np.uint64(lefts[n]) << np.uint64(32) | np.uint64(rights[n])
        bit = _mixed(key) >> np.uint64(64 - FILTER_BITS)
        maybe[bit >> np.uint64(6)] |= np.uint64(1) << (bit & np.uint64(63))
        slot = _pair_slot(key, mask)
        while keys[slot] != ABSENT and keys[slot] != key:
            slot = (slot + 1) & np.int64(mask)
        keys[slot] = key
        found[slot] = values[n]


@numba.njit(cache=True, inline="always")
def _merge_of(left, right, keys, found, maybe):  # type: ignore[no-untyped-def]
    """Rank (high half) and token (low half) of a pair, or NO_RANK."""
    key = np.uint64(left) << np.uint64(32) | np.uint64(right)
    bit = _mixed(key) >> np.uint64(64 - FILTER_BITS)
    if not (maybe[bit >> np.uint64(6)] >> (bit & np.uint64(63))) & np.uint64(1):
        return NO_RANK
    mask = np.uint64(len(keys) - 1)
    slot = _pair_slot(key, mask)
    while keys[slot] != ABSENT:
        if keys[slot] == key:
            return found[slot]
        slot = (slot + 1) & np.int64(mask)
    return NO_RANK


@numba.njit(cache=True)
def _merge_short(data, a, b, byte_ids, keys, found, maybe, merges, ids, at):  # type: ignore[no-untyped-def]
    """Merge the lowest rank, leftmost first, until none is left; ids go to ``ids[at:]``. Returns their number."""
    size = b - a
    for k in range(size):
        ids[at + k] = byte_ids[data[a + k]]
    for k in range(size - 1):
        merges[k] = _merge_of(ids[at + k], ids[at + k + 1], keys, found, maybe)
    while size > 1:
        best, place = NO_RANK, 0
        for k in range(size - 1):
            if merges[k] < best:
                best, place = merges[k], k
        if best == NO_RANK:
            break
        ids[at + place] = np.int32(best & _LOW)
        size -= 1
        for k in range(place + 1, size):
            ids[at + k] = ids[at + k + 1]
            merges[k - 1] = merges[k]
        if place > 0:
            merges[place - 1] = _merge_of(ids[at + place - 1], ids[at + place], keys, found, maybe)
        if place < size - 1:
            merges[place] = _merge_of(ids[at + place], ids[at + place + 1], keys, found, maybe)
    return size


@numba.njit(cache=True, inline="always")
def _least(tree, a):  # type: ignore[no-untyped-def]
    least = tree[a]
    for k in range(a + 1, a + FAN):
        least = min(least, tree[k])
    return least


@numba.njit(cache=True, inline="always")
def _rise(tree, starts, levels, place):  # type: ignore[no-untyped-def]
    """After a change of leaves in the block of ``place``: the nodes above it, as far as they change."""
    for level in range(levels - 1):
        place >>= FAN_BITS
        least = _least(tree, starts[level] + (place << FAN_BITS))
        node = starts[level + 1] + place
        if tree[node] == least:
            break
        tree[node] = least


@numba.njit(cache=True)
def _merge_long(data, a, b, byte_ids, keys, found, maybe, made, ids, at):  # type: ignore[no-untyped-def]
    """As ``_merge_short``, in n log n: the lowest (rank, place) is the root of a tree of minima over a linked list."""
    size = b - a
    starts = np.empty(16, np.int64)  # of each level of the tree
    levels, total, width = 0, 0, size
    while True:
        width = (width + FAN - 1) >> FAN_BITS
        starts[levels] = total
        total += width << FAN_BITS
        levels += 1
        if width == 1:
            break
    tree = np.full(total, NO_RANK)
    links = np.empty((3, size), np.int32)
    symbols, before, after = links[0], links[1], links[2]
    for k in range(size):
        symbols[k] = byte_ids[data[a + k]]
        before[k] = k - 1
        after[k] = k + 1
    for k in range(size - 1):
        merge = _merge_of(symbols[k], symbols[k + 1], keys, found, maybe)
        if merge != NO_RANK:
            tree[k] = (merge & ~_LOW) | k
    for level in range(levels - 1):
        for k in range((starts[level + 1] - starts[level]) >> FAN_BITS):
            tree[starts[level + 1] + k] = _least(tree, starts[level] + (k << FAN_BITS))
    while True:
        top = _least(tree, starts[levels - 1])
        if top == NO_RANK:
            break
        k = top & _LOW
        gone = np.int64(after[k])
        symbols[k] = made[top >> 32]
        following = np.int64(after[gone])
        after[k] = following
        tree[gone] = NO_RANK
        tree[k] = NO_RANK
        if following < size:
            before[following] = k
            merge = _merge_of(symbols[k], symbols[following], keys, found, maybe)
            if merge != NO_RANK:
                tree[k] = (merge & ~_LOW) | k
        place = np.int64(before[k])
        if place >= 0:
            merge = _merge_of(symbols[place], symbols[k], keys, found, maybe)
            tree[place] = NO_RANK if merge == NO_RANK else (merge & ~_LOW) | place
            if place >> FAN_BITS != k >> FAN_BITS:
                _rise(tree, starts, levels, place)
        _rise(tree, starts, levels, k)
        if gone >> FAN_BITS != k >> FAN_BITS:
            _rise(tree, starts, levels, gone)
    count, place = 0, np.int64(0)
    while place < size:
        ids[at + count] = symbols[place]
        count += 1
        place = np.int64(after[place])
    return count


@numba.njit(cache=True, inline="always")
def _key(data, a, b):  # type: ignore[no-untyped-def]
    """A word's key in two numbers, and its characters: its bytes when they fit, else a 64-bit hash and 0."""
    low, high = np.uint64(0), np.uint64(0)
    characters = 0
    for i in range(a, min(a + 8, b)):
        low = low << np.uint64(8) | np.uint64(data[i])
        characters += (data[i] & 0xC0) != 0x80
    for i in range(a + 8, min(a + 16, b)):
        high = high << np.uint64(8) | np.uint64(data[i])
        characters += (data[i] & 0xC0) != 0x80
    if b - a > PACKED_BYTES:
        low = (low ^ (high * _PRIME_2)) * _PRIME_1
        for i in range(a + 16, b):
            low = (low ^ np.uint64(data[i])) * _PRIME_1
            low ^= low >> np.uint64(29)
            characters += (data[i] & 0xC0) != 0x80
        high = np.uint64(0)
    return low, high, characters


@numba.njit(cache=True, inline="always")
def _word_slot(low, high, size, mask):  # type: ignore[no-untyped-def]
    value = (low ^ (low >> np.uint64(32)) ^ np.uint64(size)) * _PRIME_1
    value ^= (high ^ (high >> np.uint64(31))) * _PRIME_2
    return np.int64((value ^ (value >> np.uint64(32))) & mask)


@numba.njit(cache=True)
def _find(data, a, b, low, high, slots, arena):  # type: ignore[no-untyped-def]
    """Slot of a word, or the empty slot where it belongs. Words are compared byte by byte, never by hash alone."""
    size = b - a
    mask = np.uint64(len(slots) - 1)
    slot = _word_slot(low, high, size, mask)
    while slots[slot, 3] != 0:
        if slots[slot, 0] == low and np.int64(slots[slot, 3] >> np.uint64(32)) == size:
            if size <= PACKED_BYTES:
                if slots[slot, 1] == high:
                    return slot
            else:
                start = np.int64(slots[slot, 1])
                k = 0
                while k < size and arena[start + k] == data[a + k]:
                    k += 1
                if k == size:
                    return slot
        slot = (slot + 1) & np.int64(mask)
    return slot


@numba.njit(cache=True)
def _remember(data, a, b, low, high, slot, ids, at, count, slots, arena, pool, used):  # type: ignore[no-untyped-def]
    """Put a word into the cache; a full cache is emptied first, which shows in the speed alone."""
    size = b - a
    longer = size > PACKED_BYTES
    full = used[ENTRIES] * 2 >= len(slots) or used[POOL] + count > len(pool)
    if full or (longer and used[ARENA] + size > len(arena)):
        slots[:] = 0
        used[:] = 0
        slot = _word_slot(low, high, size, np.uint64(len(slots) - 1))
    slots[slot, 0] = low
    slots[slot, 1] = high
    if longer:
        slots[slot, 1] = np.uint64(used[ARENA])
        for k in range(size):
            arena[used[ARENA] + k] = data[a + k]
        used[ARENA] += size
    if count == 1:
        slots[slot, 2] = np.uint64(ids[at])
    else:
        slots[slot, 2] = np.uint64(used[POOL])
        for k in range(count):
            pool[used[POOL] + k] = ids[at + k]
        used[POOL] += count
    slots[slot, 3] = np.uint64(size) << np.uint64(32) | np.uint64(count)
    used[ENTRIES] += 1


@numba.njit(cache=True)
def _spans(data, a, ids, at, count, character, lengths, spans):  # type: ignore[no-untyped-def]
    """[start, end) in characters of each token of a word that begins at byte a.

    A token that holds only part of a character's bytes is given the whole character, as HF does.
    """
    for k in range(at, at + count):
        end = a + lengths[ids[k]]
        spans[2 * k] = character - ((data[a] & 0xC0) == 0x80)
        for i in range(a, end):
            character += (data[i] & 0xC0) != 0x80
        spans[2 * k + 1] = character
        a = end


@numba.njit(cache=True)
def encode_rows(  # type: ignore[no-untyped-def]
    data,
    bounds,
    first,
    at,
    classes,
    byte_ids,
    lengths,
    keys,
    found,
    maybe,
    made,
    slots,
    arena,
    pool,
    used,
    ids,
    spans,
    row_ends,
):
    """Encode rows from ``first`` on; ids go to ``ids[at:]``, spans to ``spans[2 * at:]``, ends of rows to ``row_ends``.

    Returns:
        the row it stopped at and the ids written before it. It stops early at a row with a code point of unknown class.
    """
    merges = np.empty(SHORT_WORD, np.int64)
    for row in range(first, len(bounds) - 1):
        a, end = bounds[row], bounds[row + 1]
        begun, character = at, 0
        while a < end:
            b = _word_end(data, a, end, classes)
            if b < 0:
                return row, begun
            low, high, characters = _key(data, a, b)
            slot, count = np.int64(0), np.int64(0)
            if b - a <= CACHED_BYTES:
                slot = _find(data, a, b, low, high, slots, arena)
                count = np.int64(slots[slot, 3] & np.uint64(0xFFFFFFFF))
            if count == 1:
                ids[at] = np.int32(slots[slot, 2])
            elif count:
                start = np.int64(slots[slot, 2])
                for k in range(count):
                    ids[at + k] = pool[start + k]
            else:
                if b - a <= SHORT_WORD:
                    count = _merge_short(data, a, b, byte_ids, keys, found, maybe, merges, ids, at)
                else:
                    count = _merge_long(data, a, b, byte_ids, keys, found, maybe, made, ids, at)
                if b - a <= CACHED_BYTES:
                    _remember(data, a, b, low, high, slot, ids, at, count, slots, arena, pool, used)
            if count == 1:
                spans[2 * at] = character
                spans[2 * at + 1] = character + characters
            else:
                _spans(data, a, ids, at, count, character, lengths, spans)
            character += characters
            at += count
            a = b
        row_ends[row] = at
    return len(bounds) - 1, at
