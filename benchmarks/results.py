"""benchmarks/RESULTS.md: one section per benchmark, rewritten by its own run, with the machine and versions it ran on."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PATH = Path(__file__).parent / "RESULTS.md"
PACKAGES = ("aiohttp", "uvloop", "ray", "pyarrow", "numpy", "scikit-learn", "dagster")


def machine() -> str:
    """Cores, architecture, Python and the versions of the packages that matter."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; {', '.join(found)}"


def write_section(title: str, command: str, lines: Sequence[str]) -> None:
    """Put a section in place of the one with the same title."""
    head = "# Results\n\nRatios from one run each; absolute times depend on the machine and are left out where they can be.\n"
    text = PATH.read_text(encoding="utf-8") if PATH.exists() else head
    section = f"\n## {title}\n\n`{command}` on {machine()}\n\n" + "\n".join(lines) + "\n"
    pattern = re.compile(rf"\n## {re.escape(title)}\n.*?(?=\n## |\Z)", re.S)
    text = pattern.sub(lambda _: section, text) if pattern.search(text) else text.rstrip("\n") + "\n" + section
    PATH.write_text(text, encoding="utf-8")
