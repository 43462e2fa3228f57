"""Gopher's measures against values worked out by hand and against a plain reading of their definition."""

import random
import re
from collections import Counter

import pytest

from dataset_platform.kernels.web import gopher, words


def quality(text: str, stop_words: tuple[str, ...] = gopher.STOP_WORDS) -> dict[str, float]:
    found = gopher.quality(words.split(text), gopher.stop_word_hashes(stop_words))
    return dict(zip(gopher.QUALITY, found.tolist(), strict=True))


def repetition(text: str) -> dict[str, float]:
    return dict(zip(gopher.REPETITION, gopher.repetition(words.split(text)).tolist(), strict=True))


def test_words_leave_out_punctuation() -> None:
    measures = quality("The cat , sat - down !")
    assert measures["word_count"] == 4
    assert measures["mean_word_length"] == (3 + 3 + 3 + 4) / 4


def test_symbols_per_token() -> None:
    measures = quality("# one ## two ... three…")
    # tokens: # one # # two ... three …
    assert measures["hash_word_ratio"] == 3 / 8
    assert measures["ellipsis_word_ratio"] == 2 / 8


def test_lines_with_bullets_and_ellipses() -> None:
    measures = quality("• one\n  - two...\nthree – \n\nfour…  \nfive..")
    assert measures["bullet_line_ratio"] == 2 / 6
    assert measures["ellipsis_line_ratio"] == 2 / 6


def test_alpha_share_is_of_all_tokens() -> None:
    assert quality("a1 22 , b")["alpha_word_ratio"] == 2 / 4


def test_stop_words_are_distinct_and_lower_case() -> None:
    assert quality("the the The of AND haves")["stop_word_count"] == 2
    assert quality(" ".join(gopher.STOP_WORDS))["stop_word_count"] == 8
    assert quality("der und the", ("der", "die", "und"))["stop_word_count"] == 2


def test_stop_words_of_languages_without_spaces_are_looked_for_anywhere() -> None:
    split = words.split("今天的天气", letters=True)
    assert gopher.contained(split, ("的", "天气", "在", "今天的天气很")) == 2


def test_n_grams_are_compared_without_their_spaces() -> None:
    """As datatrove joins them: '1 12' repeats '11 2'."""
    text = "1 12 3 4 5 x 11 2 3 4 5"
    assert repetition(text)["duplicated_5_n_grams"] == len("112345") / len(text)


@pytest.mark.parametrize("text", ["", " ", "\n", "...", "\n\n\n"])
def test_texts_without_words_divide_by_nothing(text: str) -> None:
    measures = {**quality(text), **repetition(text)}
    assert measures["word_count"] == 0
    assert all(value >= 0 for value in measures.values())


def test_repeated_paragraphs_and_lines() -> None:
    measures = repetition("aaaa\n\nbb\n\n\naaaa\n\naaaa")
    assert measures["dup_para_frac"] == 2 / 4
    assert measures["dup_para_char_frac"] == 8 / 21
    measures = repetition("xx\nyy\nxx\nzz")
    assert measures["dup_para_frac"] == 0
    assert measures["dup_line_frac"] == 1 / 4
    assert measures["dup_line_char_frac"] == 2 / 11


def test_top_n_grams() -> None:
    text = "go on go on to it"
    measures = repetition(text)
    assert measures["top_2_gram"] == 2 * len("go on") / len(text)
    # of equally frequent n-grams the first counts
    assert measures["top_3_gram"] == len("go on go") / len(text)
    assert measures["top_4_gram"] == len("go on go on") / len(text)


def test_duplicated_n_grams_count_words_without_spaces_and_do_not_overlap() -> None:
    text = "aa b c d e aa b c d e aa"
    measures = repetition(text)
    assert measures["duplicated_5_n_grams"] == len("aabcde") / len(text)
    assert measures["duplicated_6_n_grams"] == len("aabcdeaa") / len(text)
    assert measures["duplicated_7_n_grams"] == 0


def by_definition(text: str) -> dict[str, float]:
    split = words.split(text)
    tokens = [text[start:end] for start, end in zip(split.starts, split.ends, strict=True)]
    lines = re.split(r"\n+", text)
    paragraphs = re.split(r"\n{2,}", text.strip())
    expected: dict[str, float] = {}
    for name, parts in (("para", paragraphs), ("line", lines)):
        repeats = [part for at, part in enumerate(parts) if part in parts[:at]]
        expected[f"dup_{name}_frac"] = len(repeats) / len(parts)
        expected[f"dup_{name}_char_frac"] = sum(map(len, repeats)) / len(text)
    for n in gopher.TOP_N_GRAMS:
        grams = Counter(" ".join(tokens[at : at + n]) for at in range(len(tokens) - n + 1))
        gram, count = grams.most_common(1)[0] if grams else ("", 0)
        expected[f"top_{n}_gram"] = len(gram) * count / len(text)
    for n in gopher.DUPLICATED_N_GRAMS:
        seen: set[str] = set()
        at = characters = 0
        while at <= len(tokens) - n:
            run = "".join(tokens[at : at + n])
            if run in seen:
                characters += len(run)
                at += n
            else:
                seen.add(run)
                at += 1
        expected[f"duplicated_{n}_n_grams"] = characters / len(text)
    return expected


@pytest.mark.parametrize("seed", range(20))
def test_repetition_by_definition(seed: int) -> None:
    draw = random.Random(seed)
    vocabulary = [f"{letter}{'x' * draw.randrange(4)}" for letter in "abcde"]
    text = "".join(draw.choice(vocabulary) + draw.choice([" ", " ", " ", "\n", "\n\n", ". "]) for _ in range(150))
    assert repetition(text) == pytest.approx(by_definition(text))
