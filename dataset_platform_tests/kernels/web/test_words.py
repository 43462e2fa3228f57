"""The shared word split: the written rule, case by case, and what must hold for any text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_platform.kernels.web import words
from dataset_platform.kernels.web.characters import character_tables, terminal_marks


def tokens(text: str) -> list[str]:
    split = words.split(text)
    return [text[start:end] for start, end in zip(split.starts, split.ends, strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, world!", ["Hello", ",", "world", "!"]),
        ("don't it's WE'RE he’ll", ["do", "n't", "it", "'s", "WE", "'RE", "he", "’ll"]),
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
        ("$5.00 50% 3€ 1,000", ["$", "5.00", "50", "%", "3", "€", "1,000"]),
        ('"(quoted)" [12]', ['"', "(", "quoted", ")", '"', "[", "12", "]"]),
        ("see http://a.com/b-c?x=1, www.b.org/x-y", ["see", "http://a.com/b-c?x=1", ",", "www.b.org/x-y"]),
        ("either/or one,two end.Start", ["either", "/", "or", "one", ",", "two", "end", ".", "Start"]),
        ("ok😀fine", ["ok", "😀", "fine"]),
        ("你好，世界。2024年", ["你", "好", "，", "世", "界", "。", "2024", "年"]),
        ("カタカナ", ["カ", "タ", "カ", "ナ"]),
        ("ครับ", ["ค", "รั", "บ"]),
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


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=60))
def test_tokens_cover_all_but_whitespace(text: str) -> None:
    split = words.split(text)
    assert "".join(tokens(text)) == "".join(c for c in text if not c.isspace())
    assert (split.lengths > 0).all()
    assert (split.starts[1:] >= split.ends[:-1]).all()


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab. '\n\r\v\x1c\x85\u2028-,你", max_size=40))
def test_lines_are_those_of_splitlines(text: str) -> None:
    split = words.split(text)
    lines = text.splitlines()
    assert len(split.line_first) == len(lines)
    for number, line in enumerate(lines):
        first, last = split.line_first[number], split.line_last[number]
        assert (text[first : last + 1] if first >= 0 else "") == line.strip()
        assert [text[a:b] for a, b in zip(split.starts, split.ends, strict=True) if a in range(first, last + 1)] == [
            text[a:b]
            for a, b, of in zip(split.starts, split.ends, split.lines, strict=True)
            if of == number and first >= 0
        ]
        if "你" not in line:
            assert split.line_words[number] == len(line.split())
            assert split.line_longest[number] == max(map(len, line.split()), default=0)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(alphabet="aB.' -,/你!", max_size=20), max_size=5))
def test_lines_are_independent(lines: list[str]) -> None:
    """So words of some lines need no second split."""
    apart = [words.split(line).hashes for line in lines]
    together = words.split("\n".join(lines)).hashes
    assert np.array_equal(np.concatenate([*apart, np.empty(0, np.uint64)]), together)


def test_a_word_in_scripts_without_spaces_is_a_letter() -> None:
    split = words.split("你好世界ok\nabc de")
    assert split.line_words.tolist() == [5, 2]
    assert split.line_longest.tolist() == [2, 3]


def test_hashes() -> None:
    split = words.split("The the don’t don't")
    assert split.hashes[0] != split.hashes[1] == words.hash_word("the")
    assert split.folded[0] == split.folded[1] == split.hashes[1]
    assert split.folded[3] == split.folded[5], "either apostrophe is the same word to MinHash"
    assert split.hashes[3] != split.hashes[5]
    many = {int(words.hash_word(f"w{number}")) for number in range(5000)}
    assert len(many) == 5000


def test_flags() -> None:
    split = words.split("a1 12 , ! ... )")
    has_alpha, punctuation = words.HAS_ALPHA, words.PUNCTUATION
    closing, end = words.CLOSING, words.SENTENCE_END
    mark = punctuation | closing
    assert split.flags.tolist() == [has_alpha, 0, mark, mark | end, mark, mark]


def test_select_lines() -> None:
    split = words.split("one two\nthree\nfour five").select_lines(np.array([True, False, True]))
    assert split.hashes.tolist() == [int(words.hash_word(word)) for word in ("one", "two", "four", "five")]


def test_character_tables_agree_with_python() -> None:
    tables = character_tables()
    for code in [*range(0x3000), *range(0x4DF0, 0x4E10), 0x1F600, 0x20001]:
        character, kind = chr(code), int(tables.classes[code])
        assert bool(kind & 1) == character.isspace()
        assert bool(kind & 2) == character.isalpha()
        low = character.lower()
        if len(low) == 1 and code != 0x2019:
            assert tables.folded[code] == ord(low)


def test_terminal_marks_cover_scripts() -> None:
    marks = set(terminal_marks())
    assert set(".!?。！？．।॥؟۔։።၊။។᠃") <= marks
    assert not marks & set(",;:…¿¡、،\"')")
