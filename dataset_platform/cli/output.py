"""What commands print: live progress, the table of assets, failures, and the JSON object."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from dataset_platform.cli.runs import CheckResult, Report
from dataset_platform.engines.progress import listening

err = Console(stderr=True, highlight=False)
out = Console(highlight=False)
EVERY_S = 10.0  # between two progress lines of a stage where there is no terminal
out.width = max(out.width, 112)  # a narrower terminal wraps the table's lines; figures are never cut


@contextmanager
def progress() -> Iterator[None]:
    """A live line on a terminal; on anything else one line per stage as it begins. Ctrl-C ends in one line and exit 130."""
    try:
        with _listening():
            yield
    except KeyboardInterrupt:
        announce("interrupted; what was finished is kept, run the command again to go on")
        raise SystemExit(130) from None


@contextmanager
def _listening() -> Iterator[None]:
    if err.is_terminal:
        with err.status("starting") as status, listening(status.update):
            yield
        return
    seen: set[str] = set()
    said_at = 0.0

    def line(text: str) -> None:
        nonlocal said_at
        stage, _, rest = text.partition(": ")
        if " · " in rest:  # how far a stage has come: now and then
            if time.monotonic() - said_at < EVERY_S:
                return
            said_at = time.monotonic()
            print(f"… {text}", file=sys.stderr, flush=True)
            return
        stage = stage if text.endswith(" tasks") else text
        if stage not in seen:
            seen.add(stage)
            print(f"… {stage}", file=sys.stderr, flush=True)

    with listening(line):
        yield


def announce(text: str) -> None:
    """A line of news on stderr."""
    err.print(text, markup=False, soft_wrap=True)


def run_lines(found: Report) -> None:
    """Say what a run did, as it ends."""
    for asset in found.assets:
        if asset.note:
            announce(f"  {asset.key} {asset.partition or ''}: {asset.note}")
    for day, asset_key, line in found.failures:
        announce(f"FAILED {asset_key or 'run'} {day or ''}: {line}")
    for result in found.checks:
        if not result.passed:
            announce(f"{result.severity} {result.asset} {result.partition or ''} {result.name}: {result.message}")


def table(report: Report) -> None:
    """The table: asset, partition, rows in/kept/rejected/quarantined, checks, seconds."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    drawn.add_column("asset", no_wrap=True)
    drawn.add_column("partition", no_wrap=True)
    for name in ("in", "kept", "rejected", "quarantined", "checks", "seconds"):
        drawn.add_column(name, justify="right", no_wrap=True)
    checks: dict[tuple[str, str | None], list[CheckResult]] = {}
    for result in report.checks:
        checks.setdefault((result.asset, result.partition), []).append(result)
    for a in report.assets:
        counts = [f"{n:,}" for n in (a.rows_in, a.rows_kept, a.rows_rejected, a.rows_quarantined)]
        if not a.rows_in and "/" in a.key and a.partition is None:
            counts = ["–"] * 4
        row = [
            a.key,
            a.partition or "–",
            *counts,
            _checks_cell(checks.pop((a.key, a.partition), [])),
            f"{a.seconds:.1f}",
        ]
        drawn.add_row(*row)
    for (key, day), results in checks.items():
        drawn.add_row(key, day or "–", *["–"] * 4, _checks_cell(results), "–")
    out.print(drawn)


def _checks_cell(results: list[CheckResult]) -> str:
    failed = [r for r in results if not r.passed]
    text = f"{len(results) - len(failed)}/{len(results)}"
    return text + (f" {','.join(r.name for r in failed)}" if failed else "")


def as_json(report: Report) -> None:
    """The JSON object, as the last line of stdout."""
    content: dict[str, Any] = {
        "assets": [asdict(a) for a in report.assets],
        "checks": [asdict(c) for c in report.checks],
        "failures": [{"partition": d, "asset": a, "message": m} for d, a, m in report.failures],
        "outputs": report.outputs,
    }
    print(json.dumps(content), flush=True)
