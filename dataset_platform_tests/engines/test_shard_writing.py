"""A shard is read back from where it lies: what a disk or a store did to it shows."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import pytest

from dataset_platform.engines.shard_writing import ShardJob, WrittenShard, problem_of, write_and_verify
from dataset_platform.lake import storage
from dataset_platform_tests.kernels.tokens import corpus


def write(root: Path) -> WrittenShard:
    trained = corpus.tokenizer()
    job = ShardJob(corpus.DAY, str(root), corpus.SHARDS, corpus.TOKENIZER, trained.vocab_json, trained.merges_txt)
    rows = corpus.encoded(corpus.documents())
    rows = rows.filter(pc.and_(pc.equal(rows["source"], "web"), pc.equal(rows["bucket"], 1)))
    return write_and_verify(rows, job, "web", 1, 0)


def test_what_was_written_is_what_the_entry_says(tmp_path: Path) -> None:
    written = write(tmp_path)
    assert written.problem is None
    assert written.entry.shard_id == f"{corpus.DAY}/web/shard_b1_s0"
    assert WrittenShard.from_json(written.to_json()) == written


@pytest.mark.parametrize("ending", [".parquet", ".tsv"])
def test_bytes_lost_on_the_way_to_the_store_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ending: str
) -> None:
    write_bytes = storage.write_bytes

    def lossy(path: str, data: bytes) -> None:
        write_bytes(path, data[:-9] if path.endswith(ending) else data)

    monkeypatch.setattr(storage, "write_bytes", lossy)
    written = write(tmp_path)
    assert written.problem is not None
    assert WrittenShard.from_json(written.to_json()) == written


def test_a_shard_that_is_gone_is_a_problem(tmp_path: Path) -> None:
    entry = write(tmp_path).entry
    (tmp_path / entry.tsv_path).unlink()
    assert "No such file" in str(problem_of(str(tmp_path), entry))
