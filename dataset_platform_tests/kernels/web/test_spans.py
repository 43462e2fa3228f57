"""Units of a text and the hashes of the spans they make."""

from typing import get_args

import numpy as np
import pytest

from dataset_platform.kernels.web.spans import Unit, spans_of

TEXT = 'A title\nFirst one. Second "two." Third!\r\n \nLast line, with 3 words... and more'


def units(text: str, unit: Unit) -> list[str]:
    spans = spans_of([text], unit)
    return [text[a:b] for a, b in zip(spans.starts.tolist(), spans.ends.tolist(), strict=True)]


def test_units() -> None:
    assert units(TEXT, "line") == [
        "A title",
        'First one. Second "two." Third!',
        "Last line, with 3 words... and more",
    ]
    assert units(TEXT, "paragraph") == [TEXT[: TEXT.index("\r")], TEXT[TEXT.index("Last") :]]
    assert units(TEXT, "three_sentences")[:4] == ["A title", "First one.", 'Second "two."', "Third!"]


def test_sentences() -> None:
    assert units("One. Two? Three!! Four", "three_sentences") == ["One.", "Two?", "Three!!", "Four"]
    assert units("Mr. Smith paid 3.50 to J. Doe. Why?", "three_sentences") == ["Mr. Smith paid 3.50 to J. Doe.", "Why?"]
    assert units('He said "no." (Then.) Left.\nAnd\n\nout', "three_sentences") == [
        'He said "no."',
        "(Then.)",
        "Left.",
        "And",
        "out",
    ]
    assert units("今日は。明日も。", "three_sentences") == ["今日は。", "明日も。"]
    assert units("...", "three_sentences") == ["..."]


@pytest.mark.parametrize("unit", get_args(Unit))
def test_units_cover_all_but_whitespace(unit: Unit) -> None:
    text = "  " + TEXT * 3 + " 漢字。かな！ ok\x0bnext\u2028— *** —\n\n "
    assert "".join("".join(units(text, unit)).split()) == "".join(text.split())


def test_case_and_punctuation_make_no_other_span_and_words_do() -> None:
    spans = spans_of(["One, two three", "ONE two -- three!", "one three two", "one two threes", "***", "—"], "line")
    assert spans.hashes[0] == spans.hashes[1]
    assert len(set(spans.hashes.tolist())) == 5
    assert spans.words.tolist() == [3, 3, 3, 3, 0, 0]


def test_a_span_of_sentences_is_three_in_a_row_of_one_text() -> None:
    texts = [
        "Ask bob. Call dan. Even fay. Get him.",
        "Call dan. Even fay. Get him.",
        "Get him. Even fay. Call dan.",
        "Ask bob. Call dan.",
    ]
    spans = spans_of(texts, "three_sentences")
    assert spans.length == 3
    assert spans.bounds.tolist() == [0, 4, 7, 10, 12]
    assert np.flatnonzero(spans.compared).tolist() == [0, 1, 4, 7]
    assert spans.hashes[1] == spans.hashes[4] != spans.hashes[7]


def test_short_spans_are_not_compared() -> None:
    lines = spans_of(["short\nas long as it is"], "line", min_characters=6)
    assert lines.compared.tolist() == [False, True]
    assert spans_of(["Ask bob. Call dan. Even fay."], "three_sentences", min_characters=28).compared.tolist() == [
        True,
        False,
        False,
    ]
    assert not spans_of(["Ask bob. Call dan. Even fay."], "three_sentences", min_characters=29).compared.any()


@pytest.mark.parametrize("texts", [[], [""], ["", " \n "]])
def test_nothing_has_no_units(texts: list[str]) -> None:
    spans = spans_of(texts, "line")
    assert spans.bounds.tolist() == [0] * (len(texts) + 1)
    assert len(spans.starts) == len(spans.hashes) == len(spans.compared) == 0
