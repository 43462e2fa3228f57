"""FineWeb's measures, worked out by hand."""

import pytest

from dataset_platform.kernels.web import fineweb, words

TEXT = "A long line that ends in a mark, at last.\nshort one\nshort one\nنعم؟"


def measured(text: str, tokens: int = 1, **options: int) -> dict[str, float]:
    found = fineweb.measures(words.code_points(text), tokens, **options).tolist()
    return dict(zip(fineweb.MEASURES, found, strict=True))


def test_measures() -> None:
    measures = measured(TEXT, tokens=20)
    assert measures == {
        "line_punct_ratio": 2 / 4,
        "short_line_ratio": 3 / 4,
        "char_dup_ratio": 9 / (41 + 9 + 9 + 4),
        "newline_word_ratio": 3 / 20,
    }


def test_the_length_of_a_short_line_is_inclusive() -> None:
    line = "x" * 30
    assert measured(line)["short_line_ratio"] == 1
    assert measured(line, short_line_length=29)["short_line_ratio"] == 0


@pytest.mark.parametrize("end", [",", ":", "…", '"', "a", ")"])
def test_marks_that_end_no_sentence(end: str) -> None:
    assert measured(f"line{end}")["line_punct_ratio"] == 0


@pytest.mark.parametrize("end", [".", "!", "?", "。", "！", "।", "؟", "።"])
def test_marks_of_many_scripts(end: str) -> None:
    assert measured(f"line{end}")["line_punct_ratio"] == 1


@pytest.mark.parametrize("text", ["", "\n", " \n\t\n"])
def test_nothing_left(text: str) -> None:
    assert all(value != value for value in measured(text, 0).values())
