"""What the sample plants must come back out of the documents kernel, page for page."""

import hashlib
import io
import time
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from warcio.archiveiterator import ArchiveIterator

from dataset_platform.demo.sample import Planted, write_sample
from dataset_platform.kernels.web.documents import DocumentsConfig, document_id, extract_documents
from dataset_platform.setup.lid_model import lid_model_path

DAYS = (date(2026, 1, 5), date(2026, 1, 6))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("raw")


@pytest.fixture(scope="module")
def planted(root: Path) -> Planted:
    begin = time.perf_counter()
    planted = write_sample(root, DAYS)
    assert time.perf_counter() - begin < 5
    return planted


@pytest.fixture(scope="module")
def rows(root: Path, planted: Planted) -> list[dict]:
    paths = [path for day in DAYS for path in planted.files[day]]
    batch = pa.RecordBatch.from_pydict(
        {
            "path": paths,
            "size_bytes": [(root / path).stat().st_size for path in paths],
            "source": [path.split("/")[4] for path in paths],
        }
    )
    kernel = extract_documents(
        DocumentsConfig(), str(lid_model_path()), lambda path: ((root / path).open("rb"), (root / path).stat().st_size)
    )
    return [row for out in kernel(iter([batch])) for row in out.to_pylist()]


@pytest.fixture(scope="module")
def kept(rows: list[dict]) -> dict[str, dict]:
    return {row["url"]: row for row in rows if row["text"] is not None}


def word_5_grams(text: str) -> set[tuple[str, ...]]:
    words = text.lower().split()
    return {tuple(words[at : at + 5]) for at in range(len(words) - 4)}


def test_the_files_lie_below_day_and_source(root, planted):
    found = sorted(str(path.relative_to(root)) for path in root.rglob("*.warc.gz"))
    assert found == sorted(path for day in DAYS for path in planted.files[day])
    assert {tuple(path.split("/")[1:5]) for path in found} == {
        ("2026", "01", day, source) for day in ("05", "06") for source in ("handbook", "stdlib")
    }


def test_two_writes_are_byte_identical(root, planted, tmp_path):
    again = write_sample(tmp_path, DAYS)
    assert again == planted
    for path in planted.tallies:
        assert (tmp_path / path).read_bytes() == (root / path).read_bytes()


def test_whole_files_agree_with_warcio(root, planted):
    damaged = {*planted.not_warc, *planted.corrupted.values(), *planted.truncated.values()}
    for path in planted.tallies.keys() - damaged:
        records = ArchiveIterator(io.BytesIO((root / path).read_bytes()))
        assert sum(item.rec_type == "response" for item in records) == planted.tallies[path]


def test_every_file_accounts_for_what_was_written(planted, rows):
    assert {row["file"]: row["tally"] for row in rows if row["tally"] is not None} == planted.tallies
    for path, expected in planted.tallies.items():
        assert sum(row["file"] == path and row["tally"] is None for row in rows) == expected


def test_every_planted_page_is_kept_and_nothing_else(planted, rows):
    found = sorted(row["url"] for row in rows if row["text"] is not None)
    assert found == sorted([*planted.kept, *planted.repeated_record_ids])
    assert 200 <= len(planted.ordinary) <= 270


def test_refusals(planted, rows):
    rejected = {row["url"]: (row["reason"], row["measure"]) for row in rows if row["reason"]}
    expected = {url: ("http_status", float(status)) for url, status in planted.http_errors.items()}
    expected |= dict.fromkeys(planted.not_html, ("not_html", None))
    expected |= dict.fromkeys(planted.empty, ("empty_body", 0.0))
    assert rejected == expected


def test_damage(planted, rows):
    broken = [row for row in rows if row["error"]]
    assert len(broken) == 3
    (not_warc,) = [row for row in broken if row["file"] in planted.not_warc]
    assert not_warc["error"].startswith("not a WARC file")
    (file,) = set(planted.corrupted.values())
    assert sum(row["file"] == file for row in broken) == 2
    assert planted.truncated.keys() <= {row["url"] for row in broken}


def test_languages_and_charsets(planted, kept):
    assert len(set(planted.languages.values())) >= 6
    assert {url: kept[url]["language"] for url in planted.languages} == planted.languages
    assert all(kept[url]["language_score"] > 0.65 for url in planted.languages)
    assert all(kept[url]["language"] == "en" for url in planted.ordinary)
    for urls, source in ((planted.latin1_header, "http"), (planted.latin1_meta, "meta")):
        assert {(kept[url]["charset"], kept[url]["charset_source"]) for url in urls} == {("windows-1252", source)}
        assert not any("\ufffd" in kept[url]["text"] or "Ã" in kept[url]["text"] for url in urls)
    assert planted.chunked_gzip and planted.bracketed
    assert kept.keys() >= {*planted.chunked_gzip, *planted.bracketed}


def test_duplicates_are_what_they_are_called(planted, kept):
    for duplicates in (planted.exact_same_day, planted.exact_next_day):
        assert len(duplicates) >= 6
        for copy, original in duplicates.items():
            assert kept[copy]["text"] == kept[original]["text"]
    days = ((planted.near_same_day, "/05/"), (planted.near_next_day, "/06/"))
    for duplicates, day in days:
        assert len(duplicates) >= 6
        for copy, original in duplicates.items():
            assert day in kept[copy]["file"] and "/05/" in kept[original]["file"]
            ours, theirs = word_5_grams(kept[copy]["text"]), word_5_grams(kept[original]["text"])
            assert 0.85 <= len(ours & theirs) / len(ours | theirs) < 1


def test_other_pages_are_no_duplicates_of_each_other(planted, kept):
    texts = {hashlib.sha256(kept[url]["text"].encode()).digest() for url in planted.ordinary}
    assert len(texts) == len(planted.ordinary)


def test_a_repeated_record_has_one_identity(planted, rows):
    for url, record_id in planted.repeated_record_ids.items():
        found = [row for row in rows if row["url"] == url]
        assert [row["doc_id"] for row in found] == [document_id("stdlib", record_id, "", 0)] * 2
        assert found[0]["offset"] != found[1]["offset"]
