"""A process beside this one for work that may hang or crash on a page: killed at the page's time limit, and replaced.

One worker per process, started when first asked and kept. Pages go to it and texts come back as length-prefixed frames
through two pipes. It ends with the process it belongs to: when its input ends or, in the middle of a page, by an alarm
that it sets itself. It is a fresh interpreter and never a fork, since its parent may hold the threads of a JVM or Ray.
"""

from __future__ import annotations

import math
import os
import select
import struct
import subprocess
import sys
import threading
import time
import weakref
from typing import Literal

from dataset_platform.errors import EngineError

Task = Literal["trafilatura", "learned", "fast"]
TASKS: tuple[Task, ...] = ("trafilatura", "learned", "fast")

# task, seconds after which the worker ends itself, bytes of the page; then the page in UTF-8
REQUEST = struct.Struct("<BdI")
# outcome, confidence (not a number for none), bytes of path and text; then the path and the text, each in UTF-8
ANSWER = struct.Struct("<BdII")
DONE, FAILED = 0, 1
LEAVING = 2  # added to an outcome: the worker has grown too large and is ending

PAGE_SECONDS = 5.0  # trafilatura's slowest of WCXB's 1,348 pages takes one
START_SECONDS = 120.0  # imports and models, on a machine that is busy
_PIECE_BYTES = 1 << 20
_MODULE = "dataset_platform.kernels.web.extraction.worker_process"


class PageTimeout(Exception):
    """The page took longer than its limit; the worker was killed."""


class PageCrashed(Exception):
    """The worker died on the page twice, ran out of memory or raised; the message says which."""


class _Died(Exception):
    """The worker is gone; the message says how."""


class Worker:
    """The parent's end of one worker process; for one caller at a time, others wait."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._ready: set[Task] = set()
        self._lock = threading.Lock()
        _WORKERS.add(self)

    @property
    def pid(self) -> int | None:
        """Process id of the worker, None while there is none."""
        return self._process.pid if self._process else None

    def ask(self, task: Task, html: str, seconds: float) -> tuple[str, str, float | None]:
        """Have a page extracted.

        Args:
            task: what is done with the page.
            html: the page, decoded.
            seconds: time limit of the page, of which the start of the worker is no part.

        Returns:
            text, the path the page took there, and the model's confidence where it was asked.

        Raises:
            PageTimeout: the limit was reached.
            PageCrashed: the worker died, ran out of memory or raised.
            EngineError: the worker cannot be started.
        """
        with self._lock:
            try:
                began = time.monotonic()
                try:
                    return self._answer(task, html, seconds)
                except _Died:
                    # perhaps it was killed from outside, before it was asked: a page is blamed for a second death only
                    left = max(seconds - (time.monotonic() - began), seconds / 2)
                    return self._answer(task, html, left)
            except _Died as death:
                raise PageCrashed(str(death)) from None
            except PageCrashed:
                raise  # the worker said so itself
            except BaseException:
                self._kill()  # nobody knows where in a frame the pipes are
                raise

    def stop(self) -> None:
        """End the worker; the next question starts another."""
        with self._lock:
            self._kill()

    def _answer(self, task: Task, html: str, seconds: float) -> tuple[str, str, float | None]:
        if task not in self._ready:
            if self._process is not None and self._process.poll() is not None:
                self._kill()  # it was ended while nobody asked it anything
            self._start(task)
        return self._exchange(task, html, seconds)

    def _start(self, task: Task) -> None:
        """Start the process where there is none, and have it load what the task needs."""
        if self._process is None:
            paths = [path for path in sys.path if path]
            self._process = subprocess.Popen(
                [sys.executable, "-m", _MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                # the package is found where this process found it, be it in a zip that Spark or Ray shipped
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
            )
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                os.set_blocking(pipe.fileno(), False)
        try:
            self._exchange(task, "", START_SECONDS)
        except (PageTimeout, PageCrashed, _Died) as error:
            self._kill()
            raise EngineError(
                f"The extraction worker cannot be started for '{task}': {error}.",
                f"For its own message run: {sys.executable} -c \"from {_MODULE} import load; load('{task}')('<p>x')\"",
            ) from None
        self._ready.add(task)

    def _exchange(self, task: Task, html: str, seconds: float) -> tuple[str, str, float | None]:
        deadline = time.monotonic() + seconds
        page = html.encode("utf-8", "surrogatepass")
        self._send(REQUEST.pack(TASKS.index(task), seconds, len(page)) + page, deadline)
        outcome, confidence, path_bytes, text_bytes = ANSWER.unpack(self._receive(ANSWER.size, deadline))
        path = self._receive(path_bytes, deadline).decode()
        text = self._receive(text_bytes, deadline).decode("utf-8", "surrogatepass")
        if outcome & LEAVING:
            self._kill()
        if outcome & FAILED:
            raise PageCrashed(text)
        return text, path, None if math.isnan(confidence) else confidence

    def _send(self, data: bytes, deadline: float) -> None:
        assert self._process is not None and self._process.stdin is not None
        pipe, left = self._process.stdin.fileno(), memoryview(data)
        while left:
            self._wait(pipe, select.POLLOUT, deadline)
            try:
                left = left[os.write(pipe, left[:_PIECE_BYTES]) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise self._death() from None

    def _receive(self, count: int, deadline: float) -> bytes:
        assert self._process is not None and self._process.stdout is not None
        pipe, data = self._process.stdout.fileno(), bytearray()
        while len(data) < count:
            self._wait(pipe, select.POLLIN, deadline)
            try:
                piece = os.read(pipe, min(count - len(data), _PIECE_BYTES))
            except BlockingIOError:
                continue
            if not piece:
                raise self._death()
            data += piece
        return bytes(data)

    def _wait(self, pipe: int, event: int, deadline: float) -> None:
        """Until the pipe is ready, or broken, which the read or write after it shows."""
        poll = select.poll()
        poll.register(pipe, event)
        while (left := deadline - time.monotonic()) > 0:
            if poll.poll(math.ceil(left * 1000)):
                return
        raise PageTimeout("no answer within the time limit")

    def _death(self) -> _Died:
        """Bury a worker that has closed its pipes."""
        assert self._process is not None
        process = self._process
        self._kill()
        code = process.returncode
        return _Died(f"the worker was ended by signal {-code}" if code < 0 else f"the worker exited with {code}")

    def _kill(self) -> None:
        process, self._process = self._process, None
        self._ready.clear()
        if process is None:
            return
        _close(process)
        process.kill()
        process.wait()


def shared() -> Worker:
    """This process's worker."""
    global _shared
    if _shared is None:
        _shared = Worker()
    return _shared


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _forget_in_fork() -> None:
    """A forked process leaves the worker to its parent: it closes its copies of the pipes and starts its own."""
    for worker in list(_WORKERS):
        process, worker._process = worker._process, None
        worker._ready, worker._lock = set(), threading.Lock()
        if process is not None:
            _close(process)
            process.returncode = 0  # not this process's child: nobody here waits for it


_shared: Worker | None = None
_WORKERS: weakref.WeakSet[Worker] = weakref.WeakSet()
os.register_at_fork(after_in_child=_forget_in_fork)
