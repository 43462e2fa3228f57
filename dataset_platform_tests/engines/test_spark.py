"""Spark: configured by the environment, one session per process, driving Arrow kernels."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import types as T

from dataset_platform.contracts import Documents
from dataset_platform.engines import jars
from dataset_platform.engines.spark import map_in_arrow, session, spark_config, spark_schema
from dataset_platform.errors import ConfigError, EngineError
from dataset_platform.settings import Settings

VARIABLES = ("MASTER", "REMOTE", "MEMORY", "PACKAGES", "CONF", "PARTITIONS")
LOCAL = Settings("/h", "/h/raw", "/h/lake", "/h/artifacts", "/h/dagster", date(2026, 1, 1))


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No variable set, and a cache in which some sets of packages are resolved already."""
    for name in VARIABLES:
        monkeypatch.delenv(f"DATASET_PLATFORM_SPARK_{name}", raising=False)
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JAVA_HOME", os.environ.get("JAVA_HOME", ""))  # spark_config exports it: taken back after
    monkeypatch.setenv("DATASET_PLATFORM_CACHE", str(tmp_path))
    for packages in ([], [jars.HADOOP_AWS], ["org.a:a:1", "org.b:b:2"]):
        resolved(tmp_path, [jars.DELTA, *packages])
    return monkeypatch


def resolved(cache: Path, packages: list[str]) -> None:
    """Leave what a resolution of these packages leaves: one jar per package and the receipt."""
    folder = cache / "jars" / "jars"
    folder.mkdir(parents=True, exist_ok=True)
    names = [p.split(":")[1] + ".jar" for p in packages]
    for name in names:
        (folder / name).touch()
    digest = hashlib.sha256(",".join(sorted(packages)).encode()).hexdigest()[:16]
    (cache / "jars" / f"{digest}.json").write_text(json.dumps(names))


def jar_names(config: dict[str, str]) -> set[str]:
    return {Path(j).stem for j in config["spark.jars"].split(",")}


def test_by_default_spark_is_local_speaks_delta_and_utc_and_shows_no_bars(bare: pytest.MonkeyPatch) -> None:
    config = spark_config(LOCAL)
    assert config["spark.master"] == "local[*]"
    assert config["spark.driver.bindAddress"] == "127.0.0.1"
    assert jar_names(config) == {"delta-spark_4.2_2.13"}
    assert "Delta" in config["spark.sql.extensions"] and "Delta" in config["spark.sql.catalog.spark_catalog"]
    assert config["spark.sql.session.timeZone"] == "UTC"
    assert config["spark.ui.showConsoleProgress"] == "false"
    assert int(config["spark.sql.shuffle.partitions"]) == max(2, os.cpu_count() or 2)
    assert 1 <= int(config["spark.driver.memory"].removesuffix("g")) <= 16
    log4j = config["spark.driver.extraJavaOptions"].removeprefix("-Dlog4j2.configurationFile=file://")
    assert Path(log4j).exists()
    assert all(isinstance(v, str) for v in config.values())


def test_each_variable_sets_its_part(bare: pytest.MonkeyPatch) -> None:
    default = spark_config(LOCAL)
    bare.setenv("DATASET_PLATFORM_SPARK_MEMORY", "3g")
    bare.setenv("DATASET_PLATFORM_SPARK_PARTITIONS", "7")
    bare.setenv("DATASET_PLATFORM_SPARK_PACKAGES", " org.a:a:1, org.b:b:2,")
    config = spark_config(LOCAL)
    changed = {k for k in config if config[k] != default.get(k)}
    assert changed == {"spark.driver.memory", "spark.sql.shuffle.partitions", "spark.jars"}
    assert (config["spark.driver.memory"], config["spark.sql.shuffle.partitions"]) == ("3g", "7")
    assert jar_names(config) == {"delta-spark_4.2_2.13", "a", "b"}


def test_a_cluster_is_not_bound_to_this_machine(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("DATASET_PLATFORM_SPARK_MASTER", "k8s://https://cluster:443")
    config = spark_config(LOCAL)
    assert config["spark.master"] == "k8s://https://cluster:443"
    assert "spark.driver.bindAddress" not in config and "spark.driver.host" not in config


def test_further_settings_are_added_and_win(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("DATASET_PLATFORM_SPARK_CONF", "spark.a=1; spark.ui.enabled = true ;spark.opts=-Dx=y;")
    config = spark_config(LOCAL)
    assert (config["spark.a"], config["spark.ui.enabled"], config["spark.opts"]) == ("1", "true", "-Dx=y")


@pytest.mark.parametrize("text", ["spark.a", "spark.a=1;nonsense", "spark.a:1"])
def test_a_setting_that_is_no_pair_is_named(bare: pytest.MonkeyPatch, text: str) -> None:
    bare.setenv("DATASET_PLATFORM_SPARK_CONF", text)
    with pytest.raises(ConfigError, match=f"'{text.rsplit(';', 1)[-1]}' is not key=value"):
        spark_config(LOCAL)


def test_the_s3_client_is_told_what_the_aws_variables_say(bare: pytest.MonkeyPatch) -> None:
    prefix = "spark.hadoop.fs.s3a."
    assert {k: v for k, v in spark_config(LOCAL).items() if k.startswith(prefix)} == {
        prefix + "endpoint.region": "us-east-1"
    }
    bare.setenv("AWS_REGION", "eu-north-1")
    for endpoint, ssl in (("http://localhost:9000", "false"), ("https://minio.example", "true")):
        bare.setenv("AWS_ENDPOINT_URL", endpoint)
        assert {k: v for k, v in spark_config(LOCAL).items() if k.startswith(prefix)} == {
            prefix + "endpoint.region": "eu-north-1",
            prefix + "endpoint": endpoint,
            prefix + "path.style.access": "true",
            prefix + "connection.ssl.enabled": ssl,
        }


@pytest.mark.parametrize("root", ["raw", "lake", "artifacts"])
def test_the_s3_jars_come_only_where_a_root_is_in_s3(bare: pytest.MonkeyPatch, root: str) -> None:
    assert "hadoop-aws" not in jar_names(spark_config(LOCAL))
    assert "hadoop-aws" in jar_names(spark_config(replace(LOCAL, **{root: "s3://bucket/x"})))


def test_spark_runs_on_the_java_that_was_found_not_on_an_unsupported_java_home(
    bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    homes = {}
    for version in ("11.0.1", "17.0.1"):
        java = tmp_path / version / "bin" / "java"
        java.parent.mkdir(parents=True)
        java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
        java.chmod(0o755)
        homes[version] = str(tmp_path / version)
    bare.setenv("PATH", homes["17.0.1"] + "/bin")
    bare.setenv("JAVA_HOME", homes["11.0.1"])
    spark_config(LOCAL)
    assert os.environ["JAVA_HOME"] == homes["17.0.1"]


def test_there_is_one_session_per_process_from_every_thread(spark: SparkSession) -> None:
    assert session() is session()
    found: list[SparkSession] = []
    thread = threading.Thread(target=lambda: found.append(session()))
    thread.start()
    thread.join(60)
    assert {s.sparkContext.applicationId for s in [session(), *found]} == {spark.sparkContext.applicationId}


def test_a_jvm_that_died_is_one_clear_error(tmp_path: Path) -> None:
    code = """
import dagster as dg
from dataset_platform.defs.stages import as_failure
from dataset_platform.engines.spark import jvm_died, session
from dataset_platform.errors import EngineError
spark = session()
try:
    spark.sql("SELECT nothing FROM nowhere")
except Exception as e:
    print("alive:", not jvm_died(e))
spark.range(3).rdd.map(lambda n: n).count()  # the driver's thread for accumulators has a socket to the JVM now
spark.sparkContext._gateway.proc.kill()
try:
    with as_failure():
        spark.range(3).count()
except dg.Failure as e:
    print("in a stage:", e.description)
try:
    session()
except EngineError as e:
    print("EngineError:", e)
"""
    env = os.environ | {"DATASET_PLATFORM_HOME": str(tmp_path), "DATASET_PLATFORM_SPARK_MEMORY": "512m"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=400)
    message = "Spark's JVM died under this process. Run the command again: finished days are kept."
    assert done.stdout.splitlines() == ["alive: True", f"in a stage: {message}", f"EngineError: {message}"], done.stderr
    assert "Traceback" not in done.stderr


def test_a_spark_that_cannot_start_is_one_clear_error(tmp_path: Path) -> None:
    code = """
from dataset_platform.engines.spark import session
from dataset_platform.errors import EngineError
try:
    session()
except EngineError as e:
    print("EngineError:", e)
"""
    env = os.environ | {"DATASET_PLATFORM_HOME": str(tmp_path), "DATASET_PLATFORM_SPARK_MEMORY": "lots"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)
    assert "EngineError: Spark could not be started" in done.stdout, done.stderr[-2000:]
    assert done.stderr.strip() == ""


def test_a_kernel_runs_over_arrow_batches_and_every_row_comes_through(spark: SparkSession) -> None:
    def double(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            assert isinstance(batch, pa.RecordBatch)
            assert batch.num_rows <= 1000
            yield pa.RecordBatch.from_arrays([pc.multiply(batch.column("id"), 2)], names=["twice"])

    out = map_in_arrow(spark.range(3500).repartition(2), double, pa.schema([("twice", pa.int64())]))
    assert out.columns == ["twice"]
    assert sorted(r["twice"] for r in out.collect()) == list(range(0, 7000, 2))


def test_the_message_of_a_failing_kernel_comes_through(spark: SparkSession) -> None:
    def fails(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        raise EngineError("no model", "Run set-up.")
        yield from batches

    with pytest.raises(Exception, match=r"dataset_platform\.errors\.EngineError: no model Run set-up\."):
        map_in_arrow(spark.range(1), fails, pa.schema([("id", pa.int64())])).collect()


def test_an_arrow_schema_becomes_a_spark_schema_of_nullable_columns() -> None:
    schema = pa.schema(
        [
            pa.field("text", pa.string(), nullable=False),
            pa.field("n", pa.int32()),
            pa.field("day", pa.date32()),
            pa.field("at", pa.timestamp("us", tz="UTC")),
            pa.field("spans", pa.list_(pa.list_(pa.int32()))),
        ]
    )
    made = spark_schema(schema)
    assert [(f.name, f.dataType, f.nullable) for f in made.fields] == [
        ("text", T.StringType(), True),
        ("n", T.IntegerType(), True),
        ("day", T.DateType(), True),
        ("at", T.TimestampType(), True),
        ("spans", T.ArrayType(T.ArrayType(T.IntegerType())), True),
    ]
    assert spark_schema(Documents.labelled_schema()).names == Documents.labelled_schema().names


def test_workers_run_the_same_python_whatever_is_on_the_path(spark: SparkSession) -> None:
    def where(batches):
        import sys

        for _ in batches:
            yield pa.RecordBatch.from_pydict({"prefix": [sys.prefix]})

    found = map_in_arrow(spark.range(1), where, pa.schema([("prefix", pa.string())])).collect()
    assert {row["prefix"] for row in found} == {sys.prefix}
    assert os.environ["PYSPARK_PYTHON"] == sys.executable
