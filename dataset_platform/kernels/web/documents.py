"""From WARC files to documents: one row for every response record and for every piece that is no record.

Rows are labelled, never dropped: kept, rejected with a reason, or quarantined with an error; a tally row per file says
how many there must be, counted by the reader and not by what builds the rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Literal
from urllib.parse import urlsplit

import pyarrow as pa
import xxhash
from pydantic import BaseModel, ConfigDict, Field

from dataset_platform.contracts.web import Documents
from dataset_platform.errors import EngineError
from dataset_platform.kernels.web.charset import decode
from dataset_platform.kernels.web.extraction import extract
from dataset_platform.kernels.web.extraction.worker import PAGE_SECONDS
from dataset_platform.kernels.web.http import BodyError, BodyTooLarge, NotHttp, decode_body, parse_response
from dataset_platform.kernels.web.language import LanguageIdentifier
from dataset_platform.kernels.web.warc import BrokenBytes, RecordCounts, WarcRecord, read_records

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
REASONS = (
    "url_blocked",
    "record_too_large",
    "not_http",
    "http_status",
    "not_html",
    "html_too_large",
    "empty_body",
    "no_text",
)

_SNIFFED_BYTES = 1024
# atomic groups: a comment that could end in several places would double the steps with every one of them
_HTML_START = re.compile(
    rb"^(?:\xef\xbb\xbf)?\s*+(?:<\?xml[^>]*+>\s*+)?(?:(?><!--.*?-->)\s*+)*+"
    rb"<(?:!doctype\s+html|html|head|body|title|meta|script|style|div|table|h1|p|a|br)\b",
    re.IGNORECASE | re.DOTALL,
)

# what a file name that is not UTF-8 looks like in the inventory
_ESCAPED_NAME = re.compile(r"\\x[89a-f][0-9a-f]")
_HOST_LABELS = 127  # as many as a DNS name can have

Row = dict[str, Any]
OpenInput = Callable[[str], tuple[BinaryIO, int]]


class DocumentsConfig(BaseModel):
    """Limits of the stage, and the addresses it does not take."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_record_bytes: int = Field(64 << 20, gt=0, description="largest block of a record that is read, in bytes")
    max_html_bytes: int = Field(32 << 20, gt=0, description="largest decoded body, in bytes")
    url_blocklist: tuple[str, ...] = Field((), description="domains (with all below them) and URL prefixes not taken")
    extraction_mode: Literal["learned", "fast", "accurate"] = Field(
        "learned", description="how main text is found: by the model, by rules, or by the model with trafilatura's vote"
    )
    page_seconds: float = Field(
        PAGE_SECONDS, gt=0, le=600, description="time limit of a page that is extracted in a process of its own"
    )
    min_text_chars: int = Field(1, ge=1, description="fewest characters of main text")
    batch_rows: int = Field(256, gt=0, description="most rows of an output batch")
    batch_bytes: int = Field(16 << 20, gt=0, description="characters of text after which an output batch ends")


class UrlBlocklist:
    """Domains and URL prefixes, looked up by host labels and by prefix.

    An entry without a slash is a domain and blocks its subdomains too; any other is a prefix, with or without scheme.
    """

    def __init__(self, entries: tuple[str, ...]) -> None:
        cleaned = [entry.strip() for entry in entries if entry.strip()]
        self._domains = frozenset(e.lower().strip(".") for e in cleaned if "/" not in e)
        self._prefixes = tuple(_without_scheme(e) for e in cleaned if "/" in e)

    def match(self, url: str) -> str | None:
        """The entry that blocks ``url``, or ``None``."""
        if not self._domains and not self._prefixes:
            return None
        bare = _without_scheme(url)
        if self._prefixes and bare.startswith(self._prefixes):
            return next(prefix for prefix in self._prefixes if bare.startswith(prefix))
        try:
            host = (urlsplit(url).hostname or "").rstrip(".")
        except ValueError:  # a malformed IPv6 host
            return None
        labels = host.split(".")[-_HOST_LABELS:]
        names = (".".join(labels[at:]) for at in range(len(labels)))
        return next((name for name in names if name in self._domains), None)


def extract_documents(
    config: DocumentsConfig, lid_model: str, open_input: OpenInput
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The kernel of web/documents.

    Args:
        config: limits and blocked addresses.
        lid_model: path of lid.176.ftz on the machine that runs the kernel.
        open_input: gives a seekable stream and its size in bytes for a ``path`` of web/raw_warcs.

    Returns:
        a kernel that takes batches with ``path``, ``size_bytes`` and ``source`` and yields batches of
        ``Documents.labelled_schema()``; files are streamed, never held whole.
    """

    def kernel(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        sink = _Batches(config, LanguageIdentifier(lid_model))
        rows = _Rows(config)
        for batch in batches:
            for file in batch.select(["path", "size_bytes", "source"]).to_pylist():
                for row in _file_rows(file["path"], file["size_bytes"], file["source"], rows, config, open_input):
                    if (full := sink.add(row)) is not None:
                        yield full
        if (rest := sink.flush()) is not None:
            yield rest

    return kernel


def document_id(source: str, record_id: str | None, file: str, offset: int) -> str:
    """128-bit hash (32 hex digits) of the source and WARC-Record-ID, or of file and offset where there is none."""
    identity = record_id if record_id else f"{file}\0{offset}"
    return xxhash.xxh3_128_hexdigest(f"{source}\0{identity}".encode("utf-8", "surrogatepass"))


def _file_rows(
    path: str, size: int | None, source: str, rows: _Rows, config: DocumentsConfig, open_input: OpenInput
) -> Iterator[Row]:
    """All rows of one file, the tally row last.

    Raises:
        OSError: the store failed. That is the task's error and not the file's: the engine tries again, nothing is lost.
    """
    counts = RecordCounts()
    try:
        stream, stream_size = open_input(path)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        counts.broken += 1
        yield {"source": source, "file": path, "offset": 0, "length": size or None, "error": _not_opened(path, error)}
    else:
        with stream:
            for item in read_records(stream, stream_size, max_record_bytes=config.max_record_bytes, counts=counts):
                if isinstance(item, BrokenBytes):
                    yield rows.broken(item, path, source)
                elif item.type == "response":
                    yield rows.response(item, path, source)
    detail = {"responses": counts.responses, "broken": counts.broken, "other": dict(sorted(counts.other_types.items()))}
    yield {"file": path, "tally": counts.tally, "detail": json.dumps(detail)}


def _not_opened(path: str, error: OSError) -> str:
    failure = f"file cannot be opened: {type(error).__name__}: {error}"
    return f"{failure}; a name that is not UTF-8 has to be changed" if _ESCAPED_NAME.search(path) else failure


class _Rows:
    """Builds the row of each record; language is filled in later, batch-wise."""

    def __init__(self, config: DocumentsConfig) -> None:
        self._config = config
        self._blocklist = UrlBlocklist(config.url_blocklist)

    def broken(self, item: BrokenBytes, path: str, source: str) -> Row:
        known = item.record_id is not None
        return {
            "doc_id": document_id(source, item.record_id, path, item.offset) if known else None,
            "source": source,
            "url": _storable(item.target_uri),
            "file": path,
            "offset": item.offset,
            "length": item.length,
            "offset_kind": item.offset_kind,
            "error": _storable(item.error),
        }

    def response(self, record: WarcRecord, path: str, source: str) -> Row:
        """One row, whatever the page holds.

        Raises:
            MemoryError, ImportError, OSError, EngineError: the machine's trouble, not the page's.
        """
        row: Row = {
            "doc_id": document_id(source, record.record_id, path, record.offset),
            "source": source,
            "url": _storable(record.target_uri),
            "warc_date": record.warc_date,
            "file": path,
            "offset": record.offset,
            "length": record.length,
            "offset_kind": record.offset_kind,
        }
        try:
            labels = self._page(record, row)
        except BodyError as error:
            labels = {"error": f"HTTP body cannot be decoded: {error}"}
        except (MemoryError, ImportError, OSError, EngineError):
            raise
        except Exception as error:  # a crash on one page is that page's error, not the file's
            labels = {"error": f"page cannot be extracted: {type(error).__name__}: {error}"}
        return row | labels

    def _page(self, record: WarcRecord, row: Row) -> Row:
        """The columns of a kept page, or the labels of a rejected one; fills ``content_type`` as soon as known."""
        config = self._config
        if not record.target_uri:
            return {"error": "response record without WARC-Target-URI"}
        if (entry := self._blocklist.match(record.target_uri)) is not None:
            return _reject("url_blocked", None, f"address is blocked by '{entry}'")
        if record.block is None:
            limit = f"block of {record.block_bytes} bytes; at most {config.max_record_bytes} are read"
            return _reject("record_too_large", record.block_bytes, limit)
        try:
            response = parse_response(record.block)
        except NotHttp as error:
            return _reject("not_http", None, str(error))
        row["content_type"] = response.content_type
        if response.status != 200:
            return _reject("http_status", response.status, f"HTTP status {response.status}; only 200 is taken")
        # a type that is declared is believed; one that is missing or no media type at all is looked for in the bytes
        declared = response.content_type if response.content_type and "/" in response.content_type else None
        if declared and declared not in HTML_TYPES:
            return _reject("not_html", None, f"Content-Type is {declared}")
        try:
            body = decode_body(response, config.max_html_bytes)
        except BodyTooLarge as error:
            return _reject("html_too_large", error.measure, f"decoded body exceeds {config.max_html_bytes} bytes")
        if not body.strip():
            return _reject("empty_body", len(body), "body is empty")
        if declared is None and not _HTML_START.match(body[:_SNIFFED_BYTES]):
            return _reject("not_html", None, "no Content-Type, and the body does not begin like HTML")
        html, charset, charset_source = decode(body, response.charset)
        found = extract(html, config.extraction_mode, config.page_seconds)
        text = found.text
        if len(text) < config.min_text_chars:
            shortfall = f"main text has {len(text)} characters; at least {config.min_text_chars} are needed"
            return _reject("no_text", len(text), shortfall)
        return {
            "charset": charset,
            "charset_source": charset_source,
            "html_bytes": len(body),
            "extraction": found.path,
            "extraction_confidence": found.confidence,
            "text": text,
            "text_length": len(text),
        }


class _Batches:
    """Gathers rows into record batches and has the languages of each batch identified at once."""

    def __init__(self, config: DocumentsConfig, identifier: LanguageIdentifier) -> None:
        self._config = config
        self._identifier = identifier
        self._schema = Documents.labelled_schema()
        self._rows: list[Row] = []
        self._characters = 0

    def add(self, row: Row) -> pa.RecordBatch | None:
        """Take one row; gives a batch when that makes one full."""
        self._rows.append(row)
        self._characters += row.get("text_length") or 0
        if len(self._rows) >= self._config.batch_rows or self._characters >= self._config.batch_bytes:
            return self.flush()
        return None

    def flush(self) -> pa.RecordBatch | None:
        """The rows gathered so far as a batch; ``None`` when there are none."""
        if not self._rows:
            return None
        kept = [row for row in self._rows if "text" in row]
        languages, scores = self._identifier.predict([row["text"] for row in kept])
        for row, language, score in zip(kept, languages, scores, strict=True):
            row["language"], row["language_score"] = language, score
        columns = [pa.array([row.get(f.name) for row in self._rows], type=f.type) for f in self._schema]
        self._rows, self._characters = [], 0
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)


def _reject(reason: str, measure: float | None, detail: str) -> Row:
    return {"reason": reason, "measure": None if measure is None else float(measure), "detail": _storable(detail)}


def _storable(text: str | None) -> str | None:
    """``text`` as Arrow can hold it: headers may carry bytes of any kind."""
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def _without_scheme(url: str) -> str:
    """``HTTPS://Host/Path`` → ``host/Path``."""
    bare = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*://", "", url)
    host, slash, path = bare.partition("/")
    return f"{host.lower()}{slash}{path}"
