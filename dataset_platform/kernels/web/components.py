"""Connected components in memory: pairs of ids in, one label per id out. For edges that fit on one machine.

Ids become numbers in one pass over a hash table, and the numbers are joined by union-find: union by size, path halving
(Tarjan and van Leeuwen 1984, doi:10.1145/62.2160). ``engines/components.py`` gives the same labels to edges that do not
fit.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ids = npt.NDArray[Any]
Codes = npt.NDArray[np.int32]

DENSE = 4  # numbers per end of an edge up to which a table of all numbers between is smaller than a hash table
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@numba.njit(cache=True)
def _root(parent, node):  # type: ignore[no-untyped-def]
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@numba.njit(cache=True)
def _roots(src, dst, count):  # type: ignore[no-untyped-def]
    """One node of its component for each of ``count`` nodes."""
    parent, size = np.arange(count).astype(np.int32), np.ones(count, np.int32)
    for e in range(len(src)):
        a, b = _root(parent, src[e]), _root(parent, dst[e])
        if a != b:
            if size[a] < size[b]:
                a, b = b, a
            parent[b] = a
            size[a] += size[b]
    for node in range(count):
        parent[node] = _root(parent, node)
    return parent


@numba.njit(cache=True)
def _firsts(roots, order):  # type: ignore[no-untyped-def]
    """The component's first node in ``order``, for each node."""
    first = np.full(len(roots), -1, np.int32)
    for node in order:
        if first[roots[node]] < 0:
            first[roots[node]] = node
    return first[roots]


@numba.njit(cache=True)
def _less(data, offsets, a, b):  # type: ignore[no-untyped-def]
    i, k = offsets[a], offsets[b]
    while i < offsets[a + 1] and k < offsets[b + 1]:
        if data[i] != data[k]:
            return data[i] < data[k]
        i += 1
        k += 1
    return offsets[a + 1] - offsets[a] < offsets[b + 1] - offsets[b]


@numba.njit(cache=True)
def _least(roots, data, offsets):  # type: ignore[no-untyped-def]
    """The component's node of the smallest string, for each node."""
    least = roots.copy()
    for node in range(len(roots)):
        root = roots[node]
        if node != least[root] and _less(data, offsets, node, least[root]):
            least[root] = node
    return least[roots]


@numba.njit(cache=True)
def _grow(nodes, count, slots):  # type: ignore[no-untyped-def]
    table, shift = np.full(slots, -1, np.int32), np.uint64(64)
    while slots > 1:
        slots >>= 1
        shift -= np.uint64(1)
    for code in range(count):
        at = np.int64((nodes[code] * _SPREAD) >> shift)
        while table[at] >= 0:
            at = (at + 1) & (len(table) - 1)
        table[at] = code
    return table, shift


@numba.njit(cache=True)
def _number(ids):  # type: ignore[no-untyped-def]
    """Numbers of 64-bit ids in the order in which they are met, and the distinct ids in that order."""
    nodes, codes = np.empty(len(ids), np.uint64), np.empty(len(ids), np.int32)
    count = 0
    table, shift = _grow(nodes, 0, 1024)
    for i in range(len(ids)):
        node = ids[i]
        at = np.int64((node * _SPREAD) >> shift)
        while table[at] >= 0 and nodes[table[at]] != node:
            at = (at + 1) & (len(table) - 1)
        if table[at] < 0:
            table[at] = count
            nodes[count] = node
            count += 1
        codes[i] = table[at]
        if 2 * count > len(table):
            table, shift = _grow(nodes, count, 4 * len(table))
    return codes, nodes[:count].copy()


def connected_components(src: Ids, dst: Ids) -> tuple[Ids, Ids]:
    """Label every id with the smallest id it is connected to.

    Args:
        src: ids (strings, bytes or integers) at one end of each edge.
        dst: ids at the other end; same length and type. Direction, repeats and loops do not matter.

    Returns:
        nodes: the distinct ids, sorted.
        labels: for each of them the smallest id of its component.

    Raises:
        ValueError: the two arrays differ in length.
    """
    ids = np.concatenate([src, dst])
    if len(src) != len(dst):
        raise ValueError(f"{len(src)} sources but {len(dst)} destinations")
    if ids.dtype.kind not in "iu":
        found, least = arrow_components(*(pa.array(side) for side in (src, dst)))
        order = pc.sort_indices(found)
        nodes, labels = (a.take(order).to_numpy(zero_copy_only=False).astype(ids.dtype) for a in (found, least))
        return nodes, labels
    if len(ids) == 0:
        return ids, ids
    wide = np.int64 if ids.dtype.kind == "i" else np.uint64
    ids, narrow = ids.astype(wide, copy=False), ids.dtype
    least, largest = int(ids.min()), int(ids.max())
    if largest - least < DENSE * len(ids):
        # numbers as they stand, and those that no edge has left out at the end
        codes = (ids - wide(least)).astype(np.int32)
        met = np.arange(least, largest + 1, dtype=wide)
        order = np.arange(len(met))
        there = np.zeros(len(met), np.bool_)
        there[codes] = True
    else:
        codes, numbers = _number(ids.view(np.uint64))
        met = numbers.view(wide)
        order = np.argsort(met)
        there = np.ones(len(met), np.bool_)
    firsts = _firsts(_roots(codes[: len(src)], codes[len(src) :], len(met)), order)
    kept = order[there[order]]
    return met[kept].astype(narrow), met[firsts[kept]].astype(narrow)


def arrow_components(src: pa.Array | pa.ChunkedArray, dst: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """``connected_components`` of Arrow strings or binaries, which never become Python objects.

    Returns:
        nodes: the distinct ids, in the order in which they are met in ``src``, then ``dst``.
        labels: for each of them the smallest id of its component, in the order of bytes.

    Raises:
        ValueError: the two differ in length, or an id is null.
    """
    if len(src) != len(dst):
        raise ValueError(f"{len(src)} sources but {len(dst)} destinations")
    if src.null_count or dst.null_count:
        raise ValueError("an edge has a null at one end")
    chunks = [c for side in (src, dst) for c in (side.chunks if isinstance(side, pa.ChunkedArray) else [side])]
    encoded = pa.chunked_array(chunks, src.type).dictionary_encode().combine_chunks()
    nodes, codes = encoded.dictionary, encoded.indices.to_numpy()
    roots = _roots(codes[: len(src)], codes[len(src) :], len(nodes))
    raw = nodes.cast(pa.large_binary())
    _, offsets, data = raw.buffers()
    starts = np.frombuffer(offsets, np.int64)[raw.offset :]
    labels = _least(roots, np.frombuffer(data or b"", np.uint8), starts)
    return nodes, nodes.take(pa.array(labels))
