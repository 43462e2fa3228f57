"""HTTP messages: their parts, and every encoding a body may have, or may only claim to have."""

import gzip
import io
import zlib

import brotli
import pytest
from fastwarc.stream_io import ZstdWriter

from dataset_platform.kernels.web.http import (
    BodyError,
    BodyTooLarge,
    HttpResponse,
    NotHttp,
    decode_body,
    parse_response,
)

HTML = b"<html><body><p>" + b"a river and a mill " * 200 + b"</p></body></html>"
LIMIT = 1 << 20


def zstd(data: bytes) -> bytes:
    target = io.BytesIO()
    writer = ZstdWriter(target)
    writer.write(data)
    writer.finish()
    writer.flush()
    return target.getvalue()


def bare_deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(data) + deflater.flush()


def chunked(data: bytes, size: int = 100) -> bytes:
    pieces = (data[at : at + size] for at in range(0, len(data), size))
    return b"".join(b"%x;note=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nTrailer: 1\r\n\r\n"


def decoded(body: bytes, limit: int = LIMIT, **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return decode_body(HttpResponse(200, named, body), limit)


def test_the_parts_of_a_message():
    block = (
        b'HTTP/1.1 200 OK\r\nContent-Type: Text/HTML; Charset="UTF-8"\r\nSet-Cookie: a\r\nset-cookie: b\r\n'
        b"X-Long: one\r\n two\r\nno colon here\r\n\r\nbody\r\n\r\nmore"
    )
    response = parse_response(block)
    assert response.status == 200
    assert response.content_type == "text/html"
    assert response.charset == "UTF-8"
    assert response.headers["set-cookie"] == "a, b"
    assert response.headers["x-long"] == "one two"
    assert response.body == b"body\r\n\r\nmore"


def test_messages_with_bare_line_feeds_without_headers_and_without_a_body():
    assert parse_response(b"HTTP/1.0 404 Not Found\nA: b\n\nbody").body == b"body"
    assert parse_response(b"HTTP/1.1 200\r\n\r\nbody").body == b"body"
    response = parse_response(b"HTTP/2 204 \r\nA: b\r\n")
    assert (response.status, response.body, response.content_type, response.charset) == (204, b"", None, None)


@pytest.mark.parametrize(
    "block", [b"", b"20260105 1.2.3.4\n", b"<html>", b"HTTP/1.1 OK\r\n\r\n", b"HTTP/1.1 2000 x\r\n\r\n"]
)
def test_what_is_no_http(block):
    with pytest.raises(NotHttp):
        parse_response(block)


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("X-GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", bare_deflate),
        ("br", brotli.compress),
        ("zstd", zstd),
        ("identity", bytes),
        ("gzip, br", lambda data: brotli.compress(gzip.compress(data))),
        ("br, zstd, gzip", lambda data: gzip.compress(zstd(brotli.compress(data)))),
        ("gzip", lambda data: gzip.compress(data[:50]) + gzip.compress(data[50:]) + b"\0\0"),
    ],
)
def test_content_encodings(encoding, encode):
    assert decoded(encode(HTML), content_encoding=encoding) == HTML
    both = decoded(chunked(encode(HTML)), content_encoding=encoding, transfer_encoding="chunked")
    assert both == HTML
    assert decoded(chunked(encode(HTML)), transfer_encoding=f"{encoding}, chunked") == HTML


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "unknown", "utf-8"])
def test_a_body_that_the_crawler_has_decoded_already_is_taken_as_it_is(encoding):
    assert decoded(HTML, content_encoding=encoding, transfer_encoding="chunked") == HTML
    assert decoded(b"", content_encoding=encoding) == b""


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("br", brotli.compress), ("zstd", zstd)],
)
def test_bodies_that_are_cut_short_or_damaged_are_errors(encoding, encode):
    body = encode(HTML)
    with pytest.raises(BodyError):
        decoded(body[:-10], content_encoding=encoding)
    with pytest.raises(BodyError):
        decoded(body[:12] + b"\xff" * 12 + body[24:], content_encoding=encoding)


def test_damaged_chunks_and_unknown_encodings_of_bytes_are_errors():
    with pytest.raises(BodyError, match="cut short"):
        decoded(chunked(HTML)[:-200], transfer_encoding="chunked")
    with pytest.raises(BodyError):
        decoded(b"3\r\nabcdef\r\n0\r\n\r\n", transfer_encoding="chunked")
    with pytest.raises(BodyError):
        decoded(b"\x01\x02\x03\x04", content_encoding="compress")


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [("gzip", gzip.compress), ("deflate", bare_deflate), ("br", brotli.compress), ("zstd", zstd), ("identity", bytes)],
)
def test_decompression_bombs_stop_at_the_limit(encoding, encode):
    bomb = encode(b"\0" * 20_000_000)
    with pytest.raises(BodyTooLarge) as caught:
        decoded(bomb, limit=100_000, content_encoding=encoding)
    assert caught.value.measure > 100_000
    assert decoded(encode(b"a" * 100_000), limit=100_000, content_encoding=encoding) == b"a" * 100_000
