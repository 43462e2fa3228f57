"""``demo``: the whole graph on a sample made here, or on the user's own WARC files and TFRecords."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

from dataset_platform.cli import commands, demo_input, output, runs
from dataset_platform.config import load_config
from dataset_platform.errors import ConfigError
from dataset_platform.settings import Settings, is_url, parse_day

SAMPLE_DAYS = (date(2026, 1, 5), date(2026, 1, 6))
MARKER = "demo.json"
# the sample shows both writers of reasoning traces; settings of the user's own go before these
SAMPLE_SETTINGS = "driving:\n  reasoning:\n    generator: hybrid\n    route: {llm_share: 0.2}\n"


def run_demo(source: str, day: str, keep: bool, as_json: bool) -> int:
    """The ``demo`` command; its exit code."""
    with ExitStack() as stack:
        return _run(source, day, keep, as_json, stack)


def _run(source: str, day: str, keep: bool, as_json: bool, stack: ExitStack) -> int:
    settings = Settings.from_env()
    load_config()  # a wrong settings file is one error here, before the home is touched
    home = Path(settings.home)
    roots = (settings.raw, settings.lake, settings.artifacts)
    if any(is_url(root) or not Path(root).is_relative_to(home) for root in roots):
        raise ConfigError(
            "The demo writes below its home only.", "Unset DATASET_PLATFORM_RAW, _LAKE and _ARTIFACTS for it."
        )
    if source:
        kinds = demo_input.find_input(source)
        if not keep and any(not is_url(path) and Path(path).is_relative_to(home) for path in kinds):
            raise ConfigError(f"{source} lies in {home}, which the demo would empty.", "Move it out, or add --keep.")
        default = parse_day(day).isoformat() if day else datetime.now(UTC).date().isoformat()
        # of a local path only what the user named counts: a date in the name of a home folder is not the crawl's
        dated = {path: demo_input.day_of(demo_input.path_as_named(path, source), default) for path in kinds}
        prepare_home(settings, {"input": source}, keep)
        days = demo_input.place(settings, source, dated, kinds)
        output.announce(f"{demo_input.counted(kinds.values())} on {len(days)} days, linked below {settings.raw}")
        selection = ",".join(sorted({kind.selection for kind in kinds.values()}))
    else:
        from dataset_platform.demo.driving.write import write_driving_sample
        from dataset_platform.demo.questions import write_questions
        from dataset_platform.demo.sample import write_sample

        prepare_home(settings, {"sample": [d.isoformat() for d in SAMPLE_DAYS]}, keep)
        write_sample(Path(settings.raw), SAMPLE_DAYS)
        write_questions(Path(settings.raw), SAMPLE_DAYS)
        write_driving_sample(Path(settings.raw), SAMPLE_DAYS)
        days = [d.isoformat() for d in SAMPLE_DAYS]
        output.announce(f"sample of {len(days)} days written below {settings.raw}")
        output.announce("the simulated model answers, no real one; use materialize to ask yours")
        selection = "*"
        stack.enter_context(sample_settings(home))
    from dataset_platform.partitions import day_range

    days = [d for d in day_range(f"{days[0]}:{days[-1]}") if d in set(days)]
    keys = runs.select(selection)
    with output.progress(), demo_model():
        report = runs.materialize(keys, days, on_run=output.run_lines, only_stale=True)
    report.outputs = commands.outputs()
    code = commands.finish(report, days, as_json=False)
    if code == 0:
        closing(report)
    if as_json:
        output.as_json(report)
    return code


@contextmanager
def sample_settings(home: Path) -> Iterator[None]:
    """Settings of the sample, where the user has named none."""
    if os.environ.get("DATASET_PLATFORM_CONFIG"):
        yield
        return
    path = home / "demo.yaml"
    path.write_text(SAMPLE_SETTINGS)
    os.environ["DATASET_PLATFORM_CONFIG"] = str(path)
    try:
        yield
    finally:
        del os.environ["DATASET_PLATFORM_CONFIG"]


@contextmanager
def demo_model() -> Iterator[None]:
    """Let the simulated model answer, whichever is named: a demo spends nobody's money."""
    before = os.environ.get("DATASET_PLATFORM_LLM")
    os.environ["DATASET_PLATFORM_LLM"] = "simulated"
    try:
        yield
    finally:
        if before is None:
            del os.environ["DATASET_PLATFORM_LLM"]
        else:
            os.environ["DATASET_PLATFORM_LLM"] = before


def closing(report: runs.Report) -> None:
    """Where the results lie and how to look at them."""
    output.out.print()
    for name, path in report.outputs.items():
        output.out.print(f"{name:<17}{path}", soft_wrap=True)
    passed = sum(c.passed for c in report.checks)
    output.out.print(
        f"\n{passed} of {len(report.checks)} checks passed. Look at it all in Dagster:  make ui", soft_wrap=True
    )


def prepare_home(settings: Settings, what: dict[str, object], keep: bool) -> None:
    """Make the home ready: empty it if another demo filled it, leave it if the same sample is there already.

    Raises:
        ConfigError: the home holds data that no demo wrote.
    """
    home = Path(settings.home)
    marker = home / MARKER
    before = json.loads(marker.read_text()) if marker.exists() else None
    filled = home.exists() and any(p.name not in ("dagster",) for p in home.iterdir())
    if not keep and filled and before is None:
        raise ConfigError(
            f"{home} holds data that no demo wrote.",
            "Name another home (DATASET_PLATFORM_HOME=…), or add to it with --keep.",
        )
    same_sample = "sample" in what and before == what
    if not keep and before is not None and not same_sample:
        for child in (c for c in home.iterdir() if c.name != "dagster"):  # a UI may be open on the runs
            shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()
    home.mkdir(parents=True, exist_ok=True)
    # the marker says that all of this came from demos and may go: never put it beside somebody's own data
    if before is not None or not filled:
        marker.write_text(json.dumps({"kept": True} if keep and filled else what))
