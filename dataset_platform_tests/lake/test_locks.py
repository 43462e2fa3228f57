"""One writer per table and day, on disks and in object stores."""

import subprocess
import sys
import threading
import time

import pytest

from dataset_platform.errors import LockedError
from dataset_platform.lake import locks


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


def test_a_stale_lease_of_a_dead_process_is_taken_over(bucket: str, monkeypatch) -> None:
    from dataset_platform.lake import storage

    root = bucket + "/lake"
    client = storage.s3_client()
    body = b'{"token": "x", "holder": "process 1 on gone", "renewed": 0}'
    client.put_object(Bucket=bucket[5:], Key="lake/_locks/t.json", Body=body)
    assert not locks.held_elsewhere(root, "t")
    with locks.lock(root, "t", wait_s=2):
        there = client.get_object(Bucket=bucket[5:], Key="lake/_locks/t.json")["Body"].read()
        assert b"process 1 on gone" not in there
