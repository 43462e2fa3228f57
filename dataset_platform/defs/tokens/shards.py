"""``tokens/tokenized_shards``: a day of the corpus as shards, TSVs and a list of entries that the manifest gathers."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import dagster as dg

from dataset_platform.contracts import DedupedCorpus
from dataset_platform.defs.artifacts import Made
from dataset_platform.defs.days import Day
from dataset_platform.defs.metadata import bars, markdown_table, receipt_metadata
from dataset_platform.defs.stages import UNCHANGED
from dataset_platform.lake import artifacts, receipts, storage
from dataset_platform.lake.locks import lock
from dataset_platform.lake.receipts import Receipt
from dataset_platform.settings import join

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dataset_platform.engines.shard_writing import ShardJob, WrittenShard
    from dataset_platform.kernels.tokens.manifest import ShardEntry
    from dataset_platform.lake.audit import Finding

TABLE = "tokens/tokenized_shards"
VERSION = "1"
CHECKS = {
    "contract": ("Every shard is the file its entry means, and agrees with its TSV record by record.", True),
    "conservation": ("Every document of the corpus is in exactly one shard.", True),
    "drift": ("Rows are near the median of the trailing seven days with data.", False),
}


def make_shards(day: Day, leave_unchanged: bool = False) -> Made:
    """Tokenize and shard the day into a staging folder, audit it there, then publish.

    Raises:
        StateError: the corpus of the day is unfinished, or there is no tokenizer.
    """
    from dataset_platform.engines.progress import spark_tasks
    from dataset_platform.engines.sharding import shard_day

    above = day.upstream(DedupedCorpus)
    lake, root = day.settings.lake, day.settings.artifacts
    with lock(lake, f"{TABLE} of {day.key}"):
        started = time.monotonic()
        staging, encoded = (join(of, "_staging", TABLE, day.key) for of in (root, lake))
        for left in (staging, encoded):  # by a run that was killed, or a day that failed its audit
            storage.delete(left)
        if not above.rows_kept:
            return _publish(day, above, staging, [], "", started, note=f"{DedupedCorpus.table_name()} has no rows")
        job = _job(day, staging)
        before = receipts.read(lake, TABLE, day.key)
        if leave_unchanged and before and before.made_from(_inputs(above, job.fingerprint), _config_hash(day), VERSION):
            entries = artifacts.read_entries(root, day.key)
            metadata = _metadata(root, before, entries, job.fingerprint, UNCHANGED) | {"seconds": 0.0}
            return Made(audit_shards(day), metadata, True)
        engine = day.config.engine_of(TABLE)
        with nullcontext() if engine == "local" else spark_tasks(day.spark, f"{TABLE} {day.key}"):
            written = shard_day(engine, day.table(DedupedCorpus), job, encoded, lambda: day.spark)
        storage.delete(encoded)
        return _publish(day, above, staging, written, job.fingerprint, started)


def _job(day: Day, staging: str) -> ShardJob:
    from dataset_platform.engines.shard_writing import ShardJob

    tokenizer = artifacts.require_tokenizer(day.settings.artifacts)
    tokens = day.config.tokens
    return ShardJob(day.key, staging, tokens.shards, tokens.tokenizer, tokenizer.vocab_json, tokenizer.merges_txt)


def _inputs(above: Receipt, fingerprint: str) -> dict[str, str]:
    return {DedupedCorpus.table_name(): above.content_hash, "tokens/tokenizer": fingerprint}


def _config_hash(day: Day) -> str:
    from dataset_platform.config import fingerprint

    # the tokenizer's seed and share decide each record's split
    return fingerprint(day.config.tokens.shards) + fingerprint(day.config.tokens.tokenizer)


def _publish(
    day: Day,
    above: Receipt,
    staging: str,
    written: list[WrittenShard],
    fingerprint: str,
    started: float,
    note: str = "",
) -> Made:
    from dataset_platform.lake.audit import conservation_finding, drift_finding

    entries = [shard.entry for shard in written]
    root, lake = day.settings.artifacts, day.settings.lake
    receipt = Receipt(
        table=TABLE,
        day=day.key,
        rows_in=above.rows_kept,
        rows_kept=sum(e.records for e in entries),
        rows_rejected=0,
        rows_quarantined=0,
        content_hash=artifacts.entries_hash(entries),
        inputs=_inputs(above, fingerprint),
        code_version=VERSION,
        config_hash=_config_hash(day),
        extra={"tokens": sum(e.tokens for e in entries), "shards": len(entries)},
    )
    # each shard was read back and verified where it lies by the task that wrote it
    findings = [_contract((w.entry, w.problem) for w in written), conservation_finding(receipt)]
    published = all(f.passed for f in findings)
    if published:
        receipts.remove(lake, TABLE, day.key)
        artifacts.publish_shards(root, staging, day.key, entries)
        storage.delete(staging)
        receipt = replace(receipt, seconds=round(time.monotonic() - started, 3))
        receipts.write(lake, receipt)
    findings.append(drift_finding(receipt, receipts.trailing(lake, TABLE, day.key)))
    return Made(findings, _metadata(root, receipt, entries, fingerprint, note), published)


def contract_of(root: str, entries: Sequence[ShardEntry]) -> Finding:
    """Whether every shard and TSV below ``root`` is what its entry says."""
    from dataset_platform.engines.shard_writing import problem_of

    return _contract((entry, problem_of(root, entry)) for entry in entries)


def _contract(found: Iterable[tuple[ShardEntry, str | None]]) -> Finding:
    from dataset_platform.lake.audit import Finding

    checked = 0
    for entry, problem in found:
        if problem is not None:
            return Finding("contract", False, f"{entry.shard_id}: {problem}", details={"shard": entry.shard_id})
        checked += 1
    return Finding("contract", True, f"{checked} shards agree with their entries and TSVs")


def audit_shards(day: Day) -> list[Finding]:
    """The checks of a day's shards as they lie there now.

    Raises:
        StateError: the day was never finished; says what to run.
    """
    from dataset_platform.lake.audit import conservation_finding, drift_finding

    receipt = day.upstream(TABLE)
    entries = artifacts.read_entries(day.settings.artifacts, day.key)
    above = receipts.read(day.settings.lake, DedupedCorpus, day.key)
    found = {"kept": sum(e.records for e in entries)}
    return [
        contract_of(day.settings.artifacts, entries),
        conservation_finding(receipt, found, above.rows_kept if above else None),
        drift_finding(receipt, receipts.trailing(day.settings.lake, TABLE, day.key)),
    ]


def _metadata(root: str, receipt: Receipt, entries: list[ShardEntry], fingerprint: str, note: str) -> dict[str, object]:
    metadata = receipt_metadata(artifacts.shards_folder(root, receipt.day), receipt)
    metadata |= {"tokens": receipt.extra["tokens"], "shards": len(entries), "tokenizer": fingerprint or "none"}
    if note:
        metadata["note"] = note
    if entries:
        tokens: dict[str, float] = {}
        for entry in sorted(entries, key=lambda e: (e.source, e.bucket)):
            name = f"{entry.source} b{entry.bucket}"
            tokens[name] = tokens.get(name, 0) + entry.tokens
        metadata["tokens_by_bucket"] = bars(tokens, "tokens by source and length bucket")
        rows = [e.model_dump() for e in entries[:20]]
        names = ["shard_id", "records", "tokens", "size_bytes", "file_sha256"]
        metadata["preview"] = dg.MetadataValue.md(markdown_table(names, rows))
    return metadata
