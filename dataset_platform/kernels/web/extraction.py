"""The main content of an HTML page as plain text.

Resiliparse does the work; around it stand a guard against pages made to be slow, and the tidying of white space.
"""

from __future__ import annotations

import html as html_entities
import re

from resiliparse.extract.html2text import extract_plain_text

# Building and walking the tree takes time with the square of its depth (100,000 open tags: four minutes) and of the
# attributes in one tag (200,000: 86 seconds). Browsers stop nesting at 512. Below MANY_TAGS tags or LARGE_PAGE
# characters no page can be slow for the one or the other, so most pages are not even counted.
MAX_DEPTH = 512
MAX_ATTRIBUTES = 4_000
_MANY_TAGS = 2_000
_LARGE_PAGE = 100_000

_TAG_NAME = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
# void elements, and those whose end tag HTML lets authors leave out
_VOID = {"area", "base", "br", "col", "embed", "frame", "hr", "img", "input", "link", "meta", "param", "source", "wbr"}
_IMPLIED_END = {"p", "li", "dt", "dd", "option", "optgroup", "tr", "td", "th", "thead", "tbody", "tfoot", "rp", "rt"}
_NOT_NESTING = frozenset(_VOID | _IMPLIED_END | {"track", "colgroup", "html", "head", "body"})
# patterns that run on hostile pages always match to the end of what they began, so that none takes quadratic time
_WHOLE_TAG = re.compile(r"""<[a-zA-Z](?:[^>"']++|"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))*+""")
_QUOTED = re.compile(r"""\"[^"]*+"|'[^']*+'""")
_ATTRIBUTE_BORDER = re.compile(r"[\s/=]+")
_OPAQUE = re.compile(
    r"<(script|style|template|noscript|textarea|title)\b.*?(?:</\1\b[^>]*(?:>|\Z)|\Z)", re.DOTALL | re.IGNORECASE
)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_ANY_TAG = re.compile(r"<[/!?a-zA-Z][^>]*(?:>|\Z)")

_CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\ufeff\ud800-\udfff]")
_BLANKS = re.compile("[ \t\xa0]+")
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
    deep = html.count("<") > _MANY_TAGS and _deeper_than(html, MAX_DEPTH)
    if deep or (len(html) > _LARGE_PAGE and _has_attributes(html, MAX_ATTRIBUTES)):
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
    for found in _TAG_NAME.finditer(html):
        if found.group(2).lower() in _NOT_NESTING:
            continue
        depth = depth + 1 if not found.group(1) else max(depth - 1, 0)
        if depth > limit:
            return True
    return False


def _has_attributes(html: str, limit: int) -> bool:
    """Whether one tag may have more than ``limit`` attributes."""
    for found in _WHOLE_TAG.finditer(html):
        tag = found.group()
        if len(tag) > limit and len(_ATTRIBUTE_BORDER.findall(_QUOTED.sub("=", tag))) > limit:
            return True
    return False


def _without_tags(html: str) -> str:
    """All text of a page, for pages that no tree should be built of."""
    html = _OPAQUE.sub(" ", _COMMENT.sub(" ", html))
    lines = (line.strip() for line in html_entities.unescape(_ANY_TAG.sub("\n", html)).splitlines())
    return "\n".join(line for line in lines if line)


def _tidy(text: str) -> str:
    text = _CONTROLS.sub("", text)
    lines = text.split("\n")
    if "\t" in text or "\xa0" in text:
        # tabs and hard spaces are layout; plain spaces stay, since code is indented by them
        lines = [_BLANKS.sub(" ", line) if "\t" in line or "\xa0" in line else line for line in lines]
    return _BLANK_LINES.sub("\n\n", "\n".join([line.rstrip() for line in lines])).strip()
