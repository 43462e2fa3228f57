"""From the bytes of a page to its characters: which character set, and on whose word.

Labels are understood as browsers understand them (``iso-8859-1`` means windows-1252, ``gb2312`` means GB 18030).
"""

from __future__ import annotations

import codecs
import re

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_META = re.compile(rb"<meta\b[^>]{0,512}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.+-]{2,40})", re.IGNORECASE)
_XML = re.compile(rb"^\s*<\?xml[^>]{0,256}?encoding\s*=\s*[\"']([A-Za-z0-9_:.+-]{2,40})", re.IGNORECASE)
_META_BYTES = 4096
_DETECT_BYTES = 64 << 10
_NON_ASCII = bytes(range(128, 256))
# how many of the non-ASCII bytes may fail under a character set before its label is not believed
_SLIVER = 0.02
_HALF = 0.5
# one stray byte among this many is damage (a page cut within a character), not a wrong label
_STRAY_FROM = 8
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

# where Python's codec of the same name is narrower than what browsers decode
_CODECS = {
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc-kr": "cp949",
    "iso-8859-8-i": "iso-8859-8",
    "x-mac-cyrillic": "mac_cyrillic",
    "macintosh": "mac_roman",
}


def decode(body: bytes, http_charset: str | None) -> tuple[str, str, str]:
    """Decode the bytes of an HTML page.

    A byte order mark is decisive, as in browsers; then the HTTP header, then ``<meta>``, then detection. A label under
    which more than a sliver of the non-ASCII bytes fail to decode is passed over.

    Args:
        body: the page.
        http_charset: the charset parameter of Content-Type, as written; ``None`` where there is none.

    Returns:
        text without NULs and lone surrogates, character set (lower case), and who named it: ``http``, ``bom``,
        ``meta``, ``detected`` or ``fallback``.
    """
    bom = _from_bom(body)
    # the header's word stands unless the mark at the body's head contradicts it: no text begins with one by chance
    candidates = [("bom", bom), ("http", http_charset), ("meta", _from_meta(body))]
    if bom and http_charset and (label := _html5(http_charset)) and label.startswith(bom[:6]):
        candidates.insert(0, ("http", bom))
    non_ascii = len(body) - len(body.translate(None, _NON_ASCII))
    for source, label in candidates:
        name = _html5(label) if label else None
        if name and (text := _decoded(body, name, non_ascii, _SLIVER)) is not None:
            return text, name, source
    if non_ascii:  # plain ASCII needs no guess
        name = _html5(detect_encoding(body, max_len=_DETECT_BYTES) or "")
        if name and (text := _decoded(body, name, non_ascii, _SLIVER)) is not None:
            return text, name, "detected"
    for name in ("utf-8", "windows-1252"):
        if (text := _decoded(body, name, non_ascii, _HALF)) is not None:
            return text, name, "fallback"
    return _clean(body.decode("latin-1")), "iso-8859-1", "fallback"


def _from_bom(body: bytes) -> str | None:
    return next((name for mark, name in _BOMS if body.startswith(mark)), None)


def _from_meta(body: bytes) -> str | None:
    head = body[:_META_BYTES]
    found = _META.search(head) or _XML.search(head)
    if found is None:
        return None
    label = found.group(1).decode("ascii").lower()
    # a page whose <meta> could be read byte by byte is not UTF-16, whatever it says
    return "utf-8" if label.startswith(("utf-16", "ucs-2", "unicode")) else label


def _html5(label: str) -> str | None:
    """The name browsers give to what a label means; ``None`` for labels they do not know."""
    label = label.strip().strip("\"'").lower()
    if not label:
        return None
    if label in ("utf8", "utf-8"):
        return "utf-8"
    name = map_encoding_to_html5(label, fallback_utf8=False)
    if not name or name in ("replacement", "x-user-defined"):
        return None
    name = name.lower().replace("iso8859-", "iso-8859-").replace("euc_", "euc-")
    name = f"windows-{name[2:]}" if name.startswith("cp125") else name
    try:
        codecs.lookup(_CODECS.get(name, name))
    except LookupError:
        return None
    return name


def _decoded(body: bytes, name: str, non_ascii: int, tolerance: float) -> str | None:
    """The text, or ``None`` when more of it fails to decode than ``tolerance`` allows."""
    codec = _CODECS.get(name, name)
    for mark, of in _BOMS:
        if name == of and body.startswith(mark):
            body = body[len(mark) :]
    try:
        return _clean(body.decode(codec))
    except UnicodeDecodeError:
        text = body.decode(codec, "replace")
    failed = text.count("\ufffd") - (body.count(b"\xef\xbf\xbd") if name == "utf-8" else 0)
    total = len(text) if name.startswith("utf-16") else non_ascii
    stray = 1 if total >= _STRAY_FROM else 0
    return _clean(text) if failed <= max(tolerance * total, stray) else None


def _clean(text: str) -> str:
    """Arrow strings are UTF-8: lone surrogates have no place in them, and NULs end strings in too many readers."""
    return _UNSTORABLE.sub("", text)
