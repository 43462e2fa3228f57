import json
import random

import pytest

from dataset_platform.errors import ContractError
from dataset_platform.kernels.tokens import manifest
from dataset_platform_tests.kernels.tokens.corpus import DAY, documents, tokenizer, write_lane


def entry(number: int, **changes) -> manifest.ShardEntry:
    name = manifest.shard_id(DAY, "web", 0, number)
    facts = {"bucket": 0, "records": 10, "tokens": 100, "size_bytes": 50, "file_sha256": f"{number:064x}", "seed": 17}
    facts |= {"shard_id": name, "path": manifest.shard_path(name), "ingestion_date": DAY, "source": "web"}
    return manifest.ShardEntry(**facts | {"tokenizer_fingerprint": "f"} | changes)


def test_bytes_do_not_depend_on_order_and_the_order_depends_on_the_seed():
    entries = [entry(n) for n in range(40)]
    built = manifest.build(entries, 17, "f", 600)
    random.Random(1).shuffle(entries)
    assert manifest.build(entries, 17, "f", 600) == built
    ids = [shard.shard_id for shard in manifest.parse(built).shards]
    other = [shard.shard_id for shard in manifest.parse(manifest.build(entries, 18, "f", 600)).shards]
    assert sorted(ids) == sorted(other) == sorted(e.shard_id for e in entries)
    assert ids != other and ids != sorted(ids)


def test_layout():
    content = json.loads(manifest.build([entry(3)], 17, "f", 600))
    assert content["tokenizer"] == {"fingerprint": "f", "vocab_size": 600}
    assert content["totals"] == {"shards": 1, "records": 10, "tokens": 100, "size_bytes": 50}
    assert content["shards"][0] == {
        "shard_id": "2024-05-01/web/shard_b0_s3",
        "path": "tokens/tokenized_shards/2024-05-01/web/shard_b0_s3.parquet",
        "ingestion_date": "2024-05-01",
        "source": "web",
        "bucket": 0,
        "records": 10,
        "tokens": 100,
        "size_bytes": 50,
        "file_sha256": f"{3:064x}",
        "seed": 17,
        "tokenizer_fingerprint": "f",
    }


def test_stale_shards_are_named():
    entries = [entry(0), entry(2, tokenizer_fingerprint="old"), entry(1, tokenizer_fingerprint="old")]
    assert manifest.stale_shards(entries, "f") == ["2024-05-01/web/shard_b0_s1", "2024-05-01/web/shard_b0_s2"]
    assert manifest.stale_shards(entries[:1], "f") == []


def test_verify_holds_a_manifest_against_itself():
    good = manifest.build([entry(n) for n in range(5)], 17, "f", 600)
    manifest.verify(good)
    content = json.loads(good)
    for spoil in (
        lambda c: c["totals"].update(tokens=1),
        lambda c: c["shards"].reverse(),
        lambda c: c["shards"].append(c["shards"][0]),
        lambda c: c["shards"][0].pop("records"),
        lambda c: c["shards"][0].update(path="elsewhere.parquet"),
        lambda c: c.update(format_version=99),
    ):
        copy = json.loads(json.dumps(content))
        spoil(copy)
        with pytest.raises(ContractError):
            manifest.verify(manifest.canonical_json(copy))
    with pytest.raises(ContractError):
        manifest.verify(good[:-10])
    with pytest.raises(ContractError, match="twice"):
        manifest.build([entry(1), entry(1)], 17, "f", 600)


def test_verify_reads_the_shards(tmp_path):
    table = documents()
    entries = write_lane(tmp_path, table)
    data = (tmp_path / manifest.MANIFEST_PATH).read_bytes()
    read = lambda path: (tmp_path / path).read_bytes()  # noqa: E731
    checked = manifest.verify(data, read)
    assert checked.totals.records == len(table) == sum(shard.records for shard in entries)
    assert checked.tokenizer.fingerprint == tokenizer().fingerprint
    one, other = entries[0], entries[1]
    (tmp_path / one.path).write_bytes((tmp_path / other.path).read_bytes())
    with pytest.raises(ContractError, match=one.shard_id):
        manifest.verify(data, read)


def test_a_source_that_is_no_folder_name_is_refused():
    for source in ("", "..", "a/b", " a"):
        with pytest.raises(ValueError, match="source"):
            entry(1, source=source)
