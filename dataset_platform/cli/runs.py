"""Running a selection over a range of days in this process: one Dagster run per day, one Spark session for all.

Every run is recorded in the Dagster instance, so the UI shows what the command line did.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from dataset_platform.cli.abandoned import alive, close_abandoned_runs
from dataset_platform.defs.self_correction.traces import REGRADE
from dataset_platform.defs.stages import ONLY_STALE
from dataset_platform.engines.progress import report
from dataset_platform.errors import ConfigError
from dataset_platform.lake import locks
from dataset_platform.llm.spending import begin_command
from dataset_platform.settings import Settings
from dataset_platform.setup.instance import ensure_instance

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
ROW_COUNTS = ("rows_in", "rows_kept", "rows_rejected", "rows_quarantined")


@dataclass
class AssetResult:
    """One asset on one day (or none) as the table and ``--json`` show it."""

    key: str
    partition: str | None
    rows_in: int = 0
    rows_kept: int = 0
    rows_rejected: int = 0
    rows_quarantined: int = 0
    seconds: float = 0.0
    note: str = ""


@dataclass
class CheckResult:
    """One check on one day."""

    asset: str
    name: str
    partition: str | None
    severity: str
    passed: bool
    message: str = ""


@dataclass
class Report:
    """All that came of a command."""

    assets: list[AssetResult] = field(default_factory=list)
    checks: list[CheckResult] = field(default_factory=list)
    failures: list[tuple[str | None, str, str]] = field(default_factory=list)  # day, asset, one line
    outputs: dict[str, Any] = field(default_factory=dict)

    @property
    def failed_checks(self) -> list[CheckResult]:
        """Checks of severity ERROR that did not pass."""
        return [c for c in self.checks if not c.passed and c.severity == "ERROR"]

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failures and not self.failed_checks


def graph() -> tuple[dg.Definitions, dict[str, set[str]], set[str]]:
    """The definitions, each asset's upstream keys, and the keys that are partitioned."""
    from dataset_platform.definitions import defs

    assets = defs.resolve_asset_graph()
    upstream, partitioned = {}, set()
    for key in assets.materializable_asset_keys:
        node = assets.get(key)
        name = key.to_user_string()
        upstream[name] = {p.to_user_string() for p in node.parent_keys if p != key}
        if node.partitions_def is not None:
            partitioned.add(name)
    return defs, upstream, partitioned


def select(selection: str) -> list[str]:
    """Asset keys that a selection names: keys or globs (``web/*``), comma separated, or Dagster's selection syntax.

    Raises:
        ConfigError: it names nothing; lists what there is.
    """
    defs, upstream, _ = graph()
    chosen: set[str] = set()
    for part in (p.strip() for p in selection.split(",")):
        if any(sign in part for sign in ":+()") or " " in part:
            try:
                keys = dg.AssetSelection.from_string(part).resolve(defs.resolve_asset_graph())
            except Exception as e:  # Dagster's parser raises several kinds, all meaning a bad selection
                raise ConfigError(f"'{part}' is no selection: {str(e).splitlines()[0]}") from None
            found = {k.to_user_string() for k in keys}
        else:
            found = {name for name in upstream if fnmatch.fnmatchcase(name, part or "*")}
        if not found:
            raise ConfigError(f"'{part}' names no asset.", f"There are: {', '.join(sorted(upstream))}.")
        chosen |= found
    return sorted(chosen)


def phases(keys: Sequence[str], upstream: dict[str, set[str]], partitioned: set[str]) -> list[tuple[bool, list[str]]]:
    """Split a selection into steps (partitioned?, keys) such that each step needs only earlier ones.

    Assets without partitions (a tokenizer) see all days of what they are made from, so those days run first.
    """
    level: dict[str, int] = {}

    def level_of(key: str) -> int:
        if key not in level:
            own = 0 if key in partitioned else 1
            above = [level_of(u) + ((level_of(u) % 2) != own) for u in upstream.get(key, ())]
            level[key] = max([own, *above])
        return level[key]

    steps: dict[int, list[str]] = {}
    for key in keys:
        steps.setdefault(level_of(key), []).append(key)
    return [(steps[n][0] in partitioned, sorted(steps[n])) for n in sorted(steps)]


@contextmanager
def reserved(settings: Settings, days: Sequence[str]) -> Iterator[None]:
    """Hold the days of a command, so that a second one on the same days waits or refuses by name."""
    with ExitStack() as stack:
        for day in sorted(days):
            stack.enter_context(locks.lock(settings.lake, f"run of {day}"))
        yield


def materialize(
    keys: Sequence[str],
    days: Sequence[str],
    on_run: Callable[[Report], None] | None = None,
    only_stale: bool = False,
    regrade: bool = False,
) -> Report:
    """Materialize assets over days. A day that fails is noted and the others go on.

    Args:
        only_stale: check, and do not make again, what is made from the same inputs, settings and code already.
        regrade: grade stored answers again; no model is called.
    """
    defs, upstream, partitioned = graph()
    settings = Settings.from_env()
    ensure_instance(settings)
    begin_command()
    tags = {ONLY_STALE: str(only_stale).lower(), REGRADE: str(regrade).lower()}
    result = Report()
    with reserved(settings, days), alive(settings) as life, dg.DagsterInstance.get() as instance:
        close_abandoned_runs(instance, settings)
        job = defs.resolve_implicit_global_asset_job_def()
        bad_days: set[str] = set()
        for is_partitioned, step in phases(keys, upstream, partitioned):
            for day in days if is_partitioned else [None]:
                if day is not None and day in bad_days and _needs_failed(step, upstream, result, day):
                    continue
                report(f"{day or 'all days'}: {', '.join(step)}")
                run = job.execute_in_process(
                    instance=instance,
                    partition_key=day,
                    asset_selection=[dg.AssetKey(k.split("/")) for k in step],
                    run_config=QUIET,
                    raise_on_error=False,
                    tags={"dataset_platform/command": "materialize", **tags, **life},
                )
                found = collect(run, day)
                if found.failures and day is not None:
                    bad_days.add(day)
                for name in ("assets", "checks", "failures"):
                    getattr(result, name).extend(getattr(found, name))
                if on_run is not None:
                    on_run(found)
    return result


def _needs_failed(step: Sequence[str], upstream: dict[str, set[str]], so_far: Report, day: str) -> bool:
    """Whether what failed on a day stands above this step; a step beside it still runs."""
    failed = {asset for failed_day, asset, _ in so_far.failures if failed_day == day}
    above: set[str] = set()
    stack = list(step)
    while stack:
        for key in upstream.get(stack.pop(), ()):
            if key not in above:
                above.add(key)
                stack.append(key)
    return bool(failed & above)


def check(keys: Sequence[str], days: Sequence[str], on_run: Callable[[Report], None] | None = None) -> Report:
    """Run the checks of assets over days, on what lies in the lake now; nothing is materialized."""
    defs, upstream, partitioned = graph()
    settings = Settings.from_env()
    ensure_instance(settings)
    result = Report()
    with alive(settings) as life, dg.DagsterInstance.get() as instance:
        close_abandoned_runs(instance, settings)
        for is_partitioned, step in phases(keys, upstream, partitioned):
            selection = dg.AssetSelection.checks_for_assets(*[dg.AssetKey(k.split("/")) for k in step])
            merged = dg.Definitions.merge(defs, dg.Definitions(jobs=[dg.define_asset_job("checks", selection)]))
            job = merged.resolve_job_def("checks")
            for day in days if is_partitioned else [None]:
                report(f"{day or 'all days'}: checks of {', '.join(step)}")
                # a job of checks alone has no partitions of its own: the day travels as the run's tag
                tags = {**({"dagster/partition": day} if day else {}), **life}
                run = job.execute_in_process(instance=instance, tags=tags, run_config=QUIET, raise_on_error=False)
                found = collect(run, day)
                # a check that failed is reported as a check; other failures (a missing day) are failures
                found.failures = [f for f in found.failures if not re.search(r"asset checks? failed", f[2])]
                for name in ("checks", "failures"):
                    getattr(result, name).extend(getattr(found, name))
                if on_run is not None:
                    on_run(found)
    return result


def collect(run: dg.ExecuteInProcessResult, day: str | None) -> Report:
    """What a run did, from its events."""
    found = Report()
    for event in run.get_asset_materialization_events():
        materialization = event.step_materialization_data.materialization
        values: dict[str, Any] = {name: value.value for name, value in materialization.metadata.items()}
        asset = AssetResult(materialization.asset_key.to_user_string(), day, note=str(values.get("note", "")))
        for name in ROW_COUNTS:
            setattr(asset, name, int(values.get(name, 0)))
        asset.seconds = float(values.get("seconds", 0.0))
        found.assets.append(asset)
    for evaluation in run.get_asset_check_evaluations():
        found.checks.append(
            CheckResult(
                evaluation.asset_key.to_user_string(),
                evaluation.check_name,
                day,
                evaluation.severity.value,
                evaluation.passed,
                evaluation.description or "",
            )
        )
    for event in run.all_events:
        if event.event_type == dg.DagsterEventType.STEP_FAILURE:
            if _interrupted(event.step_failure_data.error):
                raise KeyboardInterrupt  # Dagster turns Ctrl-C into a failed step and would go on with the next day
            key = (event.step_key or "").replace("__", "/")
            found.failures.append((day, key, failure_line(event)))
    if not run.success and not found.failures and not found.failed_checks:
        found.failures.append((day, "", "the run failed; see its page in Dagster"))
    return found


def _interrupted(error: Any) -> bool:
    while error is not None:
        if error.cls_name in ("KeyboardInterrupt", "DagsterExecutionInterruptedError"):
            return True
        error = error.cause
    return False


def failure_line(event: Any) -> str:
    """A step's failure in one line."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    if error is None:
        return "failed"
    # an exception that crossed from a Python worker carries its traceback as text: its last line names the cause
    lines = [line for line in error.message.strip().splitlines() if line.strip()]
    is_traceback = any(line.startswith("Traceback") for line in lines)
    return f"{lines[0]} {lines[-1].strip()}" if is_traceback else lines[0]
