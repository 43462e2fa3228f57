"""The answers of all calls ever made, in append-only files: what was answered once is never asked or paid for again.

``folder/calls-*.jsonl``: one file per writer, so that processes never interleave, and all files are read at start. A line
is one JSON object and ends in a checksum of what goes before it::

    {"sent": KEY, "at": TIME, "xxh": HASH}                      an attempt is about to leave
    {"answered": KEY, "text": …, "usage": […], …, "xxh": HASH}  and came back whole
    {"failed": KEY, "kind": …, "at": TIME, "xxh": HASH}         or did not; no answer, only the end of the attempt

Lines go out in one write each, so a killed process loses the answers that had not come, and no others. A line that was
cut is the last of its file, since nobody appends to another writer's file: it is passed over and counted. What is
stored is what the model said, also where it was cut, refused or does not fit its schema: judging it again gives the same
verdict, without the call.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from uuid import uuid4

from dataset_platform.errors import StateError
from dataset_platform.llm.call_index import MAX_FILES, CallIndex
from dataset_platform.llm.log_lines import Answer, answer_body, failed_body, read_answer, seal, sent_body, unseal
from dataset_platform.llm.log_mirror import LogMirror
from dataset_platform.settings import is_url

SYNC_S = 1.0
SYNC_LINES = 1_024
_OPEN_FILES = 64
_sync = getattr(os, "fdatasync", os.fsync)  # macOS has only the one


class ResponseLog:
    """All answers below a folder or object-store URL, and this process's own file of new ones.

    Reading and writing may happen in any thread. With a URL the files are kept on this machine and copied there every 30
    seconds and at close; a machine lost in between loses what was not copied.

    Attributes:
        in_flight_at_last_end: keys sent and never answered by processes that ended (or still run).
        torn: files that ended in a cut line when the log was opened.
        corrupt: other lines that could not be read.

    Raises:
        StateError: the folder cannot be written.
    """

    def __init__(self, folder: str | Path) -> None:
        self._mirror = LogMirror(str(folder)) if is_url(str(folder)) else None
        self.folder = Path(folder) if self._mirror is None else self._mirror.local
        self.torn = 0
        self.corrupt = 0
        self._index = CallIndex()
        self._files: list[Path] = []
        self._handles: dict[int, int] = {}  # file number → descriptor
        self._lock = threading.RLock()
        self._wake = threading.Condition(self._lock)
        self._writer = -1
        self._number = -1
        self._offset = 0
        self._cut = False
        self._unsynced = 0
        self._thread: threading.Thread | None = None
        self._closing = False
        self._failure: Exception | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._mirror is not None:
                self._mirror.download()
            open_keys: set[str] = set()
            for path in sorted(self.folder.glob("calls-*.jsonl")):
                self._read(path, open_keys)
        except OSError as e:
            raise StateError(
                f"Cannot open the response log {self.folder}: {e.strerror}.", "Check the folder."
            ) from None
        self.in_flight_at_last_end = frozenset(k for k in open_keys if self._index.get(k) is None)

    def __len__(self) -> int:
        return len(self._index)

    def report(self) -> str | None:
        """One line about what was found damaged or unanswered at the opening; None when there is nothing to say."""
        found = {
            "calls under way when the last run ended, which are made again": len(self.in_flight_at_last_end),
            "files that end in a cut line": self.torn,
            "lines that cannot be read and are passed over": self.corrupt,
        }
        parts = [f"{what}: {count:,}" for what, count in found.items() if count]
        return f"Response log {self.folder}: {'; '.join(parts)}." if parts else None

    def get(self, key: str) -> Answer | None:
        """The answer to a call, or None where there is none (or its line has been damaged since)."""
        with self._lock:
            place = self._index.get(key)
            if place is None:
                return None
            number, offset, length = place
            line = os.pread(self._handle(number), length, offset)
        return read_answer(line, key)

    def sent(self, key: str) -> None:
        """An attempt is about to leave."""
        self._append(sent_body(key))

    def failed(self, key: str, kind: str) -> None:
        """An attempt ended without an answer."""
        self._append(failed_body(key, kind))

    def answered(self, key: str, answer: Answer) -> None:
        """Keep an answer."""
        with self._lock:
            offset, length = self._append(answer_body(key, answer))
            self._index.put(key, self._number, offset, length)

    def flush(self) -> None:
        """Everything written so far is on disk, and in the object store where there is one."""
        with self._lock:
            writer, self._unsynced = self._writer, 0
            failure, self._failure = self._failure, None
        try:
            if writer >= 0:
                _sync(writer)
            if self._mirror is not None:
                self._mirror.upload()
        except OSError as e:
            raise _unwritable(self.folder, e) from None
        if failure is not None:
            raise _unwritable(self.folder, failure)

    def close(self) -> None:
        """Flush and let go of the files; the log can still be used, and then begins a new file."""
        with self._wake:
            self._closing = True
            self._wake.notify()
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        try:
            self.flush()
        finally:
            with self._lock:
                self._closing = False
                for handle in self._handles.values():
                    os.close(handle)
                self._handles.clear()
                self._writer = self._number = -1

    def _append(self, body: bytes) -> tuple[int, int]:
        line = seal(body)
        with self._lock:
            if self._writer < 0 or (self._mirror is not None and self._offset > self._mirror.segment_bytes):
                self._begin_file()
            try:
                if self._cut:  # an earlier write ran out of disk: leave its half line behind
                    self._offset += os.write(self._writer, b"\n")
                    self._cut = False
                written = os.write(self._writer, line)
            except OSError as e:
                raise _unwritable(self.folder, e) from None
            offset = self._offset
            self._offset += written
            if written < len(line):
                self._cut = True
                raise _unwritable(self.folder, OSError(28, "the disk is full"))
            self._unsynced += 1
            if self._unsynced in (1, SYNC_LINES):
                self._wake.notify()
        return offset, len(line)

    def _begin_file(self) -> None:
        if self._writer >= 0:
            _sync(self._writer)
        # names sort by the time of their beginning, so that what a later process says of a call goes after an earlier's
        path = self.folder / f"calls-{time.time_ns():020d}-{uuid4().hex[:8]}.jsonl"
        try:
            handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o666)
        except OSError as e:
            raise _unwritable(self.folder, e) from None
        if self._mirror is not None:
            self._mirror.own(path.name, handle)
        self._number = self._register(path)
        self._handles[self._number] = self._writer = handle
        self._offset, self._cut = 0, False
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep_synced, daemon=True, name="response log")
            self._thread.start()

    def _keep_synced(self) -> None:
        while True:
            with self._wake:
                while not self._unsynced and not self._closing:
                    self._wake.wait()
                if self._unsynced < SYNC_LINES and not self._closing:
                    self._wake.wait(SYNC_S)
                if self._closing:
                    return  # close() does the rest
                self._unsynced = 0
                # a descriptor of its own: the writer may move on to its next file meanwhile
                handle = os.dup(self._writer)
            try:
                _sync(handle)
                if self._mirror is not None:
                    self._mirror.upload_when_due()
            except Exception as e:  # the next flush, at the latest the one at close, reports it
                self._failure = e
            finally:
                os.close(handle)

    def _register(self, path: Path) -> int:
        if len(self._files) >= MAX_FILES:
            raise StateError(f"{self.folder} holds more than {MAX_FILES:,} files.", "Join them into one.")
        self._files.append(path)
        return len(self._files) - 1

    def _handle(self, number: int) -> int:
        handle = self._handles.get(number)
        if handle is None:
            if len(self._handles) >= _OPEN_FILES:
                oldest = next(n for n in self._handles if n != self._number)
                os.close(self._handles.pop(oldest))
            handle = self._handles[number] = os.open(self._files[number], os.O_RDONLY)
        return handle

    def _read(self, path: Path, open_keys: set[str]) -> None:
        number = self._register(path)
        offset = 0
        with path.open("rb", buffering=1 << 20) as file:
            for line in file:
                record = unseal(line)
                if record is None:
                    if line.endswith(b"\n"):
                        self.corrupt += line != b"\n"
                    else:
                        self.torn += 1
                elif "sent" in record:
                    open_keys.add(record["sent"])
                elif "answered" in record:
                    self._index.put(record["answered"], number, offset, len(line))
                    open_keys.discard(record["answered"])
                elif "failed" in record:
                    open_keys.discard(record["failed"])
                offset += len(line)


def _unwritable(folder: Path, error: Exception) -> StateError:
    return StateError(
        f"Cannot write the response log {folder}: {getattr(error, 'strerror', None) or error}.",
        "Make room or mend the permissions, then run again: what was answered before is kept.",
    )
