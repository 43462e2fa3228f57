"""The encoder gives HF's ids and offsets, token by token, for any text, tokenizer and state of its memory."""

from __future__ import annotations

import json
import os
import random
import string
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, pre_tokenizers

from dataset_platform.errors import ContractError
from dataset_platform.kernels.tokens import bpe, encoder, scanning
from dataset_platform.kernels.web.extraction import extract_text
from dataset_platform.kernels.web.http import parse_response
from dataset_platform.kernels.web.warc import read_records
from dataset_platform_tests.kernels.tokens.corpus import tokenizer

POINTS = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000]
POOLS = (
    string.ascii_letters,
    "0123456789" + "".join(c for c in POINTS if c.isnumeric())[::7],
    " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u180e\u2000\u2009\u200a\u200b\u2028\u2029\u202f\u205f\u3000\ufeff",
    "'’stmdrevlSTMDREVL ",
    "\u0301\u0308\u0327\u093f\u094d\u0e31\u200d\ufe0f\u20e3",
    "😀👩👨👧👦🏳🌈🇩🇪🇫🇷❤🧑🏽\u200d\ufe0f\U0001f3fb",
    "абвгдежзиѣ αβγδώ 日本語漢字かなカナ한국어각ㄱ مرحبا שלום ไทยภาษา नमस्ते",
    '!"#$%&()*+,-./:;<=>?@[]^_`{|}~«»…—',
)


@lru_cache
def trained_on_pools() -> tuple[bytes, bytes]:
    """A tokenizer that knows words of all the pools, so that long and mixed tokens occur."""
    texts = [mixed(random.Random(seed), 400) for seed in range(60)]
    trained = bpe.train(iter(texts), bpe.TokenizerConfig(vocab_size=2_000))
    return trained.vocab_json, trained.merges_txt


def mixed(draw: random.Random, size: int) -> str:
    """Runs of characters of one pool after another."""
    parts: list[str] = []
    while len(parts) < size:
        pool = draw.choice(POOLS) if draw.random() < 0.95 else POINTS
        if draw.random() < 0.15:
            parts.append(draw.choice(pool) * draw.choice([2, 3, 17, 41, 90]))
        parts += draw.choices(pool, k=draw.choice([1, 1, 2, 3, 8]))
    return "".join(parts)


@lru_cache
def hf_of(vocab_json: bytes, merges_txt: bytes) -> Tokenizer:
    return bpe.load(vocab_json, merges_txt)


def assert_as_hf(files: tuple[bytes, bytes], texts: list[str], made: encoder.Encoder | None = None) -> None:
    hf = hf_of(*files)
    found = (made or encoder.Encoder(*files))(pa.array(texts, pa.string()))
    assert (found.bounds.dtype, found.ids.dtype, found.spans.dtype) == (np.int32,) * 3
    for row, expected in enumerate(hf.encode_batch(texts, add_special_tokens=False)):
        own = slice(found.bounds[row], found.bounds[row + 1])
        ids, spans = np.array(expected.ids, np.int32), np.array(expected.offsets, np.int32).reshape(-1, 2)
        assert np.array_equal(found.ids[own], ids), texts[row][:200]
        assert np.array_equal(found.spans[own], spans), texts[row][:200]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=("Cs",))), min_size=1, max_size=5))
def test_any_text(texts):
    assert_as_hf((tokenizer().vocab_json, tokenizer().merges_txt), texts, small_encoder())


@lru_cache
def small_encoder() -> encoder.Encoder:
    return encoder.Encoder(tokenizer().vocab_json, tokenizer().merges_txt)


@pytest.mark.parametrize("seed", range(4))
def test_mixtures_of_scripts_spaces_marks_and_emoji(seed):
    draw = random.Random(seed)
    assert_as_hf(trained_on_pools(), [mixed(draw, draw.choice([1, 5, 50, 2_000])) for _ in range(30)])


@pytest.mark.parametrize(
    "text",
    [
        "don't we'll they've I'm you're he'd it's",
        "DON'T WE'LL 'S's 's ''s '' '",
        "'s't're've'm'll'd'r'v'l'x 'ré 'lé",
        " ' 's  's\n's \r\n \n\n 'll",
        "a  b   c\t\td \t e\n\n\nf\r\n\r\ng   ",
        "   ",
        "\u0085a\u0085\u0085b \u00a0 c\u3000\u3000",
        "x\u0301x\u0301 1\u0301 \u0301",
        "👩‍👩‍👧‍👦🏳️‍🌈 🇩🇪🇫🇷 ❤️",
        "<s></s><pad><unk><mask> <|endoftext|>",
        "a\x00b\x7f",
        "１２３ ٣٤٥ ४५६ Ⅳ ½ ²",
        "\U0010ffff\U000e0001\ue000\ufffe",
    ],
)
def test_the_corners_of_the_pattern(text):
    assert_as_hf(trained_on_pools(), [text, text + " ", " " + text, text[::-1], ""])


def test_special_tokens_in_a_text_are_plain_text():
    found = encoder.Encoder(*trained_on_pools())(pa.array(["<s> a</s><pad><unk><mask>"]))
    assert found.ids.min() >= len(bpe.SPECIALS)


def blocks(numbers: list[int]) -> list[str]:
    """Each code point of 256-blocks after a letter, a digit, a space, a mark and its neighbour."""
    texts = []
    for number in numbers:
        points = [chr(p) for p in range(number * 256, number * 256 + 256) if not 0xD800 <= p < 0xE000]
        texts += ["".join(f"a{p}1{p} {p}!{p}" for p in points), "".join(points)]
    return texts


def test_code_points_are_of_the_classes_that_hf_has():
    chosen = [*range(0x34), 0x4D, 0x9F, 0xA9, 0xD7, *range(0xE0, 0x100, 7), 0x104, 0x1D7, 0x1F6, 0x2FF, 0xE00, 0x10FF]
    assert_as_hf((tokenizer().vocab_json, tokenizer().merges_txt), blocks(chosen))


@pytest.mark.slow
def test_every_code_point_of_unicode():
    files = (tokenizer().vocab_json, tokenizer().merges_txt)
    made = encoder.Encoder(*files)
    for first in range(0, 0x1100, 64):
        assert_as_hf(files, blocks(list(range(first, first + 64))), made)


@pytest.mark.parametrize("unit", ["a", "ab", " ", "\n", "\r\n", "é", "日", "1", "=", "\u0301", " a", "\u00a0 ", "😀"])
def test_a_long_run_is_one_word_and_takes_no_quadratic_time(unit):
    text = unit * (60_000 // len(unit))  # quadratic merging would take minutes
    assert_as_hf(trained_on_pools(), [text, f"x{text}", f"{text}x"])


def test_lengths_around_every_limit():
    draw = random.Random(7)
    limits = (8, scanning.PACKED_BYTES, scanning.SHORT_WORD, scanning.CACHED_BYTES)
    sizes = sorted({limit + step for limit in limits for step in range(-2, 3)})
    texts = ["".join(draw.choices("abc", k=size)) for size in sizes for _ in range(5)]
    texts += ["\0" * size for size in sizes]  # words of NUL differ in length alone
    texts += [" ".join(texts)] * 2
    assert_as_hf(trained_on_pools(), texts)


def test_what_is_remembered_never_shows(monkeypatch):
    draw = random.Random(11)
    texts = [mixed(draw, 200) for _ in range(20)]
    for slots, arena, pool in ((4, 600, 600), (64, 700, 2_000), (2**14, 300, 300), (2**14, 2**20, 260)):
        monkeypatch.setattr(encoder, "_CACHE_SLOTS", slots)
        monkeypatch.setattr(encoder, "_ARENA_BYTES", arena)
        monkeypatch.setattr(encoder, "_POOL_IDS", pool)
        made = encoder.Encoder(*trained_on_pools())
        for _ in range(2):
            assert_as_hf(trained_on_pools(), texts, made)
            draw.shuffle(texts)


def by_hand(merges: list[str]) -> tuple[bytes, bytes]:
    """A tokenizer of the byte alphabet and these merges."""
    entries = [*bpe.SPECIALS, *bpe.byte_characters(), *(m.replace(" ", "") for m in merges)]
    vocab = {name: number for number, name in enumerate(dict.fromkeys(entries))}
    return json.dumps(vocab).encode(), "\n".join(["#version: 0.2", *merges, ""]).encode()


@pytest.mark.parametrize(
    "merges",
    [
        ["b c", "a b", "a bc", "ab c"],  # one token by two ways
        ["a b", "ab c", "b c", "a bc", "abc d", "a bcd", "bc d"],
        ["a bc", "b c"],  # a merge before the merge that makes its part
        ["aa aa", "a a", "aaaa a"],
        ["a b", "b a", "a b"],  # a pair that comes twice
        ["a a", "aa a", "aaa a", "aa aa"],
    ],
)
def test_merges_that_no_training_gives(merges):
    draw = random.Random(3)
    texts = ["".join(draw.choices("abcd", [4, 3, 2, 1], k=draw.choice([3, 6, 20, 90]))) for _ in range(200)]
    assert_as_hf(by_hand(merges), [*texts, "a" * 41, "a" * 300, "ab" * 200])


def test_rows_of_slices_and_chunks_are_counted_from_their_own_start():
    texts = pa.array(["before", "naïve 日本語 😀 Größe", "", "die Größe"])
    whole, part = small_encoder()(texts), small_encoder()(texts.slice(1))
    first = whole.bounds[1]
    assert np.array_equal(part.bounds, whole.bounds[1:] - first)
    assert np.array_equal(part.ids, whole.ids[first:]) and np.array_equal(part.spans, whole.spans[first:])
    for nothing in (pa.array([], pa.string()), texts.slice(4), pa.array(["", ""])):
        found = small_encoder()(nothing)
        assert (len(found.ids), found.spans.shape, found.bounds.tolist()) == (0, (0, 2), [0] * (len(nothing) + 1))


def test_bytes_that_are_no_text_are_refused():
    for bad in (b"\xff", b"a\xe6\x97", b"\xed\xa0\x80"):
        column = pa.Array.from_buffers(
            pa.string(), 1, [None, pa.py_buffer(np.array([0, len(bad)], np.int32)), pa.py_buffer(bad)]
        )
        with pytest.raises(ContractError, match="UTF-8"):
            small_encoder()(column)


def test_a_process_keeps_one_encoder_for_a_tokenizer():
    files = trained_on_pools()
    assert encoder.encoder_of(*files) is encoder.encoder_of(bytes(bytearray(files[0])), files[1])


def test_the_byte_characters_are_those_of_hf():
    pieces = {byte: pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False) for byte in (0, 255)}
    assert set(bpe.byte_characters()) == set(pre_tokenizers.ByteLevel.alphabet())
    for text in ("\x00\t a\x7f", "é", "日\U0001f600"):
        shown = "".join(bpe.byte_characters()[byte] for byte in text.encode())
        assert pieces[0].pre_tokenize_str(text)[0][0] == shown


def test_pages_of_a_crawl_in_many_languages():
    real = os.environ.get("DATASET_PLATFORM_REAL_DATA")
    if not real:
        pytest.skip("DATASET_PLATFORM_REAL_DATA is not set")
    pages: dict[str, list[str]] = {}
    path = Path(real) / "web" / "install.warc.gz"
    with path.open("rb") as stream:
        for record in read_records(stream, path.stat().st_size):
            language = (getattr(record, "target_uri", None) or "").strip("<>").split("/")[3:4]
            if getattr(record, "type", "") != "response" or record.block is None or not language:
                continue
            of_language = pages.setdefault(language[0], [])
            if len(of_language) < 3:
                of_language.append(
                    extract_text(parse_response(record.block).body.decode(errors="replace"), mode="fast")
                )
    texts = [text for of_language in pages.values() for text in of_language]
    assert len(pages) >= 18 and sum(map(len, texts)) > 50_000
    assert_as_hf(trained_on_pools(), texts)
