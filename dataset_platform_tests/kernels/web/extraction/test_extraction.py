"""Main text of real-looking and of hostile pages."""

import time

import pytest

from dataset_platform.kernels.web.extraction import extract_in_process, extract_text, isolation

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


@pytest.mark.parametrize("mode", ["learned", "fast"])
def test_line_ends_of_unicode_part_words(mode):
    text = extract_text(f"<article><p>{SENTENCE}It ends\u2028here\u2029or\x85there.</p></article>", mode)
    assert "It ends\nhere\nor there." in text
    assert "x" in extract_text("<p>\ud800x</p>", mode) and "?" not in extract_text("<p>\ud800x</p>", mode)


def test_elements_that_open_again_in_each_paragraph_are_for_the_worker_process():
    """36 kB that make six million elements; without attributes three of a kind open again, and links never."""
    paragraphs = "<p>x" * 2_400
    assert isolation.is_wanted("".join(f"<b id={at}>" for at in range(2_400)) + paragraphs, "fast")
    for common in ("<b>", "<a href=x>", "<i>x</i>"):
        assert not isolation.is_wanted(common * 1_000 + paragraphs, "fast")


def seconds(html):
    """Processor seconds that a page takes, the shorter of two runs; the sentence must be in its text."""
    times = []
    for _ in range(2):
        begin = time.thread_time()
        text = extract_in_process(html, "learned").text
        times.append(time.thread_time() - begin)
        assert SENTENCE.strip() in text
    return min(times)


def assert_linear(small, large):
    """Of a page and one four times as long: linear would be four times the time, quadratic sixteen times."""
    assert seconds(large) < 10 * seconds(small) + 0.05


@pytest.mark.parametrize(
    "tag", ["div", "b", "span", "table", "ul><li", "a", "font", "blockquote", "svg", "object", "p"]
)
def test_deep_nesting_costs_no_time_and_keeps_the_text(tag):
    assert_linear(*("<html><body>" + f"<{tag}>" * count + SENTENCE * 3 for count in (25_000, 100_000)))


@pytest.mark.parametrize(
    "make",
    [
        lambda n: f'<p title="{"a" * (20 * n)}">{SENTENCE}</p>',
        lambda n: f"<p>{SENTENCE}</p><p title='" + "a" * (20 * n),
        lambda n: "<div " + " ".join(f"a{at}=1" for at in range(n)) + f">{SENTENCE}</div>",
        lambda n: "<div " + "".join(f'a{at}=">"' for at in range(n)) + f"><p>{SENTENCE}</p></div>",
        lambda n: f"<p>{SENTENCE}</p>" * (n // 10),
        lambda n: f"<p>{SENTENCE}</p>" + "<" * (10 * n),
        lambda n: f"<p>{SENTENCE}</p>" + "<!--" * n,
        lambda n: f"<p>{SENTENCE}</p>" + '<a "' * n,
        lambda n: f"<p>{SENTENCE}</p>" + "<div>" * 600 + "<title>" + "</title " * n,
        lambda n: f"<pre>{SENTENCE}" + " " * (5 * n) + "x</pre>",
        lambda n: f"<p>{SENTENCE}</p>" + "".join(f"<p><b id={at}>" for at in range(n // 5)),
        lambda n: f"<p>{SENTENCE}</p><pre>" + "\n \n" * n + "x",
    ],
    ids=range(12),
)
def test_hostile_pages_cost_no_time(make):
    assert_linear(make(50_000), make(200_000))
