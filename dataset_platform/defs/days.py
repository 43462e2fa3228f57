"""What a stage is given to compute one day, and what it gives back; what is common to all stages is in ``stages.py``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dataset_platform.contracts import Contract
from dataset_platform.defs.resources import SparkResource
from dataset_platform.errors import StateError
from dataset_platform.lake import receipts
from dataset_platform.lake.receipts import Receipt
from dataset_platform.lake.tables import LakeTable
from dataset_platform.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from dataset_platform.config import PlatformConfig
    from dataset_platform.lake.arrow_publishing import After
    from dataset_platform.lake.audit import Finding


@dataclass(frozen=True)
class Day:
    """What a stage is given to compute one day."""

    key: str
    settings: Settings
    config: "PlatformConfig"
    session: "Callable[[], SparkSession]"
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def spark(self) -> "SparkSession":
        """The Spark session, started on first use."""
        return self.session()

    @property
    def local(self) -> bool:
        """Whether this machine, without a JVM, is what the web and token lanes run on."""
        return self.config.local

    def table(self, contract: type[Contract]) -> LakeTable:
        """A table of this lake."""
        return LakeTable(contract, self.settings.lake)

    def upstream(self, table: str | type[Contract]) -> Receipt:
        """The receipt of a finished stage on this day, whose rows are there.

        Raises:
            StateError: that day was never finished, or rows that its receipt counts are gone; says what to run.
        """
        receipt = self.finished(table)
        if not isinstance(table, str) and (there := count_rows(self.table(table), self.key)) != receipt.rows_kept:
            raise StateError(
                f"{receipt.table} of {self.key} has {there} rows, its receipt says {receipt.rows_kept}.",
                f"Run: dataset-platform materialize {receipt.table} --partitions {self.key}",
            )
        return receipt

    def finished(self, table: str | type[Contract]) -> Receipt:
        """The receipt of a finished stage on this day, whatever became of its rows.

        Raises:
            StateError: that day was never finished; says what to run.
        """
        receipt = receipts.read(self.settings.lake, table, self.key)
        if receipt is None:
            name = table if isinstance(table, str) else table.table_name()
            raise StateError(
                f"{name} has no finished {self.key}.",
                f"Run: dataset-platform materialize {name} --partitions {self.key}",
            )
        return receipt


@dataclass(frozen=True)
class Staged:
    """How a day's labelled rows come to be.

    Attributes:
        write: writes them as Parquet below the path it is given; None when there are none.
        rows_in: rows given; None when the kernel tallies them.
        inputs: content hash per input.
        after: see ``publishing.run_stage``; ``after_arrow`` is its like for stages that run in process.
        note: one line for people when there is nothing to do.
        in_process: the rows are audited and published by this process, without a JVM.
        stale: the day is out of date for a reason that its inputs do not show.
    """

    write: Callable[[str], None] | None
    rows_in: int | None
    inputs: dict[str, str] = field(default_factory=dict)
    after: "Callable[[DataFrame | None], None] | None" = None
    note: str = ""
    after_arrow: "After | None" = None
    in_process: bool = False
    stale: bool = False


@dataclass(frozen=True)
class ExtraCheck:
    """A check that one table has beside the usual three, on a day as it is published.

    Attributes:
        blocking: a failure of severity ERROR stops what is downstream.
        find: looks at the published day; its finding carries the check's name.
    """

    name: str
    description: str
    blocking: bool
    find: "Callable[[Day], Finding]"


def make_day(key: str, spark: SparkResource, tags: Mapping[str, str]) -> Day:
    """The day as stages see it, with settings and configuration from the environment."""
    from dataset_platform.config import load_config

    return Day(key, Settings.from_env(), load_config(), lambda: spark.spark_session, tags)


def count_rows(table: LakeTable, day: str, stage: type[Contract] | None = None) -> int:
    """Rows of a day (and of a stage, in a ledger table), from file statistics: nothing is read."""
    import pyarrow as pa

    if not table.exists():
        return 0
    actions = pa.table(table.delta().get_add_actions(flatten=True)).to_pylist()
    return sum(
        a["num_records"]
        for a in actions
        if str(a["partition.ingestion_date"]) == day
        and (stage is None or (a["partition.lane"], a["partition.stage"]) == (stage.lane_name(), stage.artifact_name()))
    )
