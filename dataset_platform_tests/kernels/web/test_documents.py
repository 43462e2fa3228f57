"""The kernel of web/documents: one row for everything met, each with its place in the file, whatever the file is."""

import datetime
import functools
import io
import json
import os
import pickle
import random
from collections import Counter
from pathlib import Path
from typing import BinaryIO

import brotli
import pyarrow as pa
import pytest
import xxhash
from pydantic import ValidationError
from pyspark import cloudpickle
from warcio.archiveiterator import ArchiveIterator

from dataset_platform.contracts.web import EXTRACTION_PATHS, Documents
from dataset_platform.errors import EngineError
from dataset_platform.kernels.web.documents import (
    REASONS,
    DocumentsConfig,
    UrlBlocklist,
    document_id,
    extract_documents,
)
from dataset_platform.kernels.web.extraction import MODES
from dataset_platform.kernels.web.warc import read_record_at
from dataset_platform.lake.inventory import warc_inventory
from dataset_platform.settings import Settings
from dataset_platform.setup.lid_model import lid_model_path
from dataset_platform_tests.kernels.web.warc_files import FRAMINGS, frame, http_block, page, record, records

HTML_HEADER = "Content-Type: text/html; charset=utf-8"
Row = dict


def open_local(path: str) -> tuple[BinaryIO, int]:
    return Path(path).open("rb"), Path(path).stat().st_size


def run(paths: list[Path], **config) -> tuple[list[Row], list[Row], list[pa.RecordBatch]]:
    """Rows of data, tally rows, and the batches, whose schema and conservation are checked on the way."""
    columns = {
        "path": [str(path) for path in paths],
        "size_bytes": [path.stat().st_size if path.exists() else 0 for path in paths],
        "etag": ["e"] * len(paths),
        "source": ["crawl"] * len(paths),
    }
    kernel = extract_documents(DocumentsConfig(**config), str(lid_model_path()), open_local)
    batches = list(kernel(iter([pa.RecordBatch.from_pydict(columns)])))
    assert all(batch.schema.equals(Documents.labelled_schema(), check_metadata=True) for batch in batches)
    rows = [row for batch in batches for row in batch.to_pylist()]
    data, tallies = [r for r in rows if r["tally"] is None], [r for r in rows if r["tally"] is not None]
    assert [row["file"] for row in tallies] == [str(path) for path in paths]
    for row in tallies:
        assert row["tally"] == sum(one["file"] == row["file"] for one in data)
        assert {name for name, value in row.items() if value is not None} == {"file", "tally", "detail"}
    for row in data:
        _check_labels(row)
    return data, tallies, batches


def _check_labels(row: Row) -> None:
    if row["error"] is not None:
        assert row["reason"] is None and row["text"] is None
        assert row["offset"] is not None and row["file"]
    elif row["reason"] is not None:
        assert row["reason"] in REASONS and row["detail"]
        assert row["text"] is None
        for name in ("doc_id", "url", "source", "file", "offset", "length", "offset_kind"):
            assert row[name] is not None, name
    else:
        required = [f.name for f in Documents.data_schema() if not f.nullable]
        assert [name for name in required if row[name] is None] == []
        assert row["text_length"] == len(row["text"])


def write(path: Path, parts: list[bytes], framing: str = "gzip") -> Path:
    path.write_bytes(frame(parts, framing))
    return path


def one(tmp_path: Path, block: bytes, **config) -> Row:
    """The row of a single response."""
    (row,), _, _ = run([write(tmp_path / "one.warc.gz", [record(1, block)])], **config)
    return row


@pytest.mark.parametrize("framing", FRAMINGS)
def test_kept_rows_lead_back_to_their_bytes(tmp_path, framing):
    path = write(tmp_path / "a.warc", records(12), framing)
    data, (tally,), _ = run([path])
    assert [row["reason"] or row["error"] for row in data] == [None] * 12
    assert json.loads(tally["detail"]) == {"responses": 12, "broken": 0, "other": {"request": 4}}
    assert {row["language"] for row in data} == {"en"}
    for number, row in enumerate(data):
        assert row["doc_id"] == xxhash.xxh3_128_hexdigest(f"crawl\0<urn:test:{number}>".encode())
        with path.open("rb") as stream:
            found = read_record_at(stream, row["offset"], row["length"], row["offset_kind"])
        assert document_id("crawl", found.record_id, "", 0) == row["doc_id"]
        assert found.target_uri == row["url"]


def test_every_reason(tmp_path):
    body = page(80, 1)
    cases = {
        "not_http": (b"20260105030000\nsite.example. 300 IN A 127.0.0.1\n", None),
        "http_status": (http_block(body, "404 Not Found", HTML_HEADER), 404.0),
        "not_html": (http_block(b"{}", "200 OK", "Content-Type: application/json"), None),
        "empty_body": (http_block(b" \r\n ", "200 OK", HTML_HEADER), 4.0),
        "no_text": (http_block(b"<html><body><nav>Home</nav></body></html>", "200 OK", HTML_HEADER), 0.0),
    }
    for reason, (block, measure) in cases.items():
        row = one(tmp_path, block)
        assert (row["reason"], row["measure"]) == (reason, measure)
    good = http_block(body, "200 OK", HTML_HEADER)
    row = one(tmp_path, good, max_record_bytes=100)
    assert (row["reason"], row["measure"]) == ("record_too_large", float(len(good)))
    row = one(tmp_path, good, max_html_bytes=len(body) - 1)
    assert (row["reason"], row["measure"]) == ("html_too_large", float(len(body)))
    row = one(tmp_path, good, url_blocklist=("site.example",))
    assert (row["reason"], row["detail"]) == ("url_blocked", "address is blocked by 'site.example'")
    assert one(tmp_path, good, min_text_chars=10_000)["reason"] == "no_text"
    assert one(tmp_path, good)["reason"] is None


def test_a_missing_or_nonsensical_content_type_is_looked_for_in_the_body(tmp_path):
    body = page(80, 1)
    assert one(tmp_path, http_block(body))["reason"] is None
    assert one(tmp_path, http_block(b"\n<!-- x --><!DOCTYPE html>" + body, "200 OK", "Content-Type: html"))["text"]
    assert one(tmp_path, http_block(b"%PDF-1.4 <html>"))["reason"] == "not_html"
    for declared in ("text/plain", "application/octet-stream"):
        row = one(tmp_path, http_block(body, "200 OK", f"Content-Type: {declared}"))
        assert (row["reason"], row["content_type"]) == ("not_html", declared)
    assert one(tmp_path, http_block(body, "200 OK", "Content-Type: application/xhtml+xml"))["reason"] is None


def test_undecodable_bodies_and_nameless_records_are_quarantined_with_their_place(tmp_path):
    row = one(tmp_path, http_block(brotli.compress(page(99, 1))[:-9], "200 OK", HTML_HEADER, "Content-Encoding: br"))
    assert row["error"].startswith("HTTP body cannot be decoded")
    assert (row["offset"], row["offset_kind"]) == (0, "member")
    nameless = record(1, http_block(page(99, 1), "200 OK", HTML_HEADER)).replace(b"WARC-Target-URI", b"X-Was")
    (row,), _, _ = run([write(tmp_path / "b.warc.gz", [nameless])])
    assert row["error"] == "response record without WARC-Target-URI"


def test_a_crash_on_one_page_is_that_pages_error(tmp_path, monkeypatch):
    def crash(html, mode, seconds):
        raise error

    monkeypatch.setattr("dataset_platform.kernels.web.documents.extract", crash)
    block = http_block(page(80, 1), "200 OK", HTML_HEADER)
    error = RecursionError("too deep")
    assert one(tmp_path, block)["error"] == "page cannot be extracted: RecursionError: too deep"
    for error in (MemoryError(), OSError("no space"), EngineError("The extraction worker cannot be started.")):
        with pytest.raises(type(error)):  # the machine's trouble, not the page's
            one(tmp_path, block)


def test_ids_without_a_record_id_come_from_file_and_place(tmp_path):
    parts = [part.replace(b"WARC-Record-ID", b"X-Was") for part in records(3)]
    data, _, _ = run([write(tmp_path / "a.warc.gz", parts), write(tmp_path / "b.warc.gz", parts)])
    assert len({row["doc_id"] for row in data}) == 6
    assert data[1]["doc_id"] == document_id("crawl", None, str(tmp_path / "a.warc.gz"), data[1]["offset"])


def test_unreadable_and_missing_files_are_one_quarantined_row(tmp_path):
    missing, folder = tmp_path / "gone.warc.gz", tmp_path / "folder.warc.gz"
    folder.mkdir()
    good = write(tmp_path / "good.warc.gz", records(3))
    data, tallies, _ = run([missing, folder, good])
    assert [row["tally"] for row in tallies] == [1, 1, 3]
    assert "FileNotFoundError" in data[0]["error"] and "IsADirectoryError" in data[1]["error"]
    assert (data[0]["offset"], data[0]["file"]) == (0, str(missing))
    assert "UTF-8" not in data[0]["error"]


def test_a_file_name_that_is_not_utf8_is_a_quarantined_row_that_names_it(tmp_path):
    raw = os.fsencode(tmp_path) + b"/web/2026/01/05"
    os.makedirs(raw)
    Path(os.fsdecode(raw + b"/caf\xe9.warc.gz")).write_bytes(frame(records(2), "gzip"))
    write(Path(os.fsdecode(raw)) / "caf\u00e9.warc.gz", records(3))
    inventory, _ = warc_inventory(Settings("", str(tmp_path), "", "", "", datetime.date(2026, 1, 1)), "2026-01-05")
    paths = inventory.column("path").to_pylist()
    assert paths == ["web/2026/01/05/caf\\xe9.warc.gz", "web/2026/01/05/caf\u00e9.warc.gz"]
    data, tallies, _ = run([tmp_path / path for path in paths])
    assert [row["tally"] for row in tallies] == [1, 3]
    assert data[0]["file"].endswith("caf\\xe9.warc.gz")
    assert "a name that is not UTF-8 has to be changed" in data[0]["error"]


@pytest.mark.parametrize("at", [0, 100_000])
def test_a_store_that_fails_ends_the_task_and_loses_nothing(at):
    class Failing(io.BytesIO):
        def read(self, *args):
            if self.tell() >= at:
                raise TimeoutError("the line is dead")
            return super().read(*args)

    content = frame(records(2000), "plain")
    kernel = extract_documents(DocumentsConfig(), str(lid_model_path()), lambda path: (Failing(content), len(content)))
    batch = pa.RecordBatch.from_pydict({"path": ["a"], "size_bytes": [len(content)], "source": ["s"]})
    with pytest.raises(TimeoutError, match="dead"):  # the engine tries the file again
        list(kernel(iter([batch])))


def test_a_store_that_cannot_be_reached_ends_the_task():
    def unreachable(path):
        raise OSError("When reading information for key: AWS Error NETWORK_CONNECTION")

    kernel = extract_documents(DocumentsConfig(), str(lid_model_path()), unreachable)
    batch = pa.RecordBatch.from_pydict({"path": ["a"], "size_bytes": [1], "source": ["s"]})
    with pytest.raises(OSError, match="NETWORK"):
        list(kernel(iter([batch])))


def test_each_row_says_how_its_text_was_found(tmp_path):
    block = http_block(page(80, 1), "200 OK", HTML_HEADER)
    for mode in MODES:
        row = one(tmp_path, block, extraction_mode=mode)
        assert row["extraction"] in EXTRACTION_PATHS
        assert (row["extraction"] == "fast") == (mode == "fast")
        assert (row["extraction_confidence"] is None) == (mode == "fast")
    deep = http_block(b"<html><body>" + b"<div>" * 100_000 + page(80, 1), "200 OK", HTML_HEADER)
    assert one(tmp_path, deep, extraction_mode="fast")["extraction"] == "unparsed"
    with pytest.raises(ValidationError):
        DocumentsConfig(extraction_mode="best")


def test_batches_stay_small_and_their_size_changes_no_row(tmp_path):
    path = write(tmp_path / "a.warc.gz", records(600))
    data, _, batches = run([path])
    assert [batch.num_rows for batch in batches] == [256, 256, 89]
    small, _, batches = run([path], batch_rows=7)
    assert {batch.num_rows for batch in batches[:-1]} == {7}
    assert small == data
    tiny, _, batches = run([path], batch_bytes=2000)
    assert len(batches) > 200
    assert tiny == data


def test_the_kernel_travels_to_workers(tmp_path):
    kernel = extract_documents(DocumentsConfig(url_blocklist=("a.example",)), str(lid_model_path()), open_local)
    again = pickle.loads(cloudpickle.dumps(kernel))
    path = write(tmp_path / "a.warc.gz", records(2))
    batch = pa.RecordBatch.from_pydict({"path": [str(path)], "size_bytes": [1], "source": ["s"]})
    assert sum(out.num_rows for out in again(iter([batch]))) == 3


def test_blocklist():
    blocklist = UrlBlocklist(("Bad.example", "http://half.example/Private/", "half.example/ads", " "))
    assert blocklist.match("https://www.bad.example:8080/x") == "bad.example"
    assert blocklist.match("http://bad.example.") == "bad.example"
    assert blocklist.match("https://HALF.example/Private/page") == "half.example/Private/"
    assert blocklist.match("http://half.example/ads.html") == "half.example/ads"
    for url in ("http://notbad.example/", "http://half.example/private/", "http://[bad/", "mailto:x", ""):
        assert blocklist.match(url) is None
    with pytest.raises(ValidationError):
        DocumentsConfig(max_html_bytes=0)


@pytest.mark.parametrize("seed", range(40))
def test_conservation_holds_under_damage(tmp_path, seed):
    """`run` compares rows with the reader's tally; here, also with what an undamaged file holds."""
    draw = random.Random(seed)
    framing = draw.choice(FRAMINGS)
    content = bytearray(frame(records(15, seed), framing))
    for _ in range(draw.randrange(1, 4)):
        at = draw.randrange(len(content))
        content[at : at + draw.randrange(40)] = draw.randbytes(draw.randrange(40))
    (path := tmp_path / "a.warc").write_bytes(bytes(content))
    data, _, _ = run([path])
    assert data
    for row in data:
        if row["text"] is not None:
            with path.open("rb") as stream:
                found = read_record_at(stream, row["offset"], row["length"], row["offset_kind"])
            assert document_id("crawl", found.record_id, row["file"], row["offset"]) == row["doc_id"]


@functools.cache
def _responses(path: Path) -> int:
    with path.open("rb") as stream:
        return sum(item.rec_type == "response" for item in ArchiveIterator(stream))


def test_real_crawls_and_edge_cases(real_data):
    paths = sorted(real_data.glob("warc_edge/*.warc.gz")) + sorted(real_data.glob("web/*.warc.gz"))
    data, tallies, _ = run(paths)
    met = Counter(row["file"] for row in data)
    assert {str(path): _responses(path) for path in paths} == {str(path): met[str(path)] for path in paths}
    broken = [row for row in data if row["error"]]
    assert [Path(row["file"]).name for row in broken] == ["resiliparse-clipped.warc.gz"]
    assert broken[0]["url"].startswith("http://www.houstonpress.com/")
    assert Counter(row["reason"] for row in data if row["reason"]) == {"http_status": 40, "not_html": 3}
    assert len({row["doc_id"] for row in data}) == len(data)
    japanese = [row for row in data if "clueweb" in row["file"]]
    assert {(row["charset"], row["language"]) for row in japanese} == {("euc-jp", "ja")}
