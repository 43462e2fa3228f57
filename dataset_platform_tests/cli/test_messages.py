"""Broken input and wrong commands: one clear line that names the cause, what to do next, no traceback, exit code not 0."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dataset_platform.contracts import Documents, Quarantine
from dataset_platform.errors import ConfigError
from dataset_platform_tests.cli.command import Home, Result
from dataset_platform_tests.kernels.web import warc_files

DAY = "2026-01-05"
FOLDER = "raw/web/2026/01/05"


@pytest.fixture
def fresh(tmp_path: Path) -> Home:
    """An empty home."""
    return Home(tmp_path / "home")


@pytest.fixture
def landed(fresh: Home) -> Path:
    """The raw folder of a day in the empty home."""
    folder = fresh.path / FOLDER
    folder.mkdir(parents=True)
    return folder


def warc(count: int = 4) -> bytes:
    return warc_files.frame(warc_files.records(count), "gzip")


def assert_one_line(result: Result, *shown: str) -> None:
    """A single error that shows the words, at most a hint below it, and a failing exit code."""
    assert result.code == 1
    lines = [line for line in result.stderr.splitlines() if not line.startswith("…")]
    assert len(lines) in (1, 2), result.stderr
    assert lines[0].startswith("error: ")
    assert all(line.startswith("  ") for line in lines[1:]), result.stderr
    for word in shown:
        assert word in result.stderr
    assert "Traceback" not in result.stderr + result.stdout


# commands that name nothing to work on


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["-p", "2026-13-01"], ["'2026-13-01' is not a day", "YYYY-MM-DD"]),
        (["-p", "yesterday"], ["'yesterday' is not a day"]),
        (["-p", "2026-01-06:2026-01-05"], ["runs backwards", "2026-01-05:2026-01-06"]),
        (["-p", "2025-11-30"], ["2025-11-30 lies before the first day, 2025-12-01", "DATASET_PLATFORM_FIRST_DAY"]),
        (["-p", "9999-01-01"], ["9999-01-01 lies after today"]),
        (["web/nothing", "-p", DAY], ["'web/nothing' names no asset", "web/documents"]),
        (["web/documents,audio/*", "-p", DAY], ["'audio/*' names no asset"]),
        (["web/documents"], ["web/documents have partitions", "--partitions"]),
    ],
)
@pytest.mark.parametrize("command", ["materialize", "check"])
def test_a_wrong_range_or_selection_is_one_line(fresh, command, arguments, shown):
    assert_one_line(fresh.run(command, *arguments), *shown)
    assert not fresh.path.exists()


@pytest.mark.parametrize(
    ("day", "shown"),
    [
        ("2026-02-30", "'2026-02-30' is not a day"),
        ("2025-11-30", "before the first day"),
        ("9999-01-01", "after today"),
    ],
)
def test_a_wrong_day_of_the_demo_is_one_line_and_touches_no_home(fresh, tmp_path, day, shown):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "pages.warc.gz").write_bytes(warc())
    assert_one_line(fresh.run("demo", "--input", str(tmp_path / "in"), "--day", day), shown)
    assert not fresh.path.exists()


def test_an_empty_folder_is_one_line(fresh, tmp_path):
    (tmp_path / "in").mkdir()
    assert_one_line(fresh.run("demo", "--input", str(tmp_path / "in")), f"{tmp_path}/in has none", "*.warc.gz")
    assert not fresh.path.exists()


@pytest.mark.parametrize("source", ["nowhere", "nowhere/*.warc.gz"])
def test_a_missing_path_is_one_line(fresh, tmp_path, source):
    assert_one_line(fresh.run("demo", "--input", str(tmp_path / source)), "No WARC files", str(tmp_path / source))


def test_a_missing_bucket_is_one_line(fresh, bucket):
    assert_one_line(fresh.run("demo", "--input", f"{bucket}-gone/crawl/"), f"Cannot list {bucket}-gone/crawl/")


def test_an_empty_bucket_is_one_line(fresh, bucket):
    assert_one_line(fresh.run("demo", "--input", f"{bucket}/crawl/"), f"{bucket}/crawl/ has none")


def test_an_unknown_scheme_is_one_line(fresh):
    assert_one_line(fresh.run("demo", "--input", "ftp://host/crawl"), "ftp://host/crawl", "s3://")


def test_a_demo_on_remote_roots_is_one_line(fresh):
    assert_one_line(fresh.run("demo", DATASET_PLATFORM_LAKE="s3://bucket/lake"), "below its home only", "_LAKE")


# settings


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (None, "Cannot read"),
        ("tokens: [unclosed", "is not YAML"),
        ("tokens:\n  tokenizer:\n    vocabulary: 5\n", "tokens.tokenizer.vocabulary"),
        ("tokens:\n  tokenizer:\n    vocab_size: many\n", "tokens.tokenizer.vocab_size"),
        ("- a\n- list\n", "the file as a whole"),
    ],
)
@pytest.mark.parametrize(
    "arguments",
    [["config"], ["materialize", "web/raw_warcs", "-p", "2026-01-05:2026-01-06"], ["check", "-p", DAY], ["demo"]],
    ids=lambda arguments: arguments[0],
)
def test_a_wrong_settings_file_is_one_line(fresh, tmp_path, arguments, content, shown):
    path = tmp_path / "settings.yaml"
    if content is not None:
        path.write_text(content)
    assert_one_line(Home(fresh.path, path).run(*arguments), str(path), shown)
    assert not fresh.path.exists()


# what lies in raw


def test_a_range_with_no_data_is_one_line(fresh):
    result = fresh.run("materialize", "web/*", "-p", "2026-01-05:2026-01-06")
    assert result.code == 1
    assert len(result.errors) == 1
    assert "no input for 2026-01-05 to 2026-01-06" in result.errors[0]
    assert f"{fresh.path}/raw/web/yyyy/mm/dd/" in result.errors[0]
    assert "Traceback" not in result.stderr


def test_other_files_in_the_folder_are_named(fresh, landed):
    (landed / "notes.txt").write_text("no crawl")
    result = fresh.run("materialize", "web/raw_warcs", "-p", DAY)
    assert result.code == 1
    (line,) = result.errors
    assert "no input" in line
    assert "notes.txt" in line


def test_a_missing_raw_bucket_is_named(fresh, bucket):
    result = fresh.run("materialize", "web/raw_warcs", "-p", DAY, DATASET_PLATFORM_RAW=f"{bucket}-gone/raw")
    assert result.code == 1
    assert f"{bucket}-gone" in result.errors[0]
    assert "credentials" in result.errors[0]
    assert "Traceback" not in result.stderr


def test_a_file_that_is_no_warc_is_named_with_its_content(spark, fresh, landed):
    (landed / "page.warc.gz").write_text("<html><body>503</body></html>")
    result = fresh.run("materialize", "web/*", "-p", DAY)
    assert result.code == 1
    (line,) = result.errors
    assert "page.warc.gz" in line
    assert "not a WARC" in line
    assert "Traceback" not in result.stderr
    (row,) = fresh.rows(Quarantine)
    assert (row["file"], row["offset"]) == ("web/2026/01/05/page.warc.gz", 0)


def test_a_truncated_file_gives_its_whole_records_and_one_quarantine_row(spark, fresh, landed):
    members = [warc_files.frame([part], "gzip") for part in warc_files.records(5)]
    (landed / "crawl.warc.gz").write_bytes(b"".join(members)[:-20])
    result = fresh.run("materialize", "web/raw_warcs,web/documents", "-p", DAY)
    assert result.code == 0, result.stderr
    assert len(fresh.rows(Documents)) == 4
    (row,) = fresh.rows(Quarantine)
    assert row["file"] == "web/2026/01/05/crawl.warc.gz"
    assert row["offset"] == sum(map(len, members[:-1]))
    assert "cut" in row["error"]


def test_a_link_to_nothing_is_not_lost_silently(spark, fresh, landed, tmp_path):
    (landed / "whole.warc.gz").write_bytes(warc())
    (landed / "gone.warc.gz").symlink_to(tmp_path / "unmounted" / "gone.warc.gz")
    result = fresh.run("materialize", "web/raw_warcs,web/documents", "-p", DAY)
    shown = result.stderr + json.dumps([r["file"] for r in fresh.rows(Quarantine)])
    assert "gone.warc.gz" in shown
    assert "Traceback" not in result.stderr


def test_a_folder_named_like_a_file_is_searched_and_not_opened(fresh, landed):
    (landed / "x.warc.gz").mkdir()
    result = fresh.run("materialize", "web/raw_warcs", "-p", DAY)
    assert result.code == 1
    assert len(result.errors) == 1
    assert "no input" in result.errors[0]


# whose home it is


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def test_a_home_with_somebodys_data_is_refused_and_left_as_it_is(fresh, landed):
    (landed / "mine.warc.gz").write_bytes(warc())
    before = snapshot(fresh.path)
    assert_one_line(fresh.run("demo"), "holds data that no demo wrote", "DATASET_PLATFORM_HOME", "--keep")
    assert snapshot(fresh.path) == before


def test_kept_data_survives_the_demo_after_it(fresh, landed):
    from dataset_platform.cli.demo import prepare_home

    (landed / "mine.warc.gz").write_bytes(warc())
    before = snapshot(fresh.path)
    prepare_home(fresh.settings, {"input": "elsewhere"}, keep=True)
    assert snapshot(fresh.path) == before
    with pytest.raises(ConfigError, match="no demo wrote"):
        prepare_home(fresh.settings, {"input": "elsewhere"}, keep=False)
    assert snapshot(fresh.path) == before


def test_a_demo_empties_only_what_another_demo_filled(fresh):
    from dataset_platform.cli.demo import prepare_home

    prepare_home(fresh.settings, {"input": "first"}, keep=False)
    (fresh.path / "lake").mkdir()
    (fresh.path / "lake" / "row").write_text("of the first")
    prepare_home(fresh.settings, {"input": "second"}, keep=True)
    assert (fresh.path / "lake" / "row").exists()
    prepare_home(fresh.settings, {"input": "third"}, keep=False)
    assert not (fresh.path / "lake").exists()


def test_the_same_sample_is_kept_for_a_quick_second_run(fresh):
    from dataset_platform.cli.demo import prepare_home

    for _ in range(2):
        prepare_home(fresh.settings, {"sample": ["2026-01-05"]}, keep=False)
        (fresh.path / "lake").mkdir(exist_ok=True)
    assert (fresh.path / "lake").exists()
