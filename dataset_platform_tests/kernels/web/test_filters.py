"""The filter kernel as a whole: every row once, the right rule, and nothing that depends on batches or order."""

import datetime
import json
import pickle
import random
import re

import numpy as np
import pyarrow as pa
import pytest

from dataset_platform.contracts.web import Documents, FilteredDocuments
from dataset_platform.errors import InputError
from dataset_platform.kernels.web import minhash, segmentation, words
from dataset_platform.kernels.web.filter_rules import MEASURES
from dataset_platform.kernels.web.filters import FilterConfig, filter_documents, text_hash

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


def documents(rows: list[tuple[str, str, float]], ids: list[int] | None = None) -> pa.RecordBatch:
    count = len(rows)
    numbers = ids if ids is not None else list(range(count))
    constant = {
        "source": "test",
        "warc_date": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        "content_type": "text/html",
        "charset": "utf-8",
        "charset_source": "http",
        "html_bytes": 1,
        "extraction": "learned",
        "extraction_confidence": 0.9,
        "file": "a.warc.gz",
        "length": 1,
        "offset_kind": "member",
        "ingestion_date": datetime.date(2026, 1, 2),
    }
    columns = {name: [value] * count for name, value in constant.items()}
    columns["doc_id"] = [f"{number:032x}" for number in numbers]
    columns["url"] = [f"https://example.org/{number}" for number in numbers]
    columns["offset"] = numbers
    columns["text"], columns["language"], columns["language_score"] = ([row[at] for row in rows] for at in range(3))
    columns["text_length"] = [len(text) for text, _, _ in rows]
    return pa.RecordBatch.from_pydict(columns, schema=Documents.arrow_schema())


def run(rows: list[tuple[str, str, float]], config: FilterConfig | None = None) -> list[dict]:
    kernel = filter_documents(config or FilterConfig())
    return [row for batch in kernel(iter([documents(rows)])) for row in batch.to_pylist()]


def one(text: str, language: str = "en", score: float = 0.99, **config: object) -> dict:
    return run([(text, language, score)], FilterConfig(**config))[0]  # type: ignore[arg-type]


def test_kept_row() -> None:
    text = prose(3) + "\n\nmenu home\n\nThis site uses cookies to remember you."
    row = one(text)
    assert row["reason"] is row["measure"] is row["detail"] is None
    assert row["text"] == prose(3).replace("\n\n", "\n")
    assert row["text_length"] == len(row["text"])
    assert row["lines_removed"] == 2
    assert row["sentence_count"] == 12
    assert row["text_hash"] == text_hash(row["text"])
    required = [field.name for field in FilteredDocuments.data_schema() if not field.nullable]
    assert all(row[name] is not None for name in required)


@pytest.mark.parametrize("citation", ["", "[12]"])
def test_minhash_is_that_of_the_cleaned_text(citation: str) -> None:
    row = one(prose(4).replace(".", f".{citation}") + "\n\nmenu home")
    shingle_set = minhash.shingles(row["text"])
    assert len(row["minhash"]) == 448
    assert np.array_equal(np.frombuffer(row["minhash"], "<u4"), minhash.signature_of_shingles(shingle_set))
    assert "[" not in row["text"]


def test_language_scope_comes_first() -> None:
    rows = run(
        [(prose(1), "en", 0.9), ("x", "de", 0.9), ("x", "en", 0.64), (prose(2), "en", 0.65)],
        FilterConfig(languages=("en", "fr")),
    )
    assert [row["reason"] for row in rows] == [None, "language_not_selected", "language_score_below_threshold", None]
    assert rows[1]["detail"] == "de is not in en, fr"
    assert rows[2]["measure"] == 0.64
    assert rows[1]["word_count"] is rows[2]["word_count"] is None
    assert one("x", "de")["reason"] == "gopher_short_doc", "by default every language is in scope"


def test_rejected_rows_have_measures_but_no_text() -> None:
    row = one(prose(1, 5))
    assert row["text"] is row["text_length"] is row["text_hash"] is row["minhash"] is None
    assert row["word_count"] == 45
    assert row["line_punct_ratio"] == 1
    measures = json.loads(row["measures"])
    assert set(measures) == {*MEASURES}, "nothing that was measured is lost"
    assert all(measures[name] == pytest.approx(row[name], abs=1e-6) for name in measures if row.get(name) is not None)
    assert one(prose(1))["measures"] is None, "a kept row has them as columns"


@pytest.mark.parametrize("text", [prose(1), prose(4).replace(".", ".[1]"), prose(2) + "\n\n[2] uses cookies\n{ }", "x"])
@pytest.mark.parametrize("language", ["en", "de", "zh", "xx"])
def test_a_document_is_split_once(text: str, language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counting(codes: np.ndarray, *rest: object) -> tuple:
        calls.append(len(codes))
        return segmentation.split_codes(codes, *rest)

    one(text, language)  # a language's stop words are split once per process
    monkeypatch.setattr(words, "split_codes", counting)
    one(text, language)
    assert calls == [len(text)]


def mixed() -> list[tuple[str, str, float]]:
    rows = [(prose(seed), "en", 0.9) for seed in range(10)]
    rows += [(prose(seed, 5), "en", 0.9) for seed in range(3)] + [(prose(7) + " {", "en", 0.9)]
    rows += [(prose(8) + "\n\n" + prose(8), "en", 0.9), (prose(9).replace(".", ".[1]"), "en", 0.9)]
    rows += [
        ("你好，世界。" * 30, "zh", 0.8),
        (prose(11), "de", 0.7),
        ("x", "fr", 0.1),
        ("\n", "en", 1.0),
        ("…", "ja", 1.0),
    ]
    return rows


def test_every_row_comes_out_once_in_order() -> None:
    rows = mixed()
    out = run(rows)
    assert [row["doc_id"] for row in out] == [f"{number:032x}" for number in range(len(rows))]
    kept = [row for row in out if row["reason"] is None]
    assert 0 < len(kept) < len(out)
    assert all((row["reason"] is None) == (row["text"] is not None) == (row["detail"] is None) for row in out)
    assert all(row["error"] is row["tally"] is None for row in out)


def test_schema_even_of_an_empty_batch() -> None:
    kernel = filter_documents(FilterConfig())
    batches = list(kernel(iter([documents([]), documents(mixed()), documents([("x", "xx", 0.0)])])))
    assert [batch.schema for batch in batches] == [FilteredDocuments.labelled_schema()] * 3
    assert [batch.num_rows for batch in batches] == [0, len(mixed()), 1]


@pytest.mark.parametrize("size", [1, 7])
def test_batch_size_and_order_do_not_matter(size: int) -> None:
    rows = mixed()
    expected = {row["doc_id"]: row for row in run(rows)}
    order = list(range(len(rows)))
    random.Random(size).shuffle(order)
    parts = [order[at : at + size] for at in range(0, len(order), size)]
    kernel = filter_documents(FilterConfig())
    batches = kernel(documents([rows[number] for number in part], part) for part in parts)
    assert {row["doc_id"]: row for batch in batches for row in batch.to_pylist()} == expected


def test_columns_the_table_does_not_have_are_ignored_and_missing_ones_named() -> None:
    batch = documents([(prose(1), "en", 0.9)])
    kernel = filter_documents(FilterConfig())
    without_day = batch.drop_columns(["ingestion_date", "charset"]).append_column("extra", pa.array([1]))
    assert next(kernel(iter([without_day]))) == next(kernel(iter([batch])))
    with pytest.raises(InputError, match="without the columns url, text"):
        next(kernel(iter([batch.drop_columns(["text", "url"])])))


def test_kernel_can_be_sent_to_workers() -> None:
    kernel = pickle.loads(pickle.dumps(filter_documents(FilterConfig(min_words=3))))
    assert next(kernel(iter([documents([(prose(1), "en", 0.9)])]))).num_rows == 1


def test_text_hash_normalises() -> None:
    assert text_hash("Caf\u00e9  au\n lait ") == text_hash("cafe\u0301 AU LAIT")
    assert text_hash("cafe au lait") != text_hash("caf\u00e9 au lait")
    assert len(text_hash("")) == 32


def test_a_run_of_a_million_combining_marks_is_hashed() -> None:
    """NFC alone sorts such a run by insertion: a quarter of an hour."""
    run = "a" + "\u0315\u0300" * 500_000
    assert text_hash(run) == text_hash(run) != text_hash(run[:-1])
    assert text_hash("e\u0301" + "\u0300\u0316") == text_hash("\u00e9" + "\u0316\u0300")
