"""Crawls for the whole-lane benchmark: real pages, joined and varied, as WARC files of a few hundred pages each.

Each further copy of a page has a part of its longer words exchanged for others of the page, the same for the whole page:
counts, lengths, stop words and markup stay, the word 5-grams do not, so that dedup keeps copies apart.
"""

from __future__ import annotations

import os
import random
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

PAGES_PER_FILE = 250
_TEXT = re.compile(rb">([^<]+)<")
_WORD = re.compile(rb"[A-Za-z\xc0-\xf4][A-Za-z\x80-\xf4]{3,}")
_EXCHANGED = 0.5  # share of distinct longer words that another takes the place of


@dataclass(frozen=True)
class Page:
    """An HTML page as a crawl holds it."""

    url: str
    content_type: str
    body: bytes


def real_pages() -> list[Page]:
    """HTML pages with status 200 of the shared crawls, in the crawls' order.

    Raises:
        SystemExit: DATASET_PLATFORM_REAL_DATA does not name the folder.
    """
    root = os.environ.get("DATASET_PLATFORM_REAL_DATA")
    files = sorted(Path(root or "").glob("web/*.warc.gz")) if root else []
    if not files:
        raise SystemExit("Set DATASET_PLATFORM_REAL_DATA to a folder with web/*.warc.gz.")
    return [page for file in files for page in _pages_of(file)]


def _pages_of(file: Path) -> Iterator[Page]:
    from warcio.archiveiterator import ArchiveIterator

    with open(file, "rb") as stream:
        for record in ArchiveIterator(stream):
            if record.rec_type != "response" or record.http_headers is None:
                continue
            kind = record.http_headers.get_header("Content-Type") or ""
            if record.http_headers.get_statuscode() == "200" and ("html" in kind):
                url = record.rec_headers.get_header("WARC-Target-URI").strip("<>")
                yield Page(url, kind, record.content_stream().read())


def varied(page: Page, copy: int) -> Page:
    """The page as its ``copy``-th variation; 0 is the page itself."""
    if copy == 0:
        return page
    vocabulary: dict[int, list[bytes]] = {}
    words = sorted({w for text in _TEXT.findall(page.body) for w in _WORD.findall(text)})
    for word in words:
        vocabulary.setdefault(len(word), []).append(word)
    draw = random.Random(zlib.crc32(page.url.encode()) + copy)
    other = {w: draw.choice(vocabulary[len(w)]) if draw.random() < _EXCHANGED else w for w in words}
    body = _TEXT.sub(lambda text: _WORD.sub(lambda w: other[w.group()], text.group()), page.body)
    return Page(f"{page.url}?copy={copy}", page.content_type, body)


def write_crawl(folder: Path, pages: list[Page], copies: range) -> int:
    """Write every page's variations ``copies`` as WARC files below ``folder``; the number of pages written."""
    from warcio.statusandheaders import StatusAndHeaders
    from warcio.warcwriter import WARCWriter

    folder.mkdir(parents=True, exist_ok=True)
    everything = (varied(page, copy) for copy in copies for page in pages)
    written, writer, stream = 0, None, None
    for number, page in enumerate(everything):
        if number % PAGES_PER_FILE == 0:
            if stream is not None:
                stream.close()
            stream = open(folder / f"part-{copies.start:03d}-{number // PAGES_PER_FILE:05d}.warc.gz", "wb")  # noqa: SIM115
            writer = WARCWriter(stream, gzip=True)
        assert writer is not None
        headers = StatusAndHeaders("200 OK", [("Content-Type", page.content_type)], protocol="HTTP/1.0")
        record = writer.create_warc_record(
            page.url,
            "response",
            payload=BytesIO(page.body),
            http_headers=headers,
            # as CommonCrawl writes it; datatrove otherwise asks libmagic and takes XHTML for XML
            warc_headers_dict={"WARC-Identified-Payload-Type": "text/html", "WARC-Date": "2026-01-05T00:00:00Z"},
        )
        writer.write_record(record)
        written += 1
    if stream is not None:
        stream.close()
    return written
