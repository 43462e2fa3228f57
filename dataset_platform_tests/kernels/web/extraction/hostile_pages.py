"""Pages made to cost a parser more than it is worth, each with the size it is made to."""

from __future__ import annotations

from collections.abc import Callable

SENTENCE = "The mill by the river has not turned since the great thaw of that winter. "
_TEXT = f"<p>{SENTENCE * 3}</p>"
TAGS = (
    *(
        "div",
        "span",
        "b",
        "a",
        "p",
        "table",
        "td",
        "tr",
        "ul",
        "li",
        "font",
        "svg",
        "math",
        "select",
        "option",
        "button",
    ),
    *("form", "h1", "pre", "template", "iframe", "object", "nobr", "ruby", "rt", "details", "dl", "dd", "frameset"),
    *("custom-element", "center", "blockquote", "caption", "label", "textarea", "title", "script", "style", "noscript"),
)


def _repeat(unit: str) -> Callable[[int], str]:
    return lambda size: _TEXT + unit * (size // len(unit))


def _nested(tag: str) -> Callable[[int], str]:
    return lambda size: f"<{tag}>" * (size // (len(tag) + 2)) + _TEXT


def _closed(tag: str) -> Callable[[int], str]:
    def build(size: int) -> str:
        count = size // (2 * len(tag) + 5)
        return f"<{tag}>" * count + _TEXT + f"</{tag}>" * count

    return build


def _numbered(unit: str) -> Callable[[int], str]:
    """The unit with every ``%`` a new number."""
    return lambda size: _TEXT + "".join(unit.replace("%", str(n)) for n in range(size // (len(unit) + 5)))


def _around(before: str, unit: str, after: str) -> Callable[[int], str]:
    return lambda size: _TEXT + before + unit * (size // len(unit)) + after


PAGES: dict[str, Callable[[int], str]] = {
    **{f"nested {tag}": _nested(tag) for tag in TAGS},
    **{f"nested and closed {tag}": _closed(tag) for tag in ("div", "b", "table", "a", "p", "font")},
    **{f"unclosed {tag}": _repeat(f"<{tag}>x") for tag in ("p", "li", "option", "td", "b", "a", "h1", "dt")},
    **{f"end tags of {tag}": _repeat(f"</{tag}>") for tag in ("p", "div", "br", "table", "body", "html")},
    "attributes in one tag": lambda size: _TEXT + "<div " + " ".join(f"a{n}=1" for n in range(size // 9)) + ">y</div>",
    "attributes without values": lambda size: (
        _TEXT + "<div " + " ".join(f"a{n}" for n in range(size // 7)) + ">y</div>"
    ),
    "the same attribute": _around("<div ", "class=a ", ">y</div>"),
    "attributes with > in quotes": _around("<div ", "a='>' ", ">y</div>"),
    "a long attribute": _around('<div title="', "a", '">y</div>'),
    "a long class": _around('<div class="', "navigation-", '">y</div>'),
    "many classes": _around('<div class="', "c0 nav-1 ", '">y</div>'),
    "a long name of an attribute": _around("<div ", "x", "=1>y</div>"),
    "a long name of a tag": _around("<", "x", ">y"),
    "an attribute never closed": _around("<p title='", "a", ""),
    "tags never closed": _repeat("<a "),
    "quotes never closed": _repeat('<a "'),
    "quotes of both kinds": _repeat("<a b='\""),
    "less than": _repeat("<"),
    "less than and slash": _repeat("</"),
    "less than and bang": _repeat("<!"),
    "questions": _repeat("<?"),
    "greater than": _repeat(">"),
    "ampersands": _repeat("&"),
    "entities": _repeat("&amp;"),
    "entities that are none": _repeat("&aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    "entities without end": _repeat("&ampampamp"),
    "numbers in entities": _around("&#", "9", ";"),
    "hexadecimal numbers in entities": _around("&#x", "f", ";"),
    "forbidden characters in entities": _repeat("&#0;&#xD800;&#1114112;"),
    "comments never closed": _repeat("<!--"),
    "comments almost closed": _repeat("<!--->-- "),
    "empty comments": _repeat("<!---->"),
    "a gigantic comment": _around("<!--", "a comment ", "-->"),
    "dashes": _around("<!--", "-", ">"),
    "CDATA": _repeat("<![CDATA[x]]>"),
    "CDATA never closed": _repeat("<![CDATA["),
    "doctypes": _repeat("<!doctype html>"),
    "a script never closed": _around("<script>", "var a='</div>';", ""),
    "scripts never closed": _repeat("<script>"),
    "scripts in comments in scripts": _repeat("<script><!--<script>"),
    "script ends": _around("<script>", "</scrip", ""),
    "titles almost closed": _around("<div>" * 600 + "<title>", "</title ", ""),
    "a style never closed": _around("<style>", "p{a:b} ", ""),
    "textareas": _repeat("<textarea>"),
    "plaintext": _around("<plaintext>", "<p>x</p>", ""),
    "templates": _repeat("<template><td>"),
    "tables in tables": _nested("table><tr><td"),
    "tables in tables without cells": _nested("table><b"),
    "text that tables push out": _around("<table>", "x<b>y", "</table>"),
    "rows and cells": _repeat("<table><tr><td>x</td></tr></table>"),
    "lists in lists": _nested("ul><li"),
    "formatting to be opened again": _numbered("<p><b id=%>"),
    "fonts to be opened again": _numbered("<font size=%><p>"),
    "links in links": _numbered("<a href=%>x"),
    "misnested": _repeat("<b><p></b><i></p></i>"),
    "adoption": _repeat("<a><b><div></a>"),
    "foster parents": _repeat("<table><a>x<tr>"),
    "forms": _repeat("<form><input>"),
    "images": _numbered("<img src=% alt=%>"),
    "custom elements": _numbered("<x-%>y</x-%>"),
    "names nobody knows": _numbered("<n%>y"),
    "svg and html by turns": _nested("svg><foreignObject><div"),
    "frames": _around("<frameset>", "<frame>", "</frameset>"),
    "blanks": _around("<pre>", " ", "x</pre>"),
    "blank lines": _around("<pre>", "\n \n", "x</pre>"),
    "tabs": _around("<p>", "\t", "x</p>"),
    "hard spaces": _around("<p>", "\xa0 ", "x</p>"),
    "line breaks": _repeat("<br>"),
    "line separators": _around("<p>", "\u2028\x85\v\f", "x</p>"),
    "nulls": _around("<p>", "\0", "x</p>"),
    "nulls in tags": _repeat("<d\0iv a\0=\0>x"),
    "control characters": _around("<p>", "\x01\x02\x1b\x7f", "x</p>"),
    "marks on one letter": _around("<p>e", "\u0301", "</p>"),
    "joiners": _around("<p>", "\u200d\u200b\ufeff", "x</p>"),
    "right to left": _around("<p>", "\u202e\u05d0", "x</p>"),
    "astral characters": _around("<p>", "\U0001f600", "x</p>"),
    "lone surrogates": _around("<p>", "\ud800", "x</p>"),
    "replacement characters": _around("<p>", "\ufffd", "x</p>"),
    "one line": _around("<p>", "word ", "</p>"),
    "one word": _around("<p>", "w", "</p>"),
    "lines": _around("<p>", "word\n", "</p>"),
    "short paragraphs": _repeat("<p>x</p>"),
    "headings": _repeat("<h2>x</h2>"),
    "links": _repeat("<a href=/x>word word</a> "),
    "list items": _repeat("<li>word word word</li>"),
    "data in a link": _around('<img src="data:image/png;base64,', "AAAA", '">y'),
    "data of a page": _around('<script type="application/ld+json">{"articleBody":"', "word ", '"}</script>'),
    "nested brackets in JSON": _around('<script type="application/ld+json">', "[", "</script>"),
    "bytes of another kind": lambda size: _TEXT + "".join(map(chr, range(128, 256))) * (size // 128),
    "a page that is no page": lambda size: "\x89PNG\r\n\x1a\n" + "".join(map(chr, range(256))) * (size // 256),
}
