"""Character references are decoded as the standard library decodes them."""

import html
import html.entities
import random
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_platform.kernels.web.extraction import entities


def decoded(text: str) -> str:
    """The text with every reference decoded by the kernel, all else copied."""
    data = np.frombuffer(text.encode(), np.uint8)
    out = np.zeros(2 * len(data) + 16, np.uint8)
    at = put = 0
    while at < len(data):
        if data[at] == 38:
            code, second, after = entities.decode(data, at, len(data), *entities.TABLES)
            if code != -2:
                for value in (code, second):
                    if value > 0:
                        put = entities.put_code(value, out, put)
                at = after
                continue
        out[put] = data[at]
        put += 1
        at += 1
    return out[:put].tobytes().decode()


def test_every_named_reference():
    for name in html.entities.html5:
        for text in (f"&{name}", f"a&{name}b", f"&{name};", f"&{name}=1 &amp"):
            assert decoded(text) == html.unescape(text), text


@pytest.mark.parametrize("form", ["&#{};", "&#{}", "&#x{:x};", "&#X{:X} ", "&#{}z"])
def test_numbered_references(form):
    numbers = [
        *range(1, 300),
        0xD7FF,
        0xD800,
        0xDFFF,
        0xE000,
        0xFDD0,
        0xFFFE,
        0x1F600,
        0x10FFFD,
        0x10FFFF,
        0x110000,
        10**12,
    ]
    for number in numbers:
        text = form.format(number)
        assert decoded(text) == html.unescape(text), text


@given(st.lists(st.sampled_from(["&", "#", "x", ";", "amp", "lt", "notin", "copy", "1", "65", "é", " ", "<", "ACD"])))
def test_broken_references(parts):
    text = "".join(parts)
    # html.unescape lets a name run over any characters that are not its ends; a name is ASCII in either
    assert decoded(text) == html.unescape(text)


def test_long_texts_of_references():
    source = random.Random(5)
    names = sorted(html.entities.html5)
    text = " ".join(f"&{source.choice(names)}" for _ in range(2_000))
    assert re.sub(r"\s", "", decoded(text)) == re.sub(r"\s", "", html.unescape(text))
