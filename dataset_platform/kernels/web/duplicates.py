"""Deduplication of a day in memory, and the settings it shares with the distributed version in ``engines/dedup.py``.

Both follow the same steps and give the same links, clusters and labels (tested against each other and against a
comparison of all pairs). This one serves days and indexes of up to ``in_memory_documents``: there a dozen shuffles would
cost far more than the work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from dataset_platform.kernels.web import minhash
from dataset_platform.kernels.web.components import connected_components

LINKS = pa.schema(
    [("doc_id", pa.string()), ("linked_doc_id", pa.string()), ("kind", pa.string()), ("jaccard", pa.float64())]
)
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
Texts = Callable[[Sequence[str]], Sequence[str]]


class DedupConfig(BaseModel):
    """How duplicates are found.

    14 bands of 8 rows over word 5-grams is FineWeb's choice (Penedo et al. 2024, arXiv:2406.17557): it makes 92 % of
    the pairs at Jaccard 0.8 candidates.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bands: int = Field(default=14, ge=1, description="LSH bands")
    rows: int = Field(default=8, ge=1, description="MinHash values per band")
    ngram: int = Field(default=5, ge=1, description="words per shingle")
    jaccard_threshold: float = Field(
        default=0.8, gt=0.0, le=1.0, description="true similarity from which two texts are duplicates"
    )
    max_bucket: int = Field(
        default=500, ge=2, description="documents in a band's bucket up to which all pairs are compared"
    )
    bucket_hubs: int = Field(
        default=10, ge=1, description="documents that the others of a larger bucket are compared with"
    )
    in_memory_documents: int = Field(
        default=200_000, ge=0, description="documents of a day and its index up to which no shuffle is made"
    )


def judge(
    today: pa.Table, earlier: pa.Table, old_links: pa.Table, texts: Texts, config: DedupConfig
) -> tuple[pa.Table, pa.Table]:
    """Links and verdicts of a day.

    Args:
        today: doc_id, text_hash, minhash, text_length, language_score, ingestion_date of the day's documents.
        earlier: the same of all earlier days.
        old_links: doc_id, linked_doc_id found on earlier days.
        texts: gives the texts of doc_ids, in their order; asked for candidates only.

    Returns:
        Rows of ``LINKS``, and one row of ``VERDICTS`` for each of today's documents.
    """
    everything = pa.concat_tables([t.select(earlier.column_names) for t in (today, earlier)])
    ids = everything.column("doc_id").to_numpy(zero_copy_only=False).astype(str)
    is_today = np.arange(len(ids)) < today.num_rows
    landed = is_today & np.isin(ids, ids[~is_today])
    taken = np.flatnonzero(~landed)
    everything, ids, is_today = everything.take(pa.array(taken)), ids[taken], is_today[taken]
    rank = _ranks(everything)
    links = _exact(everything.column("text_hash"), is_today, rank)
    firsts = is_today & ~np.isin(np.arange(len(ids)), links[:, 0])
    pairs = _candidates(everything, firsts, ~is_today, rank, config)
    pairs, similarity = _verified(pairs, ids, texts, config)
    later_first = np.where((rank[pairs[:, 0]] > rank[pairs[:, 1]])[:, None], pairs, pairs[:, ::-1])
    found = pa.table(
        [
            pa.array(ids[np.concatenate([links[:, 0], later_first[:, 0]])]),
            pa.array(ids[np.concatenate([links[:, 1], later_first[:, 1]])]),
            pa.array(["exact"] * len(links) + ["near"] * len(pairs), pa.string()),
            pa.array(np.concatenate([np.ones(len(links)), similarity])),
        ],
        schema=LINKS,
    )
    verdicts = _verdicts(today.column("doc_id"), ids, is_today, rank, found, old_links)
    return found, verdicts


def _ranks(documents: pa.Table) -> np.ndarray:
    """Place of each document in the order of who stays: earliest day, longest text, surest language, smallest id."""
    keys = [("ingestion_date", "ascending"), ("text_length", "descending"), ("language_score", "descending")]
    order = pc.sort_indices(documents, sort_keys=[*keys, ("doc_id", "ascending")]).to_numpy()
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _exact(hashes: pa.ChunkedArray, is_today: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """(later, best) of today's documents whose text stands elsewhere at a better rank, int64 of shape (n, 2)."""
    groups = hashes.combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    best = np.full(groups.max(initial=-1) + 1, np.iinfo(np.int64).max)
    np.minimum.at(best, groups, rank)
    by_rank = np.argsort(rank)
    linked = np.flatnonzero(is_today & (best[groups] != rank))
    return np.stack([linked, by_rank[best[groups[linked]]]], axis=1)


def _candidates(
    documents: pa.Table, firsts: np.ndarray, is_earlier: np.ndarray, rank: np.ndarray, config: DedupConfig
) -> np.ndarray:
    """Pairs that share a band and have a member of today, int64 of shape (n, 2), each once.

    ``firsts`` marks today's documents that are no exact duplicate; of equal texts of earlier days one stands for all.
    """
    groups = documents.column("text_hash").combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    earlier = np.flatnonzero(is_earlier)
    earlier = earlier[np.argsort(rank[earlier])]
    earlier = earlier[np.unique(groups[earlier], return_index=True)[1]]
    members = np.concatenate([np.flatnonzero(firsts), earlier])
    if not firsts.any() or len(members) < 2:
        return np.empty((0, 2), dtype=np.int64)
    # sorted by id, as the distributed version sorts the members of a bucket
    ids = documents.column("doc_id").take(pa.array(members))
    members = members[pc.sort_indices(ids).to_numpy()]
    raw = b"".join(documents.column("minhash").take(pa.array(members)).to_pylist())
    signatures = np.frombuffer(raw, dtype="<u4").reshape(len(members), -1)
    keys = minhash.band_keys(signatures, config.bands, config.rows).reshape(-1)
    owner = np.repeat(np.arange(len(members)), config.bands)
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], keys[order][1:] != keys[order][:-1]]))
    ends = np.concatenate([starts[1:], [len(order)]])
    found = []
    for start, end in zip(starts[ends - starts > 1], ends[ends - starts > 1], strict=True):
        bucket = members[owner[order[start:end]]]
        left, right = bucket_pairs(len(bucket), config)
        wanted = firsts[bucket[left]] | firsts[bucket[right]]
        found.append(np.stack([bucket[left[wanted]], bucket[right[wanted]]], axis=1))
    return np.unique(np.sort(np.concatenate(found), axis=1), axis=0) if found else np.empty((0, 2), dtype=np.int64)


def bucket_pairs(count: int, config: DedupConfig) -> tuple[np.ndarray, np.ndarray]:
    """Index pairs (left < right) to compare in a bucket of ``count`` documents.

    A bucket of more than ``max_bucket`` documents would give a quadratic number of pairs; there each document is paired
    with the first ``bucket_hubs`` only, which keeps templates connected without comparing all with all.
    """
    if count <= config.max_bucket:
        left, right = np.triu_indices(count, k=1)
        return left, right
    left, right = np.meshgrid(np.arange(min(config.bucket_hubs, count)), np.arange(count), indexing="ij")
    keep = right > left
    return left[keep], right[keep]


def _verified(pairs: np.ndarray, ids: np.ndarray, texts: Texts, config: DedupConfig) -> tuple[np.ndarray, np.ndarray]:
    """The pairs whose true Jaccard similarity reaches the threshold, and that similarity."""
    needed = np.unique(pairs)
    settings = minhash.MinHashConfig(ngram=config.ngram)
    wanted = ids[needed].tolist()
    shingles = dict(zip(needed.tolist(), (minhash.shingles(t, settings) for t in texts(wanted)), strict=True))
    values = np.array([minhash.jaccard(shingles[a], shingles[b]) for a, b in pairs.tolist()], dtype=np.float64)
    keep = values >= config.jaccard_threshold
    return pairs[keep], values[keep]


def _verdicts(
    todays: pa.ChunkedArray,
    ids: np.ndarray,
    is_today: np.ndarray,
    rank: np.ndarray,
    links: pa.Table,
    old_links: pa.Table,
) -> pa.Table:
    """Cluster, reason, measure and detail of each of today's documents, the landed ones included."""
    edges = [pa.concat_arrays([*links.column(n).chunks, *old_links.column(n).chunks]) for n in LINKS.names[:2]]
    nodes, labels = connected_components(*(e.to_numpy(zero_copy_only=False).astype(str) for e in edges))
    label_of = dict(zip(nodes.tolist(), labels.tolist(), strict=True))
    members: dict[str, list[int]] = {}
    for place, doc_id in enumerate(ids.tolist()):
        if doc_id in label_of:
            members.setdefault(label_of[doc_id], []).append(place)
    keeper = {label: str(ids[min(places, key=rank.__getitem__)]) for label, places in members.items()}
    exact: set[str] = set()
    own: dict[str, float] = {}
    others: dict[str, float] = {}
    for doc_id, linked, kind, value in zip(*(links.column(n).to_pylist() for n in LINKS.names), strict=True):
        own[doc_id] = max(value, own.get(doc_id, 0.0))
        if kind == "exact":
            exact.add(doc_id)
        else:
            others[linked] = max(value, others.get(linked, 0.0))
    known = set(ids[is_today].tolist())
    rows: list[tuple[str, str, int, str | None, float | None, str | None]] = []
    for doc_id in todays.to_pylist():
        if doc_id not in known:
            rows.append((doc_id, doc_id, 1, "duplicate_record", None, "the same record id landed on an earlier day"))
            continue
        label = label_of.get(doc_id)
        cluster, size = (keeper[label], len(members[label])) if label is not None else (doc_id, 1)
        if cluster == doc_id:
            rows.append((doc_id, doc_id, size, None, None, None))
            continue
        reason = "exact_duplicate" if doc_id in exact else "near_duplicate"
        measure = own.get(doc_id, others.get(doc_id))
        rows.append((doc_id, cluster, size, reason, measure, f"cluster of {size} kept as {cluster}"))
    columns = zip(*rows, strict=True) if rows else ([] for _ in VERDICTS)
    return pa.table([pa.array(list(c), f.type) for c, f in zip(columns, VERDICTS, strict=True)], schema=VERDICTS)
