"""What a demo is given: kinds of files told apart, days found in paths, and names that never collide."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from dataset_platform.cli.demo_input import TFRECORD, WARC, counted, day_of, find_input, path_as_named, place
from dataset_platform.errors import InputError
from dataset_platform.kernels.driving.tfrecord_writer import TFRecordWriter
from dataset_platform.settings import Settings
from dataset_platform_tests.kernels.web import warc_files

PAYLOAD = b"\x0a\x03abc"


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder with both kinds, some under names that say nothing, and a file of neither."""
    folder = tmp_path / "given"
    (folder / "2026-01-05").mkdir(parents=True)
    warc = warc_files.frame(warc_files.records(2, seed=1), "gzip")
    (folder / "2026-01-05" / "crawl.warc.gz").write_bytes(warc)
    (folder / "page").write_bytes(warc)
    for name in ("a.tfrecord", "training.tfrecord-00000-of-01000", "record"):
        with (folder / name).open("wb") as sink:
            TFRecordWriter(sink).write(PAYLOAD)
    (folder / "b.tfrecord.gz").write_bytes(gzip.compress((folder / "a.tfrecord").read_bytes()))
    (folder / "notes.txt").write_text("nothing of the kind")
    return folder


def test_a_folder_is_told_apart_by_names(mixed: Path) -> None:
    found = {Path(p).name: k for p, k in find_input(str(mixed)).items()}
    assert found == {
        "crawl.warc.gz": WARC,
        "a.tfrecord": TFRECORD,
        "b.tfrecord.gz": TFRECORD,
        "training.tfrecord-00000-of-01000": TFRECORD,
    }
    assert counted(found.values()) == "1 WARC files and 3 TFRecord files"


@pytest.mark.parametrize(("name", "kind"), [("record", TFRECORD), ("page", WARC), ("notes.txt", WARC)])
def test_a_file_named_by_itself_is_told_by_its_bytes(mixed: Path, name: str, kind: object) -> None:
    assert find_input(str(mixed / name)) == {str((mixed / name).resolve()): kind}


def test_a_compressed_record_under_another_name_is_told_by_its_bytes(mixed: Path) -> None:
    (mixed / "packed.bin").write_bytes((mixed / "b.tfrecord.gz").read_bytes())
    (kind,) = find_input(str(mixed / "packed.*")).values()
    assert kind is TFRECORD


def test_a_folder_without_either_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No WARC files and no TFRecords") as raised:
        find_input(str(tmp_path))
    assert "*.tfrecord" in raised.value.hint and "*.warc.gz" in raised.value.hint


def test_files_are_linked_where_their_lane_looks(mixed: Path, home: Path) -> None:
    settings = Settings.from_env()
    kinds = find_input(str(mixed))
    dated = {p: day_of(path_as_named(p, str(mixed)), "2026-01-06") for p in kinds}
    assert place(settings, str(mixed), dated, kinds) == ["2026-01-05", "2026-01-06"]
    linked = {str(p.relative_to(home / "raw")): p.resolve() for p in (home / "raw").rglob("*") if p.is_symlink()}
    assert linked == {
        "web/2026/01/05/crawl.warc.gz": mixed / "2026-01-05" / "crawl.warc.gz",
        "waymo/tfrecords/2026/01/06/a.tfrecord": mixed / "a.tfrecord",
        "waymo/tfrecords/2026/01/06/b.tfrecord.gz": mixed / "b.tfrecord.gz",
        "waymo/tfrecords/2026/01/06/training.tfrecord-00000-of-01000": mixed / "training.tfrecord-00000-of-01000",
    }
    assert place(settings, str(mixed), dated, kinds)  # a second time nothing is added
    assert len(linked) == sum(p.is_symlink() for p in (home / "raw").rglob("*"))


def test_a_record_under_a_name_of_its_own_gets_one_that_the_lane_takes(mixed: Path, home: Path) -> None:
    kinds = find_input(str(mixed / "record"))
    place(Settings.from_env(), str(mixed / "record"), dict.fromkeys(kinds, "2026-01-06"), kinds)
    assert (home / "raw/waymo/tfrecords/2026/01/06/record.tfrecord").resolve() == mixed / "record"
