"""Figures of a day's traces as a data set: variety, repetition, cost, routes, pass rates; and whether the floors hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log2
from statistics import fmean
from typing import Any

import numpy as np

from dataset_platform.contracts.driving_types import COMPLEXITIES
from dataset_platform.contracts.reasoning import METRICS
from dataset_platform.kernels.reasoning.quality.calibration import ConfidenceReport, by_trace, confidence_report
from dataset_platform.kernels.reasoning.settings import QualityConfig

NEAR_DUPLICATE_JACCARD = 0.8
MOST_COMPARED = 5_000
"""Traces, first by id, among which near-duplicates are sought."""
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Breach:
    """A mean below its floor or above its ceiling."""

    metric: str
    mean: float
    bound: float
    kind: str

    def __str__(self) -> str:
        return f"{self.metric} {self.mean:.3f} {'<' if self.kind == 'floor' else '>'} {self.bound:g}"


@dataclass(frozen=True)
class DatasetFigures:
    """A day's traces as a whole.

    Attributes:
        decision_entropy_bits: entropy of the stated pairs of actions; 0 when all decide the same.
        complexity_shares, route_shares, generator_shares: share of traces, by name.
        unique_trace_ratio: distinct texts over all texts.
        near_duplicate_share: traces with an earlier one (by id) of Jaccard 0.8 or more over word 5-grams.
        cost_per_trace_usd: over traces whose price is known; None when none is.
        tokens_per_trace: prompt and completion together.
        escalation_rate: share of traces that were escalated.
        pass_rates: share of traces that keep all floors, by generator.
        means: mean of every metric over the traces that it judged.
        confidence: how well stated confidence held; None without outcomes.
    """

    traces: int
    decision_entropy_bits: float
    complexity_shares: dict[str, float]
    route_shares: dict[str, float]
    generator_shares: dict[str, float]
    unique_trace_ratio: float
    near_duplicate_share: float
    cost_per_trace_usd: float | None
    tokens_per_trace: float
    escalation_rate: float
    pass_rates: dict[str, float]
    means: dict[str, float] = field(default_factory=dict)
    confidence: ConfidenceReport | None = None


def dataset_figures(traces: Sequence[Row], quality: Sequence[Row]) -> DatasetFigures | None:
    """Figures of a day; None when it has no traces.

    Args:
        traces: rows of ``driving/cot_traces``: trace_id, text, longitudinal, lateral, confidence, complexity, generator,
            route, prompt_tokens, completion_tokens, cost_usd. Their order does not matter.
        quality: rows of ``driving/cot_quality`` of the same traces: trace_id, generator, metrics, passed.
    """
    if not traces:
        return None
    ordered = sorted(traces, key=lambda row: row["trace_id"])
    texts = [row["text"] for row in ordered]
    costs = [row["cost_usd"] for row in ordered if row["cost_usd"] is not None]
    tokens = [row["prompt_tokens"] + row["completion_tokens"] for row in ordered]
    complexity = _shares(row["complexity"] for row in ordered)
    metrics = by_trace(quality)
    return DatasetFigures(
        traces=len(ordered),
        decision_entropy_bits=entropy_bits(_shares((row["longitudinal"], row["lateral"]) for row in ordered)),
        complexity_shares={name: complexity.get(name, 0.0) for name in COMPLEXITIES},
        route_shares=_shares(row["route"] for row in ordered),
        generator_shares=_shares(row["generator"] for row in ordered),
        unique_trace_ratio=len(set(texts)) / len(texts),
        near_duplicate_share=near_duplicate_share(texts),
        cost_per_trace_usd=fmean(costs) if costs else None,
        tokens_per_trace=fmean(tokens),
        escalation_rate=fmean(row["route"] == "escalated" for row in ordered),
        pass_rates=pass_rates(quality),
        means=means_of(metrics.values()),
        confidence=confidence_report({row["trace_id"]: row["confidence"] for row in ordered}, metrics),
    )


def means_of(rows: Any) -> dict[str, float]:
    """Mean of every metric over the rows that it judged, in the contract's order; metrics that judged none are left out."""
    found: dict[str, list[float]] = {name: [] for name in METRICS}
    for row in rows:
        for name, value in row.items():
            if value is not None and name in found:
                found[name].append(value)
    return {name: fmean(values) for name, values in found.items() if values}


def pass_rates(quality: Sequence[Row]) -> dict[str, float]:
    """Share of traces that keep all floors, by generator."""
    passed: dict[str, list[bool]] = {}
    for row in quality:
        passed.setdefault(row["generator"], []).append(bool(row["passed"]))
    return {name: fmean(values) for name, values in sorted(passed.items())}


def floors(quality: Sequence[Row], config: QualityConfig) -> list[Breach]:
    """Means of a day's rows of ``driving/cot_quality`` that break their floor or ceiling; none where nothing was judged."""
    means = means_of(by_trace(quality).values())
    below = [
        Breach(n, means[n], least, "floor") for n, least in config.floors.items() if n in means and means[n] < least
    ]
    above = [
        Breach(n, means[n], most, "ceiling") for n, most in config.ceilings.items() if n in means and means[n] > most
    ]
    return below + above


def entropy_bits(shares: Mapping[Any, float]) -> float:
    """Shannon entropy of shares that sum to one."""
    return max(0.0, -sum(p * log2(p) for p in shares.values() if p > 0))


def near_duplicate_share(texts: Sequence[str]) -> float:
    """Share of texts with an earlier one of Jaccard ``NEAR_DUPLICATE_JACCARD`` or more over word 5-grams.

    Candidates share a band of their MinHash signatures and are verified on the sets, as in the web lane; numbers count
    as words, so two traces of one scene a second apart differ by theirs. Only the first ``MOST_COMPARED`` are compared.
    """
    from dataset_platform.kernels.web.minhash import band_keys, jaccard, shingles, signature_of_shingles

    texts = texts[:MOST_COMPARED]
    if len(texts) < 2:
        return 0.0
    sets = [shingles(text) for text in texts]
    keys = band_keys(np.stack([signature_of_shingles(s) for s in sets]))
    seen: dict[tuple[int, int], list[int]] = {}
    duplicates = 0
    for row, bands in enumerate(keys):
        met = sorted({other for band, key in enumerate(bands) for other in seen.get((band, int(key)), ())})
        if any(jaccard(sets[row], sets[other]) >= NEAR_DUPLICATE_JACCARD for other in met):
            duplicates += 1
            continue  # what it resembles stands for it
        for band, key in enumerate(bands):
            seen.setdefault((band, int(key)), []).append(row)
    return duplicates / len(texts)


def _shares(names: Any) -> dict[Any, float]:
    counts = Counter(names)
    total = counts.total()
    return {name: count / total for name, count in sorted(counts.items())}
