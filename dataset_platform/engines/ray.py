"""Ray: local by default, a cluster by ``DATASET_PLATFORM_RAY_ADDRESS``, driving the same Arrow kernels as Spark."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa

from dataset_platform.engines.kernel import Kernel
from dataset_platform.errors import EngineError
from dataset_platform.lake import storage
from dataset_platform.lake.tables import LakeTable
from dataset_platform.settings import join

if TYPE_CHECKING:
    import ray.data


def start() -> None:
    """Connect to the configured cluster, or start a local one; once per process.

    Raises:
        EngineError: it cannot be reached, or not be started.
    """
    # Ray otherwise re-creates the environment in workers when it was started by uv (dagster-ray#160)
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    if ray.is_initialized():
        return
    address = os.environ.get("DATASET_PLATFORM_RAY_ADDRESS")
    try:
        if address:
            ray.init(address=address, log_to_driver=False)
        else:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    except (ConnectionError, OSError, RuntimeError, ValueError) as e:
        where = f"at {address} cannot be reached" if address else "could not be started"
        line = (str(e).splitlines() or [type(e).__name__])[0]
        raise EngineError(f"Ray {where}: {line}", "Check DATASET_PLATFORM_RAY_ADDRESS.") from e
    from ray.data import DataContext

    DataContext.get_current().enable_progress_bars = False


def read_day(table: LakeTable, day: str) -> ray.data.Dataset:
    """A day of a table as a Ray dataset, over the Parquet files that delta-rs names."""
    import ray

    # delta's own addresses are percent-encoded, which file systems take for names
    actions = pa.table(table.delta().get_add_actions(flatten=True)).to_pylist()
    files = [unquote(a["path"]) for a in actions if str(a["partition.ingestion_date"]) == day]
    fs, _ = storage.filesystem(table.url)
    paths = [storage.filesystem(join(table.url, f))[1] for f in files]
    return ray.data.read_parquet(paths, filesystem=fs, columns=table.contract.data_schema().names)


def map_batches(
    dataset: ray.data.Dataset, kernel: Kernel, schema: pa.Schema, batch_rows: int = 256
) -> ray.data.Dataset:
    """Run a kernel over the blocks of a Ray dataset; ``schema`` is what the kernel emits."""
    return dataset.map_batches(_as_table_function(kernel, schema), batch_format="pyarrow", batch_size=batch_rows)


def _as_table_function(kernel: Kernel, schema: pa.Schema) -> Callable[[pa.Table], pa.Table]:
    def run(table: pa.Table) -> pa.Table:
        return pa.Table.from_batches(list(kernel(iter(table.combine_chunks().to_batches()))), schema=schema)

    return run


def stop() -> None:
    """Shut a local Ray down; nothing happens when none runs."""
    import ray

    if ray.is_initialized():
        ray.shutdown()
