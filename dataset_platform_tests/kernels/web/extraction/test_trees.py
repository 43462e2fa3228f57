"""Trees evaluate to what LightGBM predicts."""

import numpy as np
import pytest

from dataset_platform.kernels.web.extraction import trees

lightgbm = pytest.importorskip("lightgbm", reason="the extra 'training' is not installed")


def fitted(objective="cross_entropy", rounds=25, leaves=15):
    source = np.random.default_rng(3)
    rows = source.normal(size=(3_000, 12)).astype(np.float32)
    rows[:, 5] = source.integers(0, 4, len(rows))
    rows[:, 6] = (rows[:, 6] > 0.3).astype(np.float32)
    share = 1 / (1 + np.exp(-(rows[:, 0] * rows[:, 5] + 2 * rows[:, 6] - rows[:, 1])))
    settings = {"objective": objective, "num_leaves": leaves, "verbose": -1, "num_threads": 1, "seed": 1}
    return lightgbm.train(settings, lightgbm.Dataset(rows, share), rounds), rows


def test_trees_equal_lightgbm():
    booster, rows = fitted()
    ours = trees.evaluate(rows, *trees.from_lightgbm(booster.dump_model()))
    np.testing.assert_allclose(ours, booster.predict(rows), rtol=0, atol=1e-6)


def test_values_on_a_threshold_fall_on_the_same_side():
    booster, rows = fitted()
    flat = trees.from_lightgbm(booster.dump_model())
    edges = np.repeat(rows[:200], 2, axis=0)
    for place, row in enumerate(edges):
        node = place % len(flat.feature)
        row[flat.feature[node]] = (
            flat.threshold[node] if place % 2 else np.nextafter(flat.threshold[node], np.float32(9))
        )
    np.testing.assert_allclose(trees.evaluate(edges, *flat), booster.predict(edges), rtol=0, atol=1e-6)


def test_a_tree_without_splits():
    source = np.random.default_rng(1)
    rows = source.normal(size=(300, 3)).astype(np.float32)
    settings = {"objective": "cross_entropy", "num_leaves": 4, "min_data_in_leaf": 200, "verbose": -1}
    booster = lightgbm.train(settings, lightgbm.Dataset(rows, np.full(300, 0.25)), 2)
    ours = trees.evaluate(rows, *trees.from_lightgbm(booster.dump_model()))
    np.testing.assert_allclose(ours, booster.predict(rows), rtol=0, atol=1e-6)


def test_any_number_of_rows_gives_the_same():
    booster, rows = fitted()
    flat = trees.from_lightgbm(booster.dump_model())
    whole = trees.evaluate(rows[:100], *flat)
    for count in (0, 1, 15, 16, 17, 33):
        np.testing.assert_array_equal(trees.evaluate(rows[:count], *flat), whole[:count])


def test_an_unknown_split_is_refused():
    leaf = {"leaf_value": 0.5}
    split = {"split_feature": 0, "decision_type": "==", "threshold": "1||2", "left_child": leaf, "right_child": leaf}
    with pytest.raises(ValueError, match="'=='"):
        trees.from_lightgbm({"tree_info": [{"tree_structure": split}]})
