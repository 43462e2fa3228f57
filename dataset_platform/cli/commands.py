"""``materialize`` and ``check``: selection and range in, table and exit code out."""

from __future__ import annotations

from dataclasses import dataclass

from dataset_platform.cli import output, runs
from dataset_platform.errors import ConfigError
from dataset_platform.llm.spending import budget
from dataset_platform.settings import Settings, join


@dataclass(frozen=True)
class MaterializeOptions:
    """Flags of ``materialize``; see its help."""

    only_stale: bool = False
    regrade: bool = False
    max_cost: float | None = None
    max_tokens: int | None = None


def run_materialize(selection: str, partitions: str, options: MaterializeOptions, as_json: bool) -> int:
    """The ``materialize`` command; its exit code."""
    keys, days = _scope(selection, partitions)
    with output.progress(), budget(options.max_cost, options.max_tokens):
        report = runs.materialize(
            keys, days, on_run=output.run_lines, only_stale=options.only_stale, regrade=options.regrade
        )
    report.outputs = outputs()
    return finish(report, days, as_json)


def run_check(selection: str, partitions: str, as_json: bool) -> int:
    """The ``check`` command; its exit code."""
    keys, days = _scope(selection, partitions)
    with output.progress():
        report = runs.check(keys, days, on_run=output.run_lines)
    report.outputs = outputs()
    code = finish(report, days, as_json)
    return code


def _scope(selection: str, partitions: str) -> tuple[list[str], list[str]]:
    from dataset_platform.config import load_config
    from dataset_platform.partitions import day_range

    load_config()  # a wrong settings file is one error here, not one of every day
    days = day_range(partitions) if partitions else []
    keys = runs.select(selection)
    _, _, partitioned = runs.graph()
    if not days and any(k in partitioned for k in keys):
        named = ", ".join(k for k in keys if k in partitioned)
        raise ConfigError(f"{named} have partitions, and none was named.", "Add --partitions A or A:B.")
    return keys, days


def outputs() -> dict[str, str]:
    """Where things lie."""
    settings = Settings.from_env()
    tokens, driving = join(settings.artifacts, "tokens"), join(settings.artifacts, "driving")
    return {
        "home": settings.home,
        "lake": settings.lake,
        "artifacts": settings.artifacts,
        "tokenized_shards": join(tokens, "tokenized_shards"),
        "manifest": join(tokens, "manifest", "manifest.json"),
        "mixtures": join(tokens, "mixtures", "mixtures.json"),
        "cot_traces": join(driving, "cot_traces"),
        "cot_quality": join(driving, "cot_quality"),
    }


def finish(report: runs.Report, days: list[str], as_json: bool) -> int:
    """Print the report; 1 when something failed, or when there was no input to work on."""
    output.table(report)
    bad = sorted({day or "" for day, _, _ in report.failures} | {c.partition or "" for c in report.failed_checks})
    code = 0 if report.ok else 1
    if not report.ok:
        named = ", ".join(d or "assets without days" for d in bad)
        output.announce(f"error: failed: {named}. Mend the cause named above and run these again.")
    nothing = _nothing_to_do(report, days)
    if nothing:
        output.announce(nothing)
        code = 1
    if as_json:
        output.as_json(report)
    return code


def _nothing_to_do(report: runs.Report, days: list[str]) -> str:
    """Why a range gave nothing at all, in one line; empty when it gave something."""
    settings = Settings.from_env()
    dated = [a for a in report.assets if a.partition]
    if dated and not any(a.rows_in for a in dated):
        span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
        roots = {
            "web/raw_warcs": ("WARC", "web"),
            "driving/raw_tfrecords": ("TFRecord", "waymo/tfrecords"),
            "self_correction/questions": ("question", "questions"),
        }
        for key, (what, lane) in roots.items():
            listed = [a for a in dated if a.key == key]
            if listed:
                return (
                    f"error: no input for {span}: {listed[0].note}. "
                    f"Put {what} files below {join(settings.raw, lane)}/yyyy/mm/dd/, or name other days."
                )
        return f"error: no input on the days asked for: {dated[0].key}: {dated[0].note}."
    for key, what in (("web/documents", "WARC"), ("driving/bronze_frames", "TFRecord")):
        read = [a for a in report.assets if a.key == key and a.rows_in]
        if read and all(a.rows_quarantined == a.rows_in for a in read):
            return (
                f"error: nothing in the input could be read as {what}; every piece is in quarantine. "
                f"The causes: {_quarantine_causes(settings, key, [a.partition or '' for a in read])}."
            )
    return ""


def _quarantine_causes(settings: Settings, key: str, days: list[str]) -> str:
    import pyarrow.compute as pc

    from dataset_platform.contracts import Quarantine
    from dataset_platform.lake.tables import LakeTable

    table = LakeTable(Quarantine, settings.lake)
    here = pc.field("stage") == key.rpartition("/")[2]
    rows = [r for d in days for r in table.read(d, ["file", "error"], here).slice(0, 3).to_pylist()]
    return "; ".join(f"{r['file']}: {r['error']}" for r in rows[:3])
