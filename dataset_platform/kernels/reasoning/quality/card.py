"""The day's quality card and the suite's detection matrix, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dataset_platform.contracts.reasoning import METRICS
from dataset_platform.kernels.reasoning.quality.calibration import ConfidenceReport, metrics_of
from dataset_platform.kernels.reasoning.quality.dataset import DatasetFigures, dataset_figures, floors
from dataset_platform.kernels.reasoning.settings import QualityConfig

if TYPE_CHECKING:
    from dataset_platform.kernels.reasoning.mutations import Detection

SAMPLES = 5
MOST_FAILED_CLAIMS = 5
Row = Mapping[str, Any]


def card(
    day: str,
    traces: Sequence[Row],
    quality: Sequence[Row],
    config: QualityConfig,
    pictures: Mapping[str, str] | None = None,
    judge: str = "not run",
) -> str:
    """The Markdown card of a day.

    Args:
        traces, quality: rows as ``dataset_figures`` takes them; of ``quality`` also claims and failed_metrics.
        pictures: link or data URL of a bird's-eye picture, by trace id.
        judge: one line on what a language model's judgement said, or that none was run.
    """
    figures = dataset_figures(traces, quality)
    if figures is None:
        return f"# Reasoning traces of {day}\n\nNo traces on this day.\n"
    breaches = floors(quality, config)
    verdict = "All floors hold." if not breaches else "Floors broken: " + "; ".join(map(str, breaches)) + "."
    parts = [
        f"# Reasoning traces of {day}",
        f"{figures.traces:,} traces. {verdict}",
        _shares_table(figures),
        _variety(figures),
        _metrics_table(figures, config),
        _confidence(figures.confidence),
        f"Language model as judge: {judge}.",
        _samples(traces, quality, pictures or {}),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def sample_ids(traces: Sequence[Row], quality: Sequence[Row]) -> list[str]:
    """Traces that the card shows: up to five, first those that failed, of different actions, then by id."""
    failed = {row["trace_id"] for row in quality if not row["passed"]}
    seen: set[tuple[str, str]] = set()
    ranked: list[tuple[bool, bool, str]] = []
    for row in sorted(traces, key=lambda r: (r["trace_id"] not in failed, r["trace_id"])):
        action = (row["longitudinal"], row["lateral"])
        ranked.append((action in seen, row["trace_id"] not in failed, row["trace_id"]))
        seen.add(action)
    return [trace_id for _, _, trace_id in sorted(ranked)[:SAMPLES]]


def matrix_table(detections: Iterable[Detection]) -> str:
    """The detection matrix as a Markdown table: what each mutation must move, how often it did, what else stayed."""
    lines = [
        "| mutation | what is wrong | cases | must move: moved | others that stayed | may follow |",
        "|---|---|---|---|---|---|",
    ]
    for found in detections:
        mutation = found.mutation
        moved = ", ".join(
            f"{metric} {_percent(found.detected(metric)) if found.judged[metric] else 'not judged'}"
            for metric in mutation.moves
        )
        follows = ", ".join(m for m in mutation.follows if found.changed[m]) or "nothing did"
        lines.append(
            f"| {mutation.name} | {mutation.what} | {found.applied} | {moved} | {_percent(found.stayed())} | {follows} |"
        )
    return "\n".join(lines)


def _shares_table(figures: DatasetFigures) -> str:
    rows = [
        ("route", figures.route_shares),
        ("generator", figures.generator_shares),
        ("complexity", figures.complexity_shares),
    ]
    lines = ["| share of traces | |", "|---|---|"]
    lines += [f"| {kind}: {name} | {_percent(share)} |" for kind, shares in rows for name, share in shares.items()]
    lines += [f"| pass rate of {name} | {_percent(rate)} |" for name, rate in figures.pass_rates.items()]
    return "\n".join(lines)


def _variety(figures: DatasetFigures) -> str:
    cost = "no price known" if figures.cost_per_trace_usd is None else f"{figures.cost_per_trace_usd:.5f} US dollars"
    return (
        f"Decisions vary by {figures.decision_entropy_bits:.2f} bits; {_percent(figures.unique_trace_ratio)} of the texts are"
        f" distinct, {_percent(figures.near_duplicate_share)} nearly repeat another. A trace took"
        f" {figures.tokens_per_trace:,.0f} tokens ({cost}); {_percent(figures.escalation_rate)} were escalated."
    )


def _metrics_table(figures: DatasetFigures, config: QualityConfig) -> str:
    lines = ["| metric | mean | bound |", "|---|---|---|"]
    for name in METRICS:
        if name not in figures.means:
            continue
        mean = figures.means[name]
        least, most = config.floors.get(name), config.ceilings.get(name)
        bound = f"≥ {least:g}" if least is not None else f"≤ {most:g}" if most is not None else ""
        broken = (least is not None and mean < least) or (most is not None and mean > most)
        lines.append(f"| {name} | {mean:.3f} | {bound}{' **broken**' if broken else ''} |")
    return "\n".join(lines)


def _confidence(report: ConfidenceReport | None) -> str:
    if report is None:
        return ""
    return (
        f"Stated confidence, over {report.count:,} plans with an outcome: expected calibration error"
        f" {report.calibration_error:.3f}, Brier score {report.brier:.3f}; {_percent(report.success_rate)} of the plans stayed"
        " within 3 m of the log and were feasible."
    )


def _samples(traces: Sequence[Row], quality: Sequence[Row], pictures: Mapping[str, str]) -> str:
    by_id = {row["trace_id"]: row for row in traces}
    judged = {row["trace_id"]: row for row in quality}
    return "\n\n".join(_sample(by_id[i], judged.get(i), pictures.get(i)) for i in sample_ids(traces, quality))


def _sample(trace: Row, quality: Row | None, picture: str | None) -> str:
    parts = [
        f"## {trace['frame_id']}: {trace['longitudinal']}, {trace['lateral']} ({trace['generator']}, {trace['route']})"
    ]
    if picture is not None:
        parts.append(f"![plan and logged future of {trace['frame_id']}]({picture})")
    parts.append("\n".join(f"> {line}" if line else ">" for line in trace["text"].splitlines()))
    if quality is not None:
        failed = [c for c in quality.get("claims") or () if not c["passed"]][:MOST_FAILED_CLAIMS]
        ade = metrics_of(quality).get("ade_3s_m")
        parts.append(
            f"Keeps all floors: {'yes' if quality['passed'] else 'no, not ' + ', '.join(quality['failed_metrics'])}."
            + (f" {ade:.2f} m from the log over 3 s." if ade is not None else "")
        )
        if failed:
            parts.append(
                "\n".join(
                    f"- {c['metric']}: {c['claim']}, stated {c['stated']}, found {c['found'] or 'nothing'}"
                    for c in failed
                )
            )
    return "\n\n".join(parts)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
