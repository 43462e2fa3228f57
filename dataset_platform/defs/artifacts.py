"""Assets that are files, not tables: what a tokenizer, shards, a manifest and mixtures have in common.

They do not fit the sentence of ``table_asset`` and do not pretend to: each module computes and audits its own files; here
is only how Dagster sees them.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster import AssetExecutionContext

from dataset_platform.defs.days import Day, make_day
from dataset_platform.defs.metadata import Metadata
from dataset_platform.defs.resources import SparkResource
from dataset_platform.defs.stages import OWNER, as_failure, check_results, only_stale
from dataset_platform.partitions import daily

if TYPE_CHECKING:
    from dataset_platform.lake.audit import Finding

ALL_DAYS = ""  # the key of a "day" for assets without partitions


@dataclass(frozen=True)
class Made:
    """What came of computing an artifact: checks, metadata, and whether it was published."""

    findings: "Sequence[Finding]"
    metadata: Metadata
    published: bool


def artifact_asset(
    key: str,
    *,
    make: Callable[[Day, bool], Made],
    audit: "Callable[[Day], Sequence[Finding]]",
    checks: Mapping[str, tuple[str, bool]],
    deps: Sequence[dg.AssetDep],
    description: str,
    partitioned: bool = False,
    version: str = "1",
    kinds: Sequence[str] = ("python",),
) -> dg.AssetsDefinition:
    """An asset of files with its checks.

    Args:
        make: computes, audits and publishes; told whether to leave unchanged days as they are.
        audit: the same checks on what is published now.
        checks: name → (description, blocking).
    """
    asset_key = dg.AssetKey(key.split("/"))
    partitions = daily if partitioned else None
    spec = dg.AssetSpec(
        asset_key,
        deps=list(deps),
        description=description,
        group_name=asset_key.path[0],
        kinds=set(kinds),
        owners=[OWNER],
        tags={"layer": "artifact"},
        code_version=version,
        partitions_def=partitions,
        skippable=True,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=dg.PreviewWarning)
        specs = [
            dg.AssetCheckSpec(name, asset=asset_key, description=text, blocking=blocking, partitions_def=partitions)
            for name, (text, blocking) in checks.items()
        ]

    @dg.multi_asset(specs=[spec], check_specs=specs, can_subset=True, name="__".join(asset_key.path))
    def run(context: AssetExecutionContext, spark: SparkResource) -> Iterator[Any]:
        wanted = [c for c in specs if c.key in context.selected_asset_check_keys]
        with as_failure():
            day = make_day(context.partition_key if partitioned else ALL_DAYS, spark, context.run.tags)
            if context.selected_asset_keys:
                made = make(day, only_stale(context))
                if made.published:
                    yield dg.MaterializeResult(asset_key=asset_key, metadata=made.metadata)
                findings = made.findings
            else:
                findings = audit(day)
        yield from check_results(asset_key, findings, wanted)

    return run
