"""``demo``: the whole graph on a sample made here, or on the user's own WARC files."""

from __future__ import annotations

import fnmatch
import glob
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

from dataset_platform.cli import commands, output, runs
from dataset_platform.config import load_config
from dataset_platform.errors import ConfigError, InputError
from dataset_platform.lake import storage
from dataset_platform.lake.inventory import DEFAULT_SOURCE, WARC_SUFFIXES
from dataset_platform.settings import Settings, day_path, is_url, join, parse_day

SAMPLE_DAYS = (date(2026, 1, 5), date(2026, 1, 6))
MARKER = "demo.json"
# yyyy/mm/dd, yyyy-mm-dd, yyyymmdd and the 14 digits of CommonCrawl's file names
DATES = re.compile(r"(?<!\d)(20\d{2})([-/]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?:\d{6})?(?!\d)")


def run_demo(source: str, day: str, keep: bool, as_json: bool) -> int:
    """The ``demo`` command; its exit code."""
    settings = Settings.from_env()
    load_config()  # a wrong settings file is one error here, before the home is touched
    home = Path(settings.home)
    roots = (settings.raw, settings.lake, settings.artifacts)
    if any(is_url(root) or not Path(root).is_relative_to(home) for root in roots):
        raise ConfigError(
            "The demo writes below its home only.", "Unset DATASET_PLATFORM_RAW, _LAKE and _ARTIFACTS for it."
        )
    if source:
        found = find_input(source)
        if not keep and any(not is_url(path) and Path(path).is_relative_to(home) for path in found):
            raise ConfigError(f"{source} lies in {home}, which the demo would empty.", "Move it out, or add --keep.")
        default = parse_day(day).isoformat() if day else datetime.now(UTC).date().isoformat()
        named = len(str(Path(source).resolve())) if not is_url(source) and Path(source).is_dir() else 0
        # of a local path only what the user named counts: a date in the name of a home folder is not the crawl's
        dated = {path: day_of(path[named:] if named else path_as_named(path, source), default) for path in found}
        prepare_home(settings, {"input": source}, keep)
        days = place(settings, source, dated)
        output.announce(f"{len(found)} WARC files on {len(days)} days, linked below {join(settings.raw, 'web')}")
    else:
        from dataset_platform.demo.questions import write_questions
        from dataset_platform.demo.sample import write_sample

        prepare_home(settings, {"sample": [d.isoformat() for d in SAMPLE_DAYS]}, keep)
        write_sample(Path(settings.raw), SAMPLE_DAYS)
        write_questions(Path(settings.raw), SAMPLE_DAYS)
        days = [d.isoformat() for d in SAMPLE_DAYS]
        output.announce(f"sample of {len(days)} days written below {settings.raw}")
        output.announce("self_correction: the simulated model answers, no real one; use materialize to ask yours")
    from dataset_platform.partitions import day_range

    days = [d for d in day_range(f"{days[0]}:{days[-1]}") if d in set(days)]
    # files of one's own are WARC files: the other lanes have nothing to do then
    keys = runs.select("web/*,tokens/*" if source else "*")
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


def find_input(source: str) -> list[str]:
    """WARC files of a folder, glob or URL, sorted. A file named by itself is taken whatever its name.

    Raises:
        InputError: nothing is there; says what was looked for.
    """
    named = ", ".join(f"*{s}" for s in WARC_SUFFIXES)
    if is_url(source):
        base = re.split(r"[*?\[]", source)[0]
        prefix = base if base == source else base.rsplit("/", 1)[0]
        files = [e.path for e in storage.list_files(prefix)]
        if base != source:
            files = [f for f in files if fnmatch.fnmatch(f, source)]
        elif files != [source]:
            files = [f for f in files if f.lower().endswith(WARC_SUFFIXES)]
    elif Path(source).is_file():
        files = [str(Path(source).resolve())]
    elif Path(source).is_dir():
        files = [e.path for e in storage.list_files(str(Path(source).resolve()))]
        files = [f for f in files if f.lower().endswith(WARC_SUFFIXES)]
    else:
        files = [str(Path(f).resolve()) for f in glob.glob(source, recursive=True) if Path(f).is_file()]
    if not files:
        what = (
            "is not there"
            if not is_url(source) and not glob.has_magic(source) and not Path(source).exists()
            else "has none"
        )
        raise InputError(f"No WARC files: {source} {what}.", f"Name a folder, glob or s3:// URL with {named} files.")
    return sorted(files)


def day_of(path: str, default: str) -> str:
    """The day that a path carries, the last one in it; ``default`` when it carries none that is a partition.

    Raises:
        ConfigError: ``default`` lies off the partition axis.
    """
    from dataset_platform.partitions import daily, day_range

    for year, _, month, day in reversed(DATES.findall(path)):
        try:
            found = date(int(year), int(month), int(day)).isoformat()
        except ValueError:
            continue
        if daily.has_partition_key(found):
            return found
    day_range(default)
    return default


def path_as_named(path: str, source: str) -> str:
    """The part of a found file's path that the user wrote or that lies below it."""
    if is_url(source):
        return path
    fixed = re.split(r"[*?\[]", source)[0]
    base = str(Path(fixed if fixed == source else os.path.dirname(fixed) or ".").resolve())
    return source if Path(source).is_file() else path.removeprefix(base)


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


def place(settings: Settings, source: str, dated: dict[str, str]) -> list[str]:
    """Put the user's files where raw data lies: links to local files, copies of remote ones. Returns the days.

    A folder below the named one becomes the source's name, as it would in raw storage.
    """
    root = source if is_url(source) else str(Path(source).resolve()) if Path(source).is_dir() else ""
    taken: set[str] = set()
    for path, day in dated.items():
        parts = (
            path[len(root.rstrip("/")) + 1 :].split("/") if root and path.startswith(root) else [path.rsplit("/", 1)[1]]
        )
        folders = [p for p in parts[:-1] if not DATES.fullmatch(p) and not re.fullmatch(r"\d{1,4}", p)]
        folders = [re.sub(r"[^\w .-]", "_", p).lstrip(" .-") or DEFAULT_SOURCE for p in folders]
        name, suffix = parts[-1], next((s for s in WARC_SUFFIXES if parts[-1].lower().endswith(s)), "")
        if not suffix:
            name, suffix = f"{name}.warc", ".warc"
        target = join(settings.raw, "web", day_path(day), *folders[:1], name)
        number = 1
        while target in taken or (os.path.lexists(target) and (is_url(path) or os.path.realpath(target) != path)):
            number += 1
            stem = name[: -len(suffix)]
            target = join(settings.raw, "web", day_path(day), *folders[:1], f"{stem}-{number}{suffix}")
        taken.add(target)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if is_url(path):
            with storage.open_input(path)[0] as stream, open(target, "wb") as sink:
                shutil.copyfileobj(stream, sink, 1 << 20)
        elif not os.path.lexists(target):
            os.symlink(path, target)
    return sorted(set(dated.values()))
