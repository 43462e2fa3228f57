"""The log of answers: what is written is found again, whatever happens to its tail."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
import xxhash

from dataset_platform.errors import StateError
from dataset_platform.lake import storage
from dataset_platform.llm import log_mirror
from dataset_platform.llm.call_index import CallIndex
from dataset_platform.llm.request import Usage
from dataset_platform.llm.response_log import Answer, ResponseLog


def key(number: int) -> str:
    return xxhash.xxh3_128_hexdigest(str(number).encode())


def answer(number: int) -> Answer:
    text = f'answer {number}\n"quoted" ünïcödé \u2028 {"x" * (number % 50)}'
    at = datetime(2026, 1, 5, 12, 0, 0, number % 10**6, tzinfo=UTC)
    return Answer(text, "stop", Usage(number, 2, 1), "m-1", at, 0.25, 1 + number % 3, number / 1e6)


def write(folder: Path, numbers: range) -> None:
    log = ResponseLog(folder)
    for number in numbers:
        log.sent(key(number))
        log.answered(key(number), answer(number))
    log.close()


def test_answers_come_back_as_they_went_in(tmp_path: Path) -> None:
    log = ResponseLog(tmp_path)
    for number in range(300):
        assert log.get(key(number)) is None
        log.sent(key(number))
        log.answered(key(number), answer(number))
        assert log.get(key(number)) == answer(number)
    odd = Answer("", "refusal", Usage(1, 0), "m", datetime.now(UTC), 0.0, 1, None, usage_known=False)
    log.answered(key(1_000), odd)
    log.close()
    assert log.get(key(7)) == answer(7), "also after it was closed"
    again = ResponseLog(tmp_path)
    assert len(again) == 301 and again.report() is None
    assert all(again.get(key(n)) == answer(n) for n in range(300)) and again.get(key(1_000)) == odd
    assert again.get(key(2_000)) is None


def test_every_writer_has_a_file_of_its_own_and_all_are_read(tmp_path: Path) -> None:
    logs = [ResponseLog(tmp_path) for _ in range(3)]
    for number in range(90):
        logs[number % 3].answered(key(number), answer(number))
    for log in logs:
        log.close()
        log.answered(key(99), answer(99))  # a closed log begins a new file
        log.close()
    assert len(list(tmp_path.iterdir())) == 6
    again = ResponseLog(tmp_path)
    assert [n for n in range(100) if again.get(key(n)) is not None] == [*range(90), 99]
    assert not list(ResponseLog(tmp_path / "new").folder.iterdir()), "who writes nothing leaves no file"


def test_a_tail_torn_at_any_byte_loses_that_line_alone(tmp_path: Path) -> None:
    write(tmp_path, range(3))
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    last = whole[:-1].rindex(b"\n") + 1
    for cut in range(last, len(whole) + 1):
        path.write_bytes(whole[:cut])
        log = ResponseLog(tmp_path)
        complete = cut == len(whole)
        assert [log.get(key(n)) is not None for n in range(3)] == [True, True, complete]
        assert log.torn == (0 if complete or cut == last else 1)
        assert log.corrupt == 0
        assert log.in_flight_at_last_end == (frozenset() if complete else {key(2)})
        if not complete:
            assert "made again: 1" in (log.report() or "")
            # the next writer leaves the torn file alone, and its answer counts
            log.answered(key(2), answer(2))
            log.close()
            mended = ResponseLog(tmp_path)
            assert mended.get(key(2)) == answer(2) and not mended.in_flight_at_last_end
            for other in set(tmp_path.iterdir()) - {path}:
                other.unlink()


def test_damage_in_the_middle_is_passed_over_and_counted(tmp_path: Path) -> None:
    write(tmp_path, range(20))
    (path,) = tmp_path.iterdir()
    lines = path.read_bytes().splitlines(keepends=True)
    draw = random.Random(3)
    damaged = {5, 11, 13}
    for number in damaged:
        line = bytearray(lines[2 * number + 1])
        at = draw.randrange(len(line) - 1)
        line[at] = ord("0") if line[at] != ord("0") else ord("1")  # still JSON in most places: the checksum tells
        lines[2 * number + 1] = bytes(line)
    path.write_bytes(b"".join(lines))
    log = ResponseLog(tmp_path)
    assert {n for n in range(20) if log.get(key(n)) is None} == damaged
    assert (log.corrupt, log.torn) == (3, 0)
    assert log.in_flight_at_last_end == {key(n) for n in damaged}


def test_a_line_damaged_while_the_log_is_open_is_no_answer(tmp_path: Path) -> None:
    write(tmp_path, range(2))
    (path,) = tmp_path.iterdir()
    log = ResponseLog(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"answer 1", b"answer 7"))
    assert log.get(key(0)) == answer(0)
    assert log.get(key(1)) is None


def test_failed_attempts_are_not_under_way(tmp_path: Path) -> None:
    log = ResponseLog(tmp_path)
    for number in range(4):
        log.sent(key(number))
    log.failed(key(0), "timeout")
    log.answered(key(1), answer(1))
    log.failed(key(2), "timeout")
    log.sent(key(2))
    log.close()
    assert ResponseLog(tmp_path).in_flight_at_last_end == {key(2), key(3)}


def test_a_killed_writer_loses_nothing_it_had_written(tmp_path: Path) -> None:
    script = (
        "import os, sys\n"
        "from dataset_platform_tests.llm.test_response_log import ResponseLog, answer, key\n"
        "log = ResponseLog(sys.argv[1])\n"
        "for n in range(10**9):\n"
        "    log.sent(key(n)); log.answered(key(n), answer(n))\n"
        "    if n % 100 == 0: print(n, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    said = [int(process.stdout.readline()) for _ in range(20)]
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    log = ResponseLog(tmp_path)
    assert len(log) >= said[-1] + 1
    assert all(log.get(key(n)) == answer(n) for n in range(len(log)))
    assert len(log.in_flight_at_last_end) + log.torn <= 1 and log.corrupt == 0


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StateError, match="file"):
        ResponseLog(tmp_path / "file")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full disk to write to")
def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = ResponseLog(tmp_path)
    log.answered(key(1), answer(1))
    log.flush()
    (path,) = tmp_path.iterdir()
    full = os.open("/dev/full", os.O_WRONLY)
    writer = log._handles[0]
    kept = os.dup(writer)
    os.dup2(full, writer)
    with pytest.raises(StateError, match="No space"):
        log.answered(key(2), answer(2))
    os.dup2(kept, writer)
    log.answered(key(3), answer(3))
    log.close()
    os.close(full)
    os.close(kept)
    again = ResponseLog(tmp_path)
    assert [again.get(key(n)) is not None for n in (1, 2, 3)] == [True, False, True]
    assert path.exists() and again.corrupt == again.torn == 0


def test_the_index_agrees_with_a_dictionary_and_is_small() -> None:
    draw = random.Random(5)
    index, model = CallIndex(), {}
    for _ in range(6_000):
        number = draw.randrange(3_000)
        place = (draw.randrange(1 << 24), draw.randrange(1 << 40), draw.randrange(1 << 32))
        index.put(key(number), *place)
        model[number] = place
    assert len(index) == len(model)
    assert all(index.get(key(n)) == model.get(n) for n in range(3_500))
    zero = "0" * 32
    assert index.get(zero) is None
    index.put(zero, 1, 2, 3)
    assert index.get(zero) == (1, 2, 3)

    keys = [key(n) for n in range(30_000)]
    tracemalloc.start()
    large = CallIndex()
    for number, k in enumerate(keys):
        large.put(k, 0, number, 1)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held / len(keys) < 64


def test_a_log_in_an_object_store_reaches_other_machines(
    bucket: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{bucket}/log"
    monkeypatch.setattr(log_mirror.LogMirror, "segment_bytes", 2_000)
    write(url, range(40))  # type: ignore[arg-type]
    assert len(storage.list_files(url)) > 2, "segments, so that no file is sent again and again"

    monkeypatch.setenv("DATASET_PLATFORM_HOME", str(tmp_path / "another machine"))
    elsewhere = ResponseLog(url)
    assert all(elsewhere.get(key(n)) == answer(n) for n in range(40))
    elsewhere.answered(key(50), answer(50))
    elsewhere.close()

    monkeypatch.setenv("DATASET_PLATFORM_HOME", str(tmp_path / "home"))
    back = ResponseLog(url)
    assert back.get(key(50)) == answer(50)
    back.sent(key(60))
    back.answered(key(60), answer(60))
    # two logs on one machine share its folder: what another process still writes is left to it
    beside = ResponseLog(url)
    beside.answered(key(70), answer(70))
    beside.close()
    sizes = {e.path: e.size_bytes for e in storage.list_files(url)}
    back.close()
    grown = {e.path: e.size_bytes for e in storage.list_files(url)}
    assert all(grown[path] >= size for path, size in sizes.items()) and len(grown) == len(sizes) + 1


def test_lines_a_killed_process_left_on_this_machine_are_sent_by_the_next(bucket: str, home: Path) -> None:
    url = f"{bucket}/log"
    script = (
        "import os, sys, signal\n"
        "from dataset_platform_tests.llm.test_response_log import ResponseLog, answer, key\n"
        "log = ResponseLog(sys.argv[1])\n"
        "log.answered(key(1), answer(1))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, url]).returncode == -signal.SIGKILL
    assert not storage.list_files(url)
    log = ResponseLog(url)
    assert log.get(key(1)) == answer(1)
    log.close()
    (entry,) = storage.list_files(url)
    assert json.loads(storage.read_bytes(entry.path))["answered"] == key(1)
