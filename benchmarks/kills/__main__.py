"""``python -m benchmarks.kills``: kill the web lane at many moments and compare with the undisturbed run."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.kills.processes import JVM, WHATS, WORKER
from benchmarks.kills.rounds import ALL, Round, measure
from benchmarks.kills.scenario import LOCAL, OVER, SPARK, KillsError, Scenario
from benchmarks.results import write_section

TITLE = "A killed run, started again"


def lines(rounds: Sequence[Round]) -> list[str]:
    """The markdown lines of the section in RESULTS.md."""
    kinds = Counter(r.what for r in rounds)
    ended = [r for r in rounds if r.ended_s is not None]
    rows = [
        ("rounds", f"{len(rounds)} ({', '.join(f'{n} {k}' for k, n in sorted(kinds.items()))})"),
        ("kills, second ones during the recovery included", f"{sum(r.kills for r in rounds)}"),
        ("rounds that began over days of other content", f"{sum(r.start == OVER for r in rounds)}"),
        (
            "rounds on worker processes, on Spark",
            f"{sum(r.engine == LOCAL for r in rounds)}, {sum(r.engine == SPARK for r in rounds)}",
        ),
        ("rounds whose tables, receipts, shards or manifest differ", f"{sum(bool(r.differences) for r in rounds)}"),
        ("doubled rows", f"{sum(r.doubled for r in rounds)}"),
        ("rows without a receipt, or receipts without their rows", f"{sum(len(r.orphans) for r in rounds)}"),
        ("locks still held", f"{sum(len(r.locks) for r in rounds)}"),
        ("runs that Dagster shows as going on", f"{sum(r.going_on for r in rounds)}"),
        ("files left in staging", f"{sum(len(r.leftovers) for r in rounds)}"),
        ("processes of a killed run that lived on", f"{sum(r.survivors for r in rounds)}"),
        ("uncommitted files that await upkeep, at most in a round", f"{max((r.awaiting for r in rounds), default=0)}"),
    ]
    cleared = [r.after_upkeep for r in rounds if r.after_upkeep is not None]
    if cleared:
        rows.append(("of them still there after upkeep", f"{sum(cleared)}"))
    if ended:
        rows.append(("longest that a command took to end once its JVM or worker was gone", f"{_longest(ended):.0f} s"))
    phases = Counter(r.phase for r in rounds)
    return [
        "Two days of the demo's WARC files (duplicates within and across days, broken members, refused pages) through "
        "`web/*` and `tokens/*`; SIGKILL at a moment, half of them uniform over the run's time and half just after a file "
        "came or went; then the same command again, and a comparison with an undisturbed run, row by row and byte by byte.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows),
        "",
        "| where the kill hit | kills |",
        "|---|---|",
        *(f"| {name} | {n} |" for name, n in sorted(phases.items(), key=lambda kv: (-kv[1], kv[0]))),
    ]


def _longest(ended: Sequence[Round]) -> float:
    return max(r.ended_s or 0.0 for r in ended)


def main() -> int:
    """The command; 1 when a round ended otherwise than undisturbed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--what", choices=[*WHATS, "both", "all"], default="all", help="both: jvm and worker in turn")
    parser.add_argument(
        "--engine", choices=[LOCAL, SPARK], help="what runs the kernels; drawn for each round otherwise"
    )
    parser.add_argument("--input", type=Path, action="append", default=[], help="a WARC file to put beside the sample")
    parser.add_argument("--pages", type=int, default=12, help="ordinary pages a file of the sample")
    parser.add_argument("--work", type=Path, help="folder for homes and logs, kept; a temporary one otherwise")
    parser.add_argument("--write", action="store_true", help="rewrite the section in benchmarks/RESULTS.md")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the run that is being watched ends too
    whats = {"all": ALL, "both": (JVM, WORKER)}.get(given.what, (given.what,))
    with tempfile.TemporaryDirectory(prefix="kills-") as temporary:
        try:
            scenario = Scenario(given.work or Path(temporary), given.input, given.pages)
            rounds = measure(
                scenario, given.rounds, given.seed, whats, given.engine, lambda text: print(text, flush=True)
            )
        except KillsError as e:
            print(f"error: {e}", file=sys.stderr)
            return 1
    print("\n".join(["", *lines(rounds)]))
    if given.write:
        options = "" if given.what == "all" else f" --what {given.what}"
        write_section(
            TITLE, f"python -m benchmarks.kills --rounds {given.rounds} --seed {given.seed}{options}", lines(rounds)
        )
    return 0 if all(r.ok for r in rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
