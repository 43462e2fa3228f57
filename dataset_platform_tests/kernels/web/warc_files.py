"""WARC files made for tests, in every framing that the reader knows."""

import gzip
import io
import random

from fastwarc.stream_io import ZstdWriter

FRAMINGS = ("gzip", "gzip-one-stream", "plain", "zstd", "zstd-one-stream", "gzip-blocks")


def record(
    number: int, block: bytes, kind: str = "response", url: str | None = None, extra: tuple[str, ...] = ()
) -> bytes:
    """One WARC record with its trailing empty lines."""
    lines = [
        "WARC/1.1",
        f"WARC-Type: {kind}",
        f"WARC-Record-ID: <urn:test:{number}>",
        "WARC-Date: 2026-01-05T03:00:00Z",
        f"WARC-Target-URI: {url or f'http://site.example/{number}'}",
        *extra,
        "Content-Type: application/http; msgtype=response",
        f"Content-Length: {len(block)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + block + b"\r\n\r\n"


def http_block(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """An HTTP response message."""
    return "\r\n".join([f"HTTP/1.1 {status}", *headers]).encode("latin-1") + b"\r\n\r\n" + body


def page(words: int, seed: int) -> bytes:
    """A small HTML page of made-up English."""
    draw = random.Random(seed)
    vocabulary = [
        "the",
        "river",
        "runs",
        "past",
        "an",
        "old",
        "mill",
        "and",
        "every",
        "winter",
        "its",
        "wheel",
        "stands",
        "still",
        "until",
        "the",
        "thaw",
        "comes",
    ]
    text = " ".join(draw.choice(vocabulary) for _ in range(words))
    return f"<html><head><title>Page {seed}</title></head><body><main><p>{text}.</p></main></body></html>".encode()


def records(count: int, seed: int = 0) -> list[bytes]:
    """Response records with pages, a request before every third."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        if number % 3 == 0:
            made.append(record(1000 + number, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "request"))
        block = http_block(page(draw.randrange(40, 400), number), "200 OK", "Content-Type: text/html; charset=utf-8")
        made.append(record(number, block))
    return made


def frame(parts: list[bytes], framing: str) -> bytes:
    """The records as one file."""
    if framing == "gzip":
        return b"".join(gzip.compress(part, mtime=0) for part in parts)
    whole = b"".join(parts)
    if framing == "gzip-one-stream":
        return gzip.compress(whole, mtime=0)
    if framing == "gzip-blocks":
        return b"".join(gzip.compress(whole[at : at + 3000], mtime=0) for at in range(0, len(whole), 3000))
    if framing == "plain":
        return whole
    target = io.BytesIO()
    writer = ZstdWriter(target)
    for part in parts if framing == "zstd" else [whole]:
        writer.write(part)
        writer.finish()
    writer.flush()
    return target.getvalue()
