"""Deduplication of a day in memory, and the settings it shares with the distributed version in ``engines/dedup.py``.

Both follow the same steps and give the same links, clusters, labels and index rows (tested against each other and against
a comparison of all pairs). This one serves days and indexes of up to ``in_memory_documents``: there a dozen shuffles
would cost far more than the work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from dataset_platform.kernels.web import band_keys, lsh, minhash
from dataset_platform.kernels.web.components import connected_components
from dataset_platform.kernels.web.duplicate_verdicts import verdicts_of
from dataset_platform.kernels.web.jaccard import jaccard_of_pairs
from dataset_platform.kernels.web.line_duplicates import SpanConfig

LINKS = pa.schema(
    [("doc_id", pa.string()), ("linked_doc_id", pa.string()), ("kind", pa.string()), ("jaccard", pa.float64())]
)
TODAY = ("doc_id", "text_hash", "text_digest", "minhash", "text_length", "language_score", "ingestion_date")
EARLIER = ("doc_id", "text_hash", "band_keys", "text_length", "language_score", "ingestion_date")
INDEX = ("doc_id", "text_hash", "text_digest", "band_keys", "text_length", "language_score")
_KNOWN = ("doc_id", "text_hash", "text_length", "language_score", "ingestion_date")
BLOCK_DOCUMENTS = 20_000
"""Candidates whose shingles are held at a time: some 8 kB each."""

Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Texts = Callable[[pa.Table], Sequence[str]]


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
    window_days: int | None = Field(
        default=None,
        ge=1,
        description="a day is judged on itself and this many calendar days before it; unset: on all earlier days",
    )
    spans: SpanConfig | None = Field(
        default=None,
        description="lines, paragraphs or sentences seen before are taken out of the kept texts; unset: not",
    )


@dataclass(frozen=True)
class Judged:
    """What came of a day.

    Attributes:
        links: verified pairs found on the day, rows of ``LINKS``.
        verdicts: one row of ``duplicate_verdicts.VERDICTS`` per document of the day.
        index: what later days need to know of the day's documents, columns ``INDEX``.
    """

    links: pa.Table
    verdicts: pa.Table
    index: pa.Table


def judge(today: pa.Table, earlier: pa.Table, old_links: pa.Table, texts: Texts, config: DedupConfig) -> Judged:
    """Links, verdicts and index rows of a day.

    Args:
        today: columns ``TODAY`` of the day's documents.
        earlier: columns ``EARLIER`` of the index of the days that it is judged on.
        old_links: doc_id, linked_doc_id found on those days.
        texts: gives the texts of the rows of a table (doc_id, ingestion_date), in their order; asked for candidates only.
    """
    earlier = first_landing(earlier)
    todays = today.column("doc_id")
    landed = pc.is_in(todays, value_set=earlier.column("doc_id"))
    today = today.filter(pc.invert(landed))
    known = pa.concat_tables([t.select(_KNOWN) for t in (today, earlier)])
    is_today = np.arange(known.num_rows) < today.num_rows
    rank, groups = _ranks(known), _codes(known.column("text_hash"))
    exact = _exact(groups, is_today, rank)
    firsts = is_today.copy()
    firsts[exact[:, 0]] = False
    pairs, keys = _candidates(today, earlier, known, firsts, groups, rank, config)
    pairs, similarity = _verified(pairs, known, texts, config)
    near = np.where((rank[pairs[:, 0]] > rank[pairs[:, 1]])[:, None], pairs, pairs[:, ::-1])
    ends = np.concatenate([exact, near])
    kinds = pa.array(["exact"] * len(exact) + ["near"] * len(near), pa.string())
    values = pa.array(np.concatenate([np.ones(len(exact)), similarity]))
    ids = known.column("doc_id").combine_chunks()
    links = pa.table([ids.take(pa.array(ends[:, 0])), ids.take(pa.array(ends[:, 1])), kinds, values], schema=LINKS)
    verdicts = verdicts_of(todays, ids, today.num_rows, rank, links, old_links)
    keyed = firsts if config.window_days is None else _best_of_each(groups, is_today, rank)
    index = today.append_column("band_keys", _only(band_keys.pack(keys), keyed[: today.num_rows])).select(INDEX)
    return Judged(links, verdicts, index)


def first_landing(earlier: pa.Table) -> pa.Table:
    """Index rows with each doc_id once, that of its earliest day.

    Only while days wait to be made again can a record be in the index of two of them.
    """
    if pc.count_distinct(earlier.column("doc_id")).as_py() == earlier.num_rows:
        return earlier
    ordered = earlier.sort_by("ingestion_date")
    firsts = np.unique(_codes(ordered.column("doc_id")), return_index=True)[1]
    return ordered.take(pa.array(np.sort(firsts)))


def _codes(values: pa.ChunkedArray) -> Places:
    """Equal values as equal small numbers."""
    codes: Places = values.combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    return codes


def _ranks(documents: pa.Table) -> Places:
    """Place of each document in the order of who stays: earliest day, longest text, surest language, smallest id."""
    keys = [("ingestion_date", "ascending"), ("text_length", "descending"), ("language_score", "descending")]
    order = pc.sort_indices(documents, sort_keys=[*keys, ("doc_id", "ascending")]).to_numpy()
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _exact(groups: Places, is_today: Flags, rank: Places) -> Places:
    """(later, best) of today's documents whose text stands elsewhere at a better rank, of shape (n, 2)."""
    best = np.full(groups.max(initial=-1) + 1, np.iinfo(np.int64).max)
    np.minimum.at(best, groups, rank)
    by_rank = np.argsort(rank)
    linked = np.flatnonzero(is_today & (best[groups] != rank))
    return np.stack([linked, by_rank[best[groups[linked]]]], axis=1)


def _best_of_each(groups: Places, among: Flags, rank: Places) -> Flags:
    """Marks, of the documents of equal text ``among`` some, the best by rank."""
    places = np.flatnonzero(among)
    places = places[np.argsort(rank[places])]
    marks = np.zeros(len(groups), np.bool_)
    marks[places[np.unique(groups[places], return_index=True)[1]]] = True
    return marks


def _only(packed: pa.Array, wanted: Flags) -> pa.Array:
    return pc.if_else(pa.array(wanted), packed, pa.scalar(None, packed.type))


def _candidates(
    today: pa.Table,
    earlier: pa.Table,
    known: pa.Table,
    firsts: Flags,
    groups: Places,
    rank: Places,
    config: DedupConfig,
) -> tuple[Places, band_keys.Keys]:
    """Pairs of places that share a band and have a member of today, of shape (n, 2), each once; and today's keys.

    Of equal texts one stands for all: today's ``firsts``, which are no exact duplicates, and of earlier ones the best
    that has keys.
    """
    todays = band_keys.of_signatures(today.column("minhash"), config.bands, config.rows)
    has_keys = np.zeros(known.num_rows, np.bool_)
    has_keys[today.num_rows :] = np.asarray(earlier.column("band_keys").is_valid())
    standing = np.flatnonzero(_best_of_each(groups, has_keys, rank))
    new = np.flatnonzero(firsts)
    if not len(new) or len(new) + len(standing) < 2:
        return np.empty((0, 2), dtype=np.int64), todays
    held = earlier.column("band_keys").take(pa.array(standing - today.num_rows))
    keys = np.concatenate([todays[new], band_keys.unpack(held, config.bands)])
    members = np.concatenate([new, standing])
    # sorted by id, as the distributed version sorts the members of a bucket
    order = pc.sort_indices(known.column("doc_id").take(pa.array(members))).to_numpy()
    members = members[order]
    pairs = lsh.candidate_pairs(keys[order], firsts[members], config.max_bucket, config.bucket_hubs)
    return members[pairs], todays


def _verified(pairs: Places, known: pa.Table, texts: Texts, config: DedupConfig) -> tuple[Places, np.ndarray]:
    """The pairs whose true Jaccard similarity reaches the threshold, and that similarity."""
    values = np.empty(len(pairs), np.float64)
    wanted = known.select(["doc_id", "ingestion_date"])
    settings = minhash.MinHashConfig(ngram=config.ngram)
    for block in _blocks(pairs):
        needed, numbers = np.unique(pairs[block], return_inverse=True)
        members, bounds = minhash.shingle_sets(texts(wanted.take(pa.array(needed))), settings)
        values[block] = jaccard_of_pairs(members, bounds, numbers.reshape(-1, 2))
    keep = values >= config.jaccard_threshold
    return pairs[keep], values[keep]


def _blocks(pairs: Places) -> list[Places]:
    """Numbers of pairs in blocks of about ``BLOCK_DOCUMENTS`` documents; what is connected stays together."""
    if not len(pairs):
        return []
    nodes, labels = connected_components(pairs[:, 0], pairs[:, 1])
    components, sizes = np.unique(labels, return_counts=True)
    block_of = (np.cumsum(sizes) - sizes) // BLOCK_DOCUMENTS
    found = block_of[np.searchsorted(components, labels[np.searchsorted(nodes, pairs[:, 0])])]
    order = np.argsort(found, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(found[order])) + 1)
