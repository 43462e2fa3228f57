import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dataset_platform.errors import ContractError
from dataset_platform.kernels.tokens import bpe, encode
from dataset_platform_tests.kernels.tokens.corpus import SHARDS, documents, encoded, tokenizer

LOADED = bpe.load(tokenizer().vocab_json, tokenizer().merges_txt)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=("Cs",))), min_size=1, max_size=5))
def test_tokens_and_offsets_are_those_of_hf(texts):
    tokens, offsets = encode.Encoder(LOADED)(pa.array(texts, pa.string()))
    expected = LOADED.encode_batch(texts, add_special_tokens=False)
    assert tokens.to_pylist() == [e.ids for e in expected]
    assert offsets.to_pylist() == [[list(pair) for pair in e.offsets] for e in expected]


def test_offsets_slice_the_text_also_in_a_sliced_array():
    texts = pa.array(["before", "naïve 日本語 😀 Größe", "", "die Größe"]).slice(1)
    tokens, offsets = encode.Encoder(LOADED)(texts)
    for text, ids, spans in zip(texts.to_pylist(), tokens.to_pylist(), offsets.to_pylist(), strict=True):
        for token_id, (start, end) in zip(ids, spans, strict=True):
            piece = LOADED.decode([token_id], skip_special_tokens=False)
            # a token that is only part of a character cannot be decoded alone
            assert piece == text[start:end] or ("\ufffd" in piece and end - start >= 1)
        covered = {place for start, end in spans for place in range(start, end)}
        assert covered == set(range(len(text)))


def test_rows_do_not_depend_on_batches_or_order(monkeypatch):
    table = documents()
    once = encoded(table, batch_size=1_000)
    for size in (1, 7, 64):
        assert encoded(table, batch_size=size).equals(once)
    monkeypatch.setattr(encode, "_PIECE_BYTES", 500)
    assert encoded(table, batch_size=1_000).equals(once)
    order = random.Random(5).sample(range(len(table)), len(table))
    assert encoded(table.take(order)).equals(once.take(order))


def test_every_row_comes_out_once_whole():
    table = documents()
    out = encoded(table)
    assert out.schema.equals(encode.ENCODED_SCHEMA)
    for name in ("doc_id", "source", "url", "file", "offset", "length", "text"):
        assert out[name].to_pylist() == table[name].to_pylist()
    assert out["token_count"].to_pylist() == [len(ids) for ids in out["tokens"].to_pylist()]
    for text, ids in zip(out["text"].to_pylist(), out["tokens"].to_pylist(), strict=True):
        assert LOADED.decode(ids, skip_special_tokens=False) == text


def test_buckets_have_inclusive_upper_bounds_and_an_open_end():
    counts = np.array([1, 16, 17, 64, 65, 10**6])
    assert encode.bucket_of(counts, SHARDS).tolist() == [0, 0, 1, 1, 2, 2]


def test_order_depends_on_seed_bucket_and_id_only():
    ids = [f"{n:032x}" for n in range(200)]
    zeros = np.zeros(200, dtype=np.int32)
    keys = encode.order_keys(ids, zeros, SHARDS)
    assert (keys >= 0).all() and len(set(keys.tolist())) == 200
    assert (encode.order_keys(ids, zeros + 1, SHARDS) != keys).all()
    reseeded = SHARDS.model_copy(update={"seed": SHARDS.seed + 1})
    assert (encode.order_keys(ids, zeros, reseeded) == encode.order_keys(ids, zeros + 1, SHARDS)).all()
    assert (encode.order_keys(ids[::-1], zeros, SHARDS)[::-1] == keys).all()


def test_optional_columns_may_be_missing_required_ones_not():
    out = encoded(documents().select(["doc_id", "source", "text"]))
    assert out["url"].null_count == len(out) == out["offset"].null_count
    with pytest.raises(ContractError, match="source"):
        encoded(documents().drop_columns(["source"]))
    with pytest.raises(ContractError, match="text"):
        encoded(pa.table({"doc_id": ["a"], "source": ["b"], "text": pa.array([None], pa.string())}))


@pytest.mark.parametrize("buckets", [(5, 5), (0,), (9, 3)])
def test_bucket_bounds_must_rise(buckets):
    with pytest.raises(ValidationError):
        encode.ShardConfig(buckets=buckets)
