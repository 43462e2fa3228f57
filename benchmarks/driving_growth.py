"""How the driving lane's time grows with its frames: 1, 3 and 10 times the synthetic scenes, whole lane, rules writing.

``python -m benchmarks.driving_growth``: five rounds in one process with one Spark session, started and warmed on a day
of its own; each round gives the three sizes in turn. The line is fitted through all points, and 10 times the frames are
compared with once the frames on the line as well as by the medians.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.results import write_section

SIZES = (1, 3, 10)
FIRST_DAY = date(2026, 1, 1)
SECTION = "Driving lane: time against frames"


def measure(base: int, rounds: int) -> dict[int, list[float]]:
    """Seconds of each size, round by round; ``base`` scenes are once the frames."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        os.environ |= {"DATASET_PLATFORM_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
        from dataset_platform.cli import runs
        from dataset_platform.demo.driving.write import write_driving_sample

        keys = runs.select("driving/*")
        taken: dict[int, list[float]] = {size: [] for size in SIZES}
        day = FIRST_DAY
        for turn in range(-1, rounds):
            for size in SIZES if turn >= 0 else SIZES[:1]:
                write_driving_sample(home / "raw", [day], base * size, seed=1000 * (turn + 2) + size)
                began = time.perf_counter()
                report = runs.materialize(keys, [day.isoformat()])
                if not report.ok:
                    raise SystemExit(f"{day}: {report.failures or report.failed_checks}")
                if turn >= 0:
                    taken[size].append(time.perf_counter() - began)
                    print(f"round {turn}: {base * size} scenes in {taken[size][-1]:.1f} s", flush=True)
                day += timedelta(days=1)
        return taken


def report(taken: dict[int, list[float]], base: int) -> list[str]:
    """The section's lines."""
    sizes = np.array([size for size, times in taken.items() for _ in times], dtype=float)
    seconds = np.array([t for times in taken.values() for t in times])
    slope, fixed = np.polyfit(sizes, seconds, 1)
    medians = {size: median(times) for size, times in taken.items()}
    rows = [f"| {s}× | {base * s} | {base * s * 91:,} | {medians[s] / medians[1]:.2f} |" for s in SIZES]
    return [
        f"Median of {len(taken[1])} rounds, whole lane from TFRecords to quality card, warm Spark, rules write the traces.",
        "",
        "| frames | scenes | rows of bronze | time, relative to 1× |",
        "|---|---|---|---|",
        *rows,
        "",
        f"Fitted line: a day of no scenes would take {fixed / medians[1]:.0%} of the 1× day (Spark jobs and commits cost what "
        f"they cost), each further 1× adds {slope / medians[1]:.0%}; on the line 10× the frames cost "
        f"{(fixed + 10 * slope) / (fixed + slope):.2f} times the time (bar: 11.5), and {medians[10] / medians[1]:.2f} times by the medians.",
    ]


def main() -> None:
    """Measure and rewrite the section of RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=6, help="scenes of the smallest day")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    taken = measure(options.scenes, options.rounds)
    lines = report(taken, options.scenes)
    print("\n".join(lines))
    write_section(SECTION, f"python -m benchmarks.driving_growth --scenes {options.scenes}", lines)


if __name__ == "__main__":
    main()
