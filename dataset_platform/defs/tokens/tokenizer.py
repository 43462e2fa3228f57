"""``tokens/tokenizer``: a byte-level BPE trained on a deterministic sample of the corpus, then frozen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import dagster as dg

from dataset_platform.contracts import DedupedCorpus
from dataset_platform.defs.artifacts import Made
from dataset_platform.defs.days import Day
from dataset_platform.defs.metadata import markdown_table
from dataset_platform.errors import StateError
from dataset_platform.lake import artifacts, receipts
from dataset_platform.lake.locks import lock
from dataset_platform.partitions import day_range

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from dataset_platform.kernels.tokens.bpe import TokenizerConfig
    from dataset_platform.lake.artifacts import TokenizerFiles
    from dataset_platform.lake.audit import Finding
    from dataset_platform.lake.tables import LakeTable

CHECKS = {
    "lossless": ("Held-out texts decode to themselves, and no token of them is unknown.", True),
    "frozen": ("The days and settings that the tokenizer was trained on are still the same.", False),
}
CORPUS = DedupedCorpus.table_name()


def make_tokenizer(day: Day, leave_unchanged: bool = False) -> Made:
    """Train, unless the tokenizer that is there was given or was made from the same days, texts and settings.

    It is never trained anew on the same texts, whatever ``leave_unchanged`` says.

    Raises:
        StateError: the corpus has no finished day in the configured range.
    """
    with lock(day.settings.lake, "tokens/tokenizer"):
        return _make(day)


def _make(day: Day) -> Made:
    started = time.monotonic()
    artifacts.finish_tokenizer(day.settings.artifacts)
    there = artifacts.read_tokenizer(day.settings.artifacts)
    training = training_key(day, there)
    if there is not None and (there.training is None or there.training.get("key") == training):
        note = "unchanged: given by hand" if there.training is None else "unchanged: same days, texts and settings"
        metrics: dict[str, Any] = dict((there.training or {}).get("metrics") or {})  # type: ignore[call-overload]
        return Made(audit_tokenizer(day), _metadata(day, there, metrics, note, time.monotonic() - started), True)
    from dataset_platform.kernels.tokens import bpe
    from dataset_platform.lake.audit import Finding

    config = day.config.tokens.tokenizer
    days = sorted(training["days"])
    trained = bpe.train(sampled_texts(day, days, config, validation=False), config)
    tokenizer = bpe.load(trained.vocab_json, trained.merges_txt)
    metrics = bpe.held_out_metrics(tokenizer, list(sampled_texts(day, days, config, validation=True)))
    record: dict[str, object] = {"key": training, "fingerprint": trained.fingerprint, "metrics": metrics}
    if not _is_lossless(metrics):  # it would lose text: what stands there stays
        return Made([_lossless(metrics), Finding("frozen", True, "not published", "WARN")], {}, False)
    artifacts.write_tokenizer(day.settings.artifacts, trained, record)
    files = artifacts.require_tokenizer(day.settings.artifacts)
    return Made(audit_tokenizer(day), _metadata(day, files, metrics, "trained", time.monotonic() - started), True)


def training_key(day: Day, there: TokenizerFiles | None) -> dict[str, Any]:
    """What the tokenizer is made from: settings, and the content of each day.

    Without a configured range the days are those of the first training, so that a new day does not unfreeze it.
    """
    from dataset_platform.config import fingerprint

    config = day.config.tokens.tokenizer
    lake = day.settings.lake
    if config.days:
        days = day_range(config.days)
    elif there is not None and there.training is not None:
        days = sorted(there.training["key"]["days"])  # type: ignore[index]
    else:
        days = receipts.days(lake, CORPUS)
    found = {d: receipts.read(lake, CORPUS, d) for d in days}
    content = {d: r.content_hash for d, r in found.items() if r is not None and r.rows_kept}
    if not content and there is None:
        where = f"in {config.days}" if config.days else "yet"
        raise StateError(
            f"{CORPUS} has no documents {where}, so there is nothing to train a tokenizer on.",
            "Run: dataset-platform materialize 'web/*' --partitions A:B",
        )
    return {"config": fingerprint(config), "days": content}


def sampled_texts(day: Day, days: list[str], config: TokenizerConfig, validation: bool) -> Iterator[str]:
    """The sample's texts: each partition samples for itself, then the samples are sampled once more."""
    from dataset_platform.kernels.tokens import bpe

    kernel, corpus = bpe.sample(config, validation=validation), day.table(DedupedCorpus)
    if day.local:
        for batch in kernel(day_batches(corpus, days, ["doc_id", "text"])):
            yield from batch.column("text").to_pylist()
        return
    from pyspark.sql import functions as F

    from dataset_platform.engines.spark import map_in_arrow

    rows = corpus.read_spark(day.spark).where(F.col("ingestion_date").isin(days)).select("doc_id", "text")
    local = map_in_arrow(rows, kernel, bpe.SAMPLE_SCHEMA)
    joined = map_in_arrow(local.select("doc_id", "text").repartition(1), kernel, bpe.SAMPLE_SCHEMA)
    yield from joined.select("text").toArrow().column("text").to_pylist()


def day_batches(table: LakeTable, days: list[str], columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Rows of some days of a table, batch by batch, without a JVM."""
    import pyarrow as pa
    import pyarrow.compute as pc

    on_days = pc.field("ingestion_date").isin(pa.array(days).cast(pa.date32()))
    yield from table.dataset().to_batches(columns=columns, filter=on_days)


def audit_tokenizer(day: Day) -> list[Finding]:
    """The checks of the tokenizer that is there.

    Raises:
        StateError: there is none.
    """
    from dataset_platform.lake.audit import Finding

    files = artifacts.require_tokenizer(day.settings.artifacts)
    if files.training is None:
        given = "the tokenizer was given by hand; its training is not known here"
        return [Finding("lossless", True, given), Finding("frozen", True, given, "WARN")]
    metrics: dict[str, Any] = dict(files.training["metrics"])  # type: ignore[call-overload]
    same = files.training["key"] == training_key(day, files)
    frozen = "made from the same days, texts and settings" if same else "days, texts or settings changed since training"
    matches = files.fingerprint == files.training["fingerprint"]
    if not matches:
        frozen = "the files are not the ones that were trained"
    return [
        _lossless(metrics) if matches else Finding("lossless", False, frozen),
        Finding("frozen", same and matches, frozen, "WARN"),
    ]


def _is_lossless(metrics: dict[str, Any]) -> bool:
    return metrics.get("lossless_share") in (None, 1.0) and not metrics.get("unknown_tokens", 0)


def _lossless(metrics: dict[str, Any]) -> Finding:
    from dataset_platform.lake.audit import Finding

    share = metrics.get("lossless_share")
    line = "no document was held out" if share is None else f"{share:.2%} of held-out texts decode to themselves"
    line += f"; {metrics.get('unknown_tokens', 0)} unknown tokens"
    return Finding("lossless", _is_lossless(metrics), line, details=metrics)


def _metadata(day: Day, files: TokenizerFiles, metrics: dict[str, Any], note: str, seconds: float) -> dict[str, Any]:
    days = sorted(files.training["key"]["days"]) if files.training else []  # type: ignore[index]
    return {
        "fingerprint": files.fingerprint,
        "vocab_size": files.vocab_size,
        "dagster/uri": dg.MetadataValue.path(artifacts.folder(day.settings.artifacts, "tokenizer")),
        "note": note,
        "trained_on": ", ".join(days) or "not known",
        "seconds": round(seconds, 3),
        "held_out": dg.MetadataValue.md(
            markdown_table(["measure", "value"], [{"measure": k, "value": v} for k, v in metrics.items()])
        ),
    }
