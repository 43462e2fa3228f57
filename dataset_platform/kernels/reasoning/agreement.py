"""How far two traces of one frame agree, field by field, and how far people agree over many.

Nominal fields agree or do not; bands agree by their distance; sets by Jaccard's index; waypoints by the share that lie
within 3 m of each other (the gate of Alpamayo-R1, arXiv 2511.00088); texts by the F1 of their words.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from math import hypot

from dataset_platform.kernels.reasoning.trace import LEVELS, CoTTrace

BANDS = ("low", "medium", "high", "critical")
GATE_M = 3.0
_WORD = re.compile(r"\w+(?:\.\d+)?")


def agreement(annotated: CoTTrace, generated: CoTTrace) -> dict[str, float]:
    """Agreement per field, 0 to 1; fields that neither trace fills are left out."""
    a, b = annotated, generated
    found = {
        "lane": float(a.scene_description.lane_id == b.scene_description.lane_id),
        "signal": float(_signal(a) == _signal(b)),
        "agents": jaccard(_ids(a.scene_description.agents), _ids(b.scene_description.agents)),
        "overall_risk": bands(a.situation_assessment.overall_risk, b.situation_assessment.overall_risk),
        "agent_risk": _shared(a, b),
        "constraints": jaccard(a.situation_assessment.constraints, b.situation_assessment.constraints),
        "longitudinal": float(a.trajectory_plan.longitudinal == b.trajectory_plan.longitudinal),
        "lateral": float(a.trajectory_plan.lateral == b.trajectory_plan.lateral),
        "waypoints": _waypoints(a, b),
        "behavior": _behaviour(a, b),
        "causes": jaccard(_causes(a), _causes(b)),
        "confidence": 1.0 - abs(a.justification.confidence - b.justification.confidence),
    }
    found |= {f"{level}_text": word_f1(getattr(a, level).text, getattr(b, level).text) for level in LEVELS}
    return {name: value for name, value in found.items() if value is not None}


def jaccard(a: Collection[Hashable], b: Collection[Hashable]) -> float | None:
    """Shared share of two sets; None when both are empty."""
    both = set(a) | set(b)
    return len(set(a) & set(b)) / len(both) if both else None


def bands(a: str, b: str) -> float:
    """1 for the same risk band, 0 for low against critical."""
    return 1.0 - abs(BANDS.index(a) - BANDS.index(b)) / (len(BANDS) - 1)


def word_f1(a: str, b: str) -> float:
    """F1 of the words that two texts share, counted as often as they stand there."""
    first, second = (Counter(_WORD.findall(text.lower())) for text in (a, b))
    shared = 2 * sum((first & second).values())
    total = sum(first.values()) + sum(second.values())
    return shared / total if total else 1.0


def cohen_kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """Agreement of two raters over nominal labels beyond chance (Cohen 1960); None without pairs or without variety."""
    if not pairs:
        return None
    total = len(pairs)
    observed = sum(a == b for a, b in pairs) / total
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    expected = sum(first[label] * second[label] for label in first) / total**2
    return None if expected >= 1.0 else (observed - expected) / (1.0 - expected)


def krippendorff_alpha(units: Iterable[Sequence[Hashable]]) -> float | None:
    """Agreement of any number of raters over nominal labels (Krippendorff 2011, nominal metric, gaps allowed).

    Args:
        units: labels of one item each, by however many raters there were; items with one label say nothing.

    Returns:
        1 for full agreement, 0 for chance; None without an item of two labels, or with one label all over.
    """
    pairs: dict[tuple[Hashable, Hashable], float] = defaultdict(float)
    for labels in units:
        if len(labels) < 2:
            continue
        counts = Counter(labels)
        for a in counts:
            for b in counts:
                pairs[a, b] += counts[a] * (counts[b] - (a == b)) / (len(labels) - 1)
    margins: dict[Hashable, float] = defaultdict(float)
    for (a, _), weight in pairs.items():
        margins[a] += weight
    total = sum(margins.values())
    expected = total**2 - sum(m**2 for m in margins.values())
    if expected <= 0:
        return None
    observed = sum(weight for (a, b), weight in pairs.items() if a != b)
    return 1.0 - (total - 1) * observed / expected


def summary(rows: Iterable[Mapping[str, float]]) -> dict[str, tuple[float, int]]:
    """Mean agreement and number of annotations per field."""
    values: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        for name, value in row.items():
            values[name].append(value)
    return {name: (sum(found) / len(found), len(found)) for name, found in sorted(values.items())}


def _ids(mentions: Iterable[object]) -> set[int]:
    return {mention.agent_id for mention in mentions}  # type: ignore[attr-defined]


def _signal(trace: CoTTrace) -> tuple[int, str] | None:
    signal = trace.scene_description.signal
    return None if signal is None else (signal.lane_id, signal.state)


def _shared(a: CoTTrace, b: CoTTrace) -> float | None:
    """Mean agreement of the risk bands of agents that both judge."""
    first, second = ({r.agent_id: r.risk for r in t.situation_assessment.risks} for t in (a, b))
    both = sorted(first.keys() & second.keys())
    return sum(bands(first[i], second[i]) for i in both) / len(both) if both else None


def _behaviour(a: CoTTrace, b: CoTTrace) -> float | None:
    """Share of agents that both predict whose likeliest behaviour is the same."""
    first, second = (_likeliest(t) for t in (a, b))
    both = sorted(first.keys() & second.keys())
    return sum(first[i] == second[i] for i in both) / len(both) if both else None


def _likeliest(trace: CoTTrace) -> dict[int, str]:
    ordered = sorted(trace.behavior_prediction.predictions, key=lambda p: p.probability)
    return {p.agent_id: p.behavior for p in ordered}


def _waypoints(a: CoTTrace, b: CoTTrace) -> float | None:
    there = {round(p.t_s, 3): p for p in b.trajectory_plan.waypoints}
    pairs = [(p, there[round(p.t_s, 3)]) for p in a.trajectory_plan.waypoints if round(p.t_s, 3) in there]
    near = [hypot(p.x_m - q.x_m, p.y_m - q.y_m) <= GATE_M for p, q in pairs if p.t_s > 0]
    return sum(near) / len(near) if near else None


def _causes(trace: CoTTrace) -> set[tuple[str, int | None, int | None]]:
    return {(c.kind, c.agent_id, c.feature_id) for c in trace.justification.causes}
