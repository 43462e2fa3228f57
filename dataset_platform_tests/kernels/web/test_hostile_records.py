"""Responses made to cost more than they are worth: a file full of them is read to its end, and the pages between stay."""

import gzip
import json
import os
import random
import subprocess
import sys
from collections import Counter

import pytest

from dataset_platform.kernels.web.extraction import MODES
from dataset_platform.setup.lid_model import lid_model_path
from dataset_platform_tests.kernels.web.extraction.hostile_pages import PAGES
from dataset_platform_tests.kernels.web.warc_files import http_block, page, record

HTML = "Content-Type: text/html"
HARD_LIMIT_S = 200  # of a process that reads all of them; what these guard against takes hours
RUNNER = """
import json, sys
from pathlib import Path
import pyarrow as pa
from dataset_platform.kernels.web.documents import DocumentsConfig, extract_documents
path, model, mode = sys.argv[1:]
config = DocumentsConfig(extraction_mode=mode, page_seconds=1.0, url_blocklist=("blocked.example",))
kernel = extract_documents(config, model, lambda name: (Path(name).open("rb"), Path(name).stat().st_size))
batch = pa.RecordBatch.from_pydict({"path": [path], "size_bytes": [1], "source": ["s"]})
for out in kernel(iter([batch])):
    for row in out.select(["url", "reason", "error", "extraction", "tally"]).to_pylist():
        print(json.dumps(row), flush=True)
"""
MEMBER = gzip.compress(b"")
BOMB = gzip.compress(gzip.compress(b"\0" * (64 << 20), 9), 9)
RESPONSES = {
    "empty comments": http_block(b"<!---->" * 140 + b"x"),
    "comments that end twice": http_block(b"<!-- --> -->" * 80 + b"x"),
    "blanks before nothing": http_block(b" " * 1000 + b"<?xml" + b" " * 1000),
    "a charset of blanks": http_block(b"<p>x", "200 OK", f"{HTML}; charset={' ' * 900_000};"),
    "a header in many lines": http_block(b"<p>x", "200 OK", HTML, "A: x\r\n" + " y\r\n" * 200_000),
    "a header many times": http_block(b"<p>x", "200 OK", *["A: x"] * 150_000, HTML),
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b" \n" * 10_000_000,
    "a status line without end": b"HTTP/1.1 " + b" " * 10_000_000,
    "many encodings": http_block(b"<p>x", "200 OK", HTML, "Content-Encoding: " + "gzip," * 100_000),
    "many members": http_block(MEMBER * 300_000, "200 OK", HTML, "Content-Encoding: gzip"),
    "many chunks": http_block(b"1\r\na\r\n" * 2_500_000, "200 OK", HTML, "Transfer-Encoding: chunked"),
    "a bomb in a bomb": http_block(BOMB, "200 OK", HTML, "Content-Encoding: gzip, gzip"),
    "random bytes": http_block(random.Random(1).randbytes(3_000_000), "200 OK", HTML),
    "UTF-16 of an odd length": http_block(b"\xff\xfe" + b"\xd8" * 3_000_001, "200 OK", HTML),
    **{
        f"{name} that is none": http_block(b"<p>" + b"\x81\x1b$B\xff" * 600_000, "200 OK", f"{HTML}; charset={name}")
        for name in ("utf-8", "gb18030", "euc-jp", "iso-2022-jp", "big5", "shift_jis", "utf-16", "euc-kr", "koi8-r")
    },
    "a meta tag without end": http_block(b"<meta " * 100_000, "200 OK", HTML),
    "not one word": http_block(b"<p>" + "語".encode() * 1_000_000, "200 OK", HTML),
    **{
        name: http_block(PAGES[name](300_000).encode("utf-8", "surrogatepass"), "200 OK", f"{HTML}; charset=utf-8")
        for name in (
            "nested div",
            "nested rt",
            "attributes in one tag",
            "nulls",
            "lone surrogates",
            "control characters",
        )
    },
}
URLS = {"a host of many labels": f"http://{'a.' * 3_000}c/", "a host that is none": f"http://[{'a' * 6_000}/"}


@pytest.mark.parametrize("mode", MODES)
def test_all_of_them_are_accounted_for_and_the_pages_between_them_kept(tmp_path, mode):
    good = http_block(page(200, 1), "200 OK", f"{HTML}; charset=utf-8")
    parts, met = [], []
    hostile = [(f"http://hostile.example/{at}", block) for at, block in enumerate(RESPONSES.values())]
    for url, block in hostile + [(url, good) for url in URLS.values()]:
        parts += [
            record(len(parts), block, url=url),
            record(len(parts) + 1, good, url=f"http://good.example/{len(met)}"),
        ]
        met.append(url)
    (path := tmp_path / "a.warc").write_bytes(b"".join(parts))
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(path), str(lid_model_path()), mode],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )
    try:
        out, err = process.communicate(timeout=HARD_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
    rows = [json.loads(line) for line in out.splitlines()]
    assert process.returncode == 0, err[-2000:]
    *data, tally = rows
    assert tally["tally"] == len(data) == 2 * len(met)
    assert [row for row in data if not row["url"]] == []
    kept = {row["url"]: row for row in data if row["url"].startswith("http://good.example")}
    assert len(kept) == len(met)
    assert {row["extraction"] for row in kept.values()} <= {"learned", "fast", "trafilatura"}
    assert Counter(row["reason"] for row in data)["not_http"] == 2
    others = dict(zip([*RESPONSES, *URLS], data[::2], strict=True))
    assert "encodings one over the other" in others["many encodings"]["error"]
    assert "gzip members" in others["many members"]["error"]
    assert "chunks" in others["many chunks"]["error"]
    assert others["a bomb in a bomb"]["reason"] == "html_too_large"
    for name in ("empty comments", "comments that end twice", "blanks before nothing"):
        assert others[name]["reason"] == "not_html", name
