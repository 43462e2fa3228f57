"""``tokens/manifest`` and ``tokens/mixtures``: what a training run reads, and the card that describes it.

Replacing ``manifest.json`` is the commit for days that are new in it; shards of a day made again are replaced in place.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import dagster as dg
import xxhash

import dataset_platform
from dataset_platform.contracts import DedupedCorpus, Documents, FilteredDocuments
from dataset_platform.defs.artifacts import Made
from dataset_platform.defs.days import Day
from dataset_platform.defs.metadata import bars, markdown_table
from dataset_platform.defs.tokens import shards
from dataset_platform.defs.tokens.tokenizer import day_batches
from dataset_platform.errors import ContractError, StateError
from dataset_platform.lake import artifacts, receipts, storage
from dataset_platform.lake.locks import lock
from dataset_platform.settings import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pyarrow as pa

    from dataset_platform.kernels.tokens.manifest import Manifest, ShardEntry
    from dataset_platform.lake.audit import Finding

MANIFEST_CHECKS = {
    "complete": ("The manifest lists the shards of every finished day, in its order, as they lie there.", True),
    "one_tokenizer": ("All shards were made with the tokenizer that is there now.", True),
}
MIXTURES_CHECKS = {
    "achieved": (
        "Shares that a reader of whole documents will see are within a point (or two documents) of those asked.",
        False,
    ),
    "current": ("The mixtures were planned for the shards that the manifest lists now.", True),
}
SHARE_TOLERANCE = 0.01


def make_manifest(day: Day, leave_unchanged: bool = False) -> Made:
    """Gather the entries of all finished days and replace the manifest and its card; always done, since it is quick.

    Raises:
        StateError: no day has shards.
    """
    from dataset_platform.kernels.tokens import manifest

    started = time.monotonic()
    root = day.settings.artifacts
    with lock(day.settings.lake, "tokens/manifest"):
        entries = _all_entries(day)
        tokenizer = artifacts.require_tokenizer(root)
        seed = day.config.tokens.shards.seed
        data = manifest.build(entries, seed, tokenizer.fingerprint, tokenizer.vocab_size)
        # the shards were verified when they were published; reading them all again is what 'check' does
        findings = _manifest_findings(day, data, read_shards=False)
        published = all(f.passed for f in findings)
        if published:
            storage.write_bytes(join(artifacts.folder(root, "manifest"), "README.md"), _card(day, entries).encode())
            storage.write_bytes(manifest_path(root), data)
        parsed = manifest.parse(data)
    return Made(findings, _manifest_metadata(root, parsed, time.monotonic() - started), published)


def manifest_path(root: str) -> str:
    """Where the manifest lies."""
    return join(artifacts.folder(root, "manifest"), "manifest.json")


def mixtures_path(root: str) -> str:
    """Where the mixtures lie."""
    return join(artifacts.folder(root, "mixtures"), "mixtures.json")


def _read(path: str, name: str) -> bytes:
    try:
        return storage.read_bytes(path)
    except FileNotFoundError:
        raise StateError(f"There is no {path} yet.", f"Run: dataset-platform materialize {name}") from None


def _all_entries(day: Day) -> list[ShardEntry]:
    entries = [e for d in receipts.days(day.settings.lake, shards.TABLE) for e in _entries_of(day, d)]
    if not entries:
        raise StateError(
            "No day has shards to list in a manifest.",
            "Run: dataset-platform materialize tokens/tokenized_shards --partitions A:B",
        )
    return entries


def _entries_of(day: Day, shard_day: str) -> list[ShardEntry]:
    """A finished day's entries.

    Raises:
        StateError: there are fewer or more than its receipt says, for example because the artifacts were moved.
    """
    entries = artifacts.read_entries(day.settings.artifacts, shard_day)
    receipt = receipts.read(day.settings.lake, shards.TABLE, shard_day)
    if receipt and len(entries) != receipt.extra["shards"]:
        raise StateError(
            f"{shards.TABLE} of {shard_day} has {len(entries)} shards in {day.settings.artifacts}, its receipt says "
            f"{receipt.extra['shards']}.",
            f"Run: dataset-platform materialize {shards.TABLE} --partitions {shard_day}",
        )
    return entries


def audit_manifest(day: Day) -> list[Finding]:
    """The checks of the manifest that is there.

    Raises:
        StateError: there is none.
    """
    data = _read(manifest_path(day.settings.artifacts), "tokens/manifest")
    return _manifest_findings(day, data, read_shards=True)


def _manifest_findings(day: Day, data: bytes, read_shards: bool) -> list[Finding]:
    from dataset_platform.kernels.tokens import manifest
    from dataset_platform.lake.audit import Finding

    root = day.settings.artifacts
    try:
        finished = {e.shard_id for e in _all_entries(day)}
        listed = manifest.verify(data, (lambda path: storage.read_bytes(join(root, path))) if read_shards else None)
        missing = finished ^ {e.shard_id for e in listed.shards}
        line = f"{len(listed.shards)} shards listed and verified"
        if missing:
            line = f"{len(missing)} shards differ from the finished days, such as {min(missing)}"
        complete = Finding("complete", not missing, line)
    except (ContractError, StateError, OSError) as e:
        complete = Finding("complete", False, str(e))
    fingerprint = artifacts.require_tokenizer(root).fingerprint
    stale = manifest.stale_shards(manifest.parse(data).shards, fingerprint)
    line = f"all shards carry {fingerprint[:12]}"
    if stale:
        days = sorted({s.split("/")[0] for s in stale})
        some = ", ".join(stale[:5]) + (" …" if len(stale) > 5 else "")
        line = (
            f"{len(stale)} shards were made with another tokenizer: {some}. "
            f"Run: dataset-platform materialize tokens/tokenized_shards --partitions {days[0]}:{days[-1]}"
        )
    one = Finding("one_tokenizer", not stale, line, details={"stale": stale} if stale else {})
    return [complete, one]


def _manifest_metadata(root: str, parsed: Manifest, seconds: float) -> dict[str, Any]:
    tokens: dict[str, float] = {}
    for entry in parsed.shards:
        tokens[entry.source] = tokens.get(entry.source, 0) + entry.tokens
    names = ["shard_id", "records", "tokens", "bucket", "file_sha256"]
    return {
        "dagster/uri": dg.MetadataValue.path(manifest_path(root)),
        "rows_in": parsed.totals.records,
        "rows_kept": parsed.totals.records,
        "tokens": parsed.totals.tokens,
        "shards": parsed.totals.shards,
        "seed": parsed.seed,
        "tokenizer": parsed.tokenizer.fingerprint,
        "seconds": round(seconds, 3),
        "tokens_by_source": bars(dict(sorted(tokens.items())), "tokens by source"),
        "preview": dg.MetadataValue.md(markdown_table(names, [e.model_dump() for e in parsed.shards[:10]])),
    }


def _card(day: Day, entries: list[ShardEntry]) -> str:
    """The dataset card: facts from the entries, the receipts and the corpus."""
    from dataset_platform.kernels.tokens import card

    lake = day.settings.lake
    tokenizer = artifacts.require_tokenizer(day.settings.artifacts)
    days = sorted({e.ingestion_date for e in entries})
    hosts, languages = _hosts_and_languages(day, days)
    facts = card.CardFacts(
        title="Training shards",
        summary="Made by dataset-platform from raw crawls; every record traces back to the bytes it came from.",
        first_day=days[0],
        last_day=days[-1],
        languages=dict(sorted(languages.items(), key=lambda kv: (-kv[1], kv[0]))),
        sources=[_source(name, entries, hosts, day) for name in sorted({e.source for e in entries})],
        funnel=[step for name in FUNNEL if (step := _funnel_step(lake, name, days)) is not None],
        versions={"dataset-platform": dataset_platform.__version__, **_table_versions(lake, days)},
        tokenizer_fingerprint=tokenizer.fingerprint,
        vocab_size=tokenizer.vocab_size,
        held_out=dict((tokenizer.training or {}).get("metrics") or {}),  # type: ignore[call-overload]
    )
    return card.dataset_card(facts)


def _hosts_and_languages(day: Day, days: list[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Distinct hosts by source, and documents by language, of some days of the corpus."""
    from dataset_platform.kernels.tokens import card

    table = day.table(DedupedCorpus)
    if day.local:
        languages: Counter[str] = Counter()

        def counted() -> Iterator[pa.RecordBatch]:
            for batch in day_batches(table, days, ["source", "url", "language"]):
                languages.update(batch.column("language").to_pylist())
                yield batch

        return card.distinct_hosts(card.host_sketches(counted())), dict(languages)
    from pyspark.sql import functions as F

    from dataset_platform.engines.spark import map_in_arrow

    corpus = table.read_spark(day.spark).where(F.col("ingestion_date").isin(days))
    sketches = map_in_arrow(corpus.select("source", "url"), card.host_sketches, card.HOST_SKETCH_SCHEMA)
    hosts = card.distinct_hosts(iter(sketches.toArrow().to_batches()))
    return hosts, {r["language"]: r["count"] for r in corpus.groupBy("language").count().collect()}


FUNNEL = (Documents.table_name(), FilteredDocuments.table_name(), DedupedCorpus.table_name(), shards.TABLE)


def _source(name: str, entries: list[ShardEntry], hosts: dict[str, int], day: Day) -> Any:
    from dataset_platform.kernels.tokens.card import SourceFacts

    own = [e for e in entries if e.source == name]
    return SourceFacts(
        name=name,
        licence=day.config.tokens.licences.get(name),
        records=sum(e.records for e in own),
        tokens=sum(e.tokens for e in own),
        shards=len(own),
        distinct_hosts=hosts.get(name),
    )


def _funnel_step(lake: str, table: str, days: list[str]) -> Any:
    from dataset_platform.kernels.tokens.card import FunnelStep

    found = [r for d in days if (r := receipts.read(lake, table, d)) is not None]
    if not found:
        return None
    reasons: dict[str, int] = {}
    for receipt in found:
        for reason, count in receipt.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
    return FunnelStep(
        stage=table,
        rows_in=sum(r.rows_in for r in found),
        rows_kept=sum(r.rows_kept for r in found),
        rows_rejected=sum(r.rows_rejected for r in found),
        rows_quarantined=sum(r.rows_quarantined for r in found),
        reasons=dict(sorted(reasons.items())),
    )


def _table_versions(lake: str, days: list[str]) -> dict[str, str]:
    """A hash of each table's content: unlike a Delta version it is the same however often the days were made."""
    versions: dict[str, str] = {}
    for table in FUNNEL[:3]:
        found = [f"{d} {r.content_hash}" for d in days if (r := receipts.read(lake, table, d)) is not None]
        if found:
            versions[table] = f"content {xxhash.xxh3_128_hexdigest(chr(10).join(found).encode())}"
    return versions


def make_mixtures(day: Day, leave_unchanged: bool = False) -> Made:
    """Plan the phases over the manifest's shards; always done, since it is quick.

    Raises:
        StateError: there is no manifest, or a shard that it lists is gone.
        MixtureError: a weight cannot be met within its cap.
    """
    from dataset_platform.kernels.tokens import manifest, mixtures
    from dataset_platform.kernels.tokens.shards import record_lengths

    started = time.monotonic()
    root = day.settings.artifacts
    listed = manifest.parse(_read(manifest_path(root), "tokens/manifest"))

    def lengths(entry: ShardEntry) -> np.ndarray:
        try:
            return record_lengths(storage.read_bytes(join(root, entry.tsv_path)))
        except FileNotFoundError:
            raise StateError(
                f"The manifest lists {entry.tsv_path}, which is not there.",
                "Run: dataset-platform materialize tokens/manifest,tokens/mixtures",
            ) from None

    data = mixtures.plan(listed.shards, lengths, day.config.tokens.mixtures)
    findings = _mixtures_findings(day, data)
    published = all(f.passed or f.severity == "WARN" for f in findings)
    if published:
        storage.write_bytes(mixtures_path(root), data)
    return Made(findings, _mixtures_metadata(root, json.loads(data), time.monotonic() - started), published)


def audit_mixtures(day: Day) -> list[Finding]:
    """The checks of the mixtures that are there.

    Raises:
        StateError: there are none.
    """
    return _mixtures_findings(day, _read(mixtures_path(day.settings.artifacts), "tokens/mixtures"))


def _mixtures_findings(day: Day, data: bytes) -> list[Finding]:
    from dataset_platform.kernels.tokens import manifest, mixtures
    from dataset_platform.lake.audit import Finding

    content = json.loads(data)
    off = {
        f"{phase} {source}": round(share - content[phase]["weights"][source], 4)
        for phase in mixtures.PHASES
        for source, share in content[phase]["achieved"].items()
        if abs(share - content[phase]["weights"][source]) > _tolerance(content[phase])
    }
    line = "; ".join(f"{name} off by {value:+.1%}" for name, value in off.items())
    achieved = Finding(
        "achieved", not off, line or "every share is met within a point or two documents", "WARN", details=off
    )
    listed = manifest.parse(_read(manifest_path(day.settings.artifacts), "tokens/manifest"))
    same = content["manifest"]["identity"] == mixtures.manifest_identity(listed.shards)
    line = "planned for the manifest's shards" if same else "the manifest lists other shards now; materialize again"
    return [achieved, Finding("current", same, line)]


def _tolerance(phase: dict[str, Any]) -> float:
    """A point, or two documents where the phase is so small that two documents are more."""
    return max(SHARE_TOLERANCE, 2 / phase["records"] if phase["records"] else 0.0)


def _mixtures_metadata(root: str, content: dict[str, Any], seconds: float) -> dict[str, Any]:
    from dataset_platform.kernels.tokens.mixtures import PHASES

    rows = [
        {"phase": phase, "source": source, **values}
        for phase in PHASES
        for source, values in content[phase]["sources"].items()
    ]
    names = ["phase", "source", "weight", "achieved", "tokens_asked", "tokens", "records", "repeats", "cap"]
    return {
        "dagster/uri": dg.MetadataValue.path(mixtures_path(root)),
        "seconds": round(seconds, 3),
        "rows_in": sum(content[p]["records"] for p in PHASES),
        "rows_kept": sum(content[p]["records"] for p in PHASES),
        "notes": "; ".join(content["notes"]) or "none",
        "shares": dg.MetadataValue.md(markdown_table(names, rows)),
    }
