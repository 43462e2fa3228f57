"""The rules: one text per rule that only this rule rejects, the published thresholds, and what is asked of whom."""

import random
import re
from functools import partial
from typing import Any

import pytest
from pydantic import ValidationError

from dataset_platform.kernels.web.filter_rules import RULES, FilterConfig, judge, limits
from dataset_platform.kernels.web.filters import measure
from dataset_platform.kernels.web.published_rules import published_languages, published_rules

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


def one(text: str, language: str = "en", html_bytes: int | None = None, **config: Any) -> dict[str, Any]:
    """A document's measures with the rejection's reason, measure and detail, as in a row of the table."""
    thresholds = FilterConfig(**config)
    measures, _ = measure(text, language, thresholds, html_bytes)
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
    "text_html_ratio": (prose(1), {"min_text_html_ratio": 0.1, "html_bytes": 100_000}),
    "code_char_ratio": (prose(1) + "\n// this is a remark", {"max_code_char_ratio": 0.01}),
    "list_ratio": ("\n".join(prose(at, 1, 4) for at in range(60)),
                   {"max_newline_word_ratio": 0.15, "max_short_line_ratio": None}),
}  # fmt: skip


@pytest.mark.parametrize("reason", CASES)
def test_each_rule_rejects_what_it_is_for(reason: str) -> None:
    text, config = CASES[reason]
    row = one(text, **config)
    assert row["reason"] == reason, row["detail"]
    rule = next(rule for rule in RULES if rule.reason == reason)
    config = {name: value for name, value in config.items() if name != "html_bytes"}
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
        "text_html_ratio": None,
        "code_char_ratio": None,
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
    assert one(LONG_WORDS, "sh")["reason"] is None
    few = prose(1).replace(". ", " so ")
    assert one(few, "en")["reason"] == "too_few_sentences"
    assert one(few, "sh")["reason"] is None
    for language, removed in (("en", 2), ("sh", 1)):
        row = one(prose(1) + "\n\nmenu home\n\nPlease enable JavaScript now.", language)
        assert row["lines_removed"] == removed


def test_language_free_rules_are_asked_of_all() -> None:
    for reason in ("dup_line_frac", "duplicated_10_n_grams", "gopher_short_doc", "curly_bracket", "char_dup_ratio"):
        text, config = CASES[reason]
        assert one(text, "sh", **config)["reason"] == reason
        assert one(text, "de", language_thresholds="same", **config)["reason"] == reason


def test_languages_are_asked_by_their_published_thresholds() -> None:
    config = FilterConfig()
    german = {rule.reason: limit for rule, limit in zip(*asked(config, "de"), strict=True)}
    assert german["dup_line_frac"] == 0.263
    assert german["gopher_above_avg_threshold"] == 15
    assert german["char_dup_ratio"] == 0.1
    assert not {"dup_para_frac", "short_line_ratio", "too_few_sentences"} & set(german), "FineWeb-2 leaves them out"
    same = {
        rule.reason: limit for rule, limit in zip(*asked(FilterConfig(language_thresholds="same"), "de"), strict=True)
    }
    assert same["dup_line_frac"] == 0.3
    assert "gopher_above_avg_threshold" not in same
    assert "dup_line_frac" not in dict(zip(*names(FilterConfig(max_dup_line_frac=None), "de"), strict=True))
    chinese_rules = {rule.reason: limit for rule, limit in zip(*asked(config, "zh"), strict=True)}
    assert chinese_rules["line_punct_ratio"] == 0.106
    assert "top_2_gram" not in chinese_rules, "its words are not ours"


def asked(config: FilterConfig, language: str) -> tuple[tuple[Any, ...], list[float]]:
    found = limits(config, language)
    return found.rules, found.values.tolist()


def names(config: FilterConfig, language: str) -> tuple[list[str], list[float]]:
    rules, values = asked(config, language)
    return [rule.reason for rule in rules], values


def test_english_is_asked_the_same_by_either_setting() -> None:
    assert names(FilterConfig(), "en") == names(FilterConfig(language_thresholds="same"), "en")


@pytest.mark.parametrize("language", published_languages())
def test_each_published_language_is_complete(language: str) -> None:
    rules = published_rules(language)
    assert rules is not None
    assert len(rules.stop_words) >= 3
    assert set(rules.thresholds) <= set(FilterConfig.model_fields)
    found = dict(zip(*names(FilterConfig(), language), strict=True))
    assert found["gopher_enough_stop_words"] == 2
    assert 0 < found["dup_line_frac"] <= 1
    text = " ".join(rules.stop_words)
    assert one(text, language)["stop_word_count"] == len(rules.stop_words), "the split finds them as they are written"


def test_common_languages_have_rules() -> None:
    guide = "ca cs da de el es fi fr hu it ja ko nl pt ru sv vi zh"  # the Debian guide's, and English
    assert set(guide.split()) <= set(published_languages())
    assert "en" not in published_languages()
    assert published_rules("xx") is None


def test_text_and_code() -> None:
    text = prose(1) + "\nif (a) return;\n<br>\n// done"
    row = one(text)
    code = len("if (a) return;<br>// done")
    lines = [line for line in text.splitlines() if line]
    assert row["code_char_ratio"] == pytest.approx(code / sum(map(len, lines)))
    assert "text_html_ratio" not in row, "not known without the size of the HTML"
    assert one(text, max_code_char_ratio=0.01)["reason"] == "code_char_ratio"
    config = FilterConfig(min_text_html_ratio=0.1)
    for size, reason in ((len(text) * 5, None), (len(text) * 11, "text_html_ratio")):
        measures, _ = measure(text, "en", config, size)
        assert measures["text_html_ratio"] == pytest.approx(len(text) / size)
        rejection = judge(measures, "en", config)
        assert (rejection and rejection.reason) == reason


def chinese(seed: int) -> str:
    draw = random.Random(seed)
    return "\n".join("".join(chr(draw.randrange(0x4E00, 0x5E00)) for _ in range(24)) + "。" for _ in range(20))


def test_scripts_without_spaces() -> None:
    assert one(chinese(0), "zh")["reason"] == "gopher_enough_stop_words", "letters drawn at random"
    assert one(chinese(0).replace("。", "的是。", 2), "zh")["reason"] is None
    one_language = partial(one, language_thresholds="same")
    row = one_language(chinese(0), "zh")
    assert row["reason"] is None, row["detail"]
    assert row["word_count"] == 480
    assert row["mean_word_length"] == 1
    assert row["text"] == chinese(0)
    assert one_language(chinese(0), "zh", short_line_length_unspaced=25)["reason"] == "short_line_ratio"
    assert one_language(chinese(0).replace("。", "，"), "zh")["reason"] == "line_punct_ratio"
    phrase = "这家公司的"
    assert one_language(chinese(0).replace("\n", f"\n{phrase}"), "zh")["reason"] is None, (
        "phrases of a few letters repeat"
    )


def test_thai_lines_end_without_a_mark() -> None:
    draw = random.Random(0)
    text = "\n".join("".join(chr(draw.randrange(0x0E01, 0x0E2E)) for _ in range(40)) for _ in range(20))
    assert one(text, "th", min_stop_words=None)["reason"] is None
    assert one(text, "th", language_thresholds="same")["reason"] is None
    assert one(text, "ja", language_thresholds="same")["reason"] == "line_punct_ratio"


def test_config_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValidationError, match="min_word"):
        FilterConfig(min_word=3)  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="frozen"):
        FilterConfig().min_words = 3  # type: ignore[misc]
    assert all(field.description for field in FilterConfig.model_fields.values())
