"""The shared word split: the written rule, case by case, and what must hold for any text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_platform.kernels.web import characters, words
from dataset_platform.kernels.web.characters import character_tables


def tokens(text: str, letters: bool = False) -> list[str]:
    split = words.split(text, letters=letters)
    return [text[start:end] for start, end in zip(split.starts, split.ends, strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, world!", ["Hello", ",", "world", "!"]),
        ("don't it's WE'RE he’ll", ["do", "n't", "it", "'s", "WE'RE", "he", "’ll"]),
        ("shouldn't've", ["should", "n't", "'ve"]),
        ("the 1990's", ["the", "1990", "'s"]),
        ("cannot Gonna cannots", ["can", "not", "Gon", "na", "cannots"]),
        (
            "Mr. Smith of the U.S. met J. Doe, e.g. here.",
            ["Mr.", "Smith", "of", "the", "U.S.", "met", "J.", "Doe", ",", "e.g.", "here", "."],
        ),
        ("NASA. 12. end.", ["NASA", ".", "12", ".", "end", "."]),
        ("wait... well.. no…", ["wait", "...", "well", "..", "no", "…"]),
        (
            "state-of-the-art — a—b - 10-20",
            ["state", "-", "of", "-", "the", "-", "art", "—", "a", "—", "b", "-", "10", "-", "20"],
        ),
        ("$5.00 50% 3€ 1,000 5km/h", ["$", "5.00", "50", "%", "3", "€", "1,000", "5", "km/h"]),
        ('"(quoted)" [12]', ['"', "(", "quoted", ")", '"', "[", "12", "]"]),
        ("see http://a.com/b-c?x=1, www.b.org/x-y", ["see", "http://a.com/b-c?x=1", ",", "www.b.org/x-y"]),
        ("10.0.0.1/a-b 8.8.8.8/a-b a:b@c.de/x-y", ["10.0.0.1", "/", "a", "-", "b", "8.8.8.8/a-b", "a:b@c.de/x-y"]),
        ("either/or and/or one,two end.Start", ["either", "/", "or", "and/or", "one", ",", "two", "end", ".", "Start"]),
        ("ok😀fine :-) (see:)", ["ok", "😀", "fine", ":-)", "(", "see", ":)"]),
        ("x-a.m. 10am vitamin-e.", ["x", "-", "a.m.", "10", "am", "vitamin", "-", "e."]),
        ("你好，世界。2024年", ["你好，世界。2024年"]),
        ("Straße café naïve Привет", ["Straße", "café", "naïve", "Привет"]),
        ("cafe\u0301 x", ["cafe\u0301", "x"]),
        ("هل هذا؟ نعم،", ["هل", "هذا", "؟", "نعم", "،"]),
        ("-flag @user #tag", ["-flag", "@user", "#", "tag"]),
        ("", []),
        (" \n\t ", []),
    ],
)
def test_rule(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("你好，世界。2024年", ["你", "好", "，", "世", "界", "。", "2024", "年"]),
        ("カタカナ", ["カ", "タ", "カ", "ナ"]),
        ("ครับ", ["ค", "รั", "บ"]),
        ("don't", ["do", "n't"]),
    ],
)
def test_letters_of_scripts_without_spaces(text: str, expected: list[str]) -> None:
    assert tokens(text, letters=True) == expected
    apart = [words.split(token, letters=True).folded for token in expected]
    assert words.split(text).folded.tolist() == np.concatenate(apart).tolist(), "to MinHash, in every language"


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=60))
def test_tokens_cover_all_but_whitespace(text: str) -> None:
    split = words.split(text)
    assert "".join(tokens(text)) == "".join(c for c in text if not c.isspace())
    assert (split.lengths > 0).all()
    assert (split.starts[1:] >= split.ends[:-1]).all()


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab. '\n\r\v\x1c\x85\u2028-,你", max_size=40), st.booleans())
def test_lines_are_those_of_splitlines(text: str, letters: bool) -> None:
    split = words.split(text, letters=letters)
    lines = text.splitlines()
    assert len(split.line_starts) == len(lines)
    assert (np.diff(split.line_starts) >= 0).all()
    assert (np.diff(split.line_ends) >= 0).all()
    for number, line in enumerate(lines):
        first, end = split.line_starts[number], split.line_ends[number]
        assert text[first:end] == line.strip()
        mine = split.lines == number
        assert (split.starts[mine] >= first).all()
        assert (split.ends[mine] <= end).all()
        if not letters:
            assert split.line_words[number] == len(line.split())
            assert split.line_longest[number] == max(map(len, line.split()), default=0)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(alphabet="aB.' -,/你!", max_size=20), max_size=5))
def test_lines_are_independent(lines: list[str]) -> None:
    """So words of some lines need no second split."""
    for field in ("hashes", "folded"):
        apart = [getattr(words.split(line), field) for line in lines]
        together = getattr(words.split("\n".join(lines)), field)
        assert np.array_equal(np.concatenate([*apart, np.empty(0, np.uint64)]), together)


def test_a_word_in_scripts_without_spaces_is_a_letter() -> None:
    split = words.split("你好世界ok\nabc de", letters=True)
    assert split.line_words.tolist() == [5, 2]
    assert split.line_longest.tolist() == [2, 3]


SPAN = st.sampled_from(["[1]", "[]", "[edit]", "[citation needed]"])
PART = st.text(alphabet="ab. '\n-,你!:)[]", max_size=6)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(PART, SPAN), max_size=6), PART, st.booleans())
def test_without_spans_is_the_split_of_the_text_without_them(
    parts: list[tuple[str, str]], tail: str, letters: bool
) -> None:
    # a letter before and behind, so that no span lies beyond a line's stripped text
    text, spans = "", []
    for part, span in parts:
        text += f"x{part}x"
        spans.append((len(text), len(text) + len(span)))
        text += f"{span}x"
    text += tail
    left = words.split(text, letters=letters).without(np.array(spans, np.int32).reshape(-1, 2))
    short = "".join(f"x{part}xx" for part, _ in parts) + tail
    expected = words.split(short, letters=letters)
    for field in ("codes", "starts", "ends", "hashes", "flags", "lines", "folded", "folded_starts"):
        assert np.array_equal(getattr(left, field), getattr(expected, field)), field
    assert left.line_starts.tolist() == expected.line_starts.tolist()
    assert left.line_ends.tolist() == expected.line_ends.tolist()


def test_hashes() -> None:
    split = words.split("The the don’t don't")
    assert split.hashes[0] != split.hashes[1] == words.hash_word("the")
    assert split.folded[0] == split.folded[1] == split.hashes[1]
    assert split.folded[3] == split.folded[5], "either apostrophe is the same word to MinHash"
    assert split.hashes[3] != split.hashes[5]
    many = {int(words.hash_word(f"w{number}")) for number in range(5000)}
    assert len(many) == 5000


def test_flags() -> None:
    split = words.split("a1 12 , ! ... ) •  b")
    mark = words.SYMBOLS | words.CLOSING
    expected = [words.HAS_ALPHA, 0, mark, mark | words.SENTENCE_END, mark, mark, words.CLOSING]
    assert split.flags.tolist() == [*expected, words.HAS_ALPHA | words.GAP]
    assert len(split.folded) == 3, "MinHash leaves every mark out"


def test_character_tables_agree_with_python() -> None:
    tables = character_tables()
    for code in [*range(0x3000), *range(0x4DF0, 0x4E10), 0x1F600, 0x20001]:
        character, kind = chr(code), int(tables.classes[code])
        assert bool(kind & characters.SPACE) == character.isspace()
        assert bool(kind & characters.ALPHA) == character.isalpha()
        assert bool(kind & characters.WORD) == (character.isalnum() or character == "_")
        low = character.lower()
        if len(low) == 1 and code != 0x2019:
            assert tables.folded[code] == ord(low)


def test_terminal_marks_cover_scripts() -> None:
    classes = character_tables().classes
    assert all(classes[ord(mark)] & characters.LINE_END for mark in ".!?。！？．।॥؟۔։።၊။។᠃")
    assert not any(classes[ord(mark)] & characters.LINE_END for mark in ",;:…¿¡、،\"')")
