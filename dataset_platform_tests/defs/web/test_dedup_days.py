"""Days of the corpus that are made again: which later days are marked, and what they come to once they are made."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dataset_platform.contracts import (
    DedupedCorpus,
    DuplicateLinks,
    FilteredDocuments,
    Rejections,
    SignatureIndex,
    SpanIndex,
)
from dataset_platform.defs.web import dedup, dedup_state
from dataset_platform.errors import StateError
from dataset_platform.kernels.web.components import connected_components
from dataset_platform.kernels.web.line_duplicates import SpanConfig
from dataset_platform.lake import outdated_days, receipts
from dataset_platform_tests.contracts.rows import doc_id
from dataset_platform_tests.defs.web.corpus_lake import STAGE, CorpusLake, Page, all_at_once, day_key

Days = dict[str, list[Page]]
D = [day_key(n) for n in range(6)]


def body(seed: int, count: int = 104) -> list[str]:
    return [f"w{seed}x{n}" for n in range(count)]


def text(seed: int, **edits: int) -> str:
    """A text of 100 shingles that no other seed has, with some words at its ``head`` or ``tail`` replaced."""
    words = body(seed)
    head, tail = edits.get("head", 0), edits.get("tail", 0)
    return " ".join(
        [*(f"h{seed}y{n}" for n in range(head)), *words[head : 104 - tail], *(f"t{seed}y{n}" for n in range(tail))]
    )


def settle(lake: CorpusLake, keys: Sequence[str], draw: random.Random | None = None) -> list[str]:
    """Make outdated days again until there are none, in order or in drawn order; the days, as they were made."""
    made: list[str] = []
    while waiting := sorted(outdated_days.marks(lake.settings.lake, STAGE)):
        assert set(waiting) <= set(keys)
        chosen = draw.choice(waiting) if draw else waiting[0]
        lake.make(chosen)
        made.append(chosen)
        assert len(made) < 60
    return made


@pytest.fixture
def days() -> Days:
    """1 and 2 are alike; 3 is an exact copy; 4 lands again; 5 and 6 are a pair of their own; 7 stands alone."""
    return {
        D[0]: [Page(1, text(1)), Page(4, text(4)), Page(10, text(10))],
        D[1]: [Page(2, text(1, tail=8)), Page(5, text(5))],
        D[2]: [Page(3, text(1).upper()), Page(6, text(5, tail=5))],
        D[3]: [Page(4, text(4)), Page(8, text(8))],
        D[4]: [Page(7, text(7))],
        D[5]: [Page(9, text(10, head=6))],
    }


@pytest.mark.parametrize(
    ("changed", "pages", "named"),
    [
        ("nothing", [Page(1, text(1)), Page(4, text(4)), Page(10, text(10))], []),
        ("order of rows", [Page(10, text(10)), Page(1, text(1)), Page(4, text(4))], []),
        ("a page of its own comes", [Page(1, text(1)), Page(4, text(4)), Page(10, text(10)), Page(11, text(11))], []),
        ("a near and exact original goes", [Page(4, text(4)), Page(10, text(10))], [D[1], D[2]]),
        ("its language score changes", [Page(1, text(1), 0.8), Page(4, text(4)), Page(10, text(10))], [D[1], D[2]]),
        ("a record that lands again goes", [Page(1, text(1)), Page(10, text(10))], [D[3]]),
        ("a near original changes", [Page(1, text(1)), Page(4, text(4)), Page(10, text(11))], [D[5]]),
        (
            "a copy of a later pair comes",
            [Page(1, text(1)), Page(4, text(4)), Page(10, text(10)), Page(12, text(5))],
            [D[1], D[2]],
        ),
        ("all go", [], [D[1], D[2], D[3], D[5]]),
    ],
)
def test_the_later_days_that_a_change_affects_are_named_and_no_others(
    tmp_path: Path, days: Days, changed: str, pages: list[Page], named: list[str]
) -> None:
    lake = all_at_once(tmp_path / "lake", days)
    lake.land(D[0], pages)
    outcome, metadata = lake.make(D[0])
    warning = next(f for f in outcome.findings if f.name == "later_days_current")
    assert lake.outdated(D[0]) == named == warning.details.get("outdated_days", [])
    assert warning.severity == "WARN"
    if named:
        command = f"dataset-platform materialize web/deduped_corpus --partitions {named[0]}"
        assert command in warning.message
        if pages:
            assert (metadata["outdated_days"], metadata["make_again"]) == (named, warning.details["command"])
    for key in D[1:]:
        assert (key in lake.outdated(key)) == (key in named)
        assert all(f.passed for f in lake.check(key).values() if f.severity == "ERROR")
    assert lake.make_all(D, only_stale=True) == named
    assert not any(lake.outdated(key) for key in D)
    assert lake.state() == all_at_once(tmp_path / "fresh", days | {D[0]: pages}).state()


def test_a_chain_of_links_carries_a_change_to_days_that_share_nothing_with_it(tmp_path: Path) -> None:
    """0 – 1 – 2 – 3 by links found on days 1, 2 and 3; the texts of 0 and 3 are unlike."""
    steps = [text(1), text(1, tail=8), text(1, tail=8, head=8)]
    days = {D[0]: [Page(0, steps[0])], D[1]: [Page(1, steps[1])], D[2]: [Page(2, steps[2])], D[3]: [Page(3, steps[2])]}
    lake = all_at_once(tmp_path / "lake", days)
    assert {r["linked_doc_id"] for r in lake.rows(DuplicateLinks, D[3])} == {doc_id(2)}
    sizes = [r["detail"].split()[2] for key in D[1:4] for r in lake.rows(Rejections, key)]
    assert sizes == ["2", "3", "4"]
    lake.land(D[0], [])
    lake.make(D[0])
    assert lake.outdated(D[0]) == D[1:4]
    settle(lake, D)
    assert lake.state() == all_at_once(tmp_path / "fresh", days | {D[0]: []}).state()


def test_a_link_that_is_found_later_does_not_carry_a_change_back(tmp_path: Path) -> None:
    """Day 1 stands apart from day 0 until day 2 connects them: what day 1 says does not depend on day 0."""
    days = {D[0]: [Page(0, text(1, tail=8))], D[1]: [Page(1, text(1, head=8))], D[2]: [Page(2, text(1))]}
    lake = all_at_once(tmp_path / "lake", days)
    assert lake.rows(Rejections, D[2])[0]["detail"].startswith("cluster of 3")
    lake.land(D[0], [Page(0, text(1, tail=8), score=0.7)])
    lake.make(D[0])
    shared = [r["band_keys"] for key in D[:2] for r in lake.rows(SignatureIndex, key)]
    assert lake.outdated(D[0]) == ([D[2]] if not _share_a_key(*shared) else D[1:3])
    settle(lake, D)
    assert lake.state() == all_at_once(tmp_path / "fresh", days | {D[0]: [Page(0, text(1, tail=8), score=0.7)]}).state()


def _share_a_key(a: bytes, b: bytes) -> bool:
    return any(a[i : i + 6] == b[i : i + 6] for i in range(0, len(a), 6))


def drawn_days(draw: random.Random, count: int = 40, days: int = 5) -> Days:
    """Originals, edited and exact copies of copies, and records that land again, over some days."""
    texts = [text(seed) for seed in range(6)]
    found: Days = {day_key(n): [] for n in range(days)}
    for number in range(count):
        words = draw.choice(texts).split()
        kind = draw.random()
        if kind < 0.6:
            for _ in range(draw.randrange(1, 7)):
                words[draw.randrange(-5, 5)] = f"c{draw.randrange(30)}"
            texts.append(" ".join(words))
        page = Page(number, " ".join(words).upper() if kind > 0.9 else " ".join(words), draw.choice([0.7, 0.8, 0.9]))
        for key in draw.sample(sorted(found), 2 if draw.random() < 0.1 else 1):
            found[key].append(page)
    return found


def edited(draw: random.Random, pages: list[Page], spare: list[Page]) -> list[Page]:
    """Some pages go, some change, some come."""
    kept = [p for p in pages if draw.random() < 0.7]
    kept = [Page(p.number, p.text, 0.75) if draw.random() < 0.15 else p for p in kept]
    kept = [Page(p.number, p.text.lower().replace(" ", "  ", 1)) if draw.random() < 0.15 else p for p in kept]
    known = {p.number for p in kept}
    return kept + [p for p in draw.sample(spare, 3) if p.number not in known]


@pytest.mark.parametrize("options", [{}, {"window_days": 2}, {"bands": 56, "rows": 2}], ids=["all", "window", "keys"])
@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 6))])
def test_whatever_changes_and_in_whatever_order_days_are_made_again_it_ends_as_all_at_once(
    tmp_path: Path, seed: int, options: dict[str, Any]
) -> None:
    draw = random.Random(seed)
    days = drawn_days(draw)
    lake = all_at_once(tmp_path / "lake", days, **options)
    spare = drawn_days(random.Random(seed), count=60)[day_key(0)]
    for _ in range(3):
        changed = sorted(draw.sample(sorted(days), draw.choice([1, 1, 2])))
        for key in changed:
            days[key] = edited(draw, days[key], spare)
            lake.land(key, days[key])
        for key in changed:
            lake.make(key)
        settle(lake, sorted(days), draw)
    fresh = all_at_once(tmp_path / "fresh", days, **options)
    assert lake.state() == fresh.state()
    assert lake.make_all(sorted(days), only_stale=True) == []
    assert_no_cluster_is_removed_whole(lake)


def assert_no_cluster_is_removed_whole(lake: CorpusLake) -> None:
    links = lake.rows(DuplicateLinks)
    nodes, labels = connected_components(
        pa.array([r["doc_id"] for r in links]).to_numpy(zero_copy_only=False),
        pa.array([r["linked_doc_id"] for r in links]).to_numpy(zero_copy_only=False),
    )
    kept = {r["doc_id"] for r in lake.rows(DedupedCorpus)}
    assert len(nodes)
    for label in set(labels.tolist()):
        assert kept & {n for n, one in zip(nodes.tolist(), labels.tolist(), strict=True) if one == label}
    rejected = {r["doc_id"] for r in lake.rows(Rejections) if r["reason"] != "duplicate_record"}
    assert rejected <= set(nodes.tolist())


def test_a_day_that_is_made_before_its_turn_is_named_again(tmp_path: Path) -> None:
    """Day 0 changes; 2 is made before 1, then 1, then 2 once more because 1 has changed under it."""
    days = {D[0]: [Page(0, text(1))], D[1]: [Page(1, text(1, tail=8))], D[2]: [Page(2, text(1, tail=8, head=8))]}
    lake = all_at_once(tmp_path / "lake", days)
    days[D[0]] = []
    lake.land(D[0], [])
    lake.make(D[0])
    assert lake.outdated(D[0]) == [D[1], D[2]]
    lake.make(D[2])
    assert lake.outdated(D[0]) == [D[1]]
    lake.make(D[1])
    assert lake.outdated(D[0]) == []
    assert lake.outdated(D[1]) == [D[2]]
    lake.make(D[2])
    assert lake.state() == all_at_once(tmp_path / "fresh", days).state()


def test_an_earlier_day_that_comes_late_names_the_days_it_affects(tmp_path: Path, days: Days) -> None:
    late = days.pop(D[0])
    lake = all_at_once(tmp_path / "lake", days)
    lake.land(D[0], late)
    lake.make(D[0])
    assert lake.outdated(D[0]) == [D[1], D[2], D[3], D[5]]
    settle(lake, D)
    assert lake.state() == all_at_once(tmp_path / "fresh", days | {D[0]: late}).state()


def test_a_run_that_dies_before_it_publishes_leaves_its_marks(
    tmp_path: Path, days: Days, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = all_at_once(tmp_path / "lake", days)
    days[D[0]] = days[D[0]][1:]
    lake.land(D[0], days[D[0]])

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    table = type(lake.table(SignatureIndex))
    for name in ("replace_partition", "replace_partition_from_batches"):
        with monkeypatch.context() as patch:
            patch.setattr(table, name, die)
            with pytest.raises(KeyboardInterrupt):
                lake.make(D[0])
        assert sorted(outdated_days.marks(lake.settings.lake, STAGE)) == [D[1], D[2]]
        assert receipts.read(lake.settings.lake, STAGE, D[0]) is None
    lake.make(D[0])
    assert lake.outdated(D[0]) == [D[1], D[2]]
    settle(lake, D)
    assert lake.state() == all_at_once(tmp_path / "fresh", days).state()


def test_a_day_is_not_published_when_one_that_it_was_judged_on_was_made_again_meanwhile(
    tmp_path: Path, days: Days, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = all_at_once(tmp_path / "lake", days)
    judge = dedup.judge_in_memory
    before = lake.state()

    def meanwhile(day: Any, state: Any, path: str) -> Any:
        left = judge(day, state, path)
        if day.key == D[2]:
            CorpusLake(tmp_path / "lake").make(D[0])
        return left

    monkeypatch.setattr(dedup, "judge_in_memory", meanwhile)
    with pytest.raises(StateError, match=f"made again while {D[2]} was judged"):
        lake.make(D[2])
    monkeypatch.undo()
    lake.make(D[2])
    assert lake.state() == before


def test_the_receipt_of_a_day_does_not_grow_with_the_days_before_it(tmp_path: Path, days: Days) -> None:
    lake = all_at_once(tmp_path / "lake", days)
    sizes = {len(receipts.read(lake.settings.lake, STAGE, key).inputs) for key in D}  # type: ignore[union-attr]
    assert len(sizes) == 1


def test_a_day_before_the_first_is_left_out_and_a_first_day_that_moves_makes_days_stale(
    tmp_path: Path, days: Days
) -> None:
    all_at_once(tmp_path / "lake", days)
    later = CorpusLake(tmp_path / "lake", first_day=date.fromisoformat(D[1]))
    assert later.make_all(D[1:], only_stale=True) == D[1:]
    assert later.make_all(D[1:], only_stale=True) == []
    days.pop(D[0])
    fresh = all_at_once(tmp_path / "fresh", days)
    for contract in (DedupedCorpus, SignatureIndex, DuplicateLinks, Rejections):
        assert [r for r in later.rows(contract) if r["ingestion_date"].isoformat() > D[0]] == fresh.rows(contract)
    assert CorpusLake(tmp_path / "lake").make_all(D, only_stale=True) == D[1:]


# lakes that are not what they should be


def test_an_index_of_an_earlier_version_is_refused_with_the_way_out(tmp_path: Path, days: Days) -> None:
    from deltalake import DeltaTable

    lake = CorpusLake(tmp_path / "lake")
    lake.land(D[0], days[D[0]])
    schema = pa.schema([f.with_nullable(True) for f in SignatureIndex.arrow_schema() if f.name != "band_keys"])
    old = lake.table(SignatureIndex)
    DeltaTable.create(old.url, pa.schema([*schema, pa.field("minhash", pa.binary())]), partition_by=["ingestion_date"])
    with pytest.raises(StateError) as raised:
        lake.make(D[0])
    assert "minhash: no longer declared" in raised.value.message
    assert f"mv {old.url} {old.url}.old" in raised.value.hint
    assert f"dataset-platform materialize web/deduped_corpus --partitions {D[0]}:{D[0]}" in raised.value.hint


def test_a_lost_index_and_other_signatures_are_refused_by_day(tmp_path: Path, days: Days) -> None:
    lake = all_at_once(tmp_path / "lake", days)
    with pytest.raises(StateError, match=rf"of {D[0]} was made with other signatures .* --partitions {D[0]}:{D[2]}"):
        CorpusLake(tmp_path / "lake", window_days=9).make(D[2])
    lake.table(SignatureIndex).clear_partition({"ingestion_date": D[1]})
    with pytest.raises(StateError, match=rf"of {D[1]} has 0 of its 2 documents in web/signature_index"):
        lake.make(D[2])
    lake.make(D[1])
    lake.make(D[2])


def test_a_day_is_not_judged_on_one_whose_documents_have_changed(tmp_path: Path, days: Days) -> None:
    lake = all_at_once(tmp_path / "lake", days)
    lake.land(D[1], [])
    with pytest.raises(StateError, match=rf"of {D[1]} was made from other filtered documents .* {D[1]}:{D[3]}"):
        lake.make(D[3])


def test_a_day_waits_for_an_earlier_one_that_was_never_made(tmp_path: Path, days: Days) -> None:
    lake = CorpusLake(tmp_path / "lake")
    for key in D[:3]:
        lake.land(key, days[key])
    lake.make(D[0])
    with pytest.raises(StateError, match=rf"no corpus yet: {D[1]}"):
        lake.make(D[2])


# the window


def test_a_window_leaves_older_documents_out(tmp_path: Path) -> None:
    days = {
        D[0]: [Page(1, text(1)), Page(9, text(9))],
        D[2]: [Page(2, text(1)), Page(3, text(1, tail=8))],  # judged on day 0
        D[4]: [Page(4, text(1)), Page(9, text(9))],  # judged on day 2 alone, which rejected its copies
        D[5]: [Page(5, text(1, tail=8))],
    }
    lake = all_at_once(tmp_path / "lake", days, window_days=2)
    kept = {key: sorted(r["doc_id"] for r in lake.rows(DedupedCorpus, key)) for key in days}
    assert kept == {D[0]: [doc_id(1), doc_id(9)], D[2]: [], D[4]: [doc_id(9)], D[5]: []}
    details = {r["doc_id"]: (r["reason"], r["detail"]) for r in lake.rows(Rejections)}
    assert details[doc_id(4)] == ("exact_duplicate", f"cluster of 3 kept as {doc_id(2)}")
    assert details[doc_id(5)] == ("near_duplicate", f"cluster of 2 kept as {doc_id(4)}")
    narrow = all_at_once(tmp_path / "narrow", days, window_days=1)
    assert {r["doc_id"] for r in narrow.rows(DedupedCorpus)} == {doc_id(n) for n in (1, 9, 2, 4)}
    lake.land(D[0], [Page(9, text(9))])
    lake.make(D[0])
    assert lake.outdated(D[0]) == [D[2]]  # day 4 looks back to day 2 only


# the same on Spark


@pytest.mark.slow
def test_spark_marks_and_makes_what_memory_does(tmp_path: Path, spark: Any, days: Days) -> None:
    days = {key: days[key] for key in D[:3]}
    small = all_at_once(tmp_path / "small", days)
    large = all_at_once(tmp_path / "large", days, session=lambda: spark, in_memory_documents=0)
    assert large.state() == small.state()
    for lake in (small, large):
        lake.land(D[0], days[D[0]][1:])
        lake.make(D[0])
        assert lake.outdated(D[0]) == D[1:3]
        assert settle(lake, D) == D[1:3]
    assert large.state() == small.state()


def test_filtered_documents_are_not_touched(tmp_path: Path, days: Days) -> None:
    lake = all_at_once(tmp_path / "lake", days)
    before = lake.table(FilteredDocuments).version()
    lake.make_all(D)
    assert lake.table(FilteredDocuments).version() == before
    assert dedup_state.Snapshot.now(lake.day(D[5])).earlier_rows == len(lake.rows(SignatureIndex)) - 1


# spans


def lined(draw: random.Random, pool: int = 30, lines: int = 6) -> str:
    return "\n".join(" ".join(body(1000 + draw.randrange(pool), 12)) for _ in range(lines))


def spans(**changes: Any) -> dict[str, Any]:
    return {"spans": SpanConfig(unit="line", min_words=1, **changes)}


def test_lines_that_an_earlier_text_holds_are_taken_out_once_asked_for(tmp_path: Path) -> None:
    one, two, three = (" ".join(body(n, 12)) for n in range(3))
    days = {D[0]: [Page(1, f"{one}\n{two}")], D[1]: [Page(2, f"{two}\n{three}"), Page(3, two)]}
    plain = all_at_once(tmp_path / "plain", days)
    assert not plain.table(SpanIndex).exists()
    assert {r["text"] for r in plain.rows(DedupedCorpus, D[1])} == {f"{two}\n{three}", two}
    lake = all_at_once(tmp_path / "lake", days, **spans())
    (row,) = lake.rows(DedupedCorpus, D[1])
    assert (row["text"], row["text_length"], row["word_count"]) == (three, len(three), 12)
    assert row["text_hash"] == Page(0, three).row()["text_hash"]
    rejected = {r["doc_id"]: (r["reason"], r["measure"]) for r in lake.rows(Rejections)}
    assert rejected == {doc_id(3): ("repeated_text", 0.0)}
    met = {key: sorted(r["first_seen"] for r in lake.rows(SpanIndex, key)) for key in D[:2]}
    assert met == {D[0]: [True, True], D[1]: [False, True]}


@pytest.mark.parametrize("seed", range(3))
def test_spans_of_days_in_any_order_end_as_all_at_once(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    days = {key: [Page(10 * n + i, lined(draw)) for i in range(4)] for n, key in enumerate(D[:4])}
    lake = all_at_once(tmp_path / "lake", days, **spans())
    named = 0
    for number in range(100, 103):
        key = draw.choice(D[:3])
        days[key] = [*days[key][1:], Page(number, lined(draw))]
        lake.land(key, days[key])
        lake.make(key)
        named += len(settle(lake, sorted(days), draw))
    assert named
    assert lake.state() == all_at_once(tmp_path / "fresh", days, **spans()).state()


def test_spans_are_not_compared_with_days_that_were_made_without(tmp_path: Path, days: Days) -> None:
    all_at_once(tmp_path / "lake", days)
    with pytest.raises(StateError, match=rf"of {D[0]} was made with other signatures"):
        CorpusLake(tmp_path / "lake", **spans()).make(D[1])
