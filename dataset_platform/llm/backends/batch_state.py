"""What was handed to a vendor's batch API and not yet fetched for good, in one small JSON file per batch.

A batch is paid for when it is taken in, and answered up to a day later. So its id is on disk before anybody waits for
it, and a later run finds by the keys of its requests what it need not send again, however it groups them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import orjson
import xxhash

KEPT_S = 35 * 86_400.0  # vendors keep results for 29 or 30 days


@dataclass(frozen=True, slots=True)
class Submitted:
    """A batch at the vendor and the keys of the requests in it."""

    batch_id: str
    keys: tuple[str, ...]


class BatchState:
    """The batches of one endpoint in a folder; other endpoints and processes may share the folder.

    Args:
        folder: made when the first batch is kept.
        endpoint: vendor, address and model; batches of others are not seen.
    """

    def __init__(self, folder: str | Path, endpoint: str) -> None:
        self._folder, self._endpoint = Path(folder), endpoint

    def load(self) -> list[Submitted]:
        """The batches kept, oldest first; files beyond the time that vendors keep results are removed."""
        found = []
        for path in self._folder.glob("*.json"):
            try:
                data = orjson.loads(path.read_bytes())
                age_s = time.time() - path.stat().st_mtime
            except (OSError, orjson.JSONDecodeError):
                continue  # being removed by another process
            if age_s > KEPT_S:
                path.unlink(missing_ok=True)
            elif data["endpoint"] == self._endpoint:
                found.append((-age_s, Submitted(data["batch_id"], tuple(data["keys"]))))
        return [batch for _, batch in sorted(found, key=lambda f: (f[0], f[1].batch_id))]

    def keep(self, batch_id: str, keys: Iterable[str]) -> Submitted:
        """Write a batch down; it is on disk when this returns. No keys: it is forgotten."""
        batch = Submitted(batch_id, tuple(keys))
        path = self._path(batch_id)
        if not batch.keys:
            path.unlink(missing_ok=True)
            return batch
        self._folder.mkdir(parents=True, exist_ok=True)
        data = {"endpoint": self._endpoint, "batch_id": batch_id, "keys": list(batch.keys)}
        partial = path.with_suffix(f".{os.getpid()}.partial")
        with partial.open("wb") as sink:
            sink.write(orjson.dumps(data, option=orjson.OPT_INDENT_2))
            sink.flush()
            os.fsync(sink.fileno())
        partial.replace(path)
        return batch

    def _path(self, batch_id: str) -> Path:
        return self._folder / f"{xxhash.xxh3_128_hexdigest(f'{self._endpoint} {batch_id}'.encode())}.json"
