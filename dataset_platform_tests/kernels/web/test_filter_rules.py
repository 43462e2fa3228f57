"""The rules: one text per rule that only this rule rejects, the published thresholds, and what is asked of whom."""

import random
import re
from typing import Any

import pytest
from pydantic import ValidationError

from dataset_platform.kernels.web.filter_rules import RULES, FilterConfig, judge
from dataset_platform.kernels.web.filters import measure

VOCABULARY = re.findall(
    r"\w+",
    "the of and that have with river stone market winter garden letter window story captain morning village music"
    " silver bridge teacher summer paper island candle forest kitchen journey doctor station",
)


def prose(seed: int, sentences: int = 12, length: int = 9) -> str:
    """Paragraphs that break no rule: distinct sentences of common words."""
    draw = random.Random(seed)
    lines = [" ".join(draw.choice(VOCABULARY) for _ in range(length)).capitalize() + "." for _ in range(sentences)]
    return "\n\n".join(" ".join(lines[at : at + 3]) for at in range(0, sentences, 3))


def one(text: str, language: str = "en", **config: Any) -> dict[str, Any]:
    """A document's measures with the rejection's reason, measure and detail, as in a row of the table."""
    thresholds = FilterConfig(**config)
    measures, _ = measure(text, language, thresholds)
    rejection = judge(measures, language, thresholds)
    labels = rejection._asdict() if rejection else dict.fromkeys(("reason", "measure", "detail"))
    return {**measures, **labels}


def bullets(count: int, mark: str = "-") -> str:
    return "\n".join(f"{mark} {prose(at, 1)}" for at in range(count))


def edited(change: str, count: int = 12) -> str:
    return "\n".join(f"{line}{change}" for line in (prose(at, 1) for at in range(count)))


def distinct_words(count: int, length: int, seed: int = 0) -> str:
    """Words that repeat nothing, five to a line, between stop words."""
    draw = random.Random(seed)
    made = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=length)) for _ in range(count)]
    lines = [" ".join(made[at : at + 5]) for at in range(0, count, 5)]
    return "\n".join(f"{VOCABULARY[at % 6]} {line}." for at, line in enumerate(lines))


LINE = "Winter garden letter window story captain morning village."
LONG_ENOUGH = distinct_words(80, 6)
CASES: dict[str, tuple[str, dict[str, object]]] = {
    "dup_para_frac": ("\n\n".join([LINE] * 4 + [prose(1)]), {}),
    "dup_para_char_frac": (prose(1) + f"\n\n{LINE * 8}\n\n{LINE * 8}", {}),
    "dup_line_frac": ("\n".join(["Yes."] * 20 + [prose(1).replace("\n\n", "\n")]), {}),
    "dup_line_char_frac": (prose(1) + f"\n{LINE * 8}\n{LINE * 8}", {}),
    "top_2_gram": (" ".join(f"silver bridge {word}" for word in VOCABULARY * 2), {}),
    "top_3_gram": (" ".join(f"go to sea {a} {b}" for a, b in zip(VOCABULARY, VOCABULARY[1:], strict=False)),
                   {"max_top_2_gram": None}),
    "top_4_gram": (" ".join(f"go to the sea {a} {b}" for a, b in zip(VOCABULARY, VOCABULARY[7:], strict=False)),
                   {"max_top_2_gram": None, "max_top_3_gram": None}),
    "duplicated_5_n_grams": (prose(1) + " " + prose(1).replace("\n\n", " "), {}),
    **{
        f"duplicated_{n}_n_grams": (
            prose(1) + " " + prose(1).replace("\n\n", " "),
            {f"max_duplicated_{k}_n_grams": None for k in range(5, n)},
        )
        for n in range(6, 11)
    },
    "gopher_short_doc": (prose(1, 5), {}),
    "gopher_long_doc": (prose(1, 12), {"max_words": 100}),
    "gopher_below_avg_threshold": (distinct_words(80, 2), {}),
    "gopher_above_avg_threshold": (distinct_words(80, 13), {}),
    "gopher_too_many_hashes": (edited(" # #"), {"min_alpha_word_ratio": None}),
    "gopher_too_many_ellipsis": (edited(" … …"), {"min_alpha_word_ratio": None}),
    "gopher_too_many_bullets": (bullets(12), {}),
    "gopher_too_many_end_ellipsis": (edited("..."), {}),
    "gopher_below_alpha_threshold": (edited(" 1 2 3 4"), {"max_top_4_gram": None}),
    "gopher_enough_stop_words": ("\n".join(line.partition(" ")[2] for line in LONG_ENOUGH.splitlines()), {}),
    "lorem_ipsum": (prose(1) + "\n\nHere lorem ipsum stands.", {}),
    "curly_bracket": (prose(1) + "\n\nHere { it stands.", {}),
    "too_few_sentences": (prose(1).replace(".", " so"), {}),
    "empty": (prose(1).replace(" ", "\n"), {"min_sentences": None, "max_dup_line_frac": None,
                                             "max_dup_line_char_frac": None}),
    "line_punct_ratio": (edited(" so. And then"), {}),
    "short_line_ratio": ("\n".join(prose(at, 1, 4)[:-1][:29] + "." for at in range(40)), {}),
    "char_dup_ratio": (prose(1) + f"\n\n{LINE}\n\n{LINE}", {}),
    "list_ratio": ("\n".join(prose(at, 1, 4) for at in range(60)),
                   {"max_newline_word_ratio": 0.15, "max_short_line_ratio": None}),
}  # fmt: skip


@pytest.mark.parametrize("reason", CASES)
def test_each_rule_rejects_what_it_is_for(reason: str) -> None:
    text, config = CASES[reason]
    row = one(text, **config)
    assert row["reason"] == reason, row["detail"]
    rule = next(rule for rule in RULES if rule.reason == reason)
    limit = getattr(FilterConfig(**config), rule.threshold) if isinstance(rule.threshold, str) else rule.threshold
    assert row["measure"] < limit if rule.rejects == "<" else row["measure"] > limit
    assert row["detail"].endswith(f"{rule.rejects} {limit:g}")


def test_each_rule_has_a_case_and_can_be_switched_off() -> None:
    assert set(CASES) == {rule.reason for rule in RULES}
    for reason, (text, config) in CASES.items():
        field = next(rule.threshold for rule in RULES if rule.reason == reason)
        if isinstance(field, str):
            assert one(text, **{**config, field: None})["reason"] != reason


def test_defaults_are_the_published_thresholds() -> None:
    published = {
        "dup_para_frac": 0.3,
        "dup_para_char_frac": 0.2,
        "dup_line_frac": 0.3,
        "dup_line_char_frac": 0.2,
        "top_2_gram": 0.2,
        "top_3_gram": 0.18,
        "top_4_gram": 0.16,
        **{f"duplicated_{n}_n_grams": (20 - n) / 100 for n in range(5, 11)},
        "gopher_short_doc": 50,
        "gopher_long_doc": 100_000,
        "gopher_below_avg_threshold": 3,
        "gopher_above_avg_threshold": 10,
        "gopher_too_many_hashes": 0.1,
        "gopher_too_many_ellipsis": 0.1,
        "gopher_too_many_bullets": 0.9,
        "gopher_too_many_end_ellipsis": 0.3,
        "gopher_below_alpha_threshold": 0.8,
        "gopher_enough_stop_words": 2,
        "lorem_ipsum": 0,
        "curly_bracket": 0,
        "too_few_sentences": 5,
        "empty": 1,
        "line_punct_ratio": 0.12,
        "short_line_ratio": 0.67,
        "char_dup_ratio": 0.01,
        "list_ratio": 0.3,
    }
    config = FilterConfig()
    limits = [(r.reason, getattr(config, r.threshold) if isinstance(r.threshold, str) else r.threshold) for r in RULES]
    assert limits == list(published.items()), "in the order of datatrove's FineWeb example"
    assert (config.min_words_per_line, config.max_word_length, config.short_line_length) == (3, 1000, 30)


def test_thresholds_themselves_pass() -> None:
    text = prose(1, 12)
    count = one(text)["word_count"]
    assert one(text, min_words=count, max_words=count)["reason"] is None
    row = one(text, min_words=count + 1)
    assert (row["reason"], row["measure"]) == ("gopher_short_doc", count)
    assert row["detail"] == f"{count} words < {count + 1}"


LONG_WORDS = distinct_words(80, 13)


def test_english_word_rules_are_asked_of_english_only() -> None:
    assert one(LONG_WORDS, "en")["reason"] == "gopher_above_avg_threshold"
    assert one(LONG_WORDS, "de")["reason"] is None
    few = prose(1).replace(". ", " so ")
    assert one(few, "en")["reason"] == "too_few_sentences"
    assert one(few, "de")["reason"] is None
    for language, removed in (("en", 2), ("de", 1)):
        row = one(prose(1) + "\n\nmenu home\n\nPlease enable JavaScript now.", language)
        assert row["lines_removed"] == removed


def test_language_free_rules_are_asked_of_all() -> None:
    for reason in ("dup_line_frac", "duplicated_10_n_grams", "gopher_short_doc", "curly_bracket", "char_dup_ratio"):
        text, config = CASES[reason]
        assert one(text, "de", **config)["reason"] == reason


def chinese(seed: int) -> str:
    draw = random.Random(seed)
    return "\n".join("".join(chr(draw.randrange(0x4E00, 0x5E00)) for _ in range(24)) + "。" for _ in range(20))


def test_scripts_without_spaces() -> None:
    row = one(chinese(0), "zh")
    assert row["reason"] is None, row["detail"]
    assert row["word_count"] == 480
    assert row["mean_word_length"] == 1
    assert row["text"] == chinese(0)
    assert one(chinese(0), "zh", short_line_length_unspaced=25)["reason"] == "short_line_ratio"
    assert one(chinese(0).replace("。", "，"), "zh")["reason"] == "line_punct_ratio"
    phrase = "这家公司的"
    assert one(chinese(0).replace("\n", f"\n{phrase}"), "zh")["reason"] is None, "phrases of a few letters repeat"


def test_thai_lines_end_without_a_mark() -> None:
    draw = random.Random(0)
    text = "\n".join("".join(chr(draw.randrange(0x0E01, 0x0E2E)) for _ in range(40)) for _ in range(20))
    assert one(text, "th")["reason"] is None
    assert one(text, "de")["reason"] == "line_punct_ratio"


def test_config_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValidationError, match="min_word"):
        FilterConfig(min_word=3)  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="frozen"):
        FilterConfig().min_words = 3  # type: ignore[misc]
    assert all(field.description for field in FilterConfig.model_fields.values())
