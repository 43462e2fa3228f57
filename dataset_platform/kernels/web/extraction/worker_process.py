"""What runs in the worker process: pages in by standard input, texts out by standard output, until the input ends."""

from __future__ import annotations

import contextlib
import importlib
import logging
import math
import os
import signal
from collections.abc import Callable
from typing import BinaryIO

from dataset_platform.kernels.web.extraction.worker import ANSWER, DONE, FAILED, LEAVING, REQUEST, TASKS, Task

# beside what imports and models take: trees of a page of 32 MB need about 1 GiB in either parser
MEMORY_BYTES = 2 << 30
# caches of the libraries and a fragmented heap grow with the pages; a fresh process costs half a second
GROWTH_BYTES = 512 << 20

_ANY_PAGE = (
    "<html><title>A page</title><h1>A page</h1><p>Some words of it, and <a href=/>a link</a>.<ul><li>One</ul></html>"
)

Extract = Callable[[str], tuple[str, str, float | None]]


def main() -> None:
    """Answer requests until standard input ends."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not come between the frames
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the parent, which ends this process by itself
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    logging.disable()
    _no_core_dump()
    loaded: dict[Task, Extract] = {}
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        number, seconds, size = REQUEST.unpack(head)
        page = requests.read(size)
        if len(page) < size:
            return
        # the parent kills at the limit; where it has died meanwhile, this ends the process, even within C code
        signal.setitimer(signal.ITIMER_REAL, 2 * seconds)
        leaving = _answer(TASKS[number], page, loaded, answers)
        if leaving:
            return


def _answer(task: Task, page: bytes, loaded: dict[Task, Extract], answers: BinaryIO) -> bool:
    """Answer one request; gives whether this process must end."""
    outcome, text, path, confidence = DONE, "", "", None
    try:
        if task not in loaded:
            loaded[task] = load(task)
            _limit_memory()
        text, path, confidence = loaded[task](page.decode("utf-8", "surrogatepass"))
    except MemoryError:
        outcome, text = FAILED | LEAVING, "out of memory"
    except Exception as error:
        outcome, text = FAILED, f"{type(error).__name__}: {error}"
    signal.setitimer(signal.ITIMER_REAL, 0)
    if _grown():
        outcome |= LEAVING
    content, path_bytes = text.encode("utf-8", "surrogatepass"), path.encode()
    number = math.nan if confidence is None else confidence
    answers.write(ANSWER.pack(outcome, number, len(path_bytes), len(content)) + path_bytes + content)
    answers.flush()
    return bool(outcome & LEAVING)


def load(task: Task) -> Extract:
    """Import what the task needs."""
    if task == "trafilatura":
        trafilatura = importlib.import_module("trafilatura")

        def by_trafilatura(html: str) -> tuple[str, str, float | None]:
            text = trafilatura.extract(html, include_comments=False) if html else None
            return text or "", "trafilatura", None

        return by_trafilatura
    from dataset_platform.kernels.web import extraction

    def in_process(html: str) -> tuple[str, str, float | None]:
        found = extraction.extract_in_process(html, task)
        return found.text, found.path, found.confidence

    in_process(_ANY_PAGE)  # compiles what is not in numba's cache, in nobody's time limit
    return in_process


_baseline = 0


def _limit_memory() -> None:
    """No more than ``MEMORY_BYTES`` beside what is taken now: a page that needs more is a MemoryError here."""
    global _baseline
    _baseline = _virtual_bytes()
    if _baseline:
        import resource

        limit = _baseline + MEMORY_BYTES
        with contextlib.suppress(ValueError, OSError):  # a lower limit is in force already
            resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _no_core_dump() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _grown() -> bool:
    return _virtual_bytes() > _baseline + GROWTH_BYTES


def _virtual_bytes() -> int:
    """Address space of this process in bytes; 0 where there is no /proc."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


if __name__ == "__main__":
    main()
