"""The corpus of real crawls: every link and every measure is what a plain comparison of the two texts gives."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from dataset_platform.contracts import DedupedCorpus, DuplicateLinks, Rejections, SignatureIndex
from dataset_platform.kernels.web import minhash, words
from dataset_platform_tests.contracts.rows import doc_id
from dataset_platform_tests.defs.web.corpus_lake import CorpusLake, Page, all_at_once, day_key

PAGES, COPIES = 700, 120
DAYS = 3


@pytest.fixture(scope="module")
def pages(real_data: Path) -> list[Page]:
    """Main texts of the Debian installation guide, 19 languages, and copies of some with a few words replaced.

    Untranslated pages are natural duplicates; the copies make pairs on both sides of the threshold.
    """
    found: list[Page] = []
    with (real_data / "web" / "install.warc.gz").open("rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response):
            html = record.reader.read().decode("utf-8", "replace")
            text = extract_plain_text(HTMLTree.parse(html), main_content=True)
            if text.strip():
                found.append(Page(len(found), text))
    draw = random.Random(7)
    chosen = draw.sample(found, PAGES - COPIES)
    for page in draw.sample([p for p in chosen if len(p.text.split()) > 60], COPIES):
        edited = page.text.split(" ")
        for at in draw.sample(range(len(edited)), round(len(edited) * draw.uniform(0.005, 0.04))):
            edited[at] = f"edited{at}"
        chosen.append(Page(len(found) + len(chosen), " ".join(edited)))
    return draw.sample(chosen, len(chosen))


@pytest.fixture(scope="module")
def lake(pages: list[Page], tmp_path_factory: pytest.TempPathFactory) -> CorpusLake:
    return all_at_once(tmp_path_factory.mktemp("real"), {day_key(n): pages[n::DAYS] for n in range(DAYS)})


def shingles(text: str) -> set[tuple[int, ...]]:
    """Runs of five words of the shared split as a plain set, without the compiled sets that are under test."""
    plain = minhash.word_hashes(words.split(text)).tolist()
    return {tuple(plain[i : i + 5]) for i in range(max(len(plain) - 4, 1))}


@pytest.fixture(scope="module")
def similarity(pages: list[Page]) -> Callable[[str, str], float]:
    sets: dict[str, set[tuple[int, ...]]] = {}
    texts = {doc_id(p.number): p.text for p in pages}

    def of(a: str, b: str) -> float:
        for one in (a, b):
            sets.setdefault(one, shingles(texts[one]))
        return len(sets[a] & sets[b]) / len(sets[a] | sets[b])

    return of


def test_no_link_joins_texts_under_the_threshold(lake: CorpusLake, similarity: Callable[[str, str], float]) -> None:
    links = lake.rows(DuplicateLinks)
    kinds = {r["kind"] for r in links}
    assert len(links) > 50
    assert kinds == {"exact", "near"}
    for row in links:
        assert similarity(row["doc_id"], row["linked_doc_id"]) >= 0.8
        if row["kind"] == "near":
            assert similarity(row["doc_id"], row["linked_doc_id"]) == pytest.approx(row["jaccard"], abs=1e-12)


def test_every_rejection_has_the_measure_of_a_link_and_a_keeper_in_the_corpus(
    lake: CorpusLake, similarity: Callable[[str, str], float]
) -> None:
    linked: dict[str, list[str]] = {}
    for row in lake.rows(DuplicateLinks):
        linked.setdefault(row["doc_id"], []).append(row["linked_doc_id"])
        linked.setdefault(row["linked_doc_id"], []).append(row["doc_id"])
    kept = {r["doc_id"] for r in lake.rows(DedupedCorpus)}
    rejections = lake.rows(Rejections)
    assert len(rejections) > 50
    assert len(kept) + len(rejections) == PAGES
    for row in rejections:
        best = max(similarity(row["doc_id"], other) for other in linked[row["doc_id"]])
        assert 0.8 <= row["measure"] <= best + 1e-12
        assert row["detail"].rsplit(" ", 1)[1] in kept


def test_other_days_orders_and_one_day_alone_keep_the_same_texts(
    lake: CorpusLake, pages: list[Page], tmp_path: Path
) -> None:
    shuffled = random.Random(1).sample(pages, len(pages))
    again = CorpusLake(tmp_path / "again")
    for key in reversed([day_key(n) for n in range(DAYS)]):
        again.land(key, [p for p in shuffled if p in pages[int(key[-2:]) - 1 :: DAYS]])
    for n in range(DAYS):
        again.make(day_key(n))
    assert again.state() == lake.state()


def test_the_index_takes_less_than_half_of_what_signatures_took(lake: CorpusLake) -> None:
    rows = lake.rows(SignatureIndex)
    held = [len(r["band_keys"]) for r in rows if r["band_keys"] is not None]
    assert set(held) == {84}
    assert len(held) == len({r["text_hash"] for r in rows}) < len(rows)
    files = lake.table(SignatureIndex).delta().get_add_actions(flatten=True)
    assert sum(files.column("size_bytes").to_pylist()) / len(rows) < 448 / 2
