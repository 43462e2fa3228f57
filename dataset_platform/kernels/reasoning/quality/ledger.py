"""What was judged, one by one: each metric keeps its records beside its figure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Ledger:
    """Figures per metric and the records behind them, in the order in which they were judged.

    Records have the columns of the contract's ``CLAIM`` type.
    """

    metrics: dict[str, float | None] = field(default_factory=dict)
    claims: list[dict[str, Any]] = field(default_factory=list)

    def judge(self, metric: str, level: str, claim: str, stated: Any, found: Any, passed: bool) -> bool:
        """Record one judgement; ``found`` None when nothing was there to hold it against. Returns ``passed``."""
        self.claims.append(
            {
                "metric": metric,
                "level": level,
                "claim": claim,
                "stated": shown(stated),
                "found": None if found is None else shown(found),
                "passed": bool(passed),
            }
        )
        return bool(passed)

    def records(self, metric: str) -> list[dict[str, Any]]:
        """Records of one metric."""
        return [c for c in self.claims if c["metric"] == metric]

    def share(self, metric: str, *, when_none: float | None = None) -> float | None:
        """Set a metric to the share of its records that passed; ``when_none`` where nothing was judged."""
        records = self.records(metric)
        value = sum(c["passed"] for c in records) / len(records) if records else when_none
        self.metrics[metric] = value
        return value

    def all_passed(self, metric: str) -> float | None:
        """Set a metric to 1 when all its records passed, 0 when one did not, None where nothing was judged."""
        records = self.records(metric)
        value = float(all(c["passed"] for c in records)) if records else None
        self.metrics[metric] = value
        return value

    def none(self, metrics: Iterable[str]) -> None:
        """Metrics that there is nothing to judge of."""
        for metric in metrics:
            self.metrics.setdefault(metric, None)


def shown(value: Any) -> str:
    """A value as a record shows it: numbers to three significant decimals, without a trailing zero."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
