"""CPU seconds of rensa's plain ``RMinHash`` for a file of texts: ``dedup_rensa.py FILE ROUNDS``.

FILE holds one JSON string a line. ``text``: from the text, with the cheapest of two correct ways to make word 5-grams in
Python: joined strings, or Python's own hashes of tuples. ``strings``, ``hashes`` and ``flat``: from 5-grams that are
there already, as lists of strings, as lists of 64-bit hashes, as one array of hashes with offsets. The ``_rho`` methods
sample a text's tokens: they are no MinHash and are not compared.
"""

from __future__ import annotations

import json
import re
import sys
import time
from array import array
from collections.abc import Callable, Iterable
from importlib.metadata import version

from rensa import RMinHash

WORD = re.compile(r"\w+")
PERMUTATIONS, SEED = 112, 1


def joined(text: str) -> list[str]:
    """Word 5-grams as strings."""
    words = WORD.findall(text.lower())
    return [" ".join(words[i : i + 5]) for i in range(max(len(words) - 4, 1))]


def hashed(text: str) -> list[int]:
    """Word 5-grams as Python's 64-bit hashes, which have a sign."""
    words = WORD.findall(text.lower())
    if len(words) < 5:
        return [hash(tuple(words))]
    return list(map(hash, zip(words, words[1:], words[2:], words[3:], words[4:], strict=False)))


def flat(parts: Iterable[list[int]]) -> tuple[memoryview, array[int]]:
    """All hashes in one array without signs, and where each text's begin and end."""
    values, offsets = array("q"), array("Q", [0])
    for part in parts:
        values.extend(part)
        offsets.append(len(values))
    return memoryview(values).cast("B").cast("Q"), offsets


def best(work: Callable[[], object], rounds: int) -> float:
    """Least CPU seconds of some rounds."""
    found = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


def main() -> None:
    """Print one JSON line."""
    rounds = int(sys.argv[2])
    with open(sys.argv[1], encoding="utf-8") as stream:
        texts = [json.loads(line) for line in stream]
    strings = [joined(t) for t in texts]
    values, offsets = flat(map(hashed, texts))
    hashes = [values[a:b].tolist() for a, b in zip(offsets, offsets[1:], strict=False)]
    of_strings, of_hashes = RMinHash.digest_matrix_from_token_sets, RMinHash.digest_matrix_from_token_hash_sets
    of_flat = RMinHash.digest_matrix_from_flat_token_hashes
    ways: dict[str, Callable[[], object]] = {
        "text_strings": lambda: of_strings([joined(t) for t in texts], PERMUTATIONS, SEED),
        "text_hashes": lambda: of_flat(*flat(map(hashed, texts)), PERMUTATIONS, SEED),
        "strings": lambda: of_strings(strings, PERMUTATIONS, SEED),
        "hashes": lambda: of_hashes(hashes, PERMUTATIONS, SEED),
        "flat": lambda: of_flat(values, offsets, PERMUTATIONS, SEED),
    }
    seconds = {name: best(work, rounds) for name, work in ways.items()}
    seconds["text"] = min(seconds.pop("text_strings"), seconds.pop("text_hashes"))
    print(json.dumps({**seconds, "version": version("rensa")}))


if __name__ == "__main__":
    main()
