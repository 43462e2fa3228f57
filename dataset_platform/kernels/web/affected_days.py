"""Which later days have to be judged again when a day's documents or links have changed.

A later day is a function of its own documents and of the index rows, texts and links of the days that it is judged on.
It can come out otherwise only if one of its documents

- has the doc_id of a document that came to the changed day or left it (it is a record that lands again, or no more);
- shares a text hash or a band key with a document that came, left or changed (links can come or go);
- is connected, by the links of the days up to its own, to such a document or to a link that came or went (the cluster's
  keeper or size can change).

Days that fulfil none of these stay as they are. Days that fulfil one are made again, and are compared in the same way
with what they were before, so that what the changes lead to further on is found then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataset_platform.kernels.web import band_keys
from dataset_platform.kernels.web.components import connected_components
from dataset_platform.kernels.web.duplicates import INDEX

EDGES = pa.schema([("doc_id", pa.string()), ("linked_doc_id", pa.string()), ("ingestion_date", pa.date32())])
MEMBERS = pa.schema([("doc_id", pa.string()), ("ingestion_date", pa.date32())])


@dataclass(frozen=True)
class State:
    """What a day leaves for later ones: index rows (columns ``duplicates.INDEX``) and links (doc_id, linked_doc_id)."""

    index: pa.Table
    links: pa.Table


@dataclass(frozen=True)
class Others:
    """What lies on other days.

    Attributes:
        documents: doc_id, ingestion_date of the filtered documents of later days.
        index: doc_id, text_hash, band_keys, ingestion_date of the index rows of later days.
        links: doc_id, linked_doc_id, ingestion_date of all other days.
    """

    documents: pa.Table
    index: pa.Table
    links: pa.Table


def affected_days(
    day: date, before: State, after: State, others: Others, bands: int, window_days: int | None
) -> list[date]:
    """Later days whose result can differ, sorted.

    Args:
        day: the day that changed.
        before: what it left before; ``after``: what it leaves now.
        bands: LSH bands of the keys.
        window_days: how many days back a day looks; None: all.
    """
    rows = only_in_one(before.index.select(INDEX), after.index.select(INDEX))
    went = only_in_one(before.links.select(EDGES.names[:2]), after.links.select(EDGES.names[:2]))
    if not rows.num_rows and not went.num_rows:
        return []
    moved = only_in_one(before.index.select(["doc_id"]), after.index.select(["doc_id"]))
    found = _days(others.documents.filter(pc.is_in(others.documents["doc_id"], value_set=moved["doc_id"])))
    found |= _days(others.index.filter(pc.is_in(others.index["text_hash"], value_set=rows["text_hash"])))
    found |= _days(_sharing_a_key(others.index, rows, bands))
    seeds = pa.concat_arrays(
        [c for t in (rows, went) for n in EDGES.names[:2] if n in t.column_names for c in t[n].chunks]
    )
    own = [
        t.select(EDGES.names[:2]).append_column(EDGES.field(2), pa.array([day] * t.num_rows, pa.date32()))
        for t in (before.links, after.links)
    ]
    edges = pa.concat_tables([others.links.select(EDGES.names), *own])
    members = others.index.select(MEMBERS.names)
    found |= connected_days(edges, seeds, members, window_days, found)
    last = None if window_days is None else day + timedelta(days=window_days)
    return sorted(d for d in found if day < d and (last is None or d <= last))


def connected_days(
    edges: pa.Table, seeds: pa.Array, members: pa.Table, window_days: int | None, known: Iterable[date] = ()
) -> set[date]:
    """Days with a document that the links of the days up to it connect to one of ``seeds``.

    Args:
        edges: rows of ``EDGES``: the links that count, with the day on which each was found.
        seeds: doc_ids.
        members: rows of ``MEMBERS``: the documents of the days to look at.
        known: days that need no look.
    """
    both = pa.concat_arrays([c for n in EDGES.names[:2] for c in edges[n].chunks])
    if not len(both):
        return set()
    codes = both.dictionary_encode()
    src, dst = codes.indices.to_numpy(zero_copy_only=False).astype(np.int64).reshape(2, -1)
    is_seed = np.asarray(pc.is_in(codes.dictionary, value_set=seeds))
    touched = _reached(src, dst, is_seed)
    places = pc.index_in(members["doc_id"], value_set=codes.dictionary).combine_chunks()
    inside = np.asarray(places.is_valid()) & touched[np.asarray(places.fill_null(0))]
    at, days = np.asarray(places.fill_null(0))[inside], _day_numbers(members["ingestion_date"])[inside]
    kept = touched[src]
    src, dst, found_on = src[kept], dst[kept], _day_numbers(edges["ingestion_date"])[kept]
    found = set()
    for number in np.setdiff1d(days, [_number(d) for d in known]):
        counts = found_on <= number
        if window_days is not None:
            counts &= found_on >= number - window_days
        if _reached(src[counts], dst[counts], is_seed)[at[days == number]].any():
            found.add(date(1970, 1, 1) + timedelta(days=int(number)))
    return found


def only_in_one(a: pa.Table, b: pa.Table) -> pa.Table:
    """Rows that only one of two tables has; neither holds a row twice."""
    rows = pa.concat_tables([a, b.select(a.column_names).cast(a.schema)])
    encoded = (c.combine_chunks().dictionary_encode().indices.fill_null(-1) for c in rows.columns)
    codes = np.stack([np.asarray(c).astype(np.int64) for c in encoded], axis=1)
    _, first, counts = np.unique(codes, axis=0, return_index=True, return_counts=True)
    return rows.take(pa.array(np.sort(first[counts == 1])))


def _sharing_a_key(index: pa.Table, rows: pa.Table, bands: int) -> pa.Table:
    index = index.filter(index["band_keys"].is_valid())
    changed = band_keys.unpack(rows["band_keys"].drop_null(), bands)
    shared = np.isin(band_keys.unpack(index["band_keys"], bands), changed.reshape(-1)).any(axis=1)
    return index.filter(pa.array(shared))


def _reached(src: np.ndarray, dst: np.ndarray, is_seed: np.ndarray) -> np.ndarray:
    """Marks the nodes in a component with a seed; nodes without an edge are marked where they are seeds."""
    nodes, labels = connected_components(src, dst)
    marks = is_seed.copy()
    marks[nodes] = np.isin(labels, np.unique(labels[is_seed[nodes]]))
    return marks


def _day_numbers(days: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(days.cast(pa.int32())).astype(np.int64)


def _number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _days(rows: pa.Table) -> set[date]:
    return set(rows["ingestion_date"].unique().to_pylist())
