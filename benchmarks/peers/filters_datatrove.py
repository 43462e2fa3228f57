"""datatrove's English filters on a file of texts (one JSON string a line); prints one JSON line.

``seconds``: processor time of Gopher repetition, Gopher quality, C4 and FineWeb in sequence, as FineWeb was made, over all texts, once.
``pipeline``: what that made of each text: a reason, or an empty string. ``rules``: for each rule, the texts that it
alone rejects, as a string of 0 and 1. ``values``: the measures behind the rules, by datatrove's own functions, where
``--values`` is given. FineWeb's rules are asked of the text that C4's line rules leave.
"""

import argparse
import json
import time
from importlib.metadata import version

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    c4_filters,
)
from datatrove.pipeline.filters.gopher_repetition_filter import (
    find_all_duplicate,
    find_duplicates,
    find_top_duplicate,
    get_n_grams,
)
from datatrove.utils.text import (
    PUNCTUATION_SET,
    TERMINAL_PUNCTUATION,
    split_into_parts,
    split_into_sentences,
    split_into_words,
)

TOP = ((2, 0.2), (3, 0.18), (4, 0.16))
DUPLICATED = ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}


def reason_of(result) -> str:
    """What a filter said, an empty string when it keeps the text."""
    if isinstance(result, tuple):
        return "" if result[0] else result[1]
    return "" if result else "rejected"


def pipeline() -> list:
    """The published sequence."""
    return [
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False),
        FineWebQualityFilter(),
    ]


def repetition(**on):
    """A repetition filter with only the rules given."""
    names = ("dup_line_frac", "dup_para_frac", "dup_line_char_frac", "dup_para_char_frac")
    off = dict.fromkeys(names) | {"top_n_grams": (), "dup_n_grams": ()}
    return GopherRepetitionFilter(**(off | on))


def quality(**on):
    """A quality filter with only the rules given."""
    names = ("min_doc_words", "max_doc_words", "min_avg_word_length", "max_avg_word_length", "max_symbol_word_ratio")
    names += ("max_bullet_lines_ratio", "max_ellipsis_lines_ratio", "max_non_alpha_words_ratio", "min_stop_words")
    return GopherQualityFilter(**(dict.fromkeys(names) | on))


def c4(**on):
    """C4's line rules, and only the page rules given."""
    off = {"filter_no_terminal_punct": False, "min_num_sentences": -1}
    off |= {"filter_lorem_ipsum": False, "filter_curly_bracket": False}
    return C4QualityFilter(**(off | on))


def fineweb(**on):
    """FineWeb's filter with only the rule given."""
    off = {"line_punct_thr": -1.0, "short_line_thr": 2.0, "char_duplicates_ratio": 2.0, "new_line_ratio": 1e9}
    return FineWebQualityFilter(**(off | on))


def raw_rules() -> dict:
    """Rules on the text as it came, by reason."""
    rules = {
        "dup_para_frac": repetition(dup_para_frac=0.3),
        "dup_para_char_frac": repetition(dup_para_char_frac=0.2),
        "dup_line_frac": repetition(dup_line_frac=0.3),
        "dup_line_char_frac": repetition(dup_line_char_frac=0.2),
    }
    rules |= {f"top_{n}_gram": repetition(top_n_grams=((n, limit),)) for n, limit in TOP}
    rules |= {f"duplicated_{n}_n_grams": repetition(dup_n_grams=((n, limit),)) for n, limit in DUPLICATED}
    return rules | {
        "gopher_short_doc": quality(min_doc_words=50),
        "gopher_long_doc": quality(max_doc_words=100_000),
        "gopher_below_avg_threshold": quality(min_avg_word_length=3),
        "gopher_above_avg_threshold": quality(max_avg_word_length=10),
        "gopher_too_many_hashes": quality(max_symbol_word_ratio=0.1),
        "gopher_too_many_bullets": quality(max_bullet_lines_ratio=0.9),
        "gopher_too_many_end_ellipsis": quality(max_ellipsis_lines_ratio=0.3),
        "gopher_below_alpha_threshold": quality(max_non_alpha_words_ratio=0.8),
        "gopher_enough_stop_words": quality(min_stop_words=2),
        "lorem_ipsum": c4(filter_lorem_ipsum=True),
        "curly_bracket": c4(filter_curly_bracket=True),
        "too_few_sentences": c4(min_num_sentences=5),
    }


CLEANED_RULES = {
    "line_punct_ratio": fineweb(line_punct_thr=0.12),
    "short_line_ratio": fineweb(short_line_thr=0.67),
    "char_dup_ratio": fineweb(char_duplicates_ratio=0.01),
    "list_ratio": fineweb(new_line_ratio=0.3),
}


def cleaned(text: str) -> str:
    """The text after C4's line rules, whatever its page rules would say."""
    document = Document(text=text, id="0")
    c4().filter(document)
    return document.text


def asked(rule, text: str) -> bool:
    """Whether the rule rejects the text; it is not asked of a text that is empty or that it cannot divide by."""
    try:
        return reason_of(rule.filter(Document(text=text, id="0"))) not in ("", "empty")
    except ZeroDivisionError:
        return False


def values(text: str, left: str) -> dict:
    """The measures of a text as the filters work them out."""
    paragraphs = GopherRepetitionFilter().paragraph_exp.split(text.strip())
    lines = GopherRepetitionFilter()._line_splitter.split(text)
    words = split_into_words(text)
    size, tokens = max(len(text), 1), max(len(words), 1)
    real = [w for w in words if any(c not in PUNCTUATION_SET for c in w)]
    found = {
        "dup_para_frac": find_duplicates(paragraphs)[0] / len(paragraphs),
        "dup_para_char_frac": find_duplicates(paragraphs)[1] / size,
        "dup_line_frac": find_duplicates(lines)[0] / len(lines),
        "dup_line_char_frac": find_duplicates(lines)[1] / size,
        "word_count": len(real),
        "mean_word_length": sum(map(len, real)) / max(len(real), 1),
        "hash_word_ratio": text.count("#") / tokens,
        "ellipsis_word_ratio": (text.count("...") + text.count("…")) / tokens,
        "alpha_word_ratio": sum(any(c.isalpha() for c in w) for w in words) / tokens,
        "stop_word_count": len(STOP_WORDS & set(words)),
    }
    for n, _ in TOP:
        grams = get_n_grams(words, n)
        found[f"top_{n}_gram"] = find_top_duplicate(grams) / size if grams else 0.0
    for n, _ in DUPLICATED:
        found[f"duplicated_{n}_n_grams"] = find_all_duplicate(words, n) / size
    split = text.splitlines()
    bullets = sum(s.lstrip().startswith(("•", "-")) for s in split)
    found["bullet_line_ratio"] = bullets / max(len(split), 1)
    found["ellipsis_line_ratio"] = sum(s.rstrip().endswith(("...", "…")) for s in split) / max(len(split), 1)
    kept = [line for line in left.split("\n") if line.strip()]
    if kept:
        ends = tuple(TERMINAL_PUNCTUATION)
        found["line_punct_ratio"] = sum(line.endswith(ends) for line in kept) / len(kept)
        found["short_line_ratio"] = sum(len(line) <= 30 for line in kept) / len(kept)
        found["char_dup_ratio"] = find_duplicates(kept)[1] / len(left.replace("\n", ""))
        found["newline_word_ratio"] = left.count("\n") / max(len(split_into_words(left)), 1)
    found["sentence_count"] = sentences(text)
    found["text_length"] = len(left)
    return found


def sentences(text: str) -> int:
    """Sentences that C4's filter counts, met where it asks for them."""
    counted = []

    def counting(line: str, language: str) -> list[str]:
        counted.append(split_into_sentences(line, language))
        return counted[-1]

    c4_filters.split_into_sentences = counting
    c4(min_num_sentences=1).filter(Document(text=text, id="0"))
    c4_filters.split_into_sentences = split_into_sentences
    return sum(map(len, counted))


def main() -> None:
    """Read, judge, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("texts")
    parser.add_argument("--values", action="store_true")
    parser.add_argument("--time-only", action="store_true")
    options = parser.parse_args()
    with open(options.texts, encoding="utf-8") as stream:
        texts = [json.loads(line) for line in stream]

    filters, verdicts = pipeline(), []
    for text in texts[:20]:
        for one in filters:
            if reason_of(one.filter(Document(text=text, id="0"))):
                break
    split_into_parts.cache_clear()
    started = time.process_time()
    for text in texts:
        document, reason = Document(text=text, id="0"), ""
        for one in filters:
            reason = reason_of(one.filter(document))
            if reason:
                break
        verdicts.append(reason)
    seconds = time.process_time() - started

    result = {"seconds": seconds, "pipeline": verdicts, "datatrove": version("datatrove"), "spacy": version("spacy")}
    if not options.time_only:
        raw, found = raw_rules(), []
        bits: dict[str, list[str]] = {name: [] for name in (*raw, *CLEANED_RULES)}
        for text in texts:
            left = cleaned(text)
            for name, rule in raw.items():
                bits[name].append(str(int(asked(rule, text))))
            for name, rule in CLEANED_RULES.items():
                bits[name].append(str(int(asked(rule, left))))
            if options.values:
                found.append(values(text, left))
        result |= {"rules": {name: "".join(of) for name, of in bits.items()}, "values": found}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
