"""The inventory of raw storage: which files count, which source they are of, which days there are."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from dataset_platform.contracts import RawWarcs
from dataset_platform.errors import InputError
from dataset_platform.lake import storage
from dataset_platform.lake.inventory import days_with_files, warc_inventory
from dataset_platform.settings import Settings, join

DAY = "2026-01-05"


@pytest.fixture(params=["local", "s3"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    root = str(tmp_path / "raw") if request.param == "local" else request.getfixturevalue("bucket") + "/some/raw"
    return Settings("", root, "", "", "", date(2026, 1, 1))


def put(settings: Settings, *names: str, day: str = DAY, content: bytes = b"warc") -> None:
    for name in names:
        storage.write_bytes(join(settings.raw_day("web", day), name), content)


def test_a_day_without_folder_has_no_rows_but_the_contracts_columns(settings: Settings) -> None:
    rows, ignored = warc_inventory(settings, DAY)
    assert (rows.num_rows, ignored) == (0, [])
    assert rows.schema.names == RawWarcs.data_schema().names


def test_warc_files_count_and_others_are_named(settings: Settings) -> None:
    kept = ["a.warc", "b.warc.gz", "c.warc.zst", "D.WARC.GZ", "news/e.warc.gz", "news/2026/f.warc"]
    passed_over = ["README.txt", "g.warc.gz.md5", ".h.warc.gz", "i.gz", "news/j.cdx", "warc"]
    put(settings, *kept, *passed_over)
    put(settings, "other.warc.gz", day="2026-01-06")
    rows, ignored = warc_inventory(settings, DAY)
    assert rows.column("path").to_pylist() == sorted(f"web/2026/01/05/{name}" for name in kept)
    assert sorted(ignored) == sorted(f"web/2026/01/05/{name}" for name in passed_over)
    assert set(rows.column("size_bytes").to_pylist()) == {4}


def test_hidden_files_are_passed_over_in_every_folder(settings: Settings) -> None:
    put(settings, ".a.warc.gz", "news/.b.warc.gz", ".hidden/c.warc.gz", "news/.deep/d.warc.gz", "news/e.warc.gz")
    rows, ignored = warc_inventory(settings, DAY)
    assert rows.column("path").to_pylist() == ["web/2026/01/05/news/e.warc.gz"]
    assert len(ignored) == 4


def test_the_first_folder_below_the_day_names_the_source(settings: Settings) -> None:
    put(settings, "a.warc", "news/b.warc", "news/deep/c.warc", "Common Crawl/d.warc")
    rows, _ = warc_inventory(settings, DAY)
    sources = {Path(r["path"]).name: r["source"] for r in rows.to_pylist()}
    assert sources == {"a.warc": "web", "b.warc": "news", "c.warc": "news", "d.warc": "Common Crawl"}


def test_the_same_files_give_the_same_rows_and_a_changed_one_another_tag(settings: Settings) -> None:
    put(settings, "b.warc", "a.warc")
    first, _ = warc_inventory(settings, DAY)
    assert warc_inventory(settings, DAY)[0].equals(first)
    put(settings, "a.warc", content=b"other")
    second, _ = warc_inventory(settings, DAY)
    changed = [a["path"][-6:] for a, b in zip(first.to_pylist(), second.to_pylist(), strict=True) if a != b]
    assert changed == ["a.warc"]


def test_rows_name_the_file_relative_to_a_raw_root_with_or_without_slash(settings: Settings) -> None:
    put(settings, "a.warc")
    rows, _ = warc_inventory(replace(settings, raw=settings.raw + "/"), DAY)
    assert rows.column("path").to_pylist() == ["web/2026/01/05/a.warc"]


def test_days_with_files_are_those_of_the_axis_before_the_given_one(settings: Settings) -> None:
    assert days_with_files(settings, DAY) == []
    for day in ("2025-12-31", "2026-01-01", "2026-01-03", "2026-01-05", "2026-02-01"):
        put(settings, "a.warc", day=day)
    storage.write_bytes(join(settings.raw, "web", "2026", "01", "notes.txt"), b"x")
    storage.write_bytes(join(settings.raw, "web", "2026", "1", "2", "a.warc"), b"x")
    storage.write_bytes(join(settings.raw, "waymo", "2026", "01", "02", "a"), b"x")
    assert days_with_files(settings, DAY) == ["2026-01-01", "2026-01-03"]
    assert days_with_files(settings, "2026-02-02") == ["2026-01-01", "2026-01-03", "2026-01-05", "2026-02-01"]


def test_a_bucket_that_is_not_there_is_an_input_error(bucket: str) -> None:
    gone = Settings("", "s3://no-such-bucket", "", "", "", date(2026, 1, 1))
    with pytest.raises(InputError, match="no-such-bucket"):
        warc_inventory(gone, DAY)
