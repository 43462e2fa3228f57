"""The dataset card: what a reader must know of the data before training on it, as Markdown with Hugging Face's header.

``dataset_card`` is a pure function of plain facts. The number of distinct hosts among its facts is counted here too,
by HyperLogLog++ sketches that any number of workers fill and one process joins.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from datasketch import HyperLogLogPlusPlus
from pydantic import BaseModel, ConfigDict, Field

HOST_SKETCH_SCHEMA = pa.schema([pa.field("source", pa.string()), pa.field("registers", pa.binary())])
_PRECISION = 14  # 16 KiB a sketch, standard error 1.04 / sqrt(2^14) = 0.8 %
_HOST = r"^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(?P<host>[^/?#:]+)"
# the Hub's size_categories and their upper bounds
_SIZES = (
    *((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"), (1e7, "1M<n<10M")),
    *((1e8, "10M<n<100M"), (1e9, "100M<n<1B"), (1e10, "1B<n<10B"), (1e11, "10B<n<100B"), (1e12, "100B<n<1T")),
)


class SourceFacts(BaseModel):
    """One source; ``licence`` is an SPDX name or a sentence. None: nobody has said, or the hosts were not counted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    licence: str | None = None
    description: str = ""
    records: int = Field(ge=0)
    tokens: int = Field(ge=0)
    shards: int = Field(ge=0)
    distinct_hosts: int | None = None


class FunnelStep(BaseModel):
    """What one stage took in and let through, in rows; ``reasons`` counts the rejected by rule."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    rows_in: int
    rows_kept: int
    rows_rejected: int = 0
    rows_quarantined: int = 0
    reasons: dict[str, int] = Field(default_factory=dict)


class CardFacts(BaseModel):
    """All that a card says. ``versions`` maps tables and programs to versions, ``mixtures`` is mixtures.json parsed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    summary: str = ""
    first_day: str | None = None
    last_day: str | None = None
    languages: dict[str, int] = Field(default_factory=dict)
    sources: list[SourceFacts]
    funnel: list[FunnelStep] = Field(default_factory=list)
    versions: dict[str, str] = Field(default_factory=dict)
    tokenizer_fingerprint: str
    vocab_size: int
    held_out: dict[str, float | int | None] = Field(default_factory=dict)
    mixtures: dict[str, object] | None = None


def host_sketches(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Kernel from rows with ``source`` and ``url`` to one sketch of the hosts for each source (``HOST_SKETCH_SCHEMA``).

    Rows without a URL, or with one that has no host, are not counted.
    """
    sketches: dict[str, HyperLogLogPlusPlus] = {}
    for batch in batches:
        hosts = pc.utf8_lower(pc.struct_field(pc.extract_regex(batch.column("url"), _HOST), "host"))
        pairs = pa.table({"source": batch.column("source"), "host": hosts}).drop_null()
        for row in pairs.group_by(["source", "host"]).aggregate([]).to_pylist():
            sketch = sketches.setdefault(row["source"], _empty_sketch())
            sketch.update(row["host"].encode())
    if sketches:
        names = sorted(sketches)
        registers = [sketches[name].reg.astype(np.uint8).tobytes() for name in names]
        yield pa.RecordBatch.from_arrays([pa.array(names), pa.array(registers)], schema=HOST_SKETCH_SCHEMA)


def distinct_hosts(sketch_batches: Iterable[pa.RecordBatch]) -> dict[str, int]:
    """Estimated number of distinct hosts per source, from sketches of any number of workers; error about 0.8 %."""
    joined: dict[str, HyperLogLogPlusPlus] = {}
    for batch in sketch_batches:
        for row in batch.to_pylist():
            sketch = joined.setdefault(row["source"], _empty_sketch())
            sketch.reg = np.maximum(
                sketch.reg, np.frombuffer(row["registers"], dtype=np.uint8).astype(sketch.reg.dtype)
            )
    return {source: round(joined[source].count()) for source in sorted(joined)}


def _empty_sketch() -> HyperLogLogPlusPlus:
    return HyperLogLogPlusPlus(p=_PRECISION, hashfunc=xxhash.xxh3_64_intdigest)


def dataset_card(facts: CardFacts) -> str:
    """The card's text: YAML front matter as the Hugging Face Hub reads it, then tables for people."""
    parts = [_front_matter(facts), f"# {facts.title}\n"]
    if facts.summary:
        parts.append(f"{facts.summary}\n")
    if facts.first_day:
        parts.append(f"Data that landed from {facts.first_day} to {facts.last_day or facts.first_day}.\n")
    parts += [_sources(facts), _languages(facts), _funnel(facts), _mixtures(facts), _tokenizer(facts), _versions(facts)]
    return "\n".join(part for part in parts if part)


def _front_matter(facts: CardFacts) -> str:
    licences = {source.licence for source in facts.sources}
    only = licences.pop() if len(licences) == 1 else None
    records = sum(source.records for source in facts.sources)
    size = next((name for bound, name in _SIZES if records < bound), "n>1T")
    # JSON strings are YAML strings, so nothing in a title or a name can break the header
    lines = ["---", f"pretty_name: {json.dumps(facts.title, ensure_ascii=False)}"]
    if only and " " not in only:
        lines.append(f"license: {json.dumps(only.lower())}")
    else:
        # the Hub has no word for several licences at once: "other", and the name says how it is
        name = "unknown" if licences <= {None} and only is None else only or "one per source"
        lines += ["license: other", f"license_name: {json.dumps(name, ensure_ascii=False)}"]
    lines += [f"language: {json.dumps(sorted(facts.languages))}"] if facts.languages else []
    lines += ["task_categories:", "- text-generation", "size_categories:", f"- {size}", "configs:"]
    for source in facts.sources:
        pattern = json.dumps(f"tokens/tokenized_shards/*/{source.name}/*.parquet", ensure_ascii=False)
        lines += [f"- config_name: {json.dumps(source.name, ensure_ascii=False)}", f"  data_files: {pattern}"]
    return "\n".join([*lines, "---", ""])


def _by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]], note: str = "") -> str:
    def cell(value: object) -> str:
        if isinstance(value, bool) or not isinstance(value, int):
            return str(value).replace("|", "\\|").replace("\n", " ")
        return f"{value:,}"

    lines = [f"| {' | '.join(map(cell, row))} |" for row in rows]
    head = [f"## {title}", "", f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    return "\n".join([*head, *lines, *(["", note] if note else []), ""])


def _sources(facts: CardFacts) -> str:
    rows: list[tuple[object, ...]] = [
        (
            s.name,
            s.licence or "unknown",
            s.records,
            s.tokens,
            s.shards,
            "not counted" if s.distinct_hosts is None else s.distinct_hosts,
        )
        for s in facts.sources
    ]
    sums = [sum(getattr(s, name) for s in facts.sources) for name in ("records", "tokens", "shards")]
    rows.append(("all", "", *sums, ""))
    header = ("source", "licence", "records", "tokens", "shards", "distinct hosts")
    note = "Hosts are counted by HyperLogLog++, standard error 0.8 %."
    unknown = [s.name for s in facts.sources if not s.licence]
    if unknown:
        note += f" Nobody has stated a licence for {', '.join(unknown)}: clear the rights before you use or share it."
    described = "".join(f"\n- **{s.name}**: {s.description}" for s in facts.sources if s.description)
    return _table("Sources", header, rows, note + ("\n" + described if described else ""))


def _languages(facts: CardFacts) -> str:
    if not facts.languages:
        return ""
    return _table("Languages", ("language", "records"), _by_count(facts.languages))


def _funnel(facts: CardFacts) -> str:
    if not facts.funnel:
        return ""
    rows = [
        (
            *(step.stage, step.rows_in, step.rows_kept, step.rows_rejected, step.rows_quarantined),
            ", ".join(f"{k} {n:,}" for k, n in _by_count(step.reasons)),
        )
        for step in facts.funnel
    ]
    return _table(
        "How the documents were filtered", ("stage", "in", "kept", "rejected", "quarantined", "reasons"), rows
    )


def _mixtures(facts: CardFacts) -> str:
    if facts.mixtures is None:
        return ""
    rows: list[tuple[object, ...]] = []
    for phase in ("phase_1", "phase_2", "final"):
        planned = facts.mixtures.get(phase)
        if isinstance(planned, Mapping):
            for source, asked in planned["sources"].items():
                shares = (f"{asked['weight']:.4f}", f"{asked['achieved']:.4f}")
                rows.append((phase, source, *shares, asked["tokens"], f"{asked['repeats']:.2f}", f"{asked['cap']:g}"))
    header = ("phase", "source", "share asked", "share achieved", "tokens", "passes so far", "cap")
    return _table("Mixtures", header, rows)


def _tokenizer(facts: CardFacts) -> str:
    lines = [
        "## Tokenizer",
        "",
        f"Byte-level BPE with {facts.vocab_size:,} entries, fingerprint `{facts.tokenizer_fingerprint}` (SHA-256 of",
        "`tokenizer-vocab.json` followed by `tokenizer-merges.txt`). Text is encoded without special tokens and",
        "without truncation. `meta.split` marks the documents that the tokenizer was not trained on.",
    ]
    if facts.held_out:
        lines += ["", "On held-out documents:", ""]
        lines += [
            f"- {name}: {value:.4g}" if isinstance(value, float) else f"- {name}: {value}"
            for name, value in facts.held_out.items()
        ]
    return "\n".join([*lines, ""])


def _versions(facts: CardFacts) -> str:
    if not facts.versions:
        return ""
    return _table("Versions", ("what", "version"), sorted(facts.versions.items()))
