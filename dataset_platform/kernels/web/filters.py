"""Language scope and quality rules: which documents are kept, and the one rule that rejected each of the others.

The kernel of ``web/filtered_documents``. Thresholds and the table of rules are in ``filter_rules.py``; the measures
they compare come from ``gopher``, ``c4`` and ``fineweb``, over one word split per document.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pyarrow as pa
import xxhash

from dataset_platform.contracts.web import FilteredDocuments
from dataset_platform.errors import InputError
from dataset_platform.kernels.web import c4, fineweb, gopher, minhash, words
from dataset_platform.kernels.web.filter_rules import UNSPACED_LANGUAGES, FilterConfig, judge, out_of_scope

__all__ = ["FilterConfig", "filter_documents", "measure", "text_hash"]


def text_hash(text: str) -> str:
    """xxh3-128 (32 hex digits) of the text in NFC, lower case, runs of whitespace as one space."""
    return xxhash.xxh3_128_hexdigest(" ".join(unicodedata.normalize("NFC", text).lower().split()).encode())


def measure(text: str, language: str, config: FilterConfig) -> tuple[dict[str, Any], words.Words]:
    """All measures of one document, its cleaned text among them, and the word split of the cleaned text's lines."""
    split = words.split(text)
    measures: dict[str, Any] = {**gopher.repetition(text, split), **gopher.quality(text, split)}
    cleaned = c4.clean(text, split, config.line_rules(language))
    kept = split
    if cleaned.edited:
        # a citation was cut out of a line, which may join words: the only case in which words are split once more
        kept = words.split(cleaned.text)
    elif not cleaned.keep.all():
        kept = split.select_lines(cleaned.keep)
    unspaced = language in UNSPACED_LANGUAGES
    short = config.short_line_length_unspaced if unspaced else config.short_line_length
    measures.update(
        text=cleaned.text,
        text_length=len(cleaned.text),
        lines_removed=cleaned.lines_removed,
        sentence_count=c4.sentence_count(kept),
        lorem_ipsum=int(cleaned.page_reason == "lorem_ipsum"),
        curly_bracket=int(cleaned.page_reason == "curly_bracket"),
        **(fineweb.measures(cleaned.text, kept.count, short) or {}),
    )
    return measures, kept


_SCHEMA = FilteredDocuments.labelled_schema()
_COPIED = (
    *("doc_id", "source", "url", "warc_date", "language", "language_score"),
    *("file", "offset", "length", "offset_kind"),
)


def _row(text: str, language: str, score: float, config: FilterConfig) -> dict[str, Any]:
    rejection = out_of_scope(language, score, config)
    if rejection is not None:
        return rejection._asdict()
    row, kept = measure(text, language, config)
    rejection = judge(row, language, config)
    if rejection is not None:
        # the text lies in web/documents; a rejected row says only why
        row.update(rejection._asdict(), text=None, text_length=None)
        return row
    row["text_hash"] = text_hash(row["text"])
    signature = minhash.signature(minhash.word_hashes(kept), config.minhash)
    row["minhash"] = signature.astype("<u4", copy=False).tobytes()
    return row


def _label(batch: pa.RecordBatch, config: FilterConfig) -> pa.RecordBatch:
    missing = [name for name in (*_COPIED, "text") if name not in batch.schema.names]
    if missing:
        raise InputError(f"Documents without the columns {', '.join(missing)}.", "Pass rows of web/documents.")
    inputs = (batch.column(name).to_pylist() for name in ("text", "language", "language_score"))
    rows = [_row(text, language, score, config) for text, language, score in zip(*inputs, strict=True)]
    columns = []
    for field in _SCHEMA:
        if field.name in _COPIED:
            columns.append(batch.column(field.name).cast(field.type))
        else:
            columns.append(pa.array([row.get(field.name) for row in rows], field.type))
    return pa.RecordBatch.from_arrays(columns, schema=_SCHEMA)


def _filter(batches: Iterator[pa.RecordBatch], config: FilterConfig) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield _label(batch, config)


def filter_documents(config: FilterConfig) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The kernel: every row of ``web/documents`` comes out once, in order, kept or with the rule that rejected it.

    Kept rows carry the cleaned text, its length, hash and MinHash; on rejected rows these are null. Measures are filled
    on every row that is within the language scope. Input columns the table does not have are ignored.

    Raises:
        InputError: (while iterating) the batches lack a column of ``contracts.Documents``.
    """
    return partial(_filter, config=config)
