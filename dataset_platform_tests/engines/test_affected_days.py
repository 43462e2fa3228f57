"""Which later days a change affects: none that comes out otherwise is passed over; Spark names the same as memory."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from dataset_platform.engines import affected_days as on_spark
from dataset_platform.kernels.web import affected_days as kernel
from dataset_platform.kernels.web.duplicates import DedupConfig
from dataset_platform_tests.engines.judged_days import EVERY_PAIR, FIRST, INDEX, Doc, Result, judge, judge_days, text

SETTINGS = [DedupConfig(), EVERY_PAIR, DedupConfig(max_bucket=3, bucket_hubs=1)]


def drawn(seed: int, count: int = 40, days: int = 5) -> list[Doc]:
    """Originals, copies with some words replaced, exact copies and records that land again, over some days."""
    draw = random.Random(seed)
    bodies = [text(n, 60) for n in range(7)]
    docs = []
    for number in range(count):
        words = list(draw.choice(bodies))
        if draw.random() < 0.6:
            for _ in range(draw.randrange(1, 5)):
                words[draw.randrange(-4, 4)] = f"c{draw.randrange(30)}"
            bodies.append(words)
        docs.append(Doc(number, " ".join(words), draw.randrange(days), draw.choice([0.7, 0.8])))
        if draw.random() < 0.1:
            docs.append(replace(docs[-1], day=draw.randrange(days)))
    return list({(d.number, d.day): d for d in docs}.values())


def changed(seed: int, docs: list[Doc], day: int) -> list[Doc]:
    """Other documents on one day: some have gone, some have another score or text, one came."""
    draw = random.Random(seed)
    kept = [d for d in docs if d.day != day or draw.random() < 0.8]
    edits: dict[str, Any] = {"score": 0.75, "text": draw.choice(docs).text}
    for at, doc in enumerate(kept):
        if doc.day == day and draw.random() < 0.2:
            name = draw.choice(sorted(edits))
            kept[at] = replace(doc, **{name: edits[name]})
    return [*kept, Doc(999, draw.choice(docs).text, day)] if draw.random() < 0.5 else kept


def rows_of(results: dict[int, Result]) -> tuple[pa.Table, pa.Table]:
    """Index rows, and links with their days."""
    index = [row for r in results.values() for row in r.index.values()]
    links = [
        {"doc_id": a, "linked_doc_id": b, "ingestion_date": FIRST + timedelta(days=day)}
        for day, r in results.items()
        for a, b, *_ in sorted(r.links)
    ]
    return pa.Table.from_pylist(index, schema=INDEX), pa.Table.from_pylist(links, schema=kernel.EDGES)


def situation(seed: int, config: DedupConfig) -> tuple[int, list[Result], Result, kernel.Others, list[Doc]]:
    """A day, what all days left, what the day leaves after a change, what lies on other days, and all documents."""
    docs = drawn(seed)
    results = judge_days(None, docs, config=config)
    day = random.Random(seed).randrange(len(results) - 1)
    docs = changed(seed, docs, day)
    now = judge(None, docs, day, results[:day], config=config)
    later = {n: r for n, r in enumerate(results) if n > day}
    members = [{"doc_id": d.id, "ingestion_date": FIRST + timedelta(days=d.day)} for d in docs if d.day > day]
    others = kernel.Others(
        documents=pa.Table.from_pylist(members, schema=kernel.MEMBERS),
        index=rows_of(later)[0],
        links=rows_of({n: r for n, r in enumerate(results) if n != day})[1],
    )
    return day, results, now, others, docs


@pytest.mark.parametrize("config", SETTINGS, ids=["default", "every pair", "hubs"])
def test_a_day_that_would_come_out_otherwise_is_always_named(config: DedupConfig) -> None:
    differing = named = later = 0
    for seed in range(24):
        day, results, now, others, docs = situation(seed, config)
        before, after = (kernel.State(*rows_of({day: r})) for r in (results[day], now))
        found = kernel.affected_days(FIRST + timedelta(days=day), before, after, others, config.bands, None)
        affected = {(d - FIRST).days for d in found}
        for other in range(day + 1, len(results)):
            state = [now if n == day else results[n] for n in range(other)]
            differs = judge(None, docs, other, state, config=config) != results[other]
            assert not differs or other in affected, (seed, day, other)
            differing += differs
        named += len(affected)
        later += len(results) - day - 1
    assert differing > 8
    assert named < later  # not all days, always
    assert differing > 0.6 * named  # few are named in vain


def test_what_did_not_change_affects_nothing() -> None:
    day, results, _, others, _ = situation(0, DedupConfig())
    state = kernel.State(*rows_of({day: results[day]}))
    assert kernel.affected_days(FIRST + timedelta(days=day), state, state, others, 14, None) == []


def test_a_window_ends_what_a_change_affects() -> None:
    for seed in range(8):
        day, results, now, others, _ = situation(seed, EVERY_PAIR)
        before, after = (kernel.State(*rows_of({day: r})) for r in (results[day], now))
        this = FIRST + timedelta(days=day)
        wide, narrow = (kernel.affected_days(this, before, after, others, EVERY_PAIR.bands, w) for w in (None, 1))
        assert set(narrow) <= set(wide) & {this + timedelta(days=1)}


@pytest.mark.parametrize("in_memory_edges", [10**6, 0])
def test_spark_names_the_days_that_memory_names(spark: SparkSession, in_memory_edges: int) -> None:
    for seed in range(60):
        day, results, now, others, _ = situation(seed, EVERY_PAIR)
        this = FIRST + timedelta(days=day)
        (index_before, links_before), (index_after, links_after) = (rows_of({day: r}) for r in (results[day], now))
        states = kernel.State(index_before, links_before), kernel.State(index_after, links_after)
        expected = kernel.affected_days(this, *states, others, EVERY_PAIR.bands, None)
        if 0 < len(expected) < len(results) - day - 1:
            break
    frames = (index_before, index_after, links_before, links_after, others.documents, others.index, others.links)
    change = on_spark.Change(*(spark.createDataFrame(f) for f in frames))
    found = on_spark.affected_days(spark, this, change, EVERY_PAIR, in_memory_edges)
    assert 0 < len(expected) < len(results) - day - 1
    assert found == expected if in_memory_edges else set(found) >= set(expected)
