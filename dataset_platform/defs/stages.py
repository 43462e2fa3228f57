"""One stage, one declaration: what every table asset has in common lives here, once.

``table_asset`` makes a Dagster asset of a contract and a way to compute a day's labelled rows. It owns reading the day's
input, the engine, write-audit-publish, the three checks, per-day metadata and previews.
"""

import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import dagster as dg

from dataset_platform.contracts import Contract
from dataset_platform.defs.days import Day, ExtraCheck, Staged, count_rows, make_day
from dataset_platform.defs.metadata import Metadata, Published, Show, column_schema, receipt_metadata
from dataset_platform.defs.resources import SparkResource
from dataset_platform.errors import PlatformError
from dataset_platform.lake import receipts
from dataset_platform.lake.receipts import Receipt
from dataset_platform.partitions import daily

if TYPE_CHECKING:
    from pydantic import BaseModel

    from dataset_platform.config import PlatformConfig
    from dataset_platform.engines.kernel import Kernel
    from dataset_platform.lake.audit import Finding
    from dataset_platform.lake.merging import Merge, Merged
    from dataset_platform.lake.publishing import Outcome

OWNER = "team:data-platform"
UNCHANGED = "unchanged: same inputs, settings and code; checked again"
CHECKS = {
    "contract": ("Every row keeps the table's contract: types, ranges, nulls, uniqueness of the row key.", True),
    "conservation": ("Every row is accounted for: in = kept + rejected + quarantined.", True),
    "drift": ("Rows and share kept are near the median of the trailing seven days with data.", False),
}


@dataclass(frozen=True)
class Stage:
    """The declaration of a table asset; see ``table_asset``."""

    contract: type[Contract]
    reads: type[Contract] | None
    compute: Callable[[Day], Staged]
    section: "Callable[[PlatformConfig], BaseModel] | None"
    version: str
    settle: tuple[str, ...]
    shows: tuple[Show, ...]
    in_process: bool
    transient: frozenset[str]
    extra_checks: tuple[ExtraCheck, ...] = ()
    merge: "Merge | None" = None

    @property
    def key(self) -> dg.AssetKey:
        """The asset key, ``[lane, artifact]``."""
        return dg.AssetKey(self.contract.table_name().split("/"))

    def config_hash(self, config: "PlatformConfig") -> str:
        """Fingerprint of the settings that decide this stage's rows."""
        from dataset_platform.config import fingerprint

        return fingerprint(self.section(config)) if self.section else ""


STAGES: dict[str, Stage] = {}


def from_kernel(
    contract: type[Contract], reads: type[Contract], kernel: "Callable[[Day], Kernel]", tallies: bool = False
) -> Callable[[Day], Staged]:
    """Compute a day by running a kernel over the rows of the stage above, on the configured engine."""

    def compute(day: Day) -> Staged:
        above = day.upstream(reads)
        inputs = {reads.table_name(): above.content_hash}
        if not above.rows_kept:
            return Staged(None, 0, inputs, note=f"{reads.table_name()} has no rows")

        def write(path: str) -> None:
            from dataset_platform.engines.stage_writer import write_kernel_output

            write_kernel_output(engine, day.table(reads), day.key, kernel(day), contract, path, day.session)

        engine = day.config.engine_of(contract.table_name())
        return Staged(write, None if tallies else above.rows_kept, inputs, in_process=engine == "local")

    return compute


def table_asset(
    contract: type[Contract],
    *,
    reads: type[Contract] | None = None,
    kernel: "Callable[[Day], Kernel] | None" = None,
    compute: Callable[[Day], Staged] | None = None,
    section: "Callable[[PlatformConfig], BaseModel] | None" = None,
    version: str = "1",
    tallies: bool = False,
    settle: Sequence[str] = (),
    shows: Sequence[Show] = (),
    deps: Sequence[dg.AssetDep] = (),
    kinds: Sequence[str] = ("spark", "delta"),
    tags: dict[str, str] | None = None,
    in_process: bool = False,
    transient: Sequence[str] = (),
    extra_checks: Sequence[ExtraCheck] = (),
    merge: "Merge | None" = None,
) -> dg.AssetsDefinition:
    """A partitioned table asset with its contract, conservation and drift checks.

    Args:
        contract: the table; its docstring is the asset's description.
        reads: the stage above, read on the same day.
        kernel: makes the kernel for a day from its settings; or
        compute: computes a day some other way.
        section: the settings that decide the rows; their fingerprint goes into the receipt.
        version: bump it when the same input and settings give other rows.
        tallies: the kernel counts its own input (it reads files, not rows).
        settle: see ``publishing.run_stage``.
        shows: previews and plots.
        deps: further dependencies, for example on the asset's own yesterday.
        in_process: the day's rows are staged, audited and published by this process, batch by batch, without a JVM.
        transient: reasons of rejection that another try may not meet; a day that has any is never left unchanged.
        extra_checks: checks of this table alone, run on the day once it is published.
        merge: how a day is merged into a table whose row key is unique over all days; see ``lake.merging``.
    """
    assert merge is None or not in_process, "a MERGE needs Spark"
    if compute is None:
        assert reads is not None and kernel is not None, "a table asset needs reads and kernel, or compute"
        compute = from_kernel(contract, reads, kernel, tallies)
    stage = Stage(
        contract,
        reads,
        compute,
        section,
        version,
        tuple(settle),
        tuple(shows),
        in_process,
        frozenset(transient),
        tuple(extra_checks),
        merge,
    )
    STAGES[contract.table_name()] = stage
    own_deps = [dg.AssetDep(dg.AssetKey(reads.table_name().split("/")))] if reads else []
    spec = dg.AssetSpec(
        stage.key,
        deps=[*own_deps, *deps],
        description=contract.__doc__,
        group_name=contract.lane_name(),
        kinds=set(kinds),
        owners=[OWNER],
        tags={"layer": "table", **(tags or {})},
        code_version=version,
        partitions_def=daily,
        skippable=True,
        metadata={
            "dagster/column_schema": column_schema(contract),
            "dagster/table_name": contract.table_name(),
            "row_key": ", ".join(contract.row_key()),
        },
    )
    checks = _check_specs(stage)

    @dg.multi_asset(specs=[spec], check_specs=checks, can_subset=True, name="__".join(stage.key.path))
    def run(context: dg.AssetExecutionContext, spark: SparkResource) -> Iterator[Any]:
        wanted = [c for c in checks if c.key in context.selected_asset_check_keys]
        with as_failure():
            day = make_day(context.partition_key, spark, context.run.tags)
            if context.selected_asset_keys:
                outcome, metadata = materialize_day(stage, day, only_stale(context))
                context.log.info(outcome_line(outcome))
                if outcome.published:
                    yield dg.MaterializeResult(asset_key=stage.key, metadata=metadata)
                findings = outcome.findings
            else:
                findings = check_day(stage, day)
        yield from check_results(stage.key, findings, wanted)

    return run


ONLY_STALE = "dataset_platform/only_stale"


def only_stale(context: dg.AssetExecutionContext) -> bool:
    """Whether the run asks for days to be left as they are when nothing they are made from has changed."""
    return context.run.tags.get(ONLY_STALE) == "true"


def _check_specs(stage: Stage) -> list[dg.AssetCheckSpec]:
    described = CHECKS | {c.name: (c.description, c.blocking) for c in stage.extra_checks}
    with warnings.catch_warnings():
        # partitions on check specs are in preview; without them a range shows one result for all its days
        warnings.simplefilter("ignore", category=dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(name, asset=stage.key, description=text, blocking=blocking, partitions_def=daily)
            for name, (text, blocking) in described.items()
        ]


def materialize_day(stage: Stage, day: Day, leave_unchanged: bool = False) -> "tuple[Outcome, Metadata]":
    """Compute, audit and publish a day; its outcome, and the metadata to show when it was published.

    Args:
        leave_unchanged: a day whose inputs, settings and code are those of its receipt is checked again, not made again.
    """
    from dataset_platform.engines.progress import report, spark_tasks
    from dataset_platform.lake.arrow_publishing import run_arrow_stage
    from dataset_platform.lake.publishing import Outcome, StageRun, publish_nothing, run_stage

    name = f"{stage.contract.table_name()} {day.key}"
    report(name)
    staged = stage.compute(day)
    run = StageRun(
        stage.contract, day.settings.lake, day.key, stage.version, stage.config_hash(day.config), staged.inputs
    )
    receipt = receipts.read(day.settings.lake, stage.contract, day.key)
    same = receipt is not None and receipt.made_from(run.inputs, run.config_hash, run.code_version)
    # rows that somebody took away make the day stale whatever it was made from
    same = same and receipt is not None and count_rows(day.table(stage.contract), day.key) == receipt.rows_kept
    if leave_unchanged and receipt and same and not staged.stale and not stage.transient & set(receipt.reasons):
        outcome = Outcome(receipt, check_day(stage, day), True, run.staging)
        return outcome, _shown(stage, day, receipt) | {"note": UNCHANGED, "seconds": 0.0}
    if staged.write is None:
        nothing = staged.after_arrow
        after = (lambda _: nothing(lambda: iter(()))) if nothing else staged.after
        outcome = _looked_at(stage, day, publish_nothing(run, staged.note, after, stage.merge))
        shown = receipt_metadata(day.table(stage.contract).url, outcome.receipt) | {"note": staged.note}
        return outcome, shown | _merge_metadata(stage, outcome.merged)
    if stage.in_process or staged.in_process:
        assert stage.merge is None, "a MERGE needs Spark"
        published = run_arrow_stage(run, staged.write, staged.rows_in, staged.after_arrow, stage.settle)
        outcome = _looked_at(stage, day, published)
        return outcome, _shown(stage, day, outcome.receipt) if outcome.published else {}
    spark = day.spark
    with spark_tasks(spark, name):
        outcome = run_stage(spark, run, staged.write, staged.rows_in, stage.settle, staged.after, stage.merge)
        outcome = _looked_at(stage, day, outcome)
        if not outcome.published:
            return outcome, {}
        return outcome, _shown(stage, day, outcome.receipt) | _merge_metadata(stage, outcome.merged)


def _merge_metadata(stage: Stage, merged: "Merged | None") -> Metadata:
    """What a merge did to other days, with the command that brings them up to date."""
    if merged is None or not (merged.moved or merged.outdated):
        return {}
    days = sorted({*merged.moved, *merged.outdated})
    moved = (
        f"{sum(merged.moved.values())} rows of {', '.join(merged.moved)} replaced by versions of this day; "
        if merged.moved
        else ""
    )
    span = days[0] if len(days) == 1 else f"{days[0]}:{days[-1]}"
    again = f"dataset-platform materialize '{stage.contract.lane_name()}/*' --partitions {span} --only-stale"
    note = f"{moved}what was made from {', '.join(days)} is out of date. Run: {again}"
    return {"moved_from_other_days": dg.MetadataValue.json(merged.moved), "outdated_days": days, "note": note}


def _looked_at(stage: Stage, day: Day, outcome: "Outcome") -> "Outcome":
    """The outcome with the findings of the table's own checks; a day that is not published has nothing to look at."""
    from dataset_platform.lake.audit import Finding

    if outcome.published:
        found = [c.find(day) for c in stage.extra_checks]
    else:
        found = [Finding(c.name, False, "the day was not published") for c in stage.extra_checks]
    return replace(outcome, findings=[*outcome.findings, *found])


def _shown(stage: Stage, day: Day, receipt: Receipt) -> Metadata:
    """Numbers, previews and plots of a published day."""
    table = day.table(stage.contract)
    metadata = receipt_metadata(table.url, receipt)
    if receipt.rows_kept:
        published = Published(table, day.key, receipt, None if day.local else day.session)
        for show in stage.shows:
            metadata |= show(published)
    return metadata


def check_day(stage: Stage, day: Day) -> "list[Finding]":
    """Check a published day again, on what lies in the lake now.

    Raises:
        StateError: the day was never finished.
    """
    from dataset_platform.contracts import Quarantine, Rejections
    from dataset_platform.lake.arrow_publishing import contract_of_published
    from dataset_platform.lake.audit import Finding, conservation_finding, contract_finding, drift_finding
    from dataset_platform.lake.merging import repeated_elsewhere

    receipt = day.finished(stage.contract)
    table = day.table(stage.contract)
    if receipt.rows_kept and (stage.in_process or (day.local and stage.merge is None)):
        contract = contract_of_published(table, day.key)
    elif receipt.rows_kept:
        rows = table.read_spark(day.spark, day.key).select(*stage.contract.data_schema().names)
        contract = contract_finding(rows, stage.contract, day.key)
        repeated = repeated_elsewhere(day.spark, table, day.key) if stage.merge else 0
        if repeated:
            key = "+".join(stage.contract.row_key())
            contract = replace(contract, passed=False, message=f"{repeated} rows have a {key} that other days have too")
    else:
        contract = Finding("contract", True, "no rows on this day")
    found = {
        "kept": count_rows(table, day.key),
        "rejected": count_rows(day.table(Rejections), day.key, stage.contract),
        "quarantined": count_rows(day.table(Quarantine), day.key, stage.contract),
    }
    above = receipts.read(day.settings.lake, stage.reads, day.key) if stage.reads else None
    counts_rows = above is not None and stage.reads is not None and not _counts_files(stage)
    conservation = conservation_finding(receipt, found, above.rows_kept if above and counts_rows else None)
    changed = receipt.outdated_by
    if above and stage.reads and receipt.inputs.get(stage.reads.table_name()) != above.content_hash:
        changed.append(stage.reads.table_name())
    if changed:
        line = (
            f"{', '.join(changed)} {'has' if len(changed) == 1 else 'have'} changed since; materialize this day again"
        )
        conservation = replace(conservation, passed=False, message=f"{conservation.message}; {line}")
    drift = drift_finding(receipt, receipts.trailing(day.settings.lake, stage.contract, day.key))
    return [contract, conservation, drift, *(c.find(day) for c in stage.extra_checks)]


def _counts_files(stage: Stage) -> bool:
    """Whether the stage above holds files, so that its rows are not this stage's."""
    return stage.reads is not None and "path" in stage.reads.row_key()


def check_results(
    key: dg.AssetKey, findings: "Sequence[Finding]", wanted: Sequence[dg.AssetCheckSpec]
) -> Iterator[dg.AssetCheckResult]:
    """Findings as Dagster's check results, those that were asked for."""
    by_name = {f.name: f for f in findings}
    for spec in wanted:
        finding = by_name[spec.name]
        yield dg.AssetCheckResult(
            asset_key=key,
            check_name=finding.name,
            passed=finding.passed,
            severity=dg.AssetCheckSeverity[finding.severity],
            description=finding.message,
            metadata={"details": dg.MetadataValue.json(finding.details)} if finding.details else {},
        )


def outcome_line(outcome: "Outcome") -> str:
    """A finished stage in one line."""
    r = outcome.receipt
    line = f"{r.table} {r.day}: {r.rows_in} in, {r.rows_kept} kept, {r.rows_rejected} rejected, {r.rows_quarantined} quarantined"
    if outcome.published:
        return line
    failed = "; ".join(f"{f.name}: {f.message}" for f in outcome.findings if not f.passed and f.severity == "ERROR")
    return f"{line}; NOT published: {failed}. The staged rows are in {outcome.staging}"


_DATA_FILE = re.compile(r"/([^/\s]+/[^/\s]+)/ingestion_date=(\d{4}-\d{2}-\d{2})/")


class as_failure:
    """Turn an expected error into a Dagster failure of one line that no retry can mend."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, PlatformError):
            raise dg.Failure(f"{error.message} {error.hint}".strip(), allow_retries=False) from error
        if isinstance(error, FileNotFoundError) and (gone := _DATA_FILE.search(str(error))) and gone[1] in STAGES:
            raise dg.Failure(
                f"A file of {gone[1]} of {gone[2]} that the table's log names is gone. "
                f"Run: dataset-platform materialize {gone[1]} --partitions {gone[2]}",
                allow_retries=False,
            ) from error
        if isinstance(error, Exception) and "pyspark" in sys.modules:
            from dataset_platform.engines.spark import AGAIN, JVM_DIED, jvm_died

            if jvm_died(error):
                raise dg.Failure(f"{JVM_DIED} {AGAIN}", allow_retries=False) from error
        cause = _kernel_error(error) if error is not None else None
        if cause:
            raise dg.Failure(cause, allow_retries=False) from error


def _kernel_error(error: BaseException) -> str:
    """The platform's own message inside an exception that crossed Spark's or Ray's process border."""
    found = re.search(r"dataset_platform\.errors\.(\w+): (.+)", str(error))
    return found.group(2).strip() if found else ""
