"""FineWeb's measures, worked out by hand."""

import pytest

from dataset_platform.kernels.web import fineweb

TEXT = "A long line that ends in a mark, at last.\nshort one\nshort one\nنعم؟"


def test_measures() -> None:
    measures = fineweb.measures(TEXT, token_count=20)
    assert measures == {
        "line_punct_ratio": 2 / 4,
        "short_line_ratio": 3 / 4,
        "char_dup_ratio": 9 / (41 + 9 + 9 + 4),
        "newline_word_ratio": 3 / 20,
    }
    assert tuple(measures) == fineweb.MEASURES


def test_the_length_of_a_short_line_is_inclusive() -> None:
    line = "x" * 30
    assert fineweb.measures(line, 1)["short_line_ratio"] == 1  # type: ignore[index]
    assert fineweb.measures(line, 1, short_line_length=29)["short_line_ratio"] == 0  # type: ignore[index]


@pytest.mark.parametrize("end", [",", ":", "…", '"', "a", ")"])
def test_marks_that_end_no_sentence(end: str) -> None:
    assert fineweb.measures(f"line{end}", 1)["line_punct_ratio"] == 0  # type: ignore[index]


@pytest.mark.parametrize("end", [".", "!", "?", "。", "！", "।", "؟", "።"])
def test_marks_of_many_scripts(end: str) -> None:
    assert fineweb.measures(f"line{end}", 1)["line_punct_ratio"] == 1  # type: ignore[index]


@pytest.mark.parametrize("text", ["", "\n", " \n\t\n"])
def test_nothing_left(text: str) -> None:
    assert fineweb.measures(text, 0) is None
