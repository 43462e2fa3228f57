"""Tokenizing: megabytes of text per second beside HF tokenizers and tiktoken, on one core, and whether all agree.

``python -m benchmarks.web tokens``. The texts are the shared crawls' pages, extracted in fast mode; the tokenizer
(32,000 entries) is trained on every other page and all encode the pages it was not trained on. Ours gives ids and offsets
as arrays. HF gives ids by ``encode_batch_fast`` (its fastest way, without offsets), and ids and offsets by
``encode_batch``. tiktoken gives ids; its ranks are our vocabulary, its pattern GPT-2's.

Every way runs in one thread pinned to one core; times are that thread's CPU seconds, so that other work on the machine
does not count, and the best of a few rounds. A round begins with an encoder or tokenizer that has met no word yet.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

os.environ |= {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}

import numpy as np
import pyarrow as pa
import tiktoken
from tokenizers import Tokenizer

from benchmarks.results import write_section
from benchmarks.web_input import real_pages
from dataset_platform.kernels.tokens import bpe, encoder
from dataset_platform.kernels.web.charset import decode
from dataset_platform.kernels.web.extraction import extract_text

TITLE = "Tokenizing"
COMMAND = "python -m benchmarks.web tokens"
WAYS = ("ours", "HF encode_batch_fast", "HF encode_batch", "tiktoken")
GROUPS = {
    "English": ("en",),
    "other Latin scripts": ("ca", "cs", "da", "de", "es", "fr", "id", "it", "nl", "pt", "ro", "sv", "vi"),
    "Greek, Cyrillic": ("el", "ru"),
    "Chinese, Japanese, Korean": ("zh_CN", "ja", "ko"),
}
ROWS = 256  # texts a call
PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"

Files = tuple[bytes, bytes]
Batches = list[list[str]]


@dataclass(frozen=True)
class Measured:
    """``megabytes`` and ``speeds`` (MB/s by way) by group of languages; texts that are equal to HF's, of how many."""

    megabytes: dict[str, float]
    speeds: dict[str, dict[str, float]]
    equal: dict[str, tuple[int, int, int]]
    """By kind of text: texts, texts with HF's ids and offsets, texts of which tiktoken has the ids."""


def texts_by_language() -> dict[str, list[str]]:
    """Main content of the crawls' pages; the language is the first folder of the address, English where it is none."""
    known = {language for languages in GROUPS.values() for language in languages}
    texts: dict[str, list[str]] = {}
    for page in real_pages():
        folder = page.url.split("/")[3]
        text = extract_text(decode(page.body, None)[0], mode="fast")
        if text:
            texts.setdefault(folder if folder in known else "en", []).append(text)
    return texts


def random_texts(count: int, seed: int) -> list[str]:
    """Texts of code points drawn from all of Unicode, from single blocks and from runs of one character."""
    draw = random.Random(seed)
    points = [chr(p) for p in range(0x110000) if not 0xD800 <= p < 0xE000]
    texts = []
    for _ in range(count):
        parts: list[str] = []
        for _ in range(draw.choice([1, 20, 200])):
            start = draw.randrange(len(points))
            block = points[start : start + 128] if draw.random() < 0.5 else points
            parts += [*draw.choices(block, k=5), draw.choice([" ", "\n", "  ", "'s", "\r\n", "\u200d", "", ""])]
            if draw.random() < 0.1:
                parts.append(draw.choice(points) * draw.choice([2, 9, 60, 500]))
        texts.append("".join(parts))
    return texts


def measure(rounds: int = 3, random_count: int = 2_000) -> Measured:
    """Train, compare what comes out, and take the times."""
    texts = texts_by_language()
    trained = bpe.train((text for own in texts.values() for text in own[::2]), bpe.TokenizerConfig())
    files = (trained.vocab_json, trained.merges_txt)
    groups = {name: [t for lang in langs for t in texts.get(lang, [])[1::2]] for name, langs in GROUPS.items()}
    groups["all"] = [text for own in groups.values() for text in own]
    everything = [text for own in texts.values() for text in own]
    equal = {
        f"pages in {len(texts)} languages": _equal(files, everything),
        "random Unicode": _equal(files, random_texts(random_count, seed=1)),
    }
    speeds = {name: _speeds(files, own, rounds) for name, own in groups.items()}
    return Measured({name: _megabytes(own) for name, own in groups.items()}, speeds, equal)


def tiktoken_of(files: Files) -> tiktoken.Encoding:
    """tiktoken over our vocabulary: a token's rank is its id, since merges are listed in the order of their ids."""
    byte_of = {character: byte for byte, character in enumerate(bpe.byte_characters())}
    vocab, _ = bpe.read_files(*files)
    ranks = {bytes(byte_of[c] for c in name): n for name, n in vocab.items() if name not in bpe.SPECIALS}
    return tiktoken.Encoding("crawls", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})


def _equal(files: Files, texts: list[str]) -> tuple[int, int, int]:
    hf, ours, other = bpe.load(*files), encoder.Encoder(*files), tiktoken_of(files)
    same = same_other = 0
    for batch in _batches(texts):
        found = ours(pa.array(batch))
        for row, expected in enumerate(hf.encode_batch(batch, add_special_tokens=False)):
            own = slice(found.bounds[row], found.bounds[row + 1])
            offsets = np.array(expected.offsets, np.int32).reshape(-1, 2)
            same += found.ids[own].tolist() == expected.ids and np.array_equal(found.spans[own], offsets)
            same_other += other.encode_ordinary(batch[row]) == expected.ids
    return len(texts), same, same_other


def _speeds(files: Files, texts: list[str], rounds: int) -> dict[str, float]:
    batches, size = _batches(texts), _megabytes(texts)
    columns = [pa.array(batch) for batch in batches]
    best = dict.fromkeys(WAYS, float("inf"))
    encoder.Encoder(*files)(columns[0])  # compiles, or reads what was compiled
    with _one_core():
        for _ in range(rounds):
            ways = {
                "ours": partial(_ours, encoder.Encoder(*files), columns),
                "HF encode_batch_fast": partial(_hf_fast, bpe.load(*files), batches),
                "HF encode_batch": partial(_hf, bpe.load(*files), batches),
                "tiktoken": partial(_tiktoken, tiktoken_of(files), texts),
            }
            for way, run in ways.items():
                began = time.thread_time()
                run()
                best[way] = min(best[way], time.thread_time() - began)
    return {way: size / seconds for way, seconds in best.items()}


def _ours(ours: encoder.Encoder, columns: list[pa.Array]) -> None:
    for column in columns:
        ours(column)


def _tiktoken(other: tiktoken.Encoding, texts: list[str]) -> None:
    for text in texts:
        other.encode_ordinary(text)


def _hf_fast(hf: Tokenizer, batches: Batches) -> None:
    for batch in batches:
        for encoding in hf.encode_batch_fast(batch, add_special_tokens=False):
            _ = encoding.ids


def _hf(hf: Tokenizer, batches: Batches) -> None:
    for batch in batches:
        for encoding in hf.encode_batch(batch, add_special_tokens=False):
            _ = encoding.ids, encoding.offsets


def _batches(texts: list[str]) -> Batches:
    return [texts[start : start + ROWS] for start in range(0, len(texts), ROWS)]


def _megabytes(texts: list[str]) -> float:
    return sum(len(text.encode()) for text in texts) / 1e6


@contextmanager
def _one_core() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def lines(found: Measured) -> list[str]:
    """The section's lines."""
    rows = [
        f"| {name} | {found.megabytes[name]:.1f} | "
        + " | ".join(f"{speeds['ours'] / speeds[way]:.1f}" for way in WAYS[1:])
        + f" | {speeds['tiktoken'] / speeds['HF encode_batch_fast']:.1f} |"
        for name, speeds in found.speeds.items()
    ]
    agreed = [f"| {kind} | {count:,} | {same:,} | {other:,} |" for kind, (count, same, other) in found.equal.items()]
    return [
        "Pages that the tokenizer was not trained on; one thread on one core, CPU seconds, best round, nothing remembered",
        "from before. Ours gives ids and offsets, `encode_batch` both, `encode_batch_fast` and tiktoken ids alone.",
        "",
        "| languages | MB | ours ÷ HF `encode_batch_fast` | ours ÷ HF `encode_batch` | ours ÷ tiktoken | tiktoken ÷ HF fast |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        "| texts | | ids and offsets equal to HF's | tiktoken's ids equal to HF's |",
        "|---|---|---|---|",
        *agreed,
    ]


def main() -> None:
    """Measure and write the section."""
    found = measure()
    print(json.dumps(found.speeds, indent=1))
    text = lines(found)
    print("\n".join(text))
    write_section(TITLE, COMMAND, text)


if __name__ == "__main__":
    main()
