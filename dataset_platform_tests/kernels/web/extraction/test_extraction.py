"""Main text of real-looking and of hostile pages."""

import time

import pytest

from dataset_platform.kernels.web.extraction import extract_text

SENTENCE = "The mill by the river has not turned since the great thaw of that winter. "
PAGE = f"""<html><head><title>T</title><style>p {{}}</style></head><body>
<nav><a href="/">Home</a><a href="/x">Somewhere</a></nav>
<div><div><main><h1>The mill</h1><p>{SENTENCE * 3}</p><p>Second&nbsp;paragraph:\tit  goes on. {SENTENCE}</p>
<ul><li>{SENTENCE}</li><li>{SENTENCE}</li></ul><pre>def f():
    return 1</pre><img alt="a picture of a mill"><script>var hidden = 1;</script></main></div></div>
<footer>Imprint and contact</footer></body></html>"""


def test_the_main_content_stays_and_the_rest_goes():
    text = extract_text(PAGE)
    assert text.startswith("The mill\n\n")
    for wanted in (SENTENCE.strip(), "Second paragraph: it", f"• {SENTENCE.strip()}", "    return 1"):
        assert wanted in text
    for unwanted in ("Somewhere", "Imprint", "hidden", "picture", "\t", "\xa0", "\n\n\n"):
        assert unwanted not in text
    assert all(line == line.rstrip() for line in text.split("\n"))


def test_nothing_gives_nothing():
    assert extract_text("") == ""
    assert extract_text("<html><body><nav><a>Home</a></nav></body></html>") == ""
    with pytest.raises(ValueError, match="mode"):
        extract_text(PAGE, mode="unheard-of")


def test_control_characters_do_not_survive():
    text = extract_text(f"<p>{SENTENCE}&#1;&#0;&#xD800;a\x02b\x7fc&#8203;</p>")
    assert "abc" in text
    assert not any(ord(c) < 32 and c != "\n" for c in text)
    assert text.encode()


@pytest.mark.parametrize(
    "tag", ["div", "b", "span", "table", "ul><li", "a", "font", "blockquote", "svg", "object", "p"]
)
def test_deep_nesting_costs_no_time_and_keeps_the_text(tag):
    begin = time.perf_counter()
    text = extract_text("<html><body>" + f"<{tag}>" * 100_000 + SENTENCE * 3)
    assert time.perf_counter() - begin < 5
    assert SENTENCE.strip() in text


@pytest.mark.parametrize(
    "html",
    [
        f'<p title="{"a" * 10_000_000}">{SENTENCE}</p>',
        f"<p>{SENTENCE}</p><p title='" + "a" * 10_000_000,
        "<div " + " ".join(f"a{n}=1" for n in range(200_000)) + f">{SENTENCE}</div>",
        "<div " + "".join(f'a{n}=">"' for n in range(100_000)) + f"><p>{SENTENCE}</p></div>",
        f"<p>{SENTENCE}</p>" * 50_000,
        f"<p>{SENTENCE}</p>" + "<" * 3_000_000,
        f"<p>{SENTENCE}</p>" + "<!--" * 500_000,
        f"<p>{SENTENCE}</p>" + '<a "' * 500_000,
        f"<p>{SENTENCE}</p>" + "<div>" * 600 + "<title>" + "</title " * 300_000,
        f"<pre>{SENTENCE}" + " " * 2_000_000 + "x</pre>",
        f"<p>{SENTENCE}</p>" + "".join(f"<p><b id={n}>" for n in range(30_000)),
        f"<p>{SENTENCE}</p><pre>" + "\n \n" * 500_000 + "x",
    ],
    ids=range(12),
)
def test_hostile_pages_cost_no_time(html):
    begin = time.perf_counter()
    assert SENTENCE.strip() in extract_text(html)
    assert time.perf_counter() - begin < 10
