"""A backfill through webserver and daemon: one run per day, that day's results on that day, a bad day failing alone."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import dagster as dg
import pytest

DAYS = ["2026-01-04", "2026-01-05"]
BAD = DAYS[0]
ROOT = Path(__file__).resolve().parents[2]

LAUNCH = """
mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
STATUS = "query ($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"


class Server:
    """``dagster dev`` on the test project, asked through GraphQL."""

    def __init__(self, home: Path, env: dict[str, str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = home / "dev.log"
        command = [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(self.port)]
        command += ["-m", "dataset_platform_tests.defs.backfill_project"]
        with self.log.open("wb") as sink:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=env, stdout=sink, stderr=sink, start_new_session=True
            )

    def ask(self, query: str, **variables) -> dict:
        body = json.dumps({"query": query, "variables": variables}).encode()
        url = f"http://127.0.0.1:{self.port}/graphql"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = json.loads(answer.read())
        assert "errors" not in content, content
        return content["data"]

    def wait_ready(self) -> None:
        deadline = time.monotonic() + 120
        while True:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            try:
                found = self.ask("{ assetNodes { id } }")["assetNodes"]
            except OSError:
                found = []
            if found:
                return
            time.sleep(0.5)

    def backfill(self, days: list[str], assets: str) -> str:
        keys = [{"path": ["t", name]} for name in assets]
        answer = self.ask(LAUNCH, params={"assetSelection": keys, "partitionNames": days})
        backfill_id = answer["launchPartitionBackfill"]["backfillId"]
        deadline = time.monotonic() + 240
        while True:
            status = self.ask(STATUS, id=backfill_id)["partitionBackfillOrError"]["status"]
            if status.startswith("COMPLETED") or status in ("FAILED", "CANCELED"):
                return status
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(1)

    def stop(self) -> None:
        os.killpg(self.process.pid, 15)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)


def checks_by_day(instance: dg.DagsterInstance, asset: str) -> dict[str, dict[str, bool]]:
    """The newest result of each check of an asset, per partition."""
    found: dict[str, dict[str, bool]] = {}
    for run in sorted(instance.get_runs(), key=lambda r: r.run_id):
        for record in instance.get_records_for_run(run.run_id).records:
            event = record.event_log_entry.dagster_event
            if event and event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                data = event.asset_check_evaluation_data
                if data.asset_key == dg.AssetKey(["t", asset]):
                    found.setdefault(data.partition, {})[data.check_name] = data.passed
    return found


def rerun(instance: dg.DagsterInstance) -> None:
    """Materialize the bad day's b and c again, in this process and its Spark session."""
    from dataset_platform_tests.defs.backfill_project import defs

    keys = [dg.AssetKey(["t", name]) for name in "bc"]
    job = defs.resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(instance=instance, partition_key=BAD, asset_selection=keys).success


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_bad_day_of_a_backfill_fails_alone_and_running_it_again_clears_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spark
) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copy(ROOT / "dagster.yaml", home / "dagster.yaml")
    bad = tmp_path / "bad"
    bad.write_text(BAD)
    env = {**os.environ, "DAGSTER_HOME": str(home), "DATASET_PLATFORM_HOME": str(tmp_path), "BAD_DAY_FILE": str(bad)}
    server = Server(home, env)
    try:
        server.wait_ready()
        status = server.backfill(DAYS, "abc")
        assert status == "COMPLETED_FAILED"
        with dg.DagsterInstance.from_config(str(home)) as instance:
            good = set(DAYS) - {BAD}
            done = {n: instance.get_materialized_partitions(dg.AssetKey(["t", n])) for n in "abc"}
            assert done == {"a": set(DAYS), "b": good, "c": good}
            a, b, c = (checks_by_day(instance, n) for n in "abc")
            passed = {"contract": True, "conservation": True, "drift": True}
            assert a == dict.fromkeys(DAYS, passed)
            assert b == {**dict.fromkeys(good, passed), BAD: {**passed, "contract": False}}
            assert c == dict.fromkeys(good, passed)
            rows = {e.partition_key for e in instance.fetch_materializations(dg.AssetKey(["t", "b"]), limit=10).records}
            assert rows == good

            bad.write_text("none")
            monkeypatch.setenv("BAD_DAY_FILE", str(bad))
            monkeypatch.setenv("DATASET_PLATFORM_HOME", str(tmp_path))
            rerun(instance)
            assert instance.get_materialized_partitions(dg.AssetKey(["t", "c"])) == set(DAYS)
            latest = instance.fetch_materializations(dg.AssetKey(["t", "b"]), limit=1).records[0]
            assert (latest.partition_key, latest.asset_materialization.metadata["rows_kept"].value) == (BAD, 3)
    finally:
        server.stop()
