"""The main content of an HTML page as plain text.

Resiliparse does the work; around it stand a guard against pages made to be slow, and the tidying of white space.
"""

from __future__ import annotations

import html as html_entities
import re

from resiliparse.extract.html2text import extract_plain_text

# Building and walking the tree takes time with the square of its depth: 100,000 open tags take four minutes. Browsers
# stop nesting at 512; below MANY_TAGS tags no page can be slow, so most pages need no count.
MAX_DEPTH = 512
_MANY_TAGS = 2_000

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_NOT_NESTING = frozenset(
    # void elements, and those whose end tag HTML lets authors leave out
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
        "param",
        "frame",
        "p",
        "li",
        "dt",
        "dd",
        "option",
        "optgroup",
        "tr",
        "td",
        "th",
        "thead",
        "tbody",
        "tfoot",
        "colgroup",
        "rp",
        "rt",
        "html",
        "head",
        "body",
    ]
)
_OPAQUE = re.compile(r"<(script|style|template|noscript|textarea|title)\b.*?(?:</\1\b[^>]*>|\Z)", re.DOTALL | re.I)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_ANY_TAG = re.compile(r"<[/!?a-zA-Z][^>]*(?:>|\Z)")

_CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\ufeff\ud800-\udfff]")
_BROAD_SPACE = re.compile("[ \xa0]*[\t\xa0][ \t\xa0]*")
_TRAILING_SPACE = re.compile(r"[ ]+$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")


def extract_text(html: str, mode: str = "fast") -> str:
    """Main content of a page, one paragraph, heading or list item a line, blank lines between blocks.

    Args:
        html: the page, decoded.
        mode: ``fast`` is Resiliparse's rules (some 1,500 pages a second on one core); no other mode exists yet.

    Returns:
        text without control characters, trailing blanks and runs of blank lines; empty where the page has none.

    Raises:
        ValueError: an unknown mode.
    """
    if mode != "fast":
        raise ValueError(f"unknown extraction mode {mode!r}; known: fast")
    if html.count("<") > _MANY_TAGS and _deeper_than(html, MAX_DEPTH):
        return _tidy(_without_tags(html))
    return _tidy(
        extract_plain_text(
            html,
            main_content=True,
            alt_texts=False,  # captions for the blind, file names as often as not
            list_bullets=True,  # filters count bullets
            form_fields=False,
            comments=False,
        )
    )


def _deeper_than(html: str, limit: int) -> bool:
    """Whether more than ``limit`` elements can be open at once, by counting tags."""
    depth = 0
    for found in _TAG.finditer(html):
        if found.group(2).lower() in _NOT_NESTING:
            continue
        depth = depth + 1 if not found.group(1) else max(depth - 1, 0)
        if depth > limit:
            return True
    return False


def _without_tags(html: str) -> str:
    """All text of a page, for pages that no tree should be built of."""
    html = _OPAQUE.sub(" ", _COMMENT.sub(" ", html))
    lines = (line.strip() for line in html_entities.unescape(_ANY_TAG.sub("\n", html)).splitlines())
    return "\n".join(line for line in lines if line)


def _tidy(text: str) -> str:
    text = _CONTROLS.sub("", text.replace("\r\n", "\n"))
    text = _TRAILING_SPACE.sub("", _BROAD_SPACE.sub(" ", text))
    return _BLANK_LINES.sub("\n\n", text).strip()
