"""HTTP response messages as crawlers store them: status, headers, and the body with its encodings taken off.

Crawlers often keep the headers of what they received beside a body they have already decoded (Common Crawl does), so an
encoding that a body plainly does not have is passed over.
"""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass

from fastwarc.stream_io import BrotliReader, ZstdReader

_STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})(?!\d)[^\r\n]*")
_HEADERS_END = re.compile(rb"\r?\n\r?\n")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
# possessive, so that a value that is nothing but blanks takes no quadratic time
_CHARSET = re.compile(r"charset\s*+=\s*+[\"']?\s*+([^\s\"';,]+)", re.IGNORECASE)
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*<[!?/A-Za-z]")
_PIECE_BYTES = 1 << 20
_FED_BYTES = 64 << 10
# no server sends more; each would cost a pass over the body, a copy of what is left, or a step in Python
MAX_HEADER_BYTES = 1 << 20
MAX_ENCODINGS = 5
MAX_GZIP_MEMBERS = 20_000
MAX_CHUNKS = 2_000_000


class NotHttp(ValueError):
    """The block does not begin with an HTTP status line."""


class BodyError(ValueError):
    """The body cannot be decoded as its headers say, and is not plain either."""


class BodyTooLarge(ValueError):
    """The decoded body exceeds the limit. ``measure`` is the size in bytes at which decoding stopped."""

    def __init__(self, measure: int) -> None:
        self.measure = measure
        super().__init__(f"decoded body exceeds {measure - 1} bytes")


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One response; header names lower case, repeated headers joined by ``", "``; the body as stored."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content_type(self) -> str | None:
        """Media type, lower case, without parameters; ``None`` where the header is missing or empty."""
        value = self.headers.get("content-type", "").split(";")[0].split(",")[0].strip().lower()
        return value or None

    @property
    def charset(self) -> str | None:
        """The charset parameter of Content-Type, as written."""
        found = _CHARSET.search(self.headers.get("content-type", ""))
        return found.group(1) if found else None


def parse_response(block: bytes) -> HttpResponse:
    """Split a WARC response block into status, headers and stored body.

    Raises:
        NotHttp: there is no status line, or headers take more than ``MAX_HEADER_BYTES``.
    """
    status = _STATUS_LINE.match(block, 0, MAX_HEADER_BYTES)
    if status is None:
        raise NotHttp(f"no HTTP status line but {block[:24]!r}")
    # from the end of the status line, so that a response without any header has its empty line found too
    limit = status.end() + MAX_HEADER_BYTES
    end = _HEADERS_END.search(block, status.end(), limit)
    if end is None and len(block) > limit:
        raise NotHttp(f"HTTP headers of more than {MAX_HEADER_BYTES} bytes")
    raw = block[status.end() : end.start() if end else len(block)]
    parts: dict[str, list[str]] = {}
    name = ""
    for line in raw.decode("latin-1").splitlines():
        if line[:1] in (" ", "\t") and name:
            parts[name] += (" ", line.strip())
            continue
        key, colon, value = line.partition(":")
        if not colon:
            continue
        name = key.strip().lower()
        if name in parts:
            parts[name] += (", ", value.strip())
        else:
            parts[name] = [value.strip()]
    headers = {name: "".join(pieces) for name, pieces in parts.items()}
    return HttpResponse(int(status.group(1)), headers, block[end.end() :] if end else b"")


def decode_body(response: HttpResponse, max_bytes: int) -> bytes:
    """The body without Transfer-Encoding and Content-Encoding, in the reverse of the order they were applied.

    Args:
        response: as `parse_response` gives it.
        max_bytes: most bytes that decoding may yield at any step.

    Raises:
        BodyError: an encoding is unknown, there are too many of them, of gzip members or of chunks, or the bytes are
            damaged or cut short.
        BodyTooLarge: the decoded body is larger than ``max_bytes``.
    """
    body = response.body
    for encoding in _encodings(response.headers.get("transfer-encoding", "")):
        body = _dechunk(body) if encoding == "chunked" else _decompress(body, encoding, max_bytes)
    for encoding in _encodings(response.headers.get("content-encoding", "")):
        body = _decompress(body, encoding, max_bytes)
    if len(body) > max_bytes:
        raise BodyTooLarge(len(body))
    return body


def _encodings(header: str) -> list[str]:
    """Encodings in the order in which they are taken off."""
    names = [name.strip().lower() for name in header.split(",")]
    encodings = [name for name in reversed(names) if name and name not in ("identity", "none")]
    if len(encodings) > MAX_ENCODINGS:
        raise BodyError(f"{len(encodings)} encodings one over the other; at most {MAX_ENCODINGS} are taken off")
    return encodings


def _dechunk(body: bytes) -> bytes:
    if _CHUNK_SIZE.match(body) is None:
        return body  # the crawler has taken the chunks out already
    parts: list[bytes] = []
    position = 0
    while True:
        size_line = _CHUNK_SIZE.match(body, position)
        if size_line is None:
            raise BodyError(f"chunked body is cut short or damaged at byte {position}")
        size = int(size_line.group(1), 16)
        position = size_line.end()
        if size == 0:
            return b"".join(parts)  # trailers may follow; they are no part of the body
        if position + size > len(body):
            raise BodyError(f"chunked body is cut short: a chunk of {size} bytes has {len(body) - position}")
        parts.append(body[position : position + size])
        position += size
        position += 2 if body[position : position + 2] == b"\r\n" else body[position : position + 1] == b"\n"
        if len(parts) > MAX_CHUNKS:
            raise BodyError(f"more than {MAX_CHUNKS} chunks")


def _decompress(body: bytes, encoding: str, max_bytes: int) -> bytes:
    if not body:
        return body
    if encoding in ("gzip", "x-gzip"):
        return _inflate(body, 31, max_bytes) if body.startswith(b"\x1f\x8b") else _already_decoded(body, encoding)
    if encoding == "zstd":
        return (
            _read_all(ZstdReader, body, max_bytes)
            if body[:4] == b"\x28\xb5\x2f\xfd"
            else _already_decoded(body, encoding)
        )
    if encoding == "deflate":
        return _deflate(body, max_bytes)
    if encoding == "br":
        try:
            return _read_all(BrotliReader, body, max_bytes)
        except BodyError:
            if _MARKUP.match(body):
                return body
            raise
    return _already_decoded(body, encoding)


def _already_decoded(body: bytes, encoding: str) -> bytes:
    """The body itself when it reads as text; otherwise it is of an encoding nobody can tell."""
    head = body[:1024]
    controls = sum(byte < 32 and byte not in b"\t\n\r\f" for byte in head)
    if _MARKUP.match(body) or controls == 0:
        return body
    raise BodyError(f"body is not {encoding}, as its headers say, and no text either: {body[:16]!r}")


def _deflate(body: bytes, max_bytes: int) -> bytes:
    """zlib's wrapper is what the standard means; many servers send the bare stream."""
    failure: BodyError | None = None
    for window_bits in (15, -15):
        try:
            return _inflate(body, window_bits, max_bytes)
        except BodyError as error:
            failure = failure or error
    if _MARKUP.match(body):
        return body
    raise failure or BodyError("damaged deflate body")


def _inflate(body: bytes, window_bits: int, max_bytes: int) -> bytes:
    """One stream, or in gzip all members that follow each other; fed piece by piece, since zlib copies what is left."""
    parts: list[bytes] = []
    total = position = members = 0
    while members == 0 or (window_bits == 31 and body[position : position + 2] == b"\x1f\x8b"):
        members += 1
        if members > MAX_GZIP_MEMBERS:
            raise BodyError(f"more than {MAX_GZIP_MEMBERS} gzip members")
        inflater = zlib.decompressobj(window_bits)
        while not inflater.eof:
            fed = body[position : position + _FED_BYTES]
            try:
                part = inflater.decompress(fed, min(_PIECE_BYTES, max_bytes + 1 - total))
            except zlib.error as error:
                raise BodyError(f"damaged compressed body: {error}") from None
            position += len(fed) - len(inflater.unconsumed_tail) - len(inflater.unused_data)
            parts.append(part)
            total += len(part)
            if total > max_bytes:
                raise BodyTooLarge(total)
            if not part and position >= len(body) and not inflater.eof:
                raise BodyError("compressed body is cut short")
    return b"".join(parts)  # several gzip members make one body; anything else after the end is padding


def _read_all(reader: type[ZstdReader] | type[BrotliReader], body: bytes, max_bytes: int) -> bytes:
    stream = reader(io.BytesIO(body))
    parts: list[bytes] = []
    total = 0
    try:
        while part := stream.read(min(_PIECE_BYTES, max_bytes + 1 - total)):
            parts.append(bytes(part))
            total += len(part)
            if total > max_bytes:
                raise BodyTooLarge(total)
    except (OSError, ValueError) as error:
        if isinstance(error, BodyTooLarge):
            raise
        raise BodyError(f"damaged compressed body: {error}") from None
    return b"".join(parts)
