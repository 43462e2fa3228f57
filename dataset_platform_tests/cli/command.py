"""Driving the command line inside this process, so that all tests share one Spark session, each in a home of its own."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from dataset_platform.cli import main
from dataset_platform.contracts import (
    Contract,
    DedupedCorpus,
    Documents,
    DuplicateLinks,
    FilteredDocuments,
    Quarantine,
    RawWarcs,
    Rejections,
    SignatureIndex,
)
from dataset_platform.lake.tables import LakeTable
from dataset_platform.settings import Settings

TABLES: tuple[type[Contract], ...] = (
    RawWarcs,
    Documents,
    FilteredDocuments,
    DedupedCorpus,
    SignatureIndex,
    DuplicateLinks,
    Rejections,
    Quarantine,
)


@dataclass(frozen=True)
class Result:
    """What a command gave back."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict:
        """The last line of stdout, which must be one JSON object."""
        return json.loads(self.stdout.rstrip("\n").rsplit("\n", 1)[-1])

    @property
    def errors(self) -> list[str]:
        """Lines that say what is wrong; progress and hints are others."""
        return [line for line in self.stderr.splitlines() if line.startswith(("error:", "FAILED", "ERROR"))]


def run_command(*args: str) -> Result:
    """``dataset-platform ARGS`` in this process and environment."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with patch.object(sys, "argv", ["dataset-platform", *args]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as e:
            code = e.code
    assert isinstance(code, int), code
    return Result(code, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Home:
    """A home folder, with the settings file and other variables that its commands run under."""

    path: Path
    config: Path | None = None

    @contextmanager
    def environment(self, **variables: str) -> Iterator[None]:
        """The environment pointing here; all of it is put back, also what the command exported."""
        wanted = {"DATASET_PLATFORM_HOME": str(self.path), "DAGSTER_HOME": str(self.path / "dagster"), **variables}
        if self.config is not None:
            wanted["DATASET_PLATFORM_CONFIG"] = str(self.config)
        before = dict(os.environ)
        try:
            os.environ.update(wanted)
            yield
        finally:
            for name in os.environ.keys() - before.keys():
                del os.environ[name]
            os.environ.update(before)

    def run(self, *args: str, **variables: str) -> Result:
        """``dataset-platform ARGS`` on this home."""
        with self.environment(**variables):
            return run_command(*args)

    @property
    def settings(self) -> Settings:
        """The settings of this home."""
        with self.environment():
            return Settings.from_env()

    @property
    def raw(self) -> Path:
        """The raw root."""
        return self.path / "raw"

    @property
    def artifacts(self) -> Path:
        """The artifacts root."""
        return self.path / "artifacts"

    def table(self, contract: type[Contract]) -> LakeTable:
        """A table of this home."""
        return LakeTable(contract, str(self.path / "lake"))

    def rows(self, contract: type[Contract], day: str | None = None) -> list[dict]:
        """Rows of a table, of a day where one is named."""
        table = self.table(contract)
        rows = table.read().to_pylist() if table.exists() else []
        return [r for r in rows if day is None or r["ingestion_date"].isoformat() == day]

    def tables(self) -> dict[str, list[str]]:
        """All rows of the web lane's tables, in an order that does not depend on files."""
        return {c.table_name(): sorted(repr(r) for r in self.rows(c) if r.get("lane", "web") == "web") for c in TABLES}

    def versions(self) -> dict[str, int]:
        """The Delta version of each table."""
        return {c.table_name(): self.table(c).delta().version() for c in TABLES}

    def files(self, under: str = "") -> dict[str, bytes]:
        """Content of all files below artifacts, by relative path."""
        root = self.artifacts / under
        return {str(f.relative_to(root)): f.read_bytes() for f in sorted(root.rglob("*")) if f.is_file()}

    def copy(self, target: Path, *parts: str, config: Path | None = None) -> Home:
        """A new home with some of this one's folders."""
        for part in parts:
            shutil.copytree(self.path / part, target / part)
        return Home(target, config or self.config)
