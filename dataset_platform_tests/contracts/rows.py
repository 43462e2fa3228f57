"""A hand-made good row for every contract, for tests that break one thing at a time."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from dataset_platform import contracts
from dataset_platform.contracts import Contract
from dataset_platform_tests.contracts import driving_rows

DAY = "2026-01-05"
_POINTER = {"file": "web/2026/01/05/a.warc.gz", "offset": 512, "length": 300}
_LANGUAGE = {"language": "en", "language_score": 0.93}
_PAGE = {
    "doc_id": "0" * 32,
    "source": "web",
    "url": "https://example.org/a",
    "warc_date": datetime(2026, 1, 4, 23, 59, 58, tzinfo=UTC),
    "text": "Good text.",
    "text_length": 10,
}
_RATIOS = (
    *("hash_word_ratio", "ellipsis_word_ratio", "bullet_line_ratio", "ellipsis_line_ratio", "alpha_word_ratio"),
    *("dup_para_frac", "dup_para_char_frac", "dup_line_frac", "dup_line_char_frac", "top_2_gram", "top_3_gram"),
    *("top_4_gram", "line_punct_ratio", "short_line_ratio", "char_dup_ratio", "newline_word_ratio"),
    *("text_html_ratio", "code_char_ratio"),
    *(f"duplicated_{n}_n_grams" for n in range(5, 11)),
)
_QUESTION = {
    "question_id": "set/1",
    "dataset_name": "set",
    "file": "questions/2026/01/05/a.jsonl",
    "offset": 0,
    "length": 40,
}
_GOOD: dict[type[Contract], dict[str, Any]] = {
    contracts.RawWarcs: {"path": "web/2026/01/05/a.warc.gz", "size_bytes": 7, "etag": "e", "source": "web"},
    contracts.Documents: _PAGE
    | _LANGUAGE
    | _POINTER
    | {
        "content_type": "text/html",
        "charset": "utf-8",
        "charset_source": "http",
        "html_bytes": 2000,
        "extraction": "learned",
        "extraction_confidence": 0.9,
        "offset_kind": "member",
    },
    contracts.FilteredDocuments: _PAGE
    | _LANGUAGE
    | _POINTER
    | dict.fromkeys(_RATIOS, 0.5)
    | {
        "word_count": 2,
        "mean_word_length": 4.0,
        "stop_word_count": 0,
        "sentence_count": 1,
        "lines_removed": 0,
        "text_hash": "1" * 32,
        "minhash": b"\0" * 448,
        "offset_kind": "member",
    },
    contracts.DedupedCorpus: _PAGE
    | _LANGUAGE
    | _POINTER
    | {
        "word_count": 2,
        "text_hash": "1" * 32,
        "cluster_id": "0" * 32,
        "cluster_size": 1,
        "offset_kind": "uncompressed",
    },
    contracts.SignatureIndex: {
        "doc_id": "0" * 32,
        "text_hash": "1" * 32,
        "text_digest": -1,
        "band_keys": b"\0" * 84,
        "text_length": 10,
        "language_score": 1.0,
    },
    contracts.SpanIndex: {"span_hash": -1, "first_seen": True},
    contracts.DuplicateLinks: {"doc_id": "1" * 32, "linked_doc_id": "0" * 32, "kind": "near", "jaccard": 0.85},
    contracts.Rejections: _POINTER
    | {
        "doc_id": "0" * 32,
        "reason": "too_short",
        "measure": 3.0,
        "detail": "words < 50",
        "url": None,
        "source": None,
        "lane": "web",
        "stage": "documents",
    },
    contracts.Quarantine: _POINTER
    | {"error": "truncated gzip", "url": None, "length": None, "lane": "web", "stage": "documents"},
    contracts.Questions: _QUESTION
    | {"question": "What is 2 and 2?", "context": None, "reference_answer": "4", "checker": "exact"},
    contracts.LabelledTurns: {
        "turn_id": "t:0",
        "question_id": "set/1",
        "dataset_name": "set",
        "first_answer": "4",
        "answer": "4",
        "prompt_text": None,
        "turn": 0,
        "error_mode": "unchanged_correct",
        "correct": True,
        "source": "imported",
        "file": "labelled_turns/2026/01/05/a.jsonl",
        "offset": 0,
    },
    contracts.Traces: _QUESTION
    | {
        "trace_id": "0" * 32,
        "reference_answer": "4",
        "turns": [{"turn_id": "0:0", "answer": "4", "arms_offered": ["none"], "chosen": "none", "propensity": 1.0}],
        "initial_accuracy": 1.0,
        "final_accuracy": 1.0,
        "total_tokens": 1,
        "total_turns": 1,
        "pipeline_version": "1",
        "created_at": datetime(2026, 1, 5, tzinfo=UTC),
        "checker": "exact",
        "reward_source": "gold",
        "policy_version": "prior",
        "classifier": "c",
        "seed": 0,
        "model": "m",
        "simulated": False,
        "prompt_tokens": 9,
        "cost_usd": None,
    },
    **driving_rows.GOOD,
}


def good_row(contract: type[Contract], **changes: Any) -> dict[str, Any]:
    """A row that keeps the contract, partition columns included, with some cells changed."""
    return {"ingestion_date": date.fromisoformat(DAY), **_GOOD[contract], **changes}


def table(contract: type[Contract], rows: list[dict[str, Any]]) -> pa.Table:
    """Rows under the contract's Arrow schema, every column nullable so that broken rows can be told."""
    return pa.Table.from_pylist(rows, schema=pa.schema([f.with_nullable(True) for f in contract.arrow_schema()]))


def labelled(contract: type[Contract], rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as a kernel emits them: data columns, then labels; what a row does not name is null."""
    schema = contract.labelled_schema().remove_metadata()
    assert not {k for r in rows for k in r} - {*schema.names, *contract.partition_columns()}
    return pa.Table.from_pylist(rows, schema=pa.schema([pa.field(f.name, f.type) for f in schema]))


def doc_id(number: int) -> str:
    """The doc_id of a numbered document."""
    return f"{number:032x}"


def document(number: int, **changes: Any) -> dict[str, Any]:
    """A good, kept row of ``Documents`` without its partition; ``reason``, ``error`` and the other labels may be given."""
    row = {"doc_id": doc_id(number), "url": f"https://example.org/{number}", "offset": number * 1000} | changes
    row = good_row(contracts.Documents, **row)
    row.pop("ingestion_date")
    return row
