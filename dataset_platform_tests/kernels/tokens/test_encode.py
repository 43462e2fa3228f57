import random

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from dataset_platform.errors import ContractError
from dataset_platform.kernels.tokens import bpe, encode
from dataset_platform_tests.kernels.tokens.corpus import SHARDS, documents, encoded, tokenizer, unpacked

LOADED = bpe.load(tokenizer().vocab_json, tokenizer().merges_txt)


def test_packed_columns_come_back_as_lists_also_from_a_slice():
    bounds = np.array([0, 2, 2, 5], np.int32)
    column = encode.packed(bounds, np.array([7, -1, 2**31 - 1, 0, 3], np.int32))
    assert column.type == pa.binary() and column[0].as_py() == b"\x07\0\0\0\xff\xff\xff\xff"
    lists = [[7, -1], [], [2**31 - 1, 0, 3]]
    assert encode.unpacked(column).to_pylist() == lists
    assert encode.unpacked(column.slice(1)).to_pylist() == lists[1:]
    assert encode.unpacked(column.slice(3)).to_pylist() == []
    with pytest.raises(ContractError, match="column can hold"):
        encode.packed(np.array([0, 2**29]), np.empty(0, np.int32))


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
    for row in unpacked(out):
        assert row["token_count"] == len(row["tokens"]) == len(row["offsets"])
        assert LOADED.decode(row["tokens"], skip_special_tokens=False) == row["text"]


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
