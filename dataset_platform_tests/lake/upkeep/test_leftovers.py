"""Leftovers: what killed runs left goes once it is old; what a live run holds, and what is young, stays."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dataset_platform.lake import locks
from dataset_platform.lake.upkeep import leftovers
from dataset_platform.lake.upkeep.held_days import live_runs, lock_names
from dataset_platform.lake.upkeep.leftovers import INCOMING, LOCKS, PARTIAL, STAGED, remove_leftovers
from dataset_platform.settings import Settings
from dataset_platform_tests.lake.upkeep.crowded_lake import crowded, files_on_disk, set_back_file

DAY, NEXT = "2026-01-05", "2026-01-06"
GRACE = 72


def leave(home: Path, path: str, hours: float) -> Path:
    """A file below the home, so many hours old."""
    file = home / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * 100)
    set_back_file(file, hours)
    return file


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings.from_env()


def test_old_leftovers_go_and_young_ones_and_all_else_stay(home: Path, settings: Settings) -> None:
    table = crowded(settings.lake)
    gone = {
        leave(home, f"lake/_staging/web/documents/{DAY}/rows/part-0.parquet", 100): STAGED,
        leave(home, f"lake/_staging/web/documents/{DAY}/rows/_SUCCESS", 100): STAGED,
        leave(home, f"lake/_staging/web/duplicate_links/{DAY}/part-0.parquet", 90): STAGED,
        leave(home, f"artifacts/_staging/tokens/tokenized_shards/{DAY}/{DAY}/web/a.parquet", 90): STAGED,
        leave(home, "lake/_incoming/0a1b/_temporary/0/part-0.parquet", 80): INCOMING,
        leave(home, "artifacts/tokens/manifest/.manifest.json.x1y2.partial", 80): PARTIAL,
        leave(home, "lake/_receipts/web/documents/.abc.partial", 80): PARTIAL,
    }
    stay = [
        leave(home, f"lake/_staging/web/documents/{NEXT}/rows/part-0.parquet", 71),
        leave(home, "lake/_incoming/2c3d/part-0.parquet", 1),
        leave(home, "artifacts/tokens/manifest/.young.partial", 1),
        leave(home, "artifacts/tokens/manifest/manifest.json", 900),
        leave(home, "lake/_receipts/web/documents/2026-01-05.json", 900),
        leave(home, "lake/_calls/driving/cot_traces/2026-01-05/calls-1.jsonl", 900),
    ]
    # of a day that is being staged, nothing goes as long as any file is young
    mixed = [
        leave(home, f"lake/_staging/web/filtered_documents/{DAY}/rows/part-{i}.parquet", hours)
        for i, hours in enumerate((100, 1))
    ]
    data = files_on_disk(table)

    dry = remove_leftovers(settings, GRACE, dry_run=True)
    assert all(f.exists() for f in [*gone, *stay, *mixed])
    found = remove_leftovers(settings, GRACE)
    assert [(o.path, o.kind, o.paths, o.bytes) for o in dry.removed] == [
        (o.path, o.kind, o.paths, o.bytes) for o in found.removed
    ]
    assert not any(f.exists() for f in gone)
    assert all(f.exists() for f in [*stay, *mixed])
    assert {Path(p): o.kind for o in found.removed for p in o.paths} == gone
    assert sum(o.bytes for o in found.removed) == 100 * len(gone)
    assert not (home / "lake/_staging/web/documents" / DAY).exists(), "nor do empty folders stay"
    assert files_on_disk(table) == data
    assert remove_leftovers(settings, GRACE).removed == []


@pytest.mark.parametrize(
    "held", [f"web/documents of {DAY}", f"run of {DAY}", f"web/deduped_corpus of {DAY}"], ids=lambda n: n.split()[0]
)
def test_staging_of_a_live_run_stays_however_old(home: Path, settings: Settings, held: str) -> None:
    staged = leave(home, f"lake/_staging/web/documents/{DAY}/rows/part-0.parquet", 500)
    other = leave(home, f"lake/_staging/web/documents/{NEXT}/rows/part-0.parquet", 500)
    with locks.lock(settings.lake, held):
        for dry_run in (True, False):
            found = remove_leftovers(settings, GRACE, dry_run)
            assert [o.path for o in found.held] == [str(staged.parent.parent)]
            assert [o.path for o in found.removed if o.kind == STAGED] == [str(other.parent.parent)]
        assert staged.exists()
    assert not other.exists()
    assert [o.path for o in remove_leftovers(settings, GRACE).removed if o.kind == STAGED] == [
        str(staged.parent.parent)
    ]


HOLDER = """
import sys, time
from dataset_platform.lake import locks
with locks.lock(sys.argv[1], sys.argv[2]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_staging_of_another_process_stays_until_it_is_killed(home: Path, settings: Settings) -> None:
    staged = leave(home, f"lake/_staging/web/documents/{DAY}/rows/part-0.parquet", 500)
    run = subprocess.Popen(
        [sys.executable, "-c", HOLDER, settings.lake, f"web/documents of {DAY}"],
        env={**os.environ},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert run.stdout is not None
        assert run.stdout.readline() == "held\n"
        assert live_runs(settings.lake) == [f"web/documents of {DAY}"]
        remove_leftovers(settings, GRACE)
        assert staged.exists()
    finally:
        run.kill()
        run.wait()
    assert live_runs(settings.lake) == []
    remove_leftovers(settings, GRACE)
    assert not staged.exists()


def test_files_that_a_run_wrote_in_the_meantime_stay(
    home: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = leave(home, f"lake/_staging/web/documents/{DAY}/rows/part-0.parquet", 500)
    same = leave(home, f"lake/_staging/web/documents/{DAY}/part-0.parquet", 500)
    find = leftovers.find_leftovers

    def then_a_run_starts(*args: object) -> list[leftovers.Leftover]:
        found = find(*args)
        same.write_bytes(b"new")
        leave(home, f"lake/_staging/web/documents/{DAY}/rows/part-1.parquet", 0)
        return found

    monkeypatch.setattr(leftovers, "find_leftovers", then_a_run_starts)
    remove_leftovers(settings, GRACE)
    assert not staged.exists()
    assert same.read_bytes() == b"new"
    assert (staged.parent / "part-1.parquet").exists()


def test_locks_of_past_days_go_and_those_held_or_of_tables_stay(home: Path, settings: Settings) -> None:
    names = [f"web/documents of {DAY}", f"run of {DAY}", f"web/documents of {NEXT}", "web/documents"]
    for name in names:
        with locks.lock(settings.lake, name):
            pass
    folder = home / "lake" / "_locks"
    for file in folder.iterdir():
        set_back_file(file, 100 if DAY in file.name or file.name.startswith("web__documents.") else 1)
    with locks.lock(settings.lake, f"run of {DAY}"):
        for file in folder.glob(f"run of {DAY}*"):
            set_back_file(file, 100)
        found = remove_leftovers(settings, GRACE)
    assert [(o.kind, len(o.paths)) for o in found.removed] == [(LOCKS, 2)]
    assert set(lock_names(settings.lake)) == {f"run of {DAY}", f"web__documents of {NEXT}", "web__documents"}
    with locks.lock(settings.lake, names[0], wait_s=0):  # and can be taken again
        assert live_runs(settings.lake) == [names[0]]


CONTENDER = """
import sys, time
from pathlib import Path
from dataset_platform.lake import locks
root, name, counter = sys.argv[1], sys.argv[2], Path(sys.argv[3])
print("ready", flush=True)
for _ in range(60):
    with locks.lock(root, name, wait_s=60):
        value = int(counter.read_text())
        time.sleep(0.001)
        counter.write_text(str(value + 1))
"""


def test_unlinking_locks_never_lets_two_writers_in(home: Path, settings: Settings, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    with locks.lock(settings.lake, f"t of {DAY}"):
        pass
    contenders = [
        subprocess.Popen(
            [sys.executable, "-c", CONTENDER, settings.lake, f"t of {DAY}", str(counter)],
            env={**os.environ},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for contender in contenders:
        assert contender.stdout is not None
        assert contender.stdout.readline() == "ready\n"
    unlinked = 0
    while any(c.poll() is None for c in contenders):
        unlinked += len(remove_leftovers(settings, -1).removed)  # every lock file counts as old
    assert [c.returncode for c in contenders] == [0, 0]
    assert unlinked > 0
    assert counter.read_text() == "120"


def test_leftovers_in_an_object_store(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataset_platform.lake import storage

    monkeypatch.setenv("DATASET_PLATFORM_LAKE", f"{bucket}/lake")
    monkeypatch.setenv("DATASET_PLATFORM_ARTIFACTS", f"{bucket}/artifacts")
    settings = Settings.from_env()
    staged = f"{bucket}/lake/_staging/web/documents/{DAY}/rows/part-0.parquet"
    incoming = f"{bucket}/lake/_incoming/0a1b/part-0.parquet"
    shard = f"{bucket}/artifacts/_staging/tokens/tokenized_shards/{NEXT}/x.parquet"
    keep = f"{bucket}/artifacts/tokens/manifest/manifest.json"
    for path in (staged, incoming, shard, keep):
        storage.write_bytes(path, b"x")
    assert remove_leftovers(settings, 1).removed == []
    time.sleep(1.1)  # object stores keep whole seconds
    with locks.lock(settings.lake, f"web/documents of {DAY}"):
        found = remove_leftovers(settings, 0)
        assert {p for o in found.removed for p in o.paths} == {incoming, shard}
        assert [o.path for o in found.held] == [f"{bucket}/lake/_staging/web/documents/{DAY}"]
    assert {p for o in remove_leftovers(settings, 0).removed for p in o.paths} == {staged}
    assert [f.path for f in storage.list_files(bucket)] == [keep]
