"""What tests share: one Spark session, a home of its own per test, a real S3 server, and the real data where it is."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# how long an example takes says how busy the machine is, not whether the code is right
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# before anything starts a JVM: tests are small, and many commits and shuffles follow each other
os.environ.setdefault("DATASET_PLATFORM_SPARK_MEMORY", "2g")
os.environ.setdefault("DATASET_PLATFORM_SPARK_PARTITIONS", "2")
os.environ.setdefault("DATASET_PLATFORM_LOCK_WAIT_S", "60")
os.environ["DATASET_PLATFORM_FIRST_DAY"] = "2025-12-01"
for variable in ("HOME", "RAW", "LAKE", "ARTIFACTS", "CONFIG"):
    os.environ.pop(f"DATASET_PLATFORM_{variable}", None)
os.environ.pop("DAGSTER_HOME", None)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home that the environment points at."""
    monkeypatch.setenv("DATASET_PLATFORM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    # ensure_instance exports DAGSTER_HOME: let the fixture take it back
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home" / "dagster"))
    return tmp_path / "home"


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory):
    """The one Spark session of the test run."""
    from dataset_platform.engines.spark import session
    from dataset_platform.settings import Settings

    root = str(tmp_path_factory.mktemp("spark"))
    yield session(Settings(root, root, root, root, root, Settings.from_env().first_day))


@pytest.fixture(scope="session")
def ray_engine():
    """The one local Ray of the test run."""
    from dataset_platform.engines import ray

    ray.start()
    yield ray
    ray.stop()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real inputs; tests that need it say so when it is not named."""
    named = os.environ.get("DATASET_PLATFORM_REAL_DATA")
    if not named:
        pytest.skip("needs the real inputs: set DATASET_PLATFORM_REAL_DATA to their folder")
    return Path(named).resolve()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a moto server, a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("wb") as sink:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=sink, stderr=sink
        )
    deadline = time.monotonic() + 60
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, "the S3 server did not start"
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait(timeout=10)


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The URL of an empty bucket on the test server, with the environment pointing there."""
    from dataset_platform.lake import storage

    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    name = f"b{abs(hash(request.node.nodeid)) % 10**12}"
    storage.s3_client().create_bucket(Bucket=name)
    return f"s3://{name}"
