"""A lake whose filtered documents are given, and the corpus made from them day by day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import xxhash

from dataset_platform.config import PlatformConfig, WebConfig
from dataset_platform.contracts import (
    Contract,
    DedupedCorpus,
    DuplicateLinks,
    FilteredDocuments,
    Rejections,
    SignatureIndex,
    SpanIndex,
)
from dataset_platform.defs.days import Day
from dataset_platform.defs.stages import STAGES, check_day, materialize_day
from dataset_platform.defs.web import assets
from dataset_platform.defs.web.dedup_staleness import outdated
from dataset_platform.kernels.web import minhash, words
from dataset_platform.kernels.web.duplicates import DedupConfig
from dataset_platform.kernels.web.filters import text_hash
from dataset_platform.lake import receipts
from dataset_platform.lake.audit import Finding
from dataset_platform.lake.publishing import Outcome
from dataset_platform.lake.receipts import Receipt
from dataset_platform.lake.tables import LakeTable
from dataset_platform.settings import Settings
from dataset_platform_tests.contracts.rows import doc_id, good_row, table

assert assets.ASSETS  # what declares the stages
STATE = (DedupedCorpus, SignatureIndex, DuplicateLinks, Rejections, SpanIndex)
STAGE = DedupedCorpus.table_name()
WITHOUT_PLOTS = replace(STAGES[STAGE], shows=(outdated,))  # drawing takes ten times the time of making a small day


@dataclass(frozen=True)
class Page:
    """A filtered document: its number is its id."""

    number: int
    text: str
    score: float = 0.9

    def row(self) -> dict[str, Any]:
        signature = minhash.signature(minhash.word_hashes(words.split(self.text)))
        return good_row(
            FilteredDocuments,
            doc_id=doc_id(self.number),
            url=f"https://example.org/{self.number}",
            text=self.text,
            text_length=len(self.text),
            language_score=self.score,
            text_hash=text_hash(self.text),
            minhash=signature.astype("<u4").tobytes(),
        )


def day_key(number: int) -> str:
    return f"2026-01-{number + 1:02d}"


class CorpusLake:
    """Filtered documents, and the corpus made from them."""

    def __init__(
        self, root: Path, session: Callable[[], Any] | None = None, first_day: date = date(2026, 1, 1), **dedup: Any
    ) -> None:
        self.settings = Settings(str(root), f"{root}/raw", f"{root}/lake", str(root), str(root), first_day)
        self.config = PlatformConfig(web=WebConfig(dedup=DedupConfig(**dedup)))
        self.session = session

    def day(self, key: str) -> Day:
        def no_session() -> Any:
            raise AssertionError("a small day starts no JVM")

        return Day(key, self.settings, self.config, self.session or no_session)

    def table(self, contract: type[Contract]) -> LakeTable:
        return LakeTable(contract, self.settings.lake)

    def land(self, key: str, pages: Sequence[Page]) -> None:
        """Replace the filtered documents of a day."""
        rows = [p.row() for p in pages]
        filtered = self.table(FilteredDocuments)
        filtered.ensure()
        if rows:
            filtered.replace_partition(table(FilteredDocuments, rows), {"ingestion_date": key})
        else:
            filtered.clear_partition({"ingestion_date": key})
        content = xxhash.xxh3_64_hexdigest(repr(sorted(map(repr, rows))).encode())
        count = len(rows)
        receipt = Receipt(FilteredDocuments.table_name(), key, count, count, 0, 0, content_hash=content)
        receipts.write(self.settings.lake, receipt)

    def make(self, key: str, only_stale: bool = False) -> tuple[Outcome, dict[str, Any]]:
        """Materialize a day of the corpus."""
        outcome, metadata = materialize_day(WITHOUT_PLOTS, self.day(key), only_stale)
        assert outcome.published, outcome.findings
        return outcome, metadata

    def make_all(self, keys: Iterable[str], only_stale: bool = False) -> list[str]:
        """Materialize days in order; those that were not left unchanged."""
        return [k for k in keys if "unchanged" not in str(self.make(k, only_stale)[1].get("note", ""))]

    def check(self, key: str) -> dict[str, Finding]:
        return {f.name: f for f in check_day(WITHOUT_PLOTS, self.day(key))}

    def outdated(self, key: str) -> list[str]:
        """The days that a day's check names."""
        finding = self.check(key)["later_days_current"]
        assert finding.severity == "WARN"
        assert finding.passed == (not finding.details)
        named: list[str] = finding.details.get("outdated_days", [])
        assert all(d in finding.message for d in named)
        return named

    def rows(self, contract: type[Contract], key: str | None = None) -> list[dict[str, Any]]:
        table = self.table(contract)
        if not table.exists():
            return []
        return [r for r in table.read().to_pylist() if key is None or r["ingestion_date"].isoformat() == key]

    def state(self) -> dict[str, list[str]]:
        """All rows of the corpus, its state and its rejections, in an order that does not depend on files."""
        return {c.table_name(): sorted(repr(sorted(r.items())) for r in self.rows(c)) for c in STATE}


def all_at_once(root: Path, days: Mapping[str, Sequence[Page]], **options: Any) -> CorpusLake:
    """A fresh lake with these days, made in order."""
    lake = CorpusLake(root, **options)
    for key in sorted(days):
        lake.land(key, days[key])
    for key in sorted(days):
        lake.make(key)
    return lake
