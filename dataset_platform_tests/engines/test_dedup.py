"""Deduplication over days: links, clusters, keepers and labels, held against a comparison of all pairs."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from dataset_platform.engines import dedup
from dataset_platform.engines.spark import map_in_arrow
from dataset_platform.kernels.web import minhash
from dataset_platform.kernels.web.duplicates import DedupConfig
from dataset_platform_tests.contracts.rows import doc_id
from dataset_platform_tests.engines.judged_days import EVERY_PAIR, Doc, head, judge, judge_days, table, tail, text


def all_pairs(docs: list[Doc], day: int, threshold: float = 0.8) -> dict[str, tuple[str, int]]:
    """Cluster (keeper, size as of the day) of each document of a day, from a comparison of all pairs."""
    known = [d for d in docs if d.day <= day]
    sets = {d.id: {tuple(d.text.lower().split()[i : i + 5]) for i in range(len(d.text.split()) - 4)} for d in known}
    group = {d.id: {d} for d in known}
    for i, a in enumerate(known):
        for b in known[:i]:
            shared = len(sets[a.id] & sets[b.id])
            if shared >= threshold * (len(sets[a.id]) + len(sets[b.id]) - shared):
                merged = group[a.id] | group[b.id]
                for member in merged:
                    group[member.id] = merged
    keeper = {d.id: min(group[d.id], key=lambda m: m.rank).id for d in known}
    return {d.id: (keeper[d.id], len(group[d.id])) for d in known if d.day == day}


def test_the_similarity_of_the_test_texts_is_what_it_is_meant_to_be() -> None:
    base = text(1)
    for replaced, expected in ((8, 92 / 108), (11, 89 / 111), (12, 88 / 112)):
        sets = [minhash.shingles(t) for t in (" ".join(base), tail(base, replaced))]
        assert minhash.jaccard(*sets) == pytest.approx(expected)


def test_exact_and_near_duplicates_are_linked_at_the_threshold_and_not_below() -> None:
    base = text(1)
    docs = [
        Doc(1, " ".join(base) + " longest"),
        Doc(2, tail(base, 11)),  # 0.80 with 5
        Doc(3, tail(base, 12, "u")),  # 0.79 with 5
        Doc(4, " ".join(base).upper() + "  \n "),  # the same after normalising, and longer than 5
        Doc(5, " ".join(base)),
        Doc(6, " ".join(text(2))),
    ]
    result = judge(None, docs, 0)
    assert {(a, b, k) for a, b, k, _ in result.links if k == "exact"} == {(doc_id(5), doc_id(4), "exact")}
    near = {frozenset((a, b)): j for a, b, k, j in result.links if k == "near"}
    # 5 is spoken for by its exact twin 4
    assert near == {
        frozenset((doc_id(1), doc_id(4))): pytest.approx(100 / 101),
        frozenset((doc_id(2), doc_id(4))): pytest.approx(89 / 111),
    }
    assert result.clusters == {**{doc_id(n): (doc_id(1), 4) for n in (1, 2, 4, 5)}} | {
        doc_id(n): (doc_id(n), 1) for n in (3, 6)
    }
    assert {n: result.labels[doc_id(n)][0] for n in range(1, 7)} == {
        1: None,
        2: "near_duplicate",
        3: None,
        4: "near_duplicate",
        5: "exact_duplicate",
        6: None,
    }


def test_every_duplicate_says_how_like_it_is_and_where_it_went() -> None:
    base = text(1)
    chained = [Doc(1, tail(base, 8)), Doc(2, " ".join(base[:-1]) + " a"), Doc(3, head(base, 8)), Doc(4, head(base, 8))]
    result = judge(None, chained, 0)
    keepers = {keeper for keeper, _ in result.clusters.values()}
    assert len(keepers) == 1
    for number in range(1, 5):
        reason, measure, detail = result.labels[doc_id(number)]
        if doc_id(number) in keepers:
            assert (reason, measure, detail) == (None, None, None)
        else:
            assert reason in ("exact_duplicate", "near_duplicate")
            assert measure is not None and 0.8 <= measure <= 1.0
            assert (measure == 1.0) == (reason == "exact_duplicate")
            assert detail == f"cluster of 4 kept as {keepers.copy().pop()}"


def test_a_duplicate_known_only_as_the_better_of_a_pair_has_a_measure_too() -> None:
    """On day 1 the longer 2 is linked to by 3, and only 3 is like the earlier 1."""
    base = text(1)
    docs = [Doc(1, tail(base, 8), 0), Doc(2, head(base, 8) + "longer" * 9, 1), Doc(3, " ".join(base), 1)]
    first, second = judge_days(None, docs)
    assert second.clusters == {doc_id(2): (doc_id(1), 3), doc_id(3): (doc_id(1), 3)}
    assert {n: second.labels[doc_id(n)][0] for n in (2, 3)} == {2: "near_duplicate", 3: "near_duplicate"}
    assert second.labels[doc_id(2)][1] == pytest.approx(91 / 109)


def test_the_keeper_is_of_the_earliest_day_then_longest_then_surest_then_smallest() -> None:
    cases = {
        "earliest day": [Doc(9, "", 0, 0.1), Doc(1, " longer", 1, 0.9)],
        "then longest": [Doc(19, " longer", 0, 0.1), Doc(11, "", 0)],
        "then surest language": [Doc(29, " x", 0, 0.9), Doc(21, " y", 0, 0.8)],
        "then smallest id": [Doc(31, " y", 0, 0.9), Doc(39, " x", 0, 0.9)],
        "exact copies alike": [Doc(41, "", 0, 0.9), Doc(49, "", 0, 0.9), Doc(45, "", 1, 1.0)],
    }
    expected, docs = {}, []
    for case, members in enumerate(cases.values()):
        body = " ".join(text(50 + case))
        docs += [replace(d, text=body + d.text) for d in members]
        expected |= {d.id: members[0].id for d in members}
    found = {d: keeper for result in judge_days(None, docs) for d, (keeper, _) in result.clusters.items()}
    assert found == expected


def test_a_chain_is_one_cluster_though_its_ends_are_unlike() -> None:
    base = text(1)
    docs = [Doc(1, tail(base, 8)), Doc(2, " ".join(base)), Doc(3, head(base, 8))]
    result = judge(None, docs, 0)
    assert {frozenset((a, b)) for a, b, _, _ in result.links} == {
        frozenset((doc_id(1), doc_id(2))),
        frozenset((doc_id(2), doc_id(3))),
    }
    assert {size for _, size in result.clusters.values()} == {3}
    assert len({keeper for keeper, _ in result.clusters.values()}) == 1


def test_a_later_day_joins_two_earlier_clusters_and_changes_neither_of_their_days() -> None:
    base = text(1)
    docs = [
        Doc(1, tail(base, 8), 0),
        Doc(2, tail(base, 8), 1),
        Doc(3, head(base, 8), 1),
        Doc(4, " ".join(base), 2),
        Doc(5, " ".join(text(9)), 2),
    ]
    results = judge_days(None, docs)
    assert results[0].clusters == {doc_id(1): (doc_id(1), 1)}
    assert results[1].clusters == {doc_id(2): (doc_id(1), 2), doc_id(3): (doc_id(3), 1)}
    assert results[2].clusters == {doc_id(4): (doc_id(1), 4), doc_id(5): (doc_id(5), 1)}
    assert results[2].labels[doc_id(5)] == (None, None, None)


def corpus(seed: int, count: int = 70, days: int = 4) -> list[Doc]:
    """Originals, copies of copies with some words changed at either end, and copies in another case, over some days."""
    draw = random.Random(seed)
    bodies = [text(n, draw.randrange(60, 140)) for n in range(12)]
    docs = []
    for number in range(count):
        body = list(draw.choice(bodies))
        kind = draw.random()
        if kind < 0.5:
            for _ in range(draw.randrange(1, 9)):
                body[draw.choice([0, -1]) if draw.random() < 0.3 else draw.randrange(-6, 6)] = f"c{draw.randrange(40)}"
            bodies.append(body)
        words_of = " ".join(body)
        docs.append(
            Doc(
                number * 7919 % 1009,
                words_of.upper() if kind > 0.85 else words_of,
                draw.randrange(days),
                draw.choice([0.7, 0.8, 0.9]),
            )
        )
    return docs


def test_days_one_by_one_give_what_a_comparison_of_all_pairs_gives() -> None:
    docs = corpus(1, days=3)
    for day, result in enumerate(judge_days(None, docs)):
        assert result.clusters == all_pairs(docs, day)
        assert {d: label[0] is None for d, label in result.labels.items()} == {
            d: keeper == d for d, (keeper, _) in result.clusters.items()
        }
        assert {d for d, label in result.labels.items() if label[1] is None} == {
            d for d, label in result.labels.items() if label[0] is None
        }


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_rows_changes_nothing(seed: int) -> None:
    docs = corpus(2)
    assert judge_days(None, random.Random(seed).sample(docs, len(docs))) == judge_days(None, docs)


@pytest.mark.parametrize(("threshold", "sizes"), [(0.75, {2}), (0.9, {1})])
def test_the_threshold_of_the_settings_decides(threshold: float, sizes: set[int]) -> None:
    base = text(1)
    docs = [Doc(1, " ".join(base)), Doc(2, tail(base, 12))]  # 0.786
    config = EVERY_PAIR.model_copy(update={"jaccard_threshold": threshold})
    assert {s for _, s in judge(None, docs, 0, config=config).clusters.values()} == sizes


def test_candidates_that_share_a_band_by_chance_are_not_joined() -> None:
    base = text(1)
    docs = [Doc(n, tail(base, 30, f"t{n}x")) for n in range(6)]  # 0.54 with each other: candidates, no duplicates
    result = judge(None, docs, 0)
    assert result.links == set()
    assert {s for _, s in result.clusters.values()} == {1}


def test_a_bucket_beyond_the_cap_still_becomes_one_cluster() -> None:
    base = text(1)
    docs = [Doc(n, " ".join([*base[:-1], f"end{n}"]), day=n % 2) for n in range(30)]
    config = DedupConfig(max_bucket=5, bucket_hubs=2)
    results = judge_days(None, docs, config=config)
    assert {size for _, size in results[1].clusters.values()} == {30}
    assert len({keeper for r in results for keeper, _ in r.clusters.values()}) == 1
    uncapped = judge_days(None, docs)
    assert [r.clusters for r in results] == [r.clusters for r in uncapped]
    assert len(results[1].links) < len(uncapped[1].links)


def test_a_record_that_lands_again_on_a_later_day_is_rejected_and_changes_no_cluster() -> None:
    base = text(1)
    first_time = Doc(1, " ".join(base), 0)
    docs = [first_time, Doc(1, " ".join(base), 1), Doc(3, tail(base, 8), 1), Doc(4, " ".join(text(4)), 1)]
    _, second = judge_days(None, docs)
    assert {d: label[0] for d, label in second.labels.items()} == {
        doc_id(1): "duplicate_record",
        doc_id(3): "near_duplicate",
        doc_id(4): None,
    }
    assert second.clusters[doc_id(3)] == (doc_id(1), 2)
    assert {(a, b) for a, b, _, _ in second.links} == {(doc_id(3), doc_id(1))}


def pairs_of(count: int, today: list[int], config: DedupConfig) -> set[tuple[str, str]]:
    ids = [[doc_id(n) for n in range(count)]]
    flags = [[n in today for n in range(count)]]
    batch = pa.RecordBatch.from_pydict({"ids": ids, "today": flags})
    rows = [r for out in dedup.pair_kernel(config)(iter([batch, batch.slice(0, 0)])) for r in out.to_pylist()]
    assert len({(r["a"], r["b"]) for r in rows}) == len(rows)
    return {(r["a"], r["b"]) for r in rows}


def test_a_bucket_pairs_all_with_all_that_concern_today() -> None:
    pairs = pairs_of(5, [1, 4], DedupConfig())
    expected = {(a, b) for a in range(5) for b in range(a + 1, 5) if {a, b} & {1, 4}}
    assert pairs == {(doc_id(a), doc_id(b)) for a, b in expected}


def test_a_bucket_beyond_the_cap_pairs_all_with_the_hubs() -> None:
    config = DedupConfig(max_bucket=5, bucket_hubs=2)
    assert len(pairs_of(5, list(range(5)), config)) == 10
    pairs = pairs_of(6, list(range(6)), config)
    expected = {(a, b) for a in range(2) for b in range(a + 1, 6)}
    assert pairs == {(doc_id(a), doc_id(b)) for a, b in expected}


def test_every_band_of_a_signature_has_its_key(spark: SparkSession) -> None:
    rows = table([Doc(n, " ".join(text(n))) for n in range(5)]).select(["doc_id", "minhash"])
    docs = spark.createDataFrame(rows).repartition(3)
    for config in (DedupConfig(), EVERY_PAIR, DedupConfig(bands=10, rows=8)):
        found = map_in_arrow(docs, dedup.band_kernel(config), dedup.BANDS).collect()
        packed = map_in_arrow(docs, dedup.key_kernel(config), dedup.KEYS)
        assert sorted(map_in_arrow(packed, dedup.band_kernel(config), dedup.BANDS).collect()) == sorted(found)
        assert len(found) == 5 * config.bands
        for row in rows.to_pylist():
            signature = np.frombuffer(row["minhash"], "<u4")[None, :]
            keys = minhash.band_keys(signature, config.bands, config.rows)[0] & np.uint64(2**48 - 1)
            assert sorted(r["band_key"] for r in found if r["doc_id"] == row["doc_id"]) == sorted(keys.tolist())


def test_spark_and_memory_give_the_same_links_clusters_and_labels(spark: SparkSession) -> None:
    docs = corpus(5, count=40, days=3)
    docs.append(replace(next(d for d in docs if d.day == 0), day=2))
    shuffled = random.Random(3).sample(docs, len(docs))
    assert judge_days(spark, shuffled, parts=5) == judge_days(None, docs)


def test_spark_and_memory_agree_beyond_the_cap_of_a_bucket(spark: SparkSession) -> None:
    base = text(1)
    docs = [Doc(n, tail(base, 3, f"r{n}x"), day=n % 2) for n in range(40)]
    capped = EVERY_PAIR.model_copy(update={"max_bucket": 8, "bucket_hubs": 2})
    assert judge_days(spark, docs, config=capped) == judge_days(None, docs, config=capped)
