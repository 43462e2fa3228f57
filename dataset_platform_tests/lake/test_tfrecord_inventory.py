"""The inventory of TFRecord files: which files count and what their framing tells."""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path

import pytest

from dataset_platform.contracts.driving import RawTfrecords
from dataset_platform.lake import storage
from dataset_platform.lake.audit import validate_batches
from dataset_platform.lake.tfrecord_inventory import tfrecord_inventory
from dataset_platform.settings import Settings, join
from dataset_platform_tests.kernels.driving import small_records
from dataset_platform_tests.kernels.driving.small_records import tfrecord

DAY = "2026-01-05"
FOLDER = "waymo/tfrecords/2026/01/05"


@pytest.fixture(params=["local", "s3"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    root = str(tmp_path / "raw") if request.param == "local" else request.getfixturevalue("bucket") + "/some/raw"
    return Settings("", root, "", "", "", date(2026, 1, 1))


def put(settings: Settings, name: str, content: bytes, folder: str = FOLDER) -> None:
    storage.write_bytes(join(settings.raw, folder, name), content)


def test_a_day_without_folder_has_no_rows_but_the_contracts_columns(settings: Settings) -> None:
    rows, ignored = tfrecord_inventory(settings, DAY)
    assert (rows.num_rows, ignored) == (0, [])
    assert rows.schema.names == RawTfrecords.data_schema().names


def test_tfrecord_files_count_and_others_are_named(settings: Settings) -> None:
    content = tfrecord(small_records.example())
    kept = [
        "a.tfrecord",
        "B.TFRECORD.GZ",
        "c.tfrecords",
        "d.tfrecord-00000-of-01000",
        "part/e.tfrecord-00001-of-00002.gz",
    ]
    passed_over = [
        "README.md",
        "f.tfrecord.crc",
        ".g.tfrecord",
        "part/.h/i.tfrecord",
        "tfrecord",
        "j.tfrecord-0-of-2.tmp",
    ]
    for name in (*kept, *passed_over):
        put(settings, name, content)
    put(settings, "k.tfrecord", content, folder="waymo/tfrecords/2026/01/06")
    rows, ignored = tfrecord_inventory(settings, DAY)
    assert rows["path"].to_pylist() == sorted(f"{FOLDER}/{name}" for name in kept)
    assert sorted(ignored) == sorted(f"{FOLDER}/{name}" for name in passed_over)
    assert set(rows["size_bytes"].to_pylist()) == {len(content)}
    assert all(rows["etag"].to_pylist())


def test_rows_tell_what_the_framing_holds(settings: Settings) -> None:
    scenario, example = small_records.scenario().SerializeToString(), small_records.example()
    put(settings, "a.tfrecord", tfrecord(scenario, example))
    # the name says nothing: this one is compressed
    put(settings, "b.tfrecord", gzip.compress(tfrecord(example, example, example)))
    put(settings, "c.tfrecord", tfrecord(small_records.frame().SerializeToString(), scenario)[:-3])
    put(settings, "d.tfrecord", b"")
    put(settings, "e.tfrecord", b"no records at all, but bytes")
    put(settings, "f.tfrecord", tfrecord(b"a record of something else"))
    rows, _ = tfrecord_inventory(settings, DAY)
    told = [(r["compression"], r["record_count"], r["record_type"]) for r in rows.to_pylist()]
    assert told == [
        ("none", 2, "scenario"),
        ("gzip", 3, "example"),
        ("none", 1, "frame"),
        ("none", 0, "unknown"),
        ("none", 0, "unknown"),
        ("none", 1, "unknown"),
    ]
    breaks = rows["break_error"].to_pylist()
    assert [error is None for error in breaks] == [True, True, False, True, False, True]
    assert "the file ends" in breaks[2]
    batches = rows.combine_chunks().to_batches()
    assert [b.to_pylist() for b in validate_batches(RawTfrecords, DAY)(iter(batches))] == []


def test_a_longer_record_than_is_believed_is_a_break(settings: Settings) -> None:
    put(settings, "a.tfrecord", tfrecord(small_records.example()))
    rows, _ = tfrecord_inventory(settings, DAY, max_record_bytes=100)
    assert rows["record_count"].to_pylist() == [0]
    assert "limit of 100" in rows["break_error"][0].as_py()


def test_a_file_that_cannot_be_read_is_a_row(tmp_path: Path) -> None:
    settings = Settings("", str(tmp_path), "", "", "", date(2026, 1, 1))
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "a.tfrecord").symlink_to(tmp_path / "nowhere")
    rows, _ = tfrecord_inventory(settings, DAY)
    assert rows["record_count"].to_pylist() == [0]
    assert "cannot be read" in rows["break_error"][0].as_py()
