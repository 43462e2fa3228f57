"""The worker process: its time limit, its death and its parent's, and never more than one of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dataset_platform.errors import EngineError
from dataset_platform.kernels.web.extraction import worker as worker_module
from dataset_platform.kernels.web.extraction.worker import PageCrashed, PageTimeout, Worker

SENTENCE = "The mill by the river has not turned since the great thaw of that winter. "
PAGE = f"<html><body><article><p>{SENTENCE * 8}</p></article></body></html>"
SLOW = "<p>x</p>" * 1_000_000  # trafilatura takes many seconds
ENOUGH = 120.0


@pytest.fixture
def worker() -> Iterator[Worker]:
    one = Worker()
    yield one
    one.stop()


def good(worker: Worker) -> bool:
    text, path, confidence = worker.ask("trafilatura", PAGE, ENOUGH)
    return (text.strip(), path, confidence) == ((SENTENCE * 8).strip(), "trafilatura", None)


def gone(pid: int) -> bool:
    """Whether a process has ended, be it not yet buried by whoever adopted it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def becomes(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_one_process_answers_all_pages(worker):
    assert worker.pid is None
    assert good(worker)
    first = worker.pid
    assert all(good(worker) for _ in range(20))
    assert worker.ask("trafilatura", "", ENOUGH)[0] == ""
    assert worker.ask("fast", PAGE, ENOUGH) == ((SENTENCE * 8).strip(), "fast", None)
    assert worker.pid == first
    worker.stop()
    assert gone(first) and worker.pid is None
    assert good(worker) and worker.pid != first


@pytest.mark.parametrize(
    "text", ["ä€😀" * 200, "\ud800 lone" * 100, "x" * 3_000_000], ids=["wide", "surrogates", "long"]
)
def test_texts_travel_unharmed(worker, text):
    from dataset_platform.kernels.web.extraction import extract_in_process

    page = f"<p>{SENTENCE}</p><p>{text}</p>"
    expected = extract_in_process(page, "fast")
    assert worker.ask("fast", page, ENOUGH) == (expected.text, expected.path, expected.confidence)


def test_a_page_that_takes_too_long_ends_the_worker_and_harms_no_other(worker):
    assert good(worker)
    first = worker.pid
    assert first is not None
    with pytest.raises(PageTimeout):
        worker.ask("trafilatura", SLOW, 0.2)
    assert worker.pid is None
    with pytest.raises(ChildProcessError):  # buried: no zombie is left
        os.waitpid(first, os.WNOHANG)
    assert good(worker)
    assert worker.pid != first


def test_a_worker_that_was_killed_between_pages_costs_no_page(worker):
    assert good(worker)
    for number in (signal.SIGKILL, signal.SIGSEGV):
        first = worker.pid
        os.kill(first, number)
        assert becomes(lambda pid=first: gone(pid))
        assert good(worker)
        assert worker.pid != first


def test_one_that_was_killed_while_idle_starts_again_for_another_kind_of_task(worker):
    assert good(worker)
    os.kill(first := worker.pid, signal.SIGKILL)
    assert becomes(lambda: gone(first))
    task = next(task for task in worker_module.TASKS if task not in worker._ready)
    assert worker.ask(task, PAGE, ENOUGH)[0]


def test_a_page_on_which_it_dies_twice_is_named_with_the_signal(worker):
    assert good(worker)
    stop = threading.Event()
    killed = set()

    def killer() -> None:
        while not stop.is_set():
            # whoever has read the page is at work on it
            if (pid := worker.pid) and pid not in killed and _has_read(pid, len(SLOW)):
                killed.add(pid)
                os.kill(pid, signal.SIGSEGV)
            time.sleep(0.01)

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        with pytest.raises(PageCrashed, match=f"signal {signal.SIGSEGV.value}"):
            worker.ask("trafilatura", SLOW, ENOUGH)
    finally:
        stop.set()
        thread.join()
    assert len(killed) == 2
    assert good(worker)


def _has_read(pid: int, count: int) -> bool:
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except OSError:
        return False
    return int(lines[0].split()[1]) > count


def test_an_interrupt_in_the_middle_of_a_page_leaves_no_answer_behind(worker):
    """The answer to a page that nobody waits for any more must never be taken for that of the next."""
    assert good(worker)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            worker.ask("trafilatura", SLOW, ENOUGH)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert good(worker)


def test_a_worker_that_cannot_start_says_how_to_find_out_why(worker, monkeypatch):
    monkeypatch.setattr(worker_module, "_MODULE", "no.such.module")
    with pytest.raises(EngineError, match="exited with 1.*its own message"):
        worker.ask("trafilatura", PAGE, ENOUGH)
    assert worker.pid is None


def script(code: str) -> subprocess.Popen[str]:
    head = f"""
import os, sys
from dataset_platform.kernels.web.extraction.worker import Worker, shared
PAGE = {PAGE!r}
SLOW = "<p>x</p>" * 1_000_000
"""
    return subprocess.Popen(
        [sys.executable, "-c", head + code],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )


def test_it_ends_with_its_parent_when_idle():
    parent = script("shared().ask('trafilatura', PAGE, 99)\nprint(shared().pid, flush=True)\nsys.stdin.read()")
    pid = int(parent.stdout.readline())
    assert not gone(pid)
    parent.kill()
    parent.communicate()
    assert becomes(lambda: gone(pid))


def test_it_ends_after_its_parent_in_the_middle_of_a_page():
    parent = script(
        "shared().ask('trafilatura', PAGE, 99)\nprint(shared().pid, flush=True)\nshared().ask('trafilatura', SLOW, 3)"
    )
    pid = int(parent.stdout.readline())
    assert becomes(lambda: _has_read(pid, len(SLOW)))
    parent.kill()
    parent.communicate()
    assert becomes(lambda: gone(pid))


def test_a_forked_process_has_a_worker_of_its_own():
    parent = script("""
assert shared().ask('trafilatura', PAGE, 99)[0]
mine = shared().pid
child = os.fork()
if child == 0:
    assert shared().pid is None
    assert shared().ask('trafilatura', PAGE, 99)[0] and shared().pid != mine
    os._exit(7)
assert shared().ask('trafilatura', PAGE, 99)[0] and shared().pid == mine
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert shared().ask('trafilatura', PAGE, 99)[0] and shared().pid == mine
print("same")
""")
    assert parent.communicate()[0] == "same\n"
    assert parent.returncode == 0


def test_a_page_that_needs_too_much_memory_is_told_and_the_process_leaves():
    process = script("""
import io, struct
from dataset_platform.kernels.web.extraction import worker_process as child
from dataset_platform.kernels.web.extraction.worker import ANSWER, FAILED, LEAVING
child.MEMORY_BYTES = 256 << 20
child._limit_memory()
answers = io.BytesIO()
def greedy(html):
    return str(len(bytearray(1 << 30))), "fast", None
assert child._answer("fast", b"", {"fast": greedy}, answers)
outcome, _, path_bytes, size = ANSWER.unpack(answers.getvalue()[:ANSWER.size])
assert outcome == FAILED | LEAVING
print(answers.getvalue()[ANSWER.size:].decode())
""")
    assert process.communicate()[0] == "out of memory\n"


def test_what_a_library_prints_does_not_come_between_the_frames():
    process = script("""
from dataset_platform.kernels.web.extraction import worker_process as child
def noisy(task):
    def extract(html):
        os.write(1, b"noise"); print("noise", flush=True)
        return html, "fast", None
    return extract
child.load = noisy
child.main()
""")
    request = worker_module.REQUEST.pack(2, 9.0, 5) + b"hello"
    process.stdin.buffer.write(request * 2)
    process.stdin.close()
    answer = worker_module.ANSWER.pack(worker_module.DONE, float("nan"), 4, 5) + b"fasthello"
    assert process.stdout.buffer.read() == answer * 2
    process.stdout.close()
    assert process.wait() == 0
