"""Clusters from links, and the verdict on each document of a day: kept, or rejected with reason, measure and keeper."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataset_platform.kernels.web.components import connected_components

VERDICTS = pa.schema(
    [
        ("doc_id", pa.string()),
        ("cluster_id", pa.string()),
        ("cluster_size", pa.int64()),
        ("reason", pa.string()),
        ("measure", pa.float64()),
        ("detail", pa.string()),
    ]
)
LANDED_BEFORE = "the same record id landed on an earlier day"
Places = npt.NDArray[np.int64]


def verdicts_of(
    todays: pa.ChunkedArray, known: pa.Array, today: int, rank: Places, links: pa.Table, old_links: pa.Table
) -> pa.Table:
    """Cluster, reason, measure and detail of each document of the day, rows of ``VERDICTS``.

    Args:
        todays: doc_id of the day's documents, those that landed on an earlier day included.
        known: doc_id of the others, which come first, and of those of earlier days.
        today: how many of ``known`` are of the day.
        rank: place of each of ``known`` in the order of who stays.
        links: doc_id, linked_doc_id, kind, jaccard found on the day.
        old_links: doc_id, linked_doc_id of earlier days.
    """
    ends = [pa.concat_arrays([*links.column(n).chunks, *old_links.column(n).chunks]) for n in links.column_names[:2]]
    # known ids come first, so that their numbers are their places; ends of old links may be known no more
    numbers = pa.concat_arrays([known, *ends]).dictionary_encode().indices.to_numpy(zero_copy_only=False)
    src, dst = numbers[len(known) :].astype(np.int64).reshape(2, -1)
    keeper, size = _keepers(src, dst, rank)
    own, others, exact = _measures(src[: links.num_rows], dst[: links.num_rows], links, len(known))
    places = pc.index_in(todays, value_set=known.slice(0, today)).combine_chunks()
    again = np.asarray(places.is_null())
    at = np.asarray(places.fill_null(0)).astype(np.int64)
    duplicate = ~again & (keeper[at] != at)
    cluster, sizes = known.take(pa.array(keeper[at], mask=again)), pa.array(size[at], mask=again)
    measure = np.where(np.isnan(own[at]), others[at], own[at])
    detail = pc.binary_join_element_wise("cluster of ", sizes.cast(pa.string()), " kept as ", cluster, "")
    nothing, nan = pa.scalar(None, pa.string()), np.isnan(measure)
    is_duplicate, is_again = pa.array(duplicate), pa.array(again)
    kind = pc.if_else(pa.array(exact[at]), "exact_duplicate", "near_duplicate")
    columns = [
        pc.coalesce(cluster, todays.combine_chunks()),
        pc.fill_null(sizes, 1),
        pc.case_when(pc.make_struct(is_again, is_duplicate), pa.scalar("duplicate_record"), kind, nothing),
        pa.array(measure, mask=~duplicate | nan),
        pc.case_when(pc.make_struct(is_again, is_duplicate), pa.scalar(LANDED_BEFORE), detail, nothing),
    ]
    return pa.table([todays, *columns], schema=VERDICTS)


def _keepers(src: Places, dst: Places, rank: Places) -> tuple[Places, Places]:
    """Per known document the place of its cluster's keeper, and how many known documents the cluster has."""
    keeper, size = np.arange(len(rank)), np.ones(len(rank), np.int64)
    nodes, labels = connected_components(src, dst)
    is_known = nodes < len(rank)
    places, clusters = nodes[is_known], np.unique(labels[is_known], return_inverse=True)[1].reshape(-1)
    best = np.full(clusters.max(initial=-1) + 1, np.iinfo(np.int64).max)
    np.minimum.at(best, clusters, rank[places])
    keeper[places] = np.argsort(rank)[best[clusters]]
    size[places] = np.bincount(clusters, minlength=len(best))[clusters]
    return keeper, size


def _measures(
    src: Places, dst: Places, links: pa.Table, count: int
) -> tuple[np.ndarray, np.ndarray, npt.NDArray[np.bool_]]:
    """Highest similarity among a document's own links, among near links to it, and whether it has an exact link."""
    value = links.column("jaccard").to_numpy()
    is_exact = np.asarray(pc.equal(links.column("kind"), "exact"))
    own, others = np.full(count, -np.inf), np.full(count, -np.inf)
    np.maximum.at(own, src, value)
    np.maximum.at(others, dst[~is_exact], value[~is_exact])
    exact = np.zeros(count, np.bool_)
    exact[src[is_exact]] = True
    return np.where(np.isinf(own), np.nan, own), np.where(np.isinf(others), np.nan, others), exact
