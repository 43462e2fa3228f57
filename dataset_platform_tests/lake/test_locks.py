"""One writer per table and day, on disks and in object stores."""

import json
import subprocess
import sys
import threading
import time

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from dataset_platform.engines.progress import listening
from dataset_platform.errors import InputError, LockedError
from dataset_platform.lake import locks, storage


@pytest.fixture(params=["local", "s3"])
def lake_root(request: pytest.FixtureRequest, tmp_path) -> str:
    return str(tmp_path) if request.param == "local" else request.getfixturevalue("bucket") + "/lake"


def test_the_second_writer_is_refused_by_name_and_the_lock_is_free_again_after(lake_root: str) -> None:
    assert not locks.held_elsewhere(lake_root, "web/documents of 2026-01-05")
    refused: list[LockedError] = []

    def second() -> None:
        try:
            with locks.lock(lake_root, "web/documents of 2026-01-05", wait_s=0.2):
                pass
        except LockedError as e:
            refused.append(e)

    with locks.lock(lake_root, "web/documents of 2026-01-05", wait_s=5):
        assert not locks.held_elsewhere(lake_root, "web/documents of 2026-01-05"), "it is this process's own"
        assert not locks.held_elsewhere(lake_root, "web/documents of 2026-01-06")
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(timeout=30)
    assert "web/documents of 2026-01-05 is being written by process" in refused[0].message
    with locks.lock(lake_root, "web/documents of 2026-01-05", wait_s=1):
        pass


def test_the_second_writer_waits_for_the_first(lake_root: str) -> None:
    order: list[str] = []

    def first() -> None:
        with locks.lock(lake_root, "t", wait_s=5):
            started.set()
            time.sleep(0.5)
            order.append("first")

    started = threading.Event()
    thread = threading.Thread(target=first)
    thread.start()
    started.wait(10)
    with locks.lock(lake_root, "t", wait_s=20):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_a_killed_process_leaves_no_local_lock(tmp_path) -> None:
    code = (
        "import sys, time; from dataset_platform.lake.locks import lock\n"
        "with lock(sys.argv[1], 't', wait_s=5):\n    print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline().strip() == "held"
    assert locks.held_elsewhere(str(tmp_path), "t")
    holder.kill()
    holder.wait()
    with locks.lock(str(tmp_path), "t", wait_s=5):
        pass


def test_a_lease_is_taken_over_once_it_was_not_renewed_whatever_clock_its_holder_had(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "LEASE_SECONDS", 3.0)
    root = bucket + "/lake"
    client = storage.s3_client()
    tomorrow = json.dumps({"token": "x", "holder": "process 1 on gone", "renewed": time.time() + 86400})
    client.put_object(Bucket=bucket[5:], Key="lake/_locks/t.json", Body=tomorrow)
    assert locks.held_elsewhere(root, "t")
    with pytest.raises(LockedError, match="t is being written by process 1 on gone"), locks.lock(root, "t", wait_s=0.1):
        pass
    with locks.lock(root, "t", wait_s=30):
        there = client.get_object(Bucket=bucket[5:], Key="lake/_locks/t.json")["Body"].read()
        assert b"process 1 on gone" not in there
    assert not locks.held_elsewhere(root, "t")


HOLDER = """
import sys, time
from dataset_platform.lake.locks import lock
with lock(sys.argv[1], "t", wait_s=5):
    print("held", flush=True)
    time.sleep(300)
"""


def test_a_killed_process_holds_a_lease_no_longer_than_it_is_valid_and_the_waiting_is_told(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = bucket + "/lake"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, root], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline().strip() == "held"
    holder.kill()
    holder.wait()
    assert locks.held_elsewhere(root, "t")
    monkeypatch.setattr(locks, "LEASE_SECONDS", 5.0)
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 0.1)
    told: list[str] = []
    with listening(told.append), locks.lock(root, "t", wait_s=60):
        pass
    assert len(told) <= 1
    assert all(f"waiting for process {holder.pid} on" in line and "5 s at most" in line for line in told)


def test_waiting_for_another_process_on_a_disk_is_told_by_name(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 0.1)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline().strip() == "held"
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        holder.kill()

    with listening(tell), locks.lock(str(tmp_path), "t", wait_s=60):
        assert not locks.held_elsewhere(str(tmp_path), "t"), "it is this process's own"
    holder.wait()
    assert len(told) == 1
    assert told[0].startswith(f"waiting for process {holder.pid} on") and told[0].endswith("which writes t")


def test_a_renewal_whose_answer_is_lost_does_not_end_the_lease(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LEASE_SECONDS", 4.0)
    client = storage.s3_client()
    put, puts = client.put_object, []
    get, gets = client.get_object, []

    def busy_once(**arguments: object) -> object:
        gets.append(arguments["Key"])
        if len(gets) == 1:
            answer = {"Error": {"Code": "SlowDown"}, "ResponseMetadata": {"HTTPStatusCode": 503}}
            raise ClientError(answer, "GetObject")
        return get(**arguments)

    def losing(**arguments: object) -> object:
        answer = put(**arguments)
        puts.append(answer["ETag"])
        if len(puts) == 2:  # the first renewal: it arrives
            raise EndpointConnectionError(endpoint_url="http://gone")
        return answer

    client.put_object, client.get_object = losing, busy_once
    monkeypatch.setattr(storage, "s3_client", lambda: client)
    with locks.lock(bucket + "/lake", "t", wait_s=5):
        deadline = time.monotonic() + 60
        while len(puts) < 4 and time.monotonic() < deadline:
            time.sleep(0.1)
        there = client.get_object(Bucket=bucket[5:], Key="lake/_locks/t.json")
        assert len(puts) >= 4 and there["ETag"] in puts[2:]
    with pytest.raises(ClientError):
        client.get_object(Bucket=bucket[5:], Key="lake/_locks/t.json")


def test_a_lease_that_cannot_be_given_back_does_not_fail_what_was_done(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = storage.s3_client()
    asked: list[object] = []

    def gone(**arguments: object) -> object:
        asked.append(arguments["Key"])
        raise EndpointConnectionError(endpoint_url="http://gone")

    client.delete_object = gone
    monkeypatch.setattr(storage, "s3_client", lambda: client)
    with locks.lock(bucket + "/lake", "t", wait_s=5):
        pass
    assert asked == ["lake/_locks/t.json"]


def test_a_store_that_does_not_answer_says_nothing_of_a_lock(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = storage.s3_client()
    forbidden = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}

    def refuse(**arguments: object) -> object:
        raise ClientError(forbidden, "GetObject")

    client.get_object = refuse
    monkeypatch.setattr(storage, "s3_client", lambda: client)
    with pytest.raises(InputError, match="Cannot read"):
        locks.held(bucket + "/lake", "t")
