"""No page, however broken, deep or large, stops extraction or harms the page after it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataset_platform.kernels.web.extraction import MODES, extract, extract_in_process
from dataset_platform.kernels.web.extraction.worker import Worker
from dataset_platform_tests.kernels.web.extraction.hostile_pages import PAGES, SENTENCE, TAGS

NEIGHBOUR = f"<html><body><main><h1>The mill</h1><p>{SENTENCE * 5}</p><p>{SENTENCE * 4}</p></main></body></html>"
LARGE = (
    "one line",
    "nested div",
    "a long attribute",
    "attributes in one tag",
    "nulls",
    "unclosed p",
    "entities",
    "names nobody knows",
)
PAGE_SECONDS = 1.0
# of a process that extracts some pages in one mode, and a neighbour after each: start, parsing, the time limit, and a busy machine
HARD_LIMIT_S = 120
RUNNER = """
import sys
from dataset_platform.kernels.web.extraction import extract
from dataset_platform_tests.kernels.web.extraction.hostile_pages import PAGES
mode, size, seconds, names = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]
for name in names:
    found = extract(PAGES[name](size), mode, seconds)
    neighbour = extract(NEIGHBOUR, mode, 60.0)
    found.text.encode()
    assert found.path and SENTENCE.strip() in neighbour.text, (name, neighbour)
    print(name, found.path, len(found.text), sep="\\t", flush=True)
"""


def run(mode: str, size: int, names: Sequence[str]) -> None:
    """Extract pages in a process of its own, and say which one ended it."""
    code = f"NEIGHBOUR, SENTENCE = {NEIGHBOUR!r}, {SENTENCE!r}\n{RUNNER}"
    command = [sys.executable, "-c", code, mode, str(size), str(PAGE_SECONDS), *names]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})
    try:
        out, err = process.communicate(timeout=HARD_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
    done = [line.split("\t")[0] for line in out.splitlines()]
    assert done == list(names), f"ended with {process.returncode} at {names[len(done)]!r}: {err[-2000:]}"


def _groups(count: int, names: Sequence[str] = tuple(PAGES)) -> Iterator[Sequence[str]]:
    yield from (names[at : at + count] for at in range(0, len(names), count))


@pytest.mark.parametrize("names", _groups(12), ids=lambda names: names[0])
@pytest.mark.parametrize("mode", MODES)
def test_hostile_pages_of_half_a_megabyte(mode: str, names: Sequence[str]) -> None:
    run(mode, 500_000, names)


@pytest.mark.slow
@pytest.mark.parametrize("names", _groups(12), ids=lambda names: names[0])
@pytest.mark.parametrize("mode", MODES)
def test_hostile_pages_of_four_megabytes(mode: str, names: Sequence[str]) -> None:
    run(mode, 4_000_000, names)


@pytest.mark.slow
@pytest.mark.parametrize("names", _groups(2, LARGE), ids=lambda names: names[0])
@pytest.mark.parametrize("mode", MODES)
def test_hostile_pages_of_fifty_megabytes(mode: str, names: Sequence[str]) -> None:
    run(mode, 50_000_000, names)


FRAGMENTS = st.one_of(
    st.sampled_from([f"<{tag}>" for tag in TAGS]),
    st.sampled_from([f"</{tag}>" for tag in TAGS]),
    st.sampled_from(
        ["<", ">", "</", "<!", "<!--", "-->", "--!>", "<![CDATA[", "]]>", "<?", "&", "&#", "&#x", ";", "="]
    ),
    st.sampled_from(["'", '"', " ", "\n", "\t", "\0", "/", "/>", "\ud800", "\ufffe", "\U0010ffff", "&amp", "&nbsp;"]),
    st.sampled_from(
        ["<a href='", '<div class="', " id=", " style='display:none'", "<p title=", "<!doctype html>", "<x-y "]
    ),
    st.sampled_from(
        ["<script>", "</script", "<style>", "<title>", "</title ", "<textarea>", "<svg><title>", "<plaintext>"]
    ),
    st.text(max_size=20),
    st.just(SENTENCE),
)
BROKEN_PAGES = st.lists(st.tuples(FRAGMENTS, st.sampled_from([1, 1, 1, 2, 3, 40, 600])), max_size=25).map(
    lambda parts: "".join(fragment * times for fragment, times in parts)
)


@pytest.fixture(scope="module")
def isolated() -> Iterator[Worker]:
    one = Worker()
    yield one
    one.stop()


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "accurate"])
def test_broken_pages_never_end_the_process(isolated: Worker, mode: str) -> None:
    """A parser written in C or by numba ends the whole process where it reads beyond a page: here, the worker."""

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    @given(BROKEN_PAGES)
    def check(page: str) -> None:
        text, path, _ = isolated.ask(mode, page, 60.0)  # type: ignore[arg-type]
        assert path
        assert "\0" not in text
        text.encode()

    check()
    neighbour = isolated.ask(mode, NEIGHBOUR, 60.0)  # type: ignore[arg-type]
    expected = extract_in_process(NEIGHBOUR, mode)
    assert neighbour == (expected.text, expected.path, expected.confidence)


@pytest.mark.parametrize("mode", MODES)
def test_cut_pages_never_end_the_process(isolated: Worker, mode: str) -> None:
    """A page that is cut at any byte, as crawlers cut them."""
    page = NEIGHBOUR.replace(
        "<p>", "<p class='a b' id=\"c\" hidden><!-- c --><a href='/x?a=1&amp;b'>&eacute;</a><script>'</script>"
    )
    for end in range(0, len(page), 7):
        if mode == "accurate":
            extract(page[:end], mode, 60.0)
        else:
            isolated.ask(mode, page[:end], 60.0)  # type: ignore[arg-type]
