import hashlib
import io
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_platform.errors import ContractError
from dataset_platform.kernels.tokens import bpe, encode, shards
from dataset_platform_tests.kernels.tokens.corpus import DAY, TOKENIZER, documents, encoded, unpacked


def write(table):
    return shards.write_shard(table, DAY, TOKENIZER)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=80), st.sampled_from([0.0, 0.25, 1.0]))
def test_assignment_fills_in_order_and_merges_the_tail(counts, share):
    config = encode.ShardConfig(shard_bytes=400, min_tail_share=share)  # 100 tokens
    numbers = shards.assign(np.array(counts), config)
    assert numbers[0] == 0 and set(np.diff(numbers).tolist()) <= {0, 1}
    sizes = np.bincount(numbers, weights=counts)
    assert sizes.sum() == sum(counts)
    assert len(sizes) == 1 or sizes[-1] >= share * 100
    for number, size in enumerate(sizes[:-1]):
        last = counts[int(np.flatnonzero(numbers == number)[-1])]
        assert size - last < 100


def test_the_rule_from_a_running_sum_is_the_same():
    counts = np.random.default_rng(1).integers(1, 900, 500)
    config = encode.ShardConfig(shard_bytes=1_000)
    provisional = shards.shard_index(np.cumsum(counts) - counts, config)
    sizes = {int(n): int(counts[provisional == n].sum()) for n in np.unique(provisional)}
    final = shards.merge_tail(sizes, config)
    assert [final[int(n)] for n in provisional] == shards.assign(counts, config).tolist()


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 99)), min_size=1, max_size=60, unique=True),
    st.integers(0, 2**32 - 1),
)
def test_the_first_record_of_each_shard_says_where_all_belong(places, seed):
    draw = np.random.default_rng(seed)
    ordered = sorted((key, f"{name:02}") for key, name in places)  # few keys: many records share one
    numbers = shards.assign(draw.integers(1, 401, len(ordered)), encode.ShardConfig(shard_bytes=400)).tolist()
    starts = [ordered[numbers.index(number)] for number in range(numbers[-1] + 1)]
    mixed = draw.permutation(len(ordered)).tolist()
    found = shards.shard_of(np.array([ordered[i][0] for i in mixed]), pa.array([ordered[i][1] for i in mixed]), starts)
    assert found.tolist() == [numbers[i] for i in mixed]


def test_a_small_tail_joins_the_shard_before_it():
    config = encode.ShardConfig(shard_bytes=400, min_tail_share=0.25)
    assert shards.assign(np.array([50, 50, 24]), config).tolist() == [0, 0, 0]
    assert shards.assign(np.array([50, 50, 25]), config).tolist() == [0, 0, 1]
    assert shards.assign(np.array([5]), config).tolist() == [0]
    assert shards.assign(np.array([1_000, 50, 50]), config).tolist() == [0, 1, 1]
    assert shards.assign(np.array([277, 23, 1]), config).tolist() == [0, 0, 0]


def test_bytes_do_not_depend_on_order_or_chunks():
    table = encoded(documents())
    once = write(table)
    shuffled = table.take(random.Random(2).sample(range(len(table)), len(table)))
    assert write(shuffled) == once
    assert write(pa.concat_tables([shuffled.slice(50), shuffled.slice(0, 50)])) == once
    assert write(encoded(documents(), batch_size=3)) == once


def test_a_shard_holds_what_its_columns_and_tsv_say():
    table = encoded(documents())
    shard = write(table)
    assert shard.file_sha256 == hashlib.sha256(shard.parquet).hexdigest()
    rows = pq.read_table(io.BytesIO(shard.parquet))
    assert rows.schema.equals(shards.SHARD_SCHEMA) and rows.schema.names == ["text", "tokens", "offsets", "meta"]
    assert (shard.records, shard.tokens) == (len(table), sum(table["token_count"].to_pylist()))
    by_id = {row["doc_id"]: row for row in unpacked(table)}
    lines = shard.tsv.decode().splitlines()
    assert lines[0] == "index\tlength\ttoken_sum\tsha256"
    for index, (row, line) in enumerate(zip(rows.to_pylist(), lines[1:], strict=True)):
        source = by_id.pop(row["meta"]["doc_id"])
        assert (row["text"], row["tokens"], row["offsets"]) == (source["text"], source["tokens"], source["offsets"])
        digest = hashlib.sha256(row["text"].encode()).hexdigest()
        assert line.split("\t") == [str(index), str(len(row["tokens"])), str(sum(row["tokens"])), digest]
        for name in ("source", "url", "language", "file", "offset", "length"):
            assert row["meta"][name] == source[name]
        held = bool(bpe.is_validation([source["doc_id"]], TOKENIZER)[0])
        assert (row["meta"]["ingestion_date"], row["meta"]["split"]) == (DAY, "validation" if held else "train")
    assert not by_id
    assert shards.record_lengths(shard.tsv).tolist() == [len(ids) for ids in rows["tokens"].to_pylist()]
    shards.verify_shard(shard.parquet, shard.tsv)


def tampered(change):
    rows = pq.read_table(io.BytesIO(write(encoded(documents())).parquet)).to_pylist()
    change(rows)
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=shards.SHARD_SCHEMA), sink, row_group_size=32)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows.pop(), "records"),
        (lambda rows: rows[3].update(text=rows[3]["text"] + "x"), "Record 3"),
        (lambda rows: rows[2].update(tokens=[7] * len(rows[2]["tokens"])), "Record 2"),
        (lambda rows: rows[2].update(offsets=rows[2]["offsets"][:-1]), "Record 2"),
        (lambda rows: rows[4]["offsets"].__setitem__(0, [0, 10**6]), "Record 4"),
        (lambda rows: rows[4]["offsets"].__setitem__(0, [0]), "Record 4"),
        (lambda rows: rows[100]["offsets"].__setitem__(0, [0, 10**6]), "Record 100"),
    ],
)
def test_a_changed_shard_is_found(change, says):
    with pytest.raises(ContractError, match=says):
        shards.verify_shard(tampered(change), write(encoded(documents())).tsv)


def test_what_is_no_shard_is_refused():
    shard = write(encoded(documents()))
    with pytest.raises(ContractError):
        shards.verify_shard(shard.parquet[:-20], shard.tsv)
    with pytest.raises(ContractError):
        shards.verify_shard(shard.parquet, shard.tsv + b"9\t9\t9\tx\n")
    for tsv in (b"", b"index\n", shards.TSV_HEADER.encode() + b"\n1\t5\t5\tx\n"):
        with pytest.raises(ContractError):
            shards.record_lengths(tsv)
    with pytest.raises(ContractError):
        write(encoded(documents()).slice(0, 0))
    with pytest.raises(ContractError, match="twice"):
        write(pa.concat_tables([encoded(documents())] * 2))
