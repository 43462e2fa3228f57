"""How far people agree with the generated traces, and with each other, as Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dataset_platform.kernels.reasoning.agreement import cohen_kappa, krippendorff_alpha, summary
from dataset_platform.kernels.reasoning.trace import CoTTrace

DECISIONS: dict[str, Callable[[CoTTrace], str]] = {
    "longitudinal": lambda t: t.trajectory_plan.longitudinal,
    "lateral": lambda t: t.trajectory_plan.lateral,
    "overall_risk": lambda t: t.situation_assessment.overall_risk,
}


@dataclass(frozen=True)
class Annotated:
    """An annotation with the generated trace of its frame, where there is one."""

    frame_id: str
    annotator: str
    status: str
    trace: CoTTrace
    generated: CoTTrace | None
    agreement: Mapping[str, float]


def report(rows: Sequence[Annotated]) -> str:
    """Agreement per field, then of the decisions beyond chance: Cohen's kappa with the generated traces, Krippendorff's
    alpha among annotators of the same frame. Verdicts that reject a trace say nothing of what would be right."""
    used = [r for r in rows if r.status != "rejected"]
    lines = [
        f"{len(rows)} annotations of {len({r.frame_id for r in rows})} frames by {len({r.annotator for r in rows})} "
        f"annotators; {len(rows) - len(used)} reject their trace.",
        "",
        "| field | agreement with the generated trace | annotations |",
        "|---|---|---|",
    ]
    lines += [f"| {n} | {mean:.3f} | {count} |" for n, (mean, count) in summary(r.agreement for r in used).items()]
    lines += ["", "| decision | kappa with the generated trace | alpha among annotators |", "|---|---|---|"]
    for name, decision in DECISIONS.items():
        pairs = [(decision(r.trace), decision(r.generated)) for r in used if r.generated is not None]
        units: dict[str, list[str]] = defaultdict(list)
        for row in used:
            units[row.frame_id].append(decision(row.trace))
        figures = (cohen_kappa(pairs), krippendorff_alpha(units.values()))
        lines.append(f"| {name} | " + " | ".join("not defined" if f is None else f"{f:.3f}" for f in figures) + " |")
    return "\n".join(lines)
