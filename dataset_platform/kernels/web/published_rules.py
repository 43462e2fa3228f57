"""Per-language stop words and thresholds as FineWeb-2 published them (arXiv:2506.20920), for the languages of lid.176.

The numbers lie in ``fineweb2_languages.json`` with their source. FineWeb-2 asks Gopher's repetition and quality rules and
FineWeb's, each with a language's own values, and leaves C4's line and page rules, duplicate paragraphs, characters in
duplicate lines and short lines out. Its least language scores are GlotLID's and are not used: lid.176 gives others.

It split words with a tokenizer per language. The shared split agrees where words stand between spaces, but for English
contractions ("im" is two tokens in every language; as a stop word it is found all the same). Where the
published tokenizer cuts finer or coarser (letters without spaces, Korean particles, Vietnamese compounds), only what
does not depend on words is taken: duplicate lines, line ends, and stop words, which are looked for anywhere in the text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dataset_platform.kernels.web import gopher

UNSPACED_LANGUAGES = frozenset({"zh", "wuu", "yue", "ja", "th", "lo", "my", "km", "bo"})
"""Languages of lid.176 that are written without spaces between words."""
OTHER_WORDS = UNSPACED_LANGUAGES | {"ko", "vi"}
"""Languages whose published tokenizer makes other words than the shared split."""
UNMARKED_LANGUAGES = frozenset({"th", "lo"})
"""Languages whose sentences end in a space."""

NOT_ASKED = ("max_dup_para_frac", "max_dup_para_char_frac", "max_dup_line_char_frac", "max_short_line_ratio")
"""Rules that FineWeb-2 asks of no language, besides C4's."""
MAX_CHAR_DUP_RATIO = 0.1


@dataclass(frozen=True)
class PublishedRules:
    """What FineWeb-2 published for one language."""

    config: str
    """Name of its configuration: ISO 639-3 code and script."""
    stop_words: tuple[str, ...]
    thresholds: Mapping[str, float | None]
    """Field of ``FilterConfig`` to the language's value; None switches the rule off."""


@lru_cache(maxsize=1)
def _languages() -> dict[str, PublishedRules]:
    facts = json.loads(Path(__file__).with_name("fineweb2_languages.json").read_text(encoding="utf-8"))
    return {language: _rules(language, of) for language, of in facts["languages"].items()}


def _rules(language: str, of: dict) -> PublishedRules:
    thresholds: dict[str, float | None] = dict.fromkeys(NOT_ASKED)
    thresholds |= {"max_char_dup_ratio": MAX_CHAR_DUP_RATIO, "max_dup_line_frac": of["max_dup_line_frac"]}
    thresholds["min_line_punct_ratio"] = of["min_line_punct_ratio"]
    if language not in OTHER_WORDS:
        for n, limit in zip(gopher.TOP_N_GRAMS, of["max_top_n_grams"], strict=True):
            thresholds[f"max_top_{n}_gram"] = limit
        for n, limit in zip(gopher.DUPLICATED_N_GRAMS, of["max_duplicated_n_grams"], strict=True):
            thresholds[f"max_duplicated_{n}_n_grams"] = limit
        for name in ("min_mean_word_length", "max_mean_word_length", "min_alpha_word_ratio", "max_newline_word_ratio"):
            thresholds[name] = of[name]
    return PublishedRules(of["config"], tuple(dict.fromkeys(of["stop_words"].split())), thresholds)


def published_rules(language: str) -> PublishedRules | None:
    """The rules of a language of lid.176, or None where FineWeb-2 published none; English is FineWeb's own and has none."""
    return _languages().get(language)


def published_languages() -> tuple[str, ...]:
    """Languages that have rules, sorted."""
    return tuple(sorted(_languages()))


@lru_cache(maxsize=256)
def stop_word_hashes(language: str | None) -> npt.NDArray[np.uint64]:
    """Hashed stop words of a language; Gopher's English ones where none are published."""
    rules = published_rules(language) if language else None
    return gopher.stop_word_hashes(rules.stop_words if rules else gopher.STOP_WORDS)
