"""The choice of blocks is the best there is under what it supposes, and what it supposes of articles keeps them whole."""

import itertools

import numpy as np
import pytest

from dataset_platform.kernels.web.extraction.choice import choose, combined, leaning

LEVELS = (np.arange(32) + 0.5) / 32


def independent_f1(chosen, probability, size):
    hits = float((size * probability)[chosen].sum())
    return 2 * hits / (float(size[chosen].sum()) + float((size * probability).sum()))


def one_piece_f1(chosen, probability, size):
    reached = []
    for level in LEVELS:
        content = probability > level
        reached.append(2 * size[chosen & content].sum() / (size[chosen].sum() + size[content].sum()))
    return float(np.mean(reached))


@pytest.mark.parametrize("one_piece", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("blocks", [1, 2, 5, 9])
def test_no_other_choice_has_a_higher_expected_f1(blocks, one_piece):
    source = np.random.default_rng(9 + blocks)
    probability, size = source.random(blocks), source.integers(1, 60, blocks).astype(np.float64)

    def f1(chosen):
        return (1 - one_piece) * independent_f1(chosen, probability, size) + one_piece * one_piece_f1(
            chosen, probability, size
        )

    chosen, reached = choose(probability, size, one_piece)
    assert f1(chosen) == pytest.approx(reached)
    likeliest = np.argsort(-probability)
    prefixes = [np.isin(np.arange(blocks), likeliest[: count + 1]) for count in range(blocks)]
    assert reached == pytest.approx(max(map(f1, prefixes)))
    if one_piece == 0:
        every = (np.array(choice, bool) for choice in itertools.product((0, 1), repeat=blocks) if any(choice))
        assert reached == pytest.approx(max(map(f1, every)))


def test_nothing_likely_nothing_chosen():
    for one_piece in (0.0, 1.0):
        chosen, reached = choose(np.zeros(4), np.ones(4), one_piece)
        assert not chosen.any() and reached == 0
        chosen, reached = choose(np.zeros(0), np.zeros(0), one_piece)
        assert len(chosen) == 0 and reached == 0


def test_doubtful_parts_are_kept_alone_and_dropped_beside_an_article():
    probability, size = np.array([0.97, 0.97, 0.46, 0.46]), np.array([100.0, 80.0, 60.0, 60.0])
    assert choose(probability, size, 0.0)[0].tolist() == [True, True, True, True]
    assert choose(probability, size, 1.0)[0].tolist() == [True, True, False, False]


def test_only_islands_on_article_pages_lose():
    first = np.array([0.2, 0.7, 0.9, 0.6, 0.9, 0.01, 0.01, 0.7], np.float32)
    second = np.array([0.3, 0.6, 0.9, 0.4, 0.8, 0.01, 0.01, 0.6], np.float32)
    size = np.array([5.0, 40, 90, 10, 80, 60, 60, 30])
    plain, article = combined(first, second, size, 0.0), combined(first, second, size, 1.0)
    assert (np.minimum(first, second) <= plain + 1e-7).all() and (plain <= np.maximum(first, second) + 1e-7).all()
    np.testing.assert_array_equal(article[1:5], plain[1:5])
    outside = [0, 5, 6, 7]
    odds = [p / (1 - p) for p in (plain, article)]
    np.testing.assert_allclose(np.log(odds[0] / odds[1])[outside], 1.5, rtol=1e-6)


def test_certain_stages_give_finite_probabilities():
    said = np.array([0.0, 1.0, 1.0, 0.0], np.float32)
    found = combined(said, said[::-1].copy(), np.ones(4), 1.0)
    assert ((found > 0) & (found < 1)).all()
    assert len(combined(said[:0], said[:0], np.ones(0), 1.0)) == 0


def test_a_vote_adds_to_the_odds_what_is_voted_for():
    said, share = np.array([0.1, 0.5, 0.99, 1e-9]), np.array([0.0, 1.0, 0.5, 1.0])
    found = leaning(said, share)
    np.testing.assert_allclose(np.log(found / (1 - found)), np.log(said / (1 - said)) + 1.25 * share, rtol=1e-6)
