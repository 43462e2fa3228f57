"""The rules that decide what is kept: their thresholds with sources, and their table, in the order they are asked.

The order is that of the published pipeline: Gopher's repetition rules, Gopher's quality rules, C4's, FineWeb's; each
document is rejected by the first rule it breaks. The tests hold every rule of English against datatrove's filters.

Which rules hold for which language: English is asked all of them. A language that FineWeb-2 published rules for is asked
those, with its own thresholds and stop words (``published_rules.py``); ``language_thresholds: same`` leaves that out.
Then, and in any other language, rules about English words (mean word length, letters per token, stop words, words per
line, policy phrases, sentences) are left out. Rules about repetition, symbols, lines and length are asked with English
thresholds, with two exceptions: scripts without spaces between words have one token per letter, so runs of fewer than
eight tokens repeat by nature, and a line holds more in fewer characters; Thai and Lao end no sentence with a mark.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from dataset_platform.kernels.web import c4, code_text, fineweb, gopher
from dataset_platform.kernels.web.minhash import MinHashConfig
from dataset_platform.kernels.web.published_rules import UNMARKED_LANGUAGES, UNSPACED_LANGUAGES, published_rules

MEASURES = (
    *gopher.REPETITION,
    *gopher.QUALITY,
    *("sentence_count", "lines_removed", "lorem_ipsum", "curly_bracket", "text_length"),
    *fineweb.MEASURES,
    *code_text.MEASURES,
)
"""All measures of a document, in the order of their vector."""
COUNTS = frozenset(
    ("word_count", "stop_word_count", "sentence_count", "lines_removed", "lorem_ipsum", "curly_bracket", "text_length")
)

_GOPHER_A1 = "Gopher arXiv:2112.11446 table A1"
_GOPHER_QUALITY = "Gopher arXiv:2112.11446 section A1.1"
_C4 = "C4 JMLR 21/140 section 2.2"
_FINEWEB = "FineWeb arXiv:2406.17557 section 3.6"


def _limit(default: float | None, meaning: str, source: str) -> Any:
    return Field(default=default, description=f"{meaning} ({source}); null switches the rule off")


class FilterConfig(BaseModel):
    """Thresholds of every rule; the defaults are those FineWeb and FineWeb-2 were made with.

    Nothing else decides what is kept.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    languages: tuple[str, ...] | None = Field(default=None, description="ISO 639 codes to keep; null keeps every one")
    min_language_score: float = Field(default=0.65, ge=0, le=1, description="least language score (FineWeb)")
    language_thresholds: Literal["fineweb2", "same"] = Field(
        default="fineweb2",
        description="fineweb2: thresholds and stop words per language as published (arXiv:2506.20920), in place of those "
        "below where they are not null; same: those below in every language",
    )

    max_dup_para_frac: float | None = _limit(0.30, "share of paragraphs that are repeats", _GOPHER_A1)
    max_dup_para_char_frac: float | None = _limit(0.20, "share of characters in repeated paragraphs", _GOPHER_A1)
    max_dup_line_frac: float | None = _limit(0.30, "share of lines that are repeats", _GOPHER_A1)
    max_dup_line_char_frac: float | None = _limit(0.20, "share of characters in repeated lines", _GOPHER_A1)
    max_top_2_gram: float | None = _limit(0.20, "share of characters in the top 2-gram", _GOPHER_A1)
    max_top_3_gram: float | None = _limit(0.18, "share of characters in the top 3-gram", _GOPHER_A1)
    max_top_4_gram: float | None = _limit(0.16, "share of characters in the top 4-gram", _GOPHER_A1)
    max_duplicated_5_n_grams: float | None = _limit(0.15, "share of characters in repeated 5-grams", _GOPHER_A1)
    max_duplicated_6_n_grams: float | None = _limit(0.14, "share of characters in repeated 6-grams", _GOPHER_A1)
    max_duplicated_7_n_grams: float | None = _limit(0.13, "share of characters in repeated 7-grams", _GOPHER_A1)
    max_duplicated_8_n_grams: float | None = _limit(0.12, "share of characters in repeated 8-grams", _GOPHER_A1)
    max_duplicated_9_n_grams: float | None = _limit(0.11, "share of characters in repeated 9-grams", _GOPHER_A1)
    max_duplicated_10_n_grams: float | None = _limit(0.10, "share of characters in repeated 10-grams", _GOPHER_A1)

    min_words: int | None = _limit(50, "words that are not pure punctuation", _GOPHER_QUALITY)
    max_words: int | None = _limit(100_000, "words that are not pure punctuation", _GOPHER_QUALITY)
    min_mean_word_length: float | None = _limit(3, "characters per word", _GOPHER_QUALITY)
    max_mean_word_length: float | None = _limit(10, "characters per word", _GOPHER_QUALITY)
    max_hash_word_ratio: float | None = _limit(0.1, "'#' per token", _GOPHER_QUALITY)
    max_ellipsis_word_ratio: float | None = _limit(0.1, "ellipses per token", _GOPHER_QUALITY)
    max_bullet_line_ratio: float | None = _limit(0.9, "lines that begin with a bullet", _GOPHER_QUALITY)
    max_ellipsis_line_ratio: float | None = _limit(0.3, "lines that end in an ellipsis", _GOPHER_QUALITY)
    min_alpha_word_ratio: float | None = _limit(0.8, "tokens with a letter", _GOPHER_QUALITY)
    min_stop_words: int | None = _limit(2, "distinct stop words", _GOPHER_QUALITY)

    min_words_per_line: int = Field(default=3, ge=0, description=f"shorter lines are taken out ({_C4})")
    max_word_length: int = Field(default=1000, ge=1, description="lines with a longer word are taken out (C4's code)")
    remove_citations: bool = Field(default=True, description="take '[1]' and '[edit]' out of lines (C4's code)")
    remove_javascript_lines: bool = Field(default=True, description=f"lines that mention JavaScript ({_C4})")
    remove_policy_lines: bool = Field(default=True, description=f"lines about cookies and terms of use ({_C4})")
    require_terminal_punctuation: bool = Field(
        default=False, description=f"take out lines that end in no terminal mark ({_C4}); off as in FineWeb"
    )
    drop_lorem_ipsum: bool = Field(default=True, description=f"pages with placeholder text ({_C4})")
    drop_curly_bracket: bool = Field(default=True, description=f"pages with a curly bracket, likely code ({_C4})")
    min_sentences: int | None = _limit(5, "sentences after the line rules", _C4)

    min_line_punct_ratio: float | None = _limit(0.12, "lines that end in terminal punctuation", _FINEWEB)
    max_short_line_ratio: float | None = _limit(0.67, "short lines", _FINEWEB)
    short_line_length: int = Field(default=30, ge=0, description=f"characters of a short line ({_FINEWEB})")
    short_line_length_unspaced: int = Field(
        default=15, ge=0, description="the same in languages without spaces, where a character says about twice as much"
    )
    max_char_dup_ratio: float | None = _limit(0.01, "characters in duplicate lines", _FINEWEB)
    max_newline_word_ratio: float | None = _limit(0.3, "line breaks per token", _FINEWEB)

    min_text_html_ratio: float | None = _limit(
        None,
        "bytes of the extracted text per byte of HTML",
        "a density as in WSDM 2010 p. 441; no published pipeline has one",
    )
    max_code_char_ratio: float | None = _limit(
        None, "characters in lines that look like code", "our definition; C4 drops every page with a curly bracket"
    )

    minhash: MinHashConfig = Field(default=MinHashConfig(), description="signatures of the kept documents")

    def line_rules(self, language: str) -> c4.LineRules:
        """C4's line rules for a language: outside English only those that are about no language.

        FineWeb-2 left C4 out, so a language with rules of its own has none: its lines are stripped, blank ones go.
        """
        english = language == "en"
        if self.published(language):
            return c4.NO_RULES
        return c4.LineRules(
            min_words_per_line=self.min_words_per_line if english else 0,
            max_word_length=self.max_word_length,
            policy=self.remove_policy_lines and english,
            javascript=self.remove_javascript_lines,
            citations=self.remove_citations,
            lorem_ipsum=self.drop_lorem_ipsum,
            curly_bracket=self.drop_curly_bracket,
            terminal_punctuation=self.require_terminal_punctuation and english,
        )

    def published(self, language: str) -> bool:
        """Whether the language is asked by its own published thresholds."""
        return self.language_thresholds == "fineweb2" and published_rules(language) is not None


Scope = Literal["all", "english", "spaced", "marked"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One comparison: ``measure`` against a threshold, asked of the languages in ``scope``."""

    reason: str
    measure: str
    rejects: Literal["<", ">"]
    threshold: str | float
    """Name of the config field, or the value itself."""
    what: str
    scope: Scope = "all"

    def applies(self, language: str) -> bool:
        """Whether documents of this language are asked."""
        if self.scope == "english":
            return language == "en"
        if self.scope == "spaced":
            return language not in UNSPACED_LANGUAGES
        return self.scope == "all" or language not in UNMARKED_LANGUAGES


RULES: tuple[Rule, ...] = (
    Rule("dup_para_frac", "dup_para_frac", ">", "max_dup_para_frac", "of paragraphs are repeats"),
    Rule("dup_para_char_frac", "dup_para_char_frac", ">", "max_dup_para_char_frac", "of characters in such paragraphs"),
    Rule("dup_line_frac", "dup_line_frac", ">", "max_dup_line_frac", "of lines are repeats"),
    Rule("dup_line_char_frac", "dup_line_char_frac", ">", "max_dup_line_char_frac", "of characters in such lines"),
    *(
        Rule(f"top_{n}_gram", f"top_{n}_gram", ">", f"max_top_{n}_gram", f"of characters in the top {n}-gram", "spaced")
        for n in gopher.TOP_N_GRAMS
    ),
    *(
        Rule(
            f"duplicated_{n}_n_grams",
            f"duplicated_{n}_n_grams",
            ">",
            f"max_duplicated_{n}_n_grams",
            f"of characters in repeated {n}-grams",
            "all" if n >= 8 else "spaced",
        )
        for n in gopher.DUPLICATED_N_GRAMS
    ),
    Rule("gopher_short_doc", "word_count", "<", "min_words", "words"),
    Rule("gopher_long_doc", "word_count", ">", "max_words", "words"),
    Rule("gopher_below_avg_threshold", "mean_word_length", "<", "min_mean_word_length", "letters per word", "english"),
    Rule("gopher_above_avg_threshold", "mean_word_length", ">", "max_mean_word_length", "letters per word", "english"),
    Rule("gopher_too_many_hashes", "hash_word_ratio", ">", "max_hash_word_ratio", "'#' per token"),
    Rule("gopher_too_many_ellipsis", "ellipsis_word_ratio", ">", "max_ellipsis_word_ratio", "ellipses per token"),
    Rule("gopher_too_many_bullets", "bullet_line_ratio", ">", "max_bullet_line_ratio", "of lines begin with a bullet"),
    Rule(
        "gopher_too_many_end_ellipsis",
        "ellipsis_line_ratio",
        ">",
        "max_ellipsis_line_ratio",
        "of lines end in an ellipsis",
    ),
    Rule(
        "gopher_below_alpha_threshold",
        "alpha_word_ratio",
        "<",
        "min_alpha_word_ratio",
        "of tokens have a letter",
        "english",
    ),
    Rule("gopher_enough_stop_words", "stop_word_count", "<", "min_stop_words", "distinct stop words", "english"),
    Rule("lorem_ipsum", "lorem_ipsum", ">", 0, "lines in which 'lorem ipsum' ends the reading"),
    Rule("curly_bracket", "curly_bracket", ">", 0, "lines in which '{' ends the reading"),
    Rule("too_few_sentences", "sentence_count", "<", "min_sentences", "sentences", "english"),
    Rule("empty", "text_length", "<", 1, "characters left"),
    Rule("line_punct_ratio", "line_punct_ratio", "<", "min_line_punct_ratio", "of lines end in punctuation", "marked"),
    Rule("short_line_ratio", "short_line_ratio", ">", "max_short_line_ratio", "of lines are short"),
    Rule("char_dup_ratio", "char_dup_ratio", ">", "max_char_dup_ratio", "of characters in duplicate lines"),
    Rule("list_ratio", "newline_word_ratio", ">", "max_newline_word_ratio", "line breaks per token"),
    Rule("text_html_ratio", "text_html_ratio", "<", "min_text_html_ratio", "bytes of text per byte of HTML"),
    Rule("code_char_ratio", "code_char_ratio", ">", "max_code_char_ratio", "of characters in lines like code"),
)


class Rejection(NamedTuple):
    """Why a row is rejected, as in the label columns."""

    reason: str
    measure: float | None
    detail: str


@dataclass(frozen=True, eq=False)
class Limits:
    """The rules of one language, as arrays over them."""

    rules: tuple[Rule, ...]
    columns: npt.NDArray[np.int64]
    """Place of each rule's measure in ``MEASURES``."""
    below: npt.NDArray[np.bool_]
    """Whether a measure below the limit breaks the rule, rather than one above."""
    values: npt.NDArray[np.float64]

    def first_broken(self, measures: npt.NDArray[np.float64]) -> int:
        """The first rule that a document's measures break, or -1. A measure that is NaN breaks no rule."""
        found = measures[self.columns]
        broken = np.where(self.below, found < self.values, found > self.values)
        at = int(broken.argmax())
        return at if broken[at] else -1


@lru_cache(maxsize=1024)
def limits(config: FilterConfig, language: str) -> Limits:
    """The rules that documents of a language are asked, in order."""
    published = published_rules(language) if config.published(language) else None
    found: list[tuple[Rule, float]] = []
    for rule in RULES:
        limit = getattr(config, rule.threshold) if isinstance(rule.threshold, str) else rule.threshold
        if published is None:
            limit = limit if rule.applies(language) else None
        elif limit is not None and isinstance(rule.threshold, str) and rule.threshold in published.thresholds:
            limit = published.thresholds[rule.threshold]
        elif rule.scope == "spaced" or (rule.scope == "english" and rule.threshold != "min_stop_words"):
            limit = limit if rule.applies(language) else None
        if limit is not None:
            found.append((rule, float(limit)))
    return Limits(
        tuple(rule for rule, _ in found),
        np.array([MEASURES.index(rule.measure) for rule, _ in found], np.int64),
        np.array([rule.rejects == "<" for rule, _ in found], bool),
        np.array([limit for _, limit in found]),
    )


def rejection(measures: npt.NDArray[np.float64], asked: Limits) -> Rejection | None:
    """The first rule that a document's measures (a vector as ``MEASURES``) break, or None."""
    at = asked.first_broken(measures)
    if at < 0:
        return None
    rule, value = asked.rules[at], float(measures[asked.columns[at]])
    return Rejection(rule.reason, value, f"{value:.4g} {rule.what} {rule.rejects} {asked.values[at]:g}")


def judge(measures: dict[str, Any], language: str, config: FilterConfig) -> Rejection | None:
    """The first rule that the measures break, or None. A measure that is missing breaks no rule."""
    vector = np.array([np.nan if measures.get(name) is None else measures[name] for name in MEASURES], float)
    return rejection(vector, limits(config, language))


def out_of_scope(language: str, score: float, config: FilterConfig) -> Rejection | None:
    """The language rules: not selected, or too uncertain."""
    if config.languages is not None and language not in config.languages:
        return Rejection("language_not_selected", None, f"{language} is not in {', '.join(config.languages)}")
    if score < config.min_language_score:
        detail = f"{language} with probability {score:.4g} < {config.min_language_score:g}"
        return Rejection("language_score_below_threshold", float(score), detail)
    return None
