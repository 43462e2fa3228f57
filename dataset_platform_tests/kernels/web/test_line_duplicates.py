"""Repeated spans: the first stays, nothing is lost for good, and neither order nor days change the outcome."""

import random
from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from dataset_platform.kernels.web import words
from dataset_platform.kernels.web.line_duplicates import REASON, Edited, SpanConfig, remove_repeats, without
from dataset_platform.kernels.web.spans import Unit, spans_of

NONE = np.empty(0, np.uint64)
ANY = SpanConfig(min_characters=0, min_words=1)
WORDS = ["alder", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine", "rowan", "willow"]
SEPARATORS = {"line": "\n", "paragraph": "\n\n", "three_sentences": " "}


def edit(texts: list[str], unit: Unit, **options: int) -> Edited:
    config = ANY.model_copy(update={"unit": unit, **options})
    return remove_repeats(texts, np.arange(len(texts)), NONE, config)


def texts_of(edited: Edited) -> list[str]:
    return edited.rows.column("text").to_pylist()


def test_lines_that_stood_before_go() -> None:
    edited = edit(["Home\nAbout us\nOne.", "ABOUT US\nTwo.\nhome", "Two.\n\nThree.", "Three.\nThree."], "line")
    assert texts_of(edited) == ["Home\nAbout us\nOne.", "Two.", "Three.", ""]
    assert edited.rows.column("units_removed").to_pylist() == [0, 2, 1, 2]
    assert edited.rows.column("characters_removed").to_pylist() == [0, 14, 6, 13]
    assert edited.rows.column("words_left").to_pylist() == [4, 1, 1, 0]
    assert edited.rows.column("reason").to_pylist() == [None, None, None, REASON]
    assert edited.rows.column("detail").to_pylist()[3] == "0 words left without the 2 lines that stand elsewhere"
    assert len(edited.fresh) == 5


def test_paragraphs_that_stood_before_go() -> None:
    edited = edit(["a b\nc d\n\ne f", "E f\n\nc d", "x\n\na b c d\n\ny"], "paragraph")
    assert texts_of(edited) == ["a b\nc d\n\ne f", "c d", "x\n\ny"]


def test_three_sentences_in_a_row_that_stood_before_go_and_two_stay() -> None:
    edited = edit(
        [
            "Ask bob. Call dan. Even fay. Get him.",
            "Xen yes. Call dan. Even fay. Get him. Zoe won.",
            "Call dan. Even fay. Other.",
        ],
        "three_sentences",
    )
    assert texts_of(edited) == [
        "Ask bob. Call dan. Even fay. Get him.",
        "Xen yes. Zoe won.",
        "Call dan. Even fay. Other.",
    ]


def test_a_span_that_repeats_within_a_text_stays_once() -> None:
    assert texts_of(edit(["One two. " * 9], "three_sentences")) == ["One two."]
    assert texts_of(edit(["a b\nc\na b\nd\nA, b!"], "line")) == ["a b\nc\nd"]


def test_what_stood_on_two_lines_does_not_come_to_stand_on_one() -> None:
    kept = "Ask bob. Call dan. Even fay."
    assert texts_of(edit([kept, f"Top.\n{kept} Tail."], "three_sentences"))[1] == "Top.\nTail."
    assert texts_of(edit([kept, f"Top. {kept}\nTail."], "three_sentences"))[1] == "Top.\nTail."
    assert texts_of(edit([kept, f"Top. {kept} Tail.\nEnd"], "three_sentences"))[1] == "Top. Tail.\nEnd"


def test_a_text_that_loses_nothing_is_not_touched() -> None:
    text = "  Lead\r\n\r\nand trail \u2028 "
    assert texts_of(edit([text, ""], "line")) == [text, ""]
    spans = spans_of([text], "line")
    assert without(text, spans.starts, spans.ends, np.zeros(2, bool)) == text.strip()
    assert without(text, spans.starts, spans.ends, np.ones(2, bool)) == ""


def test_short_spans_stay() -> None:
    texts = ["Share this\nA line of many words", "Share this\nA line of many words\nNew"]
    assert texts_of(edit(texts, "line", min_characters=11))[1] == "Share this\nNew"


def test_a_text_that_was_short_before_is_not_rejected_for_it() -> None:
    edited = edit(["a b c", "d e", "a b c\nf g"], "line", min_words=4)
    assert edited.rows.column("reason").to_pylist() == [None, None, REASON]


def test_the_spans_of_a_rejected_text_do_not_count_as_seen() -> None:
    menu, body = "\n".join(f"menu entry {n}" for n in range(9)), "a body of its own"
    edited = edit([menu, f"{menu}\n{body}", f"{body}\nand more of it here"], "line", min_words=6)
    assert edited.rows.column("reason").to_pylist() == [None, REASON, None]
    assert texts_of(edited)[2] == f"{body}\nand more of it here", "the only copy that stays was removed"


def corpus(seed: int, unit: Unit) -> list[str]:
    draw = random.Random(seed)
    pool = [" ".join(draw.choices(WORDS, k=draw.randrange(1, 8))).capitalize() + "." for _ in range(60)]
    runs = [draw.choices(pool, k=4) for _ in range(12)]
    texts = []
    for _ in range(80):
        units = [
            u
            for _ in range(draw.randrange(1, 6))
            for u in (draw.choice(runs) if draw.random() < 0.6 else draw.choices(pool, k=2))
        ]
        texts.append(SEPARATORS[unit].join(units))
    return texts


@pytest.mark.parametrize("unit", get_args(Unit))
@pytest.mark.parametrize("min_words", [1, 12])
def test_neither_the_order_of_rows_nor_the_days_change_anything(unit: Unit, min_words: int) -> None:
    texts, config = corpus(1, unit), SpanConfig(unit=unit, min_characters=0, min_words=min_words)
    rank = np.random.default_rng(2).permutation(len(texts))
    once = remove_repeats(texts, rank, NONE, config)
    assert sum(once.rows.column("units_removed").to_pylist()) > 100
    order = np.random.default_rng(3).permutation(len(texts))
    again = remove_repeats([texts[i] for i in order], rank[order] * 10, NONE, config)
    assert again.rows.equals(once.rows.take(order))
    assert np.array_equal(again.fresh, once.fresh)
    days = np.array_split(np.argsort(rank), 4)
    seen, rows = NONE, {}
    for day in days:
        of_day = remove_repeats([texts[i] for i in day], rank[day], np.random.default_rng(4).permutation(seen), config)
        rows |= dict(zip(day.tolist(), of_day.rows.to_pylist(), strict=True))
        assert not np.isin(of_day.fresh, seen).any()
        seen = np.concatenate([seen, of_day.fresh])
    assert [rows[i] for i in range(len(texts))] == once.rows.to_pylist()
    assert np.array_equal(np.sort(seen), once.fresh)


@pytest.mark.parametrize("unit", get_args(Unit))
@pytest.mark.parametrize("seed", range(6))
def test_whatever_was_removed_still_stands_in_a_text_that_stays(unit: Unit, seed: int) -> None:
    texts = corpus(seed, unit)
    edited = edit(texts, unit, min_words=10)
    stays = [reason is None for reason in edited.rows.column("reason").to_pylist()]
    assert any(stays)
    assert not all(stays)

    def contents(text: str) -> list[int]:
        spans = spans_of([text], unit)
        parts = [text[a:b] for a, b in zip(spans.starts.tolist(), spans.ends.tolist(), strict=True)]
        return [hash(tuple(words.split(part).folded.tolist())) for part in parts]

    left = [contents(text) for text in texts_of(edited)]
    standing = {c for found, stay in zip(left, stays, strict=True) if stay for c in found}
    for before, after, stay in zip(map(contents, texts), left, stays, strict=True):
        if stay:
            assert set(before) - set(after) <= standing
            rest = iter(before)
            assert all(c in rest for c in after), "what is left is not in the order it was in"


@pytest.mark.parametrize("unit", ["line", "paragraph"])  # closing a hole makes new runs of three sentences
def test_a_second_pass_over_what_is_left_removes_nothing(unit: Unit) -> None:
    once = edit(corpus(3, unit), unit)
    again = edit(texts_of(once), unit)
    assert sum(again.rows.column("units_removed").to_pylist()) == 0


def test_counts_add_up() -> None:
    texts = corpus(4, "line")
    rows = edit(texts, "line").rows.to_pylist()
    for text, row in zip(texts, rows, strict=True):
        assert len(row["text"]) + row["characters_removed"] == len(text)
        assert row["words_left"] == len(words.split(row["text"]).folded)


@pytest.mark.parametrize("rank", [[0], [0, 0], [0, 1, 2]])
def test_ranks_must_tell_the_texts_apart(rank: list[int]) -> None:
    with pytest.raises(ValueError, match="2 texts need as many distinct ranks"):
        remove_repeats(["a", "b"], np.array(rank), NONE, ANY)


def test_no_texts() -> None:
    edited = remove_repeats([], np.empty(0, np.int64), np.array([5], np.uint64), ANY)
    assert edited.rows.num_rows == len(edited.fresh) == 0


def test_settings() -> None:
    assert SpanConfig().unit == "three_sentences"
    for wrong in ({"unit": "page"}, {"min_words": 0}, {"min_characters": -1}, {"words": 3}):
        with pytest.raises(ValidationError):
            SpanConfig(**wrong)
