"""The scanner: what is text, where blocks end, what lies in what; nothing visible is lost, and time stays linear."""

import re
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_platform.kernels.web.extraction import scan, tags

TAGS = tags.each("div p b a ul li table tr td span h1 section pre br select option em font dl dt dd form button")


def blocks(html: str) -> list[str]:
    page = scan.scan(html.encode())
    text = page.text.tobytes()
    return [text[begin:end].decode() for begin, end in zip(page.start, page.start[1:], strict=False)]


def contexts(html: str) -> dict[str, set[str]]:
    """Contexts of each block by its text."""
    page = scan.scan(html.encode())
    names = np.array(tags.CONTEXTS)
    bits = [(int(page.context[node]) >> np.arange(len(names))) & 1 for node in page.node]
    return {text: set(names[bit.astype(bool)]) for text, bit in zip(blocks(html), bits, strict=True)}


@pytest.mark.parametrize(
    ("html", "wanted"),
    [
        ("<p>a<p>b", ["a", "b"]),
        ("<p>a <b>bold</b>, <i>x</i>y</p>z", ["a bold, xy", "z"]),
        ("<ul><li>a<li>b<ul><li>c</ul><li>d</ul>e", ["a", "b", "c", "d", "e"]),
        ("<dl><dt>a<dd>b<dt>c<dd>d</dl>", ["a", "b", "c", "d"]),
        ("<table><tr><td>a<td>b<tr><th>c</table>d", ["a", "b", "c", "d"]),
        ("<div>a<br>b<br><br>c</div>", ["a\nb", "c"]),
        ("<pre>x\n  y\tz</pre>", ["x\n  y z"]),
        ("a<script>b</script>c<style>d</style><!-- e --><!-->f", ["a c f"]),
        ("<title>t</title><textarea>u</textarea>v", ["v"]),
        ("<p>1 < 2 & 3 > 2 &lt;b&gt;</p>", ["1 < 2 & 3 > 2 <b>"]),
        ("<a href=x>A</a><a href=y>B</a>", ["A B"]),
        ("<p>a</div>b</p>", ["ab"]),
        ("<h2>a</h3>b", ["a", "b"]),
        ("<p title='a>b'>c</p>", ["c"]),
        ('<p\nid = x class="y z">c<P>D', ["c", "D"]),
        ("a\0b\x01\x7fc", ["abc"]),
        ("<script>unclosed <p>a", []),
        ("a<p title='unclosed", ["a"]),
        ("", []),
        ("<", ["<"]),
        ("<longer-than-anyppvnadky>a <b>c</b>", ["a c"]),  # shares its hash with style, whose text is hidden
        ("a&nbsp;\u00a0 b\u00e0c", ["a b\u00e0c"]),
    ],
)
def test_blocks(html, wanted):
    assert blocks(html) == wanted


def test_contexts_follow_the_elements():
    found = contexts(
        "<nav>n<ul><li>i</ul></nav><main><article><h1>h</h1><p>t<div role=navigation>r</div>"
        "<div style='color:red; DISPLAY: none'>s</div><div itemtype='https://schema.org/Product'>q</div></main><footer>f"
    )
    assert found["n"] == {"nav"} and found["i"] == {"nav", "ul", "li"}
    assert found["h"] == {"main", "article", "h1"} and found["t"] == {"main", "article", "p"}
    assert "nav" in found["r"] and "hidden" in found["s"] and "schema_product" in found["q"]
    assert found["f"] == {"footer"}


def test_an_anchor_without_address_is_no_link():
    page = scan.scan(b"<p>ab<a name=x>cd</a><a href=y>efg</a></p>")
    assert page.measures[0, 0] == 4 and page.measures[0, 1] == 1  # " efg": the blank belongs to it


def test_class_words():
    page = scan.scan(b'<div class="postBody main-content x" id=Related_posts2>a</div>')
    begin, end = page.words_from[1], page.words_from[2]
    wanted = [tags.hash_of(word) for word in ("post", "body", "main", "content", "related", "posts")]
    assert page.words[begin:end].tolist() == wanted


@given(
    st.lists(
        st.one_of(
            st.sampled_from([f"<{tag}>" for tag in TAGS] + [f"</{tag}>" for tag in TAGS]),
            st.text("abcé漢 \n", min_size=1, max_size=6),
        ),
        max_size=60,
    )
)
def test_no_visible_character_is_lost_or_doubled(parts):
    html = "".join(parts)
    page = scan.scan(html.encode())
    assert re.sub(r"\s", "", page.text.tobytes().decode()) == re.sub(r"<[^>]*>|\s", "", html)
    # blocks of an element are consecutive, and inside its parent's
    up = page.parent
    assert (page.first <= page.last).all() and page.last[0] == len(page.node)
    assert (page.first[up] <= page.first).all() and (page.last <= page.last[up]).all()
    assert (page.first[page.node] <= np.arange(len(page.node))).all()
    assert (np.arange(len(page.node)) < page.last[page.node]).all()
    assert (page.depth <= scan.MAX_DEPTH).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda n: b"<div>" * n + b"x",
        lambda n: b"<b>" * n + b"</i>" * n,
        lambda n: b"<div><table><td>" + b"<span>" * 500 + b"</div>" * n,
        lambda n: b"<a " + b"x=1 " * n + b">y",
        lambda n: b"<p title='" + b"a" * (5 * n) + b"'>x",
        lambda n: b"<p style='" + b"display:" * n + b"'>x",
        lambda n: b"<" * (5 * n),
        lambda n: b"<!--" * n,
        lambda n: b"<title></titl" * n,
        lambda n: b"&" * (5 * n),
        lambda n: b"&#" + b"1" * (5 * n),
        lambda n: b"<ul><li>" * n + b"x",
        lambda n: b"<table><tr><td>" * n + b"x",
        lambda n: b"<script type=application/ld+json>" + b'"@type":"' * n,
        lambda n: b"x\0" * (3 * n),
    ],
    ids=range(15),
)
def test_four_times_the_page_takes_no_sixteen_times_the_time(make):
    scan.scan(make(10))

    def seconds(page: bytes) -> float:
        times = []
        for _ in range(3):
            begin = time.thread_time()
            scan.scan(page)
            times.append(time.thread_time() - begin)
        return min(times)

    small, large = seconds(make(50_000)), seconds(make(200_000))
    assert large < 10 * small + 0.02  # linear: 4, quadratic: 16
