"""Connected components in memory: pairs of ids in, one label per id out. For edges that fit on one machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components as _scipy_components

Ids = npt.NDArray[Any]


def connected_components(src: Ids, dst: Ids) -> tuple[Ids, Ids]:
    """Label every id with the smallest id it is connected to.

    Args:
        src: ids (strings, bytes or integers) at one end of each edge.
        dst: ids at the other end; same length. Direction, repeats and loops do not matter.

    Returns:
        nodes: the distinct ids, sorted.
        labels: for each of them the smallest id of its component.

    Raises:
        ValueError: the two arrays differ in length.
    """
    if len(src) != len(dst):
        raise ValueError(f"{len(src)} sources but {len(dst)} destinations")
    if len(src) == 0:
        return np.asarray(src)[:0], np.asarray(dst)[:0]
    nodes, codes = np.unique(np.concatenate([src, dst]), return_inverse=True)
    codes = codes.reshape(2, -1)
    weights = np.ones(codes.shape[1], np.float64)  # the type scipy works in; repeats of an edge add up
    graph = coo_array((weights, (codes[0], codes[1])), shape=(len(nodes), len(nodes)))
    _, component = _scipy_components(graph, directed=False)
    # nodes are sorted, so the first of a component is its smallest
    _, first = np.unique(component, return_index=True)
    return nodes, nodes[first[component]]
