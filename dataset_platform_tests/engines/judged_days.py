"""Documents over days, judged in memory or on Spark, each day on what those before it left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from dataset_platform.contracts import SignatureIndex
from dataset_platform.engines import dedup
from dataset_platform.kernels.web import duplicates, minhash, words
from dataset_platform.kernels.web.duplicates import DedupConfig
from dataset_platform.kernels.web.filters import text_hash
from dataset_platform_tests.contracts.rows import doc_id

# two values a band make every pair at 0.8 a candidate, so that what is found can be held against all pairs
EVERY_PAIR = DedupConfig(bands=56, rows=2)
FIRST = date(2026, 1, 1)


@dataclass(frozen=True)
class Doc:
    """A document: its number is its id, its day counts from the first."""

    number: int
    text: str
    day: int = 0
    score: float = 0.9

    @property
    def id(self) -> str:
        return doc_id(self.number)

    @property
    def rank(self) -> tuple[Any, ...]:
        return (self.day, -len(self.text), -self.score, self.id)

    def row(self) -> dict[str, Any]:
        signature = minhash.signature(minhash.word_hashes(words.split(self.text)))
        return {
            "doc_id": self.id,
            "text_hash": text_hash(self.text),
            "text_digest": len(self.text),
            "minhash": signature.astype("<u4").tobytes(),
            "text_length": len(self.text),
            "language_score": self.score,
            "ingestion_date": FIRST + timedelta(days=self.day),
            "text": self.text,
        }


def text(seed: int, count: int = 104) -> list[str]:
    """Words that no other seed has: ``count`` words have ``count - 4`` shingles."""
    return [f"w{seed}x{n}" for n in range(count)]


def tail(base: list[str], replaced: int, by: str = "t") -> str:
    """The text with its last words replaced: that many of its shingles are others."""
    return " ".join([*base[: len(base) - replaced], *(f"{by}{n}" for n in range(replaced))])


def head(base: list[str], replaced: int) -> str:
    return " ".join([*(f"h{n}" for n in range(replaced)), *base[replaced:]])


ROWS = pa.schema(
    [pa.field(f.name, f.type) for f in SignatureIndex.arrow_schema()]
    + [pa.field("minhash", pa.binary()), pa.field("text", pa.string())]
)
INDEX = pa.schema([ROWS.field(name) for name in (*duplicates.INDEX, "ingestion_date")])
LINKS = "doc_id string, linked_doc_id string, kind string, jaccard double"
Link = tuple[str, str, str, float]
Rows = list[dict[str, Any]]


def table(docs: Iterable[Doc]) -> pa.Table:
    return pa.Table.from_pylist([d.row() for d in docs], schema=ROWS)


@dataclass
class Result:
    """One day: its links, for each of its documents the cluster (keeper, size) and the label, and its index rows."""

    links: set[Link]
    clusters: dict[str, tuple[str, int]]
    labels: dict[str, tuple[str | None, float | None, str | None]]
    index: dict[str, dict[str, Any]]


def judge(
    engine: SparkSession | None,
    docs: list[Doc],
    day: int,
    before: Sequence[Result] = (),
    config: DedupConfig = EVERY_PAIR,
    parts: int = 2,
) -> Result:
    """Judge one day on what earlier ones left: in memory, or on Spark where a session is given."""
    links = sorted(link for r in before for link in r.links)
    state = pa.Table.from_pylist([row for r in before for row in r.index.values()], schema=INDEX)
    text_of = {d.id: d.text for d in sorted(docs, key=lambda d: -d.day) if d.day <= day}
    todays = [d for d in docs if d.day == day]
    if engine is None:
        found, labelled, index = judge_in_memory(todays, state, links, text_of, config)
    else:
        found, labelled, index = judge_in_spark(engine, todays, state, links, text_of, config, parts)
    assert len(labelled) == len(todays)
    return Result(
        {(r["doc_id"], r["linked_doc_id"], r["kind"], r["jaccard"]) for r in found},
        {r["doc_id"]: (r["cluster_id"], r["cluster_size"]) for r in labelled},
        {r["doc_id"]: (r["reason"], r["measure"], r["detail"]) for r in labelled},
        {r["doc_id"]: {**r, "ingestion_date": FIRST + timedelta(days=day)} for r in index},
    )


def judge_in_memory(
    todays: list[Doc], state: pa.Table, links: list[Link], text_of: dict[str, str], config: DedupConfig
) -> tuple[Rows, Rows, Rows]:
    schema = pa.schema([("doc_id", pa.string()), ("linked_doc_id", pa.string())])
    old = pa.table([[a for a, *_ in links], [b for _, b, *_ in links]], schema=schema)

    def texts(wanted: pa.Table) -> list[str]:
        return [text_of[doc] for doc in wanted.column("doc_id").to_pylist()]

    judged = duplicates.judge(
        table(todays).select(duplicates.TODAY), state.select(duplicates.EARLIER), old, texts, config
    )
    return judged.links.to_pylist(), judged.verdicts.to_pylist(), judged.index.to_pylist()


def judge_in_spark(
    spark: SparkSession,
    todays: list[Doc],
    state: pa.Table,
    links: list[Link],
    text_of: dict[str, str],
    config: DedupConfig,
    parts: int,
) -> tuple[Rows, Rows, Rows]:
    documents = spark.createDataFrame(table(todays)).repartition(parts).localCheckpoint()
    texts = [(doc, text, FIRST) for doc, text in text_of.items()]
    inputs = dedup.DayInputs(
        today=documents.select(*duplicates.TODAY),
        earlier=dedup.first_landing(spark.createDataFrame(state).select(*duplicates.EARLIER).repartition(parts)),
        texts=spark.createDataFrame(texts, "doc_id string, text string, ingestion_date date").repartition(parts),
        links=spark.createDataFrame(links, LINKS).select("doc_id", "linked_doc_id"),
    )
    inputs, landed = dedup.without_landed(inputs)
    found = dedup.find_links(inputs, config).localCheckpoint()
    labelled = dedup.label_duplicates(documents, dedup.clusters(spark, inputs, found), found, landed)
    index = dedup.index_rows(inputs, found, config)
    rows = ([{k: _plain(v) for k, v in r.asDict().items()} for r in f.collect()] for f in (found, labelled, index))
    return tuple(rows)  # type: ignore[return-value]


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, bytearray) else value


def judge_days(engine: SparkSession | None, docs: list[Doc], **options: Any) -> list[Result]:
    """Judge the days in order, each on what those before it left."""
    results: list[Result] = []
    for day in range(max(d.day for d in docs) + 1):
        results.append(judge(engine, docs, day, results, **options))
    return results
