"""Seconds that PyPI ``tfrecord`` takes for a file: ``python tfrecord_peer.py FILE``; needs nothing but that package.

A script of its own, so that any interpreter can run it: the peer's speed hangs on the protobuf beneath it.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version

from tfrecord.reader import tfrecord_loader


def main() -> None:
    """Print one JSON object: the best of two passes, the records, the versions."""
    seconds, records = [], 0
    for _ in range(2):
        started = time.perf_counter()
        records = sum(1 for _ in tfrecord_loader(sys.argv[1], None, None))
        seconds.append(time.perf_counter() - started)
    versions = {name: version(name) for name in ("tfrecord", "protobuf", "numpy")}
    print(json.dumps({"seconds": min(seconds), "records": records, "versions": versions}))


if __name__ == "__main__":
    main()
