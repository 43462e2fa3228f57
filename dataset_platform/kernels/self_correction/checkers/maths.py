"""Mathematical answers compared by value, with Math-Verify, in processes that can be killed.

Source: Math-Verify 0.8 (Hugging Face), ``parse`` and ``verify``. It stops long work by SIGALRM, which works in a
process's main thread only, and a call inside a compiled routine does not see the signal at all; so each item runs in a
worker process with a hard limit of its own, and a worker that overruns or dies is replaced.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import Any, Literal

from dataset_platform.errors import InputError
from dataset_platform.kernels.self_correction.checkers.base import Checker, Grade

_START_LIMIT_S = 300.0  # a worker imports sympy before its first item
_DELIMITERS = ("$", "\\boxed", "\\(", "\\[", "\\begin")


class Overrun(Exception):
    """An item was given up, and its worker replaced."""

    def __init__(self, failure: Literal["timeout", "crash"]) -> None:
        self.failure = failure
        super().__init__(failure)


class WorkerPool:
    """Processes that each run one item at a time; started when first needed, shared by threads.

    Each is an executor of its own, so that killing one leaves what the others are at untouched.

    Args:
        size: processes.
        timeout_s: hard limit of an item in seconds.
    """

    def __init__(self, size: int, timeout_s: float) -> None:
        self.size, self.timeout_s = size, timeout_s
        self._lock = threading.Lock()
        self._owner: int | None = None
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """``function(*args)`` in a worker; waits for a free one.

        Raises:
            Overrun: the item took longer than ``timeout_s``, or its process died.
        """
        idle = self._workers()
        worker = idle.get()
        try:
            return worker.run(function, args, self.timeout_s)
        finally:
            idle.put(worker)

    def map(self, function: Callable[..., Any], rows: Iterable[tuple[Any, ...]]) -> list[Any]:
        """``run`` for each row, ``size`` at a time; results in order, an ``Overrun`` in place of a failed one."""

        def attempt(row: tuple[Any, ...]) -> Any:
            try:
                return self.run(function, *row)
            except Overrun as overrun:
                return overrun

        with ThreadPoolExecutor(self.size) as threads:
            return list(threads.map(attempt, rows))

    def close(self) -> None:
        """End the processes; a later call starts new ones."""
        with self._lock:
            if self._owner == os.getpid():
                for _ in range(self.size):
                    self._idle.get().stop()
            self._owner = None

    def _workers(self) -> queue.LifoQueue[_Worker]:
        with self._lock:
            if self._owner != os.getpid():  # not started yet, or inherited by a fork, where the workers are not ours
                self._owner, self._idle = os.getpid(), queue.LifoQueue()
                for _ in range(self.size):
                    self._idle.put(_Worker())
            return self._idle


class _Worker:
    """One process, started with its first item."""

    def __init__(self) -> None:
        self._executor: ProcessPoolExecutor | None = None
        self._pid = 0

    def run(self, function: Callable[..., Any], args: tuple[Any, ...], timeout_s: float) -> Any:
        if self._executor is None:
            self._start()
        assert self._executor is not None
        try:
            return self._executor.submit(function, *args).result(timeout_s)
        except TimeoutError as error:
            self.stop()
            raise Overrun("timeout") from error
        except BrokenProcessPool as error:
            self.stop()
            raise Overrun("crash") from error

    def stop(self) -> None:
        if self._executor is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._executor.shutdown(wait=True)
            self._executor = None

    def _start(self) -> None:
        executor = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        # the start is waited for apart, so that importing sympy does not count against the first item
        self._pid = executor.submit(_ready).result(_START_LIMIT_S)
        self._executor = executor


_shared: dict[tuple[int, float], WorkerPool] = {}
_shared_lock = threading.Lock()


def shared_pool(size: int, timeout_s: float) -> WorkerPool:
    """The one pool of this size and limit in this process."""
    with _shared_lock:
        return _shared.setdefault((size, timeout_s), WorkerPool(size, timeout_s))


class MathChecker(Checker):
    """Equality of value: ``1/2``, ``0.5`` and ``\\frac{1}{2}`` are one answer.

    Args:
        size: worker processes, shared by all checkers of the same size and limit.
        timeout_s: limit of one item in seconds. Past it the item is incorrect with ``failure="timeout"``.
    """

    name = "math"

    def __init__(self, size: int = 2, timeout_s: float = 15.0) -> None:
        self._pool = shared_pool(size, timeout_s)

    def grade(self, answer: str, reference: str) -> Grade:
        return self.grade_many([(answer, reference)])[0]

    def grade_many(self, rows: Iterable[tuple[str, str]]) -> list[Grade]:
        rows = list(rows)
        return [
            _grade(result, reference) for result, (_, reference) in zip(self._pool.map(_judge, rows), rows, strict=True)
        ]

    def final_answer(self, answer: str) -> str | None:
        """The value in canonical form; ``None`` also when it cannot be computed within the limit."""
        with suppress(Overrun):
            found: str | None = self._pool.run(_canonical, answer)
            return found
        return None


def _grade(result: Any, reference: str) -> Grade:
    if isinstance(result, Overrun):
        return Grade(False, 0.0, None, result.failure)
    if result is None:
        raise InputError(
            f"The reference answer {reference[-80:]!r} holds nothing mathematical.",
            "Give a number or a LaTeX expression, or choose another checker (exact).",
        )
    correct, extracted, failure = result
    return Grade(correct, float(correct), extracted, failure)


# What follows runs in the workers.


def _ready() -> int:
    import logging

    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns of limits that are off; the pool's is on
    _judge("$\\frac{1}{2}$", "0.5")  # loads the parser's tables, which the first item would wait for
    return os.getpid()


def _judge(answer: str, reference: str) -> tuple[bool, str | None, Literal["crash"] | None] | None:
    """Verdict, extracted answer and failure; ``None`` for an unusable reference."""
    from math_verify import parse, verify

    expected = _parse_reference(reference)
    if not expected:
        return None
    try:
        # Math-Verify's own limits are off: the pool's is the only one, so that verdicts depend on nothing else
        found = parse(answer, parsing_timeout=None)
        correct = bool(found) and bool(verify(expected, found, timeout_seconds=None))
        return correct, str(found[0]) if found else None, None
    except Exception:  # sympy fails in many ways on what models write, a number of too many digits among them
        return False, None, "crash"


def _parse_reference(reference: str) -> list[Any]:
    """A reference is an answer and nothing else: bare LaTeX is read as if it stood between dollar signs."""
    from math_verify import parse

    bare = reference.rpartition("####")[2].strip()
    if not any(sign in bare for sign in _DELIMITERS) and (found := parse(f"${bare}$", parsing_timeout=None)):
        return list(found)
    return list(parse(bare, parsing_timeout=None))


def _canonical(answer: str) -> str | None:
    from math_verify import parse
    from sympy import Expr, nsimplify, simplify  # type: ignore[import-untyped]

    try:
        found = parse(answer, parsing_timeout=None)
        if not found:
            return None
        value = found[0]
        return str(simplify(nsimplify(value, rational=True)) if isinstance(value, Expr) else value)
    except Exception:  # as in _judge
        return None
