"""The driving lane beside its peers, in one run, on one machine.

    python -m benchmarks.driving decode --data FOLDER [--peer PYTHON]

``decode``: tf.Examples to arrays, both checksums verified, against PyPI ``tfrecord``, which verifies none. FOLDER is the
one of the real inputs (default: ``DATASET_PLATFORM_REAL_DATA``). The peer runs in this interpreter's environment and, where
``--peer`` names another interpreter, in that one too: on protobuf 7 it is many times faster than on protobuf 6.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.results import write_section

COPIES = 200
ROUNDS = 7
RECORD = "womd/motion_data_one_example.tfrecord"
MAX_RECORD_BYTES = 1 << 30


def ours(path: Path, features: Collection[str] | None) -> float:
    """Seconds to read, verify and decode every record."""
    from dataset_platform.kernels.driving.example import decode_example
    from dataset_platform.kernels.driving.tfrecord import Record, read_records

    started = time.perf_counter()
    records = 0
    with path.open("rb") as stream:
        for record in read_records(stream, path.stat().st_size, max_record_bytes=MAX_RECORD_BYTES):
            assert isinstance(record, Record)
            decode_example(record.payload, features)
            records += 1
    assert records == COPIES
    return time.perf_counter() - started


def peer(python: str, path: Path) -> dict[str, Any]:
    """What ``tfrecord_peer.py`` measured in an interpreter."""
    script = Path(__file__).with_name("tfrecord_peer.py")
    answer = subprocess.run([python, str(script), str(path)], check=True, capture_output=True, text=True)
    measured: dict[str, Any] = json.loads(answer.stdout)
    assert measured["records"] == COPIES
    return measured


def decode_section(data: Path, other_python: str | None) -> list[str]:
    """Ratios of the best of interleaved rounds, all on one core."""
    from dataset_platform.kernels.driving.example import GOLD_FEATURES

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    pythons = [sys.executable] + ([other_python] if other_python else [])
    record = (data / RECORD).read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.tfrecord"
        path.write_bytes(record * COPIES)
        full, gold = [], []
        peers: list[list[dict[str, Any]]] = [[] for _ in pythons]
        for _ in range(ROUNDS):
            full.append(ours(path, None))
            gold.append(ours(path, GOLD_FEATURES))
            for python, runs in zip(pythons, peers, strict=True):
                runs.append(peer(python, path))
    lines = [
        f"One core, best of {ROUNDS} interleaved rounds over the real record of {len(record):,} bytes, {COPIES} times; "
        f"both checksums verified here, none by the peer. Here: {COPIES * len(record) / min(full) / 1e9:.1f} GB/s, "
        f"numba {version('numba')}, google-crc32c {version('google-crc32c')}.",
        "",
        f"| peer | all 72 features | the {len(GOLD_FEATURES)} that gold needs |",
        "|---|---|---|",
    ]
    for runs in peers:
        seconds = min(run["seconds"] for run in runs)
        named = runs[0]["versions"]
        lines.append(
            f"| tfrecord {named['tfrecord']} on protobuf {named['protobuf']}, all features "
            f"| {seconds / min(full):.2f} times as fast | {seconds / min(gold):.2f} times as fast |"
        )
    return lines


def main() -> None:
    """Run one section and rewrite it in RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("section", choices=["decode"])
    parser.add_argument("--data", type=Path, default=os.environ.get("DATASET_PLATFORM_REAL_DATA"))
    parser.add_argument("--peer", metavar="PYTHON", help="an interpreter with tfrecord and another protobuf")
    options = parser.parse_args()
    if options.data is None:
        parser.error("name the folder of the real inputs: --data, or DATASET_PLATFORM_REAL_DATA")
    lines = decode_section(options.data, options.peer)
    print("\n".join(lines))
    command = "python -m benchmarks.driving decode" + (" --peer PYTHON" if options.peer else "")
    write_section("TFRecord decoding", command, lines)


if __name__ == "__main__":
    main()
