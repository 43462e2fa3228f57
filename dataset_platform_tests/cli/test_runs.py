"""How a command becomes runs: the order of steps, what a selection names, bad days alone, one command per day."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dataset_platform.cli.runs import graph, phases, select
from dataset_platform.contracts import RawWarcs
from dataset_platform.errors import ConfigError
from dataset_platform.lake import storage
from dataset_platform_tests.cli.command import Home
from dataset_platform_tests.kernels.web import warc_files

WEB = ["web/deduped_corpus", "web/documents", "web/filtered_documents", "web/raw_warcs"]
TOKENS = ["tokens/manifest", "tokens/mixtures", "tokens/tokenized_shards", "tokens/tokenizer"]
SELF_CORRECTION = [
    f"self_correction/{name}"
    for name in ("error_classifier", "labelled_turns", "policy_evaluation", "questions", "rts_policy", "traces")
]
DRIVING = [
    f"driving/{name}"
    for name in (
        *("bronze_frames", "bronze_maps", "camera_images", "cot_annotations", "cot_quality", "cot_traces"),
        *("gold_features", "keyframes", "raw_tfrecords", "silver_frames"),
    )
]
DAYS = ["2026-01-05", "2026-01-06", "2026-01-07"]
HOLDER = """
import sys
from dataset_platform.lake.locks import lock
with lock(sys.argv[1], "run of " + sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


# steps


def test_days_run_before_the_assets_without_days_that_see_them_all():
    upstream = {"a": set(), "b": {"a"}, "model": {"b"}, "c": {"b", "model"}, "list": {"c"}, "mix": {"list"}}
    steps = phases(list(upstream), upstream, {"a", "b", "c"})
    assert steps == [(True, ["a", "b"]), (False, ["model"]), (True, ["c"]), (False, ["list", "mix"])]


def test_a_selection_leaves_the_other_steps_out_but_keeps_their_order():
    upstream = {"a": set(), "model": {"a"}, "c": {"a", "model"}, "list": {"c"}}
    assert phases(["list", "c"], upstream, {"a", "c"}) == [(True, ["c"]), (False, ["list"])]
    assert phases(["list", "a"], upstream, {"a", "c"}) == [(True, ["a"]), (False, ["list"])]
    assert phases([], upstream, {"a", "c"}) == []


def test_every_step_of_the_graph_needs_only_earlier_ones():
    _, upstream, partitioned = graph()
    steps = phases(sorted(upstream), upstream, partitioned)
    place = {key: at for at, (_, keys) in enumerate(steps) for key in keys}
    assert place.keys() == upstream.keys()
    for is_partitioned, keys in steps:
        assert {key in partitioned for key in keys} == {is_partitioned}
        for key in keys:
            assert all(place[above] <= place[key] for above in upstream[key])
            assert all(place[above] < place[key] for above in upstream[key] if (above in partitioned) != is_partitioned)


# selections


@pytest.mark.parametrize(
    ("selection", "keys"),
    [
        ("*", sorted(DRIVING + SELF_CORRECTION + TOKENS + WEB)),
        ("web/*", WEB),
        ("web/documents", ["web/documents"]),
        ("tokens/manifest, tokens/mixtures", ["tokens/manifest", "tokens/mixtures"]),
        ("web/raw*,tokens/token*", ["tokens/tokenized_shards", "tokens/tokenizer", "web/raw_warcs"]),
        ('key:"web/filtered_documents"+1', ["web/deduped_corpus", "web/filtered_documents"]),
        ('+key:"web/filtered_documents"', ["web/documents", "web/filtered_documents", "web/raw_warcs"]),
        ("group:tokens", TOKENS),
        ("group:tokens,web/raw_warcs", [*TOKENS, "web/raw_warcs"]),
        ('group:web and not key:"web/documents"', [k for k in WEB if k != "web/documents"]),
    ],
)
def test_a_selection_names_assets_by_key_glob_or_dagsters_syntax(selection, keys):
    assert select(selection) == keys


def test_a_name_that_fits_nothing_lists_what_there_is():
    with pytest.raises(ConfigError, match=r"'web/nothing' names no asset\. There are: .*web/documents"):
        select("web/documents,web/nothing")


@pytest.mark.parametrize("selection", ["group:web and", "colour:red", "key:("])
def test_broken_syntax_is_one_line_that_names_it(selection):
    with pytest.raises(ConfigError, match="is no selection") as raised:
        select(selection)
    assert selection in str(raised.value)
    assert "\n" not in str(raised.value)


# days


@pytest.fixture
def landed(tmp_path: Path) -> Home:
    """A home with one small file on each of three days."""
    home = Home(tmp_path / "home")
    for number, day in enumerate(DAYS):
        folder = home.raw / "web" / day.replace("-", "/")
        folder.mkdir(parents=True)
        (folder / "crawl.warc.gz").write_bytes(warc_files.frame(warc_files.records(3, seed=number), "gzip"))
    return home


def test_a_day_that_fails_is_named_and_the_others_are_done(spark, landed, monkeypatch):
    listed = storage.list_files

    def failing(path: str) -> list[storage.FileEntry]:
        if "/raw/web/2026/01/06" in path:
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(storage, "list_files", failing)
    result = landed.run("materialize", "web/raw_warcs", "-p", f"{DAYS[0]}:{DAYS[2]}", "--json")
    assert result.code == 1
    assert [f["partition"] for f in result.json["failures"]] == [DAYS[1]]
    assert "Permission denied" in result.json["failures"][0]["message"]
    assert {r["ingestion_date"].isoformat() for r in landed.rows(RawWarcs)} == {DAYS[0], DAYS[2]}
    assert f"error: failed: {DAYS[1]}." in result.stderr
    assert "Traceback" not in result.stderr


def test_a_day_whose_first_asset_failed_is_not_taken_further(spark, landed, monkeypatch):
    listed = storage.list_files

    def failing(path: str) -> list[storage.FileEntry]:
        if "/raw/web/2026/01/05" in path:
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(storage, "list_files", failing)
    result = landed.run("materialize", "web/raw_warcs,web/documents", "-p", DAYS[0], "--json")
    assert result.code == 1
    assert result.json["assets"] == []
    assert [f["asset"] for f in result.json["failures"]] == ["web/raw_warcs"]


@pytest.fixture
def other_run(landed: Home):
    """Another process that works on the second day."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, landed.settings.lake, DAYS[1]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.stdin.close()
    assert process.wait(timeout=30) == 0
    process.stdout.close()


def test_a_day_that_another_process_works_on_is_refused_by_name_or_waited_for(spark, landed, other_run):
    command = ("materialize", "web/raw_warcs", "-p")
    refused = landed.run(*command, DAYS[1], DATASET_PLATFORM_LOCK_WAIT_S="1")
    assert refused.code == 1
    assert f"error: run of {DAYS[1]} is being written by process {other_run.pid}" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert landed.rows(RawWarcs) == []
    assert landed.run(*command, DAYS[0], DATASET_PLATFORM_LOCK_WAIT_S="1").code == 0
    release = threading.Timer(1.5, other_run.stdin.close)
    release.start()
    waited = landed.run(*command, DAYS[1], DATASET_PLATFORM_LOCK_WAIT_S="60")
    release.join()
    assert waited.code == 0, waited.stderr
    assert len(landed.rows(RawWarcs, DAYS[1])) == 1
