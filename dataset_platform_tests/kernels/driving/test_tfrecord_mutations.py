"""Thousands of damaged files: no crash, no hang, no silent loss, and every good record before a fatal break is kept."""

from __future__ import annotations

import io
import random
import zlib
from collections import Counter
from itertools import islice

import pytest

from dataset_platform.kernels.driving.example import ExampleError, decode_example, encode_example
from dataset_platform.kernels.driving.tfrecord import BrokenRecord, Record, read_records, scan
from dataset_platform_tests.kernels.driving.tfrecord_oracle import frame, plain_bytes, records

LIMIT = 4096
MUTATIONS = ("flip", "truncate", "delete", "insert", "repeat", "swap", "lie")
SHAPES = ("plain", "gzip", "zlib", "gzip members", "plain inside gzip")


def compressed(plain: bytes, shape: str, chance: random.Random) -> bytes:
    if shape == "gzip members":
        border = chance.randrange(len(plain) + 1)
        return compressed(plain[:border], "gzip", chance) + compressed(plain[border:], "gzip", chance)
    deflater = zlib.compressobj(chance.choice((0, 1, 6)), wbits=15 if shape == "zlib" else 31)
    return deflater.compress(plain) + deflater.flush()


def payload(chance: random.Random) -> bytes:
    if chance.random() < 0.2:
        return chance.randbytes(chance.randrange(40))
    return encode_example(
        {
            "scenario/id": [chance.randbytes(8).hex()],
            "state/x": [chance.uniform(-1e4, 1e4) for _ in range(chance.randrange(30))],
            "state/valid": [
                chance.choice((-1, 0, 1, 128, chance.getrandbits(50))) for _ in range(chance.randrange(20))
            ],
        }
    )


def mutated(content: bytes, how: str, starts: list[int], chance: random.Random) -> bytes:
    """A damaged copy; ``starts`` are the offsets of records, where ``content`` is plain."""
    damaged = bytearray(content)
    first, last = sorted((chance.randrange(len(content) + 1), chance.randrange(len(content) + 1)))
    if chance.random() < 0.3 and starts:  # splices at record borders are the ones checksums do not see
        first, last = sorted((chance.choice(starts), chance.choice(starts)))
    if how == "flip":
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    elif how == "truncate":
        del damaged[first:]
    elif how == "delete":
        del damaged[first:last]
    elif how == "insert":
        damaged[first:first] = chance.choice((bytes(5), chance.randbytes(9), frame(b"foreign"), b"\x1f\x8b\x08"))
    elif how == "repeat":
        damaged[last:last] = damaged[first:last]
    elif how == "swap":
        middle = chance.randint(first, last)
        damaged[first:last] = damaged[middle:last] + damaged[first:middle]
    else:
        length = chance.choice((0, 1, 17, LIMIT, LIMIT + 1, 1 << 31, 1 << 63, (1 << 64) - 1, chance.randrange(400)))
        at = chance.choice(starts) if starts else first
        damaged[at : at + 12] = frame(b"", length)[:12]
    return bytes(damaged)


def check(seed: int, seen: Counter[str]) -> None:
    chance = random.Random(seed)
    shape, how = SHAPES[seed % len(SHAPES)], MUTATIONS[seed % len(MUTATIONS)]
    payloads = [payload(chance) for _ in range(chance.randint(1, 6))]
    plain = b"".join(map(frame, payloads))
    starts = [sum(map(len, payloads[:i])) + 16 * i for i in range(len(payloads))]
    if shape == "plain":
        original, content = plain, mutated(plain, how, starts, chance)
    elif shape == "plain inside gzip":
        original, content = b"", compressed(mutated(plain, how, starts, chance), "gzip", chance)
    else:
        original = compressed(plain, shape, chance)
        content = mutated(original, how, [], chance)

    size = len(content) if chance.random() < 0.5 else None
    there, damage = plain_bytes(content)
    items = list(islice(read_records(io.BytesIO(content), size, max_record_bytes=LIMIT), len(there) // 16 + 2))

    # 1. it says what a slow reader, written apart, says
    told = [
        (item.offset, "good", item.payload) if isinstance(item, Record) else (item.offset, item.kind, None)
        for item in items
    ]
    assert told == records(content, LIMIT)

    # 2. items lie end to end from the first byte to the last or to a fatal break: nothing is passed over unsaid
    end = 0
    for item in items:
        assert item.offset == end and (item is items[-1] or item.length is not None)
        end += item.length or 0
    fatal = bool(items) and isinstance(items[-1], BrokenRecord) and items[-1].fatal
    assert not any(isinstance(item, BrokenRecord) and item.fatal for item in items[:-1])
    assert fatal or (end == len(there) and damage is None)

    # 3. records that were whole before the first damaged byte are there, first and in order
    if shape != "plain inside gzip":
        same = next((i for i, (a, b) in enumerate(zip(original, content, strict=False)) if a != b), len(content))
        same = min(same, len(original))
        safe = same if shape == "plain" else len(plain_bytes(original[:same])[0])
        if shape == "plain" or same >= 12:
            whole = sum(start + len(p) + 16 <= safe for start, p in zip(starts, payloads, strict=True))
            assert [item.payload for item in items[:whole] if isinstance(item, Record)] == payloads[:whole]

    # 4. the inventory's count agrees: all records that have a border, and a break where the reader met a fatal one
    framing = scan(io.BytesIO(content), size, LIMIT)
    assert framing.records == len(items) - fatal
    assert (framing.break_error is not None) == fatal

    # 5. what passed its checksum and was written as it stands decodes, or says why not
    for item in items:
        seen[item.kind if isinstance(item, BrokenRecord) else "good"] += 1
        if isinstance(item, Record):
            try:
                decode_example(item.payload)
            except ExampleError:
                seen["no example"] += 1
    seen["whole"] += not any(isinstance(item, BrokenRecord) for item in items)


@pytest.mark.parametrize("files", [2_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_damaged_files_are_told_apart_from_good_ones(files: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(files):
        try:
            check(seed, seen)
        except Exception as error:
            raise AssertionError(f"the file of seed {seed} is misread") from error
    kinds = ("truncated", "length_crc", "data_crc", "too_long", "compression", "no example", "whole")
    assert all(seen[kind] > files / 200 for kind in kinds), seen
    assert seen["good"] > files
