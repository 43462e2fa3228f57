"""From texts to candidates to clusters: rates the S-curve predicts, and outcomes that no order or partition changes."""

import random

import numpy as np
import pyarrow as pa
import pytest

from dataset_platform.kernels.web import lsh, minhash
from dataset_platform.kernels.web.components import arrow_components

VOCABULARY = [f"w{n:05d}" for n in range(20_000)]
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
THRESHOLD = 0.8


def python_jaccard(a: str, b: str) -> float:
    """Jaccard similarity of the word 5-gram sets, from the words themselves."""
    one, other = (set(zip(*(t.split()[k:] for k in range(5)), strict=False)) for t in (a, b))
    return len(one & other) / len(one | other)


def with_words_in_front(draw: random.Random, words: list[str], level: float) -> list[str]:
    """J = n / (n + k) for n shingles and k words more."""
    count = len(words) - 4
    return draw.sample(VOCABULARY, round(count / level - count)) + words


def with_words_replaced(draw: random.Random, words: list[str], level: float) -> list[str]:
    """J = (n - 5m) / (n + 5m) for m words, of which no shingle holds two."""
    count = len(words) - 4
    edits = round(count * (1 - level) / (1 + level) / 5)
    room = (len(words) - 8) // edits
    assert room >= 5, "a shingle would hold two edits"
    edited = list(words)
    for n in range(edits):
        edited[4 + n * room + draw.randrange(room - 4)] = f"x{draw.randrange(10**9)}"
    return edited


@pytest.mark.parametrize("edit", [with_words_in_front, with_words_replaced])
@pytest.mark.parametrize("level", LEVELS)
def test_planted_near_duplicates_become_candidates_at_the_rate_of_the_s_curve(level: float, edit) -> None:  # type: ignore[no-untyped-def]
    """Within 4 standard errors: of 12 such tests of a correct implementation, one in 1,300 sets of seeds fails."""
    draw, texts, chances = random.Random(f"{level} {edit.__name__}"), [], []
    for _ in range(300):
        words = draw.sample(VOCABULARY, 394)
        texts += [" ".join(words), " ".join(edit(draw, words, level))]
        similarity = python_jaccard(*texts[-2:])
        assert similarity == pytest.approx(level, abs=0.015)
        chances.append(minhash.candidate_probability(similarity))
    keys = minhash.band_keys(minhash.signatures_of(*minhash.word_hashes_of(texts)))
    pairs = lsh.candidate_pairs(keys, np.ones(len(texts), bool), max_bucket=500, hubs=10)
    assert (pairs[:, 0] % 2 == 0).all(), "two texts that nothing connects became candidates"
    assert (pairs[:, 1] == pairs[:, 0] + 1).all()
    expected = np.array(chances)
    error = np.sqrt((expected * (1 - expected)).sum())
    assert abs(len(pairs) - expected.sum()) <= 4 * error + 1


def all_pairs(keys: np.ndarray, new: np.ndarray, max_bucket: int, hubs: int) -> list[list[int]]:
    found = set()
    for band in keys.T.tolist():
        buckets: dict[int, list[int]] = {}
        for row, key in enumerate(band):
            buckets.setdefault(key, []).append(row)
        for members in buckets.values():
            for place, a in enumerate(members if len(members) <= max_bucket else members[:hubs]):
                found |= {(a, b) for b in members[place + 1 :] if new[a] or new[b]}
    return [list(pair) for pair in sorted(found)]


@pytest.mark.parametrize("seed", range(60))
def test_candidates_are_those_of_a_comparison_by_definition(seed: int) -> None:
    draw = np.random.default_rng(seed)
    rows, bands = int(draw.integers(0, 60)), int(draw.integers(1, 6))
    keys = draw.integers(0, int(draw.integers(1, 40)), (rows, bands)).astype(np.uint64)
    keys[:, 0] |= np.uint64(0xFFFFFFFFFFFFFFC0)  # keys of all sizes
    new = draw.random(rows) < draw.random()
    max_bucket, hubs = int(draw.integers(2, 9)), int(draw.integers(1, 4))
    assert lsh.candidate_pairs(keys, new, max_bucket, hubs).tolist() == all_pairs(keys, new, max_bucket, hubs)


def test_day_by_day_gives_the_candidates_of_all_at_once() -> None:
    draw = np.random.default_rng(1)
    keys = draw.integers(0, 30, (90, 4)).astype(np.uint64)
    days = draw.integers(0, 3, 90)
    found = []
    for day in range(3):
        rows = np.flatnonzero(days <= day)
        found += rows[lsh.candidate_pairs(keys[rows], days[rows] == day, 500, 10)].tolist()
    assert len(found) == len({tuple(pair) for pair in found}), "a pair was judged on two days"
    assert sorted(found) == lsh.candidate_pairs(keys, np.ones(90, bool), 500, 10).tolist()


def test_a_template_in_every_band_gives_each_pair_once_and_few_pairs() -> None:
    same = np.zeros((2000, 14), np.uint64)
    assert len(lsh.candidate_pairs(same[:300], np.ones(300, bool), 500, 10)) == 300 * 299 // 2
    pairs = lsh.candidate_pairs(same, np.ones(2000, bool), 500, 10)
    assert len(pairs) == sum(2000 - 1 - hub for hub in range(10))
    assert set(pairs[:, 0].tolist()) == set(range(10))


def test_keys_and_flags_must_fit() -> None:
    with pytest.raises(ValueError, match=r"shape \(3, 2\) and 2 flags"):
        lsh.candidate_pairs(np.zeros((3, 2), np.uint64), np.ones(2, bool), 500, 10)


@pytest.mark.parametrize("seed", range(20))
def test_buckets_grouped_elsewhere_give_the_same_pairs(seed: int) -> None:
    draw = np.random.default_rng(seed)
    keys, new = draw.integers(0, 12, (50, 1)).astype(np.uint64), draw.random(50) < 0.4
    order = np.argsort(keys[:, 0], kind="stable")
    bounds = np.searchsorted(keys[order, 0], np.arange(13)).astype(np.int32)
    left, right = lsh.bucket_pairs(bounds, new[order], 5, 2)
    found = sorted(np.stack([order[left], order[right]], axis=1).tolist())
    assert found == lsh.candidate_pairs(keys, new, 5, 2).tolist()


def test_no_bucket_gives_no_pair() -> None:
    for bounds in ([0], [0, 0, 1]):
        left, right = lsh.bucket_pairs(np.array(bounds), np.ones(bounds[-1], bool), 5, 2)
        assert len(left) == len(right) == 0
    with pytest.raises(ValueError, match="bounds must ascend"):
        lsh.bucket_pairs(np.array([0, 9]), np.ones(3, bool), 5, 2)


def planted_corpus() -> dict[str, str]:
    """Originals, and copies of copies with words replaced here and there: chains at and below the threshold."""
    draw = random.Random(5)
    bodies = [draw.sample(VOCABULARY, draw.randrange(40, 160)) for _ in range(60)]
    for _ in range(240):
        body = list(draw.choice(bodies))
        for _ in range(draw.randrange(0, 5)):
            body[draw.randrange(len(body))] = draw.choice(VOCABULARY)
        bodies.append(body)
    return {f"{draw.getrandbits(128):032x}": " ".join(body) for body in bodies}


def clusters(texts: dict[str, str], order: list[str], parts: int) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Label of each document in a cluster, and the links, with signatures computed in parts of a given order."""
    keys = {}
    for part in range(parts):
        ids = order[part::parts]
        found = minhash.band_keys(minhash.signatures_of(*minhash.word_hashes_of(texts[i] for i in ids)))
        keys |= dict(zip(ids, found, strict=True))
    ids = sorted(keys)
    pairs = lsh.candidate_pairs(np.stack([keys[i] for i in ids]), np.ones(len(ids), bool), 500, 10)
    similar = minhash.jaccard_of_pairs(*minhash.shingle_sets(texts[i] for i in ids), pairs) >= THRESHOLD
    links = [(ids[a], ids[b]) for a, b in pairs[similar].tolist()]
    nodes, labels = arrow_components(*(pa.array(side, pa.string()) for side in zip(*links, strict=True)))
    return dict(zip(nodes.to_pylist(), labels.to_pylist(), strict=True)), links


def test_no_order_and_no_partition_changes_who_stays_and_no_cluster_goes_whole() -> None:
    texts = planted_corpus()
    draw = random.Random(6)
    expected, links = clusters(texts, sorted(texts), parts=1)
    assert len(links) > 200
    assert min(python_jaccard(texts[a], texts[b]) for a, b in links) >= THRESHOLD
    for parts in (1, 3, 7):
        found, again = clusters(texts, draw.sample(sorted(texts), len(texts)), parts)
        assert found == expected
        assert again == links
    for label in set(expected.values()):
        assert expected[label] == label, "the one that stays is of the cluster"
        assert sum(of == label for of in expected.values()) > 1
