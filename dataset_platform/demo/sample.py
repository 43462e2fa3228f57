"""Two days of WARC files for the demo and the tests: real text of the interpreter's manual, with every kind of trouble
a crawl brings planted in it at known places.

The same interpreter writes the same bytes: fixed seeds, times derived from the day, no clock.
"""

from __future__ import annotations

import gzip
import random
import re
import uuid
import zlib
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path

from dataset_platform.demo.articles import ARTICLES
from dataset_platform.demo.manual import Page, handbook_pages, library_pages, render

SOURCES = ("handbook", "stdlib")
_PAGES_PER_FILE = 75  # two sources, two days: some 240 ordinary pages
_DAMAGED_FILE_PAGES = 6
_NEAR_DUPLICATES = 4  # each on the same and on the next day
_EXACT_DUPLICATES = 4
_WORDS_PER_EDIT = 150  # one word in 150 changed leaves a Jaccard similarity of word 5-grams of about .93
_MIN_NEAR_WORDS = 300


@dataclass
class Planted:
    """What was written, by URL; ``tallies`` are the rows that must come out of each file (path below the raw root)."""

    days: tuple[date, date]
    files: dict[date, list[str]] = field(default_factory=dict)
    tallies: dict[str, int] = field(default_factory=dict)
    ordinary: list[str] = field(default_factory=list)
    exact_same_day: dict[str, str] = field(default_factory=dict)  # duplicate -> original
    exact_next_day: dict[str, str] = field(default_factory=dict)
    near_same_day: dict[str, str] = field(default_factory=dict)
    near_next_day: dict[str, str] = field(default_factory=dict)
    languages: dict[str, str] = field(default_factory=dict)  # url -> ISO 639 code, articles not in English
    http_errors: dict[str, int] = field(default_factory=dict)  # url -> status
    not_html: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    chunked_gzip: list[str] = field(default_factory=list)
    latin1_header: list[str] = field(default_factory=list)
    latin1_meta: list[str] = field(default_factory=list)
    bracketed: list[str] = field(default_factory=list)
    corrupted: dict[str, str] = field(default_factory=dict)  # url -> file with its damaged member
    truncated: dict[str, str] = field(default_factory=dict)  # url -> file that ends within its member
    not_warc: list[str] = field(default_factory=list)  # files
    repeated_record_ids: dict[str, str] = field(default_factory=dict)  # url -> WARC-Record-ID that stands twice

    @property
    def kept(self) -> list[str]:
        """URLs of all pages that extraction keeps, one entry a record; a repeated record comes twice."""
        duplicates = [self.exact_same_day, self.exact_next_day, self.near_same_day, self.near_next_day]
        return [*self.ordinary, *(url for d in duplicates for url in d), *self.languages, *self.repeated_record_ids]


def write_sample(raw_root: Path, days: tuple[date, date], pages_per_file: int = _PAGES_PER_FILE) -> Planted:
    """Write ``raw_root/web/{yyyy}/{mm}/{dd}/{source}/part-*.warc.gz`` for two days.

    Args:
        pages_per_file: ordinary pages of a source and day, at most; what is planted besides stays the same.

    Returns:
        what was planted where.

    Raises:
        OSError: the folder cannot be written.
    """
    planted = Planted(days)
    texts = dict(zip(SOURCES, (_spread(handbook_pages()), _spread(library_pages())), strict=True))
    spare = [texts["stdlib"].pop() for _ in range(_DAMAGED_FILE_PAGES)]
    writers = {(day, source): _WarcFile(source, day) for day in days for source in SOURCES}
    for source in SOURCES:
        _plant_pages(planted, texts[source], source, [writers[day, source] for day in days], pages_per_file)
    first, second = (writers[days[0], s] for s in SOURCES), (writers[days[1], s] for s in SOURCES)
    (handbook_1, stdlib_1), (handbook_2, stdlib_2) = first, second
    _plant_articles(planted, handbook_1, handbook_2)
    _plant_refusals(planted, stdlib_1, stdlib_2)
    _plant_repeat(planted, stdlib_1)
    for (day, source), writer in writers.items():
        _save(planted, raw_root, day, source, 0, writer.content(), writer.responses)
    _plant_damage(planted, raw_root, days[1], spare)
    not_warc = gzip.compress(b"<html><body>503 Service Unavailable</body></html>\n" * 20, mtime=0)
    planted.not_warc.append(_save(planted, raw_root, days[0], "stdlib", 1, not_warc, 1))
    for day in days:
        planted.files[day].sort()
    return planted


class _WarcFile:
    """A .warc.gz in memory, one member per record."""

    def __init__(self, source: str, day: date) -> None:
        self.source = source
        self._clock = datetime.combine(day, time(3, 0))
        self._day = day
        self.members: list[bytes] = []
        self.responses = 0
        info = b"software: dataset-platform sample\r\nformat: WARC File Format 1.1\r\n"
        self._record("warcinfo", None, "application/warc-fields", info)

    def content(self) -> bytes:
        """The file's content."""
        return b"".join(self.members)

    def add(
        self,
        url: str,
        body: bytes,
        *,
        status: str = "200 OK",
        content_type: str | None = "text/html; charset=utf-8",
        headers: tuple[str, ...] = (),
        bracketed: bool = False,
    ) -> str:
        """Append a request and its response; gives the response's WARC-Record-ID."""
        host, _, path = url.removeprefix("http://").partition("/")
        request = f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n\r\n".encode()
        target = f"<{url}>" if bracketed else url
        self._record("request", target, "application/http; msgtype=request", request)
        lines = [f"HTTP/1.1 {status}", *([f"Content-Type: {content_type}"] if content_type else []), *headers]
        if not any(line.lower().startswith("transfer-encoding") for line in lines):
            lines.append(f"Content-Length: {len(body)}")
        block = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
        return self._record("response", target, "application/http; msgtype=response", block)

    def repeat_last(self) -> None:
        """Append the last record once more, as a crawler that retried does."""
        self.members.append(self.members[-1])
        self.responses += 1

    def _record(self, kind: str, target: str | None, content_type: str, block: bytes) -> str:
        self._clock += timedelta(seconds=7)
        name = f"{self.source}/{self._day.isoformat()}/{len(self.members)}/{kind}/{target or ''}"
        record_id = f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}>"
        lines = ["WARC/1.1", f"WARC-Type: {kind}", f"WARC-Record-ID: {record_id}"]
        lines += [f"WARC-Date: {self._clock.isoformat()}Z", *([f"WARC-Target-URI: {target}"] if target else [])]
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(block)}"]
        self.members.append(gzip.compress("\r\n".join(lines).encode() + b"\r\n\r\n" + block + b"\r\n\r\n", mtime=0))
        self.responses += kind == "response"
        return record_id


def _spread(pages: list[Page]) -> list[Page]:
    """The pages in a fixed shuffled order, so that each file holds a bit of everything."""
    return random.Random(20260105).sample(pages, len(pages))


def _save(planted: Planted, root: Path, day: date, source: str, part: int, content: bytes, rows: int) -> str:
    relative = f"web/{day:%Y/%m/%d}/{source}/part-{part:05d}.warc.gz"
    path = root / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_bytes() != content:  # a new modification time would make the day stale
        path.write_bytes(content)
    planted.files.setdefault(day, []).append(relative)
    planted.tallies[relative] = rows
    return relative


def _url(source: str, title: str) -> str:
    return f"http://{source}.example/{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')}.html"


def _html(page: Page, source: str) -> bytes:
    return render(page, f"{source}.example").encode()


def _plant_pages(
    planted: Planted, pages: list[Page], source: str, writers: list[_WarcFile], pages_per_file: int
) -> None:
    """Ordinary pages on both days, and duplicates of the first day's on both."""
    per_day = min(pages_per_file, len(pages) // 2)
    for at, page in enumerate(pages[: 2 * per_day]):
        url = _url(source, page.title)
        planted.ordinary.append(url)
        if at % 10 == 0:  # wget's way of writing addresses
            planted.bracketed.append(url)
        writers[at // per_day].add(url, _html(page, source), bracketed=at % 10 == 0)
    originals = [page for page in pages[:per_day] if page.words >= _MIN_NEAR_WORDS]
    copied, edited = originals[:_EXACT_DUPLICATES], originals[_EXACT_DUPLICATES:][:_NEAR_DUPLICATES]
    days = ((planted.exact_same_day, planted.near_same_day), (planted.exact_next_day, planted.near_next_day))
    for number, (writer, (exact, near)) in enumerate(zip(writers, days, strict=True)):
        for page in copied:
            url = _url(f"mirror{number}.{source}", page.title)
            exact[url] = _url(source, page.title)
            writer.add(url, _html(page, source))
        for page in edited:
            url = _url(f"edited{number}.{source}", page.title)
            near[url] = _url(source, page.title)
            writer.add(url, _html(_edited(page, seed=number), source))


def _edited(page: Page, seed: int) -> Page:
    """The page with a few of its paragraphs' words replaced, about one in `_WORDS_PER_EDIT`."""
    draw = random.Random(f"{page.title}/{seed}")
    blocks = list(page.blocks)
    prose = [at for at, (kind, text) in enumerate(blocks) if kind == "paragraph" and len(text.split()) >= 8]
    for _ in range(max(1, page.words // _WORDS_PER_EDIT)):
        at = draw.choice(prose)
        words = blocks[at][1].split(" ")
        words[draw.randrange(1, len(words) - 1)] = draw.choice(("indeed", "usually", "quietly", "however", "perhaps"))
        blocks[at] = (blocks[at][0], " ".join(words))
    return replace(page, blocks=tuple(blocks))


def _plant_articles(planted: Planted, first: _WarcFile, second: _WarcFile) -> None:
    """Pages in other languages; two of them in Latin-1, told by the header and by ``<meta>`` alone; one compressed."""
    for at, (language, (title, paragraphs)) in enumerate(ARTICLES.items()):
        page = Page(title, tuple(("paragraph", text) for text in paragraphs))
        url = f"http://handbook.example/{language}/article.html"
        planted.languages[url] = language
        writer = first if at % 2 == 0 else second
        if language == "de":
            html = render(page, "handbook.example", language=language, meta_charset=None)
            writer.add(url, html.encode("latin-1"), content_type="text/html; charset=ISO-8859-1")
            planted.latin1_header.append(url)
        elif language == "fr":
            html = render(page, "handbook.example", language=language, meta_charset="iso-8859-1")
            writer.add(url, html.encode("latin-1"), content_type="text/html")
            planted.latin1_meta.append(url)
        elif language in ("es", "ru"):
            body = _chunked(gzip.compress(render(page, "handbook.example", language=language).encode(), mtime=0))
            writer.add(url, body, headers=("Content-Encoding: gzip", "Transfer-Encoding: chunked"))
            planted.chunked_gzip.append(url)
        else:
            writer.add(url, render(page, "handbook.example", language=language).encode())


def _chunked(body: bytes, size: int = 700) -> bytes:
    chunks = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def _plant_refusals(planted: Planted, *writers: _WarcFile) -> None:
    """Responses that are no page: errors, redirects, images, JSON, nothing at all."""
    for number, writer in enumerate(writers):
        for status, reason in ((404, "Not Found"), (301, "Moved Permanently"), (500, "Internal Server Error")):
            url = f"http://stdlib.example/{number}/status-{status}.html"
            writer.add(url, f"<html><body><h1>{reason}</h1></body></html>".encode(), status=f"{status} {reason}")
            planted.http_errors[url] = status
        pixels = b"\x89PNG\r\n\x1a\n" + bytes(random.Random(number).randrange(256) for _ in range(400))
        for name, content_type, body in (
            ("logo.png", "image/png", pixels),
            ("search.json", "application/json", b'{"results": []}'),
        ):
            url = f"http://stdlib.example/{number}/{name}"
            writer.add(url, body, content_type=content_type)
            planted.not_html.append(url)
        url = f"http://stdlib.example/{number}/empty.html"
        writer.add(url, b"")
        planted.empty.append(url)


def _plant_repeat(planted: Planted, writer: _WarcFile) -> None:
    """One record twice in the same file, with the same WARC-Record-ID."""
    text = (
        "This page was fetched once and written twice. A crawler that loses its connection while it saves a "
        "record will try again after a while, and it does not always know that the first attempt had already "
        "reached the disk. Whoever reads the archive later finds two records with one identity. They should "
        "count as one document."
    )
    url = "http://stdlib.example/written-twice.html"
    record_id = writer.add(url, _html(Page("Written twice", (("paragraph", text),)), "stdlib"))
    writer.repeat_last()
    planted.repeated_record_ids[url] = record_id


def _plant_damage(planted: Planted, root: Path, day: date, pages: list[Page]) -> None:
    """A file with a member whose bytes are damaged, whole pages after it, and a last member that is cut off."""
    writer = _WarcFile("handbook", day)
    urls = [f"http://handbook.example/damaged/{at}.html" for at in range(_DAMAGED_FILE_PAGES)]
    for url, page in zip(urls, pages, strict=True):
        writer.add(url, _html(page, "handbook"))
    corrupted, truncated = 2, _DAMAGED_FILE_PAGES - 1
    planted.ordinary += [url for at, url in enumerate(urls) if at not in (corrupted, truncated)]
    members = writer.members
    at = 2 * corrupted + 2  # after the warcinfo record, each page is a request and a response
    middle = len(members[at]) // 2
    damaged = (
        members[at][:middle] + bytes(b ^ 0x5A for b in members[at][middle : middle + 48]) + members[at][middle + 48 :]
    )
    members[at] = _surely_broken(damaged)
    members[-1] = members[-1][: len(members[-1]) * 2 // 3]
    name = _save(planted, root, day, "handbook", 1, writer.content(), writer.responses)
    planted.corrupted[urls[corrupted]] = planted.truncated[urls[truncated]] = name


def _surely_broken(member: bytes) -> bytes:
    """The member with its checksum spoilt too, should the damage by chance still decompress."""
    try:
        zlib.decompress(member, 31)
    except zlib.error:
        return member
    return member[:-8] + bytes(b ^ 0xFF for b in member[-8:-4]) + member[-4:]
