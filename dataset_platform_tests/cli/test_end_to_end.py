"""The whole lane through the command line, on the sample: what was planted comes out where it should, every row is
accounted for, and neither a second run nor another order, partitioning or engine changes a byte.
"""

from __future__ import annotations

import gzip
import io
import re
import shutil
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from dataset_platform.contracts import (
    DedupedCorpus,
    Documents,
    DuplicateLinks,
    FilteredDocuments,
    Quarantine,
    Rejections,
    SignatureIndex,
)
from dataset_platform.demo.sample import Planted, write_sample
from dataset_platform.lake import storage
from dataset_platform.lake.tracing import trace
from dataset_platform_tests.cli.command import Home, Result

DAYS = ("2026-01-05", "2026-01-06")
RANGE = ":".join(DAYS)
SETTINGS = "tokens:\n  tokenizer:\n    vocab_size: 1000\n"
MEMBER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02"  # how the sample's gzip members begin
ALL_ASSETS = {
    "web/raw_warcs",
    "web/documents",
    "web/filtered_documents",
    "web/deduped_corpus",
    "tokens/tokenizer",
    "tokens/tokenized_shards",
    "tokens/manifest",
    "tokens/mixtures",
    "self_correction/questions",
    "self_correction/labelled_turns",
    "self_correction/error_classifier",
    "self_correction/traces",
    "self_correction/rts_policy",
    "self_correction/policy_evaluation",
    "driving/raw_tfrecords",
    "driving/bronze_frames",
    "driving/bronze_maps",
    "driving/camera_images",
    "driving/silver_frames",
    "driving/gold_features",
    "driving/keyframes",
    "driving/cot_traces",
    "driving/cot_quality",
    "driving/cot_annotations",
}
WITHOUT_DAYS = {"tokens/tokenizer", "tokens/manifest", "tokens/mixtures", "self_correction/error_classifier"}
SIMULATED = {"DATASET_PLATFORM_LLM": "simulated"}  # as the demo has it


def no_summaries(files: dict[str, bytes]) -> dict[str, bytes]:
    """Files but the summaries of runs, of which every run writes its own."""
    return {name: content for name, content in files.items() if "/summary_" not in name}


@pytest.fixture(scope="module")
def settings_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("settings") / "small.yaml"
    path.write_text(SETTINGS)
    return path


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """What the sample holds; the same interpreter writes the same bytes, so it is that of the demo."""
    return write_sample(tmp_path_factory.mktemp("sample"), (date(2026, 1, 5), date(2026, 1, 6)))


@pytest.fixture(scope="module")
def done(spark, settings_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Result]:
    """The demo, run once."""
    home = Home(tmp_path_factory.mktemp("demo") / "home", settings_file)
    result = home.run("demo", "--json")
    assert result.code == 0, result.stderr
    return home, result


@pytest.fixture(scope="module")
def demo(done: tuple[Home, Result]) -> Home:
    """The demo's home; tests that write take a copy."""
    return done[0]


def of_stage(rows: list[dict], stage: str) -> dict[str, dict]:
    return {r["url"]: r for r in rows if r["stage"] == stage}


# what the command says


def test_the_last_line_is_one_json_object_with_the_documented_keys(done):
    content = done[1].json
    assert {"assets", "checks", "outputs"} <= content.keys()
    counts = ("rows_in", "rows_kept", "rows_rejected", "rows_quarantined")
    for asset in content["assets"]:
        assert {"key", "partition", "seconds", *counts} <= asset.keys()
        assert all(isinstance(asset[name], int) for name in counts)
    for check in content["checks"]:
        assert {"asset", "name", "partition", "severity", "passed"} <= check.keys()
    partitioned = ALL_ASSETS - WITHOUT_DAYS
    expected = {(key, day) for key in partitioned for day in DAYS} | {(key, None) for key in ALL_ASSETS - partitioned}
    assert {(a["key"], a["partition"]) for a in content["assets"]} == expected
    assert {(c["asset"], c["partition"]) for c in content["checks"]} == expected
    assert all(Path(path).exists() for path in content["outputs"].values())


def test_every_error_check_passed(done):
    checks = [c for c in done[1].json["checks"] if c["severity"] == "ERROR"]
    assert len(checks) > 20
    assert [c for c in checks if not c["passed"]] == []


def test_every_stage_accounts_for_what_the_one_above_kept(done):
    content = done[1].json
    rows = {(a["key"], a["partition"]): a for a in content["assets"]}
    for a in rows.values():
        assert a["rows_in"] == a["rows_kept"] + a["rows_rejected"] + a["rows_quarantined"], a
    chain = ["web/documents", "web/filtered_documents", "web/deduped_corpus", "tokens/tokenized_shards"]
    for above, below in zip(chain, chain[1:], strict=False):
        for day in DAYS:
            assert rows[below, day]["rows_in"] == rows[above, day]["rows_kept"] > 0
    shards = sum(rows["tokens/tokenized_shards", day]["rows_kept"] for day in DAYS)
    assert rows["tokens/manifest", None]["rows_in"] == shards


def test_rows_in_are_the_responses_that_warcio_counts_and_the_broken_pieces(done, planted):
    home, result = done
    responses = broken = 0
    for path in sorted(home.raw.rglob("*.warc.gz")):
        content = path.read_bytes()
        starts = [m.start() for m in re.finditer(re.escape(MEMBER), content)]
        for start, end in zip(starts, [*starts[1:], len(content)], strict=True):
            member = content[start:end]
            try:
                gzip.decompress(member)
                responses += sum(r.rec_type == "response" for r in ArchiveIterator(io.BytesIO(member)))
            except (OSError, EOFError, gzip.zlib.error, ArchiveLoadFailed):
                broken += 1
    assert broken == len(planted.corrupted) + len(planted.truncated) + len(planted.not_warc) == 3
    rows_in = sum(a["rows_in"] for a in result.json["assets"] if a["key"] == "web/documents")
    assert rows_in == responses + broken == sum(planted.tallies.values())


# what was planted


def test_responses_that_are_no_page_are_rejected_with_their_reason(demo, planted):
    rejected = of_stage(demo.rows(Rejections), "documents")
    for url, status in planted.http_errors.items():
        assert (rejected[url]["reason"], rejected[url]["measure"]) == ("http_status", status)
    assert {rejected[url]["reason"] for url in planted.not_html} == {"not_html"}
    assert {rejected[url]["reason"] for url in planted.empty} == {"empty_body"}
    assert {rejected[url]["reason"] for url in planted.repeated_record_ids} == {"duplicate_record"}
    reasons = [planted.http_errors, planted.not_html, planted.empty, planted.repeated_record_ids]
    assert rejected.keys() == {url for urls in reasons for url in urls}


def test_every_other_page_is_kept_by_extraction(demo, planted):
    assert {r["url"] for r in demo.rows(Documents)} == set(planted.kept)


def test_other_languages_are_identified(demo, planted):
    found = {r["url"]: r["language"] for r in demo.rows(Documents)}
    assert {url: found[url] for url in planted.languages} == planted.languages


def test_broken_bytes_are_in_quarantine_with_file_and_offset(demo, planted):
    rows = demo.rows(Quarantine)
    found = {r["url"] or r["file"]: r for r in rows}
    assert len(rows) == len(found) == 3
    for url, file in {**planted.corrupted, **planted.truncated}.items():
        assert found[url]["file"] == file
        content = (demo.raw / file).read_bytes()
        assert content[found[url]["offset"] :].startswith(MEMBER)
        assert found[url]["error"]
    for file in planted.not_warc:
        assert (found[file]["offset"], found[file]["ingestion_date"].isoformat()) == (0, DAYS[0])


@pytest.mark.parametrize("kind", ["exact", "near"])
def test_duplicates_are_rejected_on_their_own_day(demo, planted, kind):
    passed = {r["url"] for r in demo.rows(FilteredDocuments)}
    corpus = {day: {r["url"] for r in demo.rows(DedupedCorpus, day)} for day in DAYS}
    rejected = {day: of_stage(demo.rows(Rejections, day), "deduped_corpus") for day in DAYS}
    same = getattr(planted, f"{kind}_same_day")
    later = getattr(planted, f"{kind}_next_day")
    pairs = [(copy, original) for copy, original in same.items() if {copy, original} <= passed]
    assert len(pairs) > len(same) // 2
    for pair in pairs:  # which of the two is kept is decided by the keeper's rule; the other one goes
        assert len(corpus[DAYS[0]].intersection(pair)) <= 1
        assert rejected[DAYS[0]].keys() & pair
    copies = [copy for copy, original in later.items() if {copy, original} <= passed]
    assert len(copies) > len(later) // 2
    for copy in copies:
        assert copy not in corpus[DAYS[1]]
        assert rejected[DAYS[1]][copy]["reason"] == f"{kind}_duplicate"


# running again, otherwise, elsewhere


def test_unchanged_days_are_not_rewritten_when_only_stale_ones_are_asked_for(demo, tmp_path):
    home = demo.copy(tmp_path / "home", "raw", "lake", "artifacts")
    before, files = home.versions(), home.files()
    result = home.run("materialize", "-p", RANGE, "--only-stale", "--json", **SIMULATED)
    assert result.code == 0, result.stderr
    assert home.versions() == before
    assert home.files() == files
    assert all("unchanged" in a["note"] for a in result.json["assets"] if a["partition"])


def test_materializing_again_changes_no_row_and_no_file(demo, tmp_path):
    home = demo.copy(tmp_path / "home", "raw", "lake", "artifacts")
    tables, files, versions = home.tables(), home.files(), home.versions()
    assert home.run("materialize", "-p", RANGE, **SIMULATED).code == 0
    assert home.versions()["web/documents"] > versions["web/documents"], "the days were not made again"
    assert home.tables() == tables
    assert no_summaries(home.files()) == no_summaries(files)


@pytest.mark.slow
def test_spark_with_other_partitions_and_another_order_of_files_writes_the_same_bytes(
    demo, spark, tmp_path, monkeypatch
):
    listed = storage.list_files
    monkeypatch.setattr(storage, "list_files", lambda path: listed(path)[::-1])
    settings = tmp_path / "spark.yaml"
    settings.write_text(f"{SETTINGS}engine: spark\n")
    home = demo.copy(tmp_path / "home", "raw", config=settings)
    before = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", "5")
    try:
        assert home.run("materialize", "-p", RANGE, **SIMULATED).code == 0
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", before)
    assert before != "5"
    for folder in ("tokenized_shards", "manifest", "mixtures", "tokenizer"):
        assert home.files(f"tokens/{folder}") == demo.files(f"tokens/{folder}")
    assert home.tables() == demo.tables()


def test_with_the_tokenizer_given_the_days_one_by_one_are_the_range(demo, tmp_path):
    home = demo.copy(tmp_path / "home", "raw", "artifacts/tokens/tokenizer")
    for day in DAYS:
        assert home.run("materialize", "web/*,tokens/tokenized_shards", "-p", day).code == 0
    assert home.tables() == demo.tables()
    assert home.files("tokens/tokenized_shards") == demo.files("tokens/tokenized_shards")


def test_the_distributed_dedup_gives_the_rows_of_the_one_in_memory(demo, tmp_path):
    settings = tmp_path / "spark.yaml"
    settings.write_text(f"{SETTINGS}web:\n  dedup:\n    in_memory_documents: 0\n")
    home = demo.copy(tmp_path / "home", "raw", "lake", config=settings)
    versions = home.versions()
    result = home.run("materialize", "web/deduped_corpus", "-p", DAYS[1])
    assert result.code == 0, result.stderr
    assert home.versions()["web/deduped_corpus"] > versions["web/deduped_corpus"]
    for contract in (DedupedCorpus, Rejections, SignatureIndex, DuplicateLinks):
        assert home.tables()[contract.table_name()] == demo.tables()[contract.table_name()]


@pytest.mark.slow
def test_tokenizing_on_ray_gives_the_same_shards(demo, ray_engine, tmp_path):
    settings = tmp_path / "ray.yaml"
    settings.write_text(f"{SETTINGS}engines:\n  tokens/tokenized_shards: ray\n")
    home = demo.copy(tmp_path / "home", "lake", "artifacts", config=settings)
    shutil.rmtree(home.artifacts / "tokens" / "tokenized_shards")
    result = home.run("materialize", "tokens/tokenized_shards", "-p", RANGE)
    assert result.code == 0, result.stderr
    assert home.files("tokens/tokenized_shards") == demo.files("tokens/tokenized_shards")


# following a document


def test_every_shard_leads_back_to_the_bytes_of_its_records(demo):
    shards = sorted((demo.artifacts / "tokens").rglob("*.parquet"))
    assert shards
    for shard in shards:
        meta = pq.read_table(shard, columns=["meta"]).column("meta").to_pylist()[0]
        (found,) = trace(demo.settings, meta["doc_id"])
        with (demo.raw / meta["file"]).open("rb") as stream:
            stream.seek(meta["offset"])
            record = next(iter(ArchiveIterator(io.BytesIO(stream.read(meta["length"])))))
        assert found.bytes_verified
        assert found.record_id == record.rec_headers.get_header("WARC-Record-ID")
        assert record.rec_headers.get_header("WARC-Target-URI").strip("<>") == meta["url"] == found.url
        assert found.shard["path"] == str(shard.relative_to(demo.artifacts))


def test_trace_prints_the_way_of_a_document_to_its_shard(demo):
    shard = min((demo.artifacts / "tokens").rglob("*.parquet"))
    meta = pq.read_table(shard, columns=["meta"]).column("meta").to_pylist()[0]
    result = demo.run("trace", meta["doc_id"], "--json")
    assert result.code == 0, result.stderr
    (found,) = result.json["traces"]
    assert found["bytes_verified"]
    assert [s["stage"] for s in found["steps"]] == [
        "web/documents",
        "web/filtered_documents",
        "web/deduped_corpus",
        "tokens/tokenized_shards",
    ]
    assert found["steps"][0]["detail"].startswith("extraction: ")
    for shown in (meta["url"], meta["file"], str(meta["offset"]), shard.stem):
        assert shown in result.stdout


def test_trace_of_a_rejected_url_names_stage_rule_and_measure(demo, planted):
    near = of_stage(demo.rows(Rejections, DAYS[1]), "deduped_corpus")
    copy = next(url for url in planted.near_next_day if url in near)
    status_url, status = next(iter(planted.http_errors.items()))
    for url, stage, rule, measure in (
        (status_url, "web/documents", "http_status", status),
        (copy, "web/deduped_corpus", "near_duplicate", near[copy]["measure"]),
    ):
        result = demo.run("trace", url, "--json")
        assert result.code == 0, result.stderr
        (found,) = result.json["traces"]
        last = found["steps"][-1]
        assert (last["outcome"], last["stage"], last["reason"]) == ("rejected", stage, rule)
        assert last["measure"] == measure
        assert found["bytes_verified"]
        assert f"{stage}: {rule}, measure {measure:.6g}" in result.stdout


def test_trace_of_broken_bytes_names_file_and_offset(demo, planted):
    url, file = next(iter(planted.truncated.items()))
    (row,) = [r for r in demo.rows(Quarantine) if r["url"] == url]
    (found,) = demo.run("trace", url, "--json").json["traces"]
    assert (found["file"], found["offset"]) == (file, row["offset"])
    assert found["steps"][-1]["outcome"] == "quarantined"


def test_trace_of_an_unknown_url_is_one_line_and_exit_code_1(demo):
    result = demo.run("trace", "http://nowhere.example/")
    assert result.code == 1
    assert result.errors == ["error: No stage ever met the URL http://nowhere.example/."]
    assert result.stdout == ""


# checks of what lies there


def test_checks_of_an_untouched_home_pass(demo):
    result = demo.run("check", "-p", RANGE, "--json")
    assert result.code == 0, result.stderr
    assert {c["asset"] for c in result.json["checks"]} == ALL_ASSETS
    assert all(c["passed"] for c in result.json["checks"] if c["severity"] == "ERROR")


def test_one_changed_byte_of_a_shard_fails_the_check_by_name(demo, tmp_path):
    home = demo.copy(tmp_path / "home", "lake", "artifacts")
    shard = min((home.artifacts / "tokens" / "tokenized_shards" / DAYS[0]).rglob("*.parquet"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    result = home.run("check", "tokens/tokenized_shards,tokens/manifest", "-p", RANGE, "--json")
    assert result.code == 1
    failed = {(c["asset"], c["partition"]) for c in result.json["checks"] if not c["passed"]}
    assert failed == {("tokens/tokenized_shards", DAYS[0]), ("tokens/manifest", None)}
    assert any("tokens/tokenized_shards" in line and shard.stem in line for line in result.errors)


def test_a_row_lost_from_a_table_fails_the_check_by_name(demo, tmp_path):
    home = demo.copy(tmp_path / "home", "lake")
    lost = home.rows(DedupedCorpus, DAYS[1])[0]["doc_id"]
    home.table(DedupedCorpus).delta().delete(f"doc_id = '{lost}'")
    result = home.run("check", "web/deduped_corpus", "-p", RANGE, "--json")
    assert result.code == 1
    failed = {(c["asset"], c["name"], c["partition"]) for c in result.json["checks"] if not c["passed"]}
    assert failed == {("web/deduped_corpus", "conservation", DAYS[1])}
    assert any("web/deduped_corpus" in line and DAYS[1] in line for line in result.errors)


# order of days


def test_a_day_is_not_judged_before_an_earlier_one_that_has_files(demo, tmp_path):
    home = demo.copy(tmp_path / "home", "raw", "lake")
    shutil.rmtree(home.path / "lake" / "_receipts" / "web" / "deduped_corpus")
    versions = home.versions()
    result = home.run("materialize", "web/deduped_corpus", "-p", DAYS[1])
    assert result.code == 1
    assert home.versions() == versions
    (line,) = [line for line in result.errors if line.startswith("FAILED")]
    assert line.startswith(f"FAILED web/deduped_corpus {DAYS[1]}:")
    assert f"dataset-platform materialize 'web/*' --partitions {DAYS[0]}:{DAYS[1]}" in line
