"""Pages that no tree should be built of: too deep, or with too many attributes in one tag; and their text without one."""

from __future__ import annotations

import html as html_entities
import re

# Building and walking the tree takes time with the square of its depth (100,000 open tags: four minutes) and of the
# attributes in one tag (200,000: 86 seconds). Browsers stop nesting at 512. Below _MANY_TAGS tags (which may all nest: a
# second) or _LARGE_PAGE characters no page can be slow for the one or the other, so most pages are not even counted.
MAX_DEPTH = 512
MAX_ATTRIBUTES = 4_000
_MANY_TAGS = 5_000
_LARGE_PAGE = 100_000
_FEW_TAGS = 1_000
_MOST_CHARACTERS = 8_000_000
_MOST_OPENED = 500_000  # elements; half a second

_TAG_NAME = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_DRESSED = re.compile(r"<(?:b|big|code|em|font|i|s|small|strike|strong|tt|u)[\s/]", re.IGNORECASE)
# void elements, and those whose end tag HTML lets authors leave out
_VOID = {"area", "base", "br", "col", "embed", "frame", "hr", "img", "input", "link", "meta", "param", "source", "wbr"}
_IMPLIED_END = {"p", "li", "dt", "dd", "option", "optgroup", "tr", "td", "th", "thead", "tbody", "tfoot"}
_NOT_NESTING = frozenset(_VOID | _IMPLIED_END | {"track", "colgroup", "html", "head", "body"})
# patterns that run on hostile pages always match to the end of what they began, so that none takes quadratic time
_WHOLE_TAG = re.compile(r"""<[a-zA-Z](?:[^>"']++|"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))*+""")
_QUOTED = re.compile(r"""\"[^"]*+"|'[^']*+'""")
_ATTRIBUTE_BORDER = re.compile(r"[\s/=]+")
_OPAQUE = re.compile(
    r"<(script|style|template|noscript|textarea|title)\b.*?(?:</\1\b[^>]*(?:>|\Z)|\Z)", re.DOTALL | re.IGNORECASE
)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_HUGE_NUMBER = re.compile(r"&#[xX]?[0-9a-fA-F]{64,}+;?")  # no character; Python refuses to read such numbers
_ANY_TAG = re.compile(r"<[/!?a-zA-Z][^>]*(?:>|\Z)")


def too_costly(html: str) -> bool:
    """Whether building a tree of the page could take time with the square of its size."""
    deep = html.count("<") > _MANY_TAGS and _deeper_than(html, MAX_DEPTH)
    return deep or (len(html) > _LARGE_PAGE and _has_attributes(html, MAX_ATTRIBUTES))


def opens_again(html: str) -> bool:
    """Whether elements that a parser opens again in each paragraph could make a tree far larger than the page.

    They are HTML's formatting elements; of those without attributes it opens three at most, and of links one.
    """
    tags = html.count("<")
    return tags > _FEW_TAGS and tags * len(_DRESSED.findall(html)) > _MOST_OPENED


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


def text_without_tags(html: str) -> str:
    """All text of a page's first 8 million characters (two seconds), for pages that no tree should be built of."""
    html = html[:_MOST_CHARACTERS]
    html = _OPAQUE.sub(" ", _COMMENT.sub(" ", html))
    html = _HUGE_NUMBER.sub("\ufffd", _ANY_TAG.sub("\n", html))
    lines = (line.strip() for line in html_entities.unescape(html).splitlines())
    return "\n".join(line for line in lines if line)
