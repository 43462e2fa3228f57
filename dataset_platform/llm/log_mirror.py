"""A response log whose home is an object store: files are written on this machine and copied there.

Object stores cannot append, so a file is put whole; the log begins a new file once one has ``segment_bytes``, which bounds
what is sent again and again. The copy on this machine stays: a killed process's last lines are sent by the next one.
"""

from __future__ import annotations

import fcntl
import threading
import time
from pathlib import Path

import xxhash

from dataset_platform.lake import storage
from dataset_platform.settings import Settings, is_url, join, project_root

UPLOAD_S = 30.0


class LogMirror:
    """The files of one URL, on this machine.

    Args:
        url: folder in an object store.
    """

    segment_bytes = 8 << 20

    def __init__(self, url: str) -> None:
        self.url = url
        self.local = _spool() / xxhash.xxh3_64_hexdigest(url.encode())
        self._there: dict[str, int] = {}  # name → bytes
        self._own: set[str] = set()
        self._last = time.monotonic()
        self._lock = threading.Lock()

    def own(self, name: str, handle: int) -> None:
        """This process writes the file, through ``handle``; others then leave it alone."""
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._own.add(name)

    def download(self) -> None:
        """Fetch what other machines wrote; what is longer here has not been sent yet and is kept."""
        for entry in storage.list_files(self.url):
            name = entry.path.rsplit("/", 1)[1]
            self._there[name] = entry.size_bytes
            path = self.local / name
            if not path.exists() or path.stat().st_size < entry.size_bytes:
                storage.write_bytes(str(path), storage.read_bytes(entry.path))

    def upload_when_due(self) -> None:
        """Upload when ``UPLOAD_S`` have passed since the last time."""
        if time.monotonic() - self._last >= UPLOAD_S:
            self.upload()

    def upload(self) -> None:
        """Send every file that has grown: our own, and those that dead processes left here."""
        with self._lock:
            self._last = time.monotonic()
            for path in sorted(self.local.glob("calls-*.jsonl")):
                grown = path.stat().st_size > self._there.get(path.name, 0)
                if grown and (path.name in self._own or _is_left(path)):
                    content = path.read_bytes()
                    storage.write_bytes(join(self.url, path.name), content)
                    self._there[path.name] = len(content)


def _is_left(path: Path) -> bool:
    """Whether no process writes the file any more."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _spool() -> Path:
    home = Settings.from_env().home
    # a home that is itself an object store has no folder here; the checkout's own is then the nearest that lasts
    return (project_root() / ".dataset_platform" if is_url(home) else Path(home)) / "llm" / "spool"
