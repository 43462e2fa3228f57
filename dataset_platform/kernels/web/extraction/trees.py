"""Boosted trees as flat arrays, evaluated in compiled code exactly as LightGBM evaluates them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

__all__ = ["Trees", "evaluate", "from_lightgbm"]


class Trees(NamedTuple):
    """Sum of regression trees; a node sends values up to its threshold left, all else right."""

    feature: np.ndarray
    """int16 (nodes): which feature an inner node asks for."""
    threshold: np.ndarray
    """float32 (nodes): rounded down from float64, so that float32 features fall on the same side."""
    children: np.ndarray
    """int16 (nodes × 2): inner node of the same tree from its root, or -1 - leaf."""
    roots: np.ndarray
    """int32 (trees + 1): first inner node of each tree."""
    values: np.ndarray
    """float32 (leaves): log odds."""
    leaves: np.ndarray
    """int32 (trees + 1): first leaf of each tree."""
    depths: np.ndarray
    """int16 (trees): inner nodes on the longest way to a leaf."""


def from_lightgbm(dump: dict[str, Any]) -> Trees:
    """From ``Booster.dump_model()``; a tree of a single leaf gets an inner node whose sides agree.

    Raises:
        ValueError: a split that is no ``<=`` of numbers.
    """
    feature: list[int] = []
    threshold: list[np.float32] = []
    children: list[list[int]] = []
    values: list[float] = []
    roots, leaves, depths = [0], [0], []
    for tree in dump["tree_info"]:
        base, base_leaf = len(feature), len(values)
        waiting = [(tree["tree_structure"], -1, 0, 1)]
        deepest = 1
        while waiting:
            node, above, side, level = waiting.pop()
            if "split_feature" in node:
                if node["decision_type"] != "<=":
                    raise ValueError(f"a split of kind {node['decision_type']!r}; only '<=' can be evaluated")
                number = len(feature) - base
                feature.append(node["split_feature"])
                threshold.append(_down(node["threshold"]))
                children.append([0, 0])
                deepest = max(deepest, level)
                waiting += [(node["right_child"], number, 1, level + 1), (node["left_child"], number, 0, level + 1)]
            else:
                number = -1 - (len(values) - base_leaf)
                values.append(node["leaf_value"])
            if above >= 0:
                children[base + above][side] = number
        if len(feature) == base:
            feature.append(0)
            threshold.append(np.float32(0))
            children.append([-1, -1])
        depths.append(deepest)
        roots.append(len(feature))
        leaves.append(len(values))
    return Trees(
        np.array(feature, np.int16), np.array(threshold, np.float32), np.array(children, np.int16).reshape(-1, 2),
        np.array(roots, np.int32), np.array(values, np.float32), np.array(leaves, np.int32),
        np.array(depths, np.int16),
    )  # fmt: skip


def _down(value: float) -> np.float32:
    """The largest float32 that is not above."""
    near = np.float32(value)
    return near if float(near) <= value else np.nextafter(near, np.float32(-np.inf))


_TOGETHER = 16


@numba.njit(cache=True)
def evaluate(rows, feature, threshold, children, roots, values, leaves, depths):  # type: ignore[no-untyped-def]
    """Probability for each row (rows × features, float32): the logistic of the sum of the trees' leaves, float32.

    Several rows go down a tree together and as many steps as it is deep, those at a leaf staying there: steps without
    branches overlap in the processor, where a way of its own for each row is a mispredicted branch at every node.
    """
    count = len(rows)
    total = np.zeros(count, np.float64)
    node = np.zeros(_TOGETHER, np.int64)
    for tree in range(len(roots) - 1):
        root, leaf = numba.int64(roots[tree]), numba.int64(leaves[tree])
        for begin in range(0, count, _TOGETHER):
            width = min(_TOGETHER, count - begin)
            node[:] = 0
            for _ in range(depths[tree]):
                for row in range(width):
                    here = node[row]
                    at = root + max(here, 0)
                    side = numba.int64(rows[begin + row, feature[at]] > threshold[at])
                    node[row] = numba.int64(children[at, side]) if here >= 0 else here
            for row in range(width):
                total[begin + row] += values[leaf - 1 - node[row]]
    return (1 / (1 + np.exp(-total))).astype(np.float32)
