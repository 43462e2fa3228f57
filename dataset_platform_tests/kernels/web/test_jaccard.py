"""Sets of hashes and their Jaccard similarity against Python's sets."""

import numpy as np
import pytest

from dataset_platform.kernels.web.jaccard import jaccard, jaccard_of_pairs, sets_of


def parts_of(seed: int) -> list[np.ndarray]:
    """Hashes in parts of every size, with repeats, and with values that lie close together."""
    draw = np.random.default_rng(seed)
    parts = [draw.integers(0, 2**64, size, np.uint64) for size in draw.integers(0, 300, 12)]
    parts += [draw.choice(parts[0], 200)] if len(parts[0]) else []
    parts += [draw.integers(0, 50, 400, np.uint64), np.full(100, 7, np.uint64), np.empty(0, np.uint64)]
    parts += [draw.integers(2**64 - 1000, 2**64, 600, np.uint64), np.array([2**64 - 1, 0], np.uint64)]
    return [parts[i] for i in draw.permutation(len(parts))]


def joined(parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate(parts), np.cumsum([0] + [len(part) for part in parts])


@pytest.mark.parametrize("seed", range(10))
def test_sets_are_sorted_and_without_repeats(seed: int) -> None:
    parts = parts_of(seed)
    hashes, bounds = joined(parts)
    before = hashes.copy()
    members, starts = sets_of(hashes, bounds)
    assert np.array_equal(hashes, before), "the input was changed"
    assert len(members) == starts[-1]
    for part, start, end in zip(parts, starts[:-1], starts[1:], strict=True):
        assert np.array_equal(members[start:end], np.unique(part))


@pytest.mark.parametrize("seed", range(10))
def test_pairs_have_the_similarity_of_their_sets(seed: int) -> None:
    parts = parts_of(seed)
    sets = [set(part.tolist()) for part in parts]
    members, bounds = sets_of(*joined(parts))
    pairs = np.array([(a, b) for a in range(len(sets)) for b in range(len(sets))])
    found = jaccard_of_pairs(members, bounds, pairs)
    expected = [len(sets[a] & sets[b]) / len(sets[a] | sets[b]) if sets[a] | sets[b] else 1.0 for a, b in pairs]
    assert found.tolist() == expected
    one_by_one = [jaccard(members[bounds[a] : bounds[a + 1]], members[bounds[b] : bounds[b + 1]]) for a, b in pairs]
    assert found.tolist() == one_by_one


def test_no_pairs_and_no_sets() -> None:
    nothing = np.empty(0, np.uint64), np.zeros(1, np.int64)
    assert len(sets_of(*nothing)[0]) == 0
    assert len(jaccard_of_pairs(*nothing, np.empty((0, 2), np.int64))) == 0


@pytest.mark.parametrize("bounds", [[], [0, 5], [-1, 2], [2, 1]])
def test_bounds_that_go_nowhere_are_refused(bounds: list[int]) -> None:
    hashes = np.arange(4, dtype=np.uint64)
    with pytest.raises(ValueError, match="bounds must ascend from 0 or more to 4 at most"):
        sets_of(hashes, np.array(bounds, np.int64))


@pytest.mark.parametrize("pair", [(0, 2), (-1, 0)])
def test_pairs_of_sets_that_are_not_there_are_refused(pair: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="there are 2"):
        jaccard_of_pairs(np.arange(4, dtype=np.uint64), np.array([0, 2, 4]), np.array([pair]))
