"""The whole web lane, WARC files to tokenized shards: our pages per second against datatrove's, and growth with the input.

Same steps and thresholds on both sides, two cores, one run; the start of engines and imports is told apart. Ours writes,
audits and publishes five stages and draws their previews meanwhile, as a user's run does.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.peers_env import run_peer
from benchmarks.web_input import Page, real_pages, write_crawl

SIZES = (1, 3, 10)
MODES = ("learned", "fast")
WARM_DAY = date(2026, 1, 1)
SELECTION = "web/*,tokens/tokenized_shards,tokens/manifest"


@dataclass(frozen=True)
class Run:
    """One materialization: pages in, seconds, and the most memory the driving process held, in MiB."""

    pages: int
    seconds: float
    driver_mib: float

    @property
    def pages_per_second(self) -> float:
        """Pages per second of wall time."""
        return self.pages / self.seconds


class Lane:
    """A lake in a folder of its own, started and warmed on a day of its own, with a tokenizer trained there."""

    def __init__(self, folder: Path, mode: str, warm: list[Page]) -> None:
        self.home = folder / f"home-{mode}"
        config = folder / f"{mode}.yaml"
        config.write_text(f"web:\n  documents:\n    extraction_mode: {mode}\n")
        os.environ |= {
            "DATASET_PLATFORM_HOME": str(self.home),
            "DAGSTER_HOME": str(self.home / "dagster"),
            "DATASET_PLATFORM_CONFIG": str(config),
        }
        self._next_day = WARM_DAY
        began = time.perf_counter()
        self._materialize(warm, range(1), "web/*")
        from dataset_platform.cli import runs

        report = runs.materialize(runs.select("tokens/tokenizer"), [])
        assert report.ok, report.failures
        self.materialize(warm, range(1, 2))
        self.startup_s = time.perf_counter() - began

    @property
    def tokenizer(self) -> Path:
        """tokenizer.json of the lake's own vocabulary and merges, for the peer."""
        from dataset_platform.kernels.tokens import bpe

        folder = self.home / "artifacts/tokens/tokenizer"
        files = [(folder / name).read_bytes() for name in (bpe.VOCAB_FILE, bpe.MERGES_FILE)]
        path = self.home / "tokenizer.json"
        bpe.load(*files).save(str(path))
        return path

    def materialize(self, pages: list[Page], copies: range) -> Run:
        """A new day with these pages, from raw files to shards and manifest."""
        return self._materialize(pages, copies, SELECTION)

    def _materialize(self, pages: list[Page], copies: range, selection: str) -> Run:
        from dataset_platform.cli import runs

        day = self._next_day
        self._next_day += timedelta(days=1)
        raw = self.home / f"raw/web/{day:%Y/%m/%d}/crawl"
        written = write_crawl(raw, pages, copies)
        keys = runs.select(selection)
        with _PeakMemory() as memory:
            began = time.perf_counter()
            report = runs.materialize(keys, [day.isoformat()])
            seconds = time.perf_counter() - began
        if not report.ok:
            raise SystemExit(f"{day}: {report.failures or report.failed_checks}")
        return Run(written, seconds, memory.peak_mib)


class _PeakMemory:
    """Resident memory of this process, sampled."""

    def __enter__(self) -> _PeakMemory:
        self.peak_mib = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        page = os.sysconf("SC_PAGE_SIZE")
        while not self._stop.wait(0.05):
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * page / 2**20
            self.peak_mib = max(self.peak_mib, resident)


def _two_cores() -> set[int]:
    cores = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, cores)
    return set(cores)


def against_datatrove(copies: int = 2) -> list[str]:
    """Both lanes over the same crawl, once; lines of the section."""
    from dataset_platform.setup.lid_model import lid_model_path

    cores, pages = _two_cores(), real_pages()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        crawl = folder / "crawl"
        count = write_crawl(crawl, pages, range(copies))
        warm = pages[:: max(1, len(pages) // 200)]
        lanes = {}
        for mode in MODES:
            lane = Lane(folder, mode, warm)
            lanes[mode] = (lane.materialize(pages, range(copies)), lane.startup_s, lane.tokenizer)
            print(f"{mode}: {lanes[mode][0].pages_per_second:.0f} pages/s", flush=True)
        peer = run_peer(
            "datatrove_lane",
            *("--input", str(crawl), "--work", str(folder / "datatrove"), "--lid", str(lid_model_path())),
            *("--tokenizer", str(lanes["learned"][2]), "--cores", str(len(cores))),
            cores=cores,
        )
        theirs = peer["pages"] / peer["total_s"]
        for mode, (run, startup, _) in lanes.items():
            rows.append(f"| ours, `{mode}` | {run.pages} | {run.pages_per_second / theirs:.1f} | {startup:.0f} s |")
        rows.append(f"| datatrove | {peer['pages']} | 1 | {peer['startup_s']:.0f} s |")
        shutil.rmtree(folder, ignore_errors=True)
    return [
        f"WARC files to tokenized shards, {count} pages, {len(cores)} cores, one run, same steps and thresholds.",
        "",
        "| lane | pages | pages/s, datatrove = 1 | start-up, apart |",
        "|---|---|---|---|",
        *rows,
    ]


def growth(base_pages: int = 700, rounds: int = 5, mode: str = "learned") -> list[str]:
    """1, 3 and 10 times the pages, round by round in one process; lines of the section."""
    _two_cores()
    everything = real_pages()
    pages = everything[:: max(1, len(everything) // base_pages)][:base_pages]
    runs: dict[int, list[Run]] = {size: [] for size in SIZES}
    with tempfile.TemporaryDirectory() as name:
        lane = Lane(Path(name), mode, pages[:: max(1, len(pages) // 100)])
        copy = 2
        for number in range(rounds):
            for size in SIZES:
                run = lane.materialize(pages, range(copy, copy + size))
                copy += size
                runs[size].append(run)
                print(f"round {number}: {run.pages} pages in {run.seconds:.1f} s", flush=True)
    count = np.array([r.pages for rs in runs.values() for r in rs], dtype=float)
    seconds = np.array([r.seconds for rs in runs.values() for r in rs])
    slope, fixed = np.polyfit(count, seconds, 1)
    per_page = {s: median(r.seconds / r.pages for r in rs) for s, rs in runs.items()}
    fitted = {s: (fixed + slope * runs[s][0].pages) / runs[s][0].pages for s in SIZES}
    memory = {s: median(r.driver_mib for r in rs) for s, rs in runs.items()}
    table = [
        f"| {s}× | {runs[s][0].pages:,} | {per_page[s] / per_page[1]:.2f} | {fitted[s] / fitted[1]:.2f} | "
        f"{memory[s] / memory[1]:.2f} |"
        for s in SIZES
    ]
    return [
        f"Median of {rounds} rounds, `{mode}`, crawls joined and varied; each round adds its days to the same lake.",
        "",
        "| input | pages | time per page, 1× = 1 | on the fitted line | driver's memory, 1× = 1 |",
        "|---|---|---|---|---|",
        *table,
    ]


def main() -> None:
    """Run both comparisons and rewrite their sections."""
    import argparse

    from benchmarks.results import write_section

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("datatrove", "growth"))
    parser.add_argument(
        "--copies", type=int, default=2, help="variations of each page in the comparison with datatrove"
    )
    parser.add_argument("--pages", type=int, default=700, help="pages of the growth's smallest input")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the growth")
    parser.add_argument("--mode", choices=MODES, default="learned", help="extraction mode of the growth")
    args = parser.parse_args()
    command = "python -m benchmarks.web lane"
    if args.only != "growth":
        found = against_datatrove(args.copies)
        print("\n".join(found))
        write_section("Web lane: whole, against datatrove", command, found)
    if args.only != "datatrove":
        found = growth(args.pages, args.rounds, args.mode)
        print("\n".join(found))
        write_section("Web lane: growth", command, found)


if __name__ == "__main__":
    main()
