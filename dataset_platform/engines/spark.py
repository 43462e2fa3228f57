"""Spark: one session per process, configured from the environment, driving Arrow kernels.

| variable | what | default |
|---|---|---|
| ``DATASET_PLATFORM_SPARK_MASTER`` | Spark master | ``local[*]`` |
| ``DATASET_PLATFORM_SPARK_REMOTE`` | Spark Connect URL (``sc://…``), instead of a master | – |
| ``DATASET_PLATFORM_SPARK_MEMORY`` | driver memory | a quarter of the machine's, 1g to 16g |
| ``DATASET_PLATFORM_SPARK_PACKAGES`` | further Maven packages, comma separated | – |
| ``DATASET_PLATFORM_SPARK_CONF`` | further settings, ``key=value`` separated by ``;`` | – |
| ``DATASET_PLATFORM_SPARK_PARTITIONS`` | shuffle partitions | cores, at least 2 |
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dataset_platform.engines import jars
from dataset_platform.engines.java import ensure_java
from dataset_platform.engines.kernel import Kernel
from dataset_platform.errors import ConfigError, EngineError
from dataset_platform.lake import storage
from dataset_platform.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

JVM_DIED = "Spark's JVM died under this process."
AGAIN = "Run the command again: finished days are kept."
ARROW_BATCH_ROWS = 1000  # documents are some 7 kB: batches of a few megabytes


def master() -> str:
    """The master asked for."""
    return os.environ.get("DATASET_PLATFORM_SPARK_MASTER") or "local[*]"


def spark_config(settings: Settings | None = None) -> dict[str, str]:
    """All settings of the session, ready for a builder or for dagster-pyspark's resource.

    Raises:
        ConfigError: a variable cannot be parsed.
        EngineError: Java or the Delta jars are missing and cannot be fetched.
    """
    settings = settings or Settings.from_env()
    roots = (settings.raw, settings.lake, settings.artifacts)
    packages = [jars.DELTA, *_split(os.environ.get("DATASET_PLATFORM_SPARK_PACKAGES"), ",")]
    if any(r.startswith(("s3://", "s3a://")) for r in roots):
        packages.append(jars.HADOOP_AWS)
    java_home = ensure_java()
    os.environ["JAVA_HOME"] = java_home  # what was set may be of a version that Spark does not run on
    partitions = os.environ.get("DATASET_PLATFORM_SPARK_PARTITIONS") or str(max(2, os.cpu_count() or 2))
    log4j = Path(__file__).with_name("log4j2.properties")
    config = {
        "spark.app.name": "dataset-platform",
        "spark.master": master(),
        "spark.jars": ",".join(jars.resolve(tuple(packages), java_home)),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.driver.memory": os.environ.get("DATASET_PLATFORM_SPARK_MEMORY") or _default_memory(),
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={log4j.as_uri()}",
        # every task has a core of its own: threads inside it would only crowd the others
        "spark.executorEnv.TOKENIZERS_PARALLELISM": "false",
        "spark.executorEnv.OMP_NUM_THREADS": "1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.warehouse.dir": os.path.join(tempfile.gettempdir(), "dataset-platform-warehouse"),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": partitions,
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(ARROW_BATCH_ROWS),
        # a small commit or read otherwise runs 50 tasks over the Delta log
        "spark.databricks.delta.snapshotPartitions": "2",
        # what a MERGE takes is staged files that nothing changes: no copy of them is needed
        "spark.databricks.delta.merge.materializeSource": "none",
    }
    if master().startswith("local"):
        # bind where no network is
        config |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    config |= _s3_config()
    for pair in _split(os.environ.get("DATASET_PLATFORM_SPARK_CONF"), ";"):
        key, sign, value = pair.partition("=")
        if not sign:
            raise ConfigError(f"DATASET_PLATFORM_SPARK_CONF: '{pair}' is not key=value.", "Separate pairs by ';'.")
        config[key.strip()] = value.strip()
    return config


def session(settings: Settings | None = None) -> SparkSession:
    """The process's Spark session, started on first use.

    Raises:
        EngineError: Spark's JVM could not be started or has died.
    """
    from pyspark.sql import SparkSession

    settings = settings or Settings.from_env()
    remote = os.environ.get("DATASET_PLATFORM_SPARK_REMOTE")
    if remote:
        return SparkSession.builder.remote(remote).getOrCreate()
    active = _active_session()
    if active is not None:
        return active
    # without it workers run whatever 'python3' is on the path; the setting spark.pyspark.python is only spark-submit's
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder
    for key, value in spark_config(settings).items():
        builder = builder.config(key, value)
    try:
        with _stderr_to(Path(settings.dagster_home) / "spark-driver.log"):
            started = builder.getOrCreate()
    except Exception as e:  # py4j, OS and Spark errors alike: there is no session
        raise EngineError(f"Spark could not be started: {str(e).splitlines()[0]}", "Check JAVA_HOME and memory.") from e
    # when the JVM goes, these three print tracebacks of their sockets beside the error that counts
    logging.getLogger("py4j").setLevel(logging.CRITICAL)
    logging.getLogger().addFilter(_not_of_py4j)  # its java_gateway writes to the root logger
    started.sparkContext._accumulatorServer.handle_error = lambda request, address: None
    return started


def _not_of_py4j(record: logging.LogRecord) -> bool:
    return record.module != "java_gateway"


def jvm_died(error: BaseException) -> bool:
    """Whether an error is of a process whose own JVM has ended: py4j then raises whatever its sockets do."""
    from pyspark import SparkContext

    process = getattr(SparkContext._gateway, "proc", None)
    if process is None:
        return False
    is_lost = isinstance(error, (ConnectionError, EOFError)) or type(error).__name__ in (
        "Py4JError",
        "Py4JNetworkError",
    )
    try:
        process.wait(2.0 if is_lost else 0.0)  # its sockets close a moment before it is gone
    except subprocess.TimeoutExpired:
        return False
    return True


def _active_session() -> SparkSession | None:
    from pyspark.sql import SparkSession

    try:
        active = SparkSession.getActiveSession()
        stopped = active is not None and active.sparkContext._jsc.sc().isStopped()
    except Exception as e:  # py4j and the OS raise several kinds once the JVM is gone
        raise EngineError(JVM_DIED, AGAIN) from e
    if stopped:
        raise EngineError("Spark was stopped under this process.", AGAIN)
    return active


def map_in_arrow(frame: DataFrame, kernel: Kernel, schema: pa.Schema) -> DataFrame:
    """Run a kernel over the Arrow batches of a DataFrame; ``schema`` is what the kernel emits."""
    return frame.mapInArrow(kernel, spark_schema(schema))


def spark_schema(schema: pa.Schema) -> StructType:
    """The Spark schema of an Arrow schema, all columns nullable."""
    from pyspark.sql.pandas.types import from_arrow_schema
    from pyspark.sql.types import StructField, StructType

    fields = from_arrow_schema(schema).fields
    return StructType([StructField(f.name, f.dataType, True) for f in fields])


@contextmanager
def _stderr_to(log: Path) -> Iterator[None]:
    """Let the JVM that starts meanwhile inherit a log file as its stderr; its errors reach us as exceptions."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    kept = os.dup(2)
    with open(log, "ab") as sink:
        os.dup2(sink.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _split(text: str | None, separator: str) -> list[str]:
    return [part.strip() for part in (text or "").split(separator) if part.strip()]


def _default_memory() -> str:
    try:
        gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30
    except (ValueError, OSError):
        gigabytes = 8
    return f"{min(16, max(1, gigabytes // 4))}g"


def _s3_config() -> dict[str, str]:
    """Hadoop's S3 client, told what boto3 and delta-rs read from the AWS variables themselves."""
    config = {"spark.hadoop.fs.s3a.endpoint.region": storage.s3_region()}
    endpoint = storage.s3_endpoint()
    if endpoint:
        config["spark.hadoop.fs.s3a.endpoint"] = endpoint
        config["spark.hadoop.fs.s3a.path.style.access"] = "true"
        config["spark.hadoop.fs.s3a.connection.ssl.enabled"] = str(endpoint.startswith("https")).lower()
    return config
