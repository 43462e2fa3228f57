"""Files of the tokens lane: the tokenizer in its place, a day's shards swapped whole."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest

from dataset_platform.errors import StateError
from dataset_platform.kernels.tokens import bpe
from dataset_platform.kernels.tokens.manifest import ShardEntry, shard_id, shard_path
from dataset_platform.lake import artifacts, storage
from dataset_platform.settings import is_url, join
from dataset_platform_tests.kernels.tokens.corpus import TOKENIZER, documents, tokenizer
from dataset_platform_tests.lake.killed import killed_after

DAY = "2026-01-05"


@pytest.fixture(params=["local", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "artifacts") if request.param == "local" else request.getfixturevalue("bucket") + "/artifacts"


def entry(index: int, source: str = "web", day: str = DAY, sha: str = "a" * 64) -> ShardEntry:
    name = shard_id(day, source, 0, index)
    return ShardEntry(
        shard_id=name,
        path=shard_path(name),
        ingestion_date=day,
        source=source,
        bucket=0,
        records=2,
        tokens=9,
        size_bytes=4,
        file_sha256=sha,
        seed=1,
        tokenizer_fingerprint="f",
    )


def stage(root: str, entries: list[ShardEntry], content: bytes) -> str:
    staging = join(root, "_staging", "x")
    for e in entries:
        storage.write_bytes(join(staging, e.path), content + e.shard_id.encode())
        storage.write_bytes(join(staging, e.tsv_path), content)
    return staging


def files(root: str, day: str = DAY) -> set[str]:
    return {f.path[len(root) + 1 :] for f in storage.list_files(artifacts.shards_folder(root, day))}


def test_a_day_of_shards_replaces_what_stood_there_and_touches_no_other_day(root: str) -> None:
    other = [entry(0, day="2026-01-06")]
    artifacts.publish_shards(root, stage(root, other, b"other"), "2026-01-06", other)
    before = [entry(0), entry(1), entry(0, "news")]
    artifacts.publish_shards(root, stage(root, before, b"old"), DAY, before)
    assert artifacts.read_entries(root, DAY) == before
    after = [entry(0), entry(0, "books")]
    artifacts.publish_shards(root, stage(root, after, b"new"), DAY, after)
    assert artifacts.read_entries(root, DAY) == after
    folder = f"tokens/tokenized_shards/{DAY}"
    assert files(root) == {f"{folder}/shards.json"} | {p for e in after for p in (e.path, e.tsv_path)}
    assert all(storage.read_bytes(join(root, e.path)) == b"new" + e.shard_id.encode() for e in after)
    assert artifacts.read_entries(root, "2026-01-06") == other
    assert storage.read_bytes(join(root, other[0].path)).startswith(b"other")


def test_a_day_without_rows_takes_all_shards_away_and_says_so(root: str) -> None:
    entries = [entry(0)]
    artifacts.publish_shards(root, stage(root, entries, b"x"), DAY, entries)
    artifacts.publish_shards(root, join(root, "_staging", "nothing"), DAY, [])
    assert artifacts.read_entries(root, DAY) == []
    assert files(root) == {f"tokens/tokenized_shards/{DAY}/shards.json"}


def test_a_day_that_was_never_sharded_has_no_entries(root: str) -> None:
    assert artifacts.read_entries(root, DAY) == []


def test_a_publication_that_dies_halfway_lists_no_shards_until_it_is_repeated(root: str, monkeypatch) -> None:
    old = [entry(0), entry(1)]
    artifacts.publish_shards(root, stage(root, old, b"old"), DAY, old)
    move, moved = storage.move, []

    def dies(source: str, target: str) -> None:
        if moved:
            raise KeyboardInterrupt
        moved.append(target)
        move(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(storage, "move", dies)
        artifacts.publish_shards(root, stage(root, old, b"new"), DAY, old)
    assert artifacts.read_entries(root, DAY) == []
    artifacts.publish_shards(root, stage(root, old, b"new"), DAY, old)
    assert artifacts.read_entries(root, DAY) == old
    assert storage.read_bytes(join(root, old[1].path)).startswith(b"new")


def test_the_hash_of_a_day_follows_names_and_bytes_but_not_order() -> None:
    entries = [entry(0), entry(1), entry(0, "news")]
    assert artifacts.entries_hash(entries) == artifacts.entries_hash(entries[::-1])
    assert artifacts.entries_hash(entries).startswith("6:")
    others = [
        [entry(0), entry(1)],
        [entry(0), entry(1), entry(0, "book")],
        [entry(0), entry(1, sha="b" * 64), entry(0, "news")],
        [],
    ]
    assert len({artifacts.entries_hash(e) for e in [entries, *others]}) == 5


def test_a_trained_tokenizer_reads_back_with_the_note_on_its_training(root: str) -> None:
    assert artifacts.read_tokenizer(root) is None
    with pytest.raises(StateError, match="no tokenizer yet") as caught:
        artifacts.require_tokenizer(root)
    assert "materialize tokens/tokenizer" in caught.value.hint
    trained = tokenizer()
    artifacts.write_tokenizer(root, trained, {"days": ["2026-01-05"], "seed": 3})
    found = artifacts.require_tokenizer(root)
    assert (found.vocab_json, found.merges_txt) == (trained.vocab_json, trained.merges_txt)
    assert found.training == {"days": ["2026-01-05"], "seed": 3}
    assert (found.fingerprint, found.vocab_size) == (trained.fingerprint, trained.vocab_size)
    assert found.vocab_size == len(json.loads(trained.vocab_json))


def test_a_tokenizer_put_there_by_hand_is_taken_as_it_is(root: str) -> None:
    trained = tokenizer()
    storage.write_bytes(join(root, "tokens/tokenizer/tokenizer-vocab.json"), trained.vocab_json)
    assert artifacts.read_tokenizer(root) is None
    storage.write_bytes(join(root, "tokens/tokenizer/tokenizer-merges.txt"), trained.merges_txt)
    found = artifacts.require_tokenizer(root)
    assert found.training is None
    assert found.fingerprint == trained.fingerprint


def all_files(root: str) -> dict[str, bytes]:
    return {f.path[len(root) + 1 :]: storage.read_bytes(f.path) for f in storage.list_files(root)}


def test_a_tokenizer_put_in_place_by_a_killed_run_is_the_old_or_the_new_one_and_is_finished_later(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = bpe.train(iter(documents(seed=5)["text"].to_pylist()), TOKENIZER), tokenizer()
    assert old.fingerprint != new.fingerprint
    artifacts.write_tokenizer(join(root, "clean"), new, {"days": ["new"]})
    for steps in count():
        home = join(root, f"after-{steps}")
        artifacts.write_tokenizer(home, old, {"days": ["old"]})
        killed = killed_after(
            steps, monkeypatch, lambda home=home: artifacts.write_tokenizer(home, new, {"days": ["new"]})
        )
        found = artifacts.require_tokenizer(home)
        assert (found.fingerprint, found.training) in (
            (old.fingerprint, {"days": ["old"]}),
            (new.fingerprint, {"days": ["new"]}),
        )
        artifacts.finish_tokenizer(home)
        assert artifacts.read_tokenizer(home) == found
        if found.fingerprint == new.fingerprint:
            assert all_files(home) == all_files(join(root, "clean"))
        if not killed:
            break
    assert steps == 5


def test_a_first_tokenizer_of_a_killed_run_is_none_or_whole(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = tokenizer()
    for steps in range(5):
        home = join(root, f"after-{steps}")
        assert killed_after(steps, monkeypatch, lambda home=home: artifacts.write_tokenizer(home, trained, {"seed": 3}))
        found = artifacts.read_tokenizer(home)
        assert (found is None) == (steps == 0)
        assert found is None or (found.fingerprint, found.training) == (trained.fingerprint, {"seed": 3})


def test_shards_of_a_killed_run_are_unlisted_and_the_next_run_leaves_no_trace_of_them(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = [entry(0), entry(1), entry(0, "news")], [entry(0), entry(0, "books")]
    artifacts.publish_shards(join(root, "clean"), stage(join(root, "clean"), new, b"new"), DAY, new)
    for steps in count(step=4 if is_url(root) else 1):  # on a disk every one of them
        home = join(root, f"after-{steps}")
        artifacts.publish_shards(home, stage(home, old, b"old"), DAY, old)
        staged = stage(home, new, b"new")
        killed = killed_after(steps, monkeypatch, lambda h=home, s=staged: artifacts.publish_shards(h, s, DAY, new))
        assert artifacts.read_entries(home, DAY) == (old if steps == 0 else [] if killed else new)
        storage.delete(staged)
        artifacts.publish_shards(home, stage(home, new, b"new"), DAY, new)
        assert all_files(home) == all_files(join(root, "clean"))
        if not killed:
            break
    assert steps >= 8
