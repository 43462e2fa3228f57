"""Tokenizer, shards and manifest of a small corpus on this machine's worker processes: no session is ever asked for."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pytest

from dataset_platform.config import PlatformConfig, TokensConfig
from dataset_platform.contracts import DedupedCorpus
from dataset_platform.defs.days import Day
from dataset_platform.defs.tokens import manifest, shards, tokenizer
from dataset_platform.engines import local
from dataset_platform.errors import StateError
from dataset_platform.kernels.tokens import bpe
from dataset_platform.lake import artifacts, receipts
from dataset_platform.lake.receipts import Receipt
from dataset_platform.lake.tables import LakeTable
from dataset_platform.settings import Settings
from dataset_platform_tests.contracts.rows import good_row
from dataset_platform_tests.kernels.tokens import corpus

DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")
TRAINED = bpe.TokenizerConfig(vocab_size=400, sample_bytes=6_000)


@pytest.fixture(autouse=True, scope="module")
def _no_workers_after() -> Iterator[None]:
    yield
    local.stop()


def refused() -> Any:
    raise AssertionError("no JVM is needed here")


def day_of(root: Path, key: str = "", session: Callable[[], Any] = refused, engine: str = "local") -> Day:
    settings = Settings(str(root), f"{root}/raw", f"{root}/lake", f"{root}/artifacts", str(root), date(2026, 1, 1))
    tokens = TokensConfig(tokenizer=TRAINED, shards=corpus.SHARDS)
    return Day(key, settings, PlatformConfig.model_validate({"engine": engine, "tokens": tokens}), session)


def land(root: Path, days: tuple[str, ...] = DAYS[:2]) -> dict[str, pa.Table]:
    """Finished days of the corpus, each of other documents; the last language is another one on every day."""
    day = day_of(root)
    table = LakeTable(DedupedCorpus, day.settings.lake)
    landed = {}
    for number, key in enumerate(days):
        found = corpus.documents(60, seed=number).to_pylist()
        rows = [
            good_row(DedupedCorpus) | d | {"text_length": len(d["text"]), "language": f"{'x' * (n % 2)}l{number}"}
            for n, d in enumerate(found)
        ]
        schema = pa.schema([f.with_nullable(True) for f in DedupedCorpus.data_schema()])
        landed[key] = pa.Table.from_pylist(rows, schema=schema)
        table.replace_partition(landed[key], {"ingestion_date": key})
        receipts.write(day.settings.lake, Receipt(table.contract.table_name(), key, 60, 60, 0, 0, content_hash=key))
    return landed


def test_the_lane_runs_from_the_corpus_to_the_manifest_and_the_card_counts_what_is_there(tmp_path: Path) -> None:
    landed = land(tmp_path)
    made = [tokenizer.make_tokenizer(day_of(tmp_path))]
    made += [shards.make_shards(day_of(tmp_path, key)) for key in landed]
    made.append(manifest.make_manifest(day_of(tmp_path)))
    assert all(one.published and all(f.passed for f in one.findings) for one in made)
    everything = pa.concat_tables(landed.values()).to_pylist()
    hosts: dict[str, set[str | None]] = {}
    for row in everything:
        hosts.setdefault(row["source"], set()).update([urlsplit(row["url"]).hostname] if row["url"] else [])
    counted, languages = manifest._hosts_and_languages(day_of(tmp_path), list(landed))
    assert counted == {source: len(names) for source, names in hosts.items()}
    assert languages == Counter(row["language"] for row in everything) and len(languages) == 4
    assert sum(e.records for d in landed for e in artifacts.read_entries(f"{tmp_path}/artifacts", d)) == 120
    audits = [*tokenizer.audit_tokenizer(day_of(tmp_path)), *manifest.audit_manifest(day_of(tmp_path))]
    audits += [f for key in landed for f in shards.audit_shards(day_of(tmp_path, key))]
    assert all(f.passed for f in audits)


def test_the_tokenizer_is_of_the_days_sampled_and_stays_when_another_day_comes(tmp_path: Path) -> None:
    landed = land(tmp_path)
    tokenizer.make_tokenizer(day_of(tmp_path))
    first = artifacts.require_tokenizer(f"{tmp_path}/artifacts")
    batches = [batch for key in landed for batch in landed[key].to_batches(max_chunksize=7)]
    sampled = [text for b in bpe.sample(TRAINED)(iter(batches[::-1])) for text in b.column("text").to_pylist()]
    assert 0 < len(sampled) < 120, "the sample must be a part"
    assert list(tokenizer.sampled_texts(day_of(tmp_path), list(landed), TRAINED, validation=False)) == sampled
    assert first.fingerprint == bpe.train(iter(sampled), TRAINED).fingerprint
    land(tmp_path, DAYS)
    again = tokenizer.make_tokenizer(day_of(tmp_path))
    assert again.metadata["note"].startswith("unchanged")
    assert artifacts.require_tokenizer(f"{tmp_path}/artifacts") == first


def test_a_shard_that_is_not_what_was_written_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataset_platform.engines import sharding
    from dataset_platform.engines.shard_writing import WrittenShard

    land(tmp_path, DAYS[:1])
    tokenizer.make_tokenizer(day_of(tmp_path))
    day = day_of(tmp_path, DAYS[0])
    assert shards.make_shards(day).published
    before = receipts.read(day.settings.lake, shards.TABLE, DAYS[0])
    right = sharding.shard_day

    def one_is_wrong(*given: Any) -> list[WrittenShard]:
        first, *others = right(*given)
        return [WrittenShard(first.entry, "its bytes are not those that were written"), *others]

    monkeypatch.setattr(sharding, "shard_day", one_is_wrong)
    made = shards.make_shards(day)
    assert not made.published and not made.findings[0].passed
    assert receipts.read(day.settings.lake, shards.TABLE, DAYS[0]) == before
    assert all(f.passed for f in shards.audit_shards(day)), "what was published before stands"


def test_without_a_corpus_it_is_said_what_to_run(tmp_path: Path) -> None:
    LakeTable(DedupedCorpus, f"{tmp_path}/lake").ensure()
    with pytest.raises(StateError, match="nothing to train"):
        tokenizer.make_tokenizer(day_of(tmp_path))
    with pytest.raises(StateError, match="No day has shards"):
        manifest.make_manifest(day_of(tmp_path))


@pytest.mark.slow
def test_spark_samples_and_counts_the_same(tmp_path: Path, spark: Any) -> None:
    landed = land(tmp_path)
    days = list(landed)
    found = {}
    for engine in ("local", "spark"):
        day = day_of(tmp_path, session=(lambda: spark) if engine == "spark" else refused, engine=engine)
        texts = [list(tokenizer.sampled_texts(day, days, TRAINED, validation=held)) for held in (False, True)]
        found[engine] = json.dumps([texts, manifest._hosts_and_languages(day, days)], sort_keys=True)
    assert found["local"] == found["spark"]


def test_a_finished_day_whose_shards_are_gone_is_not_left_out_of_the_manifest(tmp_path: Path) -> None:
    land(tmp_path)
    tokenizer.make_tokenizer(day_of(tmp_path))
    for key in DAYS[:2]:
        assert shards.make_shards(day_of(tmp_path, key)).published
    assert manifest.make_manifest(day_of(tmp_path)).published
    shutil.rmtree(artifacts.shards_folder(f"{tmp_path}/artifacts", DAYS[0]))
    told = f"{DAYS[0]} has 0 shards .* its receipt says"
    with pytest.raises(StateError, match=told):
        manifest.make_manifest(day_of(tmp_path))
    assert re.search(told, next(f for f in manifest.audit_manifest(day_of(tmp_path)) if f.name == "complete").message)
    with pytest.raises(StateError, match="which is not there"):
        manifest.make_mixtures(day_of(tmp_path))


def test_a_corpus_whose_rows_were_taken_away_is_named(tmp_path: Path) -> None:
    land(tmp_path)
    tokenizer.make_tokenizer(day_of(tmp_path))
    LakeTable(DedupedCorpus, f"{tmp_path}/lake").clear_partition({"ingestion_date": DAYS[0]})
    with pytest.raises(StateError, match=f"{DAYS[0]} has 0 rows, its receipt says 60"):
        shards.make_shards(day_of(tmp_path, DAYS[0]))
