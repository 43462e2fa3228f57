"""Language scope and quality rules: which documents are kept, and the one rule that rejected each of the others.

The kernel of ``web/filtered_documents``. Thresholds and the table of rules are in ``filter_rules.py``; the measures
they compare come from ``gopher``, ``c4``, ``fineweb`` and ``code_text``, over one word split per document.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from dataset_platform.contracts.web import FilteredDocuments
from dataset_platform.errors import InputError
from dataset_platform.kernels.web import c4, code_text, fineweb, gopher, minhash, words
from dataset_platform.kernels.web.filter_rules import (
    COUNTS,
    MEASURES,
    FilterConfig,
    Rejection,
    limits,
    out_of_scope,
    rejection,
)
from dataset_platform.kernels.web.published_rules import (
    OTHER_WORDS,
    UNSPACED_LANGUAGES,
    published_rules,
    stop_word_hashes,
)

__all__ = ["FilterConfig", "filter_documents", "measure", "measure_vector", "text_hash"]

_SCHEMA = FilteredDocuments.labelled_schema()
_COPIED = (
    *("doc_id", "source", "url", "warc_date", "language", "language_score"),
    *("file", "offset", "length", "offset_kind"),
)
_STOP_WORDS = MEASURES.index("stop_word_count")
_QUALITY = len(gopher.REPETITION)
_CLEANED = _QUALITY + len(gopher.QUALITY)
_FINEWEB = MEASURES.index(fineweb.MEASURES[0])
_CODE = MEASURES.index(code_text.MEASURES[0])
_MARKS = re.escape("".join(c for c in map(chr, range(0x300, 0x20000)) if unicodedata.combining(c)))
_LONG_RUN = re.compile(f"([{_MARKS}]{{30}})")


def text_hash(text: str) -> str:
    """xxh3-128 (32 hex digits) of the text in NFC, lower case, runs of whitespace as one space.

    Runs of more than 30 combining marks are parted first, as Unicode's stream-safe form parts them (UAX #15, 13): NFC
    takes time with the square of such a run.
    """
    if not text.isascii():
        text = _LONG_RUN.sub("\\1\u034f", text)
    return xxhash.xxh3_128_hexdigest(" ".join(unicodedata.normalize("NFC", text).lower().split()).encode())


def measure_vector(
    text: str, language: str, config: FilterConfig, html_bytes: int | None = None
) -> tuple[npt.NDArray[np.float64], c4.Cleaned]:
    """All measures of one document, as ``filter_rules.MEASURES`` names them, and its text after the line rules.

    NaN stands for a measure that the document has not: FineWeb's of a text without a line, ``text_html_ratio`` without
    ``html_bytes``.
    """
    split = words.split(text, letters=language in UNSPACED_LANGUAGES)
    published = published_rules(language) if config.published(language) else None
    vector = np.empty(len(MEASURES))
    vector[:_QUALITY] = gopher.repetition(split)
    vector[_QUALITY:_CLEANED] = gopher.quality(split, stop_word_hashes(language if published else None))
    if published is not None and language in OTHER_WORDS:
        vector[_STOP_WORDS] = gopher.contained(split, published.stop_words)
    cleaned = c4.clean(split, config.line_rules(language))
    vector[_CLEANED:_FINEWEB] = (
        cleaned.sentences,
        cleaned.lines_removed,
        *cleaned.page_marks,
        len(cleaned.codes),
    )
    unspaced = language in UNSPACED_LANGUAGES
    short = config.short_line_length_unspaced if unspaced else config.short_line_length
    vector[_FINEWEB:_CODE] = fineweb.measures(cleaned.codes, cleaned.tokens, short)
    vector[_CODE:] = code_text.measures(split, html_bytes)
    return vector, cleaned


def _named(vector: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Measures by name, counts as whole numbers; what is NaN is left out."""
    found = zip(MEASURES, vector.tolist(), strict=True)
    return {name: int(value) if name in COUNTS else value for name, value in found if value == value}


def measure(
    text: str, language: str, config: FilterConfig, html_bytes: int | None = None
) -> tuple[dict[str, Any], c4.Cleaned]:
    """All measures of one document by name, its cleaned text among them as ``text``; and the text after the line rules."""
    vector, cleaned = measure_vector(text, language, config, html_bytes)
    return {**_named(vector), "text": cleaned.text}, cleaned


class _Batch:
    """What becomes of the rows of one batch, column by column."""

    def __init__(self, size: int) -> None:
        self.measures = np.full((size, len(MEASURES)), np.nan)
        self.rejections: list[Rejection | None] = [None] * size
        self.texts: list[str | None] = [None] * size
        self.hashes: list[str | None] = [None] * size
        self.words: list[minhash.Hashes] = []
        self.kept: list[int] = []

    def judge(self, at: int, text: str, language: str, config: FilterConfig, html_bytes: int | None) -> None:
        vector, cleaned = measure_vector(text, language, config, html_bytes)
        self.measures[at] = vector
        rejected = self.rejections[at] = rejection(vector, limits(config, language))
        if rejected is None:
            self.texts[at] = kept = cleaned.text
            self.hashes[at] = text_hash(kept)
            self.words.append(cleaned.folded)
            self.kept.append(at)

    def columns(self, config: FilterConfig) -> dict[str, pa.Array]:
        """Every column of the labelled table that is not copied; text, hash and signature only of kept rows."""
        size = len(self.texts)
        rejected = self.rejections
        found = {
            "text": pa.array(self.texts, pa.string()),
            "text_hash": pa.array(self.hashes, pa.string()),
            "minhash": self._signatures(config),
            "reason": pa.array([r and r.reason for r in rejected], pa.string()),
            "measure": pa.array([r and r.measure for r in rejected], pa.float64()),
            "detail": pa.array([r and r.detail for r in rejected], pa.string()),
            "measures": pa.array([None if r is None else self._json(i) for i, r in enumerate(rejected)], pa.string()),
        }
        missing = np.isnan(self.measures)
        for column, name in enumerate(MEASURES):
            if name in _SCHEMA.names:
                # the text's length is one of the text, which rejected rows have not
                null = missing[:, column] if name != "text_length" else np.array([t is None for t in self.texts], bool)
                values = pa.array(np.where(null, 0, self.measures[:, column]), mask=null)
                found[name] = values.cast(_SCHEMA.field(name).type)
        for field in _SCHEMA:
            if field.name not in found and field.name not in _COPIED:
                found[field.name] = pa.nulls(size, field.type)
        return found

    def _json(self, at: int) -> str | None:
        measured = _named(self.measures[at])
        return json.dumps({k: round(v, 6) for k, v in measured.items()}) if measured else None

    def _signatures(self, config: FilterConfig) -> pa.Array:
        bounds = np.cumsum([0, *map(len, self.words)])
        hashes = np.concatenate([*self.words, np.empty(0, np.uint64)])
        signatures = minhash.signatures_of(hashes, bounds, config.minhash).astype("<u4", copy=False)
        column: list[bytes | None] = [None] * len(self.texts)
        for at, signature in zip(self.kept, signatures, strict=True):
            column[at] = signature.tobytes()
        return pa.array(column, pa.binary())


def _label(batch: pa.RecordBatch, config: FilterConfig) -> pa.RecordBatch:
    missing = [name for name in (*_COPIED, "text") if name not in batch.schema.names]
    if missing:
        raise InputError(f"Documents without the columns {', '.join(missing)}.", "Pass rows of web/documents.")
    rows = _Batch(batch.num_rows)
    languages, scores = (batch.column(name).to_pylist() for name in ("language", "language_score"))
    known = "html_bytes" in batch.schema.names
    sizes: Sequence[int | None] = batch.column("html_bytes").to_pylist() if known else [None] * batch.num_rows
    for at, (text, language, score, size) in enumerate(
        zip(batch.column("text"), languages, scores, sizes, strict=True)
    ):
        rows.rejections[at] = out_of_scope(language, score, config)
        if rows.rejections[at] is None:
            rows.judge(at, text.as_py(), language, config, size)
    found = rows.columns(config)
    columns = [batch.column(f.name).cast(f.type) if f.name in _COPIED else found[f.name] for f in _SCHEMA]
    return pa.RecordBatch.from_arrays(columns, schema=_SCHEMA)


def _filter(batches: Iterator[pa.RecordBatch], config: FilterConfig) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield _label(batch, config)


def filter_documents(config: FilterConfig) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The kernel: every row of ``web/documents`` comes out once, in order, kept or with the rule that rejected it.

    Kept rows carry the cleaned text, its length, hash and MinHash; on rejected rows these are null, and ``measures``
    has all that was measured as JSON, for ``rejections``. Measures are filled on every row that is within the language
    scope. Input columns the table does not have are ignored, but for ``html_bytes``.

    Raises:
        InputError: (while iterating) the batches lack a column of ``contracts.Documents``.
    """
    return partial(_filter, config=config)
