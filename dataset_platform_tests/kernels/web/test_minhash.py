"""MinHash: estimates and hit rates on pairs whose Jaccard similarity is known exactly."""

import numpy as np
import pytest
from datasketch import MinHash
from pydantic import ValidationError

from dataset_platform.kernels.web import minhash, words
from dataset_platform.kernels.web.minhash import MinHashConfig


def random_words(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, count, np.uint64)


def pair_with_jaccard(seed: int, shared: int, own: int) -> tuple[np.ndarray, np.ndarray]:
    """Two shingle sets with exactly ``shared`` common members and ``own`` more each."""
    draw = np.unique(random_words(seed, shared + 2 * own))
    draw = np.random.default_rng(seed).permutation(draw)
    assert len(draw) == shared + 2 * own
    return np.sort(draw[: shared + own]), np.sort(np.concatenate([draw[:shared], draw[shared + own :]]))


def test_shingles_ignore_case_and_punctuation() -> None:
    plain = minhash.shingles("one two three four five six")
    assert len(plain) == 2
    assert np.array_equal(plain, minhash.shingles('One, two -- "THREE" four (five) six!'))
    assert not np.array_equal(plain, minhash.shingles("two one three four five six"))


def test_shingles_of_repeated_text_are_a_set() -> None:
    assert len(minhash.shingles("a b c d e " * 10)) == 5
    assert len(minhash.shingle_hashes(minhash.word_hashes(words.split("a b c d e " * 10)))) == 46


def test_order_within_a_shingle_matters_and_place_does_not() -> None:
    a = minhash.shingle_hashes(random_words(0, 9))
    assert np.array_equal(minhash.shingle_hashes(random_words(0, 9)[3:]), a[3:])


@pytest.mark.parametrize("text", ["", "...", "one", "one two three four"])
def test_short_documents_have_one_shingle(text: str) -> None:
    assert len(minhash.shingles(text)) == 1
    assert minhash.signature(minhash.word_hashes(words.split(text))).shape == (112,)


def test_short_documents_differ() -> None:
    texts = ["", "one", "two", "one two", "two one", "one two three four"]
    assert len({minhash.shingles(text)[0] for text in texts}) == len(texts)


def test_signature_type_and_seed() -> None:
    hashes = random_words(1, 300)
    signature = minhash.signature(hashes)
    assert signature.dtype == np.uint32
    assert signature.shape == (112,)
    assert np.array_equal(signature, minhash.signature(hashes, MinHashConfig()))
    other = minhash.signature(hashes, MinHashConfig(seed=2))
    assert (signature == other).mean() < 0.05
    assert minhash.signature(hashes, MinHashConfig(num_perm=256)).shape == (256,)


def test_signature_depends_on_the_set_only() -> None:
    shingle_set = random_words(2, 100)
    expected = minhash.signature_of_shingles(shingle_set)
    assert np.array_equal(minhash.signature_of_shingles(np.tile(shingle_set[::-1], 3)), expected)
    with pytest.raises(ValueError, match="at least one shingle"):
        minhash.signature_of_shingles(shingle_set[:0])


def test_signature_by_definition() -> None:
    shingle_set = random_words(3, 50)
    multiply, add = minhash._permutations(112, 1)
    hashed = (shingle_set[:, None] * multiply + add) >> np.uint64(32)
    assert np.array_equal(minhash.signature_of_shingles(shingle_set), hashed.min(axis=0).astype(np.uint32))


@pytest.mark.parametrize("ngram", [1, 5, 9])
def test_signatures_of_many_documents_are_those_of_each(ngram: int) -> None:
    config = MinHashConfig(ngram=ngram)
    documents = [random_words(n, size) for n, size in enumerate([0, 1, 4, 5, 6, 7, 8, 9, 300, 0, 41])]
    hashes, bounds = np.concatenate(documents), np.cumsum([0] + [len(d) for d in documents])
    expected = np.stack([minhash.signature(document, config) for document in documents])
    assert np.array_equal(minhash.signatures_of(hashes, bounds, config), expected)
    assert np.array_equal(minhash.signatures_of(hashes, bounds[3:], config), expected[3:]), "not from the first on"
    assert minhash.signatures_of(hashes[:0], bounds[:1], config).shape == (0, 112)
    with pytest.raises(ValueError, match="bounds must ascend"):
        minhash.signatures_of(hashes[:-1], bounds, config)


def test_hashes_and_shingle_sets_of_many_texts_are_those_of_each() -> None:
    texts = ["a b c d e f a b c d e f", "", "one", "Zwei, drei, vier, fünf; sechs. " * 3]
    hashes, bounds = minhash.word_hashes_of(texts)
    members, starts = minhash.shingle_sets(texts)
    assert len(bounds) == len(starts) == 5
    for n, text in enumerate(texts):
        of_text = minhash.word_hashes(words.split(text))
        assert np.array_equal(hashes[bounds[n] : bounds[n + 1]], of_text)
        assert np.array_equal(members[starts[n] : starts[n + 1]], np.unique(minhash.shingle_hashes(of_text)))
    assert minhash.word_hashes_of([])[1].tolist() == minhash.shingle_sets([])[1].tolist() == [0]


def test_estimates_are_as_good_as_datasketch() -> None:
    similarity, pairs = 0.6, 60
    ours, theirs = [], []
    for seed in range(pairs):
        a, b = pair_with_jaccard(seed, 300, 100)
        ours.append((minhash.signature_of_shingles(a) == minhash.signature_of_shingles(b)).mean())
        reference = [
            MinHash(num_perm=112, seed=1, hashfunc=lambda raw: int.from_bytes(raw[:4], "little")) for _ in "ab"
        ]
        for sketch, shingle_set in zip(reference, (a, b), strict=True):
            sketch.update_batch([shingle.tobytes() for shingle in shingle_set])
        theirs.append(reference[0].jaccard(reference[1]))
    expected_rmse = np.sqrt(similarity * (1 - similarity) / 112)
    rmse = np.sqrt(np.mean((np.array(ours) - similarity) ** 2))
    assert rmse == pytest.approx(expected_rmse, rel=0.3)
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=4 * expected_rmse * np.sqrt(2 / pairs))


def check_hit_rate(hits: int, pairs: int, similarity: float) -> None:
    """Within 4 standard errors of the S-curve: a correct implementation fails once in 16,000 seeds."""
    chance = minhash.candidate_probability(similarity)
    assert abs(hits / pairs - chance) <= 4 * np.sqrt(chance * (1 - chance) / pairs) + 1 / pairs


@pytest.mark.parametrize(("shared", "own"), [(160, 60), (175, 37), (160, 20), (180, 10)])
def test_hit_rate_follows_the_s_curve(shared: int, own: int) -> None:
    pairs, hits = 800, 0
    for seed in range(pairs):
        a, b = pair_with_jaccard(seed, shared, own)
        similarity = minhash.jaccard(a, b)
        assert similarity == shared / (shared + 2 * own)
        keys = minhash.band_keys(np.stack([minhash.signature_of_shingles(a), minhash.signature_of_shingles(b)]))
        hits += bool((keys[0] == keys[1]).any())
    check_hit_rate(hits, pairs, similarity)


@pytest.mark.parametrize("inserted", [4, 40])
def test_words_inserted_at_the_front_only_add_shingles(inserted: int) -> None:
    """What sampling sketches get wrong: everything behind the insertion is still the same set."""
    pairs, hits, length = 400, 0, 204
    for seed in range(pairs):
        body = random_words(seed, length)
        edited = np.concatenate([random_words(10_000 + seed, inserted), body])
        a, b = (np.unique(minhash.shingle_hashes(hashes)) for hashes in (body, edited))
        similarity = minhash.jaccard(a, b)
        assert similarity == (length - 4) / (length - 4 + inserted)
        keys = minhash.band_keys(np.stack([minhash.signature(body), minhash.signature(edited)]))
        hits += bool((keys[0] == keys[1]).any())
    check_hit_rate(hits, pairs, similarity)


def test_band_keys() -> None:
    signatures = np.zeros((2, 112), np.uint32)
    signatures[1, 8] = 1
    keys = minhash.band_keys(signatures)
    assert keys.shape == (2, 14)
    assert keys.dtype == np.uint64
    assert np.flatnonzero(keys[0] != keys[1]).tolist() == [1], "one value changes its own band only"
    assert len(np.unique(keys)) == 15, "equal rows of two bands make different keys"
    assert minhash.band_keys(signatures, bands=7, rows=16).shape == (2, 7)
    assert minhash.band_keys(signatures[:0]).shape == (0, 14)
    for wrong in (signatures[0], signatures[:, :100]):
        with pytest.raises(ValueError, match="hold no 14 bands of 8 rows"):
            minhash.band_keys(wrong)


def test_order_of_rows_within_a_band_matters() -> None:
    signatures = np.arange(112, dtype=np.uint32)[None, :].repeat(2, 0)
    signatures[1, [0, 1]] = signatures[1, [1, 0]]
    keys = minhash.band_keys(signatures)
    assert keys[0, 0] != keys[1, 0]


@pytest.mark.parametrize(
    ("a", "b", "expected"), [([1, 2, 3], [2, 3, 4, 5], 2 / 5), ([1], [2], 0), ([7], [7], 1), ([], [1], 0), ([], [], 1)]
)
def test_jaccard(a: list[int], b: list[int], expected: float) -> None:
    first, second = np.array(a, np.uint64), np.array(b, np.uint64)
    assert minhash.jaccard(first, second) == expected == minhash.jaccard(second, first)


def test_jaccard_of_texts() -> None:
    a, b = "one two three four five six seven", "one two three four five six eight"
    assert minhash.jaccard(minhash.shingles(a), minhash.shingles(b)) == 2 / 4


def test_lsh_parameters_fit_and_follow_the_threshold() -> None:
    loose, strict = minhash.lsh_parameters(0.5, 112), minhash.lsh_parameters(0.9, 112)
    for bands, rows in (loose, strict):
        assert bands * rows <= 112
    assert strict[1] > loose[1], "a higher threshold needs more rows per band"


def test_the_defaults_find_what_the_design_says() -> None:
    assert minhash.candidate_probability(0.8) == pytest.approx(0.924, abs=0.001)


def test_misspelt_settings_are_refused() -> None:
    with pytest.raises(ValidationError, match="bands"):
        MinHashConfig(bands=15)
